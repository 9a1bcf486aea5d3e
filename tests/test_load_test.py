"""The load test counts what visitors get, and says so in a table."""

import pytest

from demo import load_test
from fer_models import create_model
from fer_models.checkpoints import save_checkpoint


@pytest.mark.slow
def test_a_load_test_counts_what_visitors_get(tmp_path):
    save_checkpoint(create_model("baseline_cnn", widths=[4, 4, 4]), tmp_path / "baseline_cnn", training={})
    record = load_test.measure(tmp_path, visitors=3, seconds=3)
    assert record.failures == [] and record.files_left == 0
    assert record.answered and all(seconds > 0 for _, seconds in record.answered)
    assert len(record.memory) == 3


def test_the_table_of_a_load_test():
    answered = [("example", float(seconds)) for seconds in range(1, 6)] + [
        ("layer", 0.5),
        ("cover", 0.1),
        ("test", 9.0),
    ]
    record = load_test.Record(answered, ["emotion: VisitError: no"], [100.0, 250.4, 200.0], elapsed=3, files_left=0)
    text = load_test.report(record, 4, "a machine")
    assert text.startswith("4 visitors without a pause for 3 s; a machine\n\n| ")
    for row in (
        "| analyses | 6, 2.0 per second |",
        "| seconds for a photo or example: quartiles, 95th percentile | 2.0, **3.0**, 4.0; 4.8 |",
        "| seconds for a face or control: quartiles, 95th percentile | 0.5, **0.5**, 0.5; 0.5 |",
        "| faces covered; broken files refused; tests of all maps | 1; 0; 1 |",
        "| failures of the page | 1 |",
        "| server's memory before, at most, after they left | 100 MB, 250 MB, 200 MB |",
    ):
        assert row in text
