"""Saving from the viewer's page: what is kept, as what, and from whom it is refused."""

import json
from collections.abc import Callable

import pytest
from django.conf import settings
from django.http import HttpResponse
from pytest_django import Settings

from core_app.models import User
from tests.app.viewers_app.conftest import Browser, path_of, site_client, viewer_client
from tests.support.saved import a_saved_view, share
from viewers_app.models import DataLayer, SavedVersion, SavedView
from viewers_app.services import saving, sessions, sharing

ViewOf = Callable[..., Browser]


@pytest.fixture
def browser(view_of: ViewOf, researcher: User, layer: DataLayer) -> Browser:
    return view_of(researcher, layer)


def state_of(browser: Browser) -> dict[str, object]:
    return json.loads(browser.client.get(f"/states/{browser.session.uuid}").content)


def save(
    browser: Browser, state: object = None, *, name: object = "tracts", view: object = None,
    **headers: str,
) -> HttpResponse:  # fmt: skip
    body = {"name": name, "view": view, "state": state or state_of(browser)}
    sent = {"Origin": settings.VIEWER_URL, **headers}
    address = f"/view/{browser.session.uuid}/save"
    return browser.client.post(address, body, content_type="application/json", headers=sent)


def test_a_view_is_saved_as_it_is(browser: Browser, layer: DataLayer) -> None:
    state = {**state_of(browser), "position": [7, 8, 9]}

    answer = save(browser, state).json()

    version = SavedVersion.objects.get()
    assert (version.view.name, version.number) == ("tracts", 1)
    assert version.layers == [str(layer.uuid)]
    assert version.document["position"] == [7, 8, 9]
    assert settings.VIEWER_URL not in json.dumps(version.document)
    assert answer["page"] == f"{settings.SITE_URL}/viewers/saved/{version.view.uuid}/"
    assert answer["left_out"] == []


def test_saving_again_adds_a_version_and_the_older_one_stays(browser: Browser) -> None:
    first = save(browser).json()
    state = {**state_of(browser), "position": [7, 8, 9]}

    second = save(browser, state, view=first["view"]).json()

    assert (second["view"], second["version"]) == (first["view"], 2)
    assert SavedView.objects.get().newest.document["position"] == [7, 8, 9]


def test_the_page_that_saved_goes_on_as_what_was_saved(browser: Browser) -> None:
    saved = save(browser, {**state_of(browser), "position": [7, 8, 9]}).json()

    page = browser.client.get(f"/view/{browser.session.uuid}/").content.decode()

    assert saved["view"] in page
    assert state_of(browser)["position"] == [7, 8, 9]


@pytest.mark.parametrize("origin", ["", "null", "https://evil.example", "the application"])
def test_no_other_site_saves(browser: Browser, origin: str) -> None:
    origin = settings.SITE_URL if origin == "the application" else origin
    assert save(browser, Origin=origin).status_code == 403
    assert not SavedView.objects.exists()


def test_nobody_saves_without_the_cookie(browser: Browser) -> None:
    assert save(Browser(viewer_client(), browser.session), {"layers": []}).status_code == 401


def test_nobody_saves_from_the_view_of_another(
    browser: Browser, view_of: ViewOf, stranger: User, layer_of: Callable[[User], DataLayer]
) -> None:
    other = view_of(stranger, layer_of(stranger))
    other.session = browser.session

    assert save(other, {"layers": []}).status_code == 404


def test_nobody_adds_to_the_saved_view_of_another(
    browser: Browser, stranger: User, layer_of: Callable[[User], DataLayer]
) -> None:
    theirs = a_saved_view(stranger, layer_of(stranger))

    answer = save(browser, view=str(theirs.uuid))

    assert answer.status_code == 422
    assert theirs.versions.count() == 1


def test_a_removed_view_gets_no_versions(browser: Browser, researcher: User) -> None:
    from viewers_app.services import saving

    first = save(browser).json()
    saving.remove(SavedView.objects.get())

    assert save(browser, view=first["view"]).status_code == 422


def test_a_forged_volume_is_left_out_and_named(
    browser: Browser, stranger: User, layer_of: Callable[[User], DataLayer]
) -> None:
    hidden = layer_of(stranger)
    state = state_of(browser)
    forged = {
        "type": "image",
        "name": "forged",
        "source": f"precomputed://{settings.VIEWER_URL}/data/{hidden.uuid}",
    }
    state["layers"] = [*state["layers"], forged]

    answer = save(browser, state).json()

    assert "forged" in answer["left_out"][0]
    assert str(hidden.uuid) not in json.dumps(SavedVersion.objects.get().document)


@pytest.mark.parametrize("name", ["", "   ", None, 7, "x" * 201, "\n\t"])
def test_a_view_needs_a_name(browser: Browser, name: object) -> None:
    answer = save(browser, name=name)

    assert answer.status_code == 422
    assert answer.json()["error"]


def test_a_state_that_is_too_large_is_refused_in_words(
    browser: Browser, settings: Settings
) -> None:
    settings.VIEWER_STATE_MAX_BYTES = 2000

    answer = save(browser, {**state_of(browser), "position": [0] * 2000})

    assert answer.status_code == 413
    assert "2,000 bytes" in answer.json()["error"]
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("body", [b"", b"[", b'{"state": ' + b"[" * 9000 + b"]" * 9000 + b"}"])
def test_a_body_that_is_no_state_is_refused(browser: Browser, body: bytes) -> None:
    answer = browser.client.post(
        f"/view/{browser.session.uuid}/save", body, content_type="application/json",
        headers={"Origin": settings.VIEWER_URL},
    )  # fmt: skip

    assert answer.status_code == 422


@pytest.fixture
def guest(researcher: User, layer: DataLayer) -> Browser:
    link = share(a_saved_view(researcher, layer)).link
    opened = sharing.open_link(link, None, sign_in="")
    browser = Browser(viewer_client(), opened.session)
    browser.client.get(path_of(opened.url))
    return browser


def test_a_guest_without_an_account_is_told_how_to_save(guest: Browser) -> None:
    answer = save(guest)

    assert answer.status_code == 403
    assert "needs an account" in answer.json()["error"]
    page = guest.client.get(f"/view/{guest.session.uuid}/").content.decode()
    assert "Saving and sharing need an account" in page


def test_what_a_link_opened_is_not_saved_by_whom_it_is_not_open_to(
    researcher: User, stranger: User, layer: DataLayer
) -> None:
    link = share(a_saved_view(researcher, layer), stranger).link
    opened = sharing.open_link(link, stranger, sign_in="")
    browser = Browser(viewer_client(), opened.session)
    browser.client.get(path_of(opened.url))

    answer = save(browser)

    assert answer.status_code == 422
    assert "not yours to see" in answer.json()["error"]


def test_a_saved_view_opens_without_what_is_not_visible_any_more(
    researcher: User, stranger: User, layer: DataLayer, layer_of: Callable[[User], DataLayer]
) -> None:
    view = a_saved_view(researcher, layer, layer_of(stranger))
    opened = sharing.open_saved(view.newest, researcher, sign_in="")
    browser = Browser(viewer_client(), opened.session)
    browser.client.get(path_of(opened.url))

    page = browser.client.get(f"/view/{opened.session.uuid}/").content.decode()

    assert [each["name"] for each in state_of(browser)["layers"]] == ["volume 1"]
    assert "not open to you: volume 2." in page


def test_a_view_without_a_version_still_shows_what_was_ticked(browser: Browser) -> None:
    assert browser.session.version is None
    assert state_of(browser)["layers"][0]["type"] == "image"


def test_a_saved_view_is_not_on_the_viewer_origin_nor_a_session_on_the_application(
    browser: Browser, researcher: User
) -> None:
    saved = save(browser).json()

    assert browser.client.get(f"/states/{saved['view']}").status_code == 404
    assert site_client(researcher).get(f"/states/{browser.session.uuid}").status_code == 404
    assert site_client(researcher).get(f"/states/{saved['view']}").status_code == 302
    assert sessions.renew(browser.session)


def test_views_that_were_removed_take_room_as_well(
    browser: Browser, researcher: User, layer: DataLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "MOST_VIEWS", 1)
    saving.remove(a_saved_view(researcher, layer))

    answer = save(browser)

    assert answer.status_code == 422
    assert "those that you removed among them" in answer.json()["error"]


def test_two_who_add_annotations_at_once_both_find_them_in_the_newest_version(
    researcher: User, layer: DataLayer
) -> None:
    view = a_saved_view(researcher, layer)
    stale = SavedView.objects.get(pk=view.pk)
    saving.add_annotations(view, [{"type": "point", "id": "1", "point": [1, 1, 1]}], by=researcher)
    saving.add_annotations(stale, [{"type": "point", "id": "2", "point": [2, 2, 2]}], by=researcher)

    names = [one["name"] for one in view.newest.document["layers"]]
    assert names == ["volume 1", "annotations", "annotations 2"]
