"""The calendar of hand-offs: what a day takes, who sees what of it, and how a sample is moved."""

import json
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState, Taken
from core_app.models import Event, OutboxRow, User
from core_app.roles import Role
from requests_app.models import ClearingBatch, HandoffDay, HandoffWeekday, Sample
from requests_app.plans import Problems, SamplePlan, problems_of
from requests_app.selectors.handoffs import (
    day_of,
    days_from,
    first_of,
    handoff_days,
    month_of,
    next_open_day,
    open_days,
    overdue_samples,
    seen_of,
)
from requests_app.services import clearing, handoffs, requests
from requests_app.workflows import current_rules, withdraw_request
from tests.support.people import a_person
from tests.support.races import at_once, refusals
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
MONDAY = date(2030, 1, 7)
TUESDAY = date(2030, 1, 8)
SATURDAY = date(2030, 1, 12)
HOSTILE = '"><script>alert(1)</script>\u202e'


def seen_by(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend=BACKEND)
    return browser


def text(user: User, query: str = "") -> str:
    return seen_by(user).get(f"/handoffs/{query}").content.decode()


def on(day: date, *, count: int = 1, name: str = "brains", **other: object):
    samples = [
        a_sample_plan(f"{name}-{number}", expected_handoff_date=day) for number in range(count)
    ]
    return a_plan(name, samples=samples, **other)


def seen(day: date) -> str:
    return seen_of(handoff_days([day])[day])


def a_day(day: date, capacity: int | None, note: str = "") -> None:
    HandoffDay.objects.create(day=day, capacity=capacity, note=note)


def weekday_takes(weekday: int, capacity: int | None) -> None:
    HandoffWeekday.objects.filter(weekday=weekday).update(capacity=capacity)


def problems_on(*days: date | None, owner: User, **other: object) -> Problems:
    samples: list[SamplePlan] = [
        a_sample_plan(f"brain-{i}", expected_handoff_date=day) for i, day in enumerate(days)
    ]
    plan = a_plan("a new one", samples=samples, **other)
    return problems_of(plan, current_rules(plan, owner=owner))


def wrong(day: date, *, owner: User, **other: object) -> list[str]:
    return problems_on(day, owner=owner, **other).get("samples.0.expected_handoff_date", [])


# --- what a day takes ---


def test_a_day_without_a_limit_takes_any_number(researcher: User) -> None:
    assert problems_on(*[MONDAY] * 50, owner=researcher) == {}


def test_a_day_that_is_over_is_refused(researcher: User) -> None:
    yesterday = timezone.localdate() - timedelta(days=1)

    assert "This day is over" in wrong(yesterday, owner=researcher)[0]


def test_a_closed_weekday_is_refused_and_others_are_named(researcher: User) -> None:
    (message,) = wrong(SATURDAY, owner=researcher)

    assert message.startswith("2030-01-12 is closed; choose another day, such as ")
    assert "such as 2030-01-14" in message


def test_a_closed_date_is_refused_with_its_note(researcher: User) -> None:
    a_day(MONDAY, 0, "Holiday")

    assert "closed (Holiday)" in wrong(MONDAY, owner=researcher)[0]


def test_a_date_may_be_open_although_its_weekday_is_closed(researcher: User) -> None:
    a_day(SATURDAY, 2)

    assert wrong(SATURDAY, owner=researcher) == []


def test_a_date_without_limit_overrides_a_full_weekday(researcher: User) -> None:
    weekday_takes(0, 0)
    a_day(MONDAY, None)

    assert wrong(MONDAY, owner=researcher) == []


def test_only_the_samples_that_are_too_many_are_marked(researcher: User) -> None:
    weekday_takes(0, 2)

    assert set(problems_on(MONDAY, TUESDAY, MONDAY, MONDAY, owner=researcher)) == {
        "samples.3.expected_handoff_date"
    }


def test_a_day_is_full_once_its_places_are_taken(researcher: User, stranger: User) -> None:
    weekday_takes(0, 2)
    a_submitted_request(stranger, on(MONDAY, count=2))

    assert "is full" in wrong(MONDAY, owner=researcher)[0]


def test_who_clears_alone_comes_on_any_day(researcher: User) -> None:
    a_day(MONDAY, 0)

    assert wrong(MONDAY, owner=researcher, self_clearing=True) == []


def test_self_cleared_samples_take_no_place(researcher: User, stranger: User) -> None:
    a_day(MONDAY, 1)
    a_submitted_request(stranger, on(MONDAY, self_clearing=True))

    assert wrong(MONDAY, owner=researcher) == []


def test_a_draft_takes_no_place(researcher: User, stranger: User) -> None:
    a_day(MONDAY, 1)
    requests.create_draft(
        owner=stranger, by=stranger, draft={"samples-0-expected_handoff_date": str(MONDAY)}
    )

    assert wrong(MONDAY, owner=researcher) == []


def test_a_withdrawn_request_gives_its_places_back(researcher: User, stranger: User) -> None:
    a_day(MONDAY, 1)
    withdraw_request(a_submitted_request(stranger, on(MONDAY)), by=stranger, reason="A mistake")

    assert wrong(MONDAY, owner=researcher) == []


def test_the_next_open_day_skips_closed_and_full_ones() -> None:
    weekday_takes(0, 0)
    a_day(TUESDAY, 0)

    assert next_open_day(SATURDAY - timedelta(days=5)) == date(2030, 1, 9)


def test_without_any_open_day_none_is_named() -> None:
    HandoffWeekday.objects.update(capacity=0)

    assert open_days(MONDAY) == []
    assert next_open_day(MONDAY) == MONDAY


def test_any_number_of_days_takes_three_queries(django_assert_num_queries) -> None:
    with django_assert_num_queries(3):
        handoff_days(days_from(MONDAY, 120))


# --- the page ---


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("2026-12", date(2026, 12, 1)),
        ("2000-01", date(2000, 1, 1)),
        ("2026-13", date(2030, 1, 1)),
        ("2026-1", date(2030, 1, 1)),
        ("1999-12", date(2030, 1, 1)),
        ("9999-12", date(2030, 1, 1)),
        ("\uff12026-12", date(2030, 1, 1)),
        ("' OR 1=1", date(2030, 1, 1)),
        ("", date(2030, 1, 1)),
    ],
)
def test_a_month_is_named_in_the_address_and_nonsense_is_this_month(word: str, shown: date) -> None:
    assert first_of(word, today=MONDAY) == shown


def test_a_month_is_whole_weeks_from_monday(researcher: User) -> None:
    month = month_of(date(2030, 1, 1), today=MONDAY, to=researcher)

    assert {len(week) for week in month.weeks} == {7}
    assert month.weeks[0][0].day.day == date(2029, 12, 31)
    assert [cell.day.day for cell in month.days] == days_from(date(2030, 1, 1), 31)
    assert [cell.day.day for week in month.weeks for cell in week if cell.is_today] == [MONDAY]
    assert (month.before, month.after) == ("2029-12", "2030-02")


@pytest.mark.parametrize("query", ["", "?month=2030-01", "?month=x&day=y", "?day=2030-01-07"])
def test_everybody_signed_in_sees_the_calendar(query: str, stranger: User) -> None:
    page = seen_by(stranger).get(f"/handoffs/{query}")

    assert page.status_code == 200
    assert "How to hand in" in page.content.decode()


@pytest.mark.parametrize("query", ["?day=9999-12-31", "?day=0001-01-01", "?day=x"])
def test_a_day_that_cannot_be_shown_opens_no_day(query: str, clearer: User) -> None:
    assert 'id="day"' not in text(clearer, query)


def test_a_facility_says_in_its_own_words_how_to_hand_in(
    stranger: User, settings: Settings, tmp_path: Path
) -> None:
    own = tmp_path / "requests_app" / "handoff_how.html"
    own.parent.mkdir()
    own.write_text("Ring the bell twice.")
    first = settings.TEMPLATES[0]
    settings.TEMPLATES = [{**first, "DIRS": [tmp_path, *first["DIRS"]]}]

    page = text(stranger)

    assert "Ring the bell twice." in page
    assert "How to hand in" not in page


def test_today_is_marked(stranger: User) -> None:
    assert text(stranger).count('aria-current="date"') == 1


def test_the_calendar_says_what_is_free_expected_full_and_closed(
    stranger: User, researcher: User
) -> None:
    a_day(MONDAY, 3)
    a_day(TUESDAY, 1)
    a_day(date(2030, 1, 9), 0, "Holiday")
    a_submitted_request(researcher, on(MONDAY))
    a_submitted_request(researcher, on(TUESDAY, name="more"))

    page = text(stranger, "?month=2030-01")

    assert "2 of 3 free" in page
    assert "1 expected" in page
    assert "full" in page
    assert "Holiday" in page


def test_a_researcher_sees_numbers_of_others_and_names_of_their_own(
    researcher: User, stranger: User
) -> None:
    a_submitted_request(researcher, on(MONDAY, name="mine"))
    a_submitted_request(stranger, on(MONDAY, name="theirs", count=2))

    page = text(researcher, "?day=2030-01-07")

    assert "3 expected" in page
    assert "mine" in page
    assert "theirs" not in page


def test_clearing_staff_see_every_sample_of_a_day(
    clearer: User, researcher: User, stranger: User
) -> None:
    a_submitted_request(researcher, on(MONDAY, name="river"))
    order = a_submitted_request(stranger, on(MONDAY, name="hill", count=2))
    requests.receive(order.samples.select_related("request__owner").all()[0], by=clearer)

    day = day_of(MONDAY, today=MONDAY, to=clearer)

    assert [(o.request.name, len(o.samples), o.missing) for o in day.orders] == [
        ("river", 1, 1),
        ("hill", 2, 1),
    ]
    assert "hill-1" in text(clearer, "?day=2030-01-07")


def test_drafts_withdrawn_and_self_cleared_requests_are_not_expected(
    clearer: User, researcher: User
) -> None:
    withdrawn = a_submitted_request(researcher, on(MONDAY, name="gone"))
    withdraw_request(withdrawn, by=researcher, reason="A mistake")
    a_submitted_request(researcher, on(MONDAY, name="own", self_clearing=True))

    assert day_of(MONDAY, today=MONDAY, to=clearer).orders == []


def test_the_month_asks_the_database_as_often_for_many_as_for_one(
    clearer: User, researcher: User, django_assert_max_num_queries
) -> None:
    for number in range(6):
        days = [MONDAY + timedelta(days=i % 5) for i in range(8)]
        plans = [a_sample_plan(f"s-{i}", expected_handoff_date=d) for i, d in enumerate(days)]
        a_submitted_request(researcher, a_plan(f"order {number}", samples=plans))
    browser = seen_by(clearer)

    with django_assert_max_num_queries(14):
        browser.get("/handoffs/?day=2030-01-07")


def test_a_hostile_note_is_inert(clearer: User, stranger: User) -> None:
    a_day(MONDAY, 1, HOSTILE)

    pages = text(stranger, "?month=2030-01") + text(clearer, "?day=2030-01-07")

    assert "<script>alert" not in pages
    assert "&lt;script&gt;alert(1)" in pages


# --- overdue ---


A_WEEK_LATER = MONDAY + timedelta(days=7)


def test_what_should_be_here_and_is_not_is_overdue(clearer: User, researcher: User) -> None:
    order = a_submitted_request(researcher, on(MONDAY, count=2))
    requests.receive(order.samples.select_related("request__owner").get(position=1), by=clearer)

    late = overdue_samples(today=A_WEEK_LATER, to=clearer)

    assert [sample.name for sample in late] == ["brains-1"]
    assert not overdue_samples(today=MONDAY, to=clearer).exists()


def test_what_was_withdrawn_or_is_cleared_is_not_overdue(clearer: User, researcher: User) -> None:
    gone = a_submitted_request(researcher, on(MONDAY, name="gone"))
    withdraw_request(gone, by=researcher, reason="A mistake")
    a_submitted_request(researcher, on(MONDAY, name="own", self_clearing=True))
    here = a_submitted_request(researcher, on(MONDAY, name="here"))
    clearing.receive_and_start(here.clearing_batches.get(), by=clearer)

    assert not overdue_samples(today=A_WEEK_LATER, to=clearer).exists()


def test_overdue_samples_stand_on_top_for_clearing_staff_only(
    clearer: User, researcher: User
) -> None:
    order = a_submitted_request(researcher, on(MONDAY))
    past = timezone.localdate() - timedelta(days=3)
    Sample.objects.filter(request=order).update(expected_handoff_date=past)

    assert "Expected, but not here" in text(clearer)
    assert "Expected, but not here" not in text(researcher)


# --- staff change what a day takes ---


def test_staff_close_a_day_with_a_note(clearer: User) -> None:
    answer = seen_by(clearer).post(
        "/handoffs/day/",
        {"day": MONDAY, "capacity": "0", "note": "Holiday", "seen": seen(MONDAY)},
        follow=True,
    )

    day = handoff_days([MONDAY])[MONDAY]
    assert (day.capacity, day.note, day.is_special) == (0, "Holiday", True)
    assert "2030-01-07: closed." in answer.content.decode()


def test_an_empty_capacity_is_no_limit(clearer: User) -> None:
    weekday_takes(0, 1)

    seen_by(clearer).post("/handoffs/day/", {"day": MONDAY, "capacity": "", "seen": seen(MONDAY)})

    assert handoff_days([MONDAY])[MONDAY].left is None


def test_a_day_can_be_like_its_weekday_again(manager: User) -> None:
    a_day(MONDAY, 0)

    seen_by(manager).post(
        "/handoffs/day/", {"day": MONDAY, "action": "clear", "seen": seen(MONDAY)}
    )

    assert not HandoffDay.objects.exists()


def test_less_than_is_expected_is_allowed_and_shown_as_too_many(
    clearer: User, researcher: User
) -> None:
    a_submitted_request(researcher, on(MONDAY, count=3))

    answer = seen_by(clearer).post(
        "/handoffs/day/", {"day": MONDAY, "capacity": "1", "seen": seen(MONDAY)}, follow=True
    )

    page = answer.content.decode()
    assert "3 samples are expected on 2030-01-07, 2 more than it takes." in page
    assert "2 too many" in page
    assert Sample.objects.filter(expected_handoff_date=MONDAY).count() == 3


@pytest.mark.parametrize(
    "wrongly",
    [
        {"capacity": "-1"},
        {"capacity": "1000"},
        {"capacity": "many"},
        {"note": "x" * 101},
        {"day": "soon"},
        {"day": "2020-01-06"},
        {"day": ""},
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(wrongly: dict[str, str], clearer: User) -> None:
    sent = {"day": str(MONDAY), "capacity": "1", "note": "", "seen": seen(MONDAY)}

    answer = seen_by(clearer).post("/handoffs/day/", sent | wrongly)

    assert answer.status_code == 422
    assert not HandoffDay.objects.exists()


def test_a_refused_entry_is_shown_as_it_was_typed(clearer: User) -> None:
    sent = {"day": str(MONDAY), "capacity": "7", "note": HOSTILE * 5, "seen": seen(MONDAY)}

    page = seen_by(clearer).post("/handoffs/day/", sent).content.decode()

    assert 'value="7"' in page
    assert "At most 100 characters; shorten it." in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("name", ["researcher", "imager"])
def test_nobody_else_changes_a_day(name: str, request: pytest.FixtureRequest) -> None:
    user = request.getfixturevalue(name)

    with pytest.raises(NotAllowed):
        handoffs.set_day(MONDAY, capacity=0, note="", seen=seen(MONDAY), by=user)
    with pytest.raises(NotAllowed):
        handoffs.clear_day(MONDAY, seen=seen(MONDAY), by=user)

    assert "day-form" not in text(user, "?day=2030-01-07")


def test_who_saves_over_a_colleagues_change_is_told(clearer: User, manager: User) -> None:
    before = seen(MONDAY)
    handoffs.set_day(MONDAY, capacity=4, note="Two hands", seen=before, by=manager)

    with pytest.raises(StaleState):
        handoffs.set_day(MONDAY, capacity=0, note="", seen=before, by=clearer)
    with pytest.raises(StaleState):
        handoffs.clear_day(MONDAY, seen=before, by=clearer)

    assert HandoffDay.objects.get().capacity == 4


def test_a_past_day_has_no_form(clearer: User) -> None:
    assert "day-form" not in text(clearer, "?day=2020-01-06")


# --- moving a sample ---


@pytest.fixture
def sample(researcher: User) -> Sample:
    a_submitted_request(researcher, on(MONDAY, count=2))
    return Sample.objects.select_related("request__owner", "clearing_batch").get(position=1)


def test_the_owner_moves_a_sample_to_another_day(sample: Sample, researcher: User) -> None:
    seen_by(researcher).post(f"/samples/{sample.pk}/move/", {"day": TUESDAY})

    sample.refresh_from_db()
    event = Event.objects.get(verb="hand-off moved")
    assert sample.expected_handoff_date == TUESDAY
    assert (event.by, event.note) == (researcher, "brains-0: 2030-01-07 → 2030-01-08")


def test_clearing_staff_move_a_sample_too(sample: Sample, clearer: User) -> None:
    handoffs.move(sample, TUESDAY, by=clearer)

    assert sample.expected_handoff_date == TUESDAY


def test_the_batch_shows_the_earliest_day_of_its_samples(sample: Sample, researcher: User) -> None:
    handoffs.move(sample, date(2030, 1, 3), by=researcher)
    assert ClearingBatch.objects.get().expected_handoff_date == date(2030, 1, 3)

    handoffs.move(sample, date(2030, 1, 10), by=researcher)
    assert ClearingBatch.objects.get().expected_handoff_date == MONDAY


def test_the_mirror_hears_of_a_move(sample: Sample, researcher: User, settings) -> None:
    settings.DATAJOINT_ENABLED = True

    handoffs.move(sample, TUESDAY, by=researcher)

    kinds = set(OutboxRow.objects.values_list("kind", flat=True))
    assert {"sample", "clearing batch"} <= kinds


def test_moving_to_the_same_day_changes_nothing(sample: Sample, researcher: User) -> None:
    a_day(MONDAY, 0)

    handoffs.move(sample, MONDAY, by=researcher)

    assert not Event.objects.filter(verb="hand-off moved").exists()


@pytest.mark.parametrize("name", ["labmate", "pi", "imager", "operator"])
def test_who_only_reads_does_not_move(
    name: str, request: pytest.FixtureRequest, sample: Sample
) -> None:
    with pytest.raises(NotAllowed):
        handoffs.move(sample, TUESDAY, by=request.getfixturevalue(name))


@pytest.mark.parametrize("days", [-1, 10_000])
def test_a_day_over_or_far_off_is_refused(days: int, sample: Sample, researcher: User) -> None:
    with pytest.raises(Invalid):
        handoffs.move(sample, timezone.localdate() + timedelta(days=days), by=researcher)


def test_a_closed_day_is_refused_and_others_are_named(sample: Sample, researcher: User) -> None:
    a_day(TUESDAY, 0, "Holiday")

    answer = seen_by(researcher).post(f"/samples/{sample.pk}/move/", {"day": TUESDAY}, follow=True)

    sample.refresh_from_db()
    assert "2030-01-08 is closed (Holiday)" in answer.content.decode()
    assert sample.expected_handoff_date == MONDAY


@pytest.mark.parametrize("day", ["", "soon", "2030-02-30"])
def test_what_is_no_day_is_refused(day: str, sample: Sample, researcher: User) -> None:
    answer = seen_by(researcher).post(f"/samples/{sample.pk}/move/", {"day": day}, follow=True)

    sample.refresh_from_db()
    assert "Not done." in answer.content.decode()
    assert sample.expected_handoff_date == MONDAY


def test_a_received_tube_stays_on_its_day(sample: Sample, researcher: User, clearer: User) -> None:
    requests.receive(sample, by=clearer)

    with pytest.raises(NotReady):
        handoffs.move(sample, TUESDAY, by=researcher)


def test_a_tube_received_a_moment_ago_is_not_moved(
    sample: Sample, researcher: User, clearer: User
) -> None:
    requests.receive(Sample.objects.select_related("request__owner").get(pk=sample.pk), by=clearer)

    with pytest.raises(StaleState):
        handoffs.move(sample, TUESDAY, by=researcher)


def test_a_withdrawn_request_is_not_moved(sample: Sample, researcher: User) -> None:
    withdraw_request(sample.request, by=researcher, reason="A mistake")

    with pytest.raises(NotReady):
        handoffs.move(sample, TUESDAY, by=researcher)


def test_who_clears_alone_moves_to_any_day(researcher: User) -> None:
    a_day(TUESDAY, 0)
    own = a_submitted_request(researcher, on(MONDAY, self_clearing=True)).samples.get()

    handoffs.move(own, TUESDAY, by=researcher)

    assert own.expected_handoff_date == TUESDAY


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_the_last_place_is_given_to_one_of_two_who_move(
    turn: int, researcher: User, stranger: User
) -> None:
    a_day(TUESDAY, 1)
    for owner in (researcher, stranger):
        a_submitted_request(owner, on(MONDAY))
    both = Sample.objects.select_related("request__owner")

    found = at_once(*[partial(handoffs.move, s, TUESDAY, by=s.request.owner) for s in both])

    (refusal,) = refusals(found)
    assert isinstance(refusal, Taken)
    assert Sample.objects.filter(expected_handoff_date=TUESDAY).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_two_colleagues_who_change_one_day_the_second_is_told(turn: int, clearer: User) -> None:
    other = a_person("colleague", role=Role.CLEARER)
    before = seen(MONDAY)

    found = at_once(
        partial(handoffs.set_day, MONDAY, capacity=3, note="", seen=before, by=clearer),
        partial(handoffs.set_day, MONDAY, capacity=5, note="", seen=before, by=other),
    )

    assert [refusal.code for refusal in refusals(found)] == ["stale"]
    assert HandoffDay.objects.count() == 1


# --- the dates for forms ---


def asked(user: User, query: str) -> dict[str, dict[str, object]]:
    return json.loads(seen_by(user).get(f"/handoffs/days.json{query}").content)


def test_a_form_asks_which_days_are_free(stranger: User, researcher: User) -> None:
    a_day(MONDAY, 3, "Short day")
    a_submitted_request(researcher, on(MONDAY))

    assert asked(stranger, "?from=2030-01-05&to=2030-01-08") == {
        "2030-01-05": {"left": 0, "note": ""},
        "2030-01-06": {"left": 0, "note": ""},
        "2030-01-07": {"left": 2, "note": "Short day"},
        "2030-01-08": {"left": None, "note": ""},
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 60),
        ("?from=2030-01-07", 60),
        ("?from=2030-01-07&to=2030-01-07", 1),
        ("?from=2030-01-07&to=2040-01-07", 120),
        ("?from=2030-01-07&to=2030-01-06", 0),
    ],
)
def test_at_most_120_days_are_told(query: str, count: int, stranger: User) -> None:
    assert len(asked(stranger, query)) == count


@pytest.mark.parametrize("query", ["?from=x", "?from=2030-01-07&to=x", "?from=9999-12-31"])
def test_what_is_no_date_is_answered_so(query: str, stranger: User) -> None:
    assert seen_by(stranger).get(f"/handoffs/days.json{query}").status_code == 400


def test_who_is_not_signed_in_is_told_nothing(client: Client, db: None) -> None:
    assert client.get("/handoffs/days.json").status_code == 302


# --- the console ---


def test_staff_change_what_a_weekday_takes_in_the_console(clearer: User) -> None:
    monday = HandoffWeekday.objects.get(weekday=0)

    seen_by(clearer).post(
        f"/admin/requests_app/handoffweekday/{monday.pk}/change/", {"capacity": "4"}
    )

    assert handoff_days([MONDAY])[MONDAY].left == 4


def test_there_are_always_seven_weekdays(admin_person: User) -> None:
    monday = HandoffWeekday.objects.get(weekday=0)
    browser = seen_by(admin_person)

    browser.post(f"/admin/requests_app/handoffweekday/{monday.pk}/delete/", {"post": "yes"})
    browser.post("/admin/requests_app/handoffweekday/add/", {"weekday": "0", "capacity": "1"})

    assert HandoffWeekday.objects.count() == 7


def test_a_holiday_is_entered_in_the_console(manager: User) -> None:
    seen_by(manager).post(
        "/admin/requests_app/handoffday/add/",
        {"day": str(MONDAY), "capacity": "0", "note": "Holiday"},
    )

    assert handoff_days([MONDAY])[MONDAY].is_closed


def test_a_tube_that_is_here_is_no_longer_expected(researcher, clearer):
    samples = tuple(a_sample_plan(f"b{i}", expected_handoff_date=MONDAY) for i in range(3))
    request = a_submitted_request(researcher, a_plan(samples=samples))
    before = handoff_days([MONDAY])[MONDAY].expected

    requests.receive(request.samples.first(), by=clearer)

    assert (before, handoff_days([MONDAY])[MONDAY].expected) == (3, 2)
