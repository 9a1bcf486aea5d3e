"""The page without a browser: what it says, draws and forgives, and that it keeps nothing."""

import base64
import io
import re
import shutil
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image

from demo.analysis import LAYERS, load_models, stage_of
from demo.cards import render_analysis
from demo.consensus import agreement_sentence
from demo.layout import LAUNCH_OPTIONS, build_page
from demo.overlays import LAYER_SIDE, colour_ramp, data_url, heat_layer
from demo.photo import read_photo
from demo.responses import EXAMPLES, EXAMPLES_DIR, NOTHING_YET, Responses
from demo.retention import uploads_folder
from fer_models import EMOTIONS, METHODS, MODEL_NAMES, create_model
from fer_models.architectures import MODELS
from tests.helpers import DEFAULTS, cards, explanation, png_start, texts

PORTRAIT = EXAMPLES_DIR / "eileen_collins.jpg"


@pytest.fixture(scope="module")
def responses() -> Responses:
    """Those of a page with all four models, untrained, with attention that depends on the face."""
    torch.manual_seed(0)
    models = {name: create_model(name).eval() for name in MODEL_NAMES}
    for name in ("attn_cnn", "resnet50_cbam"):
        torch.nn.init.ones_(models[name].spatial_attention.bn.weight)
    return Responses(models)


@pytest.fixture(scope="module")
def small(responses: Responses) -> Responses:
    """Those of a page with the two fast models only."""
    return Responses({name: responses.models[name] for name in ("baseline_cnn", "attn_cnn")})


def stored(path: Path) -> Path:
    """A copy of a file where the page keeps uploads."""
    copy = uploads_folder() / "one" / path.name
    copy.parent.mkdir(parents=True)
    return Path(shutil.copy(path, copy))


def upload(responses: Responses, path: Path, *controls: object) -> tuple[list, int | None, str, str]:
    """What a visitor has on the page after uploading a file, which is deleted: crops, chosen, faces, results."""
    photo, crops, chosen, faces = responses.on_photo({"path": str(stored(path))})
    assert photo is None and list(uploads_folder().iterdir()) == []
    _, results = responses.on_control(crops, chosen, *(controls or DEFAULTS))
    return crops, chosen, faces, results


def choice(index: int) -> gr.EventData:
    return gr.EventData(None, {"index": index})


@pytest.fixture(autouse=True)
def _uploads_in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("emotions", "sentence"),
    [
        (["happy"] * 4, "All four models see happy."),
        (["sad"] * 3, "All three models see sad."),
        (["happy", "happy", "fear", "happy"], "Three of four models see happy; Attention CNN (60%) sees fear."),
        (
            ["sad", "happy", "sad", "happy"],
            "The models disagree: Baseline CNN (60%) and Attention CNN (60%) see sad; "
            "ResNet-50 (60%) and ResNet-50 + CBAM (60%) see happy.",
        ),
        (
            ["fear", "sad", "sad", "angry"],
            "The models disagree: ResNet-50 (60%) and Attention CNN (60%) see sad; Baseline CNN (60%) sees fear; "
            "ResNet-50 + CBAM (60%) sees angry.",
        ),
        (["sad", "fear"], "The models disagree: Baseline CNN (60%) sees sad; ResNet-50 (60%) sees fear."),
        (["fear"], "Baseline CNN sees fear; no other model is loaded to compare it with."),
    ],
)
def test_one_sentence_says_who_agrees(emotions, sentence):
    pairs = zip(MODEL_NAMES, emotions, strict=False)
    assert agreement_sentence([explanation(name, emotion, 0.6) for name, emotion in pairs]) == sentence


def test_layers_are_counted_from_the_last_convolutional_stage():
    baseline, attention = create_model("baseline_cnn"), create_model("attn_cnn")
    assert [stage_of(baseline, layer) for layer in LAYERS.values()] == ["block3", "block2", "block1", "block3"]
    assert [stage_of(attention, layer) for layer in LAYERS.values()] == ["stage3", "stage2", "stage1", "attention"]


def test_a_map_is_coloured_at_the_right_places():
    values = np.zeros((8, 8))
    values[2:6, 2:6] = 1
    layer = heat_layer(values)
    colours, indices = np.asarray(layer.convert("RGB")), np.asarray(layer)
    cold, hot = (np.rint(255 * np.array(colormaps["inferno"](end)[:3])) for end in (0.0, 1.0))
    middle, border = LAYER_SIDE // 2, 2 * LAYER_SIDE // 8
    assert colours.shape == (LAYER_SIDE, LAYER_SIDE, 3)
    assert np.array_equal(colours[middle, middle], hot) and np.array_equal(colours[0, 0], cold)
    assert indices[middle, border - 1 : border + 1].mean() == pytest.approx(127.5, abs=1)


def test_smoothing_never_leaves_the_map_range():
    indices = np.asarray(heat_layer(1 - np.eye(7)))  # where bicubic interpolation overshoots
    assert indices.min() == 0 and indices.max() == 255


def test_the_scale_runs_through_the_colour_map():
    assert colour_ramp().startswith("linear-gradient(to right, #000004,") and colour_ramp().endswith(" #fcffa4)")


def test_a_picture_survives_as_an_address():
    layer = heat_layer(np.eye(7))
    kind, content = data_url(layer).split(";base64,")
    assert kind == "data:image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))), np.asarray(layer))


def test_a_photo_gives_a_card_a_model_and_six_maps(responses):
    crops, chosen, faces, results = upload(responses, PORTRAIT)
    assert len(crops) == 2 and chosen == 0 and "1 face found" in faces
    shown = cards(results)
    assert list(shown) == [model.title for model in MODELS.values()]
    assert [card.count('class="overlay"') for card in shown.values()] == [1, 1, 2, 2]
    assert ["no attention module" in card for card in shown.values()] == [True, True, False, False]
    assert ["2048 channels" in card for card in shown.values()] == [False, False, False, True]


def test_bars_and_scales_show_the_explanation(responses):
    crop = read_photo(EXAMPLES_DIR / "like_fer2013.png")[-1]
    attention = np.linspace(0.25, 0.75, 49, dtype=np.float32).reshape(7, 7)
    made = explanation("resnet50_cbam", "fear", 0.4, heatmap=np.full((7, 7), 0.125), spatial_attention=attention)
    card = render_analysis(crop, responses.models, [made])
    bars = re.findall(r'scope="row">(\w+)</th>.*?width: ([\d.]+)%', card)
    assert bars[: len(EMOTIONS)] == [(emotion, "40.0" if emotion == "fear" else "10.0") for emotion in EMOTIONS]
    assert "test faces" not in card
    (known,) = cards(render_analysis(crop, responses.models, [made], {"resnet50_cbam": 0.614})).values()
    assert "right on 61.4% of FER-2013's test faces" in known
    assert "<strong>fear</strong> 40%" in card and "50 ms" in card and "24.0 million parameters" in card
    assert re.findall(r"<span>([\d.]+)</span><i></i><span>([\d.]+)</span>", card) == [("0", "0.12"), ("0", "1")]
    assert "0.250 to 0.750" in card
    layers = [Image.open(io.BytesIO(base64.b64decode(code))) for code in re.findall(r"png;base64,([^\"]+)", card)]
    assert np.asarray(layers[0]).min() == 255  # the heat map's own maximum, everywhere
    assert np.array_equal(layers[1], heat_layer(attention))  # as it is


def test_an_empty_map_is_a_sentence_and_not_a_blank(responses):
    crop = read_photo(EXAMPLES_DIR / "like_fer2013.png")[-1]
    made = explanation("resnet50", "fear", 0.4, target=EMOTIONS.index("disgust"), heatmap=np.zeros((7, 7)))
    card = render_analysis(crop, responses.models, [made])
    assert "nothing in the picture supports disgust" in card and 'class="overlay"' not in card


def test_the_controls_decide_what_is_explained(responses):
    crops, chosen, _, results = upload(responses, PORTRAIT)
    for card in cards(results).values():
        prediction = re.search("<strong>(.*)</strong>", card)[1]
        assert f"Grad-CAM</b> for {prediction}" in card
    _, results = responses.on_control(crops, chosen, "sad", "attention", "layercam")
    stages = re.findall(r"LayerCAM</b> for sad<br>(\w+),", results)
    assert stages == ["block3", "layer4", "attention", "attention"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", [-1, -2, -3, "attention"])
def test_every_method_explains_every_layer(small, method, layer):
    crop = read_photo(EXAMPLES_DIR / "like_fer2013.png")[-1]
    assert len(cards(small.on_control([crop], 0, "happy", layer, method)[1])) == 2


def test_each_of_many_faces_can_be_chosen(small, tmp_path):
    head = Image.open(PORTRAIT).convert("RGB").crop((150, 0, 300, 150))
    crowd = Image.new("RGB", (6 * 160, 5 * 160), (128, 128, 128))
    for place in range(30):
        crowd.paste(head, (160 * (place % 6), 160 * (place // 6)))
    crowd.save(tmp_path / "crowd.png")
    crops, chosen, faces, _ = upload(small, tmp_path / "crowd.png")
    assert len(crops) == 31 and chosen == 0 and faces.count('type="radio"') == 31 and "30 faces found" in faces
    chosen, _, results = small.on_face(crops, *DEFAULTS, choice(29))
    assert chosen == 29 and len(cards(results)) == 2
    assert data_url(crops[29].picture) in results and data_url(crops[0].picture) not in results


def test_without_a_face_the_whole_picture_is_offered(small, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / "noise.png")
    crops, chosen, faces, results = upload(small, tmp_path / "noise.png")
    assert "No face was found" in faces and "whole picture" in faces
    assert chosen is None and results == NOTHING_YET
    chosen, _, results = small.on_face(crops, *DEFAULTS, choice(0))
    assert chosen == 0 and len(cards(results)) == 2


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
def test_bad_files_give_a_result_or_a_sentence_and_are_forgotten(small, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(_bad_files()[name])
    crops, _, faces, results = upload(small, path)
    if not crops:
        (sentence,) = re.findall(r'<p class="problem">(.*?)</p>', faces)
        assert sentence.endswith(".") and "Traceback" not in sentence and name not in sentence
    else:
        *_, results = small.on_face(crops, *DEFAULTS, choice(0))
        assert len(cards(results)) == 2


def test_a_failed_upload_does_not_change_the_next_analysis(small, tmp_path):
    def analysed() -> list[str]:
        *_, results = upload(small, PORTRAIT)
        return re.findall(r"width: ([\d.]+)%|url\((.*?)\)", results)

    before = analysed()
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    upload(small, tmp_path / "broken.jpg")
    assert analysed() == before


def test_an_unforeseen_error_is_a_sentence_and_the_file_is_deleted_all_the_same(responses, monkeypatch):
    def fail(path):
        raise RuntimeError("internals")

    monkeypatch.setattr("demo.responses.read_photo", fail)
    with pytest.raises(gr.Error, match="went wrong on the server") as caught:
        responses.on_photo({"path": str(stored(PORTRAIT))})
    assert list(uploads_folder().iterdir()) == [] and "internals" not in str(caught.value)


@pytest.mark.parametrize("place", ["secret.png", "uploads/../secret.png", "uploads/one/../../secret.png", ""])
def test_a_path_that_was_not_uploaded_is_neither_read_nor_deleted(responses, tmp_path, place):
    stored(PORTRAIT)
    (tmp_path / "secret.png").write_bytes(PORTRAIT.read_bytes())
    with pytest.raises(gr.Error, match="was not uploaded"):
        responses.on_photo({"path": str(tmp_path / place)})
    assert (tmp_path / "secret.png").exists() and (uploads_folder() / "one" / PORTRAIT.name).exists()


@pytest.mark.parametrize("place", ["", "one", "gone/photo.jpg"])
def test_an_upload_that_is_not_there_is_a_sentence(responses, place):
    stored(PORTRAIT)
    with pytest.raises(gr.Error, match="deleted from the server already; please add it again"):
        responses.on_photo({"path": str(uploads_folder() / place)})
    assert (uploads_folder() / "one" / PORTRAIT.name).exists()


@pytest.mark.parametrize("file", EXAMPLES)
def test_examples_are_analysed_and_kept(small, file):
    crops, chosen, faces = small.on_example(choice(list(EXAMPLES).index(file)))
    _, results = small.on_control(crops, chosen, *DEFAULTS)
    said = {
        "group.jpg": "6 faces found, 1 of them turned upright: choose one",
        "tilted.jpg": "1 face found, turned upright",
        "like_fer2013.png": "The picture is one face already: it is taken whole",
    }
    assert f'<p class="label">{said.get(file, "1 face found")}</p>' in faces
    assert chosen == 0 and len(cards(results)) == 2
    assert (EXAMPLES_DIR / file).is_file()


def test_a_fresh_clone_without_models_says_what_to_do(tmp_path):
    models, problems = load_models(tmp_path)
    assert models == {} and len(problems) == len(MODELS)
    said = texts(build_page(models, problems, tmp_path))
    for title in (model.title for model in MODELS.values()):
        assert f"{title} is left out: " in said and f"{title} has no evaluation: " in said
    assert "python train.py --model" in said and "There is no model: " in said
    crops = read_photo(EXAMPLES_DIR / "like_fer2013.png")
    assert "There is no model: " in Responses({}).on_control(crops, 0, *DEFAULTS)[1]
    for accuracy in ("58.9", "43.5", "45.4", "67.4"):
        assert accuracy in said


def test_nothing_is_collected_and_nothing_is_offered_to_programs(responses, tmp_path):
    page = build_page(responses.models, [], tmp_path)
    assert page.analytics_enabled is False and page.delete_cache == (60, 60)
    assert LAUNCH_OPTIONS["run_history"] is False
    assert all(event.api_visibility == "private" for event in page.fns.values() if event.fn)
    queued = [event for event in page.fns.values() if event.outputs and event.fn]
    limits = {event.concurrency_id: event.concurrency_limit for event in queued}
    assert limits == {"photos": 1, "models": 2, "tests": 1}


def test_new_results_end_the_test_of_the_old_ones(responses, tmp_path):
    page = build_page(responses.models, [], tmp_path)
    events = {event.fn.__name__: event for event in page.fns.values() if event.fn}
    (ending,) = (event for event in page.fns.values() if event.cancels)
    assert ending.cancels == [events["on_test"]._id] and ending.targets == events["on_results"].targets
