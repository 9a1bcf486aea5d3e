"""The camera's WebSocket: what is answered, what ends a session, and that nothing is kept."""

import base64
import gc
import io
import json
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from demo.camera_socket import CAMERA_ROUTES, MOST_BYTES, MOST_TEXTS, UNFORESEEN, Cameras, Limits, open_frame
from demo.camera_tab import render_camera
from fer_models.explanations.overlays import scaled_attention, scaled_heatmap
from fer_models.video.live import LiveAnalysis
from tests.helpers import PORTRAIT, tiny_models

MODELS = tiny_models()


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def frame() -> bytes:
    """480 x 360 pixels with one face, as the page sends them."""
    with Image.open(PORTRAIT) as photo:
        return jpeg(photo.convert("RGB").resize((480, 480 * photo.height // photo.width)).crop((0, 0, 480, 360)))


def client(**limits: float) -> TestClient:
    page = SimpleNamespace(cameras=Cameras(MODELS, Limits(**{"rate": 1000} | limits)))
    app = Starlette(routes=CAMERA_ROUTES)
    app.get_blocks = lambda: page
    return TestClient(app)


def ask(socket: WebSocketTestSession, frame: bytes) -> dict:
    socket.send_bytes(frame)
    return json.loads(socket.receive_text())


def end_of(socket: WebSocketTestSession) -> WebSocketDisconnect:
    with pytest.raises(WebSocketDisconnect) as raised:
        socket.receive_text()
    assert len(raised.value.reason.encode()) <= 123, "more does not fit into a close frame"
    return raised.value


# ---- Answers -------------------------------------------------------------------------------------------------------


def test_a_frame_is_answered_with_what_is_drawn(frame):
    with client() as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        socket.send_text('{"model": "attn_cnn"}')
        answer = ask(socket, frame)
    (face,) = answer["faces"]
    (expected,) = LiveAnalysis(MODELS["attn_cnn"]).look(open_frame(frame), 0.0).faces
    assert face["number"] == 1 and face["side"] == expected.face.square.side
    assert face["centre"] == pytest.approx(expected.face.square.centre.tolist(), abs=0.05)
    assert face["probabilities"] == pytest.approx(expected.probabilities.tolist(), abs=5e-5)
    found = expected.explanation
    for kind, values in {
        "heat": scaled_heatmap(found.heatmap),
        "attention": scaled_attention(found.spatial_attention),
    }.items():
        sent = face["maps"][kind]
        cells = np.frombuffer(base64.b64decode(sent["values"]), np.uint8).reshape(sent["rows"], sent["columns"])
        np.testing.assert_allclose(cells / 255, values, atol=0.51 / 255)
    assert set(answer["milliseconds"]) == {"decode", "faces", "model"}


def test_the_model_can_be_changed_between_frames(frame):
    with client() as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        kinds = []
        for name in ("baseline_cnn", "attn_cnn"):
            socket.send_text(json.dumps({"model": name}))
            (face,) = ask(socket, frame)["faces"]
            kinds.append(face["maps"]["attention"] is not None)
    assert kinds == [False, True], "only the second has attention"


def test_a_black_frame_and_one_without_a_face_are_fine():
    with client() as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        for colour in ("black", "gray"):
            assert ask(socket, jpeg(Image.new("RGB", (480, 360), colour)))["faces"] == []


def test_a_session_gets_so_many_frames_per_second_and_no_more(frame):
    with client(rate=10) as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        start = time.monotonic()
        for _ in range(5):
            socket.send_bytes(frame)
        for _ in range(5):
            socket.receive_text()
        assert time.monotonic() - start >= 4 / 10


# ---- Ends ----------------------------------------------------------------------------------------------------------


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def enlarged(content: bytes, side: int) -> bytes:
    """The same JPEG with a header that promises a larger square picture."""
    place = content.index(b"\xff\xc0") + 5  # behind marker, length and depth of the frame's header
    return content[:place] + 2 * side.to_bytes(2) + content[place + 4 :]


def test_a_flood_of_texts_ends_the_session(frame):
    with client() as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        for _ in range(MOST_TEXTS):
            socket.send_text('{"model": "attn_cnn"}')
        assert ask(socket, frame)["faces"], "so many are fine"
        for _ in range(MOST_TEXTS + 1):
            socket.send_text('{"model": "attn_cnn"}')
        end = end_of(socket)
        assert (end.code, end.reason) == (1003, "More than 20 texts came without a picture.")


@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        (b"", 1007, "A frame is not a whole JPEG picture."),
        (b"no picture", 1007, "A frame is not a whole JPEG picture."),
        (jpeg(Image.effect_noise((480, 360), 50))[:3000], 1007, "A frame is not a whole JPEG picture."),
        (png(Image.new("RGB", (480, 360))), 1007, "A frame is not a whole JPEG picture."),
        (jpeg(Image.new("RGB", (641, 10))), 1009, "A frame may have 640 pixels per side and 300 kB."),
        (enlarged(jpeg(Image.new("RGB", (64, 64))), 9000), 1009, "A frame may have 640 pixels per side and 300 kB."),
        (bytes(MOST_BYTES + 1), 1009, "A frame may have 640 pixels per side and 300 kB."),
        ("{", 1003, 'A text has to be {"model": NAME} with the name of a model of this page.'),
        ('{"model": "resnet50"}', 1003, 'A text has to be {"model": NAME} with the name of a model of this page.'),
        ('{"model": ["attn_cnn"]}', 1003, 'A text has to be {"model": NAME} with the name of a model of this page.'),
        ('"attn_cnn"', 1003, 'A text has to be {"model": NAME} with the name of a model of this page.'),
        ("[" * 100_000, 1003, 'A text has to be {"model": NAME} with the name of a model of this page.'),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_frame_ends_the_session_with_a_sentence(content, code, sentence, frame, caplog):
    with client() as visitor:
        with visitor.websocket_connect("/live?visit=1") as socket:
            send = socket.send_text if isinstance(content, str) else socket.send_bytes
            send(content)
            end = end_of(socket)
            assert (end.code, end.reason) == (code, sentence)
        with visitor.websocket_connect("/live?visit=2") as socket:
            assert len(ask(socket, frame)["faces"]) == 1, "others do not notice"
    assert caplog.text == ""


def test_a_session_ends_when_its_time_is_over(frame):
    with client(seconds=1) as visitor:
        with visitor.websocket_connect("/live?visit=1") as socket:
            ask(socket, frame)
            end = end_of(socket)
            assert end.code == 1000 and end.reason == "1 seconds are over, so that other visitors get a turn."
        with visitor.websocket_connect("/live?visit=1") as socket:
            assert ask(socket, frame)["faces"], "the visitor can go on"


def test_a_session_ends_when_no_frame_comes():
    with client(idle=0.2) as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        assert end_of(socket).reason.startswith("No picture has come")


def test_a_visitor_too_many_is_told_when_to_try_again(frame):
    with client(sessions=1, seconds=40) as visitor:
        with visitor.websocket_connect("/live?visit=1") as first:
            ask(first, frame)
            with visitor.websocket_connect("/live?visit=2") as second:
                end = end_of(second)
                assert end.code == 1013
                assert end.reason in [
                    f"The camera is in use by 1 other visitor; try again in about {seconds} seconds."
                    for seconds in range(35, 41)
                ]
            assert ask(first, frame)["faces"]
        with visitor.websocket_connect("/live?visit=2") as second:
            assert ask(second, frame)["faces"], "the place is free again"


def test_a_visitor_has_one_camera(frame):
    with (
        client(sessions=1) as visitor,
        visitor.websocket_connect("/live?visit=1") as lost,
        visitor.websocket_connect("/live?visit=1") as again,
    ):
        assert ask(again, frame)["faces"]
        end = end_of(lost)
        assert (end.code, end.reason) == (1000, "The same visit has started another camera.")


def test_an_error_of_the_servers_is_a_sentence_and_is_logged(frame, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(LiveAnalysis, "look", fail)
    with client() as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        socket.send_bytes(frame)
        end = end_of(socket)
    assert (end.code, end.reason) == (1011, UNFORESEEN)
    assert "ZeroDivisionError" in caplog.text


# ---- Privacy -------------------------------------------------------------------------------------------------------


def test_nothing_of_a_session_is_kept(frame, monkeypatch, tmp_path):
    pictures = []

    def remembered(content: bytes) -> Image.Image:
        picture = open_frame(content)
        pictures.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr("demo.camera_socket.open_frame", remembered)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with client() as visitor, visitor.websocket_connect("/live?visit=1") as socket:
        for _ in range(3):
            ask(socket, frame)
    gc.collect()
    assert len(pictures) == 3 and not any(picture() for picture in pictures)
    assert not any(type(kept) is LiveAnalysis for kept in gc.get_objects())
    assert list(tmp_path.iterdir()) == []


# ---- The tab -------------------------------------------------------------------------------------------------------


def test_the_tab_offers_fast_models_first_and_says_which_are_slow(monkeypatch):
    html = render_camera(MODELS, Limits(seconds=60))
    assert 'data-seconds="60"' in html and "slow" not in html
    assert '<option value="attn_cnn" data-attention selected>Attention CNN</option>' in html
    monkeypatch.setattr("demo.camera_tab.FAST", 0)
    assert '<optgroup label="slow: a few frames per second">' in render_camera(MODELS, Limits())
