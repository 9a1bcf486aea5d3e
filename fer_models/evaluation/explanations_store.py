"""Measured explanations in weights/<name>/: explanations.json, and the maps that models are compared by beside it."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

from safetensors.numpy import save_file

from fer_models.evaluation.explanations import MeasuredExplanations
from fer_models.evaluation.results import read_measured

FIGURES_FILE = "explanations.json"
MAPS_FILE = "explanation_maps.safetensors"
COMMAND = "python -m fer_models.evaluation --explanations --data PATH"


def save_explanations(measured: MeasuredExplanations, directory: Path, weights_sha256: str) -> None:
    """Writes both files, marked with the checkpoint that they belong to.

    Args:
        measured: what `measure_explanations` returned.
        directory: the checkpoint's folder, usually weights/<name>.
        weights_sha256: of the weights that were measured, as it stood in config.json when they were loaded.
    """
    versions = {"python": platform.python_version()}
    versions |= {library: version(library) for library in ("torch", "grad-cam", "numpy", "scipy")}
    figures = {"weights_sha256": weights_sha256, "versions": versions} | measured.figures
    save_file(
        {"images": measured.images} | measured.maps,
        directory / MAPS_FILE,
        metadata={"weights_sha256": weights_sha256},
    )
    (directory / FIGURES_FILE).write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n")


def read_explanations(directory: str | Path) -> MeasuredExplanations:
    """Reads what `save_explanations` wrote, and makes sure that it is of the checkpoint that lies beside it.

    Raises:
        EvaluationError: as `read_measured`.
    """
    remedy = f"Measure the checkpoint's explanations: {COMMAND}"
    figures, maps = read_measured(Path(directory), FIGURES_FILE, MAPS_FILE, remedy)
    return MeasuredExplanations(figures, maps.pop("images"), maps)
