"""What ends the access of a browser on the viewer origin: its own views, and nobody else's."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from core_app.models import User
from tests.app.viewers_app.conftest import Browser, path_of, site_client, viewer_client
from tests.support.people import PASSWORD
from viewers_app import cookies, data_access, tasks
from viewers_app.models import DataLayer, ViewerSession
from viewers_app.services import sessions

NEW_PASSWORD = "another-long-test-password"


@pytest.fixture
def site(researcher: User) -> Client:
    """The researcher's browser on the application."""
    return site_client(researcher)


def opened_from(site: Client, layer: DataLayer, *, beside: Browser | None = None) -> Browser:
    """Press Open on the site, in a browser that may have other views open."""
    browser = Browser(beside.client if beside else viewer_client())
    answer = site.post("/viewers/open/", {"layer": [str(layer.uuid)]})
    assert browser.client.get(path_of(answer["Location"])).status_code == 302
    browser.session = ViewerSession.objects.latest("pk")
    return browser


def data(browser: Browser, layer: DataLayer) -> int:
    """Ask as half a minute later."""
    data_access.verdicts.forget()
    return browser.data(layer).status_code


def page(browser: Browser) -> int:
    return browser.client.get(f"/view/{browser.session.uuid}/").status_code


def renew(browser: Browser) -> int:
    address = f"/view/{browser.session.uuid}/renew"
    return browser.client.post(address, headers={"Origin": settings.VIEWER_URL}).status_code


def named_by(browser: Browser) -> frozenset[UUID]:
    """Return the views that the browser's cookie names."""
    request = HttpRequest()
    name = settings.VIEWER_COOKIE_NAME
    request.COOKIES[name] = browser.client.cookies[name].value
    return cookies.views_in(request)


# --- stopped views ---


def test_the_cookie_of_a_stopped_view_opens_nothing_beside_a_live_one(
    site: Client, researcher: User, layer: DataLayer, operator: User
) -> None:
    stopped = opened_from(site, layer)
    elsewhere = opened_from(site_client(researcher), layer)

    sessions.stop_session(stopped.session, by=operator)

    assert data(stopped, layer) == 401
    assert renew(stopped) == 401
    assert page(stopped) == 401
    assert data(elsewhere, layer) == 200


def test_a_stopped_view_is_not_brought_back_by_another_of_the_person(
    site: Client, researcher: User, layer: DataLayer, operator: User
) -> None:
    stopped = opened_from(site, layer)
    live = opened_from(site_client(researcher), layer)
    sessions.stop_session(stopped.session, by=operator)

    address = f"/view/{live.session.uuid}/renew"
    answer = stopped.client.post(address, headers={"Origin": settings.VIEWER_URL})

    assert answer.status_code == 401
    assert not answer.cookies


@pytest.mark.parametrize("which", ["older", "newer"])
def test_of_two_open_pages_the_other_goes_on_when_one_is_stopped(
    site: Client, layer: DataLayer, operator: User, which: str
) -> None:
    older = opened_from(site, layer)
    newer = opened_from(site, layer, beside=older)
    stopped, other = (older, newer) if which == "older" else (newer, older)

    sessions.stop_session(stopped.session, by=operator)

    assert data(other, layer) == 200
    assert (page(other), renew(other)) == (200, 200)
    assert (page(stopped), renew(stopped)) == (410, 410)
    assert data(other, layer) == 200


def test_a_renewed_cookie_names_the_live_views_only(
    site: Client, layer: DataLayer, operator: User
) -> None:
    older = opened_from(site, layer)
    newer = opened_from(site, layer, beside=older)
    assert named_by(newer) == {older.session.uuid, newer.session.uuid}

    sessions.stop_session(newer.session, by=operator)
    renew(older)

    assert named_by(older) == {older.session.uuid}


def test_when_all_open_pages_are_stopped_the_cookie_opens_nothing(
    site: Client, layer: DataLayer, operator: User
) -> None:
    older = opened_from(site, layer)
    newer = opened_from(site, layer, beside=older)

    for browser in (older, newer):
        sessions.stop_session(browser.session, by=operator)

    assert data(newer, layer) == 401


def test_very_many_open_pages_go_on(site: Client, layer: DataLayer) -> None:
    first = opened_from(site, layer)
    for _ in range(cookies.MOST_NAMED + 2):
        last = opened_from(site, layer, beside=first)

    assert (page(first), page(last), data(first, layer)) == (200, 200, 200)
    assert len(named_by(last)) == cookies.MOST_NAMED


# --- sign-out, another password, deactivation ---


def test_signing_out_ends_the_views_that_were_opened_then(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    browser = opened_from(site, layer)
    at_home = opened_from(site_client(researcher), layer)

    site.post("/accounts/logout/")

    assert (data(browser, layer), renew(browser), page(browser)) == (401, 401, 401)
    assert (data(at_home, layer), renew(at_home), page(at_home)) == (200, 200, 200)


def test_a_view_of_another_sign_in_is_no_way_around_it(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    """Looking at a link of one's own view of elsewhere does not put it into the cookie."""
    browser = opened_from(site, layer)
    at_home = opened_from(site_client(researcher), layer)
    link = f"/view/{at_home.session.uuid}"
    assert browser.client.get(f"{link}/").status_code == 200
    browser.client.post(f"{link}/renew", headers={"Origin": settings.VIEWER_URL})

    site.post("/accounts/logout/")

    assert data(browser, layer) == 401


def test_a_ticket_of_a_person_who_signed_out_is_refused(site: Client, layer: DataLayer) -> None:
    answer = site.post("/viewers/open/", {"layer": [str(layer.uuid)]})
    site.post("/accounts/logout/")

    assert viewer_client().get(path_of(answer["Location"])).status_code == 410


def test_signing_in_again_brings_no_old_view_back(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    old = opened_from(site, layer)
    site.post("/accounts/logout/")

    again = opened_from(site_client(researcher), layer, beside=old)

    assert data(again, layer) == 200
    assert page(old) == 410
    assert named_by(again) == {again.session.uuid}


def test_a_changed_password_ends_the_views_of_every_sign_in(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    browser = opened_from(site, layer)
    at_home = opened_from(site_client(researcher), layer)

    words = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    site.post("/accounts/password/change/", words)

    researcher.refresh_from_db()
    assert researcher.check_password(NEW_PASSWORD)
    for each in (browser, at_home):
        assert (data(each, layer), renew(each), page(each)) == (401, 401, 401)


def test_a_password_set_by_somebody_else_ends_them_too(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    browser = opened_from(site, layer)
    researcher.set_password(NEW_PASSWORD)
    researcher.save()

    assert data(browser, layer) == 401


def test_an_overdue_sign_in_ends_its_views(site: Client, layer: DataLayer) -> None:
    browser = opened_from(site, layer)
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(session_key=site.session.session_key).update(expire_date=past)

    assert (data(browser, layer), renew(browser)) == (401, 401)


def test_a_deactivated_person_is_out(site: Client, researcher: User, layer: DataLayer) -> None:
    browser = opened_from(site, layer)
    User.objects.filter(pk=researcher.pk).update(is_active=False)

    assert (data(browser, layer), renew(browser), page(browser)) == (401, 401, 401)


def test_within_half_a_minute_the_answer_is_remembered(
    site: Client, layer: DataLayer, django_assert_num_queries: Callable[..., object]
) -> None:
    browser = opened_from(site, layer)
    assert browser.data(layer).status_code == 200

    with django_assert_num_queries(0):  # type: ignore[attr-defined]  # a context manager
        assert browser.data(layer).status_code == 200


def test_the_sweep_ends_the_views_of_people_who_signed_out(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    gone = opened_from(site, layer).session
    stays = opened_from(site_client(researcher), layer).session
    site.post("/accounts/logout/")

    assert tasks.expire_sessions() == "1 views expired"

    gone.refresh_from_db()
    stays.refresh_from_db()
    assert (gone.state, stays.state) == ("expired", "ready")


# --- what is stored for it ---


def test_the_console_shows_neither_the_sign_in_nor_the_stamp_of_the_password(
    site: Client, layer: DataLayer, operator: User
) -> None:
    session = opened_from(site, layer).session

    html = site_client(operator).get(f"/admin/viewers_app/viewersession/{session.pk}/change/")

    assert html.status_code == 200
    assert site.session.session_key not in html.content.decode()
    assert session.password_stamp not in html.content.decode()
