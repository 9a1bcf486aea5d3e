"""A clip's timeline as one picture, to be taken away."""

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from demo.clip_store import StoredClip
from demo.clip_words import agreement, describe
from demo.emotion_colours import COLOURS
from fer_models.analysis.rows import MEAN
from fer_models.architectures import model_title
from fer_models.video.analysis import Track, tracks_of
from fer_models.video.timeline import Moment

SMALL_PRINT = """\
FER Lens, models trained on FER-2013 (Goodfellow et al. 2013). Labels are raters' guesses of what a face shows, not
what a person feels. Probabilities, stacked, smoothed over time; dashed: cuts; gaps: the face is not in view."""

# The picture has at most so many faces, those that are in view longest.
MOST_FACES = 6


def draw_timeline(clip: StoredClip) -> bytes:
    """The PNG: for each face a sentence, and a strip for the mean of the models and one for each model."""
    moments = list(clip.moments)
    longest = sorted(tracks_of(moments), key=lambda track: -len(track.moments))[:MOST_FACES]
    tracks = sorted(longest, key=lambda track: track.number)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"font.size": 8, "font.family": "sans-serif"}):
        _figure(clip, moments, tracks).savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()


def _figure(clip: StoredClip, moments: list[Moment], tracks: list[Track]) -> Figure:
    rows = (MEAN, *clip.models)
    step = 1 / clip.per_second
    end = moments[-1].time + step if moments else clip.duration
    starts = np.array([*(moment.time for moment in moments), end])
    heights = [2.0, *[1.0] * len(clip.models)]
    figure = Figure(figsize=(10, 0.8 + max(1, len(tracks)) * (0.5 + 0.27 * sum(heights))), layout="constrained")
    parts = figure.subfigures(max(1, len(tracks)), 1, squeeze=False)[:, 0]
    for part, track in zip(parts, tracks, strict=False):  # without a face, one part stays empty
        part.suptitle(f"Face {track.number}. {describe(track, [*clip.models], step, end)}", x=0.01, ha="left", size=9)
        widths = starts[track.moments + 1] - track.times  # a column ends where the next frame begins
        grid = part.subplots(len(rows), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, name in zip(grid, rows, strict=True):
            _draw(axes, track, name, widths)
            for moment in moments:
                if moment.is_cut:
                    axes.axvline(moment.time, color="black", linestyle=(0, (4, 3)), linewidth=1)
        differ = ~agreement(track, [*clip.models])
        grid[0].bar(
            track.times[differ], 0.06, widths[differ], bottom=1.04, align="edge", color="#b45309", clip_on=False
        )
        grid[-1].set(xlim=(0, end), xlabel="seconds; brown marks: the models disagree")
    keys = [Patch(color=colour, label=emotion) for emotion, colour in COLOURS.items()]
    figure.legend(handles=keys, ncols=len(keys), loc="outside upper left", frameon=False)
    figure.supxlabel(SMALL_PRINT, size=5.5, color="#555555")
    return figure


def _draw(axes: Axes, track: Track, name: str, widths: np.ndarray) -> None:
    """One strip: a column of stacked probabilities for each moment."""
    below = np.zeros(len(track.times))
    for colour, shares in zip(COLOURS.values(), track.smoothed[name].T, strict=True):
        axes.bar(track.times, shares, widths, bottom=1 - below - shares, align="edge", color=colour)
        below = below + shares
    axes.set(ylim=(0, 1), yticks=[])
    axes.tick_params(bottom=False)
    axes.spines[:].set_visible(False)
    axes.set_ylabel(
        "all models" if name == MEAN else model_title(name), rotation=0, ha="right", va="center", labelpad=6
    )
