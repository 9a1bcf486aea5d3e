"""Clips with known labels, made of still faces: each is held for a while under small changes, then another follows."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from fer_models.data.augmentation import sampling_grid

FRAMES_PER_SECOND = 10
SECONDS_HELD = 4  # of each face; clips of shorter holds are cut from these frames

# Standard deviations of what changes slowly, and how slowly: the width in seconds of the Gaussian that smooths it.
SHIFT = 0.03  # of the side
ZOOM = 0.03
ROLL = 3.0  # degrees
LIGHT = 0.1  # relative
BLUR = 0.6  # pixels
NOISE = 4.0  # grey levels; itself new in each frame
SLOWNESS = 0.5


def hold(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Films a still face: it shifts, grows, rolls, and the light, the blur and the noise vary.

    Args:
        face: uint8 (48, 48).
        rng: draws the changes.

    Returns:
        uint8 (S, 48, 48), SECONDS_HELD at FRAMES_PER_SECOND. What lies beyond the edge repeats it.
    """
    count = SECONDS_HELD * FRAMES_PER_SECOND
    right, down, zoom, roll, light, blur, noise = _slow_changes(7, count, rng)
    angle, scale = np.radians(ROLL * roll), np.exp(ZOOM * zoom)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    rows = np.array([[cosine, -sine, 2 * SHIFT * right], [sine, cosine, 2 * SHIFT * down]])
    grid = sampling_grid(torch.from_numpy(rows.transpose(2, 0, 1)).float(), len(face))
    grey = torch.from_numpy(face).float().expand(count, 1, -1, -1)
    moved = F.grid_sample(grey, grid, mode="bilinear", padding_mode="border", align_corners=False)[:, 0].numpy()
    lit = moved * np.exp(LIGHT * light)[:, None, None]
    blurred = np.stack([gaussian_filter(frame, BLUR * abs(width)) for frame, width in zip(lit, blur, strict=True)])
    noisy = blurred + NOISE * abs(noise)[:, None, None] * rng.standard_normal(blurred.shape)
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


class Clip(NamedTuple):
    """A clip of held faces, one after the other; all arrays are int64 (T,).

    Attributes:
        frames: indices into the frames of all faces, (N S,).
        faces: of which face each frame is.
        labels: indices into EMOTIONS.
    """

    frames: np.ndarray
    faces: np.ndarray
    labels: np.ndarray

    @property
    def times(self) -> np.ndarray:
        """Of each frame in seconds, float64 (T,)."""
        return np.arange(len(self.frames)) / FRAMES_PER_SECOND

    @property
    def changes(self) -> np.ndarray:
        """The frames with which another face begins, after the first, int64 (C,)."""
        return np.flatnonzero(np.diff(self.labels)) + 1


def arrange(labels: np.ndarray, seconds: float, rng: np.random.Generator) -> Clip:
    """Cuts held faces into pieces and lines these up, so that each piece is followed by a face of another label.

    Args:
        labels: integers (N,), of the faces.
        seconds: mean length of a piece, at most SECONDS_HELD; the cuts vary by up to a quarter of it.
        rng: draws the cuts and the order.

    Returns:
        A clip in which each frame occurs once, but for pieces that could only follow a face of the same label.
    """
    count = SECONDS_HELD * FRAMES_PER_SECOND
    pieces = [
        (label, n * count + piece)
        for n, label in enumerate(labels)
        for piece in np.split(np.arange(count), _cuts(count, seconds * FRAMES_PER_SECOND, rng))
    ]
    left = [pieces[n] for n in rng.permutation(len(pieces))]
    chosen: list[np.ndarray] = []
    last = None
    while (following := next((n for n, (label, _) in enumerate(left) if label != last), None)) is not None:
        last, piece = left.pop(following)
        chosen.append(piece)
    frames = np.concatenate(chosen)
    return Clip(frames, frames // count, labels[frames // count])


def _cuts(count: int, length: float, rng: np.random.Generator) -> np.ndarray:
    """Where `count` frames are cut into pieces of `length` frames on average."""
    evenly = length * np.arange(1, round(count / length))
    return np.rint(evenly + rng.uniform(-length / 4, length / 4, len(evenly))).astype(int)


def _slow_changes(kinds: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random functions of time, (kinds, count), normally distributed with mean 0 and variance 1."""
    width = SLOWNESS * FRAMES_PER_SECOND
    margin = math.ceil(4 * width)  # where the filter ends, so that the variance is the same in all frames
    smooth = gaussian_filter1d(rng.standard_normal((kinds, count + 2 * margin)), width)[:, margin:-margin]
    # A sum of independent values with these weights has the variance of the sum of their squares.
    return smooth * math.sqrt(2 * math.sqrt(math.pi) * width)
