"""Taking a request back: who, until when, with what reason, and never another one."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from core_app.models import Event, User
from requests_app.models import Request
from requests_app.services import clearing
from tests.support.scenarios import a_cleared_request, a_plan, a_submitted_request

BACKEND = "django.contrib.auth.backends.ModelBackend"
PAGE = "/requests/researcher/first_brains/"
WITHDRAW = f"{PAGE}withdraw/"


@pytest.fixture
def browser(client: Client) -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client.force_login(user, backend=BACKEND)
        return client

    return signed_in


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def state_of(request: Request) -> str:
    return Request.objects.get(pk=request.pk).state


@pytest.mark.parametrize("who", ["researcher", "pi", "manager", "admin_person"])
def test_these_take_back_an_untouched_request(
    who: str, browser: Callable[[User], Client], researcher: User, request: pytest.FixtureRequest
) -> None:
    order = a_submitted_request(researcher)
    person: User = request.getfixturevalue(who)

    answer = browser(person).post(WITHDRAW, {"reason": "Other animals."}, follow=True)

    assert state_of(order) == "withdrawn"
    assert "is withdrawn" in text_of(answer)
    event = Event.objects.get(kind="request", to="withdrawn")
    assert (event.by, event.note) == (person, "Other animals.")
    assert order.clearing_batches.get().state == "cancelled"


def test_a_withdrawn_request_is_found_among_the_withdrawn(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)
    client = browser(researcher)

    client.post(WITHDRAW, {"reason": "Other animals."})

    assert not client.get("/requests/?state=submitted").context["rows"]
    assert len(client.get("/requests/?state=withdrawn").context["rows"]) == 1


@pytest.mark.parametrize("who", ["clearer", "imager", "processor", "operator", "auditor"])
def test_these_may_read_and_are_refused(
    who: str, browser: Callable[[User], Client], researcher: User, auditor: User,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    order = a_submitted_request(researcher, a_plan(auditor="auditor"))
    client = browser(request.getfixturevalue(who))

    answer = client.post(WITHDRAW, {"reason": "x"}, follow=True)

    assert state_of(order) == "submitted"
    assert "Only the owner, the PI of its lab or a manager" in text_of(answer)
    assert "withdraw/" not in text_of(client.get(PAGE))


@pytest.mark.parametrize("who", ["stranger", "labmate"])
def test_to_these_it_does_not_exist(
    who: str, browser: Callable[[User], Client], researcher: User, request: pytest.FixtureRequest
) -> None:
    order = a_submitted_request(researcher)

    answer = browser(request.getfixturevalue(who)).post(WITHDRAW, {"reason": "x"})

    assert answer.status_code == 404
    assert state_of(order) == "submitted"


def test_nobody_signed_in_withdraws_nothing(client: Client, researcher: User) -> None:
    order = a_submitted_request(researcher)

    answer = client.post(WITHDRAW, {"reason": "x"})

    assert answer["Location"].startswith("/accounts/login/")
    assert state_of(order) == "submitted"


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch"])
def test_only_a_post_withdraws(
    method: str, browser: Callable[[User], Client], researcher: User
) -> None:
    order = a_submitted_request(researcher)

    answer = getattr(browser(researcher), method)(f"{WITHDRAW}?reason=x&confirm=first+brains")

    assert answer.status_code == 405
    assert state_of(order) == "submitted"


def test_a_post_of_another_site_withdraws_nothing(researcher: User) -> None:
    order = a_submitted_request(researcher)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(researcher, backend=BACKEND)

    answer = strict.post(WITHDRAW, {"reason": "x"})

    assert answer.status_code == 403
    assert state_of(order) == "submitted"


@pytest.mark.parametrize("reason", ["", "   ", "\n\t"])
def test_a_reason_is_needed(
    reason: str, browser: Callable[[User], Client], researcher: User
) -> None:
    order = a_submitted_request(researcher)

    answer = browser(researcher).post(WITHDRAW, {"reason": reason}, follow=True)

    assert state_of(order) == "submitted"
    assert "Say why" in text_of(answer)


def test_the_one_of_the_page_is_withdrawn_and_no_other(
    browser: Callable[[User], Client], researcher: User
) -> None:
    first = a_submitted_request(researcher, a_plan("first brains"))
    second = a_submitted_request(researcher, a_plan("second brains"))

    browser(researcher).post(WITHDRAW, {"reason": "x", "confirm": "first brains"})

    assert (state_of(first), state_of(second)) == ("withdrawn", "submitted")


def test_confirming_another_name_withdraws_neither(
    browser: Callable[[User], Client], researcher: User
) -> None:
    first = a_submitted_request(researcher, a_plan("first brains"))
    second = a_submitted_request(researcher, a_plan("second brains"))

    answer = browser(researcher).post(
        WITHDRAW, {"reason": "x", "confirm": "second brains"}, follow=True
    )

    assert (state_of(first), state_of(second)) == ("submitted", "submitted")
    assert "another request" in text_of(answer)


def test_the_same_name_of_another_owner_is_another_request(
    browser: Callable[[User], Client], researcher: User, manager: User, stranger: User
) -> None:
    mine = a_submitted_request(researcher)
    theirs = a_submitted_request(stranger, a_plan(lab="Hill lab"))

    browser(manager).post(WITHDRAW, {"reason": "x", "confirm": "first brains"})

    assert (state_of(mine), state_of(theirs)) == ("withdrawn", "submitted")


def test_the_button_names_the_request_and_is_not_the_primary_one(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)

    page = text_of(browser(researcher).get(PAGE))

    assert "Withdraw “first brains” of researcher" in page
    assert '<input type="hidden" name="confirm" value="first brains">' in page
    assert page.count('class="btn btn-primary"') == 1
    assert '<summary class="btn btn-outline-secondary">Withdraw…' in page


@pytest.mark.parametrize("how_far", ["started", "finished"])
@pytest.mark.parametrize("who", ["researcher", "pi"])
def test_once_clearing_started_the_owner_cannot(
    who: str, how_far: str, browser: Callable[[User], Client], researcher: User, clearer: User,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    if how_far == "finished":
        order = a_cleared_request(researcher, clearer=clearer)
    else:
        order = a_submitted_request(researcher)
        clearing.receive_and_start(order.clearing_batches.get(), by=clearer)
    client = browser(request.getfixturevalue(who))

    answer = client.post(WITHDRAW, {"reason": "x"}, follow=True)

    assert state_of(order) == "submitted"
    assert "Ask a manager to cancel the request" in text_of(answer)
    assert "withdraw/" not in text_of(client.get(PAGE))


def test_a_manager_cancels_later_with_a_reason(
    browser: Callable[[User], Client], researcher: User, clearer: User, manager: User
) -> None:
    order = a_submitted_request(researcher)
    batch = order.clearing_batches.get()
    clearing.receive_and_start(batch, by=clearer)
    client = browser(manager)

    assert "withdraw/" in text_of(client.get(PAGE))
    client.post(WITHDRAW, {"reason": "The freezer broke."})

    batch.refresh_from_db()
    assert (state_of(order), batch.state) == ("withdrawn", "cancelled")
    page = text_of(browser(researcher).get(PAGE))
    assert "The freezer broke." in page


def test_withdrawing_twice_is_refused_in_words(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)
    client = browser(researcher)
    client.post(WITHDRAW, {"reason": "x"})

    answer = client.post(WITHDRAW, {"reason": "y"}, follow=True)

    assert answer.status_code == 200
    assert Event.objects.filter(kind="request", to="withdrawn").count() == 1
    assert "Not done." in text_of(answer)
