"""Share links: who opens them, how often, until when; and what nobody gets by guessing."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import Mail, User
from tests.app.viewers_app.conftest import Browser, path_of, site_client, viewer_client
from tests.support.saved import a_saved_view, add_version, share
from viewers_app.data_access import verdicts
from viewers_app.models import DataLayer, SavedView, ShareLink, ViewerSession
from viewers_app.services import saving, sharing
from viewers_app.services.sharing import Made

LayerOf = Callable[[User], DataLayer]


@pytest.fixture
def view(researcher: User, layer: DataLayer) -> SavedView:
    return a_saved_view(researcher, layer)


def address_of(made: Made) -> str:
    return f"/s/{made.token}"


def data_of(opened: str, layer: DataLayer) -> tuple[Browser, int]:
    """Follow the ticket as a browser does; return it with the status of the volume's `info`."""
    browser = Browser(viewer_client())
    assert browser.client.get(path_of(opened)).status_code == 302
    return browser, browser.data(layer).status_code


def test_anyone_with_the_link_opens_it_by_a_button(view: SavedView, layer: DataLayer) -> None:
    made, client = share(view), site_client()

    page = client.get(address_of(made))
    opened = client.post(address_of(made))

    assert page.status_code == 200
    assert "tracts" in page.content.decode()
    assert "researcher" in page.content.decode()
    assert data_of(opened["Location"], layer)[1] == 200


def test_looking_at_a_link_is_no_use_of_it(view: SavedView) -> None:
    made, client = share(view, most_uses=1), site_client()

    for method in (client.get, client.head, client.get):
        assert method(address_of(made)).status_code == 200

    made.link.refresh_from_db()
    assert (made.link.uses, made.link.last_used_at) == (0, None)


def test_uses_are_counted_and_end(view: SavedView) -> None:
    made, client = share(view, most_uses=1), site_client()

    first, second = client.post(address_of(made)), client.post(address_of(made))

    made.link.refresh_from_db()
    assert (first.status_code, second.status_code) == (302, 410)
    assert made.link.uses == 1
    assert made.link.last_used_at is not None
    assert "as often as it may be" in second.content.decode()


def test_only_the_digest_of_the_token_is_kept(view: SavedView) -> None:
    made = share(view)

    row = ShareLink.objects.filter(pk=made.link.pk).values().get()

    assert made.token not in str(row)
    assert row["digest"] == hashlib.sha256(made.token.encode()).hexdigest()
    assert len(made.token) >= 43  # 256 bits


@pytest.mark.parametrize("token", ["x", "a" * 43, "é" * 20, "..", "%00", "a" * 5000])
def test_a_guessed_token_is_not_there(view: SavedView, token: str) -> None:
    share(view)

    assert site_client().get(f"/s/{token}").status_code == 404
    assert site_client().post(f"/s/{token}").status_code == 404


def test_the_digest_is_no_token(view: SavedView) -> None:
    assert site_client().get(f"/s/{share(view).link.digest}").status_code == 404


@pytest.mark.parametrize("scope", ["named", "signed_in"])
def test_a_link_for_people_with_accounts_wants_a_sign_in(
    view: SavedView, stranger: User, scope: str
) -> None:
    made = share(view, stranger, scope=scope)

    for method in (site_client().get, site_client().post):
        answer = method(address_of(made))
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")
    assert site_client(stranger).post(address_of(made)).status_code == 302


def test_who_is_not_named_is_told_that_it_is_for_others(
    view: SavedView, stranger: User, labmate: User
) -> None:
    made = share(view, stranger)

    answer = site_client(labmate).post(address_of(made))

    assert answer.status_code == 403
    made.link.refresh_from_db()
    assert made.link.uses == 0


def end(how: str, made: Made, owner: User) -> None:
    if how == "revoked":
        sharing.revoke(made.link)
    elif how == "expired":
        ShareLink.objects.update(expires_at=timezone.now())
    elif how == "removed":
        saving.remove(made.link.view)
    elif how == "deactivated":
        User.objects.filter(pk=owner.pk).update(is_active=False)


ENDS = {
    "revoked": "was revoked",
    "expired": "ended on",
    "removed": "was removed",
    "deactivated": "may not share",
}


@pytest.mark.parametrize("how", ENDS)
def test_a_link_that_ended_says_how_and_opens_nothing(
    view: SavedView, researcher: User, how: str
) -> None:
    made = share(view)
    end(how, made, researcher)

    answers = [site_client().get(address_of(made)), site_client().post(address_of(made))]

    assert [answer.status_code for answer in answers] == [410, 410]
    assert ENDS[how] in answers[0].content.decode()


@pytest.mark.parametrize("how", ENDS)
def test_the_data_that_a_link_opened_ends_with_it(
    view: SavedView, researcher: User, layer: DataLayer, how: str
) -> None:
    made = share(view)
    browser, before = data_of(site_client().post(address_of(made))["Location"], layer)
    end(how, made, researcher)
    verdicts.forget()  # they are 30 s old at most

    assert (before, browser.data(layer).status_code) == (200, 401)


def test_a_link_dies_when_its_creator_may_not_share_any_more(
    view: SavedView, layer: DataLayer, stranger: User
) -> None:
    made = share(view)
    browser, before = data_of(site_client().post(address_of(made))["Location"], layer)
    type(layer.request).objects.filter(pk=layer.request.pk).update(
        owner=stranger, requested_by=stranger
    )
    verdicts.forget()

    assert site_client().post(address_of(made)).status_code == 410
    assert (before, browser.data(layer).status_code) == (200, 404)


def test_volumes_that_its_creator_may_not_share_are_left_out_and_named(
    researcher: User, stranger: User, layer: DataLayer, layer_of: LayerOf
) -> None:
    other = layer_of(stranger)
    other.request.auditor = researcher  # may see, may not share
    other.request.save()
    view = a_saved_view(researcher, layer, other)

    made = share(view)
    browser, _ = data_of(site_client().post(address_of(made))["Location"], layer)

    assert made.left_out == ("volume 2",)
    assert browser.data(other).status_code == 404


def test_nothing_is_shared_of_what_one_may_only_see(
    researcher: User, stranger: User, layer_of: LayerOf
) -> None:
    other = layer_of(stranger)
    other.request.auditor = researcher
    other.request.save()

    with pytest.raises(NotAllowed, match="not share"):
        share(a_saved_view(researcher, other))


def test_a_link_shows_what_was_saved_since(
    view: SavedView, researcher: User, layer: DataLayer, layer_of: LayerOf
) -> None:
    made, newer = share(view), layer_of(researcher)
    add_version(view, newer)

    browser, _ = data_of(site_client().post(address_of(made))["Location"], newer)

    assert browser.data(newer).status_code == 200
    assert browser.data(layer).status_code == 404


def test_the_head_of_the_lab_and_a_manager_share_what_they_see(
    lab: object, layer: DataLayer, manager: User, labmate: User
) -> None:
    labmate.memberships.update(role="pi")

    for person in (manager, labmate):
        assert share(a_saved_view(person, layer)).left_out == ()


def test_named_people_get_a_mail_without_the_token_and_open_by_their_sign_in(
    view: SavedView, stranger: User, labmate: User, layer: DataLayer
) -> None:
    made = share(view, stranger)

    mail = Mail.objects.get(event="view-shared")
    page = f"/states/{view.uuid}"
    opened = site_client(stranger).post(page)

    assert mail.to == stranger.email
    assert f"{settings.SITE_URL}{page}" in mail.text
    assert made.token not in mail.text + mail.html + mail.subject
    assert data_of(opened["Location"], layer)[1] == 200
    assert site_client(labmate).get(page).status_code == 404
    assert site_client().get(page).status_code == 302
    made.link.refresh_from_db()
    assert made.link.uses == 1


def test_a_link_for_everybody_makes_no_landing_page_for_them(
    view: SavedView, stranger: User
) -> None:
    share(view, scope="signed_in")

    assert site_client(stranger).get(f"/states/{view.uuid}").status_code == 404


def test_a_view_is_shared_with_me_until_the_link_ends(view: SavedView, stranger: User) -> None:
    made = share(view, stranger)

    before = site_client(stranger).get("/viewers/shared/").content.decode()
    sharing.revoke(made.link)
    after = site_client(stranger).get("/viewers/shared/").content.decode()

    assert "tracts" in before
    assert "tracts" not in after
    assert site_client(stranger).get(f"/states/{view.uuid}").status_code == 404


@pytest.mark.parametrize("days", [0, -1, settings.VIEWER_SHARE_MAX_DAYS + 1])
def test_a_link_lasts_no_longer_than_it_may(view: SavedView, days: int) -> None:
    with pytest.raises(Invalid):
        share(view, days=days)
    made = share(view)
    with pytest.raises(Invalid):
        sharing.extend(made.link, days=days)


def test_a_revoked_link_is_not_extended(view: SavedView) -> None:
    made = share(view)
    sharing.revoke(made.link)

    with pytest.raises(sharing.NotReady, match="for good"):
        sharing.extend(made.link, days=10)


def test_the_address_of_a_link_is_told_to_no_other_page(view: SavedView) -> None:
    made = share(view)

    page = site_client().get(address_of(made))

    assert page["Referrer-Policy"] == "strict-origin"
    assert "no-store" in page["Cache-Control"]
    assert made.token not in page.content.decode().replace(f"next=/s/{made.token}", "")


def test_opening_needs_the_token_of_the_form(view: SavedView) -> None:
    made = share(view)
    client = Client(enforce_csrf_checks=True, SERVER_NAME=settings.SITE_HOST)

    answer = client.post(address_of(made), headers={"origin": "https://evil.example"})

    assert answer.status_code == 403
    made.link.refresh_from_db()
    assert made.link.uses == 0


def test_who_opened_is_seen_by_the_owner(view: SavedView, researcher: User, stranger: User) -> None:
    made = share(view, scope="anyone")
    site_client(stranger).post(address_of(made))
    site_client().post(address_of(made))

    page = site_client(researcher).get(f"/viewers/saved/{view.uuid}/").content.decode()

    assert "stranger," in page
    assert "somebody without an account" in page


def test_a_link_that_expires_soon_can_be_made_to_last(view: SavedView) -> None:
    made = share(view, days=1)

    sharing.extend(made.link, days=30)

    made.link.refresh_from_db()
    assert made.link.expires_at > timezone.now() + timedelta(days=29)


def again_of(browser: Browser, uuid: object) -> str:
    page = browser.client.get(f"/view/{uuid}/").content.decode()
    return page.partition("data-banner hidden>")[2].partition("</div>")[0]


def test_a_visitor_is_led_back_to_what_they_may_open(
    view: SavedView, layer: DataLayer, stranger: User
) -> None:
    share(view, stranger)
    by_name = data_of(site_client(stranger).post(f"/states/{view.uuid}")["Location"], layer)[0]
    by_link = data_of(site_client().post(address_of(share(view)))["Location"], layer)[0]
    newest, before = ViewerSession.objects.order_by("-pk")[:2]

    assert f"{settings.SITE_URL}/states/{view.uuid}" in again_of(by_name, before.uuid)
    assert "Open the link again" in again_of(by_link, newest.uuid)


def test_a_saved_view_that_ended_is_opened_again_as_it_was_saved(
    view: SavedView, researcher: User
) -> None:
    opened = sharing.open_saved(view.newest, researcher, sign_in="")

    page = site_client(researcher).get(f"/viewers/again/{opened.session.uuid}/").content.decode()

    assert f"/viewers/saved/{view.uuid}/open/1/" in page


def test_nobody_makes_links_without_end(view: SavedView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_A_DAY", 2)
    for _ in range(2):
        sharing.revoke(share(view).link)

    with pytest.raises(NotReady, match="within a day"):
        share(view)


def test_the_page_of_a_view_asks_as_often_with_many_links(
    view: SavedView, researcher: User, django_assert_max_num_queries: Callable[..., object]
) -> None:
    client = site_client(researcher)
    for _ in range(20):
        share(view)

    with django_assert_max_num_queries(40):
        assert client.get(f"/viewers/saved/{view.uuid}/").status_code == 200
