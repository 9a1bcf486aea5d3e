"""Many visitors at once on this machine: `python -m demo.load_test` prints a table for docs/speed.md.

It starts the page by itself, on a free port of the loopback interface. Visitors do one thing after the other without a
pause: they add photos, the same one or others, choose examples and faces, change the controls, cover parts of the face
and send broken files; one of them tests maps all the time. The exit status is 1 if the page failed anyone.
"""

import argparse
import os
import platform
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np
import torch

from demo.analysis import LAYERS
from demo.example_pictures import EXAMPLES
from demo.visitor import VisitError, Visitor, VisitOver
from fer_models import EMOTIONS, METHODS
from fer_models.architectures import MODELS
from fer_models.checkpoints import default_weights_dir
from fer_models.markdown import markdown_table

ROOT = Path(__file__).parents[1]
PATIENCE = 300  # seconds until the page must be there, and until an answer must come
PHOTOS = [example.path.read_bytes() for example in EXAMPLES.values()]
BROKEN = [b"", b"no picture", PHOTOS[0][: len(PHOTOS[0]) // 2]]

# What visitors do, and how often relative to each other. One of them does nothing but "test".
DEEDS = {
    "same photo": 3,
    "another photo": 3,
    "example": 2,
    "face": 1,
    "emotion": 2,
    "layer": 1,
    "method": 1,
    "cover": 1,
    "broken file": 1,
}
NO_ANALYSIS = ("cover", "broken file", "test")
CONTROLS = ("face", "emotion", "layer", "method")
CARD = 'class="model"'


@dataclass
class Record:
    """What happened.

    Attributes:
        answered: deed and seconds of each answer.
        failures: of the page, one sentence each.
        memory: of the server in MB: before the visitors came, at most, and after they left.
        elapsed: seconds.
        files_left: uploads on the server's disk after the visitors left.
    """

    answered: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    elapsed: float = 0
    files_left: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.load_test", description=__doc__.split("\n")[0])
    parser.add_argument("--visitors", type=int, default=20, help="default: 20; one of them tests maps")
    parser.add_argument("--seconds", type=float, default=120, help="how long they keep going (default: 120)")
    parser.add_argument("--at-once", type=int, default=2, help="analyses that run at the same time (default: 2)")
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), help="the page's checkpoints")
    arguments = parser.parse_args()
    conditions = describe_conditions(arguments.weights, arguments.at_once)
    record = measure(arguments.weights, arguments.visitors, arguments.seconds, arguments.at_once)
    print(report(record, arguments.visitors, conditions))
    for failure in record.failures[:10]:
        print(failure, file=sys.stderr)
    return 1 if record.failures or record.files_left else 0


def measure(weights: Path, visitors: int, seconds: float, at_once: int = 2) -> Record:
    """Starts the page, lets visitors come for so many seconds, and waits until they have left."""
    record = Record()
    with tempfile.TemporaryDirectory() as folder, running_page(weights, Path(folder), at_once) as (address, pid):
        with Visitor(address, PATIENCE) as first:
            do("same photo", first, random.Random(0))
            cards = first.values["results"].count(CARD)
        record.memory.append(memory(pid))
        start = time.monotonic()

        def is_over() -> bool:
            return time.monotonic() - start > seconds

        def visit(number: int) -> None:
            chance = random.Random(number)
            deed = "example"
            with Visitor(address, PATIENCE, is_over if number == 0 else lambda: False) as guest:
                while not is_over():
                    begun = time.monotonic()
                    try:
                        do(deed, guest, chance)
                        if deed not in NO_ANALYSIS and guest.values["results"].count(CARD) != cards:
                            raise VisitError("The results are not complete.")
                        record.answered.append((deed, time.monotonic() - begun))
                    except VisitOver:
                        return
                    except (VisitError, httpx.HTTPError) as error:
                        record.failures.append(f"{deed}: {type(error).__name__}: {error}")
                    deed = "test" if number == 0 else chance.choices(list(DEEDS), list(DEEDS.values()))[0]

        with ThreadPoolExecutor(visitors) as pool:
            visits = [pool.submit(visit, number) for number in range(visitors)]
            record.memory.append(0)
            while not all(each.done() for each in visits):
                record.memory[-1] = max(record.memory[-1], memory(pid))
                time.sleep(0.5)
        for each in visits:
            each.result()
        record.elapsed = time.monotonic() - start
        time.sleep(2)  # in which the server notices that they have left
        record.memory.append(memory(pid))
        record.files_left = sum(path.is_file() for path in Path(folder, "gradio", "uploads").rglob("*"))
    return record


def do(deed: str, guest: Visitor, chance: random.Random) -> None:
    """Lets a visitor do something, and waits for the answer."""
    match deed:
        case "same photo":
            guest.upload(PHOTOS[0])
        case "another photo":  # nobody else's: what follows a picture's end does not show
            guest.upload(chance.choice(PHOTOS) + chance.randbytes(16))
        case "example":
            guest.ask(example=chance.choice(list(EXAMPLES)), upload="", face=None)
        case "face":
            guest.ask(face=chance.randrange(guest.values["photo"].count("face-box") or 1))
        case "emotion":
            guest.ask(emotion=chance.choice(["", *EMOTIONS]))
        case "layer":
            guest.ask(layer=chance.choice(list(LAYERS)))
        case "method":
            guest.ask(method=chance.choice(list(METHODS)))
        case "cover":
            guest.tell("cells", chance.sample(range(48 * 48), 200))
        case "test":
            guest.fire("evidence", "select")
        case "broken file":
            guest.upload(chance.choice(BROKEN))
            if 'class="photo empty"' not in guest.values["photo"]:
                raise VisitError("A broken file was not refused.")
            do("example", guest, chance)  # for what comes next there must be a face


@contextmanager
def running_page(weights: Path, folder: Path, at_once: int) -> Iterator[tuple[str, int]]:
    """app.py in a process of its own: its address on the loopback interface, and its id. It logs to `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
    }
    with (folder / "log.txt").open("w") as log:
        command = [
            sys.executable,
            "-u",
            str(ROOT / "app.py"),
            "--weights",
            str(weights.resolve()),
            "--at-once",
            str(at_once),
        ]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(address, process, folder / "log.txt")
            yield address, process.pid
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(f"{address}/config", timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The page did not start. It printed:\n{log.read_text()}") from None
            time.sleep(0.2)


def memory(pid: int) -> float:
    """Resident memory of a process in MB; only Linux tells."""
    status = Path(f"/proc/{pid}/status")
    return float(status.read_text().split("VmRSS:")[1].split()[0]) / 1000 if status.exists() else float("nan")


def describe_conditions(weights: Path, at_once: int) -> str:
    """One line on the machine, what else it is doing, the software and the models."""
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    names = ", ".join(f"`{name}`" for name in MODELS if (weights / name).is_dir())
    packages = ", ".join(f"{package} {version(package)}" for package in ("torch", "gradio"))
    return (
        f"{cpu}, {torch.get_num_threads()} threads on {os.cpu_count()} cores for {at_once} analyses at once, load "
        f"{os.getloadavg()[0]:.1f} before the start (0: nothing else runs); Python {platform.python_version()}, "
        f"{packages}; {names}"
    )


def report(record: Record, visitors: int, conditions: str) -> str:
    """The table, in Markdown."""
    kinds = {"a photo or example": ("same photo", "another photo", "example"), "a face or control": CONTROLS}
    seconds = {kind: [taken for deed, taken in record.answered if deed in deeds] for kind, deeds in kinds.items()}
    count = sum(map(len, seconds.values()))
    done = {deed: [name for name, _ in record.answered].count(deed) for deed in NO_ANALYSIS}
    rows = [
        ("analyses", f"{count}, {count / record.elapsed:.1f} per second"),
        *(
            (f"seconds for {kind}: quartiles, 95th percentile", _spread_and_most(taken))
            for kind, taken in seconds.items()
        ),
        ("faces covered; broken files refused; tests of all maps", "; ".join(map(str, done.values()))),
        ("failures of the page", str(len(record.failures))),
        ("server's memory before, at most, after they left", ", ".join(f"{size:.0f} MB" for size in record.memory)),
        ("uploads left on its disk", str(record.files_left)),
    ]
    title = f"{visitors} visitors without a pause for {record.elapsed:.0f} s; {conditions}"
    return f"{title}\n\n{markdown_table(('', ''), rows)}"


def _spread_and_most(seconds: list[float]) -> str:
    return f"{spread(seconds)}; {np.percentile(seconds, 95):.1f}" if seconds else "none"


def spread(values: Sequence[float] | np.ndarray, digits: int = 1) -> str:
    """The lower quartile, the median and the upper quartile, in Markdown."""
    quarter, median, three_quarters = np.percentile(values, [25, 50, 75])
    return f"{quarter:.{digits}f}, **{median:.{digits}f}**, {three_quarters:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
