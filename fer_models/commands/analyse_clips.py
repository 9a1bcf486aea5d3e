"""The part of `python -m fer_models analyse` that is about clips: a row for each face in each moment.

python -m fer_models analyse clip.mp4 --fps 5 --out timeline.csv
"""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from glob import glob, has_magic
from pathlib import Path

import torch
from tqdm import tqdm

from fer_models.analysis.row_file import RowFile
from fer_models.analysis.rows import MEAN
from fer_models.architectures import EmotionModel
from fer_models.video.analysis import analyse_clip, stretches_of, tracks_of
from fer_models.video.moment_log import MomentLog, without_pictures
from fer_models.video.reading import CLIP_SUFFIXES, Clip, ClipError, open_clip
from fer_models.video.table import columns, problem_row, rows, settings
from fer_models.video.timeline import AnsweredFace, Moment
from fer_models.video.tracking import FaceTracker

log = logging.getLogger(__name__)

# Moments per second if nothing is said.
DEFAULT_FPS = 5.0

# Progress in seconds of the clip.
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s [{elapsed}<{remaining}]"

# Pictures that may move. They are clips if moments per second are asked for.
MOVING_PICTURES = (".gif", ".apng")


def clips_among(paths: Iterable[str], fps: float | None) -> list[str]:
    """Those of the paths, with patterns as what they stand for, whose names are those of clips; each once.

    Args:
        paths: of anything.
        fps: as asked for; None if nothing was said.
    """
    found = [file for path in paths for file in (sorted(glob(path, recursive=True)) if has_magic(path) else [path])]
    return [
        file
        for file in dict.fromkeys(found)
        if (suffix := Path(file).suffix.lower()) in CLIP_SUFFIXES and not (fps is None and suffix in MOVING_PICTURES)
    ]


def analyse_clips(clips: Sequence[str], models: Sequence[EmotionModel], fps: float, out: Path | None) -> None:
    """Analyses clips one after the other, and writes their rows or, without a file for them, prints short lines.

    Raises:
        RowFileError: as `RowFile`.
        OSError: a clip is not there, or a file cannot be written.
    """
    if out is None:
        for clip in clips:
            _print(clip, models, fps)
        return
    run = settings(models, fps)
    with RowFile(out, columns(models), run, count="rows") as file:
        for clip in clips:
            if clip in file.done:
                log.info("%s has all of %s already.", out, clip)
                continue
            state = Path(clip).stat()
            about = {"clip": clip, "bytes": state.st_size, "changed": state.st_mtime_ns, "settings": run}
            with MomentLog(out.with_name(f"{out.name}.moments"), about) as moment_log:
                try:
                    with open_clip(clip) as opened:
                        for moment in _watch(clip, opened, models, fps, moment_log.moments, moment_log.tracker):
                            moment_log.append(moment)
                except ClipError as error:
                    log.info("%s: %s", clip, error)
                    file.write(problem_row(clip, models, run, str(error)))
                else:
                    for row in rows(clip, moment_log.moments, models, run):
                        file.write(row)
                moment_log.delete()
        file.finish()


def _watch(
    name: str,
    clip: Clip,
    models: Sequence[EmotionModel],
    fps: float,
    done: Sequence[Moment[AnsweredFace]],
    tracker: FaceTracker,
) -> Iterator[Moment[AnsweredFace]]:
    """The moments of a clip after those that are done, with a progress bar in seconds of the clip."""
    start = math.nextafter(done[-1].time, math.inf) if done else 0.0
    if done:
        log.info("%s goes on after %.1f seconds.", name, start)
    on_cpu = all(next(model.parameters()).device.type == "cpu" for model in models)
    at_once = min(len(models), torch.get_num_threads()) if on_cpu else 1
    threads = torch.get_num_threads()
    # The cores are better shared by models than by the threads of one network.
    torch.set_num_threads(max(1, threads // at_once))
    form = BAR if clip.duration else None
    bar = tqdm(total=clip.duration, initial=start, unit=" s", desc=Path(name).name, bar_format=form, dynamic_ncols=True)
    try:
        with bar, ThreadPoolExecutor(at_once) as pool:
            frames = clip.frames(fps, start)
            for moment in analyse_clip(frames, models, pool=pool if at_once > 1 else None, tracker=tracker):
                yield moment
                bar.update(moment.time - bar.n)
    finally:
        torch.set_num_threads(threads)
    if clip.problem:
        log.info("%s: %s", name, clip.problem)


def _print(name: str, models: Sequence[EmotionModel], fps: float) -> None:
    """Prints a line for each stretch of time in which a face has the same answer, that of all models together."""
    try:
        with open_clip(name) as clip:
            moments = [without_pictures(each) for each in _watch(name, clip, models, fps, [], FaceTracker())]
    except ClipError as error:
        print(f"{name}: {error}")
        return
    tracks = tracks_of(moments)
    for track in tracks:
        for stretch in stretches_of(track, MEAN, 1 / fps):
            print(f"{name}, face {track.number}, {stretch.start:.1f} to {stretch.end:.1f} s: {stretch.emotion}")
    if not tracks:
        there = "1 moment" if len(moments) == 1 else f"{len(moments)} moments"
        print(f"{name}: no face was found in {there}.")
