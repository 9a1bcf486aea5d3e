"""Charts as inline SVG in the page's own colours: round axes, and a plot with both of them.

A chart is drawn in the units of its viewBox and scales with its box. Its colours are set in evaluation.css, so that it
matches light and dark mode.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 360, 250  # of a plot; a box of this many pixels shows its text at the size set in evaluation.css
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 20, 44  # from the edges of the plot to its axes


@dataclass(frozen=True)
class Axis:
    """An axis whose ends are multiples of its step.

    Attributes:
        title: what it shows, with the unit.
        low, high: the values at its ends.
        step: from one tick to the next.
    """

    title: str
    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        """The values with a label, from low to high."""
        return [self.low + index * self.step for index in range(round((self.high - self.low) / self.step) + 1)]

    def share(self, value: float) -> float:
        """Where a value is: 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def round_axis(title: str, values: Iterable[float], most_steps: int = 5) -> Axis:
    """The shortest axis that has all values between round ends, with steps of 1, 2 or 5 times a power of ten.

    Args:
        title: as in `Axis`.
        values: at least one.
        most_steps: between two ends that hold all values; at least 2.
    """
    values = list(values)
    low, high = min(values), max(values)
    if low == high:
        high = low + 1
    power = 10.0 ** floor(log10((high - low) / most_steps))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first = floor(round(low / step, 9))  # rounded, because 0.3 / 0.1 is less than 3
        last = ceil(round(high / step, 9))
        if last - first <= most_steps:
            break
    return Axis(title, first * step, last * step, step)


def x_at(axis: Axis, value: float) -> float:
    """The place of a value on the horizontal axis, in units of the plot."""
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def y_at(axis: Axis, value: float) -> float:
    """The place of a value on the vertical axis, in units of the plot, downwards."""
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def line(kind: str, x: Axis, y: Axis, points: Iterable[tuple[float, float]]) -> str:
    """A line through points in the axes' units; `kind` is its class in evaluation.css."""
    places = " ".join(f"{x_at(x, a):.1f},{y_at(y, b):.1f}" for a, b in points)
    return f'<polyline class="{kind}" points="{places}"/>'


def plot(x: Axis, y: Axis, drawing: str, description: str) -> str:
    """Axes with titles, tick labels and grid lines around a drawing.

    Args:
        x, y: the axes.
        drawing: SVG, placed with `x_at` and `y_at`.
        description: what the plot shows, for those who do not see it.
    """
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    grid = "".join(
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y_at(y, tick):.1f}" y2="{y_at(y, tick):.1f}"/>'
        f'<text x="{left - 7}" y="{y_at(y, tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in y.ticks
    )
    below = "".join(
        f'<line class="axis" x1="{x_at(x, tick):.1f}" x2="{x_at(x, tick):.1f}" y1="{bottom}" y2="{bottom + 4}"/>'
        f'<text x="{x_at(x, tick):.1f}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>'
        for tick in x.ticks
    )
    middle = (top + bottom) / 2
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">{grid}{below}'
        f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<text class="title" x="{(left + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.title)}</text>'
        f'<text class="title" x="11" y="{middle}" text-anchor="middle" transform="rotate(-90 11 {middle})">'
        f"{escape(y.title)}</text>{drawing}</svg>"
    )
