"""Clips of any kind are read frame by frame, upright and in time, or refused in one sentence."""

import io
import re
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from PIL import Image

from demo.examples.make_clip import CLIP, SIZE, shots
from fer_models.faces import find_faces
from fer_models.video import reading
from fer_models.video.reading import MAX_SIDE, Clip, ClipError, LargeFramesError, open_clip
from fer_models.video.sampling import sampler
from fer_models.video.writing import PREVIEW_SIDE, ClipWriter, preview

RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 160, 30), (30, 30, 200), (200, 200, 40)

# The corners of `quadrants`, row by row, and as display matrices show them: (a, b, c, d), see `reading.TURNS`.
UPRIGHT = (RED, GREEN, BLUE, YELLOW)
TURNED = {
    (1, 0, 0, 1): UPRIGHT,
    (0, 1, -1, 0): (BLUE, RED, YELLOW, GREEN),  # clockwise
    (-1, 0, 0, -1): (YELLOW, BLUE, GREEN, RED),
    (0, -1, 1, 0): (GREEN, YELLOW, RED, BLUE),
    (-1, 0, 0, 1): (GREEN, RED, YELLOW, BLUE),
    (1, 0, 0, -1): (BLUE, YELLOW, RED, GREEN),
    (0, 1, 1, 0): (RED, BLUE, GREEN, YELLOW),
    (0, -1, -1, 0): (YELLOW, GREEN, BLUE, RED),
}


def quadrants(width: int = 96, height: int = 64) -> np.ndarray:
    pixels = np.empty((height, width, 3), np.uint8)
    for number, colour in enumerate(UPRIGHT):
        rows = slice(height // 2) if number < 2 else slice(height // 2, None)
        pixels[rows, slice(width // 2) if number % 2 == 0 else slice(width // 2, None)] = colour
    return pixels


def numbered(number: int) -> np.ndarray:
    """A grey frame that tells its number."""
    return np.full((32, 48, 3), 8 * number, np.uint8)


def number_of(picture: Image.Image) -> int:
    return round(float(np.mean(picture)) / 8)


def made(
    frames: Sequence[np.ndarray],
    times: Sequence[float] | None = None,
    container: str = "mp4",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int = 10,
    matrix: tuple[int, int, int, int] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """The content of a clip."""
    file = io.BytesIO()
    with av.open(file, "w", container) as output:
        stream = output.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if matrix:
            a, b, c, d = (65536 * value for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame).reformat(format=pixels)
            picture.pts = number if times is None else round(1000 * times[number])
            picture.time_base = Fraction(1, fps) if times is None else Fraction(1, 1000)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return file.getvalue()


def corners(picture: Image.Image) -> np.ndarray:
    """The colours a quarter of the way from the corners, row by row."""
    width, height = picture.size
    places = [(x, y) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return np.array([picture.getpixel(place) for place in places])


def times_and_numbers(clip: Clip, *args: float, **options: float) -> list[tuple[float, int]]:
    return [(round(frame.time, 3), number_of(frame.picture)) for frame in clip.frames(*args, **options)]


# ---- What is shown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mov", "libx264", "yuv444p"),
        ("mp4", "libx265", "yuv420p10le"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("webm", "libvpx", "yuv420p"),
        ("matroska", "ffv1", "bgr0"),
        ("avi", "mjpeg", "yuvj420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("mpegts", "mpeg2video", "yuv420p"),
        ("flv", "flv", "yuv420p"),
        ("asf", "wmv2", "yuv420p"),
        ("mov", "prores_ks", "yuv422p10le"),
        ("mov", "png", "rgba"),
        ("gif", "gif", "rgb8"),
        ("apng", "apng", "rgb24"),
    ],
)
def test_containers_and_codecs(container: str, codec: str, pixels: str) -> None:
    fps = 25 if codec == "mpeg2video" else 10
    content = made([quadrants()] * 5, container=container, codec=codec, pixels=pixels, fps=fps)
    with open_clip(content) as clip:
        frames = list(clip.frames())
        assert clip.size == (96, 64) and clip.problem is None
    assert [frame.time for frame in frames] == pytest.approx([number / fps for number in range(5)], abs=0.002)
    for frame in frames:
        assert frame.picture.mode == "RGB" and frame.picture.size == (96, 64)
        assert np.abs(corners(frame.picture) - UPRIGHT).max() < 45  # of few colours, or coded coarsely


@pytest.mark.parametrize("matrix", TURNED)
def test_phones_and_mirrors(matrix: tuple[int, int, int, int]) -> None:
    with open_clip(made([quadrants()], container="mov", matrix=matrix)) as clip:
        (frame,) = clip.frames()
        assert clip.size == frame.picture.size == ((96, 64) if matrix[0] else (64, 96))
    assert np.abs(corners(frame.picture) - TURNED[matrix]).max() < 12


def test_turns_are_those_that_ffmpeg_means() -> None:
    """FFmpeg's rotation counts counter-clockwise, as Pillow's does."""
    with av.open(io.BytesIO(made([quadrants()], matrix=(0, 1, -1, 0)))) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == -90 and Type.DISPLAYMATRIX in frame.side_data


def test_pixels_that_are_not_square() -> None:
    with open_clip(made([quadrants()], aspect=Fraction(4, 3))) as clip:
        assert clip.size == (128, 64)
    with open_clip(made([quadrants()], aspect=Fraction(1, 2))) as clip:
        assert clip.size == (96, 128)
    with open_clip(made([quadrants()], aspect=Fraction(4, 3), matrix=(0, 1, -1, 0))) as clip:
        assert clip.size == (64, 128)


def test_odd_sizes() -> None:
    with open_clip(made([quadrants(97, 65)], pixels="yuv444p")) as clip:
        (frame,) = clip.frames()
        assert clip.size == frame.picture.size == (97, 65)


def test_transparent_pixels_lie_on_grey() -> None:
    frame = np.dstack([quadrants(), np.repeat([0, 255], 48).astype(np.uint8)[None].repeat(64, 0)])
    file = io.BytesIO()
    with av.open(file, "w", "mov") as output:
        stream = output.add_stream("png", rate=10, width=96, height=64, pix_fmt="rgba")
        output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgba")))
        output.mux(stream.encode())
    with open_clip(file.getvalue()) as clip:
        (shown,) = clip.frames()
    assert corners(shown.picture).tolist() == [[128] * 3, list(GREEN), [128] * 3, list(YELLOW)]


def test_large_frames_are_reduced() -> None:
    frame = np.asarray(Image.fromarray(quadrants()).resize((7680, 4320), Image.Resampling.NEAREST))
    with open_clip(made([frame], codec="mjpeg", pixels="yuvj420p", container="mov")) as clip:
        (shown,) = clip.frames()
        assert clip.size == shown.picture.size == (MAX_SIDE, 720)
        assert np.abs(corners(shown.picture) - UPRIGHT).max() < 12
        (small,) = clip.frames(max_side=64)
        assert small.picture.size == (64, 36)


def test_frames_of_another_shape_are_framed() -> None:
    """As when a phone is turned while a browser records."""
    wide, high = (
        made([quadrants(*size)] * 10, container="mpegts", codec="mpeg2video", fps=25) for size in ((96, 64), (64, 96))
    )
    with open_clip(wide + high) as clip:
        first, *later = clip.frames()
    assert {frame.picture.size for frame in later} == {(96, 64)} == {first.picture.size}
    last = np.asarray(later[-1].picture)
    assert last[:, :20].max() < 5 and last[:, -20:].max() < 5 and last[:, 30:-30].mean() > 60


# ---- When it is shown -----------------------------------------------------------------------------------------------


def test_the_first_frame_of_each_interval() -> None:
    is_first = sampler(10)
    times = [0, 0.033, 0.067, 0.0995, 0.133, 0.167, 0.45, 0.46, 0.52]
    assert [time for time in times if is_first(time)] == [0, 0.0995, 0.45, 0.52]
    assert all(map(sampler(None), times))
    with pytest.raises(ValueError, match="greater than 0"):
        sampler(0)


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_rate_that_is_the_clips_own_takes_every_frame(container: str) -> None:
    """WebM's times are rounded to milliseconds: 0.033, 0.067 and so on."""
    codec = "libx264" if container == "mp4" else "libvpx"
    with open_clip(made([numbered(number) for number in range(30)], container=container, codec=codec, fps=30)) as clip:
        assert len(list(clip.frames(30))) == 30
        assert [time for time, _ in times_and_numbers(clip, 10)] == pytest.approx([n / 10 for n in range(10)], abs=1e-3)


VARIABLE = [0.0, 0.04, 0.08, 0.5, 0.9, 0.94, 1.7, 1.8]


def test_variable_frame_rate() -> None:
    content = made([numbered(number) for number in range(8)], VARIABLE, options={"bf": "0"})
    with open_clip(content) as clip:
        assert times_and_numbers(clip) == list(zip(VARIABLE, range(8), strict=True))
        assert times_and_numbers(clip, 2.0) == [(0.0, 0), (0.5, 3), (1.7, 6)]
        assert times_and_numbers(clip, 5.0) == [(0.0, 0), (0.5, 3), (0.9, 4), (1.7, 6), (1.8, 7)]


def test_times_count_from_the_first_frame() -> None:
    content = made(
        [numbered(number) for number in range(3)], [7.0, 7.1, 7.3], container="matroska", options={"bf": "0"}
    )
    with open_clip(content) as clip:
        assert times_and_numbers(clip) == [(0.0, 0), (0.1, 1), (0.3, 2)]
        assert times_and_numbers(clip, start=0.05) == [(0.1, 1), (0.3, 2)]


def test_time_goes_on_where_the_clock_jumps_back() -> None:
    """Two recordings in one file."""
    parts = [
        made([numbered(n) for n in numbers], container="mpegts", codec="mpeg2video", fps=25)
        for numbers in ([1, 2, 3], [4, 5, 6])
    ]
    with open_clip(b"".join(parts)) as clip:
        found = times_and_numbers(clip)
    assert [number for _, number in found] == [1, 2, 3, 4, 5, 6]
    assert np.diff([time for time, _ in found]) == pytest.approx([0.04] * 5, abs=1e-3)


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("mp4", "libx264", {"g": "7"}),
        ("mp4", "libx264", {"g": "7", "x264-params": "open-gop=1"}),
        ("matroska", "libx265", {"x265-params": "keyint=7:log-level=0"}),
        ("webm", "libvpx", {"g": "9"}),
        ("avi", "mpeg4", {"g": "5", "bf": "2"}),
        ("mpegts", "mpeg2video", {"g": "6", "bf": "2"}),
        ("gif", "gif", {}),
    ],
)
@pytest.mark.parametrize("fps", [None, 7])
def test_reading_from_the_middle_gives_the_same_frames(
    container: str, codec: str, options: dict[str, str], fps: float | None
) -> None:
    frames = [numbered(number) for number in range(25)]
    pixels = "rgb8" if codec == "gif" else "yuv420p"
    with open_clip(made(frames, container=container, codec=codec, options=options, fps=25, pixels=pixels)) as clip:
        everything = list(clip.frames(fps))
        for start in (0.0, 0.001, 0.28, 0.3, 0.5, 0.96, 2.0):
            tail = [frame for frame in everything if frame.time >= start]
            again = list(clip.frames(fps, start))
            assert [frame.time for frame in again] == [frame.time for frame in tail]
            assert all(a.picture == b.picture for a, b in zip(again, tail, strict=True))


# ---- What is refused, and what is damaged ---------------------------------------------------------------------------


def sound_only() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", "mp4") as output:
        stream = output.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


MADE = made([quadrants()] * 20)
PIXELS, TABLE = MADE.index(b"mdat") + 4, MADE.index(b"moov") - 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 40, "not a clip that can be read"),
        (np.random.default_rng(0).bytes(20_000), "not a clip that can be read"),
        (MADE[: len(MADE) // 2], "not a clip that can be read"),  # the table of frames is at the end
        (sound_only(), "sound but no pictures"),
        (MADE.replace(b"avc1", b"zzzz"), "codec that is not known"),
        (MADE[:PIXELS] + bytes(TABLE - PIXELS) + MADE[TABLE:], "No picture of the clip can be read"),
        ((Path(__file__).parents[1] / "demo/examples/grace_hopper.jpg").read_bytes(), "not a clip that can be read"),
    ],
    ids=["empty", "garbage", "noise", "half", "sound", "codec", "zeros", "photo"],
)
def test_what_cannot_be_read(content: bytes, sentence: str) -> None:
    with pytest.raises(ClipError, match=sentence) as caught:
        open_clip(content)
    assert caught.value.kind == "unreadable_clip"


def test_frames_with_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(LargeFramesError, match="million pixels"):
        open_clip(MADE)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation>'
        "<BaseURL>{path}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    ],
    ids=["m3u8", "ffconcat", "sdp", "dash"],
)
def test_no_other_file_is_opened(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.ts"
    other.write_bytes(made([quadrants()] * 5, container="mpegts", codec="mpeg2video", fps=25))
    monkeypatch.chdir(tmp_path)
    for name in ("list.m3u8", "list.ffconcat", "clip.mp4"):
        for named in ("other.ts", str(other), f"file:{other}", f"subfile,,start,0,end,0,,:{other}"):
            (tmp_path / name).write_text(text.format(path=named))
            with pytest.raises(ClipError, match="not a clip that can be read"):
                open_clip(tmp_path / name)


def test_ffmpeg_would_open_other_files(tmp_path: Path) -> None:
    """So the test above tests something."""
    (tmp_path / "other.ts").write_bytes(made([quadrants()], container="mpegts", codec="mpeg2video", fps=25))
    (tmp_path / "list").write_text("ffconcat version 1.0\nfile 'other.ts'\n")
    with av.open(str(tmp_path / "list")) as container:
        assert next(container.decode(video=0)).width == 96


def test_a_name_is_not_an_address(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_clip("https://example.org/clip.mp4")
    with pytest.raises(FileNotFoundError):
        open_clip(f"concat:{tmp_path / 'a.ts'}|{tmp_path / 'b.ts'}")


def test_damage_in_the_middle_is_left_out() -> None:
    rng = np.random.default_rng(0)
    frames = [
        np.asarray(Image.fromarray(rng.integers(0, 255, (8, 12, 3), np.uint8)).resize((96, 64))) for _ in range(20)
    ]
    content = bytearray(made(frames, container="avi", codec="mjpeg", pixels="yuvj420p"))
    with open_clip(bytes(content)) as clip:
        whole = list(clip.frames())
    middle = content.index(b"\xff\xd8", len(content) // 2)
    end = content.index(b"\xff\xd8", middle + 2) - 8  # before the header of the next frame
    content[middle:end] = bytes(end - middle)
    with open_clip(bytes(content)) as clip:
        rest = list(clip.frames())
        assert clip.problem == reading.DAMAGED
    assert len(rest) + 1 == len(whole) == 20
    assert rest[-1].picture == whole[-1].picture and rest[-1].time == whole[-1].time


def test_a_clip_that_was_cut_off() -> None:
    file = io.BytesIO()
    with ClipWriter(file, (96, 64)) as writer:
        for number in range(50):
            writer.write(numbered(number % 30), number / 10)
    content = file.getvalue()
    start = content.index(b"mdat")
    with open_clip(content[: start + (len(content) - start) // 2]) as clip:
        frames = list(clip.frames())
        assert 0 < len(frames) < 50
        assert re.fullmatch(r"The clip ends after \d.\d of 4.9 seconds: the rest is missing.", clip.problem)


def test_one_frame() -> None:
    with open_clip(MADE) as clip:
        assert clip.duration == pytest.approx(2)
    with open_clip(made([quadrants()])) as clip:
        assert [frame.time for frame in clip.frames(10)] == [0]


def test_paths_and_files(tmp_path: Path) -> None:
    path = tmp_path / "clip.txt"  # the content tells what it is
    path.write_bytes(MADE)
    with open_clip(path) as clip:
        assert len(list(clip.frames())) == 20
    with path.open("rb") as file:
        with open_clip(file) as clip:
            next(clip.frames())
            assert len(list(clip.frames())) == 20
        assert not file.closed


def test_without_pyav_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ClipError, match=r"pip install 'fer-lens\[video\]'"):
        open_clip(MADE)


# ---- What is written ------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """At any times, with sides that are even and with colours that every player shows alike."""
    path = tmp_path / "clip.mp4"
    with ClipWriter(path, (97, 65)) as writer:
        assert writer.size == (96, 64)
        for time in VARIABLE:
            writer.write(Image.fromarray(quadrants()), time)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # so that it plays while it loads
    with open_clip(path) as clip:
        frames = list(clip.frames())
        assert clip.size == (96, 64) and clip.problem is None
        assert clip.duration == pytest.approx(VARIABLE[-1], abs=0.1)
    assert [frame.time for frame in frames] == pytest.approx(VARIABLE)
    assert all(np.abs(corners(frame.picture) - UPRIGHT).max() < 12 for frame in frames)
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.colorspace) == ("h264", "yuv420p", 1) and not container.streams.audio


def test_pictures_must_come_in_order() -> None:
    with ClipWriter(io.BytesIO(), (96, 64)) as writer:
        writer.write(quadrants(), 1.0)
        with pytest.raises(ValueError, match="cannot follow"):
            writer.write(quadrants(), 1.0)


def test_a_preview_has_every_frame_at_its_time() -> None:
    content = made([numbered(number) for number in range(8)], VARIABLE, options={"bf": "0"})
    done: list[tuple[float, float | None]] = []
    with open_clip(content) as clip:
        small = preview(clip, lambda seconds, of: done.append((seconds, of)))
        duration = clip.duration
    assert done == [(pytest.approx(time), duration) for time in VARIABLE]
    with open_clip(small) as clip:
        assert times_and_numbers(clip) == list(zip(VARIABLE, range(8), strict=True))


def test_a_preview_is_reduced_and_upright() -> None:
    frame = np.asarray(Image.fromarray(quadrants()).resize((1280, 720), Image.Resampling.NEAREST))
    with open_clip(made([frame], matrix=(0, 1, -1, 0))) as clip, open_clip(preview(clip)) as small:
        assert small.size == (360, PREVIEW_SIDE)
        (shown,) = small.frames()
    assert np.abs(corners(shown.picture) - TURNED[0, 1, -1, 0]).max() < 12


def test_a_preview_can_be_stopped() -> None:
    def stop(seconds: float, of: float | None) -> None:
        raise InterruptedError

    with open_clip(MADE) as clip, pytest.raises(InterruptedError):
        preview(clip, stop)


def test_one_reading_gives_the_preview_and_the_frames_to_analyse() -> None:
    file = io.BytesIO()
    with open_clip(MADE) as clip:
        expected, alone = list(clip.frames(4)), preview(clip)
        with ClipWriter(file, clip.size, PREVIEW_SIDE) as writer:
            found = list(clip.frames(4, copy=writer))
    assert [frame.time for frame in found] == [frame.time for frame in expected]
    assert all(a.picture == b.picture for a, b in zip(found, expected, strict=True))
    with open_clip(file.getvalue()) as copied, open_clip(alone) as previewed:
        assert times_and_numbers(copied) == times_and_numbers(previewed)


# ---- The example clip -----------------------------------------------------------------------------------------------


def test_the_example_clip() -> None:
    assert CLIP.stat().st_size < 1_000_000
    with open_clip(CLIP) as clip:
        assert clip.size == SIZE and clip.problem is None
        assert clip.duration == pytest.approx(sum(shot.seconds for shot in shots()))
        pictures = {round(frame.time, 2): frame.picture for frame in clip.frames(5)}
    faces = {time: len(find_faces(pictures[time])) for time in (0.0, 2.8, 3.0, 5.4, 5.6, 7.8)}
    assert faces == {0.0: 1, 2.8: 1, 3.0: 1, 5.4: 1, 5.6: 2, 7.8: 1}


@pytest.mark.parametrize("number", [0, 2])
def test_the_script_makes_the_example_clip(number: int) -> None:
    """Encoders differ between versions, so the pictures need not be equal to the last bit."""
    before = sum(shot.seconds for shot in shots()[:number])
    shot = shots()[number]
    picture = shot.frame(1.0)
    assert picture == shot.frame(1.0)
    with open_clip(CLIP) as clip:
        stored = next(clip.frames(start=before + 0.999))
    assert np.abs(np.asarray(stored.picture, np.float32) - np.asarray(picture, np.float32)).mean() < 4


def test_a_webm_that_was_cut_off() -> None:
    content = made(
        [np.full((64, 96, 3), 8 * number, np.uint8) for number in range(30)], container="webm", codec="libvpx"
    )
    with open_clip(content) as whole:
        assert len(list(whole.frames())) == 30 and whole.problem is None
    with open_clip(content[: len(content) // 2]) as clip:
        assert 0 < len(list(clip.frames())) < 20
        assert clip.problem is not None and clip.problem.endswith("of 3.0 seconds: the rest is missing.")


def test_a_writer_is_closed_once_and_refuses_endless_times() -> None:
    file = io.BytesIO()
    with ClipWriter(file, (96, 64)) as writer:
        writer.write(numbered(0), 0)
        for time in (float("nan"), float("inf"), 1e15):
            with pytest.raises(ValueError, match="cannot follow"):
                writer.write(numbered(1), time)
    writer.close()
    with open_clip(file.getvalue()) as clip:
        assert len(list(clip.frames())) == 1


def test_endless_rates_are_refused() -> None:
    with open_clip(made([np.zeros((64, 96, 3), np.uint8)])) as clip, pytest.raises(ValueError, match="inf frames"):
        list(clip.frames(float("inf")))
