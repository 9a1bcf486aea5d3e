"""Files of the heat-map study in a checkpoint's folder: explanations.json and the maps for comparing models."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fer_models.checkpoints import EXPLANATION_MAPS_FILE, EXPLANATIONS_FILE, read_measured, write_measured
from fer_models.estimates import Estimate
from fer_models.heatmap_study.measure import MeasuredExplanations

COMMAND = "python -m fer_models.evaluation --explanations --data PATH"
LIBRARIES = ("torch", "grad-cam", "numpy", "scipy")
ESTIMATE_KEYS = Estimate.__annotations__.keys()


def save_explanations(measured: MeasuredExplanations, directory: str | Path, weights_sha256: str) -> None:
    """Writes both files, marked with the SHA-256 of the weights.

    Args:
        measured: what `measure_explanations` returned.
        directory: the checkpoint's folder, usually weights/<name>.
        weights_sha256: from config.json, read when the measured weights were loaded.
    """
    versions = {"python": platform.python_version()} | {library: version(library) for library in LIBRARIES}
    statistics = {"versions": versions} | _to_json(measured.statistics)
    arrays = {"images": measured.images} | measured.maps
    write_measured(directory, EXPLANATIONS_FILE, statistics, EXPLANATION_MAPS_FILE, arrays, weights_sha256)


def read_explanations(directory: str | Path) -> MeasuredExplanations:
    """Reads what `save_explanations` wrote, and checks that it belongs to the checkpoint in the same folder.

    Raises:
        EvaluationError: as `read_measured`.
    """
    remedy = f"Measure the checkpoint's heat maps: {COMMAND}"
    statistics, maps = read_measured(directory, EXPLANATIONS_FILE, EXPLANATION_MAPS_FILE, remedy)
    return MeasuredExplanations(_from_json(statistics), maps.pop("images"), maps)


def _to_json(value: Any) -> Any:
    """Replaces every `Estimate`, at any depth, by a dict of its three numbers."""
    if isinstance(value, Estimate):
        return asdict(value)
    return {key: _to_json(item) for key, item in value.items()} if isinstance(value, dict) else value


def _from_json(value: Any) -> Any:
    """The inverse of `_to_json`."""
    if not isinstance(value, dict):
        return value
    return Estimate(**value) if value.keys() == ESTIMATE_KEYS else {key: _from_json(v) for key, v in value.items()}
