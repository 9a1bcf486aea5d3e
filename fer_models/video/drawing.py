"""A clip with what the models see drawn into it: each face's square, the answer in words, and a map."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_models.analysis.rows import MEAN
from fer_models.emotions import EMOTIONS
from fer_models.explanations.overlays import OPACITY, heat_layer, scaled_attention, scaled_heatmap
from fer_models.faces import Square
from fer_models.video.analysis import Track
from fer_models.video.timeline import FaceMoment, Frame, Moment

# The kinds of maps, which are fields of `FaceMoment`, and how each is scaled for its colours.
SCALES = {"heatmaps": scaled_heatmap, "attention": scaled_attention}

# Between two moments that are further apart than this, in seconds, a face stays where it was and then vanishes.
LONGEST_GAP = 0.75

# One for each person, in turn: Okabe and Ito's palette, which colour-blind people tell apart.
PERSON_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00")


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn for one face.

    Attributes:
        square: where, in pixels.
        label: words above it.
        colour: of the square and of the ground of the label, "#rrggbb".
        values: a map, float (h, w) in [0, 1]; None for none.
    """

    square: Square
    label: str
    colour: str
    values: np.ndarray | None = None


def with_drawings(
    frames: Iterable[Frame],
    moments: Sequence[Moment[FaceMoment]],
    tracks: Sequence[Track],
    *,
    model: str = MEAN,
    maps: str | None = None,
    scale: float = 1.0,
) -> Iterator[Frame]:
    """Draws the faces into each frame of a clip; those between two moments move on straight lines.

    Args:
        frames: at any rate, in the order of time.
        moments, tracks: of the same clip, see `analyse_clip` and `tracks_of`.
        model: whose smoothed answers and maps: a model's `checkpoint`, or MEAN, which has no maps.
        maps: a key of SCALES; None for no maps.
        scale: the size of these frames in units of those in which the faces were found.
    """
    answers = {
        (track.number, int(position)): EMOTIONS[int(values.argmax())]
        for track in tracks
        for position, values in zip(track.moments, track.smoothed[model], strict=True)
    }
    for frame in frames:
        drawings = []
        for position, face, square in faces_at(moments, frame.time):
            values = SCALES[maps](getattr(face, maps)[model]) if maps and model in getattr(face, maps) else None
            drawings.append(
                Drawing(
                    Square(square.centre * scale, max(1, round(square.side * scale)), square.roll),
                    answers[face.number, position],
                    PERSON_COLOURS[(face.number - 1) % len(PERSON_COLOURS)],
                    values,
                )
            )
        yield replace(frame, picture=draw(frame.picture, drawings))


def faces_at(moments: Sequence[Moment[FaceMoment]], time: float) -> Iterator[tuple[int, FaceMoment, Square]]:
    """The faces at any time: index of the nearest moment in which each one is, the face there, and its square now."""
    after = bisect_right(moments, time, key=lambda moment: moment.time)
    if after == 0:
        return
    earlier = moments[after - 1]
    later = moments[after] if after < len(moments) else None
    if later is None or later.is_cut or later.time - earlier.time > LONGEST_GAP:
        if time - earlier.time <= LONGEST_GAP:
            yield from ((after - 1, face, face.face.square) for face in earlier.faces)
        return
    share = (time - earlier.time) / (later.time - earlier.time)
    nearest, other = (earlier, later) if share < 0.5 else (later, earlier)
    position = after - 1 if share < 0.5 else after
    others = {face.number: face for face in other.faces}
    for face in nearest.faces:
        square = face.face.square
        if face.number in others:
            square = _between(square, others[face.number].face.square, min(share, 1 - share))
        yield position, face, square


def draw(picture: Image.Image, drawings: Sequence[Drawing]) -> Image.Image:
    """Draws faces into a copy of an RGB picture."""
    drawn = picture.copy()
    canvas = ImageDraw.Draw(drawn)
    font = _font(max(12, max(picture.size) // 36))
    for drawing in drawings:
        square = drawing.square
        if drawing.values is not None:
            _lay_over(drawn, square, heat_layer(drawing.values).convert("RGB"))
        corners = (
            square.centre + square.side / 2 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) @ square.axes
        )
        canvas.line(
            [tuple(corner) for corner in corners.tolist()], drawing.colour, max(2, round(font.size / 6)), "curve"
        )
        _write(canvas, drawing, corners, font)
    return drawn


def _lay_over(picture: Image.Image, square: Square, layer: Image.Image) -> None:
    """Pastes a layer into the square, as opaque as on the page; the corners that turning adds stay transparent."""
    layer = layer.resize((square.side, square.side))
    mask = Image.new("L", layer.size, round(255 * OPACITY))
    layer, mask = (image.rotate(-square.roll, Image.Resampling.BILINEAR, expand=True) for image in (layer, mask))
    left, top = np.rint(square.centre - np.array(layer.size) / 2).astype(int).tolist()
    picture.paste(layer, (left, top), mask)


def _write(canvas: ImageDraw.ImageDraw, drawing: Drawing, corners: np.ndarray, font: ImageFont.FreeTypeFont) -> None:
    """Writes the label above the square, or over its upper edge where there is no room above."""
    picture = np.array(canvas.im.size)
    pad = font.size / 4
    size = np.array([font.getlength(drawing.label) + 2 * pad, font.size + 2 * pad])
    left, top = np.clip(corners.min(axis=0) - (0, size[1]), 0, np.maximum(0, picture - size)).tolist()
    canvas.rectangle((left, top, left + size[0], top + size[1]), drawing.colour)
    canvas.text((left + pad, top + size[1] / 2), drawing.label, "#000000", font, anchor="lm")


def _between(one: Square, other: Square, share: float) -> Square:
    """The square that is `share` of the way from one to the other."""
    turn = (other.roll - one.roll + 180) % 360 - 180  # the short way round
    return Square(
        one.centre + share * (other.centre - one.centre),
        round(one.side + share * (other.side - one.side)),
        one.roll + share * turn,
    )


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels have FreeType
    return font
