"""How long the page takes to start, cold and warm: `python -m demo.start_time` prints a table for docs/speed.md.

It runs `python app.py` until the page answers. Cold is as after a restart of the machine: all files are read from the
disk. That works on Linux, for files that no other process has open; so this module itself loads no packages.
"""

import os
import resource
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 600  # seconds


def main() -> None:
    for folder in (Path(sysconfig.get_path("purelib")), ROOT):
        drop_from_memory(folder)
    print("| start of the page | seconds | of the processor |\n| --- | --- | --- |")
    for state in ("cold", "warm", "warm, again"):
        waited, worked = seconds_to_start()
        print(f"| {state} | {waited:.1f} | {worked:.1f} |", flush=True)


def drop_from_memory(folder: Path) -> None:
    """Asks the system to forget the copies of the files in a folder that it keeps in memory."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds_to_start() -> tuple[float, float]:
    """Seconds from the start of app.py until it serves the page, and those of the processor; then it is ended.

    The second figure hardly depends on what else the machine does. With a core to itself, the first is close to it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    begin, worked_before = time.perf_counter(), _processor_time()
    with subprocess.Popen([sys.executable, ROOT / "app.py"], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while not _answers(f"http://127.0.0.1:{port}"):
                if process.poll() is not None or time.perf_counter() > begin + PATIENCE:
                    raise SystemExit("The page did not start: see what python app.py prints.")
                time.sleep(0.1)
            waited = time.perf_counter() - begin
        finally:
            process.terminate()
    return waited, _processor_time() - worked_before


def _processor_time() -> float:
    """Processor seconds of all ended child processes, in user and system mode."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


if __name__ == "__main__":
    main()
