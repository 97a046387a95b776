"""Viewers in the staff console: what is open, who looked at what, and how each link stands."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from core_app.errors import NotReady
from core_app.models import Event, User
from tests.app.viewers_app.conftest import site_client
from tests.support.console import page_of, press, words_of
from tests.support.saved import a_saved_view, share
from viewers_app.models import DataLayer, LayerAccess, SavedView, ShareLink, ViewerSession
from viewers_app.services import sessions, sharing

LIST = "/admin/viewers_app/viewersession/"
ACCESSES = "/admin/viewers_app/layeraccess/"
LINKS = "/admin/viewers_app/sharelink/"


@pytest.fixture
def console(operator: User) -> Client:
    return site_client(operator)


@pytest.fixture
def session(researcher: User, layer: DataLayer) -> ViewerSession:
    return a_view(researcher, layer)


@pytest.fixture
def view(researcher: User, layer: DataLayer) -> SavedView:
    return a_saved_view(researcher, layer)


def a_view(person: User, layer: DataLayer, title: str = "left half") -> ViewerSession:
    return sessions.open_view(sessions.Wanted([layer], title), by=person).session


def fetched(session: ViewerSession, layer: DataLayer, size: int = 25_000_000) -> LayerAccess:
    return LayerAccess.objects.create(session=session, layer=layer.uuid, requests=7, bytes=size)


def titles(console: Client, address: str) -> list[str]:
    return [str(row) for row in console.get(address).context["cl"].result_list]


# --- views ---


def test_the_list_says_whose_each_view_is_and_what_was_fetched_for_it(
    console: Client, session: ViewerSession, view: SavedView, layer: DataLayer
) -> None:
    fetched(session, layer)
    made = share(view)
    sharing.open_link(made.link, None, sign_in="")

    words = words_of(console.get(LIST))

    assert "25 MB" in words
    assert f"visitor of link …{made.link.hint}" in words
    assert "Volumes that were ticked" in words
    assert "Saved view" in words


@pytest.mark.parametrize("address", [LIST, ACCESSES, LINKS])
def test_a_longer_list_asks_no_more_often(
    console: Client,
    researcher: User,
    layer: DataLayer,
    view: SavedView,
    address: str,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    def add() -> None:
        made = share(view)
        sharing.open_link(made.link, None, sign_in="")
        fetched(a_view(researcher, layer), layer)

    add()
    console.get(address)
    with django_assert_max_num_queries(60) as few:  # type: ignore[attr-defined]  # a context manager
        console.get(address)
    for _ in range(8):
        add()

    with django_assert_max_num_queries(len(few)):  # type: ignore[attr-defined]  # a context manager
        assert console.get(address).status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("recipe=raw", []),
        ("recipe=ticked", ["left half"]),
        ("idle=30", []),
        ("idle=nonsense", ["left half"]),
        ("state__exact=ready&mode__exact=static", ["left half"]),
        ("state__exact=stopped", []),
    ],
)
def test_the_list_is_filtered(
    console: Client, session: ViewerSession, query: str, expected: list[str]
) -> None:
    assert titles(console, f"{LIST}?{query}") == expected


def test_views_at_which_nobody_looks_are_found(console: Client, session: ViewerSession) -> None:
    long_ago = timezone.now() - timedelta(minutes=31)
    ViewerSession.objects.filter(pk=session.pk).update(last_activity_at=long_ago)

    assert titles(console, f"{LIST}?idle=30") == ["left half"]
    assert titles(console, f"{LIST}?idle=60") == []


def test_the_page_of_a_view_has_its_volumes_what_was_fetched_and_its_history(
    console: Client, session: ViewerSession, layer: DataLayer, researcher: User
) -> None:
    fetched(session, layer)

    answer = console.get(page_of(ViewerSession, "change", session.pk))

    words = words_of(answer)
    assert f'href="{page_of(DataLayer, "change", layer.pk)}"' in answer.content.decode()
    assert "25 MB" in words
    assert "requested → ready" in words


def test_looking_changes_nothing(console: Client, session: ViewerSession, layer: DataLayer) -> None:
    access = fetched(session, layer)
    before = [*ViewerSession.objects.values(), *LayerAccess.objects.values(), Event.objects.count()]

    for address in (
        LIST, ACCESSES, LINKS, f"{LIST}?action=stop&_selected_action={session.pk}",
        page_of(ViewerSession, "change", session.pk), page_of(LayerAccess, "change", access.pk),
    ):  # fmt: skip
        assert console.get(address).status_code in {200, 302}

    after = [*ViewerSession.objects.values(), *LayerAccess.objects.values(), Event.objects.count()]
    assert after == before


def test_an_action_needs_the_token_of_the_form(operator: User, session: ViewerSession) -> None:
    strict = Client(SERVER_NAME=settings.SITE_HOST, enforce_csrf_checks=True)
    strict.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")

    answer = strict.post(LIST, {"action": "stop", "_selected_action": [session.pk]})

    session.refresh_from_db()
    assert (answer.status_code, session.state) == (403, "ready")


# --- extending ---


def test_an_extended_view_has_its_full_time_once_more(
    console: Client, session: ViewerSession, operator: User
) -> None:
    soon = timezone.now() + timedelta(minutes=5)
    ViewerSession.objects.filter(pk=session.pk).update(expires_at=soon)

    press(console, "extend", session)
    press(console, "extend", session)

    session.refresh_from_db()
    left = session.expires_at - timezone.now()
    full = timedelta(seconds=settings.VIEWER_MAX_AGE_S)
    assert full - timedelta(minutes=1) < left <= full
    event = Event.objects.filter(kind="viewer session", verb="extended").latest("pk")
    assert (event.object_id, event.by) == (session.pk, operator)


def test_a_view_that_is_over_is_not_extended_and_holds_up_no_other(
    console: Client, session: ViewerSession, researcher: User, layer: DataLayer, operator: User
) -> None:
    over = a_view(researcher, layer, "the stopped one")
    sessions.stop_session(over, by=operator)

    words = words_of(press(console, "extend", session, over))

    assert "the stopped one: This view has ended." in words
    assert "left half: extended" in words


def test_a_view_that_ends_in_this_moment_is_not_extended(
    session: ViewerSession, operator: User
) -> None:
    sessions.stop_session(ViewerSession.objects.get(pk=session.pk), by=operator)

    with pytest.raises(sessions.Gone, match="just ended"):
        sessions.extend(session, by=operator)

    assert not Event.objects.filter(verb="extended").exists()


def test_a_running_python_viewer_keeps_the_time_it_was_started_with(
    session: ViewerSession, operator: User
) -> None:
    session.mode = ViewerSession.Mode.PYTHON

    with pytest.raises(NotReady, match="started with"):
        sessions.extend(session, by=operator)


# --- who looked at what ---


@pytest.mark.parametrize("field", ["sample", "person", "request", "link"])
def test_who_looked_is_found_by_sample_person_request_or_link(
    console: Client, view: SavedView, layer: DataLayer, researcher: User, field: str
) -> None:
    made = share(view)
    access = fetched(a_view(researcher, layer), layer)
    of_guest = fetched(sharing.open_link(made.link, None, sign_in="").session, layer)
    term, expected = {
        "sample": (layer.sample.name, {access.pk, of_guest.pk}),
        "person": (researcher.username, {access.pk}),
        "request": (layer.request.name, {access.pk, of_guest.pk}),
        "link": (made.link.hint, {of_guest.pk}),
    }[field]

    found = console.get(ACCESSES, {"q": term}).context["cl"].result_list
    nothing = console.get(ACCESSES, {"q": "no such thing"}).context["cl"].result_list

    assert {row.pk for row in found} == expected
    assert not nothing


def test_each_look_names_person_volume_sample_and_request(
    console: Client, session: ViewerSession, layer: DataLayer, researcher: User
) -> None:
    fetched(session, layer)

    words = words_of(console.get(ACCESSES))

    for part in (str(researcher), str(layer), layer.sample.name, str(layer.request), "25 MB"):
        assert part in words


def test_what_was_fetched_of_a_volume_that_is_gone_is_still_told(
    console: Client, session: ViewerSession, layer: DataLayer
) -> None:
    fetched(session, layer)
    layer.delete()

    assert "a volume that is gone" in words_of(console.get(ACCESSES))
    assert "a volume that is gone" in words_of(
        console.get(page_of(ViewerSession, "change", session.pk))
    )


def test_from_a_volume_a_link_leads_to_who_looked_at_it(
    console: Client, session: ViewerSession, layer: DataLayer, manager: User
) -> None:
    fetched(session, layer)
    page = page_of(DataLayer, "change", layer.pk)
    address = f"{ACCESSES}?layer__exact={layer.uuid}"

    assert address in console.get(page).content.decode()
    assert len(console.get(address).context["cl"].result_list) == 1
    assert address not in site_client(manager).get(page).content.decode()


# --- links ---


def standing(link: ShareLink) -> str:
    fresh = ShareLink.objects.select_related("view", "created_by").get(pk=link.pk)
    return str(sharing.standings([fresh])[0][1])


def test_each_link_says_how_it_stands(view: SavedView, layer: DataLayer, labmate: User) -> None:
    live, revoked, over = (share(view).link for _ in range(3))
    sharing.revoke(revoked)
    ShareLink.objects.filter(pk=over.pk).update(expires_at=timezone.now())

    assert [standing(each) for each in (live, revoked, over)] == ["live", "revoked", "over"]

    ShareLink.objects.filter(pk=live.pk).update(created_by=labmate)
    assert standing(live) == "creator lost access"


def test_a_link_of_who_left_has_lost_its_access(view: SavedView, researcher: User) -> None:
    link = share(view).link
    User.objects.filter(pk=researcher.pk).update(is_active=False)

    assert standing(link) == "creator lost access"


def test_a_link_leads_to_the_views_that_it_opened(
    console: Client, session: ViewerSession, view: SavedView, manager: User
) -> None:
    made = share(view, most_uses=3)
    sharing.open_link(made.link, None, sign_in="")
    address = f"{LIST}?share__exact={made.link.pk}"

    answer = console.get(LINKS)

    assert address in answer.content.decode()
    assert "1 of 3" in words_of(answer)
    assert titles(console, address) == ["tracts"]
    assert address not in site_client(manager).get(LINKS).content.decode()


@pytest.mark.parametrize(("chosen", "count"), [("lasting", 1), ("over", 1), ("revoked", 1)])
def test_links_are_filtered_by_how_they_stand(
    console: Client, view: SavedView, chosen: str, count: int
) -> None:
    _, revoked, over = (share(view).link for _ in range(3))
    sharing.revoke(revoked)
    ShareLink.objects.filter(pk=over.pk).update(uses=1, most_uses=1)

    assert len(titles(console, f"{LINKS}?standing={chosen}")) == count
