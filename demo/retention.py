"""How long the server keeps what visitors leave on it: a file until it is read, all else until they leave.

Gradio stores an upload under a name made from its content, so two visitors with the same photo would share one file,
and the first one's deletion would take it away from the second. Here each upload has a folder of its own.
"""

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.route_utils import API_PREFIX, MultiPartException, upload_fn
from gradio.routes import App, file_upload_statuses
from gradio.utils import get_upload_folder
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from demo.clip_store import CLIPS

# Seconds. An upload waits for its turn in the queue; it is left over if its event never comes. A visit is over at the
# latest when nothing has happened in it for so long: not every browser says goodbye.
UPLOAD_LIFETIME = 600
VISIT_LIFETIME = 3600
SWEEP_INTERVAL = 60


def uploads_folder() -> Path:
    """Where uploads wait to be read, inside the folder whose files Gradio accepts as a value."""
    return Path(get_upload_folder()).resolve() / "uploads"


async def receive_upload(request: Request) -> Response:
    """Gradio's endpoint for uploads, with a folder for each request, which nobody else can name."""
    upload_id = request.query_params.get("upload_id")
    folder = uploads_folder() / secrets.token_hex(16)
    try:
        files, _, _ = await upload_fn(
            request,
            folder,
            request.app.get_blocks().max_file_size or float("inf"),
            upload_id,
            upload_progress=file_upload_statuses if upload_id else None,
        )
    except MultiPartException as error:
        return PlainTextResponse(error.message, 413 if "maximum allowed size" in error.message else 400)
    return JSONResponse([str(file) for file in files])


@contextmanager
def taken_upload(file: str) -> Iterator[Path]:
    """An upload by the path that the browser was told; at the end its folder is deleted.

    Raises:
        gr.Error: there is no such upload. The path comes from the browser, so a request made by hand could name any
            file: without this check that file would be read, and then deleted.
    """
    folder = uploads_folder()
    try:
        path = Path(file).resolve()
        is_there = path.is_file()
    except (OSError, ValueError):  # no file can have such a name
        path, is_there = Path(), False
    if not path.is_relative_to(folder):
        raise gr.Error("That file was not uploaded to this page.", print_exception=False)
    if not is_there:
        raise gr.Error("The file has been deleted from the server already; please add it again.", print_exception=False)
    try:
        yield path
    finally:
        shutil.rmtree(folder / path.relative_to(folder).parts[0], ignore_errors=True)


def forget_visit(page: gr.Blocks, session: str | None) -> None:
    """Drops all values of a visitor's page, which Gradio would keep until many other visitors have come."""
    page.state_holder.session_data.pop(session or "", None)
    page.state_holder.time_last_used.pop(session or "", None)


def sweep(page: gr.Blocks) -> None:
    """Deletes the uploads and forgets the visits and clips that are past their lifetime."""
    for folder in uploads_folder().glob("*"):
        with suppress(FileNotFoundError):  # it has just been read
            if time.time() - folder.stat().st_mtime > UPLOAD_LIFETIME:
                shutil.rmtree(folder, ignore_errors=True)
    for session, last_used in list(page.state_holder.time_last_used.items()):
        if (datetime.now() - last_used).total_seconds() > VISIT_LIFETIME:
            forget_visit(page, session)
    CLIPS.make_room()


@asynccontextmanager
async def _sweeping(app: App) -> AsyncIterator[None]:
    async def sweep_for_ever() -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            sweep(app.get_blocks())

    task = asyncio.create_task(sweep_for_ever())
    yield
    task.cancel()


# For `launch(app_kwargs=...)`. Its routes come before Gradio's own.
APP_OPTIONS: dict[str, Any] = {
    "routes": [Route(f"{API_PREFIX}/upload", receive_upload, methods=["POST"])],
    "lifespan": _sweeping,
}
