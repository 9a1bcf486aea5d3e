"""Photos on their way into the page: any file gives results or a sentence, and none is kept."""

import io
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from demo.example_pictures import EXAMPLES
from demo.photo_view import NO_FACE
from demo.responses import Responses, Visit
from demo.retention import uploads_folder
from tests.helpers import PORTRAIT, columns, png_start, tiny_models

REQUEST = SimpleNamespace(session_hash="one")


@pytest.fixture(scope="module")
def responses() -> Responses:
    return Responses(tiny_models())


@pytest.fixture(autouse=True)
def _uploads_in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def stored(path: Path) -> Path:
    """A copy of a file where the page keeps uploads."""
    copy = uploads_folder() / "one" / path.name
    copy.parent.mkdir(parents=True)
    return Path(shutil.copy(path, copy))


def ask(responses: Responses, visit: Visit, **asked: object) -> tuple:
    """The last that is shown: visit, photo, results, and more."""
    return list(responses.on_view(asked, visit, REQUEST))[-1]


def upload(responses: Responses, path: Path) -> tuple[Visit, str, str]:
    """What a visitor sees after uploading a file, which is deleted."""
    visit, photo, results, *_ = ask(responses, Visit(), upload=str(stored(path)))
    assert list(uploads_folder().iterdir()) == []
    return visit, photo, results


def test_each_of_many_faces_can_be_chosen(responses, tmp_path):
    head = Image.open(PORTRAIT).convert("RGB").crop((150, 0, 300, 150))
    crowd = Image.new("RGB", (6 * 160, 5 * 160), (128, 128, 128))
    for place in range(30):
        crowd.paste(head, (160 * (place % 6), 160 * (place // 6)))
    crowd.save(tmp_path / "crowd.png")
    visit, photo, _ = upload(responses, tmp_path / "crowd.png")
    assert len(visit.photo.faces) == 30 and photo.count('class="face-box"') == 30 and "30 faces found" in photo
    visit, photo, results, *_ = ask(responses, visit, upload=visit.source, face=29)
    assert visit.chosen == 29 and 'data-face="29" aria-pressed="true"' in photo and len(columns(results)) == 2


def test_without_a_face_the_whole_picture_is_offered(responses, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / "noise.png")
    visit, photo, results = upload(responses, tmp_path / "noise.png")
    assert NO_FACE in photo and "No face was found" in results and visit.crop is None
    visit, photo, results, *_ = ask(responses, visit, upload=visit.source, face=-1)
    assert visit.chosen == 0 and len(columns(results)) == 2


def _bad_files() -> dict[str, bytes]:
    def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    portrait = Image.open(PORTRAIT).convert("RGB").resize((128, 128))
    turned = Image.Exif()
    turned[0x0112] = 6
    sixteen_bits = Image.fromarray(np.asarray(portrait.convert("L")).astype(np.uint16) * 257)
    return {
        "empty.jpg": b"",
        "truncated.jpg": PORTRAIT.read_bytes()[:5000],
        "text.png": b"not a picture at all",
        "mislabelled.png": encoded(portrait, "JPEG"),
        "huge.png": png_start(20_000, 20_000),
        "one_pixel.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "cmyk.jpg": encoded(portrait.convert("CMYK"), "JPEG"),
        "deep.png": encoded(sixteen_bits, "PNG"),
        "grey_alpha.png": encoded(portrait.convert("LA"), "PNG"),
        "animated.gif": encoded(portrait, "GIF", save_all=True, append_images=[portrait.rotate(90)]),
        "turned.jpg": encoded(portrait, "JPEG", exif=turned),
        "no_face.png": encoded(Image.new("RGB", (300, 200), "navy"), "PNG"),
        "picture.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    }


@pytest.mark.parametrize("name", _bad_files())
def test_bad_files_give_a_result_or_a_sentence_and_are_forgotten(responses, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(_bad_files()[name])
    visit, photo, _ = upload(responses, path)
    if visit.photo is None:
        (sentence,) = re.findall(r'<p class="problem" role="alert">(.*?)</p>', photo)
        assert sentence.endswith(".") and "Traceback" not in sentence and name not in sentence
        # Another choice does not ask for the file again, which is gone.
        assert sentence in ask(responses, visit, upload=visit.source, emotion="sad")[1]
    else:
        *_, results = ask(responses, visit, upload=visit.source, face=-1)[:3]
        assert len(columns(results)) == 2


def test_a_failed_upload_does_not_change_the_next_analysis(responses, tmp_path):
    def analysed() -> list[str]:
        *_, results = upload(responses, PORTRAIT)
        return re.findall(r"(?:left|width): ([\d.]+)%|url\((.*?)\)", results)

    before = analysed()
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    upload(responses, tmp_path / "broken.jpg")
    assert analysed() == before


def test_an_unforeseen_error_is_a_sentence_and_the_file_is_deleted_all_the_same(responses, monkeypatch):
    def fail(path, progress):
        raise RuntimeError("internals")

    monkeypatch.setattr("demo.responses.read_photo", fail)
    with pytest.raises(gr.Error, match="went wrong on the server") as caught:
        ask(responses, Visit(), upload=str(stored(PORTRAIT)))
    assert list(uploads_folder().iterdir()) == [] and "internals" not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["secret.png", "uploads/../secret.png", "uploads/one/../../secret.png", ".", "\0", 300 * "a"]
)
def test_a_path_that_was_not_uploaded_is_neither_read_nor_deleted(responses, tmp_path, place):
    stored(PORTRAIT)
    (tmp_path / "secret.png").write_bytes(PORTRAIT.read_bytes())
    with pytest.raises(gr.Error, match="was not uploaded") as caught:
        ask(responses, Visit(), upload=str(tmp_path / place))
    assert not caught.value.print_exception, "nobody fills the log with tracebacks"
    assert (tmp_path / "secret.png").exists() and (uploads_folder() / "one" / PORTRAIT.name).exists()


@pytest.mark.parametrize("place", ["", "one", "gone/photo.jpg"])
def test_an_upload_that_is_not_there_is_a_sentence(responses, place):
    stored(PORTRAIT)
    with pytest.raises(gr.Error, match="deleted from the server already; please add it again") as caught:
        ask(responses, Visit(), upload=str(uploads_folder() / place))
    assert not caught.value.print_exception, "it is foreseen, so the log has no traceback of it"
    assert (uploads_folder() / "one" / PORTRAIT.name).exists()


@pytest.mark.parametrize("key", EXAMPLES)
def test_examples_are_analysed_and_kept(responses, key):
    visit, photo, results, *_ = ask(responses, Visit(), example=key)
    said = {
        "six-faces": "6 faces found, 1 of them turned upright: choose one.",
        "tilted": "1 face found, turned upright.",
        "48-pixels": "The picture is one face already: it is taken whole.",
    }
    assert f"<p>{said.get(key, '1 face found.')}</p>" in photo
    assert visit.chosen == 0 and len(columns(results)) == 2 and EXAMPLES[key].path.is_file()


def test_an_example_goes_before_an_upload(responses):
    kept = stored(PORTRAIT)
    visit, *_ = ask(responses, Visit(), example="48-pixels", upload=str(kept))
    assert visit.source == "48-pixels" and kept.exists()
