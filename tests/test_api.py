"""The API through its real clients: gradio_client, plain HTTP as curl speaks it, and an MCP client."""

import asyncio
import base64
import io
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from demo.api import LAYER_NUMBERS, MAX_FACES, Api
from demo.example_pictures import EXAMPLES
from demo.photo import MEGABYTES
from demo.visitor import Visitor
from fer_models import EMOTIONS, METHODS, EmotionModel, explain, load_model, predict
from fer_models.checkpoints import METRICS_FILE
from fer_models.data.pictures import MAX_PIXELS
from fer_models.explanations.overlays import heat_layer, scaled_attention
from fer_models.faces import crop_face, find_faces
from fer_models.inference import prediction_set
from tests.helpers import CROPPED_FACE, PORTRAIT, SMALL_MODELS, SmallServer, png_start

GROUP = EXAMPLES["six-faces"].path
ROOT = Path(__file__).parents[1]


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(small_server: SmallServer) -> Iterator[Client]:
    """At the end the server has deleted every upload, and has seen no error of its own."""
    client = Client(small_server.address, verbose=False)
    yield client
    client.close()
    assert not list((small_server.uploads / "uploads").iterdir())
    assert "Traceback" not in small_server.log.read_text()


@pytest.fixture(scope="module")
def models(small_server: SmallServer) -> dict[str, EmotionModel]:
    return {name: load_model(name, small_server.weights) for name in SMALL_MODELS}


@pytest.fixture(scope="module")
def crops() -> list[Image.Image]:
    group = Image.open(GROUP).convert("RGB")
    return [crop_face(group, face) for face in find_faces(group)]


def analyse(client: Client, image: object, **choices: object) -> dict:
    return client.predict(image, **choices, api_name="/analyse")


def probabilities(opinion: dict) -> np.ndarray:
    assert list(opinion["probabilities"]) == list(EMOTIONS)
    return np.array(list(opinion["probabilities"].values()), dtype=np.float32)


def curl(server: SmallServer, name: str, arguments: dict) -> tuple[str, object]:
    """The kind of the last event and its data, from the two requests that the README makes with curl."""
    calls = f"{server.address}/gradio_api/call"
    event = httpx.post(f"{calls}/v2/{name}", json=arguments, timeout=60).raise_for_status().json()["event_id"]
    *_, kind, data = httpx.get(f"{calls}/{name}/{event}", timeout=60).text.strip().splitlines()
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


# ---- Answers --------------------------------------------------------------------------------------------------------


def test_two_endpoints_are_offered(small_server):
    info = httpx.get(f"{small_server.address}/gradio_api/info").json()
    assert list(info["named_endpoints"]) == ["/analyse", "/models"] and info["unnamed_endpoints"] == {}
    parameters = info["named_endpoints"]["/analyse"]["parameters"]
    assert [(each["parameter_name"], each["parameter_default"]) for each in parameters] == [
        ("image", None),
        ("face", None),
        ("emotion", None),
        ("method", "gradcam"),
        ("layer", -1),
        ("maps", "none"),
        ("models", None),
    ]
    assert [each["parameter_has_default"] for each in parameters] == [False, *[True] * 6]


def test_the_documentation_names_the_limits():
    said = Api.analyse.__doc__
    for limit in (f"{MEGABYTES} MB", f"{MAX_PIXELS // 10**6} million pixels", f"at most {MAX_FACES}"):
        assert limit in said
    assert f"-1 (the last one with a grid) to {min(LAYER_NUMBERS)}" in said


def test_the_answers_are_those_of_the_library_for_each_face(client, models, crops):
    answer = analyse(client, handle_file(GROUP))
    photo = Image.open(GROUP)
    assert answer["size"] == list(photo.size) and answer["found"] == len(crops) == 6
    assert [face["face"] for face in answer["faces"]] == list(range(6))
    found = find_faces(photo)
    for face, detected in zip(answer["faces"], found, strict=True):
        np.testing.assert_allclose(face["box"], detected.box, atol=0.01)
        np.testing.assert_allclose(face["landmarks"], detected.landmarks, atol=0.01)
        assert face["score"] == pytest.approx(detected.score, abs=1e-4)
        assert face["rotation"] == pytest.approx(detected.roll, abs=0.01)
    for name, model in models.items():
        expected = predict(model, crops, mirrored=True)
        for face, wanted in zip(answer["faces"], expected, strict=True):
            opinion = face["models"][name]
            np.testing.assert_allclose(probabilities(opinion), wanted, atol=1e-5)
            assert opinion["answer"] == EMOTIONS[wanted.argmax()]
            assert opinion["confidence"] == max(opinion["probabilities"].values())
            assert opinion["prediction_set"] == list(prediction_set(wanted, model.mirrored_threshold))
            views = [opinion["as_it_is"], opinion["mirrored"]]
            np.testing.assert_allclose(np.mean([probabilities(view) for view in views], axis=0), wanted, atol=1e-5)
            assert opinion["changes_when_mirrored"] == (views[0]["answer"] != views[1]["answer"])
    for face in answer["faces"]:
        mean = np.mean([probabilities(opinion) for opinion in face["models"].values()], axis=0)
        np.testing.assert_allclose(probabilities(face["mean"]), mean, atol=1e-6)
        assert face["mean"]["answer"] == face["mean"]["named"][0]


def test_the_answers_are_those_of_the_page(client, small_server):
    with Visitor(small_server.address) as visitor:
        visitor.tell("wanted", "json")
        download = json.loads(base64.b64decode(visitor.values["file"]["url"].partition(",")[2]))
    (face,) = analyse(client, handle_file(PORTRAIT), method="hirescam", maps="arrays")["faces"]
    for shown in download["models"]:
        opinion = face["models"][shown["model"]]
        np.testing.assert_allclose(probabilities(opinion), shown["probabilities"], atol=1e-6)
        assert (opinion["answer"], opinion["layer"]) == (shown["answer"], shown["layer"])
        np.testing.assert_allclose(opinion["heat_map"], shown["heat_map"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("method", "layer", "stages"),
    [("gradcam", -1, ["block3", "attention"]), ("layercam", -3, ["block2", "stage2"])],
)
def test_maps_as_arrays_and_as_pictures(client, models, crops, method, layer, stages):
    choices = {"face": 2, "emotion": "sad", "method": method, "layer": layer}
    ((arrays,), (pictures,)) = (
        analyse(client, handle_file(GROUP), **choices, maps=maps)["faces"] for maps in ("arrays", "png")
    )
    for (name, model), stage in zip(models.items(), stages, strict=True):
        (wanted,) = explain(model, [crops[2]], "sad", method, stage, mirrored=True)
        numbers, drawn = arrays["models"][name], pictures["models"][name]
        assert (numbers["explained"], numbers["method"], numbers["layer"]) == ("sad", method, stage)
        np.testing.assert_allclose(numbers["heat_map"], wanted.heatmap, rtol=1e-3, atol=1e-6)
        layers = {"heat_map": heat_layer(wanted.normalised())}
        if wanted.spatial_attention is None:
            assert numbers["attention"] is None and drawn["attention"] is None
        else:
            np.testing.assert_allclose(numbers["attention"], wanted.spatial_attention, rtol=1e-3, atol=1e-6)
            layers["attention"] = heat_layer(scaled_attention(wanted.spatial_attention))
        for kind, expected in layers.items():
            head, _, content = drawn[kind].partition(",")
            picture = Image.open(io.BytesIO(base64.b64decode(content)))
            assert head == "data:image/png;base64" and picture.size == expected.size
            difference = np.asarray(picture, dtype=int) - np.asarray(expected, dtype=int)
            assert np.abs(difference).max() <= 1


def test_a_picture_may_arrive_in_any_of_three_ways(client, small_server):
    content = CROPPED_FACE.read_bytes()
    encoded = base64_of(content)
    wrapped = base64.encodebytes(content).decode()  # in lines, as the command base64 writes it
    ways = [handle_file(CROPPED_FACE), encoded, wrapped, f"data:image/png;base64,{encoded}", f"data:;base64,{encoded}"]
    first, *others = (analyse(client, way) for way in ways)
    assert first["found"] == 1 and all(other == first for other in others)
    assert curl(small_server, "analyse", {"image": encoded}) == ("complete", [first])
    assert not list((small_server.uploads / "uploads").iterdir())


def test_every_kind_of_picture(client):
    portrait = Image.open(PORTRAIT)
    plain = analyse(client, handle_file(PORTRAIT))
    turned = portrait.transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned clockwise before it is shown
    kinds = {
        "EXIF": saved(turned, "PNG", exif=exif),
        "HEIC": saved(portrait, "HEIF", quality=95),
        "grey": saved(portrait.convert("L"), "PNG"),
        "alpha": saved(portrait.convert("RGBA"), "WEBP", lossless=True),
    }
    for kind, content in kinds.items():
        answer = analyse(client, base64_of(content))
        assert (answer["size"], answer["found"]) == (plain["size"], 1), kind
        same = plain["faces"][0]["models"]["attn_cnn"]
        assert answer["faces"][0]["models"]["attn_cnn"]["answer"] == same["answer"], kind
        if kind in ("EXIF", "alpha"):
            assert answer == plain


def test_a_cropped_face_the_whole_picture_and_no_face(client, models):
    whole = Image.open(CROPPED_FACE)
    for face in (None, 0, -1):
        (only,) = analyse(client, handle_file(CROPPED_FACE), face=face)["faces"]
        assert only["face"] == 0 and only["crop"]["side"] == whole.width
    (expected,) = predict(models["attn_cnn"], [whole], mirrored=True)
    np.testing.assert_allclose(probabilities(only["models"]["attn_cnn"]), expected, atol=1e-5)

    landscape = Image.linear_gradient("L").resize((300, 200))
    image = base64_of(saved(landscape, "PNG"))
    assert analyse(client, image) == {"size": [300, 200], "found": 0, "faces": []}
    (middle,) = analyse(client, image, face=-1)["faces"]
    assert middle["face"] == -1 and middle["box"] is middle["landmarks"] is middle["score"] is None
    assert middle["crop"] == {"centre": [150, 100], "side": 200}
    with pytest.raises(AppError, match="No face was found, so there is no face 0. -1 takes the whole picture."):
        analyse(client, image, face=0)


def test_only_the_models_that_are_named_are_asked(client):
    (face,) = analyse(client, base64_of(CROPPED_FACE.read_bytes()), models=["attn_cnn"])["faces"]
    assert list(face["models"]) == ["attn_cnn"]
    assert face["mean"]["probabilities"] == face["models"]["attn_cnn"]["probabilities"]


def test_which_models_there_are_and_how_good_they_are(client, models, small_server):
    answer = client.predict(api_name="/models")
    assert answer["emotions"] == list(EMOTIONS) and list(answer["methods"]) == list(METHODS)
    assert answer["not_loaded"] == ["resnet50", "resnet50_cbam", "vit"]
    assert list(answer["layers"]) == ["-1", "-2", "-3", "-4"]
    for told, (name, model) in zip(answer["models"], models.items(), strict=True):
        assert (told["name"], told["input_size"], told["sha256"]) == (name, model.input_size, model.sha256)
        assert (told["temperature"], told["mirrored_temperature"]) == (model.temperature, model.mirrored_temperature)
        assert told["parameters"] == sum(part.numel() for part in model.parameters())
        assert told["layers"]["-1"] in ("block3", "attention")
        stored = small_server.weights / name / METRICS_FILE
        if stored.exists():
            measured = json.loads(stored.read_text())["test_flip_averaged"]
            assert told["test"] == {key: measured[key] for key in told["test"]}
            assert set(told["test"]) == {"n", "accuracy", "accuracy_interval", "macro_f1", "ece"}
        else:
            assert told["test"] is None


def test_calls_at_the_same_time_have_the_answers_of_their_own(small_server, client):
    pictures = [handle_file(CROPPED_FACE), handle_file(PORTRAIT)]
    alone = [analyse(client, picture) for picture in pictures]
    assert alone[0] != alone[1]

    def call(number: int) -> dict:
        guest = Client(small_server.address, verbose=False)
        try:
            return analyse(guest, pictures[number % 2])
        finally:
            guest.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(4))) == 2 * alone


# ---- Errors ---------------------------------------------------------------------------------------------------------

FACE = base64_of(CROPPED_FACE.read_bytes())


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ({"image": ""}, "no_picture", "There is no picture: send it as an upload, as base64 or as a data URL."),
        ({"image": None}, "no_picture", "There is no picture"),
        ({"image": 5}, "no_picture", "There is no picture"),
        ({"image": "data:image/png;base64,"}, "unreadable_picture", "The file is empty"),
        ({"image": base64_of(b"text " * 99)}, "unreadable_picture", "This is not a picture that can be read"),
        ({"image": base64_of(PORTRAIT.read_bytes()[:20_000])}, "unreadable_picture", "The picture is damaged"),
        ({"image": base64_of(png_start(20_000, 20_000))}, "too_large", "more than 50 million pixels"),
        ({"image": base64_of(bytes(MEGABYTES * 2**20 + 1))}, "too_large", "The file is larger than 20 MB"),
        ({"image": FACE, "face": 1}, "no_such_face", "1 face was found, so there is no face 1."),
        ({"image": FACE, "face": -2}, "bad_argument", "face cannot be -2: give an index from 0"),
        ({"image": FACE, "face": True}, "bad_argument", "face cannot be true"),
        ({"image": FACE, "emotion": "bored"}, "bad_argument", 'emotion cannot be "bored": choose one of null, angry'),
        ({"image": FACE, "method": "cam"}, "bad_argument", "choose one of gradcam, gradcam++"),
        ({"image": FACE, "method": ["gradcam"]}, "bad_argument", 'method cannot be ["gradcam"]'),
        ({"image": FACE, "layer": 0}, "bad_argument", "layer cannot be 0: choose one of -1, -2, -3, -4."),
        ({"image": FACE, "layer": "last"}, "bad_argument", 'layer cannot be "last"'),
        ({"image": FACE, "models": ["vgg"]}, "bad_argument", 'models cannot be ["vgg"]: give a list of 1 to 6 of'),
        ({"image": FACE, "models": []}, "bad_argument", "models cannot be []"),
        ({"image": FACE, "models": "attn_cnn"}, "bad_argument", 'models cannot be "attn_cnn"'),
        ({"image": FACE, "models": [["attn_cnn"]]}, "bad_argument", "models cannot be [["),
        ({"image": FACE, "maps": True}, "bad_argument", "maps cannot be true: choose one of none, arrays, png."),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value else "",
)
def test_an_error_is_a_sentence_with_a_kind(client, small_server, arguments, kind, sentence):
    with pytest.raises(AppError) as raised:
        client.predict(**arguments, api_name="/analyse")
    assert raised.value.title == kind and sentence in raised.value.message
    assert raised.value.message.endswith((".", "file", "first.")) and str(ROOT) not in raised.value.message
    event, data = curl(small_server, "analyse", arguments)
    assert event == "error" and (data["title"], data["error"]) == (kind, raised.value.message)


def test_an_upload_is_deleted_even_if_the_call_is_wrong(client, small_server):
    with pytest.raises(AppError, match="layer cannot be 7"):
        analyse(client, handle_file(PORTRAIT), layer=7)
    assert not list((small_server.uploads / "uploads").iterdir())


@pytest.mark.parametrize(
    ("arguments", "status", "kind", "sentence"),
    [
        ({}, 422, "bad_argument", "No value provided for required argument: image"),
        ({"image": FACE, "fase": 1}, 422, "bad_argument", "Parameter `fase` is not a valid key-word argument."),
        ({"image": "A" * (2 * MEGABYTES * 2**20)}, 413, "too_large", "The request has more than 40 MB"),
    ],
    ids=["missing", "unknown", "huge"],
)
def test_what_does_not_become_a_call(client, small_server, arguments, status, kind, sentence):
    answer = httpx.post(f"{small_server.address}/gradio_api/call/v2/analyse", json=arguments, timeout=60)
    assert answer.status_code == status and answer.json()["title"] == kind and sentence in answer.json()["error"]


def test_too_few_values_are_refused_and_not_written_into_the_log(small_server):
    calls = f"{small_server.address}/gradio_api/call"
    event = httpx.post(f"{calls}/analyse", json={"data": [FACE]}, timeout=60).json()["event_id"]
    *_, kind, data = httpx.get(f"{calls}/analyse/{event}", timeout=60).text.strip().splitlines()
    assert kind == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"] == "7 values are needed, and 1 came."
    assert FACE[:80] not in small_server.log.read_text()


def test_nobody_learns_how_often_the_page_is_used(small_server):
    assert httpx.get(f"{small_server.address}/monitoring/summary").status_code == 403


def test_nobody_skips_the_queue(client, small_server):
    body = {"data": [FACE, None, None, "gradcam", -1, "none"]}
    for route in ("run", "api"):
        assert httpx.post(f"{small_server.address}/gradio_api/{route}/analyse", json=body).status_code == 404


# ---- Nothing is opened or fetched -----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The address of another server, and the requests that have reached it."""
    requests: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CROPPED_FACE.read_bytes())

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


def places(address: str, tmp_path: Path) -> list[str]:
    """Where a file could be, for a server that opens what it is told."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(CROPPED_FACE.read_bytes())
    return [
        f"{address}/a.png",
        f"{address.replace('http', 'HTTP')}/a.png",
        "//" + address.partition("//")[2],
        "http://169.254.169.254/latest/meta-data/",
        str(secret),
        f"file://{secret}",
        f"../../../../../..{secret}",
        "/etc/passwd",
        "README.md",
        "zero\0byte",
        "",
    ]


def test_addresses_and_paths_are_refused(client, small_server, elsewhere, tmp_path):
    address, requests = elsewhere
    mark = {"meta": {"_type": "gradio.FileData"}}
    images = [
        image
        for place in places(address, tmp_path)
        for image in (place, {"path": place} | mark, {"path": "a.png", "url": place} | mark)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda image: curl(small_server, "analyse", {"image": image}), images))
    for image, (event, data) in zip(images, answers, strict=True):
        assert event == "error" and data["title"] == ("no_picture" if image == "" else "not_uploaded")
        assert not any(str(path) in data["error"] for path in (ROOT, small_server.uploads, tmp_path))
    with pytest.raises(AppError, match="Addresses and paths are not opened.") as raised:
        analyse(client, handle_file(f"{address}/a.png"))
    assert raised.value.title == "not_uploaded"
    assert requests == [] and (tmp_path / "secret.png").exists()


def test_the_pages_own_events_open_and_fetch_nothing_either(client, small_server, elsewhere, tmp_path):
    address, requests = elsewhere
    stored = set(small_server.uploads.rglob("*"))
    with Visitor(small_server.address) as visitor:
        for place in places(address, tmp_path):
            file = {"path": place, "url": place, "meta": {"_type": "gradio.FileData"}}
            visitor.tell("view", file)  # an unknown view counts as an empty one
            assert "appears here" in visitor.values["results"]
            visitor.tell("cells", file)
            visitor.tell("wanted", file)
            assert visitor.values["file"] == {}
    assert requests == [] and set(small_server.uploads.rglob("*")) == stored


def test_what_gradio_offers_to_every_page_is_closed(client, small_server, elsewhere):
    address, requests = elsewhere
    base = f"{small_server.address}/gradio_api"
    for path in (
        f"file={address}/a.png",
        "file=/etc/passwd",
        "file=README.md",
        f"proxy={address}/a.png",
        "file/app.py",
    ):
        answer = httpx.get(f"{base}/{path}")
        assert answer.status_code == 403 and answer.json()["title"] == "not_uploaded"
    assert httpx.get(f"{base}/deep_link", params={"session_hash": "any"}).status_code == 403
    assert httpx.post(f"{base}/process_recording", files={"video": b"any"}).status_code == 403
    assert requests == []


# ---- Tools for MCP clients ------------------------------------------------------------------------------------------


def with_tools(server: SmallServer, talk) -> object:
    """Runs `talk` with a session of the official client, over HTTP."""
    pytest.importorskip("mcp")
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def visit() -> object:
        async with (
            streamable_http_client(f"{server.address}/gradio_api/mcp/") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            return await talk(session)

    return asyncio.run(visit())


def test_the_tools_describe_themselves(small_server):
    analyse, models = with_tools(small_server, lambda session: session.list_tools()).tools
    assert (analyse.name, models.name) == ("analyse", "models")
    assert analyse.description.startswith("Finds the faces in a picture") and "do not use them to judge people" in (
        analyse.description
    )
    schema = analyse.inputSchema
    assert schema["required"] == ["image"] and schema["properties"]["image"]["type"] == "string"
    assert all(parameter["description"] for parameter in schema["properties"].values())
    assert schema["properties"]["method"]["enum"] == list(METHODS)
    assert models.inputSchema["properties"] == {}


def test_a_tool_answers_as_the_endpoint_does(small_server, client):
    async def talk(session):
        return [
            await session.call_tool("analyse", {"image": FACE, "maps": "arrays"}),
            await session.call_tool("models", {}),
        ]

    answers = with_tools(small_server, talk)
    assert not any(answer.isError for answer in answers)
    found, known = (json.loads(answer.content[0].text) for answer in answers)
    assert found == analyse(client, FACE, maps="arrays") and known == client.predict(api_name="/models")


def test_a_tool_refuses_in_a_sentence(small_server, elsewhere):
    address, requests = elsewhere
    wrong = {
        "Addresses and paths are not opened.": {"image": f"{address}/a.png"},
        "neither an upload nor base64": {"image": "file:///etc/passwd"},
        "1 face was found, so there is no face 3.": {"image": FACE, "face": 3},
        "'image' is a required property": {},
        "is not of type 'string'": {"image": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}},
    }

    async def talk(session):
        return [await session.call_tool("analyse", arguments) for arguments in wrong.values()]

    for sentence, answer in zip(wrong, with_tools(small_server, talk), strict=True):
        assert answer.isError and sentence in answer.content[0].text
    assert requests == []


def test_without_the_package_for_tools_the_way_out_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["app.py", "--mcp"])
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(SystemExit):
        app.read_arguments()
    assert "--mcp needs a package that is not installed: pip install 'gradio[mcp]'" in capsys.readouterr().err


# ---- In the browser -------------------------------------------------------------------------------------------------


def test_the_footer_leads_to_the_documentation(page):
    page.script("[...document.querySelectorAll('footer button')].find(b => /API/.test(b.textContent)).click()")
    page.wait(lambda: "/analyse" in page.text("body") and "/models" in page.text("body"))
    assert "Finds the faces in a picture" in page.text("body") and "on_view" not in page.text("body")
    # Gradio looks for tools and for figures of use, which this page does not serve: that is no error.
    assert [error for error in page.errors() if "mcp/schema" not in error and "monitoring/summary" not in error] == []
