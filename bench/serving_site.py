"""A site with one view, for the benchmark of its proxy: of random chunks, or of an atlas.

Runs in its own process: `serving_site.py FOLDER CHUNKS|atlas PORT`, the last being the proxy's. It
tells its measurer in lines of JSON what was opened, then answers the words on its standard input:
`open` opens once more, `end` takes the first view away.
"""

from __future__ import annotations

import contextlib
import io
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


def main(folder: Path, what: str, viewer_port: str) -> None:
    server = _Threaded(("127.0.0.1", 0), _Quiet)
    _set_up(folder, f"http://viewer.localhost:{viewer_port}")
    from django.core.wsgi import get_wsgi_application

    layers = _atlas(folder) if what == "atlas" else _random(folder / "data", int(what))
    opened = _open(layers)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folders = [str(layer.folder) for layer in layers]
    _tell(
        port=server.server_port, host="viewer.localhost", layer=str(layers[0].uuid),
        folder=folders[0], folders=folders, **_pass_of(opened),
    )  # fmt: skip
    for line in sys.stdin:
        if line.strip() == "end":
            _end(opened)
            _tell(ended=True)
        else:
            view = _open(layers)
            _tell(url=view.url, state=_state_of(view))


def _set_up(folder: Path, viewer_url: str) -> None:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="lightserv_site.settings", SECRET_KEY="for the benchmark " * 3,
        DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}", DATA_ROOT=str(folder / "data"),
        DEBUG="0", SITE_URL="http://site.localhost:1", VIEWER_URL=viewer_url, DATA_SERVER="nginx",
    )  # fmt: skip
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.STATIC_ROOT = folder / "static"
    settings.STATIC_ROOT.mkdir(exist_ok=True)
    call_command("migrate", verbosity=0)
    from core_app.models import User

    User.objects.create(username="researcher", email="researcher@example.org")


def _atlas(folder: Path) -> list[Any]:
    """Install the invented brain, and lay out the static files of the site."""
    from django.core.management import call_command

    from viewers_app.selectors import atlas_layers

    (folder / "data").mkdir(exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        call_command("import_atlas", "--phantom", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    return sorted(atlas_layers(), key=lambda layer: layer.part != "template")


def _random(root: Path, chunks: int) -> list[Any]:
    """Lay chunks of random bytes where an annotation of an atlas is."""
    from tests.support.processed import an_installed_atlas
    from viewers_app.models import AtlasLayer

    atlas = an_installed_atlas("bench")
    layer = AtlasLayer.objects.create(atlas=atlas, part="annotation", facts={})
    volume = root / str(layer.folder) / SCALE
    volume.mkdir(parents=True, exist_ok=True)
    (volume.parent / "info").write_text("{}")
    for number in range(chunks):
        name = f"{64 * number}-{64 * number + 64}_0-64_0-64"
        (volume / name).write_bytes(os.urandom(CHUNK_BYTES))
    return [layer]


def _open(layers: list[Any]) -> Any:
    from core_app.models import User
    from viewers_app.services import sessions

    wanted = sessions.Wanted(layers, "a view", recipe="atlas" if len(layers) > 1 else "")
    return sessions.open_view(wanted, by=User.objects.get())


def _state_of(opened: Any) -> dict[str, Any]:
    """Return the client's state with a mark for the address of each volume, as `layer:<n>`."""
    from viewers_app import selectors, showing
    from viewers_app.neuroglancer import DESKTOP

    rows = selectors.layers_of(opened.session)
    text = json.dumps(showing.state_for(opened.session, rows, DESKTOP))
    for number, row in enumerate(rows):
        text = text.replace(str(row.uuid), str(number))
    found: dict[str, Any] = json.loads(text)
    return found


def _pass_of(opened: Any) -> dict[str, str]:
    """Exchange the ticket for the cookie, as a browser does."""
    from django.conf import settings
    from django.test import Client

    client = Client(headers={"host": settings.VIEWER_URL.partition("://")[2]})
    answer = client.get(opened.url.removeprefix(settings.VIEWER_URL))
    assert answer.status_code == 302, answer.content
    cookie = client.cookies[settings.VIEWER_COOKIE_NAME].value
    return {"cookie": f"{settings.VIEWER_COOKIE_NAME}={cookie}"}


def _end(opened: Any) -> None:
    from viewers_app.services import sessions

    sessions.stop_session(opened.session, by=None)


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
