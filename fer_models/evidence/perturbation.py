"""Perturbation curves of a heat map: deletion and insertion (RISE), and ROAD."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.ndimage import gaussian_filter
from torch import nn

from fer_models.data.images import to_grey48
from fer_models.evidence.imputation import NOISE, impute
from fer_models.evidence.pixels import hottest_first
from fer_models.inference import FaceImage, predict

# Shares of the pixels to change: for a full curve, and for a quick one.
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FEW_FRACTIONS = (0.1, 0.2, 0.4, 0.7)

# Standard deviation, in pixels, of the blur that insertion starts from. Petsiuk et al. use 5 for images of 224 px; the
# same share of 48 px would hardly blur a face.
BLUR = 5


@dataclass(frozen=True, eq=False)
class Curves:
    """The target's calibrated probability as a growing fraction of the pixels is changed, each float32 (F,).

    Attributes:
        fractions: of the pixels changed; the first is 0.
        deletion: the hottest pixels are set to the face's mean grey; falls fast for a faithful map.
        insertion: the hottest pixels are restored in a blurred face; rises fast for a faithful map.
        road_most: the hottest pixels are imputed (ROAD, most relevant first); falls fast for a faithful map.
        road_least: the coldest pixels are imputed (ROAD, least relevant first); stays high for a faithful map.
    """

    fractions: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    road_most: np.ndarray
    road_least: np.ndarray

    @property
    def confidence(self) -> float:
        """The target's probability for the unchanged face."""
        return float(self.road_most[0])

    def areas(self) -> dict[str, float]:
        """The area under each curve, divided by the range of the fractions: its mean height, in [0, 1]."""
        width = self.fractions[-1] - self.fractions[0]
        names = [field.name for field in fields(self) if field.name != "fractions"]
        return {name: float(np.trapezoid(getattr(self, name), self.fractions) / width) for name in names}

    @property
    def costs(self) -> np.ndarray:
        """The loss of confidence when ROAD removes the hottest pixels, (F,); negative where the confidence rises."""
        return self.confidence - self.road_most

    def mean_cost(self) -> float:
        """The mean of `costs` over the range of the fractions."""
        return self.confidence - self.areas()["road_most"]


def perturbation_curves(
    model: nn.Module,
    face: FaceImage,
    heat: np.ndarray,
    target: int,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Curves:
    """Measures the curves of a heat map of one face, in 2 + 4 F forward passes for F fractions.

    Args:
        model: as in `predict`.
        face: as in `predict`; changed on its 48x48 grey pixels, which are all that the model sees.
        heat: (48, 48), see `to_pixels`; only the order of its values matters.
        target: index into EMOTIONS of the emotion that the map explains.
        fractions: of the pixels to change, between 0 and 1 (exclusive), increasing by at least one pixel.
        seed: of the imputation's noise and of the order of ties; maps with the same seed share both.

    Raises:
        TypeError, ValueError: as `to_grey48`, or the fractions are not as described.

    Sources: Petsiuk, Das and Saenko, "RISE", BMVC 2018, arXiv:1806.07421 (deletion, insertion); Rong et al. 2022,
    arXiv:2202.00449 (ROAD).
    """
    faces = perturbed_faces(face, heat, fractions, seed)
    return curves_of(predict(model, faces)[:, target], fractions)


def perturbed_faces(
    face: FaceImage, heat: np.ndarray, fractions: Sequence[float] = FRACTIONS, seed: int = 0
) -> list[np.ndarray]:
    """The faces that `perturbation_curves` shows to the model: to measure many maps, predict those of all in one call.

    Args:
        face, heat, fractions, seed: as in `perturbation_curves`.

    Returns:
        2 + 4 F faces, uint8 (48, 48): the face, the blurred face, and for each fraction the face with the hottest
        pixels greyed out, the blurred face with them restored, and the face with the hottest and with the coldest
        pixels imputed.

    Raises:
        TypeError, ValueError: as `perturbation_curves`.
    """
    face = to_grey48(face)
    counts = [round(fraction * face.size) for fraction in fractions]
    if not counts or np.any(np.diff([0, *counts, face.size]) < 1):
        raise ValueError(f"The fractions are {fractions}: pass increasing ones between 0 and 1, such as (0.1, 0.2).")
    blurred = gaussian_filter(face, BLUR)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, NOISE, face.shape)
    order = hottest_first(heat, rng)

    faces = [face, blurred]
    for count in counts:
        hottest, coldest = _mask(order[:count], face.shape), _mask(order[-count:], face.shape)
        faces += [
            np.where(hottest, face.mean().round().astype(np.uint8), face),
            np.where(hottest, face, blurred),
            impute(face, hottest, noise),
            impute(face, coldest, noise),
        ]
    return faces


def curves_of(probabilities: np.ndarray, fractions: Sequence[float]) -> Curves:
    """The curves, from the target's probability for each of `perturbed_faces`, (2 + 4 F,)."""
    intact, dim, *rest = probabilities
    start = np.array([[intact, dim, intact, intact]])
    return Curves(np.array([0, *fractions]), *np.concatenate([start, np.reshape(rest, (-1, 4))]).T)


def _mask(indices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask.ravel()[indices] = True
    return mask
