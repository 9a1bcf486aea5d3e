"""Keeps requests from making the server open or fetch a file: a picture arrives as its bytes, or it does not arrive.

Wherever Gradio finds {"path": ..., "meta": {"_type": "gradio.FileData"}} in a request, for whichever event, it copies
the file of that path or downloads it from that address before the event's function is called. Here that mark is taken
off, so Gradio sees an ordinary object, and the function decides (`retention.taken_upload`).
"""

import json
from typing import Any

from gradio.route_utils import API_PREFIX
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK = "gradio.FileData"

# The only address that takes a form.
UPLOAD = f"{API_PREFIX}/upload"


class FileGuard:
    """ASGI middleware for all that is posted but uploads, which `retention.receive_upload` limits.

    Args:
        app: what answers.
        most_bytes: the largest body that is taken.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app, self.most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] == UPLOAD:
            await self.app(scope, receive, send)
            return
        body = bytearray()
        async for part in Request(scope, receive).stream():
            body += part
            if len(body) > self.most_bytes:
                sentence = f"The request has more than {self.most_bytes >> 20} MB; please make the picture smaller."
                await _problem(413, "too_large", sentence)(scope, receive, send)
                return
        try:
            content = without_marks(bytes(body))
        except RecursionError:
            await _problem(400, "bad_argument", "The request is nested too deeply.")(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"content-length"]
        scope = {**scope, "headers": [*headers, (b"content-length", str(len(content)).encode())]}
        try:
            await self.app(scope, _replay(content, receive), send)
        except TypeError as error:
            # Gradio's words about a parameter that is missing or unknown, for which it has no answer of its own.
            if "/call/v2/" not in scope["path"]:
                raise
            await _problem(422, "bad_argument", str(error).partition(" Please click")[0])(scope, receive, send)


def without_marks(body: bytes) -> bytes:
    """A JSON document in which no object is marked as a file; anything else unchanged, which Gradio refuses.

    Raises:
        RecursionError: it is nested too deeply to tell.
    """
    found = []

    def unmarked(entries: dict[str, Any]) -> dict[str, Any]:
        if entries.get("_type") != MARK:
            return entries
        found.append(entries)
        return {key: value for key, value in entries.items() if key != "_type"}

    try:
        document = json.loads(body, object_hook=unmarked)
    except ValueError:
        return body
    return json.dumps(document).encode() if found else body


def _replay(content: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _problem(status: int, kind: str, sentence: str) -> JSONResponse:
    """An error in the form of Gradio's own, see `demo.api`."""
    return JSONResponse({"error": sentence, "title": kind}, status)


async def _refuse(request: Request) -> JSONResponse:
    return _problem(403, "not_uploaded", "This page hands out, fetches and keeps no files.")


# What Gradio offers to every page, and this one does not need, because its pictures are inside its HTML: files and
# addresses on demand, a converter of videos, and links to a copy of a visitor's page that is kept on disk.
CLOSED = [
    Route(f"{API_PREFIX}/{name}{{rest:path}}", _refuse, methods=["GET", "POST"])
    for name in ("file=", "file/", "proxy=", "process_recording", "deep_link")
]
