"""A one-time address that somebody else sent does not take over a browser that has views open."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone

from core_app.models import User
from tests.app.viewers_app.conftest import Browser, path_of, site_client, viewer_client
from tests.support.console import words_of
from tests.support.saved import a_saved_view, share
from viewers_app.models import DataLayer, Ticket, ViewerSession
from viewers_app.services import sessions, sharing

ViewOf = Callable[..., Browser]
COOKIE = settings.VIEWER_COOKIE_NAME


@pytest.fixture
def browser(view_of: ViewOf, researcher: User, layer: DataLayer) -> Browser:
    return view_of(researcher, layer)


@pytest.fixture
def sent(stranger: User, layer_of: Callable[[User], DataLayer]) -> sessions.OpenedView:
    """A fresh address of the stranger, who sends it to the researcher."""
    wanted = sessions.Wanted([layer_of(stranger)], "bait <b>")
    return sessions.open_view(wanted, by=stranger)


def ticket_of(opened: sessions.OpenedView) -> str:
    return parse_qs(urlsplit(opened.url).query)["ticket"][0]


def confirm(browser: Browser, opened: sessions.OpenedView, origin: str = "") -> HttpResponse:
    headers = {"Origin": origin or settings.VIEWER_URL}
    return browser.client.post("/open", {"ticket": ticket_of(opened)}, headers=headers)


def still_looks(browser: Browser) -> bool:
    return browser.client.get(f"/view/{browser.session.uuid}/").status_code == 200


def test_following_it_asks_and_leaves_the_cookie_and_the_ticket(
    browser: Browser, sent: sessions.OpenedView, researcher: User, stranger: User
) -> None:
    answer = browser.client.get(path_of(sent.url))

    words = words_of(answer)
    assert answer.status_code == 200
    assert COOKIE not in answer.cookies
    assert "no-store" in answer["Cache-Control"]
    assert f"“bait <b>” as {stranger}" in words
    assert f"another sign-in, {researcher}; opening it here ends those" in words
    assert "<b>" not in answer.content.decode()
    assert still_looks(browser)
    assert Ticket.objects.filter(session=sent.session).exists()


def test_pressing_the_button_opens_it_and_ends_the_others(
    browser: Browser, sent: sessions.OpenedView
) -> None:
    browser.client.get(path_of(sent.url))

    answer = confirm(browser, sent)

    assert answer.status_code == 302
    assert answer["Location"] == f"/view/{sent.session.uuid}/"
    assert browser.client.get(f"/view/{sent.session.uuid}/").status_code == 200
    assert not still_looks(browser)


# Workers have ports of their own, so the site's address is no name of a test.
@pytest.mark.parametrize("origin", ["null", "https://evil.example", "the site's own"])
def test_a_form_of_another_site_presses_it_for_nobody(
    browser: Browser, sent: sessions.OpenedView, origin: str
) -> None:
    answer = confirm(browser, sent, origin.replace("the site's own", settings.SITE_URL))

    assert answer.status_code == 403
    assert COOKIE not in answer.cookies
    assert Ticket.objects.filter(session=sent.session).exists()
    assert still_looks(browser)


def test_a_form_without_an_origin_presses_it_for_nobody(
    browser: Browser, sent: sessions.OpenedView
) -> None:
    answer = browser.client.post("/open", {"ticket": ticket_of(sent)})

    assert answer.status_code == 403
    assert still_looks(browser)


def test_the_ticket_is_no_part_of_the_address_that_is_posted_to(
    browser: Browser, sent: sessions.OpenedView
) -> None:
    headers = {"Origin": settings.VIEWER_URL}

    answer = browser.client.post(path_of(sent.url), headers=headers)

    assert answer.status_code == 410
    assert Ticket.objects.filter(session=sent.session).exists()


def test_who_answers_too_late_is_told_that_nothing_changed(
    browser: Browser, sent: sessions.OpenedView
) -> None:
    browser.client.get(path_of(sent.url))
    Ticket.objects.update(expires_at=timezone.now())

    answer = confirm(browser, sent)

    assert answer.status_code == 410
    assert "The minute in which this link opens a view is over" in words_of(answer)
    assert COOKIE not in answer.cookies
    assert still_looks(browser)


def test_views_of_one_sign_in_open_without_a_question(
    view_of: ViewOf, researcher: User, layer: DataLayer, browser: Browser
) -> None:
    first = browser.session

    view_of(researcher, layer, browser=browser)

    assert browser.client.get(f"/view/{first.uuid}/").status_code == 200


def test_another_sign_in_of_the_same_person_is_asked_about(
    browser: Browser, researcher: User, layer: DataLayer
) -> None:
    elsewhere = site_client(researcher)
    key = elsewhere.session.session_key
    opened = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher, sign_in=key)

    assert browser.client.get(path_of(opened.url)).status_code == 200
    assert still_looks(browser)


def test_views_that_ended_are_no_reason_to_ask(
    browser: Browser, sent: sessions.OpenedView, operator: User
) -> None:
    sessions.stop_session(browser.session, by=operator)

    assert browser.client.get(path_of(sent.url)).status_code == 302


def test_a_view_of_a_link_does_not_replace_ones_own_silently(
    browser: Browser, stranger: User, layer_of: Callable[[User], DataLayer]
) -> None:
    made = share(a_saved_view(stranger, layer_of(stranger)))
    opened = sharing.open_link(made.link, None, sign_in="")

    answer = browser.client.get(path_of(opened.url))

    assert "as a guest without an account" in words_of(answer)
    assert still_looks(browser)


# --- the way back for visitors of links ---


def visit(layer: DataLayer, owner: User, visitor: User | None, **terms: str) -> ViewerSession:
    people = [visitor] if visitor and not terms else []
    made = share(a_saved_view(owner, layer), *people, **terms)
    return sharing.open_link(made.link, visitor, sign_in="").session


def test_a_guest_is_sent_to_the_link_and_not_to_sign_in(researcher: User, layer: DataLayer) -> None:
    session = visit(layer, researcher, None)

    answer = viewer_client().get(f"/view/{session.uuid}/")

    assert answer.status_code == 401
    assert "Open the link again that you were given" in words_of(answer)
    assert settings.SITE_URL not in answer.content.decode()


def test_everybody_with_an_account_is_sent_to_the_link(
    researcher: User, stranger: User, layer: DataLayer
) -> None:
    session = visit(layer, researcher, stranger, scope="signed_in")

    answer = viewer_client().get(f"/view/{session.uuid}/")

    assert "Open the link again that you were given" in words_of(answer)


def test_who_is_named_is_sent_to_where_the_view_opens_again(
    researcher: User, stranger: User, layer: DataLayer
) -> None:
    session = visit(layer, researcher, stranger)
    address = f"/states/{session.share.view.uuid}"

    answer = viewer_client().get(f"/view/{session.uuid}/")

    assert f'href="{settings.SITE_URL}{address}"' in answer.content.decode()
    assert site_client(stranger).get(address).status_code == 200


def test_the_owner_is_sent_to_the_page_that_opens_it_again(
    researcher: User, layer: DataLayer
) -> None:
    session = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher).session
    address = f"/viewers/again/{session.uuid}/"

    answer = viewer_client().get(f"/view/{session.uuid}/")

    assert f'href="{settings.SITE_URL}{address}"' in answer.content.decode()
    assert site_client(researcher).get(address).status_code == 200
