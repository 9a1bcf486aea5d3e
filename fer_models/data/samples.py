"""Samples: what the readers return, and which names stand for which split and emotion."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fer_models.emotions import EMOTIONS

SPLITS = ("train", "validation", "test")

# Other names of splits and emotions whose meaning is certain. Compared without case, blanks, "-" and "_".
_OTHER_SPLIT_NAMES = {
    "train": ("training",),
    "validation": ("valid", "val", "dev", "publictest"),
    "test": ("testing", "privatetest"),
}
_OTHER_EMOTION_NAMES = {
    "angry": ("anger",),
    "disgust": ("disgusted",),
    "fear": ("fearful",),
    "happy": ("happiness",),
    "sad": ("sadness",),
    "surprise": ("surprised",),
    "neutral": (),
}
_SPLIT_OF = {name: split for split, others in _OTHER_SPLIT_NAMES.items() for name in (split, *others)}
_LABEL_OF = {
    name: label
    for label, emotion in enumerate(EMOTIONS)
    for name in (emotion, str(label), *_OTHER_EMOTION_NAMES[emotion])
}


class Sample(NamedTuple):
    """One face. split: one of `SPLITS`; label: index into EMOTIONS; pixels: uint8 (48, 48)."""

    split: str
    label: int
    pixels: np.ndarray


@dataclass(frozen=True)
class Reading:
    """What a reader took from a source.

    Attributes:
        samples: all faces, in the order of their split.
        layout: name of the form they were in.
        notes: sentences on what was read differently than it is named.
        files: the names of the members that were read.
    """

    samples: list[Sample]
    layout: str
    notes: list[str]
    files: set[str]


def read_split(name: str) -> str | None:
    """The split that a folder or a value of the column Usage stands for, or None."""
    return _SPLIT_OF.get(_plain(name))


def read_label(name: str) -> int | None:
    """The index into EMOTIONS that a folder or a value of the column emotion stands for, or None."""
    return _LABEL_OF.get(_plain(name))


def renaming_notes(names: Iterable[tuple[str, str]]) -> list[str]:
    """One sentence on which name is read as which split or emotion, or none if all names are ours."""
    other = [f"{name} is read as {ours}" for name, ours in sorted(set(names), key=_reading_order) if name != ours]
    return [f"Names: {', '.join(other)}."] if other else []


def _reading_order(pair: tuple[str, str]) -> tuple[int, str]:
    return (*SPLITS, *EMOTIONS).index(pair[1]), pair[0]


def _plain(name: str) -> str:
    return name.lower().translate({ord(mark): None for mark in " -_"})
