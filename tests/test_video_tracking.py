"""Faces are followed through a clip: each keeps its number, and stored observations give the same numbers again."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_models.evaluation.clip_scenarios import still
from fer_models.evaluation.made_clips import Person, Truth, person_in, play
from fer_models.evaluation.tracking import Count, found_in_stills, overlap
from fer_models.faces import Face, find_faces
from fer_models.video.timeline import Frame, TrackedFace
from fer_models.video.tracking import FaceTracker, Observation, Search

PORTRAIT = Path(__file__).parent.parent / "demo" / "examples" / "grace_hopper.jpg"
SIZE = 100.0
RNG = np.random.default_rng(0)
ANNA, BERT, CARL = RNG.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)  # what they look like
NOWHERE = np.zeros((18, 32, 3), np.uint8)


def face_at(x: float, y: float = 300, score: float = 0.9, tilt: float = 0) -> Face:
    """A face of 100 x 100 pixels around a point; its landmarks are tilted clockwise."""
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    upright = np.array([(-20, -15), (20, -15), (0, 5), (-15, 25), (15, 25)])
    landmarks = (upright @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)).astype(np.float32)
    return Face((x - SIZE / 2, y - SIZE / 2, x + SIZE / 2, y + SIZE / 2), score, landmarks)


def observed(time: float, *seen: tuple[Face, np.ndarray], is_cut: bool = False) -> Observation:
    return Observation(
        time, NOWHERE, is_cut, Search.QUICK, tuple(face for face, _ in seen), tuple(patch for _, patch in seen)
    )


def numbers(tracker: FaceTracker, observation: Observation) -> dict[int, float]:
    """x of each face by its number."""
    return {tracked.number: round(float(tracked.face.centre[0])) for tracked in tracker.associate(observation)}


def test_numbers_stay_while_two_people_cross():
    """Anna walks to the right behind Bert, who walks to the left: she is not seen while their boxes overlap by half."""
    tracker = FaceTracker()
    for index in range(21):
        anna, bert = 100 + 20 * index, 500 - 20 * index
        seen = [(face_at(bert), BERT)] + ([(face_at(anna), ANNA)] if abs(anna - bert) > 50 else [])
        found = numbers(tracker, observed(index / 10, *(seen if index else seen[::-1])))
    assert found == {1: pytest.approx(500, abs=10), 2: pytest.approx(100, abs=10)}


def test_a_face_keeps_its_number_through_a_gap_of_a_second_while_it_moves():
    tracker = FaceTracker()
    for index in [*range(10), *range(19, 25)]:
        found = numbers(tracker, observed(index / 10, (face_at(100 + 5 * index), ANNA)))
    assert list(found) == [1]


def test_who_comes_back_is_recognised_by_the_look_and_a_stranger_is_not():
    tracker = FaceTracker()
    numbers(tracker, observed(0.0, (face_at(100), ANNA), (face_at(400), BERT)))
    numbers(tracker, observed(0.1, (face_at(400), BERT)))
    others = (face_at(400), BERT), (face_at(900), CARL)
    assert list(numbers(tracker, observed(4.0, *others))) == [2, 3]
    assert list(numbers(tracker, observed(4.1, *others, (face_at(700), ANNA)))) == [1, 2, 3]


def test_who_was_away_for_too_long_is_somebody_new():
    tracker = FaceTracker()
    assert list(numbers(tracker, observed(0.0, (face_at(100), ANNA)))) == [1]
    assert numbers(tracker, observed(10.1)) == {}
    assert list(numbers(tracker, observed(10.2, (face_at(100), ANNA)))) == [2]


def test_nobody_is_recognised_where_two_who_are_away_look_alike():
    tracker = FaceTracker()
    numbers(tracker, observed(0.0, (face_at(100), ANNA), (face_at(400), ANNA)))
    numbers(tracker, observed(5.0))
    assert list(numbers(tracker, observed(5.1, (face_at(700), ANNA)))) == [3]


def test_after_a_cut_places_mean_nothing():
    """Anna is where Bert was, and somebody else where Anna was."""
    tracker = FaceTracker()
    numbers(tracker, observed(0.0, (face_at(100), ANNA), (face_at(400), BERT)))
    found = numbers(tracker, observed(0.1, (face_at(100), CARL), (face_at(400), ANNA), is_cut=True))
    assert found == {1: 400, 3: 100}


def test_a_doubtful_face_counts_once_it_is_found_again():
    tracker = FaceTracker()
    doubtful = face_at(100, score=0.7)
    assert numbers(tracker, observed(0.0, (doubtful, ANNA), (face_at(400), BERT))) == {1: 400}
    assert numbers(tracker, observed(0.1, (doubtful, ANNA), (face_at(400), BERT))) == {1: 400, 2: 100}
    tracker = FaceTracker()
    for time in (0.0, 0.2):
        assert numbers(tracker, observed(time, (doubtful, ANNA))) == {}
        assert numbers(tracker, observed(time + 0.1)) == {}


def test_the_crop_turns_once_while_a_tilt_wavers_about_the_threshold():
    tracker = FaceTracker()
    rolls = []
    for index in range(20):
        face = face_at(100, tilt=12 if index % 2 == 0 else 8)
        (found,) = tracker.associate(observed(index / 10, (face, ANNA)))
        rolls.append(found.face.roll)
    assert rolls[2:] == pytest.approx([12, 8] * 9, abs=0.1)


def test_boxes_of_a_still_face_waver_less_and_those_of_a_moving_one_do_not_lag():
    def boxes(xs: np.ndarray) -> np.ndarray:
        tracker = FaceTracker()
        return np.array(
            [tracker.associate(observed(i / 10, (face_at(x), ANNA)))[0].face.centre[0] for i, x in enumerate(xs)]
        )

    still = 300 + np.random.default_rng(0).normal(0, 2, 100)
    assert np.abs(np.diff(boxes(still))).mean() < 0.7 * np.abs(np.diff(still)).mean()
    moving = 100 + 15.0 * np.arange(40)  # one and a half face sizes per second
    assert np.abs(boxes(moving) - moving)[10:].max() < 0.05 * SIZE


def as_plain(faces: list[TrackedFace]) -> list[tuple]:
    return [(t.number, t.face.box, t.face.roll, t.face.score, t.face.landmarks.tolist()) for t in faces]


def clip() -> list[Frame]:
    """A portrait that moves to the right over a grey picture, hides for three frames, and moves on."""
    portrait = Image.open(PORTRAIT).convert("RGB").resize((160, 188))
    frames = []
    for index in range(14):
        picture = Image.new("RGB", (480, 270), (90, 110, 130))
        if not 6 <= index < 9:
            picture.paste(portrait, (20 + 15 * index, 40))
        frames.append(Frame(index / 10, picture))
    return frames


def test_a_portrait_is_followed_and_stored_observations_give_the_same_state():
    frames = clip()
    seen, resumed = FaceTracker(), FaceTracker()
    results = []
    for frame in frames[:11]:
        observation = seen.observe(frame)
        results.append(as_plain(seen.associate(observation)))
        stored = Observation.from_json(json.loads(json.dumps(observation.to_json())))
        assert as_plain(resumed.associate(stored)) == results[-1]
    for frame in frames[11:]:
        results.append(as_plain(seen.follow(frame)))
        assert as_plain(resumed.follow(frame)) == results[-1]
    assert [[number for number, *_ in result] for result in results] == [[1]] * 6 + [[]] * 3 + [[1]] * 5
    (truth,) = find_faces(frames[-1].picture)
    assert overlap(results[-1][0][1], truth.box) > 0.85


def test_a_cut_is_seen_and_a_flash_or_motion_is_not():
    noise = np.random.default_rng(0).integers(0, 256, (2, 9, 16, 3), dtype=np.uint8)
    one, other = (Image.fromarray(picture).resize((480, 270), Image.Resampling.BICUBIC) for picture in noise)
    moved = one.transform(one.size, Image.Transform.AFFINE, (1, 0, 20, 0, 1, 0))
    brighter = one.point(lambda value: min(255, 2 * value))
    for after, is_cut in ((other, True), (moved, False), (brighter, False), (one, False)):
        tracker = FaceTracker()
        tracker.follow(Frame(0.0, one))
        assert tracker.observe(Frame(0.1, after)).is_cut == is_cut


def test_observing_changes_nothing():
    tracker = FaceTracker()
    first, second, *_ = clip()
    tracker.follow(first)
    once, twice = tracker.observe(second), tracker.observe(second)
    assert once.to_json() == twice.to_json()


def test_made_clips_know_where_a_face_is_and_how_much_of_it_is_seen():
    """A still face in front of a covering object that leaves its left half free in the second frame."""
    portrait = person_in(Image.open(PORTRAIT).convert("RGB"))
    script = still(np.random.default_rng(0))
    x, y = script.places[0, 0, :2]
    script.cover[1] = np.rint((x, y - 200, x + 200, y + 200))
    frames = list(islice(play(script, [portrait], np.random.default_rng(0)), 2))
    (open_face,), (half,) = (truths for _, truths in frames)
    assert open_face.visible == 1.0 and half.visible == pytest.approx(0.5, abs=0.02)
    (found,) = find_faces(frames[0][0].picture)
    assert overlap(found.box, open_face.box) > 0.8


def test_only_heads_that_are_found_in_stills_are_followed():
    portrait = person_in(Image.open(PORTRAIT).convert("RGB"))
    faceless = Person(Image.new("RGBA", portrait.cutout.size, "tan"), portrait.size)
    assert found_in_stills([faceless, portrait]) == [portrait]


def test_counts_of_what_went_wrong():
    """Two people of whom one is lost once, one is given another number, and a face is found where there is none."""
    count = Count()
    places = {0: face_at(100).box, 1: face_at(400).box}
    truths = [Truth(person, box, 1.0) for person, box in places.items()]

    def found(*pairs: tuple[int, float]) -> list[TrackedFace]:
        return [TrackedFace(number, face_at(x)) for number, x in pairs]

    count.add(truths, found((1, 100), (2, 405)))
    count.add(truths, found((1, 100), (3, 800)))
    count.add(truths, found((1, 400), (4, 100)))
    count.add([replace(truths[0], visible=0.5)], found())
    assert (count.faces, count.lost, count.false, count.switches) == (6, 1, 1, 2)
    assert (count.extra, count.shared) == (2, 1)
