"""Clips that visitors have added, as far as play and downloads need them: in memory, bounded, and not for long.

A clip is found by its token alone, which nobody can guess: the page that started its analysis is told it.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from fer_models import EmotionModel
from fer_models.video.steadiness import Steadiness
from fer_models.video.timeline import FaceMoment, Moment

# All clips together: the one that was used least recently goes when there are more, and each when it was not used for
# so many seconds.
MOST_CLIPS, MOST_BYTES, LIFETIME = 8, 400 * 2**20, 600


@dataclass(eq=False)
class StoredClip:
    """A clip, which grows while it is analysed.

    Attributes:
        session: of the visitor whose clip it is; None for the example when it is done, which belongs to everybody.
        models: that are asked, by name.
        size: width and height in pixels, to which all positions refer.
        duration: in seconds.
        per_second: how many frames are looked at per second.
        preview: a small, silent H.264 file.
        moments: what is known so far.
        steadiness: of the heat maps of each face, by its number and by model; once all is known.
        is_done: whether nothing more will come.
        was_stopped: whether that is before its end.
        token: names the clip in addresses.
    """

    session: str | None
    models: Mapping[str, EmotionModel]
    size: tuple[int, int]
    duration: float
    per_second: float
    preview: bytes
    moments: list[Moment[FaceMoment]] = field(default_factory=list)
    steadiness: dict[int, dict[str, Steadiness]] = field(default_factory=dict)
    is_done: bool = False
    was_stopped: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    bytes_used: int = 0
    last_used: float = 0.0

    def __post_init__(self) -> None:
        self.bytes_used = len(self.preview)

    def add(self, moment: Moment[FaceMoment]) -> None:
        """Appends what is known of the next frame."""
        self.moments.append(moment)
        for face in moment.faces:
            maps = (*face.heatmaps.values(), *face.attention.values())
            pixels = face.pixels.size + face.picture.width * face.picture.height
            self.bytes_used += pixels + sum(values.nbytes for values in maps)


class ClipStore:
    """All clips of all visitors, for all threads.

    Args:
        clock: seconds that only grow.
    """

    def __init__(
        self,
        most_clips: int = MOST_CLIPS,
        most_bytes: int = MOST_BYTES,
        lifetime: float = LIFETIME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = most_clips, most_bytes, lifetime
        self._clock = clock
        self._clips: dict[str, StoredClip] = {}  # the least recently used first
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, clip: StoredClip) -> None:
        """Keeps a clip, and forgets those for which there is no more room."""
        with self._lock:
            self._clips[clip.token] = clip
        self.get(clip.token)
        self.make_room()

    def get(self, token: str) -> StoredClip | None:
        """The clip with this token, which counts as a use; None if it is not kept any more."""
        with self._lock:
            clip = self._clips.pop(token, None)
            if clip is not None:
                clip.last_used = self._clock()
                self._clips[token] = clip
            return clip

    def example(self, models: tuple[str, ...]) -> StoredClip | None:
        """The example as the models with these names see it, if it has been analysed before."""
        with self._lock:
            found = [clip for clip in self._clips.values() if clip.session is None and tuple(clip.models) == models]
        return self.get(found[0].token) if found else None

    def forget(self, token: str) -> None:
        """Drops a clip, if it is there."""
        with self._lock:
            self._clips.pop(token, None)

    def forget_visit(self, session: str | None) -> None:
        """Drops a visitor's clips."""
        with self._lock:
            for token in [token for token, clip in self._clips.items() if session and clip.session == session]:
                del self._clips[token]

    def make_room(self) -> None:
        """Drops what is past its lifetime, and then the least recently used clips but one, as far as limits ask."""
        most_clips, most_bytes, lifetime = self._limits
        with self._lock:
            for token, clip in list(self._clips.items()):
                if clip.session is not None and self._clock() - clip.last_used > lifetime:
                    del self._clips[token]
            while len(self._clips) > most_clips or (
                len(self._clips) > 1 and sum(clip.bytes_used for clip in self._clips.values()) > most_bytes
            ):
                del self._clips[next(iter(self._clips))]


# The page's.
CLIPS = ClipStore()
