"""Report of the heat-map study: sentences that follow from the statistics alone, and all of it in Markdown."""

from collections.abc import Callable
from typing import Any

from fer_models.evidence import REGIONS, region_shares
from fer_models.evidence.baselines import centred_gaussian
from fer_models.evidence.sanity import SAME
from fer_models.explanations import METHODS
from fer_models.heatmap_study.measure import MAIN_METHOD, RIVALS, MeasuredExplanations, main_map
from fer_models.heatmap_study.tables import (
    MAP_NAMES,
    RIVAL_NAMES,
    Measured,
    between_models_table,
    dependence_table,
    faithfulness_table,
    number,
    points,
    regions_table,
)
from fer_models.heatmap_study.verdicts import (
    BETTER,
    NO_DIFFERENCE,
    WORSE,
    best_supported,
    compare,
    has_uniform_attention,
    sanity_verdicts,
    verdict,
)
from fer_models.markdown import Label, code, markdown_table

# From this mean rank correlation between different faces on, attention counts as independent of the face.
SAME_PLACES = 0.9

# From this share of equal predictions with uniform attention on, they count as independent of the attention.
SAME_ANSWERS = 0.95

RULE = """\
A map beats another one if removing its hottest pixels lowers the confidence more, on average over the same faces. No \
difference is found if the 95 % interval of the difference (not corrected for the number of comparisons) includes 0."""


def render_explanations(measured: Measured) -> str:
    """The conclusion and all tables.

    Args:
        measured: by model name, at least one.
    """
    sections = {
        "Faithfulness, in percentage points of confidence": faithfulness_table(measured),
        "Agreement and sanity": dependence_table(measured),
        "Between models": between_models_table(measured),
        "Regions of the face": regions_table(measured),
    }
    tables = "".join(
        f"\n### {heading}\n\n{markdown_table(*table)}\n" for heading, table in sections.items() if table.rows
    )
    return f"{conclusion(measured)}\n{tables}"


def conclusion(measured: Measured, label: Label = code) -> str:
    """What was measured, the best-supported maps, and a list of the findings.

    Args:
        measured: by model name, at least one.
        label: turns a model's name into the text that is shown for it.
    """
    listed = (f"- {sentence}" for sentence in findings(measured, label))
    return "\n".join([f"{basis(measured, label)} {RULE}\n", f"{best_maps(measured, label)}\n", *listed])


def basis(measured: Measured, label: Label = code) -> str:
    """What was measured: on how many faces, and of which split."""
    counts = {model.statistics["images"] for model in measured.values()}
    faces = ", ".join(f"{model.statistics['images']} ({label(name)})" for name, model in measured.items())
    return (
        f"Measured on {faces if len(counts) > 1 else counts.pop()} random faces of FER-2013's test split "
        "(PrivateTest), for the emotion that the model itself predicts. Predictions and maps are means over each face "
        "and its mirror image."
    )


def best_maps(measured: Measured, label: Label = code) -> str:
    """The best-supported heat map of each model, with what is missing, and where plain Grad-CAM fails."""
    *others, last = [_best_map(label(name), model) for name, model in measured.items()]
    best = f"{', '.join(others)} and {last}" if others else last
    failing = [_failing_gradcam(label(name), model) for name, model in measured.items()]
    return " ".join(filter(None, [f"Best supported: {best}.", *failing]))


def findings(measured: Measured, label: Label = code) -> list[str]:
    """Sentences that name the maps which passed and failed each test.

    Args:
        measured, label: as in `conclusion`.
    """
    attention = [
        f"{_attention_maps(label(name), model)} {_uniform_attention(model)}"
        for name, model in measured.items()
        if "attention" in model.statistics["maps"]
    ]
    return [
        *(_against(measured, baseline, label) for baseline in RIVALS),
        *(attention or ["None of these models has spatial attention."]),
        _sanity(measured, label),
        _regions(measured, label),
    ]


# ---- The sentences --------------------------------------------------------------------------------------------------


def _best_map(shown_name: str, model: MeasuredExplanations) -> str:
    best = best_supported(model)
    if best is None:
        return f"no map for {shown_name}, as none beats random maps without losing to the centre or the edges"
    statistics = model.statistics["maps"][best]
    found = verdict(statistics["advantage"])
    missing = [
        found.words if found.level != "good" else "",
        "sanity check undecided" if "undecided" in sanity_verdicts(statistics) else "",
    ]
    but = ", ".join(filter(None, missing))
    return f"{MAP_NAMES[best]} for {shown_name}{f' ({but})' if but else ''}"


def _failing_gradcam(shown_name: str, model: MeasuredExplanations) -> str:
    gradcam = model.statistics["maps"]["gradcam"]
    found = verdict(gradcam["advantage"])
    if found.level != "bad":
        return ""
    flat = f", and constant on {gradcam['flat']} of {model.statistics['images']} faces" if gradcam["flat"] else ""
    where = ", in front of the attention," if "attention" in model.statistics["maps"] else ""
    return f"Plain {METHODS['gradcam'].title}{where} fails for {shown_name}: it is {found.words}{flat}."


def _against(measured: Measured, baseline: str, label: Label) -> str:
    def maps_that_are(outcome: str) -> str:
        return _named(measured, lambda statistics: compare(statistics["advantage"][baseline]) == outcome, label)

    rival = RIVAL_NAMES[baseline]
    better, undecided, worse = map(maps_that_are, (BETTER, NO_DIFFERENCE, WORSE))
    if better and not (undecided or worse):
        return f"Every map beats {rival}."
    parts = [
        f"no difference found for {undecided}" if undecided else "",
        f"worse: {worse}" if worse else "",
        "every other map is better" if better else "no map is better",
    ]
    return f"Compared with {rival}: {'; '.join(filter(None, parts))}."


def _attention_maps(shown_name: str, model: MeasuredExplanations) -> str:
    if has_uniform_attention(model):
        spread = model.statistics["uniform_attention"]["spread"].mean
        return (
            f"In {shown_name}, spatial attention is practically uniform: within a face, its weights differ by at most "
            f"{spread:.1g} on average, so it does not show where the network looks."
        )
    return f"{_attention_and_heat(shown_name, model)} {_attention_across_faces(model)} {_attention_as_map(model)}"


def _attention_and_heat(shown_name: str, model: MeasuredExplanations) -> str:
    maps = model.statistics["maps"]
    heat, title = maps[main_map(maps)], MAP_NAMES[main_map(maps)]
    found, other = (heat[key]["rank_correlation"] for key in ("with_attention", "with_other_attention"))
    if found is None:
        return f"In {shown_name}, attention or {title} is constant on all faces but at most one: no comparison."
    if found.low <= 0 <= found.high:
        judgement = f"no agreement between spatial attention and {title} was found"
    elif found.high < 0:
        judgement = f"spatial attention contradicts {title}"
    else:
        judgement = f"spatial attention agrees {'well' if found.mean >= SAME else 'only loosely'} with {title}"
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


def _attention_as_map(model: MeasuredExplanations) -> str:
    advantage = model.statistics["maps"]["attention"]["advantage"]
    judgements = {BETTER: "beats", NO_DIFFERENCE: "is no better than", WORSE: "is worse than"}
    parts = []
    for outcome, judgement in judgements.items():
        rivals = [
            f"{RIVAL_NAMES[rival]} ({points(found)})" for rival, found in advantage.items() if compare(found) == outcome
        ]
        if rivals:
            parts.append(f"{judgement} {', '.join(rivals)}")
    return f"As a map of what the model needs, it {'; it '.join(parts)}, in points of confidence."


def _uniform_attention(model: MeasuredExplanations) -> str:
    same, moved, own = (model.statistics["uniform_attention"][name] for name in ("same_answer", "moved", "own"))
    judgement = "hardly depend" if same.mean >= SAME_ANSWERS else "depend"
    return (
        f"With uniform attention (each face's mean everywhere), the probabilities change by {number(moved, '.1%')} "
        f"(total variation distance; the prediction's own by {number(own, '+z.1%')}) and the prediction stays the same "
        f"on {number(same, '.0%')} of the faces: the trained network's predictions {judgement} on where it attends."
    )


def _sanity(measured: Measured, label: Label) -> str:
    without_weights = _named(measured, lambda statistics: sanity_verdicts(statistics)[1] == "stays", label)
    only_without_head = _named(measured, _survives_only_a_random_head, label)
    undecided = _named(measured, lambda statistics: "undecided" in sanity_verdicts(statistics), label)
    failures = [
        f"with all weights random, similar maps remain for {without_weights}" if without_weights else "",
        f"with a random head, but not with all weights random, similar maps remain for {only_without_head}"
        if only_without_head
        else "",
    ]
    parts = [
        f"The sanity check fails: {'; '.join(filter(None, failures))}." if any(failures) else "",
        f"It is undecided for {undecided}, because draws of random weights differ too much." if undecided else "",
    ]
    return " ".join(filter(None, parts)) or "No method fails the sanity check: with random weights, all maps change."


def _survives_only_a_random_head(statistics: dict[str, Any]) -> bool:
    head, everything = sanity_verdicts(statistics)
    return head == "stays" and everything != "stays"


def _regions(measured: Measured, label: Label) -> str:
    title = METHODS[MAIN_METHOD].title
    gaussian = region_shares(centred_gaussian())
    places = []
    for name, model in measured.items():
        shares = model.statistics["regions"].get("all", {}).get("shares")
        if shares:
            ratios = {region: shares[region] / gaussian[region] for region in REGIONS}
            region = max(REGIONS, key=lambda region: ratios[region])
            places.append(f"{region} in {label(name)} ({shares[region]:.0%} of the heat, not {gaussian[region]:.0%})")
    if not places:
        return f"Every {title} map is empty, so nothing can be said about regions of the face."
    return f"Compared with the centred Gaussian, {title} favours most: {', '.join(places)}."


def _named(measured: Measured, is_meant: Callable[[dict[str, Any]], bool], label: Label) -> str:
    """Maps by name and model, such as "Grad-CAM, LayerCAM of `resnet50` and every map of `attn_cnn`"; "" for none.

    Uniform attention is left out, because the order of its weights means nothing.
    """
    groups = []
    for model_name, model in measured.items():
        is_uniform = has_uniform_attention(model)
        maps = {
            key: found for key, found in model.statistics["maps"].items() if not (is_uniform and key == "attention")
        }
        meant = [MAP_NAMES[name] for name, statistics in maps.items() if is_meant(statistics)]
        if len(meant) == len(maps):
            groups.append(f"every map of {label(model_name)}")
        elif meant:
            groups.append(f"{', '.join(meant)} of {label(model_name)}")
    return " and ".join(groups)
