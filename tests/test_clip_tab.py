"""The tab Clip without a browser: the store, the analysis of a clip, what is fetched of it, and the words."""

import csv
import io
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo import clip_responses, clip_routes
from demo.clip_responses import GONE, NO_FACE, ClipResponses, read_wanted
from demo.clip_routes import CLIP_ROUTES, ranged
from demo.clip_store import ClipStore, StoredClip
from demo.clip_timeline import is_brief, maps, timeline
from demo.clip_words import describe, render_steadiness
from demo.emotion_colours import COLOURS, render_legend
from demo.responses import Responses
from demo.retention import uploads_folder
from fer_models import EMOTIONS
from fer_models.analysis.rows import MEAN
from fer_models.video.analysis import Track
from fer_models.video.reading import ClipError, open_clip
from fer_models.video.steadiness import Steadiness
from tests.helpers import made_clip, sure_of, tiny_models, words

VISITOR = SimpleNamespace(session_hash="visitor")


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return uploads_folder()


@pytest.fixture
def tab() -> ClipResponses:
    return ClipResponses(Responses(tiny_models()), ClipStore())


def uploaded(content: bytes, uploads: Path, name: str = "one") -> str:
    file = uploads / name / "clip.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return str(file)


def analysed(tab: ClipResponses, content: bytes, uploads: Path, name: str = "one") -> dict:
    """The last report about an uploaded clip."""
    *_, last = tab.on_clip({"number": 1, "upload": uploaded(content, uploads, name)}, VISITOR)
    return last


def stored(session: str | None = "visitor", size: int = 10, models: tuple[str, ...] = ()) -> StoredClip:
    return StoredClip(session, dict.fromkeys(models), (320, 180), 1.0, 10, bytes(size))


# ---- The store -----------------------------------------------------------------------------------------------------


def test_the_store_keeps_the_clips_that_were_used_last():
    store = ClipStore(most_clips=2)
    first, second, third = (stored() for _ in range(3))
    store.add(first)
    store.add(second)
    assert store.get(first.token) is first
    store.add(third)
    assert store.get(second.token) is None and store.get(first.token) is first and len(store) == 2


def test_the_store_is_bounded_in_bytes_but_keeps_the_clip_at_work():
    store = ClipStore(most_bytes=100)
    first, large = stored(size=60), stored(size=300)
    store.add(first)
    store.add(large)
    assert store.get(first.token) is None and store.get(large.token) is large


def test_clips_go_when_they_are_not_used_or_their_visitor_leaves():
    time = 0.0
    store = ClipStore(lifetime=600, clock=lambda: time)
    mine, other, example = stored("me"), stored("you"), stored(None, models=("a", "b"))
    for clip in (mine, other, example):
        store.add(clip)
    store.forget_visit("me")
    store.forget_visit(None)
    assert store.get(mine.token) is None and store.get(other.token) is other
    time = 601
    store.make_room()
    assert store.get(other.token) is None
    assert store.example(("a", "b")) is example and store.example(("a",)) is None, "it is nobody's"


def test_tokens_cannot_be_guessed():
    tokens = {stored().token for _ in range(100)}
    assert len(tokens) == 100 and all(len(token) >= 32 for token in tokens)


# ---- The analysis --------------------------------------------------------------------------------------------------


def test_a_clip_is_analysed_and_its_file_deleted_before(tab, uploads):
    upload = uploaded(made_clip(), uploads)
    reports = []
    for report in tab.on_clip({"number": 3, "upload": upload}, VISITOR):
        reports.append(report)
        if report["state"] != "reading":
            assert not Path(upload).exists()
    assert [report["state"] for report in reports][:2] == ["reading", "running"] and reports[-1]["state"] == "done"
    assert {report["number"] for report in reports} == {3} and reports[-1]["sentence"] == ""

    clip = tab._store.get(reports[-1]["token"])
    shown = timeline(clip)
    assert shown["times"] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=0.002) and shown["isDone"]
    assert shown["duration"] == pytest.approx(0.6, abs=0.01) and shown["size"] == (320, 180) and shown["cuts"] == []
    (face,) = shown["faces"]
    assert face["moments"] == [0, 1, 2, 3, 4, 5] and set(face["rows"]) == {MEAN, "baseline_cnn", "attn_cnn"}
    assert np.diff([square[0] for square in face["squares"]]) == pytest.approx(5, abs=2)
    for rows in face["rows"].values():
        for values in rows.values():
            assert np.reshape(values, (6, 7)).sum(axis=1) == pytest.approx(1000, abs=4)
    assert "Both models agree" in face["words"]
    assert [model["maps"] for model in shown["models"]] == [["heatmaps"], ["heatmaps", "attention"]]
    found = maps(clip, "attn_cnn", "attention")["1"]
    assert len(found["values"]) >= 6 * found["rows"] * found["columns"]


def test_files_that_are_no_clip_with_a_face_get_a_sentence(tab, uploads, monkeypatch):
    for name, content, sentence in (
        ("empty", b"", "The file is empty"),
        ("text", b"no clip" * 99, "not a clip"),
        ("cut", made_clip()[:900], ""),
        ("green", made_clip(with_face=False), NO_FACE),
    ):
        report = analysed(tab, content, uploads, name)
        assert sentence in report["sentence"] and report["sentence"].endswith("."), name
        assert report["state"] == ("done" if name == "green" else "problem"), name
    monkeypatch.setattr(clip_responses, "MOST_SECONDS", -1)
    assert "longer than" in analysed(tab, made_clip(), uploads, "long")["sentence"]
    assert not [path for path in uploads.rglob("*") if path.is_file()]


def test_a_clip_of_one_frame_has_one_moment(tab, uploads, monkeypatch):
    monkeypatch.setattr(clip_responses, "REPORT_INTERVAL", 0)
    report = analysed(tab, made_clip(0.1), uploads)
    shown = timeline(tab._store.get(report["token"]))
    assert shown["times"] == [0] and shown["duration"] == 0.1 and len(shown["faces"]) == 1


def test_a_long_clip_is_looked_at_less_often(tab, uploads, monkeypatch):
    monkeypatch.setattr(clip_responses, "MOST_MOMENTS", 3)
    report = analysed(tab, made_clip(), uploads)
    assert report["perSecond"] == pytest.approx(5, abs=0.6)
    assert len(tab._store.get(report["token"]).moments) <= 4


def test_a_running_analysis_ends_with_what_is_known_or_without_a_trace(tab, uploads):
    upload = uploaded(made_clip(4), uploads)
    reports = tab.on_clip({"upload": upload}, VISITOR)
    for report in reports:
        if report["state"] == "running":
            tab.on_stop(VISITOR)
    assert report["sentence"].startswith("Stopped") and report["state"] == "done"
    clip = tab._store.get(report["token"])
    assert clip.was_stopped and len(clip.moments) < 40 and timeline(clip)["duration"] == pytest.approx(3.9, abs=0.2)
    assert tab._running == {}

    for report in tab.on_clip({"upload": uploaded(made_clip(4), uploads, "two")}, VISITOR):
        if report["state"] == "running":
            tab.on_leave(VISITOR)
    assert len(tab._store) == 0


def test_a_crowd_does_not_hold_the_queue(tab, uploads, monkeypatch):
    monkeypatch.setattr(clip_responses, "MOST_FACES", 3)
    assert "many faces in this clip: its first 0.3 s" in analysed(tab, made_clip(), uploads)["sentence"]


def test_the_example_is_analysed_once_for_everybody(tab, monkeypatch, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(made_clip())
    monkeypatch.setattr(clip_responses, "EXAMPLE_CLIP", tmp_path / "clip.mp4")
    first = [report["state"] for report in tab.on_clip({"models": "attn_cnn"}, VISITOR)]
    tab.on_leave(VISITOR)
    second = [report["state"] for report in tab.on_clip({"models": "attn_cnn"}, VISITOR)]
    assert first[0] == "reading" and second == ["done"]


def test_nonsense_from_the_browser_counts_as_not_chosen(tab):
    for nonsense in (None, [], {"number": "1", "upload": 3, "models": ["a"]}, "text"):
        wanted = read_wanted(nonsense)
        assert (wanted.number, wanted.upload, wanted.models) == (0, "", ())
    assert next(tab.on_moment(None)) == f'<p class="problem">{GONE}</p>'


def test_a_face_that_is_there_for_a_moment_stands_behind_others():
    short, long = track_of("hh"), track_of("hhhhhhhh")
    assert is_brief(short, [short, long], 0.1) and not is_brief(long, [short, long], 0.1)
    assert not is_brief(short, [short], 0.1), "unless it is all there is"


# ---- One frame -----------------------------------------------------------------------------------------------------


def test_a_frame_shows_all_models_as_analyse_does(tab, uploads):
    token = analysed(tab, made_clip(), uploads)["token"]
    without_checks, with_checks = tab.on_moment({"token": token, "moment": 2, "face": 1})
    assert words(with_checks).startswith("The face at 0.2 s") and f'data-shows="{token} 2 1"' in with_checks
    assert without_checks.count('class="model"') == with_checks.count('class="model"') == 2
    assert "checking" in without_checks and "checking" not in with_checks
    for moment, face in ((-1, 1), (99, 1), ("2", 1), (2, 7), (2, None)):
        assert list(tab.on_moment({"token": token, "moment": moment, "face": face})) == [""]
    assert GONE in next(tab.on_moment({"token": "unknown", "moment": 2, "face": 1}))


# ---- Addresses -----------------------------------------------------------------------------------------------------


@pytest.fixture
def client(tab, monkeypatch) -> TestClient:
    monkeypatch.setattr(clip_routes, "CLIPS", tab._store)
    return TestClient(Starlette(routes=CLIP_ROUTES))


def test_everything_of_a_clip_is_fetched_by_its_token(tab, uploads, client):
    content = made_clip()
    token = analysed(tab, content, uploads)["token"]

    def get(name: str, **options):
        answer = client.get(f"/clips/{token}/{name}", **options)
        assert answer.headers["cache-control"] == "no-store"
        return answer

    whole = get("preview.mp4")
    assert whole.headers["content-type"] == "video/mp4" and whole.headers["accept-ranges"] == "bytes"
    part = get("preview.mp4", headers={"Range": "bytes=4-7"})
    assert part.status_code == 206 and part.content == whole.content[4:8] == b"ftyp"
    assert get("timeline.json").json()["times"][0] == 0
    assert get("maps.json?model=attn_cnn&kind=heatmaps").json().keys() == {"1"}
    for query in ("model=resnet50&kind=heatmaps", "model=attn_cnn&kind=pixels", ""):
        assert get(f"maps.json?{query}").status_code == 404
    rows = list(csv.DictReader(io.StringIO(get("timeline.csv").text)))
    assert [row["time"] for row in rows] == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]
    with Image.open(io.BytesIO(get("timeline.png").content)) as picture:
        assert picture.format == "PNG" and picture.width > 1000
    for query in ("", "?model=attn_cnn&kind=attention"):
        drawn = get(f"overlay.mp4{query}")
        assert "attachment" in drawn.headers["content-disposition"]
        with open_clip(drawn.content) as clip, open_clip(content) as original:
            frames = list(zip(clip.frames(), original.frames(), strict=True))
            difference = np.abs(np.int16(frames[3][0].picture) - np.int16(frames[3][1].picture)).max(axis=2)
            assert difference.max() > 100 and np.median(difference) < 10, "a box, and the rest as it was"
    assert get("overlay.mp4?kind=pixels").status_code == 404


def test_an_unknown_token_gets_a_sentence(client):
    for name in ("preview.mp4", "timeline.json", "maps.json", "timeline.csv", "timeline.png", "overlay.mp4"):
        answer = client.get(f"/clips/unknown/{name}")
        assert answer.status_code == 404 and answer.text == GONE


@pytest.mark.parametrize(
    ("wanted", "status", "content", "where"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        (f"bytes={5000 * '9'}-", 200, b"0123456789", None),
        (f"bytes=-{5000 * '9'}", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("seconds=1-2", 200, b"0123456789", None),
    ],
)
def test_browsers_seek_with_ranges(wanted, status, content, where):
    answer = ranged(b"0123456789", "video/mp4", wanted)
    assert (answer.status_code, answer.body, answer.headers.get("content-range")) == (status, content, where)


# ---- Words ---------------------------------------------------------------------------------------------------------


def track_of(answers: str, others: str = "", moments: list[int] | None = None) -> Track:
    """A face whose two models answer so in each moment, ten per second: h(appy), s(ad), n(eutral)."""
    names = {"h": "happy", "s": "sad", "n": "neutral"}
    rows = {
        name: np.stack([sure_of(names[letter]) for letter in letters])
        for name, letters in {MEAN: answers, "one": answers, "two": others or answers}.items()
    }
    positions = np.array(moments or range(len(answers)))
    return Track(1, positions, positions / 10, rows, rows)


@pytest.mark.parametrize(
    ("answers", "others", "said"),
    [
        ("hhhh", "", "Happy all the time. Both models agree 100 % of the time."),
        (
            "hhhhhhhhhhssss",
            "hhhhhhhhhhsshh",
            "Mostly happy; sad from 1.0 to 1.4 s. Both models agree 86 % of the time.",
        ),
        ("hhhhhhs", "", "Mostly happy; nothing else lasts as long as 0.4 s. Both models agree 100 % of the time."),
        (
            "hhhhhssssnnnn",
            "",
            "Most often happy; sad from 0.5 to 0.9 s and neutral from 0.9 to 1.3 s. "
            "Both models agree 100 % of the time.",
        ),
    ],
)
def test_a_face_is_described_in_words(answers, others, said):
    assert describe(track_of(answers, others), ["one", "two"], 0.1, len(answers) / 10) == said


def test_a_face_that_is_away_and_a_single_model_are_said():
    track = track_of("hhhh", moments=[0, 1, 8, 9])
    assert describe(track, ["one"], 0.1, 1.0) == "Happy all the time. In view for 0.4 of 1.0 s."


def test_only_a_map_that_jumps_is_marked():
    assert render_steadiness(None) == render_steadiness(Steadiness(0.9, 0.3, 0)) == ""
    assert "its map jumps" in words(render_steadiness(Steadiness(0.4, 0.3, 0)))


def test_every_emotion_has_a_colour_of_its_own():
    assert tuple(COLOURS) == EMOTIONS and len(set(COLOURS.values())) == 7
    assert words(render_legend()) == " ".join(EMOTIONS)


def test_a_clip_of_too_many_frames_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_responses, "MOST_FRAMES", 5)
    with open_clip(made_clip(seconds=1)) as clip, pytest.raises(ClipError, match="more than"):
        clip_responses._read(clip, Event())
