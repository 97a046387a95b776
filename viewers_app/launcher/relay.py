"""What a browser asks of a view's process, passed on. For sites without nginx in front."""

import http.client
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from core_app.errors import Unreachable

CONNECT_S: Final = 5.0
# A browser that went away is noticed when something is sent to it; a stream may be silent for long.
SILENCE_S: Final = 15.0
COMMENT: Final = b":\n\n"
BLOCK: Final = 2**16
EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the process answered. `body` may go on for hours; closing it hangs up."""

    status: int
    content_type: str
    body: "Body"


class _Connection(http.client.HTTPConnection):
    """Asks by HTTP/1.0, so that bodies come as they are, without chunks to count."""

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


def ask(address: str, method: str, path: str, body: bytes = b"", content_type: str = "") -> Answer:
    """Return what the process at host:port answers. Raises Unreachable if it does not.

    Nothing else of the browser's request goes there: no cookie, no name.
    """
    connection = _Connection(address, timeout=CONNECT_S)
    headers = {"Content-Type": content_type} if content_type else {}
    try:
        connection.request(method, path, body or None, headers)
        connected = connection.sock  # the response takes it over
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as problem:
        connection.close()
        raise Unreachable("The Python viewer does not answer", repr(problem)) from problem
    kind = response.headers.get("Content-Type", "application/octet-stream")
    is_stream = kind.partition(";")[0].strip() == EVENTS
    return Answer(response.status, kind, Body(response, connected, is_stream=is_stream))


class Body(Iterator[bytes]):
    """The body as it comes. A stream that is silent gives comments meanwhile; `close` hangs up."""

    def __init__(
        self, response: http.client.HTTPResponse, connected: socket.socket, *, is_stream: bool
    ) -> None:
        self._response = response
        self._connected = connected
        self._is_stream = is_stream
        self._waits = is_stream and not _has_more_than_headers(response, connected)

    def __next__(self) -> bytes:
        if self._waits and not select.select([self._connected], [], [], SILENCE_S)[0]:
            return COMMENT
        try:
            block = self._response.read1(BLOCK)
        except (OSError, http.client.HTTPException):
            block = b""  # it ended; the client asks again and hears so
        if not block:
            self.close()
            raise StopIteration
        self._waits = self._is_stream
        return block

    def close(self) -> None:
        self._response.close()
        self._connected.close()


def _has_more_than_headers(response: http.client.HTTPResponse, connected: socket.socket) -> bool:
    """Return True if a part of the body came with the headers: the socket would not say so."""
    connected.settimeout(0)
    try:
        return bool(response.fp.peek(1))
    finally:
        connected.settimeout(None)
