"""Makes the example clip from the portraits: `python -m demo.examples.make_clip`.

Three shots: a camera comes closer to a smiling face while the light changes; a sheet of paper is held before a mouth;
two photographs on a wall, one of which leaves the picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, floor, pi, radians, sin
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fer_models.video.writing import ClipWriter

FOLDER = Path(__file__).parent
CLIP = FOLDER / "clip.mp4"

# Of the clip: pixels, and frames per second.
SIZE = (640, 480)
FPS = 25

# Pictures are continued by so many mirrored pixels, for a camera that is turned or shaken near their edges.
BORDER = 160


@dataclass(frozen=True)
class Camera:
    """What a camera shows of a picture.

    Attributes:
        x, y: the middle, in pixels of the picture.
        width: in pixels of the picture.
        roll: how far it is turned clockwise, in degrees.
    """

    x: float
    y: float
    width: float
    roll: float

    def towards(self, other: "Camera", share: float) -> "Camera":
        """The camera on its way to another, from 0 to 1."""
        here, there = np.array([self.x, self.y, self.width, self.roll]), [other.x, other.y, other.width, other.roll]
        return Camera(*(here + share * (there - here)).tolist())

    def held(self, seconds: float) -> "Camera":
        """The camera as a hand holds it."""
        sway = 0.006 * self.width
        x = sway * (sin(1.9 * seconds) + 0.5 * sin(4.3 * seconds + 1))
        y = sway * (sin(2.3 * seconds + 2) + 0.4 * sin(5.1 * seconds))
        return Camera(self.x + x, self.y + y, self.width, self.roll + 0.5 * sin(1.5 * seconds + 1))

    def shoots(self, picture: Image.Image) -> Image.Image:
        """What the camera sees, drawn at twice the size and reduced, so that fine lines do not flicker."""
        width, height = 2 * SIZE[0], 2 * SIZE[1]
        scale = self.width / width
        a, b = scale * cos(radians(self.roll)), scale * sin(radians(self.roll))
        x, y = self.x + BORDER, self.y + BORDER
        matrix = (a, -b, x - a * width / 2 + b * height / 2, b, a, y - b * width / 2 - a * height / 2)
        mirrored = Image.fromarray(np.pad(np.asarray(picture), ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), "reflect"))
        shot = mirrored.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        return shot.reduce(2)


@dataclass(frozen=True)
class Shot:
    """A part of the clip without a cut.

    Attributes:
        seconds: how long it takes.
        start: the camera at its beginning.
        end: the camera at its end.
        picture: what is there to see, by the seconds since its beginning.
        light: what colours are multiplied by, by the seconds since its beginning.
    """

    seconds: float
    start: Camera
    end: Camera
    picture: Callable[[float], Image.Image]
    light: Callable[[float], float] = lambda seconds: 1.0

    def frame(self, seconds: float) -> Image.Image:
        """The picture at a time since the beginning of the shot."""
        camera = self.start.towards(self.end, eased(seconds / self.seconds)).held(seconds)
        return camera.shoots(self.picture(seconds)).point(lambda level: level * self.light(seconds))


def eased(share: float) -> float:
    """From 0 to 1 without a jerk at either end."""
    share = min(max(share, 0.0), 1.0)
    return (1 - cos(pi * share)) / 2


def portrait(name: str) -> Image.Image:
    return Image.open(FOLDER / name).convert("RGB")


def cloudy(seconds: float) -> float:
    """Light in which two clouds pass the sun, one of them quickly."""
    return (
        1
        - 0.3 * (eased(seconds - 0.5) - eased(seconds - 1.3))
        - 0.15 * (eased(4 * (seconds - 2.1)) - eased(4 * (seconds - 2.35)))
    )


def sheet_of_paper() -> Image.Image:
    """RGBA: a printed page with its shadow, tilted."""
    width, height, margin = 250, 420, 24
    page = Image.new("RGBA", (width, height), (244, 241, 232, 255))
    draw = ImageDraw.Draw(page)
    draw.rectangle((28, 34, 150, 44), fill=(96, 98, 104))
    for line, right in enumerate([222, 214, 220, 206, 222, 170, 218, 222, 211, 219, 222, 150]):
        draw.rectangle((28, 66 + 17 * line, right, 70 + 17 * line), fill=(168, 168, 170))
    outer = Image.new("RGBA", (width + 2 * margin, height + 2 * margin))
    shadow = Image.new("RGBA", page.size, (20, 16, 12, 130))
    outer.paste(shadow, (margin + 4, margin - 2))
    outer = outer.filter(ImageFilter.GaussianBlur(9))
    outer.alpha_composite(page, (margin, margin))
    return outer.rotate(5, Image.Resampling.BICUBIC, expand=True)


def before_the_mouth(portrait: Image.Image) -> Callable[[float], Image.Image]:
    """Grace Hopper, with a page that comes up before her mouth and goes down again."""
    page = sheet_of_paper()

    def at(seconds: float) -> Image.Image:
        raised = eased((seconds - 0.5) / 0.6) - eased((seconds - 1.75) / 0.6)
        top = 640 - 438 * raised
        row = floor(top)
        # Pictures are pasted at whole pixels, so a slow sheet would tremble: it is moved by the rest first.
        down = (1, 0, 0, 0, 1, row - top)
        moved = page.transform(page.size, Image.Transform.AFFINE, down, Image.Resampling.BICUBIC)
        picture = portrait.copy()
        picture.paste(moved, (118, row), moved)
        return picture

    return at


def wall(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two framed photographs on a wall, lit from above."""
    width, height = 1320, 720
    light = np.linspace(1.04, 0.86, height)[:, None, None] - 0.1 * np.abs(np.linspace(-1, 1, width))[None, :, None] ** 2
    grain = np.random.default_rng(0).normal(0, 1.5, (height, width, 1))
    picture = Image.fromarray((np.array([176, 168, 154]) * light + grain).clip(0, 255).astype(np.uint8))
    for photograph, corner in ((left, (130, 110)), (right, (590, 110))):
        framed = Image.new("RGB", (380, 460), (52, 38, 30))
        framed.paste((247, 245, 240), (12, 12, 368, 448))
        framed.paste(photograph.resize((316, 396), Image.Resampling.LANCZOS), (32, 32))
        shadow = Image.new("L", picture.size)
        shadow.paste(120, (corner[0] + 6, corner[1] + 12, corner[0] + 388, corner[1] + 476))
        picture.paste((38, 32, 26), mask=shadow.filter(ImageFilter.GaussianBlur(12)))
        picture.paste(framed, corner)
    return picture


def shots() -> list[Shot]:
    collins, hopper = portrait("eileen_collins.jpg"), portrait("grace_hopper.jpg")
    both = wall(collins.crop((87, 0, 356, 337)), hopper.crop((62, 0, 462, 501)))
    return [
        Shot(3.0, Camera(262, 190, 500, -2), Camera(228, 130, 290, 4), lambda seconds: collins, cloudy),
        Shot(2.6, Camera(258, 232, 470, 2), Camera(268, 236, 410, -2), before_the_mouth(hopper)),
        Shot(2.4, Camera(550, 345, 900, 1), Camera(865, 340, 680, -1), lambda seconds: both),
    ]


def frames() -> Iterator[Image.Image]:
    """The pictures of the clip, at FPS."""
    for shot in shots():
        for number in range(round(shot.seconds * FPS)):
            yield shot.frame(number / FPS)


def main() -> None:
    with ClipWriter(CLIP, SIZE) as writer:
        for number, picture in enumerate(frames()):
            writer.write(picture, number / FPS)
    print(f"{CLIP}: {CLIP.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
