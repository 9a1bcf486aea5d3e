"""Visits over HTTP: visitors do not get in each other's way, and the server forgets them."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import gradio as gr
import pytest
import torch

from demo import load_test, retention
from demo.analysis import examine
from demo.layout import LAUNCH_OPTIONS, build_page
from demo.photo import read_photo
from demo.responses import EXAMPLES_DIR
from demo.retention import sweep, uploads_folder
from demo.visitor import VisitError, Visitor
from fer_models import create_model, explain
from fer_models.checkpoints import save_checkpoint
from fer_models.inference.prediction import exclusive

PORTRAIT = (EXAMPLES_DIR / "eileen_collins.jpg").read_bytes()


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[gr.Blocks]:
    """A running page with one tiny untrained model."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    torch.manual_seed(0)
    model = create_model("baseline_cnn", widths=[4, 4, 4]).eval()
    page = build_page({"baseline_cnn": model}, [], tmp_path)
    page.queue(max_size=100).launch(**LAUNCH_OPTIONS, prevent_thread_lock=True, quiet=True)
    yield page
    page.close(verbose=False)


def visitor(page: gr.Blocks) -> Visitor:
    return Visitor(page.local_url.rstrip("/"))


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_visitors_with_the_same_photo_at_the_same_moment(page):
    def visit(_: int) -> list[str]:
        with visitor(page) as guest:
            found = []
            for _ in range(3):
                guest.upload(PORTRAIT, "portrait.jpg")
                found.append(guest.values["results"])
            return found

    with ThreadPoolExecutor(6) as pool:
        everything = [results for found in pool.map(visit, range(6)) for results in found]
    assert len(everything) == 18 and all('class="card"' in results for results in everything)
    assert list(uploads_folder().iterdir()) == []


def test_analyses_do_not_make_a_visit_larger(page):
    def size() -> tuple[int, int, int]:
        (session,) = page.state_holder.session_data.values()
        return len(session.config_values), len(session.blocks_config.blocks), len(session.state_data)

    with visitor(page) as guest:
        sizes = []
        for emotion in ("happy", "sad", "fear"):
            guest.upload(PORTRAIT)
            guest.fire("examples", "select", {"index": 4})
            guest.fire("faces", "select", {"index": 2})
            guest.set("Emotion to explain", emotion)
            guest.fire("painter", "select", {"index": [0, 1, 2]})
            guest.upload(b"no picture")
            sizes.append(size())
        assert len(set(sizes)) == 1


def test_a_visitor_who_leaves_is_forgotten(page):
    with visitor(page) as guest:
        guest.upload(PORTRAIT)
        assert len(page.state_holder.session_data) == 1
    wait_until(lambda: not page.state_holder.session_data and not page.state_holder.time_last_used)


def test_a_visitor_who_vanishes_without_a_goodbye_is_forgotten_too(page):
    guest = visitor(page)  # not entered: no connection whose end the server would notice
    guest.upload(PORTRAIT)
    (session,) = page.state_holder.session_data
    sweep(page)
    assert session in page.state_holder.session_data
    page.state_holder.time_last_used[session] -= timedelta(seconds=retention.VISIT_LIFETIME)
    sweep(page)
    assert not page.state_holder.session_data
    guest.set("Emotion to explain", "sad")  # whoever comes back starts anew
    assert "Add a photo" in guest.values["results"]


def test_an_upload_whose_event_never_comes_is_deleted(page, monkeypatch):
    guest = visitor(page)
    guest._client.post("upload", files={"files": ("portrait.jpg", PORTRAIT)}).raise_for_status()
    (stored,) = uploads_folder().rglob("portrait.jpg")
    sweep(page)
    assert stored.exists()
    monkeypatch.setattr(retention, "UPLOAD_LIFETIME", -1)
    sweep(page)
    assert list(uploads_folder().iterdir()) == []


def test_the_page_sweeps_by_itself(tmp_path, monkeypatch, request):
    monkeypatch.setattr(retention, "SWEEP_INTERVAL", 0.1)
    running = request.getfixturevalue("page")
    visitor(running)._client.post("upload", files={"files": ("portrait.jpg", PORTRAIT)}).raise_for_status()
    monkeypatch.setattr(retention, "UPLOAD_LIFETIME", -1)
    wait_until(lambda: list(uploads_folder().iterdir()) == [])


def test_equal_uploads_have_different_places_and_large_ones_are_refused(page):
    guest = visitor(page)
    places = {guest._client.post("upload", files={"files": ("a.jpg", PORTRAIT)}).json()[0] for _ in range(2)}
    assert len(places) == 2 and all(Path(place).is_relative_to(uploads_folder()) for place in places)
    answer = guest._client.post("upload", files={"files": ("a.jpg", bytes(21 * 2**20))})
    assert answer.status_code == 413 and "maximum allowed size" in answer.text


def test_a_request_made_by_hand_cannot_name_another_file(page, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(PORTRAIT)
    guest = visitor(page)
    with pytest.raises(VisitError, match="was not uploaded to this page"):
        guest.set("Photo", {"path": str(secret), "meta": {"_type": "gradio.FileData"}}, "upload")
    assert secret.exists()


def test_analyses_do_not_wait_for_a_test_of_the_maps():
    model = create_model("baseline_cnn", widths=[4, 4, 4]).eval()
    crop = read_photo(EXAMPLES_DIR / "like_fer2013.png")[0]
    (explanation,) = explain(model, [crop.pixels])
    shares: list[float] = []
    begun = threading.Event()

    def progress(share: float) -> None:
        shares.append(share)
        begun.set()

    thread = threading.Thread(target=examine, args=(model, crop, explanation, progress), daemon=True)
    with exclusive(model):  # as an analysis does, whose hooks would come along into a copy that is made now
        thread.start()
        assert not begun.wait(0.3)
    assert begun.wait(60)
    with exclusive(model):
        thread.join(60)
        assert not thread.is_alive() and shares[-1] == 1


@pytest.mark.slow
def test_a_load_test_counts_what_visitors_get(tmp_path):
    save_checkpoint(create_model("baseline_cnn", widths=[4, 4, 4]), tmp_path / "baseline_cnn", training={})
    record = load_test.measure(tmp_path, visitors=3, seconds=3)
    assert record.failures == [] and record.files_left == 0
    assert record.answered and all(seconds > 0 for _, seconds in record.answered)
    assert len(record.memory) == 3


def test_the_table_of_a_load_test():
    answered = [("example", float(seconds)) for seconds in range(1, 6)] + [
        ("layer", 0.5),
        ("cover", 0.1),
        ("test", 9.0),
    ]
    record = load_test.Record(answered, ["emotion: VisitError: no"], [100.0, 250.4, 200.0], elapsed=3, files_left=0)
    text = load_test.report(record, 4, "a machine")
    assert text.startswith("4 visitors without a pause for 3 s; a machine\n\n| ")
    for row in (
        "| analyses | 6, 2.0 a second |",
        "| seconds for a photo or example: quartiles, 95th percentile | 2.0, **3.0**, 4.0; 4.8 |",
        "| seconds for a face or control: quartiles, 95th percentile | 0.5, **0.5**, 0.5; 0.5 |",
        "| faces covered; broken files refused; tests of all maps | 1; 0; 1 |",
        "| failures of the page | 1 |",
        "| server's memory before, at most, after they left | 100 MB, 250 MB, 200 MB |",
    ):
        assert row in text


def test_every_deed_of_a_load_test_is_answered(page):
    with visitor(page) as guest:
        for deed in ("example", *load_test.DEEDS):
            load_test.do(deed, guest, random.Random(deed))
            assert 'class="card"' in guest.values["results"]
        load_test.do("test", guest, random.Random(0))
        assert 'class="card"' in guest.values["evidence"]
