"""Face regions: the share of a map's heat on each part of the face."""

import numpy as np
from numpy.typing import ArrayLike

from fer_models.data.images import FER_SIZE
from fer_models.evidence.pixels import to_pixels

REGIONS = ("brows and eyes", "nose", "mouth", "cheeks, chin, forehead", "outside the face")

# Landmarks in a FER-2013 image, in units of its side: eyes, tip of the nose, corners of the mouth.
# Medians over the 387 of 400 training images in which YuNet finds one face, made symmetric; standard deviations are
# 0.07 to 0.10 horizontally and 0.06 to 0.07 vertically.
MEAN_LANDMARKS = ((0.315, 0.380), (0.685, 0.380), (0.500, 0.588), (0.338, 0.748), (0.662, 0.748))


def region_masks(landmarks: ArrayLike = MEAN_LANDMARKS) -> np.ndarray:
    """Divides a cropped face into REGIONS.

    The regions are simple shapes in coordinates that follow a tilted or turned face: `across` runs along the line of
    the eyes, in units of their distance; `down` runs from between the eyes (0) to between the corners of the mouth (1).

    - The face is an ellipse with the proportions of FER-2013's median face box: 2.2 eye distances wide, and from
      1.05 above the eyes to 1.75 below them. Everything else is outside the face.
    - Brows and eyes: a band from 0.6 above the eyes' line to 0.2 below it, across the whole face.
    - Nose: a triangle from the bridge down to the nostrils, below that band and around the tip.
    - Mouth: an ellipse with a margin around the corners and the lips.
    - Cheeks, chin, forehead: the rest of the face.

    Args:
        landmarks: (5, 2), x and y in units of the crop's side: two eyes, tip of the nose, two corners of the mouth, in
            each pair the left one as seen in the picture first.

    Returns:
        bool (5, 48, 48) in the order of REGIONS; every pixel is in exactly one region.

    Raises:
        ValueError: the landmarks have another shape, or eyes and mouth span no area.
    """
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.shape != (5, 2):
        raise ValueError(f"The landmarks have shape {landmarks.shape}: pass (5, 2), two eyes, nose and mouth corners.")
    left_eye, right_eye, nose, left_corner, right_corner = landmarks
    eyes = (left_eye + right_eye) / 2
    axes = np.column_stack([right_eye - left_eye, (left_corner + right_corner) / 2 - eyes])
    if abs(np.linalg.det(axes)) < 1e-6:
        raise ValueError("The eyes and the mouth lie on one line, so they span no face: pass landmarks of a face.")

    centres = (np.arange(FER_SIZE) + 0.5) / FER_SIZE
    pixels = np.stack(np.meshgrid(centres, centres), axis=-1)  # (48, 48, 2): x, y
    to_face = np.linalg.inv(axes).T
    across, down = np.moveaxis((pixels - eyes) @ to_face, -1, 0)
    tip_across, tip_down = (nose - eyes) @ to_face
    mouth_width = abs(((right_corner - left_corner) @ to_face)[0])

    is_face = (across / 1.1) ** 2 + ((down - 0.35) / 1.4) ** 2 <= 1
    is_eyes = is_face & (down >= -0.6) & (down <= 0.2)
    is_mouth = is_face & ((2 * across / (mouth_width + 0.3)) ** 2 + ((down - 1) / 0.3) ** 2 <= 1)
    nose_bottom = tip_down + 0.15
    nose_share = down / nose_bottom  # 0 between the eyes, 1 at the nostrils
    is_nose = is_face & (down <= nose_bottom) & (np.abs(across - nose_share * tip_across) <= 0.15 + 0.2 * nose_share)

    first_come = np.stack([is_eyes, is_nose, is_mouth, is_face, np.ones_like(is_face)])
    return first_come & (np.cumsum(first_come, axis=0) == 1)


def region_shares(heatmap: np.ndarray, landmarks: ArrayLike = MEAN_LANDMARKS) -> dict[str, float]:
    """The share of a map's positive heat on each region.

    A map of ones gives each region's share of the area, for comparison.

    Args:
        heatmap: (h, w); negative values count as 0.
        landmarks: as in `region_masks`.

    Returns:
        Shares in [0, 1] by region, in the order of REGIONS; they add up to 1, or are all 0 for a map without heat.

    Raises:
        ValueError: as `to_pixels` and `region_masks`.
    """
    heat = np.maximum(to_pixels(heatmap), 0)
    total = heat.sum()
    return {
        region: float(heat[mask].sum() / total) if total > 0 else 0.0
        for region, mask in zip(REGIONS, region_masks(landmarks), strict=True)
    }
