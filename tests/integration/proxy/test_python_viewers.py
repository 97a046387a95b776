"""A Python viewer behind a real nginx: found by its name, spoken to by its person alone."""

import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings

from core_app.models import User
from tests.integration.proxy.conftest import Proxied, nginx_before
from tests.support import volumes
from tests.support.nginx import Nginx
from viewers_app import data_access, selectors
from viewers_app.launcher import open_launcher
from viewers_app.models import AtlasLayer, ViewerSession
from viewers_app.services import processes, sessions

START_LIMIT_S = 60


class Names(threading.Thread):
    """A name server that knows every name, as 127.0.0.1, and remembers which were asked."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                question, sender = self._socket.recvfrom(512)
            except OSError:
                return
            if not question:
                return
            self.asked.append(self._asked_in(question))
            head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
            end = question.index(b"\0", 12) + 5
            answer = struct.pack(">HHHIH", 0xC00C, 1, 1, 5, 4) + socket.inet_aton("127.0.0.1")
            self._socket.sendto(head + question[12:end] + answer, sender)

    def stop(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self.join()
        self._socket.close()

    @staticmethod
    def _asked_in(question: bytes) -> str:
        parts, at = [], 12
        while length := question[at]:
            parts.append(question[at + 1 : at + 1 + length].decode())
            at += length + 1
        return ".".join(parts)


@pytest.fixture
def names() -> Iterator[Names]:
    server = Names()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def opened(site: Any, settings: Any, researcher: User, tmp_path: Path) -> Iterator[ViewerSession]:
    """The researcher's view, with a real viewer as a process of this host."""
    settings.LAUNCHER, settings.DEBUG = "process", True
    settings.LAUNCHER_FOLDER, settings.DATA_SERVER = tmp_path / "processes", "nginx"
    yield started(open_one(researcher))
    for running in open_launcher().running():
        open_launcher().remove(running.view)


def open_one(person: User) -> ViewerSession:
    atlas = volumes.the_phantom_atlas() if not AtlasLayer.objects.exists() else None
    rows = {row.part: row for row in selectors.atlas_layers()}
    assert rows, atlas
    layers = [rows[AtlasLayer.Part.TEMPLATE], rows[AtlasLayer.Part.ANNOTATION]]
    wanted = sessions.Wanted(layers, "an atlas", recipe="atlas-structures")
    return sessions.open_view(wanted, by=person).session


def started(session: ViewerSession) -> ViewerSession:
    deadline = time.monotonic() + START_LIMIT_S
    while processes.bring_up(session).state != "ready":
        assert session.state == "starting", session.failure
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return session


def port_of(session: ViewerSession) -> str:
    (found,) = (each for each in open_launcher().running() if each.view == session.uuid)
    return found.address.rpartition(":")[2]


@pytest.fixture
def nginx(site: Any, opened: ViewerSession, names: Names, settings: Any, tmp_path: Path):
    upstream = site.viewer_url.removeprefix("http://")
    server = nginx_before(
        upstream, tmp_path / "nginx", settings.DATA_ROOT,
        RESOLVER=names.address, VIEW_PORT=port_of(opened),
    )  # fmt: skip
    data_access.verdicts.forget()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own(nginx: Nginx, opened: ViewerSession) -> Proxied:
    return Proxied(nginx.port, cookie_of(opened))


def cookie_of(session: ViewerSession) -> str:
    from tests.app.viewers_app.conftest import path_of, viewer_client

    client = viewer_client()
    assert session.owner is not None
    url = sessions.enter(session, by=session.owner).url
    assert client.get(path_of(url)).status_code == 302
    return client.cookies[site_settings.VIEWER_COOKIE_NAME].value


def said_at(session: ViewerSession, what: str = "state") -> str:
    return f"/py/{session.uuid}/{what}/{processes.token_of(session.uuid)}"


def say(browser: Proxied, session: ViewerSession, state: dict[str, Any], **headers: str) -> int:
    """Send a state as the client does; return the status."""
    body = json.dumps({"pg": "0", "g": "1", "s": state, "c": "c"}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=20)
    sent = {
        "Host": site_settings.VIEWER_URL.partition("://")[2],
        "Origin": site_settings.VIEWER_URL,
        "Cookie": f"{site_settings.VIEWER_COOKIE_NAME}={browser.cookie}",
        **headers,
    }
    connection.request("POST", said_at(session), body, sent)
    status = connection.getresponse().status
    connection.close()
    return status


def first_event(browser: Proxied, session: ViewerSession) -> tuple[int, bytes, Any]:
    """Open the stream of events and return what comes at once, without waiting for its end."""
    connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=20)
    headers = {
        "Host": site_settings.VIEWER_HOST,
        "Cookie": f"{site_settings.VIEWER_COOKIE_NAME}={browser.cookie}",
    }
    connection.request("GET", f"{said_at(session, 'events')}?c=c&gc=x&gs=x", headers=headers)
    response = connection.getresponse()
    begun = response.read1(65536)
    connection.close()
    return response.status, begun, response.headers


def test_the_stream_of_events_comes_through_at_once(
    own: Proxied, opened: ViewerSession, names: Names
) -> None:
    status, begun, headers = first_event(own, opened)

    assert (status, begun.startswith(b"data: ")) == (200, True)
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert f"ls-view-{opened.uuid}" in names.asked


def test_a_state_reaches_the_process(own: Proxied, opened: ViewerSession) -> None:
    # 412: the viewer knows another state by then. It was asked.
    assert say(own, opened, {"layers": []}) in {200, 412}


def test_pages_of_other_origins_say_nothing(own: Proxied, opened: ViewerSession) -> None:
    assert say(own, opened, {}, Origin="http://evil.example") == 403
    assert say(own, opened, {}, Origin="") == 403


@pytest.mark.parametrize("what", ["v", "credentials", "neuroglancer/info", "events/x/.."])
def test_nothing_else_of_the_process_is_within_reach(
    own: Proxied, opened: ViewerSession, what: str
) -> None:
    answer = own.ask(f"{said_at(opened, what)}/main.js", Host=site_settings.VIEWER_HOST)

    assert answer.status == 404


def test_somebody_else_is_refused_and_the_process_never_asked(
    nginx: Nginx, opened: ViewerSession, stranger: User, names: Names
) -> None:
    foreign = Proxied(nginx.port, cookie_of(open_one(stranger)))

    status, _, _ = first_event(foreign, opened)
    nobody, _, _ = first_event(Proxied(nginx.port), opened)

    assert (status, nobody) == (403, 401)
    assert not names.asked


def test_a_process_that_died_is_said_so(own: Proxied, opened: ViewerSession) -> None:
    open_launcher().remove(opened.uuid)

    status, begun, _ = first_event(own, opened)

    assert (status, begun) == (502, b"The Python viewer does not answer.\n")


def test_a_view_that_was_stopped_is_out_of_reach_when_the_verdict_is_old(
    own: Proxied, opened: ViewerSession
) -> None:
    assert first_event(own, opened)[0] == 200
    sessions.stop_session(opened, by=None)

    deadline = time.monotonic() + 20
    while first_event(own, opened)[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
