"""The launcher service, asked by signed HTTP over a Unix socket or an internal network."""

import http.client
import json
import socket
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from core_app.errors import Misconfigured, Unreachable
from launcher.signing import sign
from viewers_app.launcher.ports import Capacity, Order, Running
from viewers_app.launcher.translate import failure_of, order_body, running_of

TIMEOUT_S: Final = 30.0
LARGEST_ANSWER: Final = 8 * 2**20


class HttpLauncher:
    """The service at `url` (`unix:/path` or `http://host:port`). The first key signs."""

    def __init__(
        self, url: str, keys: Mapping[str, bytes], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._url = url
        self._key, self._secret = next(iter(keys.items()))
        self._timeout_s = timeout_s

    def ensure(self, order: Order) -> Running:
        return running_of(self._ask("PUT", f"/v1/sessions/{order.view}", order_body(order)))

    def remove(self, view: UUID) -> None:
        self._ask("DELETE", f"/v1/sessions/{view}")

    def running(self) -> Collection[Running]:
        return [running_of(found) for found in self._ask("GET", "/v1/sessions")["sessions"]]

    def logs(self, view: UUID, *, lines: int = 200) -> str:
        return str(self._ask("GET", f"/v1/sessions/{view}/logs?lines={lines}")["text"])

    def capacity(self) -> Capacity:
        answer = self._ask("GET", "/v1/capacity")
        return Capacity(running=int(answer["running"]), most=int(answer["most"]))

    def _ask(self, method: str, path: str, body: bytes = b"") -> Mapping[str, Any]:
        """Return the answer's document. Raises what the refusal means."""
        status, content = self._exchange(method, path, body)
        try:
            document = json.loads(content) if content else {}
        except ValueError:
            raise Unreachable("The launcher's answer is no JSON", f"status {status}") from None
        if status in {200, 201, 204} and isinstance(document, dict):
            return document
        error = document.get("error") if isinstance(document, dict) else None
        if not isinstance(error, dict):
            raise Unreachable("The launcher's answer makes no sense", f"status {status}")
        raise failure_of(str(error.get("code")), str(error.get("message")))

    def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = sign(method, path, body, key=self._key, secret=self._secret, at=time.time())
        try:
            with closing(_connection(self._url, self._timeout_s)) as connection:
                connection.request(method, path, body or None, dict(headers))
                response = connection.getresponse()
                content = response.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as problem:
            raise Unreachable("The launcher does not answer", repr(problem)) from problem
        if len(content) > LARGEST_ANSWER:
            raise Unreachable("The launcher's answer is too long")
        return response.status, content


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("launcher", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return _UnixConnection(unquote(parts.path), timeout_s)
    if parts.scheme == "http" and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)
    raise Misconfigured("LAUNCHER_URL must be unix:/path or http://host:port", url)
