"""A visitor without a browser: it speaks HTTP with the page as Gradio's own front end does."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx


class VisitError(RuntimeError):
    """The page answered an event with an error; the message is what a visitor would read."""


class VisitOver(Exception):
    """The visitor has no more time to wait for an answer."""


class Visitor:
    """One visit of a page, from opening it to leaving it (`with`); for one thread.

    Attributes:
        values: what each component shows, by its elem_id.
        view: what the visitor has chosen, see `demo.view`.

    Args:
        address: of the page, such as http://127.0.0.1:7860
        patience: seconds to wait for an answer.
        is_over: whether the visitor has to go; asked with each message, such as the progress of an event.
    """

    def __init__(self, address: str, patience: float = 120.0, is_over: Callable[[], bool] = lambda: False) -> None:
        self._is_over = is_over
        self._client = httpx.Client(base_url=f"{address}/gradio_api", timeout=patience)
        self._session = secrets.token_hex(8)
        config = self._client.get(f"{address}/config").raise_for_status().json()
        self._names = {
            component["id"]: component["props"].get("elem_id") or component["id"] for component in config["components"]
        }
        self._events = config["dependencies"]
        self.values = {self._names[part["id"]]: part["props"].get("value") for part in config["components"]}
        self.view: dict[str, object] = {}

    def __enter__(self) -> "Visitor":
        """Opens the connection by whose end the server notices that a visitor has left."""
        self._open = ExitStack()
        self._open.callback(self._client.close)
        self._open.enter_context(self._client.stream("GET", f"heartbeat/{self._session}"))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def upload(self, content: bytes, file_name: str = "photo.jpg") -> None:
        """Adds a photo and waits for its analysis."""
        answer = self._client.post("upload", files={"files": (file_name, content)}).raise_for_status()
        self.ask(example="", upload=answer.json()[0], face=None)

    def ask(self, **choices: object) -> None:
        """Chooses something, such as example="six-faces" or face=2, and waits for the analysis."""
        self.view = self.view | choices
        self.tell("view", self.view)

    def tell(self, name: str, value: object) -> None:
        """Gives a component of the page a value, as the browser does, and waits for the answer."""
        self.values[name] = value
        self.fire(name, "select")

    def fire(self, name: str, event: str, data: dict[str, Any] | None = None) -> None:
        """Lets an event happen and waits for all that follows from it.

        Raises:
            VisitError: the page answers with an error.
            VisitOver: the visitor had to go before there was an answer.
        """
        for answer in self._events:
            if [name, event] in [[self._names.get(target), kind] for target, kind in answer["targets"]]:
                self._run(answer, data)

    def _run(self, event: dict[str, Any], data: dict[str, Any] | None = None) -> None:
        if not event["backend_fn"]:
            return
        inputs = [self.values[self._names[component]] for component in event["inputs"]]
        request = {"data": inputs, "event_data": data, "fn_index": event["id"], "session_hash": self._session}
        joined = self._client.post("queue/join", json=request)
        if joined.is_error:
            raise VisitError(joined.text)
        output = None
        for message in self._messages():
            if self._is_over():
                raise VisitOver
            if message["msg"] == "process_completed":
                output = message["output"]
                if not message["success"]:
                    raise VisitError(str(output.get("error")))
        if output is None:
            raise VisitError("The connection ended without an answer.")

        before = dict(self.values)
        self.values.update(zip(map(self._names.get, event["outputs"]), output["data"], strict=True))
        changed = [name for name, value in self.values.items() if value != before[name]]
        for name in changed:
            self.fire(name, "change")
        for following in self._events:
            if following["trigger_after"] == event["id"]:
                self._run(following)

    def _messages(self) -> Iterator[dict[str, Any]]:
        """All that the page sends until it has answered everything."""
        with self._client.stream("GET", "queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))
