"""Reading anybody's clips frame by frame with PyAV (FFmpeg in a wheel): pictures with their times, or one sentence that
says why not. Memory does not grow with the length of a clip.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import floor
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
from PIL import Image, ImageOps

from fer_models.data.images import opaque
from fer_models.data.pictures import MAX_PIXELS
from fer_models.video.sampling import ROUNDING, interval_of, sampler
from fer_models.video.timeline import Frame

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from fer_models.video.writing import ClipWriter

# Containers that hold their pictures themselves, by FFmpeg's names. Playlists and the like (HLS, DASH, concat, SDP,
# image sequences) name other files and addresses, and nothing that a stranger's file names may be opened.
FORMATS = ("mov", "matroska", "avi", "gif", "apng", "mpegts", "mpeg", "flv", "asf", "ogg")

# How files of these formats are named, in lower case.
CLIP_SUFFIXES: tuple[str, ...] = (
    ".mp4",
    ".m4v",
    ".mov",
    ".3gp",
    ".webm",
    ".mkv",
    ".avi",
    ".gif",
    ".apng",
    ".ts",
    ".mts",
    ".m2ts",
    ".mpg",
    ".mpeg",
    ".flv",
    ".wmv",
    ".asf",
    ".ogv",
)

# Those of them whose index tells when each key frame is shown, so that reading can begin in the middle.
INDEXED = ("mov", "matroska")

# Longest side of the pictures in pixels. The detector searches them at this side at most (SEARCH_SIDES); tiles of an 8K
# frame would take it seconds.
MAX_SIDE = 1280

# FFmpeg counts the time of a container in these.
MICROSECONDS = 1_000_000

# Threads that decode. More of them hold more frames in memory and take cores from others.
THREADS = 2

# Frames per second of a clip that tells neither its frames' times nor its rate.
DEFAULT_RATE = 25

# How much must be missing at the end of a clip to be worth a word, in seconds.
MISSING = 1

# What a display matrix (a, b, c, d) asks for, which shows the pixel at (x, y) at (a x + c y, b x + d y). Pillow rotates
# counter-clockwise.
TURNS: dict[tuple[int, int, int, int], Image.Transpose | None] = {
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
SIDEWAYS = [turn for (a, *_), turn in TURNS.items() if a == 0]  # width and height change places

NOT_A_CLIP = (
    "This is not a clip that can be read, or it is damaged; please use an MP4, MOV, WebM, MKV, AVI or GIF file."
)
DAMAGED = "The clip is damaged: what cannot be read of it is left out."


class ClipError(ValueError):
    """A clip that cannot be used; the message is one sentence for whoever chose it, without the file's name.

    `kind` is for programs.
    """

    kind = "unreadable_clip"


class LargeFramesError(ClipError):
    """A clip whose frames have too many pixels."""

    kind = "too_large"


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A frame as FFmpeg decodes it, with its time in seconds from the first one."""

    time: float
    frame: "VideoFrame"


class Clip:
    """An open clip, see `open_clip`. A context manager.

    Attributes:
        size: width and height in pixels of its pictures, as they are to be shown, at most MAX_SIDE.
        duration: seconds, as the file tells, rightly or wrongly; None if it does not.
        problem: a sentence about what the last reading could not read; None if it has read everything so far.
    """

    def __init__(self, file: BinaryIO, is_ours: bool) -> None:
        """See `open_clip`. `is_ours`: whether `close` closes the file."""
        self._file, self._is_ours = file, is_ours
        self._first_stamp: Fraction | None = None  # of the first frame, in seconds as the file counts them
        self.problem: str | None = None
        with self._opened() as (container, stream):
            self.duration = _duration(container, stream)
            self._pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
            first = next(self._decoded(container, stream), None)
            if first is None:
                raise ClipError("No picture of the clip can be read: it is damaged or incomplete.")
            self._shape = _shape(first.frame, self._pixel_aspect)
        self.size = fitted(self._shape, MAX_SIDE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file that `open_clip` opened."""
        if self._is_ours:
            self._file.close()

    def frames(
        self,
        fps: float | None = None,
        start: float = 0.0,
        max_side: int = MAX_SIDE,
        copy: "ClipWriter | None" = None,
    ) -> Iterator[Frame]:
        """Reads the clip once more; only one reading at a time.

        Times count from the first frame on and increase. A frame that has none follows the one before by one over the
        frame rate; so does one where the clip's clock jumps back, which goes on from there. A frame at the same time as
        the one before is left out, and so is what is damaged. The clip ends where its container cannot be read any
        further. `problem` tells of both.

        Args:
            fps: how many frames per second: the first one in each interval of 1 / fps seconds. None reads all.
            start: leaves out the frames before, in seconds. MP4, MOV, MKV and WebM are read from the key frame before
                it on, others from their beginning.
            max_side: reduces to this longest side, in pixels.
            copy: gets every frame from `start` on, at its size, so that a clip is decoded once for both.

        Yields:
            pictures of one size. A frame of another shape (a phone that was turned while it recorded) is framed in
            black.
        """
        is_wanted = sampler(fps)
        # Which frame is the first one of its interval only shows when the interval is read from its beginning on.
        beginning = start if fps is None else interval_of(start, fps) / fps - ROUNDING
        for decoded in self._decoded_from(beginning):
            is_sampled = is_wanted(decoded.time)
            if decoded.time < start:
                continue
            if copy:
                copy.write(self._picture(decoded.frame, max(copy.size)), decoded.time)
            if is_sampled:
                yield Frame(decoded.time, self._picture(decoded.frame, max_side))

    def _decoded_from(self, start: float) -> Iterator[_Decoded]:
        """The frames at or after a time in seconds."""
        with self._opened() as (container, stream):
            if start > 0 and container.format.name.partition(",")[0] in INDEXED:
                container.seek(floor(((self._first_stamp or 0) + Fraction(start)) * MICROSECONDS))
                decoded = self._decoded(container, stream)
                first = next(decoded, None)
                if first and first.time <= start and first.frame.key_frame:
                    yield from (later for later in chain([first], decoded) if later.time >= start)
                    return
        with self._opened() as (container, stream):
            yield from (decoded for decoded in self._decoded(container, stream) if decoded.time >= start)

    @contextmanager
    def _opened(self) -> Iterator[tuple["InputContainer", "VideoStream"]]:
        """The clip from its beginning: the container and the pictures in it."""
        av = import_av()
        if self._file.seek(0, io.SEEK_END) == 0:
            raise ClipError("The file is empty; please choose another clip.")
        self._file.seek(0)
        options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none", "max_pixels": str(MAX_PIXELS)}
        try:
            container = av.open(self._file, "r", options=options, metadata_errors="replace", io_open=_refuse)
        except av.FFmpegError as error:
            raise ClipError(NOT_A_CLIP) from error
        with container:
            yield container, _stream(container)

    def _decoded(self, container: "InputContainer", stream: "VideoStream") -> Iterator[_Decoded]:
        """The frames from where the container stands, with times as `frames` describes them."""
        self.problem = None
        step = 1 / Fraction(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)
        time: Fraction | None = None
        shift = Fraction(0)  # what is added to the clip's clock since it jumped back
        for frame in self._intact(container, stream):
            # Some files tell only when a frame is to be decoded.
            stamp = _seconds(frame.pts if frame.pts is not None else frame.dts, stream)
            if self._first_stamp is None:
                self._first_stamp = stamp or Fraction(0)
            read = None if stamp is None else stamp - self._first_stamp + shift
            if time is None:
                time = read or Fraction(0)
            elif read is None:
                time += step
            elif read > time:
                time = read
            elif read == time:
                continue
            else:
                time += step
                shift += time - read
            yield _Decoded(float(time), frame)
            end = time + max(step, _seconds(frame.duration, stream) or step)
        length = _seconds(stream.duration, stream)
        if length is None and container.duration is not None and not container.streams.audio:
            length = Fraction(container.duration, MICROSECONDS)  # sound may go on for longer
        if time is not None and length is not None and length - end > MISSING:
            self.problem = f"The clip ends after {float(end):.1f} of {float(length):.1f} seconds: the rest is missing."

    def _intact(self, container: "InputContainer", stream: "VideoStream") -> Iterator["VideoFrame"]:
        """The frames that can be decoded whole."""
        av = import_av()
        packets = container.demux(stream)
        while True:
            frames: list[VideoFrame] = []
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except av.FFmpegError:
                self.problem = DAMAGED
            for frame in frames:
                if frame.is_corrupt:
                    self.problem = DAMAGED
                else:
                    yield frame

    def _picture(self, frame: "VideoFrame", max_side: int) -> Image.Image:
        """The frame as it is to be shown: reduced, with square pixels, turned, on grey where it is transparent."""
        upright, size = fitted(_shape(frame, self._pixel_aspect), max_side), fitted(self._shape, max_side)
        turn = _turn(frame)
        width, height = upright[::-1] if turn in SIDEWAYS else upright
        has_alpha = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
        pixels = frame.reformat(width, height, "rgba" if has_alpha else "rgb24", threads=1).to_ndarray()
        picture = opaque(Image.fromarray(pixels))
        if turn is not None:
            picture = picture.transpose(turn)
        return picture if upright == size else ImageOps.pad(picture, size)


def open_clip(source: str | PathLike[str] | bytes | BinaryIO) -> Clip:
    """Opens a clip: MP4, MOV, WebM, MKV, AVI, GIF, MPEG, FLV, WMV or Ogg, in any codec that FFmpeg decodes.

    Nothing but the file is opened, whatever it names. Its first picture is decoded.

    Args:
        source: a path, the content of a file, or a binary file that can be sought in, which stays open.

    Raises:
        ClipError: the file is empty, not a clip, damaged or without pictures, its codec is not known, its frames have
            more than `MAX_PIXELS` pixels, or the package PyAV is missing.
        OSError: the path cannot be opened.
    """
    if isinstance(source, bytes):
        return Clip(io.BytesIO(source), is_ours=True)
    if not isinstance(source, str | PathLike):
        return Clip(source, is_ours=False)
    file = open(source, "rb")  # noqa: SIM115  the clip closes it
    try:
        return Clip(file, is_ours=True)
    except BaseException:
        file.close()
        raise


def fitted(shape: tuple[float | Fraction, float | Fraction], max_side: int) -> tuple[int, int]:
    """Width and height in whole pixels, reduced so that the longer one is at most `max_side`."""
    scale = min(1, max_side / max(shape))
    width, height = (max(1, round(side * scale)) for side in shape)
    return width, height


def import_av() -> ModuleType:
    """PyAV, which only clips need.

    Raises:
        ClipError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ClipError("Reading clips needs PyAV: pip install 'fer-lens[video]'.") from error
    return av


def _refuse(address: str, *_: object) -> None:
    """Called when a container names another file."""
    raise PermissionError(f"A clip must not open another file: {address}")


def _stream(container: "InputContainer") -> "VideoStream":
    """The pictures of a clip, ready to be decoded."""
    cover = import_av().stream.Disposition.attached_pic  # an album's picture counts as video, too
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise ClipError("The file holds sound but no pictures." if container.streams.audio else NOT_A_CLIP)
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    codec = stream.codec_context
    if codec is None:
        raise ClipError("The clip is stored with a codec that is not known here; please convert it to MP4 (H.264).")
    if codec.width * codec.height > MAX_PIXELS:
        raise LargeFramesError(
            f"The clip's frames have more than {MAX_PIXELS // 1_000_000} million pixels; please make it smaller first."
        )
    codec.options = {"max_pixels": str(MAX_PIXELS)}  # frames may turn out larger than the container says
    codec.thread_type, codec.thread_count = "AUTO", THREADS
    return stream


def _duration(container: "InputContainer", stream: "VideoStream") -> float | None:
    """The seconds of the pictures, else of the whole file, as it tells."""
    if (seconds := _seconds(stream.duration, stream)) is not None:
        return float(seconds)
    return None if container.duration is None else container.duration / MICROSECONDS


def _seconds(units: int | None, stream: "VideoStream") -> Fraction | None:
    """A time or a duration in the units of a stream, in seconds."""
    return None if units is None or stream.time_base is None else units * stream.time_base


def _shape(frame: "VideoFrame", pixel_aspect: Fraction) -> tuple[Fraction, Fraction]:
    """Width and height of the frame as it is to be shown, not reduced, in square pixels.

    Args:
        frame: as it is decoded.
        pixel_aspect: width over height of its pixels.
    """
    width, height = frame.width * max(pixel_aspect, Fraction(1)), frame.height / min(pixel_aspect, Fraction(1))
    return (height, width) if _turn(frame) in SIDEWAYS else (width, height)


def _turn(frame: "VideoFrame") -> Image.Transpose | None:
    """What the frame's display matrix asks for, to the nearest quarter turn."""
    matrix: Any = frame.side_data.get(import_av().sidedata.sidedata.Type.DISPLAYMATRIX)
    if matrix is None:
        return None
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    return TURNS[max(TURNS, key=lambda axes: float(np.dot(axes, (a, b, c, d))))]
