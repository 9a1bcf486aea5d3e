"""From a layer's output and its gradients to heat maps: the Grad-CAM family and Eigen-CAM."""

import numpy as np
from torch import Tensor

from fer_models.architectures import EmotionModel

METHODS = {
    "gradcam": "Grad-CAM: channels weighted by their mean gradient (Selvaraju et al. 2017, arXiv:1610.02391)",
    "gradcam++": "Grad-CAM++: positive gradients weighted so that every instance counts "
    "(Chattopadhay et al. 2018, arXiv:1710.11063)",
    "hirescam": "HiResCAM: gradient times activation in each cell, nothing averaged "
    "(Draelos and Carin 2020, arXiv:2011.08891)",
    "xgradcam": "XGrad-CAM: gradients averaged in proportion to the activations (Fu et al. 2020, arXiv:2008.02312)",
    "layercam": "LayerCAM: positive gradient times activation in each cell; also for shallow stages "
    "(Jiang et al. 2021, doi:10.1109/TIP.2021.3089943)",
    "eigencam": "Eigen-CAM: the activations' first principal component, up to its sign and the same for every emotion "
    "(Muhammad and Yeasin 2020, arXiv:2008.00299)",
}


def gradcam(features: Tensor, weights: Tensor) -> Tensor:
    """Grad-CAM in front of its ReLU: sum over k of w_ck A_k, w_ck the mean over cells of dz_c / dA_k (eq. 1 and 2).

    Where a global average pool and a linear layer z = b + W pool(A) follow, this is sum_k W_ck A_k / (h w) exactly,
    and the logit is the bias plus the sum of the map's cells: the map says where each part of the logit comes from.

    Args:
        features: A, (N, K, h, w).
        weights: w, (N, C, K), for C emotions.

    Returns:
        (N, C, h, w), signed.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv:1610.02391.
    """
    return (weights @ features.flatten(2)).unflatten(2, features.shape[2:])


def eigencam(features: Tensor) -> np.ndarray:
    """Eigen-CAM: every cell's activations projected on their first principal component.

    The same map as pytorch-grad-cam's, which asks the SVD for a full basis and needs 20 to 40 times longer
    (0.3 s against 7 ms for ResNet-50's last stage).

    Args:
        features: (N, K, h, w).

    Returns:
        float32 (N, h, w), not negative. A principal component has no sign of its own, so the map may as well show
        what the component is absent from, and it knows nothing about emotions.

    Source: Muhammad and Yeasin, "Eigen-CAM", IJCNN 2020, arXiv:2008.00299.
    """
    cells = features.detach().flatten(2).transpose(1, 2).cpu().numpy()
    cells = cells - cells.mean(axis=1, keepdims=True)
    components = np.linalg.svd(cells, full_matrices=False)[2]
    scores = cells @ components[:, 0, :, None]
    return np.maximum(scores, 0).reshape(len(features), *features.shape[2:])


def library_heatmaps(method: str, model: EmotionModel, features: Tensor, gradients: Tensor) -> np.ndarray:
    """The heat maps of the other methods with gradients, by pytorch-grad-cam's formulas.

    The library gets no layers to watch and is not asked to run the model: its hooks keep what they see on an object
    that threads would share, its backward leaves gradients on the parameters, and its min-max scaling hides whether a
    map is strong, weak or empty.

    Args:
        method: "gradcam++", "hirescam", "xgradcam" or "layercam".
        model: in eval mode; the library's constructor asks for it.
        features: (N, K, h, w).
        gradients: of the target's logit, (N, K, h, w).

    Returns:
        float32 (N, h, w), not negative, unscaled.
    """
    # Imported here because it brings OpenCV and scikit-learn along, which nothing else in this package needs.
    from pytorch_grad_cam import GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM

    cams = {"gradcam++": GradCAMPlusPlus, "hirescam": HiResCAM, "xgradcam": XGradCAM, "layercam": LayerCAM}
    activations, gradients = features.detach().cpu().numpy(), gradients.cpu().numpy()
    cam = cams[method](model, target_layers=[])
    # These formulas read neither the input, nor the layer, nor the targets; False: no smoothing.
    maps = cam.get_cam_image(None, None, None, activations, gradients, False)
    return np.maximum(maps, 0).astype(np.float32)
