"""No request makes Gradio open or fetch a file."""

import asyncio
import json

import pytest
from gradio_client.utils import is_file_obj_with_meta

from demo.api_guard import UPLOAD, FileGuard, without_marks

FILE = {"path": "http://127.0.0.1:9/a.png", "meta": {"_type": "gradio.FileData"}}


def marked(value: object) -> bool:
    """Whether Gradio would take anything in it for a file."""
    if isinstance(value, dict):
        return is_file_obj_with_meta(value) or any(map(marked, value.values()))
    return isinstance(value, list) and any(map(marked, value))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"data": [FILE]}),
        json.dumps({"data": [[{"view": {"deep": [FILE, 1.5, None, "ä"]}}]], "event_data": FILE}),
        json.dumps(FILE).replace("gradio", "\\u0067radio").replace("meta", "\\u006deta"),
        '{"path": "a", "meta": {"_type": "other", "_type": "gradio.FileData"}}',
        '{"path": "a", "meta": {}, "meta": {"_type": "gradio.FileData"}}',
    ],
)
def test_no_object_stays_marked_as_a_file(document, encoding):
    assert marked(json.loads(document))
    cleaned = json.loads(without_marks(document.encode(encoding)))
    assert not marked(cleaned)


def test_all_else_stays_as_it_is():
    rest = {"data": [1, "gradio.FileData", {"_type": "update", "path": "a"}], "big": 2**70, "nan": None}
    document = rest | {"file": {"path": "a", "meta": {"_type": "gradio.FileData", "more": 1}}}
    cleaned = json.loads(without_marks(json.dumps(document).encode()))
    assert cleaned == rest | {"file": {"path": "a", "meta": {"more": 1}}}
    for body in (b"", b"no json", b'{"a": ', json.dumps(rest, indent=3).encode()):
        assert without_marks(body) == body


def test_what_is_nested_too_deeply_is_not_passed_on():
    with pytest.raises(RecursionError):
        without_marks(b"[" * 100_000 + b"]" * 100_000)


def passed_on(path: str, body: bytes, *content_types: bytes) -> bytes:
    """What the page gets to see of a body of at most 100 bytes, or the refusal."""
    sent = []

    async def page(_scope, receive, _send):
        sent.append((await receive())["body"])

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message.get("body", b""))

    headers = [(b"content-type", kind) for kind in content_types]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(FileGuard(page, most_bytes=100)(scope, receive, send))
    return sent[-1]


FORM = b"multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    "types", [(b"application/json",), (FORM,), (b"application/json", FORM), (FORM, b"text/plain"), ()]
)
def test_a_document_is_cleaned_whatever_it_is_called(types):
    """Of two content types, one part of a server may read the first and another one the last."""
    assert not marked(json.loads(passed_on("/gradio_api/queue/join", json.dumps(FILE).encode(), *types)))
    assert b"too_large" in passed_on("/gradio_api/call/v2/analyse", b"0" * 101, *types)


def test_only_uploads_are_limited_elsewhere():
    assert passed_on(UPLOAD, b"0" * 101, FORM) == b"0" * 101
    assert b"too_large" in passed_on(f"{UPLOAD}/", b"0" * 101, FORM)
