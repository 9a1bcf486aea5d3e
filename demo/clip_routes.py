"""Addresses at which the browser fetches what is kept of a clip: to play it, to draw its timeline, and to take it away.

Each names a clip by its token. No answer may be stored anywhere on its way, and none comes from the disk.
"""

import csv
import io
import re
from collections.abc import Callable
from functools import wraps
from threading import Lock

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from demo.clip_responses import GONE
from demo.clip_store import CLIPS, StoredClip
from demo.clip_timeline import maps, timeline
from demo.timeline_picture import draw_timeline
from fer_models.analysis.rows import MEAN
from fer_models.video.analysis import tracks_of
from fer_models.video.drawing import SCALES, with_drawings
from fer_models.video.reading import open_clip
from fer_models.video.table import columns, rows, settings
from fer_models.video.writing import ClipWriter

HEADERS = {"Cache-Control": "no-store"}
UNKNOWN_MAP = "There is no such model or map in this clip."

Answer = Callable[[Request, StoredClip], Response]

_drawing = Lock()  # one clip at a time is drawn and encoded, for that takes a core for seconds


def _of_clip(answer: Answer) -> Callable[[Request], Response]:
    """An endpoint from one that is given the clip; in a thread of its own, because it is not async."""

    @wraps(answer)
    def endpoint(request: Request) -> Response:
        clip = CLIPS.get(request.path_params["token"])
        response = PlainTextResponse(GONE, 404) if clip is None else answer(request, clip)
        response.headers.update(HEADERS)
        return response

    return endpoint


@_of_clip
def preview(request: Request, clip: StoredClip) -> Response:
    """The small, silent clip, or the part of it that is asked for: browsers seek with Range."""
    return ranged(clip.preview, "video/mp4", request.headers.get("range"))


@_of_clip
def timeline_json(request: Request, clip: StoredClip) -> Response:
    """See `timeline`."""
    return JSONResponse(timeline(clip))


@_of_clip
def maps_json(request: Request, clip: StoredClip) -> Response:
    """See `maps`; the address names the model and the kind."""
    model, kind = (request.query_params.get(key, "") for key in ("model", "kind"))
    if model not in clip.models or kind not in SCALES:
        return PlainTextResponse(UNKNOWN_MAP, 404)
    return JSONResponse(maps(clip, model, kind))


@_of_clip
def timeline_csv(request: Request, clip: StoredClip) -> Response:
    """All probabilities, a row for each face in each moment, see `fer_models.video.table`."""
    models = [*clip.models.values()]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(models), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows("clip", list(clip.moments), models, settings(models, clip.per_second)))
    return _file(text.getvalue().encode(), "text/csv", "fer-lens-timeline.csv")


@_of_clip
def timeline_png(request: Request, clip: StoredClip) -> Response:
    """The timeline as a picture."""
    with _drawing:
        return _file(draw_timeline(clip), "image/png", "fer-lens-timeline.png")


@_of_clip
def overlay_mp4(request: Request, clip: StoredClip) -> Response:
    """The clip with boxes and answers drawn into it; with `model` and `kind` that model's, and its maps."""
    model, kind = request.query_params.get("model") or MEAN, request.query_params.get("kind")
    if model not in (MEAN, *clip.models) or (kind and kind not in SCALES):
        return PlainTextResponse(UNKNOWN_MAP, 404)
    moments = list(clip.moments)
    content = io.BytesIO()
    with _drawing, open_clip(clip.preview) as source, ClipWriter(content, source.size) as writer:
        scale = max(source.size) / max(clip.size)
        drawn = with_drawings(source.frames(), moments, tracks_of(moments), model=model, maps=kind, scale=scale)
        for frame in drawn:
            writer.write(frame.picture, frame.time)
    return _file(content.getvalue(), "video/mp4", "fer-lens-clip.mp4")


def ranged(content: bytes, kind: str, wanted: str | None) -> Response:
    """All of the content, or a part of it (RFC 9110, section 14).

    Args:
        content: of the file.
        kind: its media type.
        wanted: the header Range; anything but one valid range of bytes counts as none.
    """
    accepts = {"Accept-Ranges": "bytes"}
    found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", wanted or "")
    if found is None or found.groups() == ("", ""):
        return Response(content, media_type=kind, headers=accepts)
    first, last = found.groups()
    start = int(first) if first else max(0, len(content) - int(last))
    end = min(int(last), len(content) - 1) if first and last else len(content) - 1
    if first and last and int(last) < int(first):
        return Response(content, media_type=kind, headers=accepts)
    if start > end:
        return Response(status_code=416, headers=accepts | {"Content-Range": f"bytes */{len(content)}"})
    headers = accepts | {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
    return Response(content[start : end + 1], 206, headers, kind)


def _file(content: bytes, kind: str, name: str) -> Response:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


CLIP_ROUTES = [
    Route(f"/clips/{{token}}/{name}", endpoint)
    for name, endpoint in {
        "preview.mp4": preview,
        "timeline.json": timeline_json,
        "maps.json": maps_json,
        "timeline.csv": timeline_csv,
        "timeline.png": timeline_png,
        "overlay.mp4": overlay_mp4,
    }.items()
]
