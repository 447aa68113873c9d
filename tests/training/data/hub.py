"""A hub of datasets on this machine: as much of the hub's HTTP as `datasets.load_dataset` asks for."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(datasets: dict[str, Files]) -> Iterator[str]:
    """Serve these repositories, each of files by their paths; gives what HF_ENDPOINT is to be."""

    class Handler(_Handler):
        repositories = datasets

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    repositories: dict[str, Files]
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes = b"") -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        name = next((name for name in self.repositories if f"datasets/{name}" in path), None)
        if name is None:
            return self._send(401 if path.startswith("api") else 404, b"{}", {"X-Error-Code": "RepoNotFound"})
        files = self.repositories[name]
        rest = path.partition(f"datasets/{name}")[2].strip("/")
        kind, _, place = rest.partition("/")
        place = place.partition("/")[2]  # behind the revision
        if path.startswith("api"):
            return self._send(200, json.dumps(self._told(name, files, kind, place, body)).encode())
        if kind != "resolve" or place not in files:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        return self._send(200, files[place], {"ETag": f'"{_digest(files[place])}"'})

    def _told(self, name: str, files: Files, kind: str, place: str, body: bytes) -> object:
        if kind == "paths-info":
            sent = json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode())["paths"]
            wanted = [sent] if isinstance(sent, str) else sent
            return [_entry(path, files[path]) for path in files if path in wanted]
        if kind == "tree":
            whole = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() == "true"
            return [entry for entry in _tree(files) if _is_in(str(entry["path"]), place, whole)]
        siblings = [{"rfilename": path} for path in files]
        return {"id": name, "sha": COMMIT, "private": False, "gated": False, "tags": [], "siblings": siblings}

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        told = {"X-Repo-Commit": COMMIT, "Content-Length": str(len(content)), **(headers or {})}
        for key, value in told.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": path, "size": len(content), "oid": _digest(content)}


def _tree(files: Files) -> Iterator[dict[str, object]]:
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    yield from ({"type": "directory", "path": path, "size": 0, "oid": _digest(path.encode())} for path in folders)
    yield from (_entry(path, content) for path, content in files.items())


def _is_in(path: str, folder: str, whole: bool) -> bool:
    parents = [str(parent) for parent in PurePosixPath(path).parents]
    return (folder or ".") in (parents if whole else parents[:1])
