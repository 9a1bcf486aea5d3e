"""The explain function: predictions, heat maps and attention maps from one forward pass."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fer_models.architectures import EmotionModel
from fer_models.emotions import EMOTIONS
from fer_models.explanations.closed_form import closed_form
from fer_models.explanations.explanation import Explanation, Explanations
from fer_models.explanations.gradients import forward_cut, logit_gradients
from fer_models.explanations.methods import METHODS, eigencam, gradcam, hirescam, library_heatmaps, to_numpy
from fer_models.inference import (
    FaceImage,
    Faces,
    as_list,
    batched,
    exclusive,
    to_input,
    to_probabilities,
    to_stored,
    unwrapped,
    views_of,
    with_mirror,
)

Target = int | str | None


def explain(
    model: nn.Module,
    faces: Faces,
    target: Target | Sequence[Target] | np.ndarray | Tensor = None,
    method: str = "gradcam",
    stage: str | None = None,
    mirrored: bool = False,
) -> Explanations:
    """Predicts and explains each face with one forward pass of the model (one per batch of 16 faces).

    Threads may share the model; a lock lets one use it at a time. The function leaves no hook, gradient or changed mode
    on the model, even after an error.

    Args:
        model: as in `predict`. Of a compiled or parallel model, the `EmotionModel` inside is explained.
        faces: as in `preprocess`; an empty list gives an empty list.
        target: the emotion to explain, by index or name; None for the predicted one. Either one for all faces, or a
            list, array or tensor with one for each face.
        method: a key of METHODS.
        stage: the layer to explain: one of `model.stages` (by default the last), or "attention" for the output of the
            attention module before the pooling. At the last stage and at "attention", "gradcam" and "hirescam" explain
            all seven emotions at once. At shallower stages `class_maps` is None, because most of the network would have
            to be differentiated seven times.
        mirrored: whether to predict as `predict` does with it, from each face and its mirror image. Maps and attention
            are then the mean over both, turned back: such heat maps show better what the model needs (NOTES.md).

    Returns:
        A list of one `Explanation` per face, in the same order; notebooks show it as pictures.

    Raises:
        TypeError: as `preprocess`, or a target is neither an int nor a string.
        ValueError: as `preprocess`, a target, the method or the stage is unknown, there are more or fewer targets than
            faces, or the model was created under torch.inference_mode() and the method needs gradients.

    Example:
        >>> explanation, = explain(load_model("resnet50"), [Image.open("face.png")])
        >>> explanation.emotion, explanation.heatmap.shape
        ('happy', (7, 7))
    """
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}. Choose one of: {', '.join(METHODS)}.")
    network, faces = unwrapped(model), as_list(faces)
    stage = network.stages[-1] if stage is None else stage
    layer = _layer(network, stage)
    targets = _emotion_indices(target, len(faces))

    return Explanations(
        explanation
        for some_faces, some_targets in zip(batched(faces), batched(targets), strict=True)
        for explanation in _explain_batch(network, some_faces, some_targets, method, stage, layer, mirrored)
    )


def _explain_batch(
    model: EmotionModel,
    faces: Sequence[FaceImage],
    wanted: Sequence[int | None],
    method: str,
    stage: str,
    layer: nn.Module,
    mirrored: bool,
) -> list[Explanation]:
    count = len(faces)
    number_of_views, temperature = views_of(model, mirrored)

    def views_and_targets(logits: Tensor) -> tuple[np.ndarray, list[int]]:
        """The probabilities of each view of each face, (V, N, 7), and the emotions to explain."""
        views = to_probabilities(to_numpy(logits).reshape(number_of_views, count, -1), temperature)
        predicted = views.mean(axis=0).argmax(axis=1).tolist()
        return views, [own if target is None else target for own, target in zip(predicted, wanted, strict=True)]

    with exclusive(model):
        start = time.perf_counter()
        stored = to_stored(faces)
        inputs = with_mirror(to_input(torch.from_numpy(stored), model), number_of_views)
        if method in ("gradcam", "hirescam") and stage in (model.stages[-1], "attention"):
            logits, maps = _class_maps(model, inputs, method, stage, layer)
            views, targets = views_and_targets(logits)
            class_maps = _mean_of_views(to_numpy(maps), number_of_views)
            heatmaps = np.maximum(class_maps[range(count), targets], 0)
        else:
            features, logits = forward_cut(model, inputs, layer)
            views, targets = views_and_targets(logits)
            class_maps = None
            heatmaps = _heatmaps(model, method, features, logits, targets * number_of_views)
            heatmaps = _mean_of_views(heatmaps, number_of_views)
        spatial_attention, channel_attention = None, None
        if model.spatial_attention is not None and model.spatial_attention.map is not None:
            spatial_attention = _mean_of_views(to_numpy(model.spatial_attention.map), number_of_views)
        if model.channel_attention is not None and model.channel_attention.weights is not None:
            weights = to_numpy(model.channel_attention.weights)
            channel_attention = weights.reshape(number_of_views, count, -1).mean(axis=0)
        seconds = (time.perf_counter() - start) / count

    logit_values, probabilities = to_numpy(logits), views.mean(axis=0)
    return [
        Explanation(
            model_name=model.checkpoint,
            face=stored[n],
            method=method,
            stage=stage,
            target=targets[n],
            probabilities=probabilities[n],
            views=views[:, n],
            logits=logit_values[n],
            heatmap=heatmaps[n],
            class_maps=None if class_maps is None else class_maps[n],
            spatial_attention=None if spatial_attention is None else spatial_attention[n],
            channel_attention=None if channel_attention is None else channel_attention[n],
            seconds=seconds,
        )
        for n in range(count)
    ]


def _mean_of_views(maps: np.ndarray, number_of_views: int) -> np.ndarray:
    """Maps (V N, ..., h, w) -> (N, ..., h, w): the mean over the views, with mirror images turned back."""
    if number_of_views == 1:
        return maps
    face, mirror = np.split(maps, 2)
    return (face + mirror[..., ::-1]) / 2


def _class_maps(
    model: EmotionModel, inputs: Tensor, method: str, stage: str, layer: nn.Module
) -> tuple[Tensor, Tensor]:
    """Returns the logits (N, 7) and the signed Grad-CAM or HiResCAM maps of all emotions (N, 7, h, w)."""
    by_hand = closed_form(model) if method == "gradcam" and stage == model.stages[-1] else None
    if by_hand:
        with torch.inference_mode():
            features = model.forward_features(inputs)
            logits, weights = by_hand(model, features)
            return logits, gradcam(features, weights)
    features, logits = forward_cut(model, inputs, layer)
    gradients = logit_gradients(logits, features, torch.arange(len(EMOTIONS)).expand(len(inputs), -1))
    if method == "hirescam":
        return logits, hirescam(features.detach(), gradients)
    return logits, gradcam(features.detach(), gradients.mean(dim=(3, 4)))


def _heatmaps(model: EmotionModel, method: str, features: Tensor, logits: Tensor, targets: list[int]) -> np.ndarray:
    """Returns the heat maps of the targets, float32 (N, h, w)."""
    if method == "eigencam":
        return eigencam(features)
    gradients = logit_gradients(logits, features, torch.tensor(targets)[:, None])
    if method == "gradcam":
        return to_numpy(gradcam(features.detach(), gradients.mean(dim=(3, 4)))[:, 0].relu())
    return library_heatmaps(method, model, features, gradients[:, 0])


def _layer(model: EmotionModel, stage: str) -> nn.Module:
    if stage in model.stages:
        return getattr(model, stage)
    if stage == "attention" and model.spatial_attention is not None:
        return model.spatial_attention
    stages = [*model.stages, *(["attention"] if model.spatial_attention is not None else [])]
    raise ValueError(f"{model.name} has no stage {stage!r}. Choose one of: {', '.join(stages)}.")


def _emotion_indices(target: Target | Sequence[Target] | np.ndarray | Tensor, count: int) -> list[int | None]:
    """The index of the emotion to explain for each of `count` faces; None for the predicted one."""
    wanted: object = target.tolist() if isinstance(target, np.ndarray | Tensor) else target
    targets = wanted if isinstance(wanted, list | tuple) else [wanted] * count
    if len(targets) != count:
        raise ValueError(f"There are {len(targets)} targets for {count} faces: pass one for each face, or one for all.")
    return [None if one is None else _emotion_index(one) for one in targets]


def _emotion_index(target: object) -> int:
    if isinstance(target, str):
        if target not in EMOTIONS:
            raise ValueError(f"There is no emotion {target!r}. Choose one of: {', '.join(EMOTIONS)}.")
        return EMOTIONS.index(target)
    if isinstance(target, bool) or not isinstance(target, int | np.integer):
        raise TypeError(f"The target is a {type(target).__name__}: pass an emotion's name, its index, or None.")
    if not 0 <= target < len(EMOTIONS):
        raise ValueError(f"There is no emotion number {target}. Choose one from 0 to {len(EMOTIONS) - 1}.")
    return int(target)
