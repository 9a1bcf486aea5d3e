"""Writing clips that browsers play: H.264 in MP4, silent. Memory does not grow with the length of a clip."""

import io
from collections.abc import Callable
from fractions import Fraction
from os import PathLike
from typing import BinaryIO, Self

import numpy as np
from PIL import Image

from fer_models.video.reading import Clip, fitted, import_av

# Longest side in pixels of a clip as the page plays it.
PREVIEW_SIDE = 640

# x264's constant rate factor (18 hardly differs from the original, 28 is coarse), and how hard it tries to save bytes.
QUALITY, PRESET = 23, "veryfast"

# At most so many frames from one that is stored whole to the next, so that a browser shows any moment at once.
KEY_DISTANCE = 30

# Times are stored in these units, in seconds, as MPEG does.
TIME_BASE = Fraction(1, 90_000)

# How long the last frame is shown, in seconds.
LAST = Fraction(1, 25)

# No clip takes as many seconds, which the units above could not express.
LONGEST = 1e9

# Threads that encode.
THREADS = 2

# BT.709 in FFmpeg's numbers for matrix, primaries and transfer; "limited" levels, from 16 to 235.
BT709, LIMITED = 1, 1


class ClipWriter:
    """Encodes pictures one by one, at any times, into an MP4 file that plays while it loads. A context manager.

    Attributes:
        size: width and height in pixels, even numbers.
    """

    def __init__(
        self, target: str | PathLike[str] | BinaryIO, size: tuple[int, int], max_side: int | None = None
    ) -> None:
        """Starts the file.

        Args:
            target: a path, or an empty binary file that can be written, read and sought in; it stays open.
            size: width and height of the pictures in pixels. An odd side loses one: H.264 stores colours for blocks of
                2 x 2.
            max_side: reduces to this longest side.
        """
        av = import_av()
        width, height = size if max_side is None else fitted(size, max_side)
        self.size = (max(2, width - width % 2), max(2, height - height % 2))
        self._is_ours = isinstance(target, str | PathLike)
        self._file: BinaryIO = open(target, "w+b") if isinstance(target, str | PathLike) else target  # noqa: SIM115
        self._last = -1
        self._is_closed = False
        # At the end, FFmpeg moves the table of frames to the front, and asks for the file a second time to read it.
        file = self._file  # without the writer, which would then keep itself alive
        self._container = av.open(
            file, "w", "mp4", options={"movflags": "faststart"}, io_open=lambda *_: _SecondView(file)
        )
        options = {"crf": str(QUALITY), "preset": PRESET, "threads": str(THREADS)}
        self._stream = self._container.add_stream("libx264", rate=1 / LAST, options=options)
        codec = self._stream.codec_context
        codec.width, codec.height = self.size
        codec.pix_fmt, codec.time_base, codec.gop_size = "yuv420p", TIME_BASE, KEY_DISTANCE
        codec.max_b_frames = 0  # with them, the duration that is stored is too short where frame times vary
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        codec.color_range = LIMITED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def write(self, picture: Image.Image | np.ndarray, time: float) -> None:
        """Adds a picture, shown until the next one.

        Args:
            picture: a PIL image, or uint8 (height, width, 3); of another size, it is stretched.
            time: seconds from the start of the clip.

        Raises:
            ValueError: the time is negative, not later than that of the picture before, or LONGEST or more.
        """
        moment = round(time / TIME_BASE) if abs(time) < LONGEST else -1
        if moment <= self._last:
            raise ValueError(f"A picture at {time} s cannot follow one at {float(self._last * TIME_BASE)} s.")
        self._last = moment
        pixels = np.asarray(picture.convert("RGB")) if isinstance(picture, Image.Image) else picture
        frame = (
            import_av()
            .VideoFrame.from_ndarray(pixels)
            .reformat(*self.size, "yuv420p", dst_colorspace="ITU709", threads=1)
        )
        frame.pts, frame.time_base = moment, TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Ends the file. A file without pictures is empty."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._last >= 0:
                self._container.mux(self._stream.encode())
        finally:
            try:
                self._container.close()
            finally:
                if self._is_ours:
                    self._file.close()


class _SecondView(io.RawIOBase):
    """Reads a file that is being written, at a place of its own. Closing it leaves the file open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        place = self._file.tell()
        self._file.seek(self._place)
        content = self._file.read(size)
        self._place += len(content)
        self._file.seek(place)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = self._file.tell()
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence)
        self._place = self._file.seek(offset, whence) if start is None else start + offset
        self._file.seek(place)
        return self._place

    def tell(self) -> int:
        return self._place


def preview(clip: Clip, progress: Callable[[float, float | None], object] | None = None) -> bytes:
    """The whole clip as a small MP4 for a browser, at its own frame rate and at most PREVIEW_SIDE pixels long.

    `Clip.frames` with `copy` makes it in the same reading as the frames that are analysed.

    Args:
        clip: is read from its beginning.
        progress: called after each frame with the seconds that are done, and how many the clip has, if it says so. An
            error that it raises stops the work.
    """
    content = io.BytesIO()
    with ClipWriter(content, clip.size, PREVIEW_SIDE) as writer:
        for frame in clip.frames(max_side=PREVIEW_SIDE):
            writer.write(frame.picture, frame.time)
            if progress:
                progress(frame.time, clip.duration)
    return content.getvalue()
