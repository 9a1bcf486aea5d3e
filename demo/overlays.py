"""Colours of the maps on the page."""

from fer_models.explanations.overlays import PALETTE


def colour_ramp() -> str:
    """The colour map from 0 to 1 as a CSS background."""
    stops = ", ".join("#" + bytes(PALETTE[index]).hex() for index in range(0, 256, 15))
    return f"linear-gradient(to right, {stops})"
