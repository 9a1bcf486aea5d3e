"""What was found about the models' heat maps, as Markdown: in words, made from the figures alone, and in tables."""

from collections.abc import Callable, Mapping
from itertools import combinations

from fer_models.evaluation.explanations import BASELINES, COMPARED, MeasuredExplanations, compare_maps
from fer_models.evaluation.markdown import markdown_table
from fer_models.evidence import REGIONS
from fer_models.evidence.sanity import SAME
from fer_models.explain import METHODS

MAP_NAMES = {key: text.partition(":")[0] for key, text in METHODS.items()} | {"attention": "spatial attention"}
BASELINE_NAMES = {"random": "random maps", "centre": "the centred Gaussian", "edges": "the edges in the face"}

# From this mean rank correlation between different faces on, attention is said not to look at the face.
SAME_PLACES = 0.9

# From this share of answers on that stay the same with levelled attention, they are said not to depend on it.
SAME_ANSWERS = 0.95

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
        f"{_attention_and_gradcam(name, model)} {_attention_across_faces(name, model)} {_attention_levelled(model)}"
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


def _attention_and_gradcam(name: str, model: MeasuredExplanations) -> str:
    found = model.figures["maps"]["gradcam"]["with_attention"]["rank_correlation"]
    if found is None:
        return f"In `{name}` attention or Grad-CAM is the same everywhere on all faces but one at most: no comparison."
    if found["low"] <= 0 <= found["high"]:
        judgement = "no agreement with Grad-CAM was found for spatial attention"
    elif found["high"] < 0:
        judgement = "spatial attention contradicts Grad-CAM"
    else:
        judgement = f"spatial attention agrees {'well' if found['mean'] >= SAME else 'only loosely'} with Grad-CAM"
    return f"In `{name}` {judgement} (rank correlation {number(found)})."


def _attention_across_faces(name: str, model: MeasuredExplanations) -> str:
    attention = model.figures["maps"]["attention"]
    found = attention["across_faces"]["rank_correlation"]
    if attention["flat"] == model.figures["images"]:
        return "Its attention is the same everywhere in the picture."
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
    same, moved = (model.figures["levelled"][name] for name in ("same_answer", "moved"))
    judgement = "hardly depend" if same["mean"] >= SAME_ANSWERS else "depend"
    return (
        f"With that attention levelled to its mean, {number(moved, '.1%')} of the probability moves to other emotions "
        f"and the answer stays the same on {number(same, '.0%')} of the faces: the answers {judgement} on where the "
        "network attends."
    )


def _sanity(measured: Measured) -> str:
    def is_careless(figures: dict) -> bool:
        return _sanity_ends(figures)[1] >= SAME

    def is_indifferent(figures: dict) -> bool:
        return _sanity_ends(figures)[0] >= SAME and not is_careless(figures)

    careless, indifferent = _named(measured, is_careless), _named(measured, is_indifferent)
    if not careless and not indifferent:
        return "No method fails the sanity check: with random weights all maps change."
    parts = [
        f"with all weights random, most is left of {careless}" if careless else "",
        f"with a random head, but not with all weights random, most is left of {indifferent}" if indifferent else "",
    ]
    return f"The sanity check fails: {'; '.join(filter(None, parts))}."


def _sanity_ends(figures: dict) -> tuple[float, float]:
    """The mean rank correlations with a random head and with all weights random; 0 where nothing was checked."""
    if figures["sanity"] is None:
        return 0.0, 0.0
    means = [found["mean"] for found in figures["sanity"].values()]
    return means[0], means[-1]


def _regions(measured: Measured) -> str:
    places = []
    for name, model in measured.items():
        shares, area = model.figures["regions"].get("all", {}).get("shares"), model.figures["area"]
        if shares:
            region = max(REGIONS, key=lambda region: shares[region] / area[region])
            places.append(f"{region} in `{name}` ({shares[region]:.0%} of the heat on {area[region]:.0%} of the area)")
    if not places:
        return "Every Grad-CAM is empty, so nothing can be said about regions of the face."
    return f"For its area, Grad-CAM shows most heat on these regions: {', '.join(places)}."


def _named(measured: Measured, is_meant: Callable[[dict], bool]) -> str:
    """Maps by name and model, such as "Grad-CAM, LayerCAM of `resnet50` and every map of `attn_cnn`"; "" for none."""
    groups = []
    for model_name, model in measured.items():
        maps = model.figures["maps"]
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
            rows.append((f"`{model_name}`", f"*{BASELINE_NAMES[name]}*", *_cost(figures), "–", "–", "–", "–"))
    head = ("model", "map", "ROAD cost ↑", "deletion ↓", "insertion ↑")
    return markdown_table((*head, "minus random", "minus Gaussian", "minus edges", "empty maps"), rows)


def dependence_table(measured: Measured) -> str:
    """Agreement with attention and between faces, and the sanity check: rank correlations with their intervals."""
    rows = []
    for model_name, model in measured.items():
        for name, figures in model.figures["maps"].items():
            attention = figures["with_attention"] or {"rank_correlation": None, "overlap": None}
            sanity = [*(figures["sanity"] or {"nothing": None}).values()]
            estimates = *attention.values(), figures["across_faces"]["rank_correlation"], sanity[0], sanity[-1]
            rows.append((f"`{model_name}`", MAP_NAMES[name], *map(number, estimates)))
    head = ("model", "map", "with attention", "hottest fifths shared", "another face", "random head", "all random")
    return markdown_table(head, rows)


def between_models_table(measured: Measured) -> str:
    """How far each two models' maps agree; "" if there are no two to compare."""
    rows = []
    for first, second in combinations(measured, 2):
        for name in COMPARED:
            found = compare_maps(measured[first], measured[second], name)
            if found:
                figures = (number(found["rank_correlation"]), number(found["overlap"]), str(found["faces"]))
                rows.append((f"`{first}`, `{second}`", MAP_NAMES[name], *figures))
    return markdown_table(("models", "map", "rank correlation", "hottest fifths shared", "faces"), rows) if rows else ""


def regions_table(measured: Measured) -> str:
    """Where Grad-CAM's heat lies, by model and true emotion, below each region's share of the area."""
    area = next(iter(measured.values())).figures["area"]
    rows = [("*share of the area*", "–", "–", *(f"*{area[region]:.0%}*" for region in REGIONS))]
    for model_name, model in measured.items():
        for emotion, found in model.figures["regions"].items():
            shares = (f"{found['shares'][region]:.0%}" for region in REGIONS)
            rows.append((f"`{model_name}`", emotion, str(found["faces"]), *shares))
    return markdown_table(("model", "true emotion", "faces", *REGIONS), rows)


def _cost(figures: dict) -> tuple[str, str, str]:
    areas = figures["areas"]
    return number(figures["cost"], f"z.{DECIMALS}f"), f"{areas['deletion']:.3f}", f"{areas['insertion']:.3f}"
