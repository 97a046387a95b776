"""The front page: what waits for each person, and nothing that waits for others."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from core_app.models import User
from imaging_app.models import ImagingBatch
from imaging_app.services import imaging
from requests_app import overview
from requests_app.services import clearing, requests
from tests.support import world as worlds
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_cleared_request,
    a_plan,
    a_sample_plan,
    a_submitted_request,
)

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def browser(client: Client) -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client.force_login(user, backend=BACKEND)
        return client

    return signed_in


@pytest.fixture
def on_day(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def set_day(day: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: day)

    return set_day


def needs(user: User) -> dict[str, int]:
    return {need.text: need.count for need in overview.needs_of(user)}


def test_a_person_without_anything_needs_nothing(stranger: User) -> None:
    assert needs(stranger) == {}


def test_an_owner_finishes_drafts(researcher: User) -> None:
    requests.create_draft(owner=researcher, by=researcher)

    assert needs(researcher) == {"draft to finish and submit": 1}


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (10, {}),
        (3, {"tubes to hand in within 3 days": 2}),
        (0, {"tubes to hand in within 3 days": 2}),
        (-1, {"tubes to hand in: their day has passed": 2}),
    ],
)
def test_an_owner_hands_tubes_in(
    before: int, expected: dict[str, int], researcher: User,
    on_day: Callable[[datetime], None],
) -> None:  # fmt: skip
    samples = (a_sample_plan("s1"), a_sample_plan("s2"))
    request = a_submitted_request(researcher, a_plan(samples=samples))
    day = request.samples.all()[0].expected_handoff_date
    assert day is not None
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=timezone.get_current_timezone())

    on_day(noon - timedelta(days=before))

    assert needs(researcher) == expected


def test_a_self_clearing_owner_keeps_the_tubes_and_clears(researcher: User) -> None:
    a_submitted_request(researcher, a_plan(self_clearing=True))

    assert needs(researcher) == {"batch ready to be cleared": 1}


def test_clearing_staff_see_what_is_here_what_comes_and_what_is_theirs(
    researcher: User, clearer: User
) -> None:
    here = a_submitted_request(researcher, a_plan("here"))
    requests.receive(here.samples.get(), by=clearer)
    a_submitted_request(researcher, a_plan("coming"))
    begun = a_submitted_request(researcher, a_plan("begun"))
    clearing.receive_and_start(begun.clearing_batches.get(), by=clearer)

    assert needs(clearer) == {
        "batch ready to be cleared": 1,
        "batch whose tubes are on the way": 1,
        "batch that you are clearing": 1,
    }


def test_a_step_that_should_be_done_is_said_to_who_clears_and_to_managers(
    researcher: User, clearer: User, manager: User, on_day: Callable[[datetime], None]
) -> None:
    a_batch_being_cleared(researcher, by=clearer)

    on_day(timezone.now() + timedelta(days=20))

    assert needs(clearer)["batch of yours with a step overdue"] == 1
    assert needs(manager)["batch with a clearing step overdue"] == 1


def test_imaging_staff_see_what_is_ready_and_what_is_theirs(
    researcher: User, clearer: User, imager: User
) -> None:
    a_cleared_request(researcher, clearer=clearer, plan=a_plan("ready"))
    begun = a_cleared_request(researcher, clearer=clearer, plan=a_plan("begun"))
    imaging.start(ImagingBatch.objects.get(clearing_batch__request=begun), by=imager)

    assert needs(imager) == {"batch ready to be imaged": 1, "batch that you are imaging": 1}
    assert "batch ready to be imaged" not in needs(researcher)


@pytest.mark.parametrize("who", ["processor", "operator", "manager", "superuser"])
def test_failed_runs_wait_for_who_can_mend_them(who: str, db: None) -> None:
    world = worlds.build()

    assert needs(world.accounts[who])["runs that failed"] == 2
    assert not any("failed" in text for text in needs(world.accounts["researcher"]))


@pytest.mark.parametrize("who", ["manager", "admin_person"])
def test_managers_see_labs_that_are_none_and_tubes_that_never_came(
    who: str, researcher: User, on_day: Callable[[datetime], None], request: pytest.FixtureRequest
) -> None:
    a_submitted_request(researcher, a_plan(lab="A lab nobody made"))
    person: User = request.getfixturevalue(who)

    on_day(datetime(2030, 2, 1, tzinfo=timezone.get_current_timezone()))

    assert needs(person)["request of a lab that is not in the list of labs"] == 1
    assert needs(person)["tube overdue"] == 1


def test_every_need_leads_to_a_page_that_lists_as_many(
    browser: Callable[[User], Client], db: None, settings: Settings
) -> None:
    world = worlds.build()
    manager = world.accounts["superuser"]
    client = browser(manager)

    found = overview.needs_of(manager)
    answers = {need.url: client.get(need.url).status_code for need in found}
    labless = next(need for need in found if "lab=-" in need.url)

    assert set(answers.values()) == {200}
    assert client.get(labless.url).context["page"].paginator.count == labless.count


@pytest.mark.parametrize("who", ["clearer", "imager", "processor", "manager", "operator"])
def test_staff_without_own_requests_see_their_queues_and_no_empty_list(
    who: str, browser: Callable[[User], Client], researcher: User, request: pytest.FixtureRequest
) -> None:
    a_submitted_request(researcher)

    answer = browser(request.getfixturevalue(who)).get("/")

    assert answer.context["queues"]
    assert "My requests" not in answer.content.decode()


def test_a_researcher_sees_own_requests_and_no_queues(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)

    answer = browser(researcher).get("/")

    assert not answer.context["queues"]
    assert [row.request.name for row in answer.context["rows"]] == ["first brains"]


def test_a_clearers_queue_leads_to_the_batch(
    browser: Callable[[User], Client], researcher: User, clearer: User
) -> None:
    batch = a_batch_being_cleared(researcher, by=clearer)

    (queue,) = browser(clearer).get("/").context["queues"]

    assert [(line.url, line.state) for line in queue.lines] == [
        (f"/clearing/batches/{batch.pk}/", "in progress")
    ]
