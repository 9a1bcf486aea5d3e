"""Clips made from portraits, in which it is known who is where: the truth for measuring `fer_models.video`.

Heads are cut out, moved over pictures made of noise, and covered, turned, lit and blurred as a scenario says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from fer_models.faces import Square, find_faces
from fer_models.faces.geometry import crop_square
from fer_models.video.timeline import Frame

WIDTH, HEIGHT, FPS = 1280, 720, 10

# How far the background reaches beyond the frame, in pixels: a shaken camera sees it.
MARGIN = 60

# Standard deviation of the noise of each pixel, in grey levels: a camera's in a room.
NOISE = 4.0

# Side of a head's cutout, in units of the side of the face's square: room for hair and shoulders.
HEAD = 2.0


@dataclass(frozen=True, eq=False)
class Person:
    """A head that can be moved.

    Attributes:
        cutout: RGBA, transparent around the head; the face's centre is its own.
        size: width and height of the face in it, in pixels.
    """

    cutout: Image.Image
    size: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Truth:
    """A person in a frame.

    Attributes:
        person: identifies the person within the clip.
        box: left, top, right, bottom of the face in pixels, to be turned about its centre as `Face.box` is.
        visible: the part of the box that lies in the frame and is not covered, 0 to 1.
    """

    person: int
    box: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True, eq=False)
class Script:
    """What happens in a clip of n frames.

    Attributes:
        places: float (n, people, 4): x and y of the face's centre in pixels, its height in pixels, and its roll in
            degrees clockwise; NaN where the person is not in the scene. Who comes later stands in front.
        cover: float (n, 4): left, top, right, bottom of an object in front of everybody; NaN for none.
        light: float (n,): factor of all pixels.
        blur: float (n,): standard deviation of a Gaussian blur, in pixels.
        shift: int (n, 2): by how much the camera moves everything, at most `MARGIN` pixels.
        scene: int (n,): the background; where it changes is a cut.
    """

    places: np.ndarray
    cover: np.ndarray
    light: np.ndarray
    blur: np.ndarray
    shift: np.ndarray
    scene: np.ndarray


def person_in(picture: Image.Image) -> Person | None:
    """Cuts the largest face's head and shoulders out of an RGB picture, upright; None if no face is found in it."""
    faces = find_faces(picture)
    if not faces:
        return None
    left, top, right, bottom = faces[0].box
    side = round(HEAD * faces[0].square.side)
    head = crop_square(picture, Square(faces[0].centre, side, faces[0].roll))
    return Person(_rounded(head), (right - left, bottom - top))


def play(script: Script, people: Sequence[Person], rng: np.random.Generator) -> Iterator[tuple[Frame, list[Truth]]]:
    """Shows the script's frames, each with the people who are in the scene."""
    scenes = [_background(rng) for _ in range(script.scene.max() + 1)]
    object_in_front = _background(rng)
    noise = Image.fromarray(rng.normal(128, NOISE, (2 * HEIGHT, 2 * WIDTH)).astype(np.uint8)).convert("RGB")
    for index, places in enumerate(script.places):
        shift = script.shift[index]
        heads = {
            number: _Head(person, places[number, :2] + shift, *places[number, 2:])
            for number, person in enumerate(people)
            if not np.isnan(places[number, 0])
        }
        cover = script.cover[index]
        covered = Image.new("L", (WIDTH, HEIGHT))
        if not np.isnan(cover[0]):
            covered.paste(255, tuple(cover.astype(int)))
        truths = []
        for number, head in reversed(heads.items()):  # from the front to the back
            truths.append(Truth(number, head.box, _share_of_zeros(covered, head.box)))
            covered.paste(255, head.corner, head.picture.getchannel("A"))
        left, top = MARGIN - shift
        picture = scenes[script.scene[index]].crop((left, top, left + WIDTH, top + HEIGHT))
        for head in heads.values():
            picture.paste(head.picture, head.corner, head.picture)
        if not np.isnan(cover[0]):
            picture.paste(object_in_front.crop(tuple(cover - cover[[0, 1, 0, 1]])), tuple(cover[:2].astype(int)))
        if script.blur[index] > 0:
            picture = picture.filter(ImageFilter.GaussianBlur(float(script.blur[index])))
        light = script.light[index]
        if light != 1:
            picture = picture.point([min(255, round(light * value)) for value in range(256)] * 3)
        x, y = rng.integers(0, (WIDTH, HEIGHT)).tolist()
        picture = ImageChops.add(picture, noise.crop((x, y, x + WIDTH, y + HEIGHT)), offset=-128)
        yield Frame(index / FPS, picture), truths


class _Head:
    """A person's head as it is in a frame: `picture` RGBA at `corner`, and the face's `box`."""

    def __init__(self, person: Person, centre: np.ndarray, height: float, roll: float) -> None:
        scale = height / person.size[1]
        side = round(scale * person.cutout.width)
        resized = person.cutout.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2)
        self.picture = resized.rotate(-roll, Image.Resampling.BILINEAR)
        left, top = np.rint(centre - side / 2).astype(int).tolist()
        self.corner = (left, top)
        x, y, half = left + side / 2, top + side / 2, scale * np.array(person.size) / 2
        self.box = (float(x - half[0]), float(y - half[1]), float(x + half[0]), float(y + half[1]))


def _share_of_zeros(mask: Image.Image, box: tuple[float, ...]) -> float:
    """The part of the box that lies in the mask and on zeros, 0 to 1."""
    left, top, right, bottom = np.rint(box).astype(int)
    inside = np.asarray(mask)[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    return float(np.count_nonzero(inside == 0) / ((right - left) * (bottom - top)))


def _rounded(head: Image.Image) -> Image.Image:
    """A square picture, RGBA, transparent at its corners with a soft edge."""
    across = np.abs(np.linspace(-1, 1, head.width)) ** 3
    edge = 1 - (across[:, None] + across) ** (1 / 3)
    alpha = np.clip(edge / 0.06, 0, 1)
    head = head.copy()
    head.putalpha(Image.fromarray((255 * alpha).astype(np.uint8)))
    return head


def _background(rng: np.random.Generator) -> Image.Image:
    """A picture without faces: coloured noise of several sizes, the coarser the stronger, as in nature (1/f)."""
    size = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
    total = np.zeros((size[1], size[0], 3), np.float32) + rng.uniform(60, 190, 3).astype(np.float32)
    for cells, strength in ((3, 60), (8, 40), (24, 25), (96, 15)):
        colours = rng.uniform(-1, 1, (cells, 2 * cells, 3)) * 0.2 + rng.uniform(-1, 1, (cells, 2 * cells, 1)) * 0.8
        small = Image.fromarray((127.5 + 127.5 * colours).astype(np.uint8))
        total += strength * (np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32) / 127.5 - 1)
    return Image.fromarray(np.clip(total, 0, 255).astype(np.uint8))
