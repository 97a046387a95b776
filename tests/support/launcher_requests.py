"""Requests to the launcher's application without a socket, signed or tampered with."""

import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from launcher.api import Api
from launcher.auth import Gate
from launcher.backend_memory import MemoryBackend
from launcher.sessions import Limits, Sessions
from launcher.signing import sign
from viewers_app.launcher.here import CATALOGUE

KEY = b"k" * 32
SESSION = "0b6b4f9e-9a6c-4a55-9d4f-52a2a1f4f3a1"
PLACE = f"/v1/sessions/{SESSION}"


@dataclass
class Answer:
    status: int
    content: Any

    @property
    def code(self) -> str:
        return str(self.content["error"]["code"])


@dataclass
class Caller:
    """Somebody who calls the application; `clock` is what both sides take for the time."""

    backend: MemoryBackend
    api: Api
    clock: list[float] = field(default_factory=lambda: [time.time()])

    def headers(self, method: str, path: str, body: bytes = b"", **changes: Any) -> dict[str, str]:
        given = {"key": "site", "secret": KEY, "at": self.clock[0], **changes}
        return dict(sign(method, path, body, **given))

    def ask(self, method: str, path: str, document: Any = None, **changes: Any) -> Answer:
        """Sign the request, with `changes` of the signature, and send it."""
        body = b"" if document is None else json.dumps(document).encode()
        return self.send(method, path, body, self.headers(method, path, body, **changes))

    def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], **environ: str
    ) -> Answer:
        """Send exactly this."""
        place, _, query = path.partition("?")
        given: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote(place),
            "RAW_URI": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
            **environ,
        }
        said: list[str] = []
        content = b"".join(self.api(given, lambda status, headers: said.append(status)))
        return Answer(int(said[0].split()[0]), json.loads(content) if content else None)


def a_caller(data_root: Any, *, limits: Limits | None = None) -> Caller:
    clock = [time.time()]
    backend = MemoryBackend()
    sessions = Sessions(backend, CATALOGUE, data_root=data_root, limits=limits)
    gate = Gate({"site": KEY, "next": b"n" * 32}, now=lambda: clock[0], most_nonces=100)
    return Caller(backend, Api(sessions, gate), clock)
