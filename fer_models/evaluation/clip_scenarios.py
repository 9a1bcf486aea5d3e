"""What happens in the made clips on which the following of faces is measured.

Each scenario makes a script from a random generator: sizes, places, speeds and times differ.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fer_models.evaluation.made_clips import FPS, HEIGHT, MARGIN, WIDTH, Script

# Frames of a clip.
LENGTH = 6 * FPS

TIME = np.arange(LENGTH) / FPS

Scenario = Callable[[np.random.Generator], Script]


def nobody(rng: np.random.Generator) -> Script:
    """No face at all."""
    return _script(np.empty((LENGTH, 0, 4)))


def still(rng: np.random.Generator) -> Script:
    """A face that does not move, tilted by up to 15 degrees."""
    places = np.empty((LENGTH, 1, 4))
    places[:] = (rng.uniform(300, 900), HEIGHT / 2, _height(rng), rng.uniform(-15, 15))
    return _script(places)


def moving(rng: np.random.Generator) -> Script:
    """Two people move to and fro, each on one side."""
    people = [_swaying(rng, WIDTH * side, _height(rng)) for side in (0.25, 0.75)]
    for places in people:
        places[:, :2] += 3 * (places[:, :2] - places[:, :2].mean(axis=0))
    return _script(np.stack(people, axis=1))


def crossing(rng: np.random.Generator) -> Script:
    """Two people walk past each other; one hides the other."""
    height = _height(rng)
    people = [_swaying(rng, 0, height * rng.uniform(0.8, 1.2)) for _ in range(2)]
    meeting = rng.uniform(2, 4)
    for places, direction in zip(people, (1, -1), strict=True):
        places[:, 0] += WIDTH / 2 + direction * rng.uniform(150, 300) * (TIME - meeting)
    in_front = rng.choice((1, -1))
    return _script(np.stack(people[::in_front], axis=1))


def _covered(seconds: float) -> Scenario:
    """An object hides a face."""

    def scenario(rng: np.random.Generator) -> Script:
        height = _height(rng)
        places = _swaying(rng, WIDTH * rng.uniform(0.3, 0.7), height)
        script = _script(np.stack([places], axis=1))
        start = rng.integers(FPS, 3 * FPS)
        during = slice(start, start + round(seconds * FPS))
        x, y = places[during, :2].mean(axis=0)
        reach = 1.3 * height
        script.cover[during] = np.rint(np.clip((x - reach, y - reach, x + reach, y + reach), 0, (WIDTH, HEIGHT) * 2))
        return script

    return scenario


def turning(rng: np.random.Generator) -> Script:
    """A head turns 30 degrees to each side and back, in one and a half to three seconds."""
    places = _swaying(rng, WIDTH * rng.uniform(0.3, 0.7), _height(rng))
    places[:, 3] = 30 * np.sin(2 * np.pi * TIME / rng.uniform(1.5, 3) + rng.uniform(0, 2 * np.pi))
    return _script(np.stack([places], axis=1))


def _returning(seconds: float) -> Scenario:
    """Somebody walks out of the frame and comes back, on the same side or the other; somebody else stays."""

    def scenario(rng: np.random.Generator) -> Script:
        height = _height(rng)
        stays, leaves = _swaying(rng, WIDTH / 2, _height(rng)), _swaying(rng, 0, height)
        pace, leaving = rng.uniform(300, 500), rng.uniform(0.5, 1.5)
        returning = leaving + seconds
        away = np.where(leaving + returning > 2 * TIME, leaving - TIME, TIME - returning)  # seconds to or from the edge
        x = np.minimum(pace * away - 0.7 * height, WIDTH / 4)
        is_mirrored = (rng.random() < 0.5) & (returning <= TIME)
        leaves[:, 0] = np.where(is_mirrored, WIDTH - x, x)
        leaves[away < 0] = np.nan
        return _script(np.stack([stays, leaves], axis=1))

    return scenario


def replaced(rng: np.random.Generator) -> Script:
    """Somebody walks out of the frame; a second later, somebody else comes in there."""
    script = _returning(1)(rng)
    stays, leaves = script.places[:, 0], script.places[:, 1]
    is_back = np.arange(LENGTH) > np.flatnonzero(np.isnan(leaves[:, 0])).max()
    first, second = leaves.copy(), leaves.copy()
    first[is_back], second[~is_back] = np.nan, np.nan
    return _script(np.stack([first, second, stays], axis=1)[:, [*rng.permutation(2), 2]])


def approaching(rng: np.random.Generator) -> Script:
    """A face grows from 60 to 350 pixels and shrinks again."""
    places = _swaying(rng, WIDTH / 2, 200)
    places[:, 2] = np.geomspace(60, 350, LENGTH // 2).tolist() + np.geomspace(350, 60, LENGTH - LENGTH // 2).tolist()
    return _script(np.stack([places], axis=1))


def lit(rng: np.random.Generator) -> Script:
    """The light fades to a third, and is switched on again; a flash comes in between."""
    script = moving(rng)
    light = np.concatenate([np.geomspace(1, 0.33, LENGTH // 2), np.full(LENGTH - LENGTH // 2, 1.0)])
    light[rng.integers(10, LENGTH // 2 - 5)] = 2.5
    return replace(script, light=light)


def shaken(rng: np.random.Generator) -> Script:
    """The camera is shaken and loses its focus for a moment."""
    script = moving(rng)
    shift = np.rint(np.clip(rng.normal(0, 15, (LENGTH, 2)), -MARGIN, MARGIN)).astype(int)
    blur = 5 * np.maximum(0, np.sin(2 * np.pi * (TIME / 3 + rng.random())))
    return replace(script, shift=shift, blur=blur)


def cut(rng: np.random.Generator) -> Script:
    """Two people, then another scene with both of them at other places, then the first again."""
    left, right = (_swaying(rng, WIDTH * side, _height(rng)) for side in (0.25, 0.75))
    scene = np.repeat([0, 1, 0], LENGTH // 3)
    first, second = np.where(scene[:, None] == 1, right, left), np.where(scene[:, None] == 1, left, right)
    return replace(_script(np.stack([first, second], axis=1)), scene=scene)


def lineup(people: int) -> Script:
    """One after the other stands in four places for a frame each, small and large, in front of two backgrounds."""
    stands = [(x, HEIGHT / 2, height, 0) for x, height in ((300, 100), (900, 200), (900, 100), (300, 150))]
    places = np.full((len(stands), people, people, 4), np.nan)
    places[:, range(people), range(people)] = np.array(stands)[:, None]
    return replace(_script(places.reshape(-1, people, 4)), scene=np.repeat([0, 0, 1, 1], people))


SCENARIOS: dict[str, Scenario] = {
    "nobody": nobody,
    "standing still": still,
    "moving": moving,
    "crossing": crossing,
    "covered for 0.5 s": _covered(0.5),
    "covered for 1 s": _covered(1),
    "turning by 30°": turning,
    "back after 1 s": _returning(1),
    "back after 3 s": _returning(3),
    "another after 1 s": replaced,
    "coming near": approaching,
    "light and flash": lit,
    "shaken and blurred": shaken,
    "two cuts": cut,
}


def _script(places: np.ndarray) -> Script:
    """A script in which nothing but the people moves."""
    n = len(places)
    return Script(places, np.full((n, 4), np.nan), np.ones(n), np.zeros(n), np.zeros((n, 2), int), np.zeros(n, int))


def _swaying(rng: np.random.Generator, x: float, height: float) -> np.ndarray:
    """float (n, 4): a head that sways a little about `x`, as in `Script.places`."""
    rate, phase = rng.uniform(0.1, 0.4, 4), rng.uniform(0, 2 * np.pi, 4)
    sway = np.sin(2 * np.pi * rate * TIME[:, None] + phase)
    return np.array([x, HEIGHT / 2, height, 0]) + sway * (0.2 * height, 0.1 * height, 0.04 * height, 5)


def _height(rng: np.random.Generator) -> float:
    """Of a face, in pixels."""
    return rng.uniform(100, 200)
