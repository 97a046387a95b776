"""The queue of processing: which rounds it shows to whom, in which part and order."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processing_app.models import ProcessingRequest
from processing_app.selectors.rounds import SORTS
from requests_app.workflows import withdraw_request
from tests.support import clusters, processed, scenarios
from tests.support.clusters import memory_cluster

pytestmark = pytest.mark.django_db
QUEUE = reverse("processing:queue")


@pytest.fixture
def ready(researcher, clearer, imager):
    return processed.a_ready_round(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def signed_in(client):
    def sign_in(person):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def parts_of(client, **query):
    """Return {part: [rounds in it]}."""
    sections = client.get(QUEUE, query).context["sections"]
    return {section.key: list(section.page) for section in sections}


def test_46_the_owner_and_those_who_process_see_a_round_that_is_ready(
    ready, researcher, processor, manager, operator, signed_in
):
    people = (researcher, processor, manager, operator)

    found = [parts_of(signed_in(person))["ready"] for person in people]

    assert found == [[ready]] * len(people)


def test_46_nobody_else_sees_it_in_the_queue(
    ready, stranger, imager, clearer, pi, labmate, signed_in
):
    people = (stranger, imager, clearer, pi, labmate)

    found = [parts_of(signed_in(person)) for person in people]

    assert not any(rounds for parts in found for rounds in parts.values())


def test_an_anonymous_person_is_sent_to_sign_in(client):
    answer = client.get(QUEUE)

    assert answer.status_code == 302
    assert "login" in answer["Location"]


def test_what_is_not_imaged_yet_is_on_deck(researcher, clearer, imager, processor, signed_in):
    sample = scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    parts = parts_of(signed_in(processor))

    assert parts["deck"] == [processed.a_round(sample)]


def test_a_round_moves_from_ready_over_at_work_to_processed(ready, processor, signed_in):
    desk = signed_in(processor)
    runs = processed.started(ready, by=processor)
    at_work = parts_of(desk)

    clusters.drive_until_over(runs[0], memory_cluster(processed.work))

    assert at_work["progress"] == [ready]
    assert parts_of(desk)["over"] == [ready]


def test_what_failed_stands_first_with_the_way_to_the_reason(ready, processor, signed_in):
    processed.processed(ready, by=processor, work=clusters.fail_with("BAD_INPUT"))

    page = signed_in(processor).get(QUEUE)

    assert page.context["sections"][0].key == "failed"
    assert "See why" in page.content.decode()


def test_without_failures_there_is_no_part_for_them(ready, processor, signed_in):
    assert "failed" not in parts_of(signed_in(processor))


def test_a_withdrawn_request_waits_for_nobody(researcher, clearer, imager, manager, signed_in):
    sample = scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    withdraw_request(sample.sample.request, by=manager, reason="not needed")

    assert parts_of(signed_in(manager))["deck"] == []


def test_every_column_sorts_in_both_directions(ready, processor, signed_in):
    desk = signed_in(processor)
    orders = [(sort, way) for sort in SORTS for way in ("asc", "desc")]

    found = [parts_of(desk, sort=sort, dir=way)["ready"] for sort, way in orders]

    assert found == [[ready]] * len(orders)


HOSTILE = [
    {"sort": "password"}, {"sort": "imaging_request__sample"}, {"sort": "x' OR 1=1"},
    {"dir": "up"}, {"part": "nowhere"}, {"page": "-3"}, {"part": "ready", "page": "zz"},
    {"sort": "\0"},
]  # fmt: skip


def test_an_unknown_key_does_no_harm(ready, processor, signed_in):
    desk = signed_in(processor)

    found = [parts_of(desk, **query)["ready"] for query in HOSTILE]

    assert found == [[ready]] * len(HOSTILE)


def test_who_has_no_processor_comes_last_in_both_directions(
    researcher, clearer, imager, processor, signed_in
):
    samples = tuple(scenarios.a_sample_plan(name) for name in ("alpha", "omega"))
    plan = scenarios.a_plan(samples=samples)
    scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    nobodys, somebodys = ProcessingRequest.objects.order_by("pk")
    ProcessingRequest.objects.filter(pk=nobodys.pk).update(processor=None)
    desk = signed_in(processor)

    found = [parts_of(desk, sort="processor", dir=way)["deck"] for way in ("asc", "desc")]

    assert found == [[somebodys, nobodys]] * 2


def test_the_number_of_queries_does_not_grow(researcher, clearer, imager, processor, signed_in):
    desk = signed_in(processor)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            desk.get(QUEUE)
        return len(queries)

    scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    desk.get(QUEUE)
    one = cost()
    samples = tuple(scenarios.a_sample_plan(f"b{n}") for n in range(5))
    plan = scenarios.a_plan("more", samples=samples)
    scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)

    assert cost() == one
