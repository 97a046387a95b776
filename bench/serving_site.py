"""A site with one volume that one person may see, for the benchmark of its proxy.

Runs in its own process and tells the proxy's measurer, line by line, what it needs: first the
viewer cookie and the volume; after a line on its standard input it takes the view away.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

CHUNK_BYTES = 128 * 1024
SCALE = "100_100_100"


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def main(folder: Path, chunks: int) -> None:
    server = _Threaded(("127.0.0.1", 0), _Quiet)
    url = f"http://viewer.localhost:{server.server_port}"
    os.environ.update(
        DJANGO_SETTINGS_MODULE="lightserv_site.settings", SECRET_KEY="for the benchmark " * 3,
        DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}", DATA_ROOT=str(folder / "data"),
        DEBUG="0", SITE_URL="http://site.localhost:1", VIEWER_URL=url, DATA_SERVER="nginx",
    )  # fmt: skip
    import django

    django.setup()
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    view, layer = _view_of_one_volume(folder / "data", chunks)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _tell(port=server.server_port, host="viewer.localhost", **_pass_of(view, layer))
    sys.stdin.readline()
    _end(view)
    _tell(ended=True)
    sys.stdin.readline()


def _view_of_one_volume(root: Path, chunks: int) -> tuple[Any, Any]:
    from core_app.models import User
    from tests.support.processed import an_installed_atlas
    from viewers_app.models import AtlasLayer
    from viewers_app.services import sessions

    person = User.objects.create(username="researcher", email="researcher@example.org")
    atlas = an_installed_atlas("bench")
    layer = AtlasLayer.objects.create(atlas=atlas, part="annotation", facts={})
    volume = root / str(layer.folder) / SCALE
    volume.mkdir(parents=True, exist_ok=True)
    (volume.parent / "info").write_text("{}")
    for number in range(chunks):
        name = f"{64 * number}-{64 * number + 64}_0-64_0-64"
        (volume / name).write_bytes(os.urandom(CHUNK_BYTES))
    wanted = sessions.Wanted([layer], "a view")
    return sessions.open_view(wanted, by=person), layer


def _pass_of(opened: Any, layer: Any) -> dict[str, str]:
    """Exchange the ticket for the cookie, as a browser does."""
    from django.conf import settings
    from django.test import Client

    client = Client(headers={"host": settings.VIEWER_URL.partition("://")[2]})
    answer = client.get(opened.url.removeprefix(settings.VIEWER_URL))
    assert answer.status_code == 302, answer.content
    cookie = client.cookies[settings.VIEWER_COOKIE_NAME].value
    return {
        "cookie": f"{settings.VIEWER_COOKIE_NAME}={cookie}",
        "layer": str(layer.uuid),
        "folder": str(layer.folder),
    }


def _end(opened: Any) -> None:
    from viewers_app.services import sessions

    sessions.stop_session(opened.session, by=None)


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
