"""The chart of all models' probabilities."""

import re

from demo.probabilities import MARKS, render_probabilities
from fer_models import EMOTIONS, MODEL_NAMES
from fer_models.architectures import model_title
from tests.helpers import explanation, words

APART = [explanation("baseline_cnn", "happy", 0.7), explanation("resnet50", "sad", 0.4)]  # the rest: 5 and 10 % each


def test_marks_stand_where_the_probabilities_are():
    chart = render_probabilities(APART)
    rows = dict(re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', chart, re.DOTALL))
    assert list(rows) == list(EMOTIONS)
    marks = re.findall(r'class="mark (\w+)" style="left: ([\d.]+)%" title="(.*?)"', rows["happy"])
    assert marks == [("circle", "70.0", "Baseline CNN: 70 %"), ("square", "10.0", "ResNet-50: 10 %")]
    assert words(rows["happy"]) == "Baseline CNN: 70 %. ResNet-50: 10 %. 40 %"
    assert words(rows["sad"]).endswith((" 22 %", " 23 %"))


def test_each_model_has_a_mark_of_its_own_in_the_legend():
    chart = render_probabilities([explanation(name, "sad", 0.6) for name in MODEL_NAMES])
    legend = re.findall(r'<span><i class="mark (\w+)"></i> (.*?)</span>', chart)
    assert [mark for mark, _ in legend] == list(MARKS[:5])
    assert [title for _, title in legend] == [model_title(name) for name in MODEL_NAMES]


def test_it_stands_below_the_first_columns_or_in_a_row_of_its_own():
    assert 'style="grid-area: 4 / 1 / auto / span 2"' in render_probabilities(APART, columns=2)
    assert 'style="grid-column: 1 / -1"' in render_probabilities(APART)
