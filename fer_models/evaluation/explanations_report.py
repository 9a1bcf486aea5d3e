"""What was found about the models' heat maps, as Markdown: in words, made from the figures alone, and in tables."""

from collections.abc import Callable, Mapping
from itertools import combinations

from fer_models.evaluation.explanations import BASELINES, COMPARED, MeasuredExplanations, compare_maps
from fer_models.evaluation.markdown import markdown_table
from fer_models.evidence import REGIONS, region_shares
from fer_models.evidence.baselines import centred_gaussian
from fer_models.evidence.sanity import SAME
from fer_models.explain import METHODS

MAP_NAMES = {key: text.partition(":")[0] for key, text in METHODS.items()} | {"attention": "spatial attention"}
BASELINE_NAMES = {
    "random": "random maps",
    "centre": "the centred Gaussian",
    "edges": "the edges in the face",
    "other_face": "another face's Grad-CAM",
}

# From this mean rank correlation between different faces on, attention is said not to look at the face.
SAME_PLACES = 0.9

# From this share of answers on that stay the same with levelled attention, they are said not to depend on it.
SAME_ANSWERS = 0.95

# Gates of one face that lie no further apart than this let every place through alike: their order means nothing.
SAME_GATES = 0.01

# Of confidence, in words and tables alike.
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


def conclusion(measured: Measured) -> str:
    """Which maps can be trusted and which cannot, by name, as a list. Follows from the figures alone."""
    attention = [
        f"{_attention_maps(name, model)} {_attention_levelled(model)}"
        for name, model in measured.items()
        if "attention" in model.figures["maps"]
    ]
    found = [
        *(_against(measured, baseline) for baseline in BASELINES),
        *(attention or ["None of these models has spatial attention."]),
        _sanity(measured),
        _regions(measured),
    ]
    return "\n".join([f"{_basis(measured)}\n", *(f"- {sentence}" for sentence in found)])


# ---- The conclusion, sentence by sentence -------------------------------------------------------------------------


def _basis(measured: Measured) -> str:
    counts = {model.figures["images"] for model in measured.values()}
    faces = ", ".join(f"{model.figures['images']} (`{name}`)" for name, model in measured.items())
    return (
        f"Measured on {faces if len(counts) > 1 else counts.pop()} random faces of PrivateTest, for the emotion that "
        "the model itself predicts. A map beats another one if removing its hottest pixels costs more confidence, on "
        "average over the same faces; no difference is found where the 95 % interval (not corrected for the number of "
        "comparisons) includes 0."
    )


def _verdict(advantage: Mapping[str, float]) -> str:
    """ "better", "worse" or "no difference found", from an estimate of an advantage as the table shows it."""
    if round(advantage["low"], DECIMALS) > 0:
        return "better"
    return "worse" if round(advantage["high"], DECIMALS) < 0 else "no difference found"


def number(found: Mapping[str, float] | None, form: str = "z.2f") -> str:
    """ "0.42 [0.38, 0.46]", or a dash where there is no estimate."""
    if found is None:
        return "–"
    mean, low, high = (format(found[end], form) for end in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def _against(measured: Measured, baseline: str) -> str:
    rival = BASELINE_NAMES[baseline]
    maps = {
        found: _named(measured, lambda figures, found=found: _verdict(figures["advantage"][baseline]) == found)
        for found in ("better", "no difference found", "worse")
    }
    if maps["better"] and not (maps["no difference found"] or maps["worse"]):
        return f"Every map beats {rival}."
    parts = [
        f"no difference found for {maps['no difference found']}" if maps["no difference found"] else "",
        f"worse: {maps['worse']}" if maps["worse"] else "",
        "every other map is better" if maps["better"] else "no map is better",
    ]
    return f"Against {rival}: {'; '.join(filter(None, parts))}."


def _attention_maps(name: str, model: MeasuredExplanations) -> str:
    if _has_level_attention(model):
        spread = model.figures["levelled"]["spread"]["mean"]
        return (
            f"In `{name}` spatial attention lets every place through alike: within a face its gates lie {spread:.1g} "
            "apart, so where it looks cannot be told."
        )
    return f"{_attention_and_gradcam(name, model)} {_attention_across_faces(model)}"


def _has_level_attention(model: MeasuredExplanations) -> bool:
    levelled = model.figures.get("levelled")
    return levelled is not None and levelled["spread"]["mean"] <= SAME_GATES


def _attention_and_gradcam(name: str, model: MeasuredExplanations) -> str:
    gradcam = model.figures["maps"]["gradcam"]
    found, other = (gradcam[key]["rank_correlation"] for key in ("with_attention", "with_other_attention"))
    if found is None:
        return f"In `{name}` attention or Grad-CAM is the same everywhere on all faces but one at most: no comparison."
    if found["low"] <= 0 <= found["high"]:
        judgement = "no agreement with Grad-CAM was found for spatial attention"
    elif found["high"] < 0:
        judgement = "spatial attention contradicts Grad-CAM"
    else:
        judgement = f"spatial attention agrees {'well' if found['mean'] >= SAME else 'only loosely'} with Grad-CAM"
    # Faces lie alike in the picture, so much of an agreement may be due to that.
    is_usual = other is not None and found["low"] <= other["high"] and other["low"] <= found["high"]
    control = f"with other faces' attention {number(other)}{', which is no different' if is_usual else ''}"
    return f"In `{name}` {judgement} (rank correlation {number(found)}; {control})."


def _attention_across_faces(model: MeasuredExplanations) -> str:
    attention = model.figures["maps"]["attention"]
    found = attention["across_faces"]["rank_correlation"]
    if found is None:
        return "Whether its attention depends on the face cannot be told from so few faces."
    if found["mean"] > SAME_PLACES:
        judgement = "Its attention looks at the same places whatever the face"
    elif found["mean"] >= SAME:
        judgement = "Its attention looks mostly at the same places, whatever the face"
    else:
        judgement = "Where its attention looks depends on the face"
    return f"{judgement} (rank correlation between different faces {number(found)})."


def _attention_levelled(model: MeasuredExplanations) -> str:
    same, moved, own = (model.figures["levelled"][name] for name in ("same_answer", "moved", "own"))
    judgement = "hardly depend" if same["mean"] >= SAME_ANSWERS else "depend"
    return (
        f"With that attention levelled to its mean, the probabilities move by {number(moved, '.1%')} (total variation; "
        f"that of the answer by {number(own, '+z.1%')}) and the answer stays the same on {number(same, '.0%')} of the "
        f"faces: once trained, the answers {judgement} on where the network attends."
    )


def _sanity(measured: Measured) -> str:
    def verdicts(figures: dict) -> list[str]:
        """Of a random head, and of all weights random."""
        steps = list((figures["sanity"] or {}).values())
        return [_sanity_verdict(steps[0]), _sanity_verdict(steps[-1])] if steps else ["changes", "changes"]

    careless = _named(measured, lambda figures: verdicts(figures)[1] == "stays")
    indifferent = _named(measured, lambda figures: verdicts(figures)[0] == "stays" != verdicts(figures)[1])
    undecided = _named(measured, lambda figures: "undecided" in verdicts(figures))
    failures = [
        f"with all weights random, most is left of {careless}" if careless else "",
        f"with a random head, but not with all weights random, most is left of {indifferent}" if indifferent else "",
    ]
    parts = [
        f"The sanity check fails: {'; '.join(filter(None, failures))}." if careless or indifferent else "",
        f"It is undecided, because draws of random weights differ too much, for {undecided}." if undecided else "",
    ]
    return " ".join(filter(None, parts)) or "No method fails the sanity check: with random weights all maps change."


def _sanity_verdict(found: Mapping[str, float] | None) -> str:
    """ "stays", "changes" or "undecided", from an estimate of what is left of a map."""
    if found is None or found["high"] < SAME:
        return "changes"
    return "stays" if found["low"] >= SAME else "undecided"


def _regions(measured: Measured) -> str:
    gaussian = region_shares(centred_gaussian())
    places = []
    for name, model in measured.items():
        shares = model.figures["regions"].get("all", {}).get("shares")
        if shares:
            region = max(REGIONS, key=lambda region: shares[region] / gaussian[region])
            places.append(f"{region} in `{name}` ({shares[region]:.0%} of the heat instead of {gaussian[region]:.0%})")
    if not places:
        return "Every Grad-CAM is empty, so nothing can be said about regions of the face."
    return f"Beside a Gaussian in the middle of the picture, Grad-CAM favours most: {', '.join(places)}."


def _named(measured: Measured, is_meant: Callable[[dict], bool]) -> str:
    """Maps by name and model, such as "Grad-CAM, LayerCAM of `resnet50` and every map of `attn_cnn`"; "" for none.

    Of an attention that lets every place through alike nothing is said: the order of its gates means nothing.
    """
    groups = []
    for model_name, model in measured.items():
        is_level = _has_level_attention(model)
        maps = {key: found for key, found in model.figures["maps"].items() if not (is_level and key == "attention")}
        meant = [MAP_NAMES[name] for name, figures in maps.items() if is_meant(figures)]
        if len(meant) == len(maps):
            groups.append(f"every map of `{model_name}`")
        elif meant:
            groups.append(f"{', '.join(meant)} of `{model_name}`")
    return " and ".join(groups)


# ---- The tables ---------------------------------------------------------------------------------------------------


def faithfulness_table(measured: Measured) -> str:
    """What removing each map's hottest pixels costs, beside maps that know nothing of the model."""
    rows = []
    for model_name, model in measured.items():
        for name, figures in model.figures["maps"].items():
            advantages = [number(figures["advantage"][baseline], f"+z.{DECIMALS}f") for baseline in BASELINES]
            rows.append((f"`{model_name}`", MAP_NAMES[name], *_cost(figures), *advantages, str(figures["flat"])))
        for name, figures in model.figures["baselines"].items():
            rows.append((f"`{model_name}`", f"*{BASELINE_NAMES[name]}*", *_cost(figures), *["–"] * len(BASELINES), "–"))
    head = ("model", "map", "ROAD cost ↑", "deletion ↓", "insertion ↑")
    return markdown_table(
        (*head, "minus random", "minus Gaussian", "minus edges", "minus another face's", "empty maps"), rows
    )


def dependence_table(measured: Measured) -> str:
    """Agreement with attention and between faces, and the sanity check: rank correlations with their intervals."""
    rows = []
    for model_name, model in measured.items():
        for name, figures in model.figures["maps"].items():
            attention, other = (
                figures[key] or dict.fromkeys(("rank_correlation", "overlap"))
                for key in ("with_attention", "with_other_attention")
            )
            sanity = [*(figures["sanity"] or {"nothing": None}).values()]
            estimates = (
                *(attention["rank_correlation"], other["rank_correlation"], attention["overlap"]),
                *(figures["across_faces"]["rank_correlation"], sanity[0], sanity[-1]),
            )
            rows.append((f"`{model_name}`", MAP_NAMES[name], *map(number, estimates)))
    head = (
        *("model", "map", "with attention", "with another face's", "hottest fifths shared"),
        *("another face", "random head", "all random"),
    )
    return markdown_table(head, rows)


def between_models_table(measured: Measured) -> str:
    """How far each two models' maps agree; "" if there are no two to compare."""
    rows = []
    for first, second in combinations(measured, 2):
        for name in COMPARED:
            found = compare_maps(measured[first], measured[second], name)
            if found:
                keys = ("rank_correlation", "overlap")
                figures = [number(of[key]) for key in keys for of in (found, found["other"])]
                rows.append((f"`{first}`, `{second}`", MAP_NAMES[name], *figures, str(found["faces"])))
    head = ("models", "map", "rank correlation", "different faces", "hottest fifths shared", "different faces", "faces")
    return markdown_table(head, rows) if rows else ""


def regions_table(measured: Measured) -> str:
    """Where Grad-CAM's heat lies, by model and true emotion, below the area's shares and those of a Gaussian."""
    area = next(iter(measured.values())).figures["area"]
    gaussian = region_shares(centred_gaussian())
    rows = [
        ("*share of the area*", "–", "–", *(f"*{area[region]:.0%}*" for region in REGIONS)),
        ("*centred Gaussian*", "–", "–", *(f"*{gaussian[region]:.0%}*" for region in REGIONS)),
    ]
    for model_name, model in measured.items():
        for emotion, found in model.figures["regions"].items():
            shares = (f"{found['shares'][region]:.0%}" for region in REGIONS)
            rows.append((f"`{model_name}`", emotion, str(found["faces"]), *shares))
    return markdown_table(("model", "true emotion", "faces", *REGIONS), rows)


def _cost(figures: dict) -> tuple[str, str, str]:
    areas = figures["areas"]
    return number(figures["cost"], f"z.{DECIMALS}f"), f"{areas['deletion']:.3f}", f"{areas['insertion']:.3f}"
