"""The addresses of the launcher, as a WSGI application. JSON in, JSON out."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from launcher import signing
from launcher.auth import Gate
from launcher.errors import Invalid, Missing, Refusal, Unsigned, WrongMethod
from launcher.orders import LARGEST_BODY, parse_order, read_object, session_of
from launcher.ports import Running
from launcher.sessions import Sessions

log = logging.getLogger("launcher")

MOST_LINES: Final = 2000
HEADERS: Final = (
    signing.KEY_HEADER,
    signing.TIME_HEADER,
    signing.NONCE_HEADER,
    signing.SIGNATURE_HEADER,
)
REASONS: Final = {200: "OK", 201: "Created", 204: "No Content"}
Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose signature was right."""

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes


Answer = tuple[int, Mapping[str, Any]]


class Api:
    """The application. `Sessions` decides; this reads requests and writes answers."""

    def __init__(self, sessions: Sessions, gate: Gate) -> None:
        self._sessions = sessions
        self._gate = gate

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, content = self._answer(environ)
        except Refusal as refusal:
            status, content = refusal.status, _refusal(refusal.code, str(refusal))
        except Exception:
            log.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            status, content = 500, _refusal("failed", "The launcher failed; its log says why.")
        return _respond(start_response, status, content)

    def _answer(self, environ: Environ) -> Answer:
        path = _signed_path(environ)
        if path == "/healthz" and environ["REQUEST_METHOD"] == "GET":
            return 200, {"ok": True}
        body = _body(environ)
        method = environ["REQUEST_METHOD"]
        self._gate.check(method, path, body, _headers(environ))
        place, _, query = path.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        request = Request(method, tuple(place.strip("/").split("/")), dict(pairs), body)
        answer = self._route(request)(request)
        log.info("%s %s: %d", method, place, answer[0])
        return answer

    def _route(self, request: Request) -> Callable[[Request], Answer]:
        match request.parts:
            case ("v1", "sessions"):
                verbs = {"GET": self._list}
            case ("v1", "sessions", _):
                verbs = {"PUT": self._ensure, "GET": self._find, "DELETE": self._remove}
            case ("v1", "sessions", _, "logs"):
                verbs = {"GET": self._logs}
            case ("v1", "capacity"):
                verbs = {"GET": self._capacity}
            case ("v1", "reap"):
                verbs = {"POST": self._reap}
            case _:
                raise Missing("There is no such address.")
        if request.method not in verbs:
            raise WrongMethod(f"This address takes {', '.join(sorted(verbs))}.")
        _require_bare(request)
        return verbs[request.method]

    def _ensure(self, request: Request) -> Answer:
        order = parse_order(session_of(request.parts[2]), request.body)
        running, is_new = self._sessions.ensure(order)
        return (201 if is_new else 200), _described(running)

    def _find(self, request: Request) -> Answer:
        return 200, _described(self._sessions.find(session_of(request.parts[2])))

    def _remove(self, request: Request) -> Answer:
        self._sessions.remove(session_of(request.parts[2]))
        return 204, {}

    def _list(self, request: Request) -> Answer:
        return 200, {"sessions": [_described(running) for running in self._sessions.all()]}

    def _logs(self, request: Request) -> Answer:
        lines = request.query.get("lines", "200")
        if not lines.isdecimal() or not 1 <= int(lines) <= MOST_LINES:
            raise Invalid(f"`lines` is a number from 1 to {MOST_LINES}.")
        session = session_of(request.parts[2])
        return 200, {"text": self._sessions.logs(session, lines=int(lines))}

    def _capacity(self, request: Request) -> Answer:
        return 200, {"running": self._sessions.running(), "most": self._sessions.limits.total}

    def _reap(self, request: Request) -> Answer:
        if request.body and read_object(request.body):
            raise Invalid("This address takes no values.")
        swept = self._sessions.reap()
        return 200, {"removed": list(swept.removed), "failed": dict(swept.failed)}


def _require_bare(request: Request) -> None:
    """Refuse what the address does not take, rather than overlook it."""
    known = {"lines"} if request.parts[-1] == "logs" else set()
    if set(request.query) - known:
        raise Invalid("The address takes no such query.")
    if request.body and request.method in {"GET", "DELETE"}:
        raise Invalid(f"{request.method} takes no body.")


def _signed_path(environ: Environ) -> str:
    """Return the path as it was sent, so that what is signed is what is carried out."""
    path = str(environ.get("RAW_URI") or environ["PATH_INFO"])
    query = environ.get("QUERY_STRING", "")
    if "RAW_URI" in environ or not query:
        return path
    return f"{path}?{query}"


def _body(environ: Environ) -> bytes:
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        raise Invalid(f"The body is larger than {LARGEST_BODY} bytes.")
    if environ.get("HTTP_TRANSFER_ENCODING"):
        raise Invalid("Send the body with its length.")
    body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) != int(length):
        raise Unsigned("The body is shorter than it says.")
    return body


def _headers(environ: Environ) -> Mapping[str, str]:
    names = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS}
    return {name: str(environ.get(variable, "")) for name, variable in names.items()}


def _described(running: Running) -> Mapping[str, Any]:
    return {
        "session": running.session,
        "kind": running.kind,
        "condition": running.condition.value,
        "address": running.address,
        "owner": running.owner,
        "started_at": running.started_at.isoformat(),
        "ends_at": running.ends_at.isoformat(),
        "detail": running.detail,
    }


def _refusal(code: str, message: str) -> Mapping[str, Any]:
    return {"error": {"code": code, "message": message}}


def _respond(
    start_response: StartResponse, status: int, content: Mapping[str, Any]
) -> Iterable[bytes]:
    body = b"" if status == 204 else json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if status != 204:
        headers.append(("Content-Length", str(len(body))))
    start_response(f"{status} {REASONS.get(status, 'Refused')}", headers)
    return [body]
