"""Report of the heat-map study in Markdown: conclusions, which follow from the statistics alone, and tables."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from fer_models.estimates import Estimate
from fer_models.evidence import REGIONS, region_shares
from fer_models.evidence.baselines import centred_gaussian
from fer_models.evidence.sanity import SAME
from fer_models.explanations import METHODS
from fer_models.heatmap_study.measure import BASELINES, COMPARED, MeasuredExplanations, compare_maps
from fer_models.markdown import Label, code, markdown_table

MAP_NAMES = {key: method.title for key, method in METHODS.items()} | {"attention": "spatial attention"}
BASELINE_NAMES = {
    "random": "random maps",
    "centre": "the centred Gaussian",
    "edges": "the edges in the face",
    "other_face": "another face's Grad-CAM",
}

# From this mean rank correlation between different faces on, attention counts as independent of the face.
SAME_PLACES = 0.9

# From this share of equal predictions with uniform attention on, they count as independent of the attention.
SAME_ANSWERS = 0.95

# Attention whose weights differ by no more than this within a face counts as uniform: their order means nothing.
SAME_GATES = 0.01

# Decimals of confidence, in sentences and tables.
DECIMALS = 3

Measured = Mapping[str, MeasuredExplanations]


def render_explanations(measured: Measured) -> str:
    """The conclusion and all tables.

    Args:
        measured: by model name, at least one.
    """
    sections = {
        "Faithfulness": faithfulness_table(measured),
        "Agreement and sanity": dependence_table(measured),
        "Between models": between_models_table(measured),
        "Regions of the face": regions_table(measured),
    }
    tables = "".join(f"\n### {heading}\n\n{table}\n" for heading, table in sections.items() if table)
    return f"{conclusion(measured)}\n{tables}"


def conclusion(measured: Measured, label: Label = code) -> str:
    """Names the maps that passed and failed each test, as a list that follows from the statistics alone.

    Args:
        measured: by model name, at least one.
        label: turns a model's name into the text that is shown for it.
    """
    attention = [
        f"{_attention_maps(label(name), model)} {_uniform_attention(model)}"
        for name, model in measured.items()
        if "attention" in model.statistics["maps"]
    ]
    found = [
        *(_against(measured, baseline, label) for baseline in BASELINES),
        *(attention or ["None of these models has spatial attention."]),
        _sanity(measured, label),
        _regions(measured, label),
    ]
    return "\n".join([f"{_basis(measured, label)}\n", *(f"- {sentence}" for sentence in found)])


# ---- The conclusion, sentence by sentence -------------------------------------------------------------------------


def _basis(measured: Measured, label: Label) -> str:
    counts = {model.statistics["images"] for model in measured.values()}
    faces = ", ".join(f"{model.statistics['images']} ({label(name)})" for name, model in measured.items())
    return (
        f"Measured on {faces if len(counts) > 1 else counts.pop()} random faces of PrivateTest, for the emotion that "
        "the model itself predicts. A map beats another one if removing its hottest pixels lowers the confidence more, "
        "on average over the same faces. No difference is found if the 95 % interval of the difference (not corrected "
        "for the number of comparisons) includes 0."
    )


def _verdict(advantage: Estimate) -> str:
    """ "better", "worse" or "no difference found", from an advantage rounded as in the table."""
    if round(advantage.low, DECIMALS) > 0:
        return "better"
    return "worse" if round(advantage.high, DECIMALS) < 0 else "no difference found"


def number(found: Estimate | None, form: str = "z.2f") -> str:
    """ "0.42 [0.38, 0.46]", or a dash if there is no estimate."""
    if found is None:
        return "–"
    return f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _against(measured: Measured, baseline: str, label: Label) -> str:
    def maps_that_are(verdict: str) -> str:
        return _named(measured, lambda statistics: _verdict(statistics["advantage"][baseline]) == verdict, label)

    rival = BASELINE_NAMES[baseline]
    better, undecided, worse = map(maps_that_are, ("better", "no difference found", "worse"))
    if better and not (undecided or worse):
        return f"Every map beats {rival}."
    parts = [
        f"no difference found for {undecided}" if undecided else "",
        f"worse: {worse}" if worse else "",
        "every other map is better" if better else "no map is better",
    ]
    return f"Compared with {rival}: {'; '.join(filter(None, parts))}."


def _attention_maps(shown_name: str, model: MeasuredExplanations) -> str:
    if _has_uniform_attention(model):
        spread = model.statistics["uniform_attention"]["spread"].mean
        return (
            f"In {shown_name}, spatial attention is practically uniform: within a face, its weights differ by at most "
            f"{spread:.1g} on average, so it does not show where the network looks."
        )
    return f"{_attention_and_gradcam(shown_name, model)} {_attention_across_faces(model)}"


def _has_uniform_attention(model: MeasuredExplanations) -> bool:
    uniform = model.statistics.get("uniform_attention")
    return uniform is not None and uniform["spread"].mean <= SAME_GATES


def _attention_and_gradcam(shown_name: str, model: MeasuredExplanations) -> str:
    gradcam = model.statistics["maps"]["gradcam"]
    found, other = (gradcam[key]["rank_correlation"] for key in ("with_attention", "with_other_attention"))
    if found is None:
        return f"In {shown_name}, attention or Grad-CAM is constant on all faces but at most one: no comparison."
    if found.low <= 0 <= found.high:
        judgement = "no agreement between spatial attention and Grad-CAM was found"
    elif found.high < 0:
        judgement = "spatial attention contradicts Grad-CAM"
    else:
        judgement = f"spatial attention agrees {'well' if found.mean >= SAME else 'only loosely'} with Grad-CAM"
    # Faces have a similar position in every picture, which alone can cause much of an agreement.
    is_usual = other is not None and found.low <= other.high and other.low <= found.high
    control = f"with other faces' attention {number(other)}{', no clear difference' if is_usual else ''}"
    return f"In {shown_name}, {judgement} (rank correlation {number(found)}; {control})."


def _attention_across_faces(model: MeasuredExplanations) -> str:
    attention = model.statistics["maps"]["attention"]
    found = attention["across_faces"]["rank_correlation"]
    if found is None:
        return "There are too few faces to say whether its attention depends on the face."
    if found.mean > SAME_PLACES:
        judgement = "Its attention highlights the same places in every face"
    elif found.mean >= SAME:
        judgement = "Its attention highlights mostly the same places in every face"
    else:
        judgement = "Its attention depends on the face"
    return f"{judgement} (rank correlation between different faces {number(found)})."


def _uniform_attention(model: MeasuredExplanations) -> str:
    same, moved, own = (model.statistics["uniform_attention"][name] for name in ("same_answer", "moved", "own"))
    judgement = "hardly depend" if same.mean >= SAME_ANSWERS else "depend"
    return (
        f"With uniform attention (each face's mean everywhere), the probabilities change by {number(moved, '.1%')} "
        f"(total variation distance; the prediction's own by {number(own, '+z.1%')}) and the prediction stays the same "
        f"on {number(same, '.0%')} of the faces: the trained network's predictions {judgement} on where it attends."
    )


def _sanity(measured: Measured, label: Label) -> str:
    def verdicts(statistics: dict[str, Any]) -> list[str]:
        """With a random head, and with all weights random."""
        steps = list((statistics["sanity"] or {}).values())
        return [_sanity_verdict(steps[0]), _sanity_verdict(steps[-1])] if steps else ["changes", "changes"]

    without_weights = _named(measured, lambda statistics: verdicts(statistics)[1] == "stays", label)
    without_head = _named(
        measured, lambda statistics: verdicts(statistics)[0] == "stays" != verdicts(statistics)[1], label
    )
    undecided = _named(measured, lambda statistics: "undecided" in verdicts(statistics), label)
    failures = [
        f"with all weights random, similar maps remain for {without_weights}" if without_weights else "",
        f"with a random head, but not with all weights random, similar maps remain for {without_head}"
        if without_head
        else "",
    ]
    parts = [
        f"The sanity check fails: {'; '.join(filter(None, failures))}." if any(failures) else "",
        f"It is undecided for {undecided}, because draws of random weights differ too much." if undecided else "",
    ]
    return " ".join(filter(None, parts)) or "No method fails the sanity check: with random weights, all maps change."


def _sanity_verdict(found: Estimate | None) -> str:
    """ "stays", "changes" or "undecided", from the similarity of a map before and after randomisation."""
    if found is None or found.high < SAME:
        return "changes"
    return "stays" if found.low >= SAME else "undecided"


def _regions(measured: Measured, label: Label) -> str:
    gaussian = region_shares(centred_gaussian())
    places = []
    for name, model in measured.items():
        shares = model.statistics["regions"].get("all", {}).get("shares")
        if shares:
            ratios = {region: shares[region] / gaussian[region] for region in REGIONS}
            region = max(REGIONS, key=lambda region: ratios[region])
            places.append(f"{region} in {label(name)} ({shares[region]:.0%} of the heat, not {gaussian[region]:.0%})")
    if not places:
        return "Every Grad-CAM map is empty, so nothing can be said about regions of the face."
    return f"Compared with the centred Gaussian, Grad-CAM favours most: {', '.join(places)}."


def _named(measured: Measured, is_meant: Callable[[dict[str, Any]], bool], label: Label) -> str:
    """Maps by name and model, such as "Grad-CAM, LayerCAM of `resnet50` and every map of `attn_cnn`"; "" for none.

    Uniform attention is left out, because the order of its weights means nothing.
    """
    groups = []
    for model_name, model in measured.items():
        is_uniform = _has_uniform_attention(model)
        maps = {
            key: found for key, found in model.statistics["maps"].items() if not (is_uniform and key == "attention")
        }
        meant = [MAP_NAMES[name] for name, statistics in maps.items() if is_meant(statistics)]
        if len(meant) == len(maps):
            groups.append(f"every map of {label(model_name)}")
        elif meant:
            groups.append(f"{', '.join(meant)} of {label(model_name)}")
    return " and ".join(groups)


# ---- The tables ---------------------------------------------------------------------------------------------------


def faithfulness_table(measured: Measured, label: Label = code) -> str:
    """The cost of removing each map's hottest pixels, also compared with that of the baselines."""
    rows = []
    for model_name, model in measured.items():
        for name, statistics in model.statistics["maps"].items():
            advantages = [number(statistics["advantage"][baseline], f"+z.{DECIMALS}f") for baseline in BASELINES]
            flat = str(statistics["flat"])
            rows.append((label(model_name), MAP_NAMES[name], *_cost(statistics), *advantages, flat))
        for name, statistics in model.statistics["baselines"].items():
            dashes = ["–"] * (len(BASELINES) + 1)
            rows.append((label(model_name), f"*{BASELINE_NAMES[name]}*", *_cost(statistics), *dashes))
    head = ("model", "map", "ROAD cost ↑", "deletion ↓", "insertion ↑")
    return markdown_table(
        (*head, "minus random", "minus Gaussian", "minus edges", "minus another face's", "constant maps"), rows
    )


def dependence_table(measured: Measured, label: Label = code) -> str:
    """Agreement with attention and between faces, and the sanity check: rank correlations with their intervals."""
    rows = []
    for model_name, model in measured.items():
        for name, statistics in model.statistics["maps"].items():
            attention, other = (
                statistics[key] or dict.fromkeys(("rank_correlation", "overlap"))
                for key in ("with_attention", "with_other_attention")
            )
            sanity = [*(statistics["sanity"] or {"nothing": None}).values()]
            estimates = (
                *(attention["rank_correlation"], other["rank_correlation"], attention["overlap"]),
                *(statistics["across_faces"]["rank_correlation"], sanity[0], sanity[-1]),
            )
            rows.append((label(model_name), MAP_NAMES[name], *map(number, estimates)))
    head = (
        *("model", "map", "with attention", "with another face's attention", "overlap with attention"),
        *("another face's map", "random head", "all weights random"),
    )
    return markdown_table(head, rows)


def between_models_table(measured: Measured, label: Label = code) -> str:
    """Agreement of the maps of each pair of models; "" if there is no pair to compare."""
    rows = []
    for first, second in combinations(measured, 2):
        for name in COMPARED:
            found = compare_maps(measured[first], measured[second], name)
            if found:
                keys = ("rank_correlation", "overlap")
                numbers = [number(of[key]) for key in keys for of in (found, found["other"])]
                rows.append((f"{label(first)}, {label(second)}", MAP_NAMES[name], *numbers, str(found["faces"])))
    head = ("models", "map", "rank correlation", "different faces", "overlap of hottest fifths", "different faces")
    return markdown_table((*head, "faces"), rows) if rows else ""


def regions_table(measured: Measured, label: Label = code) -> str:
    """Grad-CAM's heat by region, model and true emotion, below the shares of the area and of a Gaussian."""
    area = next(iter(measured.values())).statistics["area"]
    gaussian = region_shares(centred_gaussian())
    rows = [
        ("*share of the area*", "–", "–", *(f"*{area[region]:.0%}*" for region in REGIONS)),
        ("*centred Gaussian*", "–", "–", *(f"*{gaussian[region]:.0%}*" for region in REGIONS)),
    ]
    for model_name, model in measured.items():
        for emotion, found in model.statistics["regions"].items():
            shares = (f"{found['shares'][region]:.0%}" for region in REGIONS)
            rows.append((label(model_name), emotion, str(found["faces"]), *shares))
    return markdown_table(("model", "true emotion", "faces", *REGIONS), rows)


def _cost(statistics: dict[str, Any]) -> tuple[str, str, str]:
    areas = statistics["areas"]
    return number(statistics["cost"], f"z.{DECIMALS}f"), f"{areas['deletion']:.3f}", f"{areas['insertion']:.3f}"
