"""CAM methods: heat maps from the output of a layer and its gradients."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fer_models.architectures import EmotionModel


@dataclass(frozen=True)
class Method:
    """A CAM method.

    Attributes:
        title: the display name.
        summary: a phrase on how it weights the channels or cells of a layer.
        source: authors, year and identifier of the paper.
    """

    title: str
    summary: str
    source: str

    def __str__(self) -> str:
        return f"{self.title}: {self.summary} ({self.source})"


METHODS = {
    "gradcam": Method(
        "Grad-CAM", "channels weighted by their mean gradient", "Selvaraju et al. 2017, arXiv:1610.02391"
    ),
    "gradcam++": Method(
        "Grad-CAM++",
        "positive gradients weighted so that every instance counts",
        "Chattopadhay et al. 2018, arXiv:1710.11063",
    ),
    "hirescam": Method(
        "HiResCAM",
        "gradient times activation in each cell, nothing averaged",
        "Draelos and Carin 2020, arXiv:2011.08891",
    ),
    "xgradcam": Method(
        "XGrad-CAM", "gradients averaged in proportion to the activations", "Fu et al. 2020, arXiv:2008.02312"
    ),
    "layercam": Method(
        "LayerCAM",
        "positive gradient times activation in each cell; also for shallow stages",
        "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943",
    ),
    "eigencam": Method(
        "Eigen-CAM",
        "the activations' first principal component, up to its sign and the same for every emotion",
        "Muhammad and Yeasin 2020, arXiv:2008.00299",
    ),
}


def to_numpy(values: Tensor) -> np.ndarray:
    """Converts values of any floating point dtype and device to float32; NumPy has no bfloat16."""
    return values.detach().float().cpu().numpy()


def gradcam(features: Tensor, weights: Tensor) -> Tensor:
    """Grad-CAM before its ReLU: sum over k of w_ck A_k, w_ck the mean over cells of dz_c / dA_k (eq. 1 and 2).

    If the layer is followed by a global average pool and a linear layer, z = b + W pool(A), the map is exactly
    sum_k W_ck A_k / (h w). The logit is then the bias plus the sum of the map: each cell is a part of the logit.

    Args:
        features: A, (N, K, h, w).
        weights: w, (N, C, K), for C emotions.

    Returns:
        float32 (N, C, h, w), signed.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv:1610.02391.
    """
    return (weights.float() @ features.flatten(2).float()).unflatten(2, features.shape[2:])


def hirescam(features: Tensor, gradients: Tensor) -> Tensor:
    """HiResCAM before its ReLU: sum over k of A_k dz_c / dA_k in each cell, nothing averaged.

    In front of a global average pool and a linear layer it is the same as Grad-CAM.

    Args:
        features: A, (N, K, h, w).
        gradients: dz_c / dA, (N, C, K, h, w), for C emotions.

    Returns:
        float32 (N, C, h, w), signed.

    Source: Draelos and Carin, "Use HiResCAM instead of Grad-CAM", arXiv:2011.08891.
    """
    return (gradients.float() * features[:, None].float()).sum(dim=2)


def eigencam(features: Tensor) -> np.ndarray:
    """Eigen-CAM: the activations of each cell projected on their first principal component.

    The map is the same as pytorch-grad-cam's, which computes a full basis in the SVD and takes 20 to 40 times as long
    (0.3 s instead of 7 ms for the last stage of ResNet-50).

    Args:
        features: (N, K, h, w).

    Returns:
        float32 (N, h, w), not negative. The sign of a principal component is arbitrary, so the map may be inverted, and
        it does not depend on the emotion.

    Source: Muhammad and Yeasin, "Eigen-CAM", IJCNN 2020, arXiv:2008.00299.
    """
    cells = to_numpy(features.flatten(2).transpose(1, 2))
    cells = cells - cells.mean(axis=1, keepdims=True)
    components = np.linalg.svd(cells, full_matrices=False)[2]
    scores = cells @ components[:, 0, :, None]
    return np.maximum(scores, 0).reshape(len(features), *features.shape[2:])


def library_heatmaps(method: str, model: EmotionModel, features: Tensor, gradients: Tensor) -> np.ndarray:
    """Heat maps of the other gradient methods, by pytorch-grad-cam's formulas.

    Only the library's formulas are used; it neither hooks a layer nor runs the model. Its hooks store their results on
    an object that threads would share, its backward pass leaves gradients on the parameters, and its min-max scaling
    hides whether a map is strong, weak or empty.

    Args:
        method: "gradcam++", "hirescam", "xgradcam" or "layercam".
        model: in eval mode; required by the library's constructor.
        features: (N, K, h, w).
        gradients: of the target's logit, (N, K, h, w).

    Returns:
        float32 (N, h, w), not negative, unscaled.
    """
    # Imported here because it also imports OpenCV and scikit-learn, which the rest of this package does not need.
    from pytorch_grad_cam import GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM

    cams = {"gradcam++": GradCAMPlusPlus, "hirescam": HiResCAM, "xgradcam": XGradCAM, "layercam": LayerCAM}
    activations, slopes = to_numpy(features), to_numpy(gradients)
    cam = cams[method](model, target_layers=[])
    # The formulas use neither the input, the layer nor the targets; False: no smoothing.
    maps = cam.get_cam_image(None, None, None, activations, slopes, False)
    return np.maximum(maps, 0).astype(np.float32)
