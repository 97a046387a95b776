"""Today at the bench: what is due for whom, logged and given away from its card."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.roles import Role
from requests_app.models import ClearingBatch, PlannedStep
from requests_app.selectors.today import Column, column_of
from requests_app.services import clearing, planning
from tests.support.people import a_person
from tests.support.scenarios import a_batch_being_cleared, a_plan, a_waiting_batch

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
TODAY = "/clearing/today/"


@pytest.fixture
def bench(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    return client


@pytest.fixture
def batch(researcher, clearer):
    return a_batch_being_cleared(researcher, by=clearer)


def cards(client, **query):
    columns = client.get(TODAY, query).context["columns"]
    return {column: [card.first.step.slug for card in found] for column, found in columns}


def plan_at(batch, slug, moment):
    PlannedStep.objects.filter(batch=batch, step__slug=slug).update(starts_at=moment)


def noon_on(days):
    """A moment that is on the same local day at any time of the day the test runs."""
    return timezone.localtime().replace(hour=12, minute=0) + timedelta(days=days)


@pytest.mark.parametrize(
    ("minutes", "column"),
    [(-31, Column.OVERDUE), (-29, Column.NOW), (0, Column.NOW), (29, Column.NOW)],
)
def test_half_an_hour_around_now_is_due_now(minutes, column):
    now = timezone.now()

    assert column_of(now + timedelta(minutes=minutes), now) == column


@pytest.mark.parametrize(
    ("hours", "column"),
    [(5, Column.TODAY), (24, Column.TOMORROW), (72, Column.WEEK), (24 * 9, None)],
)
def test_later_steps_stand_in_their_day(hours, column):
    now = timezone.localtime().replace(hour=9)

    assert column_of(now + timedelta(hours=hours), now) == column


def test_my_steps_stand_in_columns_one_card_per_batch(bench, batch):
    steps = [row.step.slug for row in batch.plan.select_related("step")]
    PlannedStep.objects.update(starts_at=noon_on(30))
    plan_at(batch, steps[0], timezone.now() - timedelta(hours=2))
    plan_at(batch, steps[1], timezone.now())
    plan_at(batch, steps[2], noon_on(1))
    plan_at(batch, steps[3], noon_on(1) + timedelta(hours=1))

    found = cards(bench)

    assert found[Column.OVERDUE] == [steps[0]]
    assert found[Column.NOW] == [steps[1]]
    assert found[Column.TOMORROW] == [steps[2]]


def test_done_now_on_a_card_logs_the_step(bench, batch):
    slug = batch.protocol.steps.first().slug
    page = bench.get(TODAY).content.decode()

    response = bench.post(
        reverse("clearing:step-record", args=[batch.pk, slug]),
        {"when": "now", "replaces": 0, "today": "me"},
    )

    assert "Done now" in page
    assert response.url == f"{TODAY}?who=me"
    assert batch.log.get().step.slug == slug


def test_only_the_current_step_has_the_button(bench, batch):
    first, second = batch.protocol.steps.all()[:2]
    PlannedStep.objects.update(starts_at=noon_on(30))
    plan_at(batch, first.slug, timezone.now())
    plan_at(batch, second.slug, noon_on(1))

    page = bench.get(TODAY).content.decode()

    assert page.count('value="now"') == 1


def test_a_planned_batch_that_waits_is_opened_to_be_started(bench, researcher, clearer):
    batch = a_waiting_batch(researcher)
    clearing.claim(batch, by=clearer)
    planning.make_plan(batch, start=noon_on(1), by=clearer)

    page = bench.get(TODAY).content.decode()

    assert "Open to start" in page
    assert 'value="now"' not in page


def test_mine_everybodys_and_nobodys(bench, researcher, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    a_batch_being_cleared(researcher, by=colleague, plan=a_plan("theirs"))
    planning.make_plan(a_waiting_batch(researcher, a_plan("free")), start=noon_on(1), by=clearer)

    def names(**query):
        page = bench.get(TODAY, query).content.decode()
        return {name for name in ("theirs", "free") if f"researcher/{name}" in page}

    assert names() == set()
    assert names(who="all") == {"theirs", "free"}
    assert names(who="none") == {"free"}
    assert names(who="colleague") == {"theirs"}


def test_a_researcher_sees_nobody_elses_work(client, batch, researcher):
    client.force_login(researcher, backend=BACKEND)

    page = client.get(TODAY, {"who": "all"}).content.decode()

    assert "first brains" not in page
    assert "Nothing is due this week." in page


def test_ticked_batches_go_to_a_colleague(bench, batch, researcher, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    other = a_batch_being_cleared(researcher, by=clearer, plan=a_plan("other"))

    response = bench.post(
        f"{TODAY}reassign/", {"batch": [batch.pk, other.pk], "clearer": "colleague", "who": "all"}
    )

    assert response.url == f"{TODAY}?who=all"
    assert {b.clearer for b in ClearingBatch.objects.all()} == {colleague}


@pytest.mark.parametrize("data", [{"clearer": "colleague"}, {"batch": "x", "clearer": "colleague"}])
def test_nothing_ticked_is_said(bench, batch, clearer, data):
    a_person("colleague", role=Role.CLEARER)

    page = bench.post(
        f"{TODAY}reassign/", data, follow=True, headers={"Referer": f"http://testserver{TODAY}"}
    )

    assert "Tick the batches first" in page.content.decode()
    assert ClearingBatch.objects.get().clearer == clearer


def test_a_batch_that_ended_meanwhile_is_named_and_the_others_go(bench, batch, researcher, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    other = a_batch_being_cleared(researcher, by=clearer, plan=a_plan("other"))
    clearing.complete(batch, by=clearer, skip_missing=True)

    page = bench.post(
        f"{TODAY}reassign/", {"batch": [batch.pk, other.pk], "clearer": "colleague"}, follow=True
    ).content.decode()

    assert "The batch is complete; there is nothing to assign" in page
    assert ClearingBatch.objects.get(pk=other.pk).clearer == colleague


def test_a_batch_without_a_plan_is_not_overlooked(bench, batch):
    PlannedStep.objects.all().delete()

    assert "In progress without a plan:" in bench.get(TODAY).content.decode()


def test_the_number_of_queries_does_not_grow(
    bench, researcher, clearer, django_assert_max_num_queries
):
    for number in range(6):
        a_batch_being_cleared(researcher, by=clearer, plan=a_plan(f"batch {number}"))

    with django_assert_max_num_queries(16):
        bench.get(TODAY, {"who": "all"})
