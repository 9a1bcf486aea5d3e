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
from fer_models.evaluation.results import Evaluation, averaged, mean_predictions
from fer_models.evaluation.seeds import Seeds, spread
from fer_models.evaluation.table import PEER_IMAGES, PEERS, REPORTED_PEERS

# Each mark has a shape of its own, around the point (0, 0).
SHAPES = {
    "paper": '<path d="M0-6 6 0 0 6-6 0Z"/>',
    "ours": '<circle r="5.5"/>',
    "peer": '<path d="M-5-5H5V5H-5Z"/>',
    "reported": '<path d="M-4-4H4V4H-4Z"/>',
}
KEY = {
    "paper": "the paper's Table I",
    "ours": "our models",
    "peer": "packages that anyone can install",
    "reported": "its author's figure, perhaps of other images",
}
READING = """\
The line through a mark is its 95 % interval: a test on {images:,} images leaves that much open. Training a model again
with another seed moves its mark, too{spread}. The images are FER-2013's test split (<i>PrivateTest</i>), kept for the
final test."""


@dataclass(frozen=True)
class Row:
    """A line of the chart, in percent; what is not known is None.

    Attributes:
        name: of a model, of the mean, or of a package.
        kind: "ours" or "peer" for what was measured here, "reported" for what was not.
        accuracy: that of our model or of the package.
        interval: (low, high), the ends of its 95 % interval.
        paper: the accuracy that the paper reports.
    """

    name: str
    kind: str
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    paper: float | None = None

    @property
    def values(self) -> list[float]:
        """All that the axis must hold."""
        return [value for value in (self.accuracy, *(self.interval or ()), self.paper) if value is not None]


def render_accuracies(results: Mapping[str, Evaluation], seeds: Seeds | None = None) -> str:
    """The key, the chart, and how to read it.

    Args:
        results: stored evaluations by model name; any of them may be missing.
        seeds: accuracies over several seeds, as `read_seeds` returns them.
    """
    rows = list(_rows(results))
    images = next((result.metrics["test"]["n"] for result in results.values()), PEER_IMAGES)
    axis = round_axis(f"Accuracy in percent of {images:,} test images", [value for row in rows for value in row.values])
    key = "".join(f"<li>{_key_mark(kind)} {text}</li>" for kind, text in KEY.items())
    body = "".join(_render_row(row, axis) for row in rows)
    moved = f" (standard deviation {spread(seeds)})" if seeds else ""
    return f"""
    <ul class="marks">{key}</ul>
    <table class="accuracies">
      <caption>Accuracy in percent</caption>
      <thead><tr><th scope="col">Model</th><th scope="col">Paper</th><td aria-hidden="true"></td>
      <th scope="col">Accuracy [95 % interval]</th></tr></thead>
      <tbody>{body}</tbody>
      <tfoot aria-hidden="true"><tr><td></td><td></td><td class="ruler">{_ruler(axis)}</td><td></td></tr></tfoot>
    </table>
    <p class="note">{escape(mixed_sentence(results))} {READING.format(images=images, spread=moved)}</p>"""


def _rows(results: Mapping[str, Evaluation]) -> Iterator[Row]:
    for name, architecture in MODELS.items():
        accuracy, interval = _in_percent(results[name].metrics["test"]) if name in results else (None, None)
        yield Row(architecture.title, "ours", accuracy, interval, architecture.paper_accuracy)
    members = averaged(results)
    if len(members) > 1:
        try:
            mean = mean_predictions(members)
        except EvaluationError:  # they are of different images, which the tab says above
            pass
        else:
            metrics = summarise(mean.labels, mean.probabilities)
            yield Row(f"mean of the {len(members)}", "ours", *_in_percent(metrics))
    for peer in PEERS:
        low, high = wilson_interval(peer.right, PEER_IMAGES)
        yield Row(f"{peer.package}{peer.detail}", "peer", 100 * peer.accuracy, (100 * low, 100 * high))
    for reported in REPORTED_PEERS:
        yield Row(reported.name, "reported", 100 * reported.accuracy)


def _in_percent(metrics: dict) -> tuple[float, tuple[float, float]]:
    low, high = metrics["accuracy_interval"]
    return 100 * metrics["accuracy"], (100 * low, 100 * high)


def _render_row(row: Row, axis: Axis) -> str:
    paper = "" if row.paper is None else f"{_key_mark('paper')} {row.paper:.1f}"
    return (
        f'<tr><th scope="row">{escape(row.name)}</th><td>{paper}</td>'
        f'<td class="track" aria-hidden="true">{_track(row, axis)}</td><td>{_accuracy(row)}</td></tr>'
    )


def _accuracy(row: Row) -> str:
    """The accuracy in words: with its interval, or where it comes from."""
    if row.accuracy is None:
        return "not evaluated yet"
    if row.interval is None:
        return f"{_key_mark(row.kind)} {row.accuracy:.1f} <small>as reported</small>"
    low, high = row.interval
    return f"{_key_mark(row.kind)} <b>{row.accuracy:.1f}</b> <small>[{low:.1f}, {high:.1f}]</small>"


def _track(row: Row, axis: Axis) -> str:
    """The marks of one row. Places are percentages of the width, and marks keep their size."""
    marks = "".join(
        f'<line class="grid" x1="{_place(axis, tick)}" x2="{_place(axis, tick)}" y1="0" y2="100%"/>'
        for tick in axis.ticks
    )
    if row.paper is not None and row.accuracy is not None:
        ends = f'x1="{_place(axis, row.paper)}" x2="{_place(axis, row.accuracy)}"'
        marks += f'<line class="between" {ends} y1="50%" y2="50%"/>'
    if row.interval is not None:
        low, high = (_place(axis, value) for value in row.interval)
        marks += f'<line class="interval {row.kind}" x1="{low}" x2="{high}" y1="50%" y2="50%"/>'
    if row.accuracy is not None:
        marks += _mark(row.kind, _place(axis, row.accuracy))
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
