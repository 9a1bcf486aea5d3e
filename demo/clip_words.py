"""What a face shows over time, in one or two plain sentences, and whether its maps are steady."""

from collections.abc import Sequence

import numpy as np

from demo.markup import all_of, listed, percent, term
from fer_models import EMOTIONS
from fer_models.analysis.rows import MEAN
from fer_models.video.analysis import Stretch, Track, stretches_of
from fer_models.video.steadiness import Steadiness

# An emotion is named if it lasts for at least so many seconds, and at most so many stretches of others are.
LASTS, MOST_NAMED = 0.4, 3

# A face that is there for less than this share of the clip is said to be.
NEARLY_ALL = 0.95


def describe(track: Track, models: Sequence[str], step: float, duration: float) -> str:
    """What a face shows when, and how often the models agree.

    Args:
        track: the face.
        models: names.
        step: seconds from one moment to the next.
        duration: of what has been analysed, in seconds.

    Returns:
        for example "Mostly happy; surprise from 2.1 to 3.4 s. All four models agree 71 % of the time."
    """
    sentences = [_what_it_shows(stretches_of(track, MEAN, step))]
    seen = min(duration, len(track.times) * step)
    if seen < NEARLY_ALL * duration:
        sentences.append(f"In view for {seen:.1f} of {duration:.1f} s.")
    if len(models) > 1:
        agree = agreement(track, models)
        sentences.append(f"{all_of(len(models))} models agree {percent(float(agree.mean()))} of the time.")
    return " ".join(sentences)


def render_steadiness(found: Steadiness | None) -> str:
    """A mark for a heat map that jumps, as HTML; nothing for one that does not."""
    if found is None or not found.jumps:
        return ""
    return term(
        "its map jumps",
        f"From one frame to the next, its heat map changes a lot: rank correlation {found.neighbours:z.2f}, against "
        f"{found.strangers:z.2f} between the maps of different faces. Do not trust a map that jumps while the face is "
        "still.",
    )


def agreement(track: Track, models: Sequence[str]) -> np.ndarray:
    """Whether all models give the same answer, bool (T,), after smoothing."""
    answers = np.stack([track.smoothed[name].argmax(axis=1) for name in models])
    return (answers == answers[0]).all(axis=0)


def _what_it_shows(found: Sequence[Stretch]) -> str:
    seconds = dict.fromkeys(EMOTIONS, 0.0)
    for stretch in found:
        seconds[stretch.emotion] += stretch.seconds
    total = sum(seconds.values())
    main = max(seconds, key=lambda emotion: seconds[emotion])
    if seconds[main] == total:
        return f"{main.capitalize()} all the time."
    others = [stretch for stretch in found if stretch.emotion != main and stretch.seconds >= LASTS]
    named = sorted(sorted(others, key=lambda other: -other.seconds)[:MOST_NAMED], key=lambda other: other.start)
    start = f"Mostly {main}" if seconds[main] > total / 2 else f"Most often {main}"
    if not named:
        return f"{start}; nothing else lasts as long as {LASTS:.1f} s."
    times = listed([f"{other.emotion} from {other.start:.1f} to {other.end:.1f} s" for other in named])
    return f"{start}; {times}{', and more' * (len(others) > len(named))}."
