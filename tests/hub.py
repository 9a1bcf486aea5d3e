"""A stand-in for the Hugging Face Hub on this machine: the parts of its API that huggingface_hub calls here.

It serves model repositories from memory: creating them, validating a card, committing files (small ones in the commit,
large ones through Git LFS), and downloading them by branch or commit. It has no Xet storage.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_someone"
REGULAR_LIMIT = 10_000  # bytes; larger files go through LFS


@dataclass
class Repository:
    """Its commits, oldest first: each holds the contents of all files by path. `gated`: nobody may download."""

    private: bool
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        """Adds files to those of the newest commit; returns the hash of the new one."""
        newest = next(reversed(self.commits.values()), {})
        name = hashlib.sha1(b"".join(files.values()) + bytes([len(self.commits)])).hexdigest()
        self.commits[name] = newest | files
        return name


class Hub(ThreadingHTTPServer):
    """The server; `repositories` by OWNER/NAME, and in `requests` the method and path of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.storage = f"http://localhost:{self.server_port}"  # large files are on another host than the Hub
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}  # LFS contents by SHA-256
        self.requests: list[str] = []


class Answers(BaseHTTPRequestHandler):
    """One request."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        path, content = self.read()
        match path:
            case ["api", "validate-yaml"]:
                self.validate(json.loads(content)["content"])
            case _ if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self.refuse(401, "", "Invalid username or password.")
            case ["api", "repos", "create"]:
                self.create(json.loads(content))
            case ["api", "models", owner, name, "preupload", "main"]:
                modes = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["size"] > REGULAR_LIMIT else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(content)["files"]
                ]
                self.say({"files": modes})
            case [owner, name, "info", "lfs", "objects", "batch"]:
                objects = [
                    known | {"actions": {"upload": {"href": f"{self.server.storage}/lfs/{known['oid']}"}}}
                    for known in json.loads(content)["objects"]
                ]
                self.say({"transfer": "basic", "objects": objects})
            case ["api", "models", owner, name, "commit", "main"]:
                self.commit(f"{owner}/{name}", [json.loads(line) for line in content.splitlines()])
            case _:
                self.refuse(404)

    def do_PUT(self) -> None:
        (_, sha256), content = self.read()
        assert hashlib.sha256(content).hexdigest() == sha256
        self.server.stored[sha256] = content
        self.say({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, _ = self.read()
        match path:
            case [owner, name, "resolve", revision, file]:
                self.download(f"{owner}/{name}", revision, file)
            case ["lfs", sha256]:
                self.send(200, self.server.stored[sha256], {"ETag": f'"{sha256}"'})
            case _:
                self.refuse(404)

    def validate(self, card: str) -> None:
        metadata = yaml.safe_load(card.split("---\n")[1])
        errors = [] if metadata.get("license") == "mit" else [{"message": '"license" must be one of [mit]'}]
        self.say({"errors": errors, "warnings": []}, status=400 if errors else 200)

    def create(self, wanted: dict) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        there = name in self.server.repositories
        self.server.repositories.setdefault(name, Repository(wanted.get("visibility") == "private"))
        self.say({"url": f"{self.server.address}/{name}"}, status=409 if there else 200)

    def commit(self, repository: str, lines: list[dict]) -> None:
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.stored[value["oid"]]
        name = self.server.repositories[repository].commit(files)
        self.say({"commitUrl": f"{self.server.address}/{repository}/commit/{name}", "commitOid": name})

    def download(self, name: str, revision: str, file: str) -> None:
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and self.headers["Authorization"] != f"Bearer {TOKEN}"):
            return self.refuse(401, "RepoNotFound", "Repository not found")
        if repository.gated:
            return self.refuse(403, "GatedRepo", f"Access to model {name} is restricted.")
        commit = next(reversed(repository.commits)) if revision == "main" else revision
        if commit not in repository.commits:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if file not in repository.commits[commit]:
            return self.refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
        content = repository.commits[commit][file]
        sha256 = hashlib.sha256(content).hexdigest()
        if len(content) <= REGULAR_LIMIT:
            return self.send(200, content, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'})
        self.server.stored[sha256] = content
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-ETag": f'"{sha256}"',
            "X-Linked-Size": str(len(content)),
            "Location": f"{self.server.storage}/lfs/{sha256}",
        }
        return self.send(302, b"", headers)

    def read(self) -> tuple[list[str], bytes]:
        """The parts of the path, without the ".git" of a repository, and the body."""
        self.server.requests.append(f"{self.command} {self.path}")
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        return [part.removesuffix(".git") for part in parts], self.rfile.read(int(self.headers["Content-Length"] or 0))

    def say(self, answer: dict, status: int = 200) -> None:
        self.send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, code: str = "", message: str = "", headers: dict[str, str] | None = None) -> None:
        self.send(status, b"{}", (headers or {}) | {"X-Error-Code": code, "X-Error-Message": message})

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A server that answers as long as the context lasts."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
