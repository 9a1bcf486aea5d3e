"""The camera's WebSocket: a frame comes as a JPEG, and what the model makes of it goes back as JSON.

Text messages from the browser choose the model: {"model": "attn_cnn"}. The server ends a session by closing the socket
with a sentence as the reason. A frame stays in memory while it is looked at, and nothing of it is kept afterwards.

The next frame is read when the last one is answered, so a browser that sends too many waits, and no queue grows.
"""

import asyncio
import io
import json
import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from PIL import Image
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from demo.strips import map_bytes
from demo.view import DEFAULT_METHOD
from fer_models import EmotionModel
from fer_models.explanations.overlays import scaled_attention, scaled_heatmap
from fer_models.video.live import LiveAnalysis, LiveFace, LiveMoment

# The page sends 480 x 360 pixels, about 30 kB. YuNet finds a face of a fiftieth of that; more pixels cost more time.
MOST_SIDE, MOST_BYTES = 640, 300_000

# Of a text message; what follows is not read.
MOST_LETTERS = 200

# Text messages between two frames.
MOST_TEXTS = 20

# Why a session ends, as a close code of RFC 6455. A reason may take 123 bytes.
OVER, PROTOCOL, BROKEN, TOO_LARGE, FAILED, BUSY = 1000, 1003, 1007, 1009, 1011, 1013
REPLACED = "The same visit has started another camera."
UNFORESEEN = "Something went wrong on the server. Please start the camera again."


@dataclass(frozen=True)
class Limits:
    """What keeps one visitor's camera from taking the machine from others.

    Attributes:
        sessions: cameras at the same time. They share one thread, so that they leave the other cores to analyses.
        seconds: until a session ends. Whoever goes on has to get a place again.
        idle: seconds to wait for the next frame, after which a browser that has vanished gives its place back.
        rate: frames per second that a session gets; more would hardly look smoother.
    """

    sessions: int = 2
    seconds: float = 60.0
    idle: float = 10.0
    rate: float = 12.0


LIMITS = Limits()


class SessionEnd(Exception):
    """Ends a session.

    Attributes:
        code: for programs, as a close code.
        sentence: for the visitor.
    """

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class Cameras:
    """The sessions of all visitors. All but `_answer` runs in the server's event loop.

    Args:
        models: by name, those that a visitor may choose.
        limits: see `Limits`.
    """

    def __init__(self, models: Mapping[str, EmotionModel], limits: Limits = LIMITS) -> None:
        self.models, self.limits = models, limits
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="camera")
        self._deadlines: dict[str, asyncio.Timeout] = {}  # of the running sessions, by visit

    async def serve(self, websocket: WebSocket) -> None:
        """One session, from its beginning to its end."""
        await websocket.accept()
        visit = websocket.query_params.get("visit") or secrets.token_hex(8)
        with suppress(WebSocketDisconnect):
            try:
                await self._run(websocket, visit)
            except SessionEnd as end:
                await websocket.close(end.code, end.sentence)
            except WebSocketDisconnect:
                raise
            except Exception:
                logging.getLogger(__name__).exception("A camera's session has failed.")
                await websocket.close(FAILED, UNFORESEEN)

    async def _run(self, websocket: WebSocket, visit: str) -> None:
        """Streams until the session's time is over."""
        now = asyncio.get_running_loop().time()
        if before := self._deadlines.pop(visit, None):  # the same visit's, whose connection was lost
            with suppress(RuntimeError):  # it is over already
                before.reschedule(now)
        if len(self._deadlines) >= self.limits.sessions:
            raise SessionEnd(BUSY, _busy([deadline.when() or now for deadline in self._deadlines.values()], now))
        try:
            async with asyncio.timeout(self.limits.seconds) as deadline:
                self._deadlines[visit] = deadline
                await self._stream(websocket)
        except TimeoutError:
            sentence = f"{self.limits.seconds:.0f} seconds are over, so that other visitors get a turn."
            is_over = self._deadlines.get(visit) is deadline
            raise SessionEnd(OVER, sentence if is_over else REPLACED) from None
        finally:
            if self._deadlines.get(visit) is deadline:
                del self._deadlines[visit]

    async def _stream(self, websocket: WebSocket) -> None:
        """Answers frame by frame.

        Raises:
            SessionEnd: what came is against the protocol, or nothing came.
            WebSocketDisconnect: the browser has gone.
        """
        loop = asyncio.get_running_loop()
        analysis = LiveAnalysis(next(iter(self.models.values())), DEFAULT_METHOD)
        texts = 0  # since the last frame
        while True:
            message = await self._received(websocket)
            if message.get("text") is not None:
                analysis.model = self._chosen(message["text"])
                texts += 1
                if texts > MOST_TEXTS:
                    raise SessionEnd(PROTOCOL, f"More than {MOST_TEXTS} texts came without a picture.")
                continue
            texts = 0
            start = loop.time()
            answer = await loop.run_in_executor(self._pool, _answer, analysis, message["bytes"], start)
            await websocket.send_text(answer)
            await asyncio.sleep(start + 1 / self.limits.rate - loop.time())

    async def _received(self, websocket: WebSocket) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.limits.idle):
                message = await websocket.receive()
        except TimeoutError:
            raise SessionEnd(OVER, f"No picture has come for {self.limits.idle:.0f} seconds.") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        return dict(message)

    def _chosen(self, text: str) -> EmotionModel:
        try:
            return self.models[json.loads(text[:MOST_LETTERS])["model"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise SessionEnd(
                PROTOCOL, 'A text has to be {"model": NAME} with the name of a model of this page.'
            ) from None


def _busy(ends: list[float], now: float) -> str:
    others = f"{len(ends)} other visitor{'s' * (len(ends) > 1)}"
    return f"The camera is in use by {others}; try again in about {max(1, round(min(ends) - now))} seconds."


def _answer(analysis: LiveAnalysis, content: bytes, time: float) -> str:
    """The answer to a frame, in JSON."""
    start = perf_counter()
    picture = open_frame(content)
    decoded = perf_counter()
    return render_moment(analysis.look(picture, time), decoded - start)


def open_frame(content: bytes) -> Image.Image:
    """Decodes a frame, RGB. A black one is fine: cameras begin with some.

    Raises:
        SessionEnd: it is too large or not a whole JPEG.
    """
    too_large = SessionEnd(TOO_LARGE, f"A frame may have {MOST_SIDE} pixels per side and {MOST_BYTES // 1000} kB.")
    if len(content) > MOST_BYTES:
        raise too_large
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if max(image.size) > MOST_SIDE:
                raise too_large
            return image.convert("RGB")
    except SessionEnd:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their parsing of a broken file runs into
        raise SessionEnd(BROKEN, "A frame is not a whole JPEG picture.") from error


def render_moment(moment: LiveMoment, decoding: float) -> str:
    """What the browser draws, in JSON; positions in pixels of the frame.

    Args:
        moment: what was found.
        decoding: seconds that decoding the frame took.
    """
    seconds = {"decode": decoding, **moment.seconds}
    return json.dumps(
        {
            "faces": [_face(face) for face in moment.faces],
            "milliseconds": {part: round(1000 * taken, 1) for part, taken in seconds.items()},
        }
    )


def _face(face: LiveFace) -> dict[str, object]:
    found, square = face.explanation, face.face.square
    return {
        "number": face.number,
        "centre": [round(value, 1) for value in square.centre.tolist()],
        "side": square.side,
        "roll": round(square.roll, 1),
        "probabilities": [round(value, 4) for value in face.probabilities.tolist()],
        "maps": {
            "heat": map_bytes(scaled_heatmap(found.heatmap)),
            "attention": None
            if found.spatial_attention is None
            else map_bytes(scaled_attention(found.spatial_attention)),
        },
    }


async def _serve(websocket: WebSocket) -> None:
    await websocket.app.get_blocks().cameras.serve(websocket)


# For `launch(app_kwargs=...)`. The browser derives the address from the page's own, see camera.js.
CAMERA_ROUTES = [WebSocketRoute("/live", _serve)]
