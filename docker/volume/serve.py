"""A server of one precomputed volume, read-only, below /v/<token>/. Standard library only.

It answers GET and HEAD of the keys that a volume can have. What is stored compressed (`.gz`,
`.br`) is sent as it is to who takes that, else inflated; ranges are answered of plain files.
"""

import gzip
import hmac
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, ClassVar, Final

from lifetime import Activity, live, read_order, say_ready

from viewers_app.keys import Key, parse_key
from viewers_app.ranges import answer, etag_of
from viewers_app.rooted import open_below

log = logging.getLogger("volume")

LONGEST_PATH: Final = 1024
MOST_THREADS: Final = 32
QUIET_CONNECTION_S: Final = 60
CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it will be sent. `coding`: how its bytes are compressed; ranges need plain ones."""

    file: BinaryIO
    size: int
    etag: str
    modified: float
    coding: str = ""
    has_ranges: bool = True


class Handler(BaseHTTPRequestHandler):
    """Answers one connection. The class attributes are set once, before it is used."""

    protocol_version = "HTTP/1.1"
    timeout = QUIET_CONNECTION_S
    server_version = "volume"
    sys_version = ""
    root: ClassVar[Path]
    prefix: ClassVar[str]
    activity: ClassVar[Activity]

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the addresses have the token in them."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self._refuse(code)
        self.close_connection = True

    def _serve(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body would be read as the next request
        self.activity.begin()
        try:
            key = self._key()
            found = find(self.root, key, self.headers.get("Accept-Encoding", "")) if key else None
            if found is None:
                self._refuse(404)
                return
            with closing(found.file):
                self._send(found)
        finally:
            self.activity.end()

    def _key(self) -> Key | None:
        path = self.path.partition("?")[0]
        if len(path) > LONGEST_PATH or not _begins_with(path, self.prefix):
            return None
        return parse_key(path[len(self.prefix) :])

    def _send(self, found: Found) -> None:
        headers = self.headers if found.has_ranges else _without_range(self.headers)
        decided = answer(self.command, headers, size=found.size, etag=found.etag)
        span = decided.span
        self.send_response(decided.status)
        self.send_header("ETag", found.etag)
        self.send_header("Last-Modified", formatdate(found.modified, usegmt=True))
        self.send_header("Cache-Control", "private, no-cache")
        self.send_header("Vary", "Accept-Encoding")
        if found.has_ranges:
            self.send_header("Accept-Ranges", "bytes")
        if found.coding:
            self.send_header("Content-Encoding", found.coding)
        if decided.status == 416:
            self.send_header("Content-Range", f"bytes */{found.size}")
        if decided.status == 206 and span:
            self.send_header("Content-Range", span.content_range(found.size))
        self.send_header("Content-Type", "application/octet-stream")
        if decided.status != 304:
            self.send_header("Content-Length", str(span.length if span else 0))
        self.end_headers()
        if span and self.command == "GET":
            found.file.seek(span.start)
            _copy(found.file, self.wfile, span.length)

    def _refuse(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(ThreadingHTTPServer):
    """A thread per connection, and a limit to them, so that the container keeps its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self._places = threading.Semaphore(MOST_THREADS)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self._places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


def find(root: Path, key: Key, accepted: str) -> Found | None:
    """Return the file of a key: as it is, else its compressed sibling."""
    *folders, name = key.parts
    plain = open_below(root, key.parts)
    if plain:
        return _found(plain)
    for coding, ending in CODINGS:
        packed = open_below(root, [*folders, name + ending])
        if packed and _takes(accepted, coding):
            return _found(packed, coding=coding, has_ranges=False)
        if packed and coding == "gzip":
            with closing(packed):
                return _inflated(packed)
        if packed:
            packed.close()
    return None


def _found(file: BinaryIO, *, coding: str = "", has_ranges: bool = True) -> Found:
    status = os.fstat(file.fileno())
    return Found(file, status.st_size, etag_of(status), status.st_mtime, coding, has_ranges)


def _inflated(packed: BinaryIO) -> Found:
    status = os.fstat(packed.fileno())
    content = gzip.GzipFile(fileobj=packed).read()
    etag = etag_of(status)[:-1] + '-i"'
    return Found(BytesIO(content), len(content), etag, status.st_mtime, has_ranges=False)


def _takes(accepted: str, coding: str) -> bool:
    """Return whether Accept-Encoding names the coding, and does not give it the weight 0."""
    for item in accepted.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() == coding:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _begins_with(path: str, prefix: str) -> bool:
    return hmac.compare_digest(path[: len(prefix)].encode(), prefix.encode())


def _without_range(headers: object) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "range"}  # type: ignore[attr-defined]


def _copy(source: BinaryIO, sink: BinaryIO, length: int) -> None:
    while length > 0:
        part = source.read(min(length, 2**18))
        if not part:
            raise ConnectionError("the file became shorter")
        sink.write(part)
        length -= len(part)


@contextmanager
def serving(server: Server) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    order, activity = read_order(), Activity()
    Handler.root = Path(os.environ.get("VOLUME", "/data"))
    Handler.prefix = f"/v/{order.values['token']}/"
    Handler.activity = activity
    address, _, port = os.environ.get("LISTEN", "0.0.0.0:8080").partition(":")
    server = Server((address, int(port)))
    with serving(server):
        say_ready(server.server_address[1])
        log.info("ended: %s", live(order, activity))


if __name__ == "__main__":
    main()
