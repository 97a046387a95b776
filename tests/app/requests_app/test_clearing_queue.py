"""The queue as people filter, sort and share it; claiming, assigning, releasing."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.roles import Role
from requests_app.models import ClearingBatch
from requests_app.selectors.bench import SORTS
from requests_app.services import clearing, planning
from tests.support.people import a_person
from tests.support.races import at_once, refusals
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_cleared_request,
    a_plan,
    a_received_batch,
    a_sample_plan,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
QUEUE = "/clearing/"
IMMUNO = {"protocol": "iDISCO+_immuno", "antibody1": "anti-cFos 1:1000"}


@pytest.fixture
def bench(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    return client


def names(client, state="waiting", **query):
    sections = {s.state: s for s in client.get(QUEUE, query).context["sections"]}
    return [line.batch.request.name for line in sections[state].lines]


def now(batch):
    return ClearingBatch.objects.get(pk=batch.pk)


def on(batch, page):
    return reverse(f"clearing:{page}", args=[batch.pk])


def test_staff_see_the_batches_of_everybody(bench, researcher, stranger):
    a_waiting_batch(researcher, a_plan("one"))
    a_waiting_batch(stranger, a_plan("two", lab="Hill lab"))

    assert set(names(bench)) == {"one", "two"}


def test_who_clears_nothing_sees_nothing(client, researcher, stranger):
    a_waiting_batch(researcher, a_plan("one"))
    client.force_login(stranger, backend=BACKEND)

    assert names(client) == []


def test_a_self_clearing_owner_sees_their_batch(client, researcher):
    a_waiting_batch(researcher, a_plan("mine", self_clearing=True))
    a_waiting_batch(researcher, a_plan("for staff"))
    client.force_login(researcher, backend=BACKEND)

    assert names(client) == ["mine"]


def test_what_is_due_first_stands_first(bench, researcher):
    for name, day in (("late", 22), ("early", 8), ("middle", 10)):
        sample = a_sample_plan(expected_handoff_date=date(2030, 1, day))
        a_waiting_batch(researcher, a_plan(name, samples=[sample]))

    assert names(bench) == ["early", "middle", "late"]


@pytest.mark.parametrize("sort", sorted(SORTS))
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_every_column_sorts_both_ways(bench, researcher, clearer, sort, direction):
    first = a_waiting_batch(researcher, a_plan("a"))
    late = a_sample_plan(expected_handoff_date=date(2030, 2, 4), **IMMUNO)
    a_waiting_batch(researcher, a_plan("b", samples=[late, a_sample_plan("s2", **IMMUNO)]))
    clearing.claim(first, by=clearer)

    response = bench.get(QUEUE, {"sort": sort, "dir": direction})

    column = SORTS[sort]
    lines = next(s for s in response.context["sections"] if s.state == "waiting").lines
    values = [_value(line.batch, column) for line in lines]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=direction == "desc")
    assert len(values) == 2


def _value(batch, column):
    value = batch
    for part in column.split("__"):
        value = getattr(value, part, None)
    return value


def test_an_unknown_column_is_ignored(bench, researcher):
    a_waiting_batch(researcher, a_plan("one"))

    assert names(bench, sort="password", dir="sideways") == ["one"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"protocol": "iDISCO+_immuno"}, "stained"),
        ({"species": "rat"}, "rats"),
        ({"clearer": "none"}, "stained rats soon"),
        ({"clearer": "clearer"}, "claimed"),
        ({"mine": "1"}, "claimed"),
        ({"due": "week"}, "soon"),
        ({"due": "nonsense"}, "stained rats soon claimed"),
        ({"q": "STAIN"}, "stained"),
        ({"q": "cfos"}, "stained"),
        ({"q": "rat-tube"}, "rats"),
        ({"q": "' OR 1=1 --"}, ""),
    ],
)
def test_the_queue_is_filtered(bench, researcher, clearer, query, expected):
    soon = timezone.localdate() + timedelta(days=3)
    a_waiting_batch(researcher, a_plan("stained", samples=[a_sample_plan(**IMMUNO)]))
    rat = a_sample_plan("rat-tube", protocol="uDISCO (rat)", resolutions=_generic())
    a_waiting_batch(researcher, a_plan("rats", species="rat", samples=[rat]))
    batch = a_waiting_batch(researcher, a_plan("soon"))
    ClearingBatch.objects.filter(pk=batch.pk).update(expected_handoff_date=soon)
    clearing.claim(a_waiting_batch(researcher, a_plan("claimed")), by=clearer)

    assert set(names(bench, **query)) == set(expected.split())


def _generic():
    from requests_app.plans import ChannelPlan, ResolutionPlan

    return (ResolutionPlan("1.3x", (ChannelPlan("488", ("generic_imaging",)),)),)


def test_what_is_overdue_is_marked_and_found(bench, researcher):
    batch = a_waiting_batch(researcher, a_plan("forgotten"))
    a_waiting_batch(researcher, a_plan("fresh"))
    ClearingBatch.objects.filter(pk=batch.pk).update(expected_handoff_date=date(2020, 1, 6))

    page = bench.get(QUEUE, {"due": "overdue"}).content.decode()

    assert names(bench, due="overdue") == ["forgotten"]
    assert page.count("</svg>Overdue</span>") == 1


def test_the_plan_counts_more_than_the_hand_off(bench, researcher, clearer):
    batch = a_waiting_batch(researcher, a_plan("planned"))
    planning.make_plan(batch, start=timezone.now() + timedelta(days=2), by=clearer)

    (line,) = next(s for s in bench.get(QUEUE).context["sections"] if s.state == "waiting").lines

    assert line.batch.due_at == batch.plan.latest("starts_at").starts_at
    assert names(bench, due="week") == ["planned"]


def test_finished_batches_come_in_pages(bench, researcher, clearer, monkeypatch):
    monkeypatch.setattr("requests_app.views.clearing.PER_PAGE", 2)
    for number in range(3):
        a_cleared_request(researcher, clearer=clearer, plan=a_plan(f"done {number}"))

    assert names(bench, "complete") == ["done 2", "done 1"]
    assert names(bench, "complete", page="2") == ["done 0"]
    assert names(bench, "complete", page="nonsense") == ["done 2", "done 1"]


def test_a_finished_batch_leads_to_its_log(bench, researcher, clearer):
    request = a_cleared_request(researcher, clearer=clearer)

    page = bench.get(QUEUE).content.decode()

    assert on(request.clearing_batches.get(), "batch-log") in page
    assert "iDISCO abbreviated clearing" in page


def test_a_filter_without_matches_offers_the_way_back(bench, researcher):
    a_waiting_batch(researcher)

    page = bench.get(QUEUE, {"q": "nothing like it"}).content.decode()

    assert "No batch here fits." in page


def test_the_number_of_queries_does_not_grow_with_plans(
    bench, researcher, clearer, django_assert_max_num_queries
):
    for number in range(5):
        a_batch_being_cleared(researcher, by=clearer, plan=a_plan(f"running {number}"))
        a_cleared_request(researcher, clearer=clearer, plan=a_plan(f"done {number}"))
        a_waiting_batch(researcher, a_plan(f"waiting {number}"))

    with django_assert_max_num_queries(20):
        bench.get(QUEUE)


def test_a_button_claims_a_batch_without_starting_it(bench, researcher, clearer):
    batch = a_waiting_batch(researcher)

    bench.post(on(batch, "batch-claim"))

    assert (now(batch).clearer, now(batch).state) == (clearer, "waiting")


def test_a_button_lets_go_of_it(bench, researcher, clearer):
    batch = a_waiting_batch(researcher)
    clearing.claim(batch, by=clearer)

    bench.post(on(batch, "batch-release"))

    assert now(batch).clearer is None


def test_a_batch_is_assigned_from_a_list_of_who_may_clear_it(bench, researcher, clearer, imager):
    batch = a_waiting_batch(researcher, a_plan(self_clearing=True))
    colleague = a_person("colleague", role=Role.CLEARER)

    offered = bench.get(on(batch, "batch")).context["assignees"]
    bench.post(on(batch, "batch-assign"), {"clearer": "colleague"})

    assert set(offered) == {clearer, colleague, researcher}
    assert now(batch).clearer == colleague


@pytest.mark.parametrize("chosen", ["", "nobody-of-that-name", "imager"])
def test_nobody_else_is_assigned(bench, researcher, imager, chosen):
    batch = a_waiting_batch(researcher)

    page = bench.post(on(batch, "batch-assign"), {"clearer": chosen}, follow=True)

    assert now(batch).clearer is None
    assert page.status_code == 200


def test_a_batch_that_a_colleague_claimed_offers_no_start(bench, researcher):
    batch = a_received_batch(researcher, by=a_person("colleague", role=Role.CLEARER))
    clearing.claim(batch, by=ClearingBatch.objects.get().samples.get().received_by)

    page = bench.get(on(batch, "batch")).content.decode()

    assert "Take over" in page
    assert "Start clearing" not in page


@pytest.mark.django_db(transaction=True)
def test_of_two_who_claim_at_once_one_wins(researcher, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    batch = a_waiting_batch(researcher)

    found = at_once(
        lambda: clearing.claim(_read(batch), by=clearer),
        lambda: clearing.claim(_read(batch), by=colleague),
    )

    assert len(refusals(found)) == 1
    assert now(batch).clearer in {clearer, colleague}


@pytest.mark.django_db(transaction=True)
def test_of_two_who_start_at_once_one_wins(researcher, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    batch = a_received_batch(researcher, by=clearer)

    found = at_once(
        lambda: clearing.start(_read(batch), by=clearer),
        lambda: clearing.start(_read(batch), by=colleague),
    )

    assert len(refusals(found)) == 1
    assert batch.plan.count() == 14


def _read(batch):
    return ClearingBatch.objects.select_related("request__owner", "protocol").get(pk=batch.pk)


def test_who_lost_the_role_sees_no_batch_claimed_before(client, researcher, clearer):
    batch = a_waiting_batch(researcher)
    clearing.claim(batch, by=clearer)
    clearer.groups.clear()
    client.force_login(clearer, backend=BACKEND)

    for address in ("/clearing/", "/clearing/today/?who=all", "/"):
        assert batch.request.name not in client.get(address).content.decode()


def test_a_number_of_thousands_of_digits_is_no_batch(client, clearer):
    client.force_login(clearer, backend=BACKEND)

    answer = client.post("/clearing/today/reassign/", {"batch": "9" * 5000, "clearer": "clearer"})

    assert answer.status_code == 302
