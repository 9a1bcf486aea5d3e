"""The chart that opens the tab Evaluation: accuracies with their intervals, the paper's beside ours.

It is a table with a picture in each row, so that it can be read without seeing it, and so that its text keeps its size
on a phone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from demo.attention_claim import mixed_sentence
from demo.charts import Axis, round_axis
from fer_models.architectures import MODELS
from fer_models.checkpoints import EvaluationError
from fer_models.evaluation.metrics import summarise, wilson_interval
from fer_models.evaluation.results import Evaluation, mean_predictions
from fer_models.evaluation.table import PEER_IMAGES, PEERS

# Each mark has a shape of its own, around the point (0, 0).
SHAPES = {
    "paper": '<path d="M0-6 6 0 0 6-6 0Z"/>',
    "ours": '<circle r="5.5"/>',
    "peer": '<path d="M-5-5H5V5H-5Z"/>',
}
KEY = {
    "paper": "the paper's Table I",
    "ours": "our models",
    "peer": "packages that anyone can install",
}
READING = """\
The line through a mark is its 95 % interval: a test on {images:,} images leaves that much open. Each of our models was
trained once; training it again would move its mark a little, too. The images are FER-2013's test split
(<i>PrivateTest</i>), kept for the final test."""


@dataclass(frozen=True)
class Row:
    """A line of the chart, in percent; what is not known is None.

    Attributes:
        name: of a model, of the mean of all, or of a package.
        kind: of what was measured here, "ours" or "peer".
        paper: the accuracy that the paper reports.
        measured: (accuracy, low, high), the last two the ends of its 95 % interval.
    """

    name: str
    kind: str
    paper: float | None
    measured: tuple[float, float, float] | None

    @property
    def values(self) -> list[float]:
        """All that the axis must hold."""
        return [*(self.measured or ()), *([] if self.paper is None else [self.paper])]


def render_accuracies(results: Mapping[str, Evaluation]) -> str:
    """The key, the chart, and how to read it.

    Args:
        results: stored evaluations by model name; any of them may be missing.
    """
    rows = list(_rows(results))
    images = next((result.metrics["test"]["n"] for result in results.values()), PEER_IMAGES)
    axis = round_axis(f"Accuracy in percent of {images:,} test images", [value for row in rows for value in row.values])
    key = "".join(f"<li>{_key_mark(kind)} {text}</li>" for kind, text in KEY.items())
    body = "".join(_render_row(row, axis) for row in rows)
    return f"""
    <ul class="marks">{key}</ul>
    <table class="accuracies">
      <caption>Accuracy in percent</caption>
      <thead><tr><th scope="col">Model</th><th scope="col">Paper</th><td aria-hidden="true"></td>
      <th scope="col">Measured here [95 % interval]</th></tr></thead>
      <tbody>{body}</tbody>
      <tfoot aria-hidden="true"><tr><td></td><td></td><td class="ruler">{_ruler(axis)}</td><td></td></tr></tfoot>
    </table>
    <p class="note">{escape(mixed_sentence(results))} {READING.format(images=images)}</p>"""


def _rows(results: Mapping[str, Evaluation]) -> Iterator[Row]:
    for name, architecture in MODELS.items():
        measured = _in_percent(results[name].metrics["test"]) if name in results else None
        yield Row(architecture.title, "ours", architecture.paper_accuracy, measured)
    if len(results) > 1:
        try:
            mean = mean_predictions(list(results.values()))
        except EvaluationError:  # they are of different images, which the tab says above
            pass
        else:
            metrics = summarise(mean.labels, mean.probabilities)
            yield Row(f"mean of the {len(results)}", "ours", None, _in_percent(metrics))
    for peer in PEERS:
        low, high = wilson_interval(peer.right, PEER_IMAGES)
        yield Row(f"{peer.package}{peer.detail}", "peer", None, (100 * peer.accuracy, 100 * low, 100 * high))


def _in_percent(metrics: dict) -> tuple[float, float, float]:
    low, high = metrics["accuracy_interval"]
    return 100 * metrics["accuracy"], 100 * low, 100 * high


def _render_row(row: Row, axis: Axis) -> str:
    paper = "" if row.paper is None else f"{_key_mark('paper')} {row.paper:.1f}"
    if row.measured is None:
        measured = "not evaluated yet"
    else:
        accuracy, low, high = row.measured
        measured = f"{_key_mark(row.kind)} <b>{accuracy:.1f}</b> <small>[{low:.1f}, {high:.1f}]</small>"
    return (
        f'<tr><th scope="row">{escape(row.name)}</th><td>{paper}</td>'
        f'<td class="track" aria-hidden="true">{_track(row, axis)}</td><td>{measured}</td></tr>'
    )


def _track(row: Row, axis: Axis) -> str:
    """The marks of one row. Places are percentages of the width, and marks keep their size."""
    marks = "".join(
        f'<line class="grid" x1="{_place(axis, tick)}" x2="{_place(axis, tick)}" y1="0" y2="100%"/>'
        for tick in axis.ticks
    )
    if row.paper is not None and row.measured is not None:
        ends = f'x1="{_place(axis, row.paper)}" x2="{_place(axis, row.measured[0])}"'
        marks += f'<line class="between" {ends} y1="50%" y2="50%"/>'
    if row.measured is not None:
        accuracy, low, high = (_place(axis, value) for value in row.measured)
        marks += f'<line class="interval {row.kind}" x1="{low}" x2="{high}" y1="50%" y2="50%"/>'
        marks += _mark(row.kind, accuracy)
    if row.paper is not None:
        marks += _mark("paper", _place(axis, row.paper))
    return f"<svg>{marks}</svg>"


def _ruler(axis: Axis) -> str:
    labels = "".join(
        f'<text x="{_place(axis, tick)}" y="14" text-anchor="middle">{tick:g}</text>' for tick in axis.ticks
    )
    return f'<svg>{labels}<text class="title" x="50%" y="34" text-anchor="middle">{escape(axis.title)}</text></svg>'


def _place(axis: Axis, value: float) -> str:
    return f"{100 * axis.share(value):.2f}%"


def _mark(kind: str, x: str) -> str:
    return f'<svg class="mark {kind}" x="{x}" y="50%">{SHAPES[kind]}</svg>'


def _key_mark(kind: str) -> str:
    """A mark beside text."""
    return (
        f'<svg class="mark {kind}" viewBox="-8 -8 16 16" width="14" height="14" aria-hidden="true">{SHAPES[kind]}</svg>'
    )
