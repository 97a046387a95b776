"""The viewer origin: its cookie, its pages, and nothing of the application."""

import json
from collections.abc import Callable

import pytest
from django.conf import settings
from django.core.signing import TimestampSigner
from pytest_django import Settings

from core_app.models import User
from tests.app.viewers_app.conftest import Browser, path_of, site_client, viewer_client
from viewers_app.models import DataLayer
from viewers_app.revisions import revision_of
from viewers_app.services import sessions

ViewOf = Callable[..., Browser]


@pytest.fixture
def browser(view_of: ViewOf, researcher: User, layer: DataLayer) -> Browser:
    return view_of(researcher, layer)


def test_a_ticket_becomes_a_cookie_and_leaves_the_address(
    researcher: User, layer: DataLayer
) -> None:
    opened = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher)

    answer = viewer_client().get(path_of(opened.url))

    assert answer.status_code == 302
    assert answer["Location"] == f"/view/{opened.session.uuid}/"
    assert settings.VIEWER_COOKIE_NAME in answer.cookies


def test_the_cookie_cannot_be_read_by_scripts_or_sent_across_sites(browser: Browser) -> None:
    cookie = browser.client.cookies[settings.VIEWER_COOKIE_NAME]

    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""
    assert cookie["max-age"] == settings.VIEWER_COOKIE_AGE_S


@pytest.mark.parametrize(("origin", "secure"), [("https://v.example", True), ("http://v", "")])
def test_the_cookie_is_secure_where_the_site_is(
    settings: Settings, researcher: User, layer: DataLayer, origin: str, secure: object
) -> None:
    opened = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher)
    settings.VIEWER_URL = origin

    answer = viewer_client().get(f"/open{opened.url.partition('/open')[2]}")

    assert answer.cookies[settings.VIEWER_COOKIE_NAME]["secure"] == secure


def test_a_second_use_of_the_address_says_how_to_go_on(researcher: User, layer: DataLayer) -> None:
    opened = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher)
    viewer_client().get(path_of(opened.url))

    again = viewer_client().get(path_of(opened.url))

    assert again.status_code == 410
    assert settings.VIEWER_COOKIE_NAME not in again.cookies
    assert f'href="{settings.SITE_URL}/viewers/"' in again.content.decode()


def test_a_head_request_does_not_use_up_a_ticket(researcher: User, layer: DataLayer) -> None:
    opened = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher)

    assert viewer_client().head(path_of(opened.url)).status_code == 405
    assert viewer_client().get(path_of(opened.url)).status_code == 302


@pytest.mark.parametrize("extra", ["&next=https://evil.example/", "&url=//evil.example", "&uuid=1"])
def test_opening_cannot_be_turned_into_a_redirect_elsewhere(
    researcher: User, layer: DataLayer, extra: str
) -> None:
    opened = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher)

    answer = viewer_client().get(path_of(opened.url) + extra)

    assert answer["Location"] == f"/view/{opened.session.uuid}/"


def test_the_wrapper_shows_the_title_and_frames_the_client(browser: Browser) -> None:
    page = browser.client.get(f"/view/{browser.session.uuid}/")

    assert page.status_code == 200
    html = page.content.decode()
    assert "a view" in html
    assert f"/neuroglancer/v/{browser.session.uuid}/" in html
    assert f"{settings.SITE_URL}/viewers/samples/" in html


def test_the_wrapper_may_not_be_framed_and_the_client_only_by_us(browser: Browser) -> None:
    wrapper = browser.client.get(f"/view/{browser.session.uuid}/")
    client = browser.client.get("/neuroglancer/v/x/")

    assert "frame-ancestors 'none'" in wrapper["Content-Security-Policy"]
    assert "'unsafe-eval'" not in wrapper["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in client["Content-Security-Policy"]
    assert "'unsafe-eval'" in client["Content-Security-Policy"]
    assert client["X-Frame-Options"] == "SAMEORIGIN"


def test_the_client_page_loads_the_stub_before_the_client(browser: Browser) -> None:
    html = browser.client.get("/neuroglancer/v/x/").content.decode()

    assert 0 < html.index("no-event-stream") < html.index("neuroglancer/main.")


def test_the_bare_client_address_leads_to_where_it_can_start() -> None:
    answer = viewer_client().get("/neuroglancer/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/neuroglancer/v/")


def test_the_state_has_the_absolute_address_of_each_volume(
    browser: Browser, layer: DataLayer
) -> None:
    answer = browser.client.get(f"/states/{browser.session.uuid}")

    state = json.loads(answer.content)
    revision = revision_of(layer.folder, made=layer.made)
    source = f"precomputed://{settings.VIEWER_URL}/data/{layer.uuid}/@{revision}"
    assert [each["source"] for each in state["layers"]] == [source]
    assert "no-store" in answer["Cache-Control"]


def test_the_state_fits_the_screen_that_asks(browser: Browser) -> None:
    address = f"/states/{browser.session.uuid}"

    phone = json.loads(browser.client.get(f"{address}?size=390x750").content)
    nonsense = json.loads(browser.client.get(f"{address}?size=0x-1").content)
    assert browser.client.get(f"{address}?size=00x00").status_code == 200

    assert phone["layout"] == "xy"
    assert nonsense["layout"] == "4panel"


def test_a_volume_that_is_no_longer_visible_is_left_out_of_the_state(
    browser: Browser, view_of: ViewOf, labmate: User, layer: DataLayer
) -> None:
    lab = layer.request.lab
    lab.shares_with_members = True
    lab.save()
    theirs = view_of(labmate, layer)
    lab.shares_with_members = False
    lab.save()

    state = json.loads(theirs.client.get(f"/states/{theirs.session.uuid}").content)

    assert state["layers"] == []


@pytest.mark.parametrize("address", ["/view/{}/", "/states/{}"])
def test_pages_of_a_view_want_a_cookie(browser: Browser, address: str) -> None:
    answer = viewer_client().get(address.format(browser.session.uuid))

    assert answer.status_code == 401


@pytest.mark.parametrize(("address", "status"), [("/view/{}/", 403), ("/states/{}", 404)])
def test_the_ticket_of_one_person_does_not_open_the_view_of_another(
    browser: Browser,
    view_of: ViewOf,
    stranger: User,
    layer_of: Callable[[User], DataLayer],
    address: str,
    status: int,
) -> None:
    other = view_of(stranger, layer_of(stranger))

    assert other.client.get(address.format(browser.session.uuid)).status_code == status


def test_several_views_of_one_person_go_on_in_one_browser(
    browser: Browser, view_of: ViewOf, researcher: User, layer: DataLayer
) -> None:
    first = browser.session.uuid

    view_of(researcher, layer, browser=browser)

    assert browser.client.get(f"/view/{first}/").status_code == 200
    assert browser.client.get(f"/states/{first}").status_code == 200


def test_an_old_view_goes_on_when_the_newest_is_stopped(
    browser: Browser, view_of: ViewOf, researcher: User, operator: User, layer: DataLayer
) -> None:
    first = browser.session.uuid
    view_of(researcher, layer, browser=browser)

    sessions.stop_session(browser.session, by=operator)

    assert browser.data(layer).status_code == 200
    assert browser.client.get(f"/view/{first}/").status_code == 200
    assert browser.client.get(f"/view/{browser.session.uuid}/").status_code == 410


def renew(browser: Browser, **headers: str) -> object:
    sent = {"Origin": settings.VIEWER_URL, **headers}
    return browser.client.post(f"/view/{browser.session.uuid}/renew", headers=sent)


def test_the_page_renews_its_cookie(browser: Browser) -> None:
    answer = renew(browser)

    assert answer.status_code == 200
    assert 0 < answer.json()["seconds_left"] <= settings.VIEWER_MAX_AGE_S
    assert settings.VIEWER_COOKIE_NAME in answer.cookies


@pytest.mark.parametrize(
    "origin",
    ["", "null", "https://evil.example", pytest.param(settings.SITE_URL, id="the application")],
)
def test_no_other_site_renews_it(browser: Browser, origin: str) -> None:
    answer = renew(browser, Origin=origin)

    assert answer.status_code == 403
    assert settings.VIEWER_COOKIE_NAME not in answer.cookies


def test_a_get_does_not_renew(browser: Browser) -> None:
    assert browser.client.get(f"/view/{browser.session.uuid}/renew").status_code == 405


def test_a_stopped_view_is_not_renewed(browser: Browser, operator: User) -> None:
    sessions.stop_session(browser.session, by=operator)

    answer = renew(browser)

    assert answer.status_code == 401
    assert settings.VIEWER_COOKIE_NAME not in answer.cookies


def test_a_cookie_is_too_old_after_a_quarter_of_an_hour(
    browser: Browser, layer: DataLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    real = time.time
    later = settings.VIEWER_COOKIE_AGE_S + 1
    monkeypatch.setattr("django.core.signing.time.time", lambda: real() + later)

    assert browser.data(layer).status_code == 401


def test_a_cookie_signed_for_another_purpose_is_refused(browser: Browser, layer: DataLayer) -> None:
    signer = TimestampSigner(salt="something else")
    forged = signer.sign(str(browser.session.uuid))
    browser.client.cookies[settings.VIEWER_COOKIE_NAME] = forged

    assert browser.data(layer).status_code == 401


@pytest.mark.parametrize("value", ["", "x", "a:b:c", ":::"])
def test_a_forged_cookie_is_refused(browser: Browser, layer: DataLayer, value: str) -> None:
    browser.client.cookies[settings.VIEWER_COOKIE_NAME] = value

    assert browser.data(layer).status_code == 401


@pytest.mark.parametrize(
    "address",
    ["/", "/admin/", "/accounts/login/", "/viewers/", "/requests/", "/api/v1/", "/nothing"],
)
def test_pages_of_the_application_are_not_on_the_viewer_origin(db: None, address: str) -> None:
    assert viewer_client().get(address).status_code == 404


def test_data_and_states_are_not_on_the_application_origin(
    browser: Browser, researcher: User, layer: DataLayer
) -> None:
    site = site_client(researcher)
    site.cookies[settings.VIEWER_COOKIE_NAME] = browser.client.cookies[
        settings.VIEWER_COOKIE_NAME
    ].value

    assert site.get(f"/data/{layer.uuid}/info").status_code == 404
    assert site.get(f"/states/{browser.session.uuid}").status_code == 404
    assert site.get(f"/view/{browser.session.uuid}/").status_code == 404


def test_the_application_session_means_nothing_on_the_viewer_origin(
    researcher: User, layer: DataLayer
) -> None:
    client = viewer_client()
    client.force_login(researcher, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(f"/data/{layer.uuid}/info").status_code == 401


def test_an_unknown_host_is_refused(db: None) -> None:
    assert viewer_client().get("/healthz", SERVER_NAME="evil.example").status_code == 400


def test_the_viewer_origin_says_that_it_is_up(db: None) -> None:
    answer = viewer_client().get("/healthz")

    assert answer.status_code == 200
    assert not answer.cookies
