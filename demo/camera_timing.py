"""How fast the tab Camera is: `python -m demo.camera_timing` prints two tables for docs/speed.md.

The first says what a frame costs, part by part, on one thread. The second says what cameras cost others: how long an
analysis of a face by all models takes while so many cameras run, and how many frames each of them gets. The frames are
those of a portrait that moves to and fro. Nothing else should run meanwhile.
"""

import argparse
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo.analysis import explain_face, load_models
from demo.camera_socket import CAMERA_ROUTES, Cameras, Limits, open_frame, render_moment
from demo.example_pictures import EXAMPLES, OPENING
from demo.load_test import describe_conditions, spread
from demo.photo import read_photo
from demo.view import DEFAULT_METHOD, FIRST_LAYER
from fer_models import EmotionModel, predict
from fer_models.architectures import default_choice
from fer_models.checkpoints import default_weights_dir
from fer_models.faces import crop_face
from fer_models.markdown import markdown_table
from fer_models.video.live import LiveAnalysis

FRAMES, RATE = 100, 10  # of the first table, and how many of them make a second for the search for faces
ANALYSES = 10  # of the second table
PARTS = ("decode", "faces", "model", "map", "reply")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.camera_timing", description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), help="the page's checkpoints")
    parser.add_argument("--models", nargs="+", default=["baseline_cnn", "attn_cnn", "vit"], help="of the first table")
    parser.add_argument("--at-once", type=int, default=2, help="models that run at the same time (default: 2)")
    arguments = parser.parse_args()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // arguments.at_once))
    models, _ = load_models(arguments.weights)
    print(describe_conditions(arguments.weights, arguments.at_once), end="\n\n")
    print(frame_table({name: models[name] for name in arguments.models}), end="\n\n")
    print(crowding_table(models, arguments.at_once))


def frame_table(models: Mapping[str, EmotionModel], frames: int = FRAMES) -> str:
    """What a frame costs with each model, in Markdown: milliseconds, and frames per second from their mean."""
    rows = []
    for name, model in models.items():
        seconds = np.array(list(_times(model, frames)))
        together = seconds.sum(axis=1)
        cells = [spread(1000 * column, 1) for column in [*seconds.T, together]]
        rows.append((f"`{name}`", *cells, f"**{1 / together.mean():.1f}**"))
    return markdown_table(("milliseconds: quartiles", *PARTS, "together", "frames per second"), rows)


def crowding_table(models: Mapping[str, EmotionModel], at_once: int, analyses: int = ANALYSES) -> str:
    """How cameras and analyses share the machine, in Markdown."""
    analysed = {name: models[name] for name in default_choice(models)}
    crop = read_photo(EXAMPLES[OPENING].path).crops[0]
    cameras = Cameras(models, Limits(seconds=600))  # the others as on the page
    rows = []
    with ThreadPoolExecutor(at_once) as pool:
        for count in range(cameras.limits.sessions + 1):
            with running_cameras(cameras, count) as answered:
                seconds = []
                for _ in range(analyses):
                    start = time.perf_counter()
                    list(explain_face(analysed, crop, None, None, FIRST_LAYER, DEFAULT_METHOD, pool))
                    seconds.append(time.perf_counter() - start)
                rates = [len(times) / sum(seconds) for times in answered]
            rows.append((str(count), spread(seconds, 2), ", ".join(f"{rate:.1f}" for rate in rates) or "–"))
    header = ("cameras", "seconds for all models' answers and maps: quartiles", "frames per second of each camera")
    return markdown_table(header, rows)


@contextmanager
def running_cameras(cameras: Cameras, count: int) -> Iterator[list[list[float]]]:
    """So many visitors whose cameras stream to the page's socket with its limits: when each one got answers."""
    page = Starlette(routes=CAMERA_ROUTES)
    page.get_blocks = lambda: SimpleNamespace(cameras=cameras)  # type: ignore[attr-defined]
    is_over = Event()
    answered: list[list[float]] = [[] for _ in range(count)]

    def stream(client: TestClient, times: list[float], visit: int) -> None:
        with client.websocket_connect(f"/live?visit={visit}") as socket:
            socket.send_text(json.dumps({"model": "attn_cnn"}))
            pictures = cycle(moving_portrait())
            socket.send_bytes(next(pictures))
            while not is_over.is_set():
                socket.send_bytes(next(pictures))  # one more is on its way while one is answered, as in camera.js
                socket.receive_text()
                times.append(time.perf_counter())

    with TestClient(page) as client:
        threads = [Thread(target=stream, args=(client, times, visit)) for visit, times in enumerate(answered)]
        for thread in threads:
            thread.start()
        yield answered
        is_over.set()
        for thread in threads:
            thread.join()


def moving_portrait() -> list[bytes]:
    """Two seconds of frames as the page sends them, 480 x 360 pixels."""
    with Image.open(EXAMPLES[OPENING].path) as photo:
        portrait = photo.convert("RGB").resize((360 * photo.width // photo.height, 360))
    frames = []
    for turn in np.linspace(0, 2 * np.pi, 2 * RATE, endpoint=False):
        picture = Image.new("RGB", (480, 360), "gray")
        picture.paste(portrait, (round(80 + 30 * np.sin(turn)), 0))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        frames.append(buffer.getvalue())
    return frames


def _times(model: EmotionModel, count: int) -> Iterator[list[float]]:
    """Seconds of the PARTS of so many frames, after some that warm up. The map is what an explanation adds."""
    analysis = LiveAnalysis(model, DEFAULT_METHOD)
    pictures = cycle(moving_portrait())
    for index in range(-RATE, count):
        start = time.perf_counter()
        picture = open_frame(next(pictures))
        decoding = time.perf_counter() - start
        moment = analysis.look(picture, index / RATE)
        start = time.perf_counter()
        render_moment(moment, decoding)
        reply = time.perf_counter() - start
        crops = [crop_face(picture, face.face) for face in moment.faces]
        start = time.perf_counter()
        predict(model, crops)
        answer = time.perf_counter() - start
        if index >= 0:
            asked = moment.seconds["model"]
            yield [decoding, moment.seconds["faces"], answer, asked - answer, reply]


if __name__ == "__main__":
    main()
