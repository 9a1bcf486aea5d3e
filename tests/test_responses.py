"""From what a visitor wants to see to the page's new values."""

import copy
import re
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from demo.cover import NOT_COVERED
from demo.evidence_cards import NOT_TESTED, STOPPED
from demo.photo_view import NO_PHOTO
from demo.responses import NO_MODELS, Responses, Visit
from demo.view import View
from fer_models.evaluation.results import Evaluation
from fer_models.explanations.overlays import data_url
from tests.helpers import cards, columns, tiny_models, words

REQUEST = SimpleNamespace(session_hash="one")
SIX = {"example": "six-faces"}


@pytest.fixture(scope="module")
def responses() -> Responses:
    metrics = {"test_flip_averaged": {"accuracy": 0.614}}
    return Responses(tiny_models(), {"attn_cnn": Evaluation(metrics, None)})


@pytest.fixture(scope="module")
def portrait(responses: Responses) -> Visit:
    """A visit in which a cropped face is explained."""
    return responses.show(View(example="48-pixels"))[0]


def ask(responses: Responses, visit: Visit, **asked: object) -> list[tuple]:
    """All that is shown one after the other."""
    return list(responses.on_view(asked, visit, REQUEST))


# --- a view --------------------------------------------------------------------------------------------------------


def test_a_new_photo_is_shown_before_its_results(responses, portrait):
    first, last = ask(responses, portrait, **SIX)
    visit, photo, results, face, evidence = first
    assert photo.count("face-box") == 6 and 'aria-pressed="true"' not in photo and "Asking the models" in results
    assert (visit.source, visit.chosen, visit.crop) == ("six-faces", None, None)
    assert (face, evidence) == ("", "")
    visit, photo, results, face, evidence = last
    assert photo.count('class="face-box"') == 6 and 'data-face="0" aria-pressed="true"' in photo
    assert list(columns(results)) == ["Baseline CNN", "Attention CNN"] and "61.4 %" in results
    assert visit.chosen == 0 and len(visit.explanations) == 2 and visit.crop is visit.photo.crops[0]
    assert "<canvas" in face and evidence == NOT_TESTED


def test_a_photo_is_read_once(responses, monkeypatch):
    visit = ask(responses, Visit(), **SIX)[-1][0]
    monkeypatch.setattr("demo.responses.read_photo", None)
    ((other, photo, results, *_),) = ask(responses, visit, **SIX, face=3)
    assert other.photo is visit.photo and other.chosen == 3 and 'data-face="3" aria-pressed="true"' in photo
    faces = [data_url(crop.picture) for crop in visit.photo.crops]
    assert faces[3] in results and faces[0] not in results
    ((whole, *_),) = ask(responses, other, **SIX, face=-1)
    assert whole.chosen == 6
    ((first, *_),) = ask(responses, whole, **SIX, face=99)
    assert first.chosen == 0


def test_an_answer_says_what_it_answers(responses, portrait):
    """Also where the page says the same as before: the browser waits for it."""
    for number in (4, 5):
        ((_, _, results, *_),) = ask(responses, Visit(), number=number)
        assert results.startswith(f'<div data-answers="{number}">')
    ((_, _, results, *_),) = ask(responses, portrait, example="48-pixels", number="x")
    assert results.startswith('<div data-answers="0">')


def test_the_controls_decide_what_is_explained(responses, portrait):
    asked = {"example": "48-pixels", "emotion": "happy", "against": "sad"}
    ((visit, _, results, *_),) = ask(responses, portrait, **asked)
    assert words(results).count("HiResCAM : happy rather than sad") == 2
    assert [each.stage for each in visit.explanations] == ["block3", "attention"]
    ((visit, _, results, *_),) = ask(responses, portrait, **asked, method="layercam", layer="earlier")
    assert words(results).count("LayerCAM for happy") == 2
    assert [each.stage for each in visit.explanations] == ["block2", "stage2"]


def test_each_analysis_has_a_number_of_its_own_and_badges_carry_it(responses, portrait):
    ((visit, _, results, *_),) = ask(responses, portrait, example="48-pixels")
    assert visit.number > portrait.number > 0 and f'data-analysis="{visit.number}"' in results
    assert re.findall(r'data-badge="(\w+)"><p class="waiting">', results) == ["baseline_cnn", "attn_cnn"]
    answer = responses.on_checks(visit)
    assert answer["analysis"] == visit.number and list(answer["badges"]) == ["baseline_cnn", "attn_cnn"]
    assert all(badge.startswith("<p class=") for badge in answer["badges"].values())
    assert responses.on_checks(Visit()) == {}


def test_whatever_is_asked_is_answered(responses, portrait):
    for asked in (None, [], {"example": "nobody"}, {"face": 3}):
        *_, last = responses.on_view(asked, portrait, REQUEST)
        visit, photo, results, face, evidence = last
        assert visit.photo is None and NO_PHOTO in photo and "appears here" in results
        assert (face, evidence) == ("", "")


def test_the_opening_has_its_checks_already(responses):
    visit, photo, results, *_ = responses.show(View(example="eileen-collins"))
    assert visit.chosen == 0 and "1 face found" in photo
    for column in columns(results).values():
        assert re.search(r'data-badge="\w+"><p class="(?!waiting)', column)


def test_without_models_the_page_says_what_to_do():
    visit, photo, results, *rest = Responses({}).show(View(example="48-pixels"))
    assert NO_MODELS in results and "<img" in photo and rest == ["", ""] and visit.crop is None


def test_visits_share_what_is_never_changed(portrait):
    assert copy.deepcopy(portrait) is portrait and copy.deepcopy({"visit": portrait})["visit"] is portrait
    with pytest.raises(AttributeError):
        portrait.chosen = 1


# --- covering, and taking away -------------------------------------------------------------------------------------


def test_covering_asks_all_models_again(responses, portrait):
    told = words(responses.on_cover(list(range(48 * 24)), portrait))
    assert "Covered, 50 % of the picture: " in told and "Baseline CNN" in told and "Attention CNN" in told
    for nothing in ([], None, "1", {"0": 1}):
        assert responses.on_cover(nothing, portrait) == NOT_COVERED
    assert responses.on_cover([1], Visit()) == ""
    for cells in ([99999], ["a"], [None], [[1]], [1.5]):
        with pytest.raises(gr.Error, match="Something went wrong"):
            responses.on_cover(cells, portrait)


def test_the_answers_before_covering_are_those_of_the_analysis(responses, portrait):
    told = responses.on_cover([0], portrait)
    before = re.findall(r"</th><td>(\w+) ", told)
    assert before == [each.emotion for each in portrait.explanations]


def test_an_analysis_can_be_taken_away(responses, portrait):
    assert responses.on_download("csv", portrait)["name"] == "fer-lens.csv"
    assert responses.on_download("exe", portrait) == {} == responses.on_download(None, portrait)
    assert responses.on_download("csv", Visit()) == {}


def test_an_unforeseen_error_is_a_sentence(responses, portrait, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("internals")

    for name in ("explain_face", "check_maps", "predict", "make_takeaway", "examine"):
        monkeypatch.setattr(f"demo.responses.{name}", fail)
    for handler in (
        lambda: ask(responses, portrait, example="48-pixels"),
        lambda: responses.on_checks(portrait),
        lambda: responses.on_cover([1], portrait),
        lambda: responses.on_download("png", portrait),
        lambda: list(responses.on_test(portrait, REQUEST)),
    ):
        with pytest.raises(gr.Error, match="went wrong on the server") as caught:
            handler()
        assert "internals" not in str(caught.value)
    assert responses._tests == {}


# --- the test of the maps ------------------------------------------------------------------------------------------


@pytest.fixture
def _short_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.analysis.FEW_FRACTIONS", (0.2,))


@pytest.mark.usefixtures("_short_tests")
def test_maps_are_tested_one_model_after_the_other(responses, portrait):
    shares = []

    def progress(share: float, desc: str) -> None:
        shares.append(share)

    steps = list(responses.on_test(portrait, REQUEST, progress))
    assert [len(cards(step)) for step in steps] == [0, 1, 2]
    assert ["data-stop" in step for step in steps] == [True, True, False]
    assert shares == pytest.approx(np.arange(1, 13) / 12)
    assert list(responses.on_test(Visit(), REQUEST)) == [""] and responses._tests == {}


@pytest.mark.usefixtures("_short_tests")
def test_a_test_can_be_stopped_and_keeps_what_it_found(responses, portrait):
    steps = responses.on_test(portrait, REQUEST)
    assert "Testing" in next(steps) and len(cards(next(steps))) == 1
    responses.on_stop_button(SimpleNamespace(session_hash="another"))  # only their own
    assert not responses._tests["one"].is_set()
    responses.on_stop_button(REQUEST)
    (last,) = steps
    assert STOPPED in last and list(cards(last)) == ["Baseline CNN"] and responses._tests == {}
    responses.on_stop_button(REQUEST)  # nothing is running


@pytest.mark.usefixtures("_short_tests")
def test_new_results_end_the_test_of_the_old_ones(responses, portrait):
    steps = responses.on_test(portrait, REQUEST)
    next(steps), next(steps)
    *_, evidence = ask(responses, portrait, example="48-pixels", emotion="sad")[-1]
    assert evidence == NOT_TESTED
    # Gradio shows what was yielded last once more: it must not be the old evidence.
    assert list(steps) == [NOT_TESTED] and responses._tests == {}


@pytest.mark.usefixtures("_short_tests")
def test_a_test_that_is_started_while_new_results_are_made_ends_too(responses, portrait):
    views = responses.on_view(SIX, portrait, REQUEST)
    next(views)
    steps = responses.on_test(portrait, REQUEST)
    next(steps)
    next(views)
    assert list(steps) == [NOT_TESTED]


@pytest.mark.usefixtures("_short_tests")
def test_a_test_whose_last_model_is_ready_too_late_says_nothing_of_the_old_face(responses, portrait, monkeypatch):
    def examine(*_: object) -> None:
        responses.on_leave(REQUEST)

    monkeypatch.setattr("demo.responses.examine", examine)
    first, last = responses.on_test(portrait, REQUEST)
    assert "Testing" in first and last == NOT_TESTED
