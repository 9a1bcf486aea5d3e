"""Clips: from frames to moments, to each person over time, to rows and to drawings."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_models import EMOTIONS, explain, predict
from fer_models.analysis.rows import MEAN
from fer_models.faces import Face, Square, crop_face, find_faces
from fer_models.video.analysis import Stretch, analyse_clip, stretches_of, tracks_of
from fer_models.video.drawing import Drawing, draw, faces_at, with_drawings
from fer_models.video.moment_log import MomentLog
from fer_models.video.smoothing import smooth
from fer_models.video.table import columns, problem_row, rows, settings
from fer_models.video.timeline import AnsweredFace, FaceMoment, Frame, Moment
from tests.helpers import PORTRAIT, sure_of, tiny_models


def a_face(x: float = 100.0, y: float = 100.0, roll: float = 0.0) -> Face:
    """81.5 by 102.7 pixels, so its square has a side of 100, and its middle is a little beside the face's."""
    box = (x - 40.75, y - 51.35, x + 40.75, y + 51.35)
    return Face(box, 0.9, np.zeros((5, 2), np.float32), roll)


def answered(number: int, **answers: str) -> AnsweredFace:
    return AnsweredFace(number, a_face(), {name: sure_of(emotion, 0.7) for name, emotion in answers.items()})


def seen(number: int, face: Face, **maps: np.ndarray) -> FaceMoment:
    pixels = np.zeros((48, 48), np.uint8)
    return FaceMoment(number, face, {"a": sure_of("happy")}, pixels, Image.fromarray(pixels), heatmaps=maps)


@pytest.fixture(scope="module")
def portrait_frames() -> list[Frame]:
    """Eleven pictures of a portrait that moves to the right, at ten per second."""
    portrait = Image.open(PORTRAIT).convert("RGB").resize((240, 240))
    frames = []
    for step in range(11):
        picture = Image.new("RGB", (400, 300), (90, 110, 130))
        picture.paste(portrait, (20 + 4 * step, 30))
        frames.append(Frame(step / 10, picture))
    return frames


# ---- Persons over time ----------------------------------------------------------------------------------------------


def test_a_track_has_the_moments_in_which_its_person_is_there() -> None:
    both = [answered(1, a="happy", b="sad"), answered(2, a="fear", b="fear")]
    moments = [
        Moment(0.0, False, both),
        Moment(0.1, False, []),
        Moment(0.2, True, [both[1]]),
        Moment(0.3, False, both),
    ]
    one, two = tracks_of(moments)
    assert (one.number, one.moments.tolist(), one.times.tolist()) == (1, [0, 3], [0.0, 0.3])
    assert (two.number, two.moments.tolist(), two.times.tolist()) == (2, [0, 2, 3], [0.0, 0.2, 0.3])
    np.testing.assert_allclose(one.probabilities[MEAN][0], (sure_of("happy", 0.7) + sure_of("sad", 0.7)) / 2)
    # Both were away when the picture was cut: the cut stands before their next moment.
    for track, cuts in ((one, [False, True]), (two, [False, True, False])):
        for name, values in track.probabilities.items():
            np.testing.assert_array_equal(track.smoothed[name], smooth(values, track.times, np.array(cuts)))


def test_stretches_of_the_same_answer() -> None:
    answers = ["happy"] * 4 + ["fear"] * 4 + ["happy"] * 4
    present = [*range(6), *range(8, 12)]
    moments = [
        Moment(n / 2, False, [AnsweredFace(1, a_face(), {"a": sure_of(answers[n], 0.999)})] if n in present else [])
        for n in range(12)
    ]
    (track,) = tracks_of(moments)
    assert [EMOTIONS[answer] for answer in track.smoothed["a"].argmax(axis=1)] == [answers[n] for n in present]
    assert stretches_of(track, "a", 0.5) == [
        Stretch("happy", 0.0, 2.0),
        Stretch("fear", 2.0, 3.0),  # gone at 3 s
        Stretch("happy", 4.0, 6.0),
    ]


def test_models_are_asked_about_each_face_as_in_a_photo(portrait_frames: list[Frame]) -> None:
    models = list(tiny_models().values())
    moments = list(analyse_clip(portrait_frames, models, method="gradcam"))
    assert [moment.time for moment in moments] == [frame.time for frame in portrait_frames]
    assert [[face.number for face in moment.faces] for moment in moments] == [[1]] * 11
    for frame, moment in zip(portrait_frames, moments, strict=True):
        (face,) = moment.faces
        crop = crop_face(frame.picture, face.face)
        assert face.picture.mode == "L" and face.picture.size == crop.size
        for model in models:
            name = model.checkpoint
            (found,) = explain(model, [crop], method="gradcam", stage=model.last_layer)
            np.testing.assert_allclose(face.probabilities[name], predict(model, [crop])[0], atol=1e-6)
            np.testing.assert_allclose(face.heatmaps[name], found.heatmap, atol=1e-5)
            assert (name in face.attention) == (model.spatial_attention is not None)
    without = list(analyse_clip(portrait_frames, models))
    assert not any(face.heatmaps or face.attention for moment in without for face in moment.faces)
    (there,) = find_faces(portrait_frames[0].picture)
    np.testing.assert_allclose(without[0].faces[0].face.centre, there.centre, atol=4)


def test_clips_without_faces_and_without_frames() -> None:
    models = list(tiny_models().values())
    grey = [Frame(n / 10, Image.new("RGB", (80, 60), (n, n, n))) for n in range(40)]
    assert [moment.faces for moment in analyse_clip(grey, models)] == [[]] * 40
    assert list(analyse_clip([], models)) == [] and tracks_of([]) == []


def test_models_and_methods_that_do_not_fit() -> None:
    model = tiny_models()["attn_cnn"]
    for models in ([], [model, model]):
        with pytest.raises(ValueError, match="one or more models with different names"):
            analyse_clip([], models)
    with pytest.raises(ValueError, match="no method 'magic'"):
        analyse_clip([], [model], method="magic")


# ---- Rows and the log -----------------------------------------------------------------------------------------------


def test_rows_of_a_clip() -> None:
    models = list(tiny_models().values())
    names = {model.checkpoint: "happy" for model in models}
    moments = [
        Moment(0.0, False, [answered(1, **names), answered(3, **names)]),
        Moment(0.25, True, []),
        Moment(0.5, False, [answered(1, **names)]),
    ]
    run = settings(models, 4)
    assert run == "4 moments per second; baseline_cnn untrained; attn_cnn untrained"
    found = list(rows("clip.mp4", moments, models, run))
    assert all(list(row) == list(columns(models)) for row in found)
    assert [(row["rows"], row["time"], row["cut"], row["face"], row["status"]) for row in found] == [
        (4, 0.0, 0, 1, "face"),
        (4, 0.0, 0, 3, "face"),
        (4, 0.25, 1, None, "no face"),
        (4, 0.5, 0, 1, "face"),
    ]
    one, three = tracks_of(moments)
    assert found[3]["attn_cnn_smoothed_happy"] == round(float(one.smoothed["attn_cnn"][1, 3]), 6)
    assert found[1]["mean_happy"] == round(float(three.probabilities[MEAN][0, 3]), 6) == 0.7
    problem = problem_row("x.mp4", models, run, "The file is empty.")
    assert list(problem) == list(columns(models)) and problem["rows"] == 1 and problem["status"] == "unreadable"


def test_a_log_ends_where_it_is_damaged(portrait_frames: list[Frame], tmp_path: Path) -> None:
    path, models = tmp_path / "log", list(tiny_models().values())
    with MomentLog(path, {}) as log:
        for moment in analyse_clip(portrait_frames[:4], models, tracker=log.tracker):
            log.append(moment)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"\0" * 9 + b"\n", lines[4]]))
    with MomentLog(path, {}) as log:
        assert [moment.time for moment in log.moments] == [frame.time for frame in portrait_frames[:2]]
    assert path.read_bytes() == b"".join(lines[:3])


@pytest.mark.parametrize("killed_after", [0, 1, 6, 10])
def test_a_log_goes_on_with_the_same_faces_and_answers(
    portrait_frames: list[Frame], tmp_path: Path, killed_after: int
) -> None:
    models, about = list(tiny_models().values()), {"clip": "a.mp4", "bytes": 7}

    def watched(log: MomentLog, frames: Sequence[Frame]) -> list[Moment[AnsweredFace]]:
        for moment in analyse_clip(frames, models, tracker=log.tracker):
            log.append(moment)
        return log.moments

    with MomentLog(tmp_path / "whole", about) as log:
        expected = watched(log, portrait_frames)
    path = tmp_path / "killed"
    with MomentLog(path, about) as log:
        watched(log, portrait_frames[:killed_after])
    with path.open("a") as handle:
        handle.write('{"observation": {"ti')  # half a line
    with MomentLog(path, about) as log:
        assert len(log.moments) == killed_after
        found = watched(log, portrait_frames[killed_after:])
    one_log, other_log = ([json.loads(line) for line in file.open()] for file in (path, tmp_path / "whole"))
    assert [line.get("observation") for line in one_log] == [line.get("observation") for line in other_log]
    for one, other in zip(found, expected, strict=True):
        assert (one.time, one.is_cut) == (other.time, other.is_cut)
        for face, same in zip(one.faces, other.faces, strict=True):
            assert face.number == same.number and face.face.box == pytest.approx(same.face.box)
            # Batches begin elsewhere, which changes the rounding.
            np.testing.assert_allclose(face.probabilities["attn_cnn"], same.probabilities["attn_cnn"], atol=1e-6)


def test_a_log_of_something_else_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for about in ({"clip": "a"}, {"clip": "b"}):
        with MomentLog(path, about) as log:
            assert log.moments == []
        assert [json.loads(line) for line in path.read_text().splitlines()] == [about]
    with MomentLog(path, {"clip": "b"}) as log:
        log.delete()
    assert not path.exists()


# ---- Drawings -------------------------------------------------------------------------------------------------------


def test_faces_move_on_straight_lines_between_moments() -> None:
    moments = [
        Moment(1.0, False, [seen(1, a_face(100, 100, 170)), seen(2, a_face(300, 100))]),
        Moment(1.4, False, [seen(1, a_face(140, 120, -170))]),
        Moment(1.8, True, [seen(1, a_face(500, 500))]),
    ]

    def centres(time: float) -> dict[int, tuple[int, list[float], float]]:
        return {
            face.number: (position, square.centre.round(1).tolist(), round(square.roll) % 360)
            for position, face, square in faces_at(moments, time)
        }

    start = centres(1.0)
    assert start[1][0] == 0 and start[2][0] == 0 and centres(0.9) == {}
    (x, y), (right, down) = start[1][1], centres(1.4)[1][1]
    position, (between_x, between_y), roll = centres(1.1)[1]
    assert (position, roll) == (0, 175)
    assert between_x == pytest.approx(x + (right - x) / 4, abs=0.1)
    assert between_y == pytest.approx(y + (down - y) / 4, abs=0.1)
    assert centres(1.3)[1][0] == 1 and centres(1.3)[1][2] == 185
    assert 2 in centres(1.1) and 2 not in centres(1.3)
    assert centres(1.7)[1][1] == [right, down]  # until the cut it stays
    assert centres(1.8)[1][0] == 2 and centres(2.5) and not centres(2.6)


def test_a_map_covers_the_square_and_nothing_else() -> None:
    picture = Image.new("RGB", (200, 200), (128, 128, 128))

    square = Square(np.array([100.0, 100.0]), 80)
    drawn = np.asarray(draw(picture, [Drawing(square, "happy", "#56b4e9", np.ones((7, 7)))])).astype(int)
    changed = np.abs(drawn - 128).sum(axis=2) > 0
    assert changed[64:136, 64:136].all() and not changed[:, :40].any() and not changed[145:].any()
    plain = np.asarray(draw(picture, [Drawing(square, "happy", "#56b4e9")])).astype(int)
    assert (plain[70:130, 70:130] == 128).all() and (plain[60, 62] == (0x56, 0xB4, 0xE9)).all()
    assert (np.asarray(picture) == 128).all()


@pytest.mark.parametrize("centre", [(0, 0), (200, 0), (0, 200), (200, 200), (-500, -500)])
def test_labels_stay_in_the_picture(centre: tuple[float, float]) -> None:

    picture = Image.new("RGB", (200, 200))
    drawn = np.asarray(draw(picture, [Drawing(Square(np.array(centre, float), 60), "surprise", "#56b4e9")]))
    ground = (drawn == (0x56, 0xB4, 0xE9)).all(axis=2)
    assert ground.sum() > 300 and (drawn[ground.any(axis=1)][:, ground.any(axis=0)] == 0).any()


def test_drawings_follow_the_chosen_model_and_size(portrait_frames: list[Frame]) -> None:
    models = list(tiny_models().values())
    moments = list(analyse_clip(portrait_frames, models, method="gradcam"))
    tracks = tracks_of(moments)
    half = [Frame(frame.time, frame.picture.resize((200, 150))) for frame in portrait_frames]
    for maps in (None, "heatmaps", "attention"):
        drawn = list(with_drawings(half, moments, tracks, model="attn_cnn", maps=maps, scale=0.5))
        assert [frame.time for frame in drawn] == [frame.time for frame in half]
        assert all(frame.picture.size == (200, 150) for frame in drawn)
    (x, y) = moments[5].faces[0].face.centre / 2
    before, after = np.asarray(half[5].picture), np.asarray(drawn[5].picture)
    assert (before[int(y), int(x)] != after[int(y), int(x)]).any()
