"""The plan of a batch: made with its start, followed by what is logged, corrected by people."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from requests_app.models import HandoffDay, PlannedStep
from requests_app.selectors import bench as bench_reads
from requests_app.selectors import today
from requests_app.selectors.planning import plan_lines
from requests_app.services import clearing, planning
from requests_app.workflows import complete_clearing, reopen_clearing
from tests.support.scenarios import a_batch_being_cleared, a_plan, a_sample_plan, a_waiting_batch

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
BERLIN = ZoneInfo("Europe/Berlin")
FIRST, FOURTH = "pbs_wash1", "dehydr_methanol_20percent_wash1"


@pytest.fixture(autouse=True)
def _in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    settings.WORKDAY_START, settings.WORKDAY_END = 8, 18


@pytest.fixture
def batch(researcher):
    return a_waiting_batch(researcher)


@pytest.fixture
def bench(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    return client


def next_weekday(weekday, hour=9):
    """The coming Monday (0) or so that is at least two days away, at this hour."""
    day = timezone.localdate() + timedelta(days=2)
    while day.weekday() != weekday:
        day += timedelta(days=1)
    return datetime(day.year, day.month, day.day, hour, tzinfo=BERLIN)


def clock(moment):
    return moment.astimezone(BERLIN).strftime("%a %H:%M")


def due(batch, slug):
    return batch.plan.get(step__slug=slug).starts_at


def page(batch, name="batch-plan", *more):
    return reverse(f"clearing:{name}", args=[batch.pk, *more])


def test_starting_a_batch_plans_all_its_steps(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)

    assert batch.plan.count() == 14
    assert due(batch, FIRST) - timezone.now() < timedelta(days=1)


def test_a_batch_is_planned_before_it_is_started(batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)

    assert clock(due(batch, FIRST)) == "Mon 09:00"
    assert clock(due(batch, "dehydr_methanol_40percent_wash1")) == "Mon 10:00"


def test_planning_anew_moves_every_step(batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)

    planning.make_plan(batch, start=next_weekday(2), by=clearer)

    assert clock(due(batch, FIRST)) == "Wed 09:00"
    assert batch.plan.count() == 14


def test_logged_steps_stay_and_the_others_follow(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    planned = due(batch, FOURTH)
    done_at = (timezone.localtime() - timedelta(days=1)).replace(hour=10, minute=0, second=0)

    clearing.record_step(batch, FOURTH, performed_at=done_at, by=clearer)

    assert due(batch, FOURTH) == planned
    assert due(batch, "dehydr_methanol_40percent_wash1") == done_at + timedelta(hours=1)


def test_a_step_taken_back_is_planned_again(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    before = due(batch, "dehydr_methanol_40percent_wash1")
    done_at = (timezone.localtime() - timedelta(days=1)).replace(hour=10, minute=0, second=0)
    clearing.record_step(batch, FOURTH, performed_at=done_at, by=clearer)

    clearing.take_back_step(batch, FOURTH, by=clearer, replaces=1)

    assert due(batch, "dehydr_methanol_40percent_wash1") == before


def test_a_pinned_time_stays_and_later_steps_follow_it(batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)

    planning.pin(batch, FOURTH, at=next_weekday(3, 11), by=clearer, seen=None)
    planning.make_plan(batch, start=next_weekday(1), by=clearer)

    assert clock(due(batch, FIRST)) == "Tue 09:00"
    assert clock(due(batch, FOURTH)) == "Thu 11:00"
    assert clock(due(batch, "dehydr_methanol_40percent_wash1")) == "Thu 12:00"


def test_an_unpinned_step_follows_again(batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)
    planning.pin(batch, FOURTH, at=next_weekday(3, 11), by=clearer, seen=None)

    planning.unpin(batch, FOURTH, by=clearer)

    assert clock(due(batch, FOURTH)) == "Mon 09:00"


def test_a_colleagues_pin_is_not_overwritten_unseen(batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)
    seen = due(batch, FOURTH)
    planning.pin(batch, FOURTH, at=next_weekday(3, 11), by=clearer, seen=seen)

    with pytest.raises(StaleState, match="A colleague set this step"):
        planning.pin(batch, FOURTH, at=next_weekday(4, 11), by=clearer, seen=seen)

    assert clock(due(batch, FOURTH)) == "Thu 11:00"


def test_a_logged_step_is_no_longer_planned(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    clearing.record_step(batch, FIRST, performed_at=timezone.now(), by=clearer)

    with pytest.raises(NotReady, match="logged already"):
        planning.pin(batch, FIRST, at=next_weekday(3), by=clearer, seen=None)


def test_a_batch_with_logged_steps_gets_no_new_start(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    clearing.record_step(batch, FIRST, performed_at=timezone.now(), by=clearer)

    with pytest.raises(NotReady, match="the plan follows them"):
        planning.make_plan(batch, start=next_weekday(3), by=clearer)


def test_a_batch_from_before_there_were_plans_gets_one_for_what_is_left(bench, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    batch.plan.all().delete()
    clearing.record_step(batch, FIRST, performed_at=timezone.now(), by=clearer)
    may_plan = bench.get(page(batch)).context["may_shift"]

    planning.make_plan(batch, start=next_weekday(3), by=clearer)

    assert may_plan
    assert batch.plan.count() == 13


def test_a_year_mistyped_is_refused(batch, clearer):
    with pytest.raises(Invalid, match="check the year"):
        planning.make_plan(batch, start=timezone.now() + timedelta(days=4000), by=clearer)


def test_the_owner_does_not_plan_what_staff_clear(batch, researcher):
    with pytest.raises(NotAllowed):
        planning.make_plan(batch, start=next_weekday(0), by=researcher)


def test_a_self_clearing_owner_plans(researcher):
    batch = a_waiting_batch(researcher, a_plan(self_clearing=True))

    planning.make_plan(batch, start=next_weekday(0), by=researcher)

    assert batch.plan.count() == 14


def test_a_finished_batch_is_not_planned(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    clearing.complete(batch, by=clearer, skip_missing=True)

    with pytest.raises(NotReady, match="complete"):
        planning.make_plan(batch, start=next_weekday(0), by=clearer)


def test_completing_keeps_the_plan_of_what_was_done(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    clearing.record_step(batch, FIRST, performed_at=timezone.now(), by=clearer)

    complete_clearing(batch, by=clearer, skip_missing=True)

    assert [row.step.slug for row in batch.plan.select_related("step")] == [FIRST]


def test_putting_a_batch_back_throws_its_plan_away(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)

    clearing.put_back(batch, by=clearer, reason="")

    assert not batch.plan.exists()


def test_weekends_and_closed_days_are_pointed_out(batch, clearer):
    saturday = next_weekday(5)
    HandoffDay.objects.create(day=next_weekday(0).date(), capacity=0, note="Holiday")
    planning.make_plan(batch, start=saturday, by=clearer)
    planning.pin(batch, FOURTH, at=next_weekday(0), by=clearer, seen=None)

    found = {line.step.slug: line.clash.why for line in plan_lines(batch) if line.clash}

    assert (found[FIRST], found[FOURTH]) == ("Saturday", "closed")


def test_the_page_offers_a_start_without_weekends(bench, batch, clearer):
    planning.make_plan(batch, start=next_weekday(6), by=clearer)

    response = bench.get(page(batch))

    assert response.context["best_left"] == 0
    assert clock(response.context["best"]) == "Mon 09:00"
    assert "Sunday" in response.content.decode()


def test_the_offered_start_is_taken_by_a_button(bench, batch, clearer):
    planning.make_plan(batch, start=next_weekday(6), by=clearer)
    best = timezone.localtime(bench.get(page(batch)).context["best"])

    bench.post(page(batch, "batch-plan-make"), {"start": f"{best:%Y-%m-%dT%H:%M}"})

    assert not [line for line in plan_lines(batch) if line.clash]


@pytest.mark.parametrize("typed", ["", "soon"])
def test_a_blank_date_is_refused_beside_its_field(bench, batch, typed):
    response = bench.post(page(batch, "batch-plan-make"), {"start": typed})

    assert response.status_code == 422
    assert response.context["start_form"].errors["start"]
    assert not PlannedStep.objects.exists()


def test_a_blank_time_for_one_step_is_refused(bench, batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)

    response = bench.post(page(batch, "step-pin", FOURTH), {"starts_at": ""})

    assert response.status_code == 422
    assert "Choose a date and a time for this step." in response.content.decode()


def test_a_time_typed_on_the_page_is_in_the_facilitys_zone(bench, batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)
    wanted = next_weekday(3, 11)

    bench.post(page(batch, "step-pin", FOURTH), {"starts_at": f"{wanted:%Y-%m-%dT%H:%M}"})

    assert due(batch, FOURTH) == wanted


def test_an_untouched_form_pins_what_it_shows(bench, batch, clearer):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)
    planning.pin(batch, FOURTH, at=next_weekday(3, 11), by=clearer, seen=None)
    html = bench.get(page(batch)).content.decode()
    seen = due(batch, FOURTH).astimezone(BERLIN).isoformat()
    assert seen in html

    response = bench.post(
        page(batch, "step-pin", FOURTH),
        {"starts_at": f"{next_weekday(4, 11):%Y-%m-%dT%H:%M}", "seen": seen},
    )

    assert response.status_code == 302
    assert clock(due(batch, FOURTH)) == "Fri 11:00"


def test_the_owner_reads_the_plan_without_its_forms(client, batch, clearer, researcher):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)
    client.force_login(researcher, backend=BACKEND)

    html = client.get(page(batch)).content.decode()

    assert "PBS wash 1" in html
    assert 'name="starts_at"' not in html


def test_a_protocol_without_steps_says_so(bench, researcher):
    batch = a_waiting_batch(researcher, a_plan(samples=[a_sample_plan(protocol="experimental")]))

    assert "This protocol has no steps to plan." in bench.get(page(batch)).content.decode()


def test_the_bench_page_says_when_the_step_is_planned(bench, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)

    html = bench.get(page(batch, "batch")).content.decode()

    assert f"Planned for {due(batch, FIRST).astimezone(BERLIN):%Y-%m-%d %H:%M}" in html


def test_the_night_the_clock_changes_is_planned_right(batch, clearer, settings):
    planning.make_plan(batch, start=next_weekday(0), by=clearer)
    change = _next_change()

    planning.pin(batch, FIRST, at=change - timedelta(hours=14), by=clearer, seen=None)
    planning.pin(batch, FOURTH, at=change - timedelta(hours=8, minutes=30), by=clearer, seen=None)

    following = due(batch, "dehydr_methanol_40percent_wash1").astimezone(BERLIN)
    assert (following.hour, following.date()) == (8, change.date())


def _next_change():
    """The next Sunday on which Europe's clocks change, at noon."""
    day = timezone.localdate() + timedelta(days=2)
    while True:
        morning = datetime(day.year, day.month, day.day, 12, tzinfo=BERLIN)
        if morning.utcoffset() != (morning - timedelta(days=1)).utcoffset():
            return morning
        day = date.fromordinal(day.toordinal() + 1)


def test_a_batch_opened_again_with_steps_left_out_can_be_planned(batch, clearer):
    clearing.receive_and_start(batch, by=clearer)
    clearing.record_step(batch, FIRST, performed_at=timezone.now(), by=clearer)
    complete_clearing(batch, by=clearer, skip_missing=True)
    reopen_clearing(batch, by=clearer, reason="The rest is to be done.")
    batches = today.scope(clearer, today.ALL)
    assert [b.pk for b in today.without_plan(batches)] == [batch.pk]

    planning.make_plan(batch, start=next_weekday(0), by=clearer)

    assert len(plan_lines(batch)) == 14
    assert all(line.planned or line.log for line in plan_lines(batch))
    assert today.without_plan(batches) == []


def test_a_done_step_no_longer_says_when_a_batch_is_due(batch, clearer):
    clearing.receive_and_start(batch, by=clearer)
    far = next_weekday(0) + timedelta(days=21)
    third = batch.protocol.steps.get(position=3)
    planning.pin(batch, third.slug, at=far, by=clearer, seen=None)
    for step in batch.protocol.steps.filter(position__lte=3):
        clearing.record_step(batch, step.slug, performed_at=timezone.now(), by=clearer)

    (row,) = bench_reads.queue(bench_reads.Wanted.from_query({}), to=clearer)

    assert row.planned_end < far
