"""The photo with a numbered box around each face, the buttons on it, and the examples, as HTML."""

from html import escape

import numpy as np
from PIL import Image, ImageOps

from demo.example_pictures import EXAMPLES
from demo.photo import Photo
from fer_models.explanations.overlays import data_url

THUMBNAIL = 96  # pixels per side, twice what is shown, for dense screens

NO_PHOTO = "Drop a photo here, or choose an example."
NO_FACE = "No face was found. If the picture is already cropped to one face, choose “Whole picture”."

BUTTONS = """
  <div class="buttons" role="group" aria-label="Your own photo">
    <label class="button primary"><input type="file" accept="image/*" class="unseen" data-file>Try your photo</label>
    <button type="button" data-camera>Camera</button>
    <button type="button" data-paste>Paste</button>
    <button type="button" data-clear>Clear</button>
  </div>
  <p class="problem" role="alert" data-problem hidden></p>"""


def render_photo(photo: Photo | None, chosen: int | None, problem: str = "") -> str:
    """The photo, and the buttons that bring another one.

    Args:
        photo: None for none.
        chosen: index into its crops, or None.
        problem: a sentence on why there is no photo.
    """
    if photo is None:
        said = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
        return f'<div class="photo empty" data-drop><p>{NO_PHOTO}</p></div>{BUTTONS}{said}'
    boxes = "".join(_box(photo, index, index == chosen) for index in range(len(photo.crops)) if _has_box(photo, index))
    return f"""
    <div class="photo" data-drop>
      <div class="frame"><img src="{data_url(photo.picture)}" alt="The photo">{boxes}</div>
    </div>{BUTTONS}
    <div class="choose"><p>{_found(photo)}</p>{_choices(photo, chosen)}</div>"""


def _has_box(photo: Photo, index: int) -> bool:
    """The whole picture has none, unless it is all there is."""
    return photo.crops[index].is_face and len(photo.crops) > 1


def _box(photo: Photo, index: int, is_chosen: bool) -> str:
    square = photo.crops[index].square
    left, top = 100 * (square.centre - square.side / 2) / photo.size
    width, height = 100 * square.side / np.array(photo.size)
    place = f"left: {left:.2f}%; top: {top:.2f}%; width: {width:.2f}%; height: {height:.2f}%"
    return (
        f'<button type="button" class="face-box" data-face="{index}" aria-pressed="{str(is_chosen).lower()}" '
        f'aria-label="Face {index + 1}" style="{place}; rotate: {square.roll:.0f}deg"><span>{index + 1}</span></button>'
    )


def _found(photo: Photo) -> str:
    faces = photo.faces
    if not faces:
        return NO_FACE
    if len(photo.crops) == 1:
        return "The picture is one face already: it is taken whole."
    turned = sum(crop.square.roll != 0 for crop in faces)
    if len(faces) == 1:
        return "1 face found, turned upright." if turned else "1 face found."
    which = "all" if turned == len(faces) else f"{turned} of them"
    return f"{len(faces)} faces found{f', {which} turned upright' if turned else ''}: choose one."


def _choices(photo: Photo, chosen: int | None) -> str:
    """The faces cut out, where there are several, so that those of a crowd can be told apart, and the whole picture."""
    last = len(photo.crops) - 1
    faces = ""
    if last > 1:
        faces = "".join(
            f'<button type="button" data-face="{index}" aria-pressed="{str(index == chosen).lower()}" '
            f'aria-label="Face {index + 1}"><img src="{thumbnail(crop.picture)}" alt="">'
            f"<span>{index + 1}</span></button>"
            for index, crop in enumerate(photo.faces)
        )
        faces = f'<div class="faces" role="group" aria-label="Faces">{faces}</div>'
    if photo.crops[last].is_face:
        return faces
    pressed = str(chosen == last).lower()
    return f'{faces}<button type="button" data-face="-1" aria-pressed="{pressed}">Whole picture</button>'


def render_examples() -> str:
    """The examples, to be chosen from; which one is chosen, the browser marks."""
    choices = "".join(
        f'<button type="button" data-example="{key}" aria-pressed="false" title="{escape(example.caption)}">'
        f'<img src="{thumbnail(Image.open(example.path))}" alt="{escape(example.caption)}"></button>'
        for key, example in EXAMPLES.items()
    )
    return f'<div class="examples" role="group" aria-label="Examples"><span>Examples</span>{choices}</div>'


def thumbnail(image: Image.Image) -> str:
    """The middle square of a picture, small, as a data URL."""
    return data_url(ImageOps.fit(image.convert("RGB"), (THUMBNAIL, THUMBNAIL)))


def crop_index(photo: Photo, face: int | None) -> int | None:
    """The index of the crop that a view asks for: the first face if it asks for none, None if there is no face."""
    if face is None or face >= len(photo.faces):
        return 0 if photo.crops[0].is_face else None
    return len(photo.crops) - 1 if face == -1 else face
