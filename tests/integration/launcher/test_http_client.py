"""The site's client of the launcher: what it makes of silence, nonsense and refusals."""

import socket
import threading
from contextlib import closing, contextmanager
from uuid import uuid4

import pytest

from core_app.errors import Misconfigured, Rejected, Unreachable
from launcher.errors import EngineRefused, ImageMissing, Invalid, Unavailable
from tests.support import launchers
from tests.support.launchers import KEYS, an_order, make_layer
from viewers_app.launcher.http import HttpLauncher


@contextmanager
def answering(said):
    """Listen on loopback and give every caller the same bytes; None: silence."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        held = []

        def serve():
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                held.append(caller)
                if said is not None:
                    caller.recv(65_536)
                    caller.sendall(said)
                    caller.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for caller in held:
            caller.close()


def response(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\r\n\r\n",
        response("no json"),
        response("[]"),
        response('{"session": "x"}'),
        response('{"session": null, "kind": 3}'),
        response("{}", "500 Oops"),
        response('{"error": "text"}', "404 Not Found"),
        response('{"error": {"code": "never-heard", "message": "m"}}', "418 Teapot"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    ],
    ids=lambda said: repr(said[:60]),
)
def test_nonsense_proves_nothing(said):
    with answering(said) as url, pytest.raises(Unreachable):
        HttpLauncher(url, KEYS, timeout_s=5).ensure(an_order())


def test_silence_is_not_waited_for_longer_than_agreed():
    with answering(None) as url, pytest.raises(Unreachable):
        HttpLauncher(url, KEYS, timeout_s=0.3).running()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "unix:/no/such/socket"])
def test_nobody_there_is_unreachable(url):
    with pytest.raises(Unreachable):
        HttpLauncher(url, KEYS).capacity()


@pytest.mark.parametrize("url", ["", "ftp://host", "unix:", "/run/socket"])
def test_an_address_that_is_none_is_for_operators(url):
    with pytest.raises(Misconfigured):
        HttpLauncher(url, KEYS).running()


@pytest.fixture
def scripted(tmp_path):
    make_layer(tmp_path / "data")
    memory = launchers.memory(tmp_path / "data")
    yield memory.launcher


@pytest.mark.parametrize(
    ("failure", "meaning"),
    [
        (Unavailable("away"), Unreachable),
        (EngineRefused("no space left on device"), Unreachable),
        (ImageMissing("no image"), Misconfigured),
        (Invalid("no"), Rejected),
    ],
    ids=str,
)
def test_a_refusal_has_its_meaning_and_its_words(scripted, failure, meaning):
    scripted.backend.fail("start", failure)

    with pytest.raises(meaning, match=str(failure)):
        scripted.ensure(an_order())


def test_every_verb_may_fail(scripted):
    for verb in ("all", "remove", "logs"):
        scripted.backend.fail(verb, Unavailable("away"), times=1)

    for ask in (
        scripted.running,
        lambda: scripted.remove(uuid4()),
        lambda: scripted.logs(uuid4()),
    ):
        with pytest.raises(Unreachable):
            ask()
