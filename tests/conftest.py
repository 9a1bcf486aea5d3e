"""What several test modules share: small data of the same form as FER-2013, and the page in a browser."""

import csv
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from selenium import webdriver

from fer_models import MODEL_NAMES, CheckpointError, create_model, load_model
from fer_models.architectures.attention import SpatialAttention
from fer_models.checkpoints import default_weights_dir, save_checkpoint
from fer_models.data.fer2013 import FER2013
from fer_models.emotions import EMOTIONS
from tests.browser import PATIENCE, PROGRAMS, Page, start_chromium
from tests.helpers import SMALL_MODELS, SmallServer, make_split, pattern

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _cache_in_tmp(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def small_data() -> FER2013:
    """20, 4 and 4 images a class; learnable."""
    return FER2013(make_split(20, 0), make_split(4, 100), make_split(4, 200), layout="synthetic", fingerprint="0" * 64)


@pytest.fixture
def kaggle_folder(tmp_path: Path) -> Path:
    """Ten training images, two PublicTest and one PrivateTest image a class, losslessly, as Kaggle lays them out."""
    root = tmp_path / "fer"
    for label, emotion in enumerate(EMOTIONS):
        for folder, prefix, count, offset in (
            ("train", "Training", 10, 0),
            ("test", "PublicTest", 2, 20),
            ("test", "PrivateTest", 1, 30),
        ):
            (root / folder / emotion).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                file = root / folder / emotion / f"{prefix}_{label}{offset + i}.png"
                Image.fromarray(pattern(label, 10 * (offset + i) + label)).save(file)
    return root


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    """The same images in the form of icml_face_data.csv, with the blanks that it has in its header."""
    file = tmp_path / "icml_face_data.csv"
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["emotion", " Usage", " pixels"])
        for usage, count, offset in (("Training", 10, 0), ("PublicTest", 2, 20), ("PrivateTest", 1, 30)):
            for label in range(len(EMOTIONS)):
                for i in range(count):
                    pixels = pattern(label, 10 * (offset + i) + label)
                    writer.writerow([label, usage, " ".join(map(str, pixels.ravel()))])
    return file


# ---- The page in a browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped checkpoints, or untrained ones if they are not all there."""
    try:
        for name in MODEL_NAMES:
            load_model(name, default_weights_dir())
        return default_weights_dir()
    except CheckpointError:
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp("weights")
        for name in MODEL_NAMES:
            model = create_model(name)
            if isinstance(model.spatial_attention, SpatialAttention):
                torch.nn.init.ones_(model.spatial_attention.bn.weight)  # else it is constant, and no map
            save_checkpoint(model, folder / name, training={})
        return folder


@pytest.fixture(scope="session")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which Gradio stores what visitors upload."""
    return tmp_path_factory.mktemp("uploads")


@contextmanager
def running_app(log: Path, weights: Path, uploads: Path, *options: str) -> Iterator[str]:
    """app.py running by itself: the page's address. All that the server prints goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(uploads)}
    with log.open("w") as output:
        command = [sys.executable, "-u", ROOT / "app.py", "--weights", weights, *options]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + PATIENCE
            while "Running on" not in log.read_text():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def server(weights: Path, uploads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The page's address, and the file with all that the server prints."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with running_app(log, weights, uploads) as address:
        yield address, log


@pytest.fixture(scope="session")
def small_server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallServer]:
    """A page with the two small models, for programs, and for MCP clients where the package for them is installed."""
    folder = tmp_path_factory.mktemp("small")
    for name in SMALL_MODELS:
        (folder / "weights").mkdir(exist_ok=True)
        (folder / "weights" / name).symlink_to(weights / name)
    options = ["--mcp"] if find_spec("mcp") else []
    log, uploads = folder / "log.txt", folder / "uploads"
    with running_app(log, folder / "weights", uploads, *options) as address:
        yield SmallServer(address, log, folder / "weights", uploads)


@pytest.fixture(scope="session")
def browser_programs() -> None:
    """Skips the test where there is no browser."""
    if None in PROGRAMS:
        reason = "chromium or chromedriver is not installed (Debian: apt install chromium chromium-driver)"
        if os.environ.get("FER_LENS_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory, browser_programs: None) -> Iterator[webdriver.Chrome]:
    with start_chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def unopened(browser: webdriver.Chrome, server: tuple[str, Path]) -> Iterator[Page]:
    """A page that is still to be opened; at the end neither the browser nor the server may have seen an error."""
    address, log = server
    page = Page(browser, address)
    yield page
    assert page.errors() == []
    assert "Traceback" not in log.read_text()


@pytest.fixture
def page(unopened: Page) -> Page:
    """A freshly opened page, which shows the analysis of the opening example."""
    unopened.open()
    return unopened
