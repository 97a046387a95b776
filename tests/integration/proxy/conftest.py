"""The site behind a real nginx, with the configuration that is shipped."""

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings

from core_app.models import User
from tests.app.viewers_app.conftest import a_product, channels_of, imaged, path_of, viewer_client
from tests.support.nginx import Nginx, free_port
from viewers_app import data_access
from viewers_app.models import DataLayer
from viewers_app.services import layers, sessions


@dataclass(frozen=True, slots=True)
class Answer:
    """What the proxy said."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes


@dataclass(slots=True)
class Proxied:
    """A browser without a mind of its own, before the proxy."""

    port: int
    cookie: str = ""

    def ask(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            named["Cookie"] = f"theme=dark; {site_settings.VIEWER_COOKIE_NAME}={self.cookie}"
        try:
            connection.putrequest(
                method, path, skip_host="Host" in named, skip_accept_encoding=True
            )
            for name, value in named.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def data(self, layer: DataLayer, key: str, **options: Any) -> Answer:
        return self.ask(f"/data/{layer.uuid}/{key}", **options)


@pytest.fixture
def layer_of(clearer: User, imager: User) -> Callable[[User], DataLayer]:
    """Give a person a request with a volume."""

    def make(owner: User) -> DataLayer:
        request = imaged(owner, clearer=clearer, imager=imager, name=f"own of {owner.username}")
        product = a_product(channels_of(request)[0])
        layers.publish_new_products()
        return product.layer

    return make


@pytest.fixture
def layer(layer_of: Callable[[User], DataLayer], researcher: User) -> DataLayer:
    return layer_of(researcher)


def nginx_before(upstream: str, folder: Path, data_root: Path, **more: str) -> Nginx:
    """Return an nginx, not started, that asks the site at this address."""
    return Nginx(
        folder,
        {
            "LISTEN": f"127.0.0.1:{free_port()}",
            "SITE_HOST": site_settings.SITE_HOST,
            "VIEWER_HOST": site_settings.VIEWER_HOST,
            "SITE_UPSTREAM": upstream,
            "DATA_ROOT": str(data_root),
            "STATIC_ROOT": str(folder),
            "VIEWER_COOKIE": site_settings.VIEWER_COOKIE_NAME,
            "VERDICT_S": "2",
            **more,
        },
    )


@pytest.fixture
def nginx(site: Any, settings: Any, tmp_path: Path) -> Iterator[Nginx]:
    """Nginx before the running site, sending what lies below this test's data root."""
    settings.DATA_SERVER = "nginx"
    upstream = site.viewer_url.removeprefix("http://")
    server = nginx_before(upstream, tmp_path / "nginx", settings.DATA_ROOT)
    data_access.verdicts.forget()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def browser_of(nginx: Nginx) -> Callable[..., Proxied]:
    """Open a view as a person does, and go on before the proxy."""

    def open_it(person: Any, *opened: DataLayer) -> Proxied:
        view = sessions.open_view(sessions.Wanted(opened, "a view"), by=person)
        client = viewer_client()
        assert client.get(path_of(view.url)).status_code == 302
        return Proxied(nginx.port, client.cookies[site_settings.VIEWER_COOKIE_NAME].value)

    return open_it
