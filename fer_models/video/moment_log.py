"""A clip's moments in a file, one line each, so that an analysis that was killed goes on where it was.

A line holds what the tracker saw and what the models answered. Seeing it again brings the tracker to the same state, so
a run that was interrupted follows the same people as one that was not.
"""

import json
from collections import deque
from pathlib import Path
from typing import Any, Self

import numpy as np

from fer_models.video.timeline import AnsweredFace, Frame, Moment
from fer_models.video.tracking import FaceTracker, Observation


class _Recorder(FaceTracker):
    """A tracker that remembers what it saw until it is in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: deque[Observation] = deque()

    def observe(self, frame: Frame) -> Observation:
        self.seen.append(super().observe(frame))
        return self.seen[-1]


class MomentLog:
    """The moments of a clip so far.

    Attributes:
        moments: those in the file, also from earlier runs.
        tracker: has followed them, and is to follow the next ones.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        """Opens or creates the file, and cuts off what follows the last whole line before a damaged one.

        Args:
            path: of the file.
            about: what its moments depend on, as JSON takes it. A file about anything else is started anew.
        """
        self.moments: list[Moment[AnsweredFace]] = []
        self.tracker = _Recorder()
        self._path = path
        self._handle = path.open("a+b")
        self._handle.seek(0)
        end = 0
        for number, line in enumerate(self._handle):
            if not line.endswith(b"\n") or (number == 0 and line != _line(about)):
                break
            try:
                values = json.loads(line)
            except ValueError:  # the disk was full, or the power failed
                break
            if number:
                self._read(values)
            end += len(line)
        self._handle.truncate(end)
        if end == 0:
            self._write(about)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._handle.close()

    def append(self, moment: Moment[AnsweredFace]) -> None:
        """Appends the next moment of `tracker`. It is in the file when this returns, also if the process is killed."""
        answers = {
            face.number: {name: values.tolist() for name, values in face.probabilities.items()} for face in moment.faces
        }
        self._write({"observation": self.tracker.seen.popleft().to_json(), "answers": answers})
        self.moments.append(without_pictures(moment))

    def delete(self) -> None:
        """Deletes the file, when its moments are elsewhere."""
        self._handle.close()
        self._path.unlink()

    def _read(self, line: dict[str, Any]) -> None:
        observation = Observation.from_json(line["observation"])
        faces = [
            AnsweredFace(
                tracked.number,
                tracked.face,
                {name: np.array(values, np.float32) for name, values in line["answers"][str(tracked.number)].items()},
            )
            for tracked in self.tracker.associate(observation)
        ]
        self.moments.append(Moment(observation.time, observation.is_cut, faces))

    def _write(self, line: dict[str, Any]) -> None:
        self._handle.write(_line(line))
        self._handle.flush()


def _line(values: dict[str, Any]) -> bytes:
    return (json.dumps(values) + "\n").encode()


def without_pictures(moment: Moment[AnsweredFace]) -> Moment[AnsweredFace]:
    """The moment without the pictures and maps of its faces, which would fill the memory."""
    faces = [AnsweredFace(face.number, face.face, face.probabilities) for face in moment.faces]
    return Moment(moment.time, moment.is_cut, faces)
