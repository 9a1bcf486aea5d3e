"""How long the page takes to start, cold and warm: `python -m demo.start_time` prints a table for docs/speed.md.

It runs `python app.py` until the page answers. Cold is as after a restart of the machine: all files are read from the
disk. That works on Linux, for files that no other process has open; so this module itself loads no packages.
"""

import os
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
    print("| start of the page | seconds |\n| --- | --- |")
    for state in ("cold", "warm", "warm, again"):
        print(f"| {state} | {seconds_to_start():.1f} |", flush=True)


def drop_from_memory(folder: Path) -> None:
    """Asks the system to forget the copies of the files in a folder that it keeps in memory."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds_to_start() -> float:
    """Seconds from the start of app.py until it serves the page; then it is ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, ROOT / "app.py"], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while not _answers(f"http://127.0.0.1:{port}"):
                if process.poll() is not None or time.perf_counter() > begin + PATIENCE:
                    raise SystemExit("The page did not start: see what python app.py prints.")
                time.sleep(0.1)
            return time.perf_counter() - begin
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


if __name__ == "__main__":
    main()
