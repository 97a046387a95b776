"""Each origin answers by its own name only, and gives nothing that belongs to the other."""

from collections.abc import Callable

import pytest
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from lightserv_site.middleware import RouteByHost
from viewers_app.client_page import client_files

VIEWERS, APPLICATION = "viewers", "application"
Ask = Callable[..., HttpResponse]


def names_of(settings: Settings, *, site: str, viewer: str) -> None:
    settings.SITE_HOST, settings.VIEWER_HOST = site, viewer
    settings.ALLOWED_HOSTS = [site, viewer]


@pytest.fixture
def ask(settings: Settings) -> Ask:
    """Send a request through the middleware; the answer names the origin that would serve it."""
    names_of(settings, site="app.example.org", viewer="view.example.net")

    def origin_of(request: HttpRequest) -> HttpResponse:
        chosen = getattr(request, "urlconf", None)
        return HttpResponse(VIEWERS if chosen == settings.VIEWER_URLCONF else APPLICATION)

    def send(host: str, path: str = "/", *, method: str = "GET", **headers: str) -> HttpResponse:
        request = RequestFactory().generic(method, path, headers={"host": host, **headers})
        return RouteByHost(origin_of)(request)

    return send


# --- names ---


@pytest.mark.parametrize(
    "host",
    [
        "view.example.net",
        "view.example.net:8443",
        "view.example.net.",
        "view.example.net.:8443",
        "VIEW.Example.NET",
        "View.example.net.",
    ],
)
def test_every_spelling_of_the_viewers_name_is_the_viewer_origin(ask: Ask, host: str) -> None:
    assert ask(host).content.decode() == VIEWERS


@pytest.mark.parametrize(
    "host", ["app.example.org", "APP.example.org", "app.example.org.", "app.example.org:80"]
)
def test_every_spelling_of_the_sites_name_is_the_application(ask: Ask, host: str) -> None:
    assert ask(host).content.decode() == APPLICATION


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1.", "127.0.0.1.:8000"])
def test_an_address_has_its_spellings_too(ask: Ask, settings: Settings, host: str) -> None:
    names_of(settings, site="localhost", viewer="127.0.0.1")

    assert ask(host).content.decode() == VIEWERS


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8000"])
def test_an_address_of_ipv6_is_known_by_its_settings_name(
    ask: Ask, settings: Settings, host: str
) -> None:
    names_of(settings, site="localhost", viewer="::1")
    settings.ALLOWED_HOSTS = ["localhost", "[::1]"]

    assert ask(host).content.decode() == VIEWERS


@pytest.mark.parametrize("host", ["evil.example", "view.example.net..", "127.1", "", "a b"])
def test_another_name_is_refused(ask: Ask, host: str) -> None:
    with pytest.raises(DisallowedHost):
        ask(host)


def test_a_name_that_is_only_let_in_by_a_pattern_is_not_the_application(
    ask: Ask, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["app.example.org", ".example.net"]

    assert ask("other.example.net").status_code == 404
    assert ask("view.example.net").content.decode() == VIEWERS


# --- the client's files ---


@pytest.fixture
def static_files(settings: Settings) -> None:
    """Serve static files as in production, from where they are installed."""
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


def static(settings: Settings, host: str, name: str) -> int:
    answer = Client(SERVER_NAME=host).get(f"{settings.STATIC_URL}{name}")
    list(answer)  # read to its end, which closes the file
    return answer.status_code


def test_the_client_is_on_the_viewer_origin_only(settings: Settings, static_files: None) -> None:
    script = f"neuroglancer/{client_files(settings.NEUROGLANCER_CLIENT).scripts[0]}"

    assert static(settings, settings.VIEWER_HOST, script) == 200
    assert static(settings, settings.SITE_HOST, script) == 404
    assert static(settings, f"{settings.SITE_HOST}.", script) == 404


def test_the_clients_own_page_is_nowhere(settings: Settings, static_files: None) -> None:
    assert static(settings, settings.SITE_HOST, "neuroglancer/index.html") == 404
    assert static(settings, settings.VIEWER_HOST, "neuroglancer/index.html") == 404


@pytest.mark.parametrize("name", ["index.html", "index.0123456789ab.html", "index.html.gz"])
def test_no_copy_of_the_clients_page_is_asked_for(ask: Ask, name: str) -> None:
    assert ask("view.example.net", f"/static/neuroglancer/{name}").status_code == 404


def test_other_static_files_are_on_both_origins(settings: Settings, static_files: None) -> None:
    for host in (settings.SITE_HOST, settings.VIEWER_HOST):
        assert static(settings, host, "viewers_app/view.js") == 200


# --- requests from a page of a sibling name ---

NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "empty"},
        {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "object"},
        {"sec-fetch-mode": "websocket", "sec-fetch-dest": "websocket"},
    ],
)
def test_a_page_of_a_sibling_name_fetches_nothing(
    ask: Ask, method: str, how: dict[str, str]
) -> None:
    answer = ask("app.example.org", method=method, **{"sec-fetch-site": "same-site"}, **how)

    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_from_a_sibling_name_works(ask: Ask, method: str) -> None:
    """Also by POST: an identity provider under the same domain ends its sign-in so."""
    sent = {"sec-fetch-site": "same-site", **NAVIGATION}

    assert ask("app.example.org", method=method, **sent).content.decode() == APPLICATION


@pytest.mark.parametrize("site", ["same-origin", "none", "cross-site", None])
def test_all_other_requests_are_left_alone(ask: Ask, site: str | None) -> None:
    sent = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
    sent |= {"sec-fetch-site": site} if site else {}

    assert ask("app.example.org", method="POST", **sent).content.decode() == APPLICATION


def test_the_viewer_origin_may_be_reached_from_its_sibling(ask: Ask) -> None:
    """Open is a form whose answer leads there; where both share a domain, this is same-site."""
    sent = {"sec-fetch-site": "same-site", **NAVIGATION}

    assert ask("view.example.net", "/open", **sent).content.decode() == VIEWERS
