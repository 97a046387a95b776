"""The frame around every page, the error pages, and the console's pages of people and history."""

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.views import defaults

from core_app.models import Event, Lab, User
from tests.app.core_app.test_accounts import enter

OWN_PAGES = [
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/sessions/",
    "/accounts/logout/",
]


@pytest.fixture
def event(lab: Lab, manager: User) -> Event:
    return Event.objects.create(
        kind="lab",
        object_id=lab.pk,
        came_from="waiting",
        to="complete",
        by=manager,
        note="all fine",
    )


@pytest.mark.parametrize("address", OWN_PAGES)
def test_account_pages_wear_the_frame(client: Client, researcher: User, address: str) -> None:
    enter(client, researcher)

    page = client.get(address).content.decode()

    assert "site/site.css" in page
    assert "Times are in" in page


@pytest.mark.parametrize("address", OWN_PAGES)
def test_account_pages_obey_the_strict_policy(
    client: Client, researcher: User, address: str
) -> None:
    enter(client, researcher)

    answer = client.get(address)

    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "style=" not in answer.content.decode()


def test_a_researcher_sees_no_staff_queues(client: Client, researcher: User) -> None:
    enter(client, researcher)

    page = client.get("/accounts/2fa/").content.decode()

    assert 'href="/requests/"' in page
    assert 'href="/clearing/"' not in page
    assert 'href="/admin/"' not in page


def test_a_clearer_sees_the_clearing_queue_and_the_console(client: Client, clearer: User) -> None:
    enter(client, clearer)

    page = client.get("/accounts/2fa/").content.decode()

    assert 'href="/clearing/"' in page
    assert 'href="/imaging/"' not in page
    assert 'href="/admin/"' in page


def test_htmx_needs_no_eval_and_sends_the_token(client: Client, researcher: User) -> None:
    enter(client, researcher)

    page = client.get("/accounts/2fa/").content.decode()

    assert '"allowEval":false' in page
    assert "X-CSRFToken" in page
    assert "htmx-2.min.js" in page


def test_two_factor_pages_open(client: Client, researcher: User) -> None:
    enter(client, researcher)

    assert "Set up an app" in client.get("/accounts/2fa/").content.decode()


def bad_request(request: HttpRequest) -> HttpResponse:
    return defaults.bad_request(request, ValueError())


def forbidden(request: HttpRequest) -> HttpResponse:
    return defaults.permission_denied(request, PermissionDenied("Ask its owner to share it."))


def not_found(request: HttpRequest) -> HttpResponse:
    return defaults.page_not_found(request, Http404())


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (bad_request, "could not read that request"),
        (forbidden, "Ask its owner to share it."),
        (not_found, "nothing at this address"),
        (defaults.server_error, "broke on our side"),
    ],
)
def test_an_error_says_what_to_do_without_the_database(view: object, words: str) -> None:
    request = RequestFactory().get("/somewhere/")

    page = view(request).content.decode()  # type: ignore[operator]

    assert words in page
    assert "Go to the front page" in page


def test_the_history_stands_below_the_form(
    client: Client, admin_person: User, lab: Lab, event: Event
) -> None:
    enter(client, admin_person)

    page = client.get(f"/admin/core_app/lab/{lab.pk}/change/").content.decode()

    assert "waiting → complete" in page
    assert "all fine" in page
    assert f"kind__exact=lab&amp;object_id__exact={lab.pk}" in page


def test_the_link_below_the_form_leads_to_the_events_of_the_object(
    client: Client, admin_person: User, lab: Lab, event: Event
) -> None:
    Event.objects.create(kind="lab", object_id=lab.pk + 1, note="of another lab")
    enter(client, admin_person)

    address = f"/admin/core_app/event/?kind__exact=lab&object_id__exact={lab.pk}"
    page = client.get(address).content.decode()

    assert "all fine" in page
    assert "of another lab" not in page


@pytest.mark.parametrize("page", ["add/", "{pk}/delete/"])
def test_nobody_writes_history_in_the_console(
    client: Client, admin_person: User, event: Event, page: str
) -> None:
    enter(client, admin_person)

    assert client.get(f"/admin/core_app/event/{page.format(pk=event.pk)}").status_code == 403


def test_an_event_is_shown_but_not_changed(
    client: Client, admin_person: User, event: Event
) -> None:
    enter(client, admin_person)

    page = client.get(f"/admin/core_app/event/{event.pk}/change/").content.decode()

    assert "all fine" in page
    assert 'name="_save"' not in page


@pytest.mark.parametrize("model", ["user", "lab", "event"])
def test_lists_cost_the_same_for_many_rows(
    client: Client,
    admin_person: User,
    researcher: User,
    event: Event,
    model: str,
    django_assert_max_num_queries: pytest.FixtureRequest,
) -> None:
    enter(client, admin_person)

    with django_assert_max_num_queries(20):  # type: ignore[operator]
        answer = client.get(f"/admin/core_app/{model}/")

    assert answer.status_code == 200


@pytest.mark.django_db
def test_the_console_needs_a_staff_account(client: Client, researcher: User) -> None:
    enter(client, researcher)

    assert client.get("/admin/").status_code == 302
