"""Analysis: from pictures to rows, with the faces of several pictures in one batch."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch

from fer_models.analysis.crops import Crop
from fer_models.analysis.maps import explain_as_on_the_page, write_map
from fer_models.analysis.pictures import Picture
from fer_models.analysis.rows import (
    MEAN,
    VIEWS,
    Row,
    answer_cells,
    columns,
    face_cells,
    map_name,
    model_names,
    settings,
)
from fer_models.analysis.workers import CutPicture, cut_pictures
from fer_models.architectures import EmotionModel
from fer_models.explanations import METHODS
from fer_models.inference import to_probabilities
from fer_models.inference.logits import compute_logits

# Faces in a batch. On a CPU, larger ones are hardly faster, and their rows come later.
CPU_BATCH, GPU_BATCH = 16, 64


def analyse(
    pictures: Iterable[Picture],
    models: Sequence[EmotionModel],
    *,
    whole: bool = False,
    maps: str | Path | None = None,
    method: str = "gradcam",
    processes: int = 0,
) -> Generator[Row, None, None]:
    """Finds the faces of pictures and asks each model about them, as they are and mirrored.

    Memory does not grow with the number of pictures: they are read a few ahead, and rows are yielded batch by batch.

    Args:
        pictures: see `open_pictures`.
        models: one or more, each with another `checkpoint`; they run on their own devices, in this thread.
        whole: whether each picture is one face as it is, as in data sets. Otherwise faces are found as on the page.
        maps: an existing folder for each face's and model's heat map, laid over the face as PNG; None for none. It is
            the map of the flip-averaged answer at the last layer with a grid, as on the page.
        method: of the maps, a key of METHODS.
        processes: how many other processes decode pictures and find faces (threads if `whole`); 0 for one thread. As
            always with processes, a script that asks for some must begin under `if __name__ == "__main__":`.

    Yields:
        One row for each face, and one for each picture without a face or that cannot be read, in the order of the
        pictures; the keys are those of `columns(models)`, see `fer_models.analysis.rows`.

    Raises:
        ValueError: there is no model, two have the same name, or the method is unknown.
        OSError: a map cannot be written.
    """
    names = model_names(models)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"Give one or more models with different names, not {names}.")
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}. Choose one of: {', '.join(METHODS)}.")
    folder = None if maps is None else Path(maps)
    return _rows(pictures, models, whole, folder, method, processes)


def _rows(
    pictures: Iterable[Picture],
    models: Sequence[EmotionModel],
    whole: bool,
    folder: Path | None,
    method: str,
    processes: int,
) -> Generator[Row, None, None]:
    on_cpu = all(next(model.parameters()).device.type == "cpu" for model in models)
    batch_size = CPU_BATCH if on_cpu else GPU_BATCH
    names, run = list(columns(models)), settings(models, whole, method if folder else None)
    drawn, ahead = folder is not None, batch_size + 2 * processes
    with closing(cut_pictures(pictures, whole, drawn, processes, ahead)) as cut_ones:
        for batch in _batches(cut_ones, batch_size):
            crops = [crop for picture in batch for crop in picture.crops]
            maps = [map_name(picture.file, n) for picture in batch for n, _ in enumerate(picture.crops, start=1)]
            answers = [_ask(model, crops, maps, folder, method) for model in models] if crops else []
            faces = zip(maps, *answers, strict=True)
            for picture in batch:
                row: Row = dict.fromkeys(names) | {"file": picture.file, "faces": len(picture.crops), "settings": run}
                if picture.problem:
                    yield row | {"status": "unreadable", "reason": " ".join(picture.problem.split())}
                elif not picture.crops:
                    yield row | {"status": "no face", "reason": "No face was found in this picture."}
                for number, crop in enumerate(picture.crops, start=1):
                    name, *answers = next(faces)
                    everybody = (*answers, np.mean(answers, axis=0))
                    row |= face_cells(number, crop.box, crop.face)
                    row |= answer_cells((*model_names(models), MEAN), everybody, VIEWS)
                    yield row | {"map": name if folder else None}


def _batches(pictures: Iterable[CutPicture], batch_size: int) -> Iterator[list[CutPicture]]:
    """Pictures with at least `batch_size` faces together, or many with fewer, so that no row waits for ever."""
    batch: list[CutPicture] = []
    for picture in pictures:
        batch.append(picture)
        if sum(len(picture.crops) for picture in batch) >= batch_size or len(batch) >= 4 * batch_size:
            yield batch
            batch = []
    yield batch


def _ask(model: EmotionModel, crops: list[Crop], maps: list[str], folder: Path | None, method: str) -> np.ndarray:
    """A model's probabilities for N faces, float32 (N, 2, 7), see `VIEWS`; with a folder, also writes their maps."""
    pixels = np.stack([crop.pixels for crop in crops])
    if folder is None:
        images = torch.from_numpy(pixels)
        logits = np.stack([compute_logits(model, images, flip=flip) for flip in (False, True)])
        mirrored = to_probabilities(logits, model.mirrored_temperature).mean(axis=0)
        return np.stack([to_probabilities(logits[0], model.temperature), mirrored], axis=1)
    explanations = explain_as_on_the_page(model, pixels, method)
    for name, crop, explanation in zip(maps, crops, explanations, strict=True):
        write_map(folder / f"{name}-{model_names([model])[0]}.png", crop, explanation)
    as_it_is = to_probabilities(np.stack([explanation.logits for explanation in explanations]), model.temperature)
    return np.stack([as_it_is, [explanation.probabilities for explanation in explanations]], axis=1)
