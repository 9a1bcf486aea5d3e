"""The example pictures, by the name that stands in the page's address."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "examples"


@dataclass(frozen=True)
class Example:
    """An example picture.

    Attributes:
        file: its name in FOLDER.
        caption: what it is.
    """

    file: str
    caption: str

    @property
    def path(self) -> Path:
        return FOLDER / self.file


EXAMPLES = {
    "eileen-collins": Example("eileen_collins.jpg", "Eileen Collins"),
    "grace-hopper": Example("grace_hopper.jpg", "Grace Hopper"),
    "tilted": Example("tilted.jpg", "tilted head"),
    "covered-mouth": Example("mouth_covered.jpg", "covered mouth"),
    "six-faces": Example("group.jpg", "six faces"),
    "48-pixels": Example("like_fer2013.png", "48 × 48 px"),
}
OPENING = "eileen-collins"

# A few seconds of motion, an occlusion and a change of face, made from the portraits above.
EXAMPLE_CLIP = FOLDER / "clip.mp4"
