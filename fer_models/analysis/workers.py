"""Workers: threads or processes that decode pictures and find their faces, while the models run in this thread."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection

import cv2

from fer_models.analysis.crops import Crop, cut_faces
from fer_models.analysis.pictures import Picture
from fer_models.data.pictures import PictureError
from fer_models.data.source import DataError


@dataclass(frozen=True, eq=False)
class CutPicture:
    """A picture and its faces; `problem` is a sentence on why it cannot be read, or empty."""

    file: str
    crops: list[Crop] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True, eq=False)
class _Job:
    """A picture at work; the arguments of `cut_faces` are kept to try again if a process dies."""

    file: str
    arguments: tuple[bytes, bool, bool]
    future: Future[list[Crop]]


def cut_pictures(
    pictures: Iterable[Picture], whole: bool, drawn: bool, processes: int, ahead: int
) -> Generator[CutPicture, None, None]:
    """Reads pictures in this thread, and decodes them and finds their faces in others. Keeps their order.

    Args:
        pictures: at most `ahead` of them are read before the results of the first are asked for: memory is bounded.
        whole, drawn: as in `cut_faces`.
        processes: how many workers; 0 for one thread of this process. They are threads for whole pictures, because
            several threads can decode at the same time, and processes for finding faces, which they cannot.
        ahead: how many pictures are at work at the same time.
    """
    start: Callable[[], AbstractContextManager[Executor]] = partial(_processes, processes)
    if whole or processes == 0:
        start = partial(ThreadPoolExecutor, max(1, processes))
    with _Workers(start) as workers, _Workers(partial(_processes, 1)) as alone:
        waiting: deque[_Job | CutPicture] = deque()
        for picture in pictures:
            try:
                job = (picture.read(), whole, drawn)
            except Exception as error:  # whatever reading a file runs into
                waiting.append(CutPicture(picture.file, problem=_sentence(error)))
            else:
                waiting.append(_Job(picture.file, job, workers.submit(job)))
            if len(waiting) > ahead:
                yield _result(waiting.popleft(), alone)
        while waiting:
            yield _result(waiting.popleft(), alone)


class _Workers(ExitStack):
    """An executor, which starts with the first job, and another one whenever one of its processes has died."""

    def __init__(self, start: Callable[[], AbstractContextManager[Executor]]) -> None:
        super().__init__()
        self._start = start
        self._pool = self.enter_context(start())

    def submit(self, job: tuple[bytes, bool, bool]) -> Future[list[Crop]]:
        """Cuts out the faces of a picture: the arguments of `cut_faces`."""
        try:
            return self._pool.submit(cut_faces, *job)
        except BrokenProcessPool:
            self._pool = self.enter_context(self._start())
            return self._pool.submit(cut_faces, *job)


def _result(job: _Job | CutPicture, alone: _Workers) -> CutPicture:
    if isinstance(job, CutPicture):
        return job
    try:
        try:
            return CutPicture(job.file, job.future.result())
        except BrokenProcessPool:  # this picture ended its process, or one beside it did
            return CutPicture(job.file, alone.submit(job.arguments).result())
    except BrokenProcessPool:
        problem = "The process that read this picture was ended, perhaps because memory was short."
        return CutPicture(job.file, problem=problem)
    except Exception as error:  # whatever decoding and searching run into
        return CutPicture(job.file, problem=_sentence(error))


def _sentence(error: Exception) -> str:
    if isinstance(error, PictureError | DataError):
        return str(error)
    return f"The picture cannot be read ({type(error).__name__}: {error})."


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Processes that end at once with the `with` block, and with this process, however it ends."""
    theirs, ours = multiprocessing.Pipe(duplex=False)
    # "spawn": a fork of a process in which PyTorch runs can hang.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _start_worker, (theirs,))
    try:
        yield pool
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _start_worker(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one stops the others
    cv2.setNumThreads(1)  # one core for each worker
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()


def _end_with(connection: Connection) -> None:
    try:
        connection.recv_bytes()  # nothing comes, until the other end is closed
    except (OSError, EOFError):
        os._exit(1)
