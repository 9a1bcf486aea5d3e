"""Visits over HTTP: visitors do not get in each other's way, and the server forgets them."""

import base64
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import gradio as gr
import httpx
import pytest
import torch

from demo import load_test, retention
from demo.clip_store import CLIPS
from demo.evidence_cards import NOT_TESTED
from demo.layout import LAUNCH_OPTIONS, build_page
from demo.retention import sweep, uploads_folder
from demo.visitor import VisitError, Visitor
from fer_models import create_model
from tests import helpers

PORTRAIT = helpers.PORTRAIT.read_bytes()


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[gr.Blocks]:
    """A running page with one tiny untrained model."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr("demo.analysis.FEW_FRACTIONS", (0.2,))
    torch.manual_seed(0)
    model = create_model("baseline_cnn", widths=[4, 4, 4]).eval()
    page = build_page({"baseline_cnn": model}, [], tmp_path)
    page.queue(max_size=100, api_open=False).launch(**LAUNCH_OPTIONS, prevent_thread_lock=True, quiet=True)
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
            for _ in range(2):
                guest.upload(PORTRAIT, "portrait.jpg")
                found.append(guest.values["results"])
            return found

    with ThreadPoolExecutor(6) as pool:
        everything = [results for found in pool.map(visit, range(6)) for results in found]
    assert len(everything) == 12 and all('class="model"' in results for results in everything)
    assert list(uploads_folder().iterdir()) == []


def test_everything_is_answered_to_a_visitor(page):
    with visitor(page) as guest:
        assert 'class="model"' in guest.values["results"] and "1 face found" in guest.values["photo"]  # the opening
        guest.ask(example="six-faces")
        assert "6 faces found" in guest.values["photo"]
        number = guest.values["badges"]["analysis"]  # the quick checks have followed by themselves
        assert f'data-analysis="{number}"' in guest.values["results"]
        assert list(guest.values["badges"]["badges"]) == ["baseline_cnn"]
        guest.tell("cells", [0, 1, 2])
        assert "Covered, < 1 % of the picture" in guest.values["changes"]
        guest.tell("wanted", "json")
        assert guest.values["file"]["name"] == "fer-lens.json"
        guest.fire("evidence", "select")
        assert 'class="card"' in guest.values["evidence"]
        guest.ask(emotion="sad")
        assert guest.values["evidence"] == NOT_TESTED and "Covered" in guest.values["changes"]
        guest.ask(example="", upload="")
        assert "appears here" in guest.values["results"] and guest.values["badges"] == {}


def test_analyses_do_not_make_a_visit_larger(page):
    def size() -> tuple[int, int, int]:
        (session,) = page.state_holder.session_data.values()
        return len(session.config_values), len(session.blocks_config.blocks), len(session.state_data)

    with visitor(page) as guest:
        sizes = []
        for emotion in ("happy", "sad"):
            guest.upload(PORTRAIT)
            guest.ask(example="six-faces", upload="")
            guest.ask(face=2)
            guest.ask(emotion=emotion)
            guest.tell("cells", [0, 1, 2])
            guest.tell("wanted", "csv")
            guest.fire("evidence", "select")
            guest.upload(b"no picture")
            sizes.append(size())
        assert len(set(sizes)) == 1


def test_clips_do_not_make_a_visit_larger_and_go_with_it(page):
    with visitor(page) as guest:
        sizes = []
        for number in (1, 2):
            path = guest._client.post("upload", files={"files": ("a.mp4", helpers.made_clip())}).json()[0]
            guest.tell("clip-wanted", {"number": number, "upload": path})
            report = guest.values["clip-report"]
            assert (report["state"], report["number"], report["sentence"]) == ("done", number, "")
            guest.tell("clip-moment", {"token": report["token"], "moment": 3, "face": 1})
            assert "The face at 0.3 s" in guest.values["clip-cards"]
            (session,) = page.state_holder.session_data.values()
            sizes.append((len(session.config_values), len(session.blocks_config.blocks), len(session.state_data)))
        assert len(set(sizes)) == 1 and CLIPS.get(report["token"])
    wait_until(lambda: CLIPS.get(report["token"]) is None)


def test_a_visitor_who_leaves_is_forgotten(page):
    with visitor(page) as guest:
        guest.upload(PORTRAIT)
        assert len(page.state_holder.session_data) == 1
    wait_until(lambda: not page.state_holder.session_data and not page.state_holder.time_last_used)


@pytest.mark.parametrize("image", [base64.b64encode(PORTRAIT).decode(), "no picture"])
def test_a_program_leaves_nothing_behind(page, image):
    calls = f"{page.local_url}gradio_api/call"
    event = httpx.post(f"{calls}/v2/analyse", json={"image": image}).json()["event_id"]
    answer = httpx.get(f"{calls}/analyse/{event}", timeout=60).text
    assert ("event: complete" in answer) == (image != "no picture")
    assert not page.state_holder.session_data and not page.state_holder.time_last_used
    wait_until(lambda: not page._queue.event_ids_to_events)


def test_a_visitor_who_vanishes_without_a_goodbye_is_forgotten_too(page):
    guest = visitor(page)  # not entered: no connection whose end the server would notice
    guest.upload(PORTRAIT)
    (session,) = page.state_holder.session_data
    sweep(page)
    assert session in page.state_holder.session_data
    page.state_holder.time_last_used[session] -= timedelta(seconds=retention.VISIT_LIFETIME)
    sweep(page)
    assert not page.state_holder.session_data
    with pytest.raises(VisitError, match="please add it again"):
        guest.ask(emotion="sad")  # whoever comes back starts anew
    guest.upload(PORTRAIT)
    assert 'class="model"' in guest.values["results"]


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
    answer = guest._client.post("upload", files={"files": ("a.mp4", bytes(101 * 2**20))})
    assert answer.status_code == 413 and "maximum allowed size" in answer.text
    guest.upload(bytes(21 * 2**20))
    assert "larger than 20 MB" in guest.values["photo"], "a photo has a limit of its own, which is lower"


def test_a_request_made_by_hand_cannot_name_another_file(page, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(PORTRAIT)
    guest = visitor(page)
    with pytest.raises(VisitError, match="was not uploaded to this page"):
        guest.ask(example="", upload=str(secret))
    assert secret.exists()


def test_every_deed_of_a_load_test_is_answered(page):
    with visitor(page) as guest:
        for deed in ("example", *load_test.DEEDS):
            before = dict(guest.values)
            load_test.do(deed, guest, random.Random(deed))
            assert guest.values != before
            assert 'class="model"' in guest.values["results"]
        load_test.do("test", guest, random.Random(0))
        assert 'class="card"' in guest.values["evidence"]
