"""What a visitor wants to see: one object, which the browser holds and the page's address spells out."""

from collections.abc import Mapping
from dataclasses import dataclass

from demo.analysis import LAYERS
from demo.example_pictures import EXAMPLES
from fer_models import EMOTIONS, METHODS

FIRST_LAYER = next(iter(LAYERS))

# At the last layer with a grid it is the same as Grad-CAM for all models but one: behind the last stage of
# `baseline_cnn` the places are told apart, and Grad-CAM averages that away.
DEFAULT_METHOD = "hirescam"


@dataclass(frozen=True)
class View:
    """A view of the tab Analyse.

    Attributes:
        example: a key of EXAMPLES; None for the visitor's own photo, or for none at all.
        upload: the path of the visitor's own photo on the server, as the browser was told it; "" for none.
        face: index of the chosen face; -1 for the whole picture, None for the first.
        emotion: the emotion to explain; None for each model's own answer.
        against: the emotion to contrast it with; None for none.
        method: a key of METHODS.
        layer: a key of LAYERS.
        models: names of the models to show; empty for the default choice.
        number: counts what the browser has asked for, so that it knows which answer has come.
    """

    example: str | None
    upload: str = ""
    face: int | None = None
    emotion: str | None = None
    against: str | None = None
    method: str = DEFAULT_METHOD
    layer: str = FIRST_LAYER
    models: tuple[str, ...] = ()
    number: int = 0

    @property
    def source(self) -> str:
        """Identifies the photo."""
        return self.example or self.upload


def read_view(value: object) -> View:
    """The view that the browser asks for. It may be written by hand, so whatever is not known counts as not chosen."""
    asked = value if isinstance(value, Mapping) else {}

    def known(key: str, choices: object) -> str | None:
        choice = asked.get(key)
        return choice if isinstance(choice, str) and choice in choices else None  # type: ignore[operator]

    upload, face, number, models = (asked.get(key) for key in ("upload", "face", "number", "models"))
    return View(
        example=known("example", EXAMPLES),
        upload=upload if isinstance(upload, str) else "",
        face=face if isinstance(face, int) and not isinstance(face, bool) and face >= -1 else None,
        emotion=known("emotion", EMOTIONS),
        against=known("against", EMOTIONS),
        method=known("method", METHODS) or DEFAULT_METHOD,
        layer=known("layer", LAYERS) or FIRST_LAYER,
        models=tuple(filter(None, models.split(","))) if isinstance(models, str) else (),
        number=number if isinstance(number, int) else 0,
    )
