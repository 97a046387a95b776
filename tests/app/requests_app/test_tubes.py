"""One tube at the bench: its printed address, reception, and what is taken back."""

from functools import partial

import pytest
from django.test import Client

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event, OutboxRow, User
from core_app.roles import Role
from requests_app.models import ClearingBatch, Request, Sample
from requests_app.selectors import visible_samples
from requests_app.services import clearing, requests
from requests_app.tubes import events_of, tube_of
from requests_app.workflows import withdraw_request
from tests.support.people import a_person
from tests.support.races import at_once, refusals
from tests.support.scenarios import (
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

BACKEND = "django.contrib.auth.backends.ModelBackend"
HOSTILE = '"><script>alert(1)</script>\u202e{{ 7*7 }}'


@pytest.fixture
def order(researcher: User) -> Request:
    plans = [a_sample_plan(f"brain-{number}") for number in (1, 2, 3)]
    return a_submitted_request(researcher, a_plan(samples=plans))


@pytest.fixture
def tube(order: Request) -> Sample:
    return order.samples.select_related("request__owner").get(position=1)


@pytest.fixture
def bench(client: Client, clearer: User) -> Client:
    client.force_login(clearer, backend=BACKEND)
    return client


def seen_by(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend=BACKEND)
    return browser


def page_of(tube: Sample) -> str:
    return f"/samples/{tube.pk}/"


def notes_of(order: Request, verb: str) -> list[str]:
    return list(Event.objects.filter(root_id=order.pk, verb=verb).values_list("note", flat=True))


def text(browser: Client, tube: Sample) -> str:
    return browser.get(page_of(tube)).content.decode()


# --- the printed address ---


def test_a_code_leads_to_the_page_of_the_tube(bench: Client, tube: Sample) -> None:
    assert bench.get(f"/q/{tube.code}").headers["Location"] == page_of(tube)


def test_who_scans_without_being_signed_in_comes_back_after_it(
    client: Client, tube: Sample
) -> None:
    answer = client.get(f"/q/{tube.code}")

    assert answer.headers["Location"] == f"/accounts/login/?next=/q/{tube.code}"


@pytest.mark.parametrize("code", ["unknown", "x" * 500, "a%00b", "%F0%9F%A7%A0", "' OR 1=1"])
def test_a_code_that_was_never_printed_is_not_found(code: str, bench: Client) -> None:
    assert bench.get(f"/q/{code}").status_code == 404


def test_a_stranger_who_scans_finds_nothing(stranger: User, tube: Sample) -> None:
    assert seen_by(stranger).get(f"/q/{tube.code}").status_code == 404
    assert seen_by(stranger).get(page_of(tube)).status_code == 404


def test_scanning_receives_nothing(bench: Client, tube: Sample) -> None:
    before = Event.objects.count()

    bench.get(f"/q/{tube.code}", follow=True)

    tube.refresh_from_db()
    assert tube.received_at is None
    assert Event.objects.count() == before


# --- the page ---


def test_the_page_says_where_the_tube_is_and_what_was_ordered(bench: Client, tube: Sample) -> None:
    page = text(bench, tube)

    assert "Expected 2030-01-07, not here yet." in page
    assert "Tube 1 of 3" in page
    assert "1.3x: 488 (registration)" in page


def test_the_request_leads_to_its_tubes_and_labels(bench: Client, tube: Sample) -> None:
    page = bench.get("/requests/researcher/first_brains/").content.decode()

    assert f'href="{page_of(tube)}"' in page
    assert 'href="/requests/researcher/first_brains/labels/"' in page


def test_one_large_button_receives_a_good_tube(bench: Client, tube: Sample, clearer: User) -> None:
    bench.post(f"{page_of(tube)}receive/", {"back": tube.pk})

    tube.refresh_from_db()
    assert (tube.received_by, tube.condition, tube.condition_note) == (clearer, "good", "")
    assert notes_of(tube.request, "sample received") == ["brain-1"]


@pytest.mark.parametrize("condition", ["damaged", "leaking", "unlabeled", "other"])
def test_a_tube_in_bad_condition_needs_a_word(condition: str, bench: Client, tube: Sample) -> None:
    answer = bench.post(f"{page_of(tube)}receive/", {"condition": condition, "note": " "})

    tube.refresh_from_db()
    assert answer.status_code == 422
    assert "Say what is wrong." in answer.content.decode()
    assert f'value="{condition}"\n' in answer.content.decode()
    assert tube.received_at is None


def test_the_condition_and_its_note_are_shown_and_inert(bench: Client, tube: Sample) -> None:
    bench.post(f"{page_of(tube)}receive/", {"condition": "leaking", "note": HOSTILE})

    page = text(bench, tube)

    assert "Leaking or dry" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    "sent", [{"condition": "perfect"}, {"condition": "other", "note": "x" * 201}]
)
def test_what_nobody_could_have_typed_is_refused(
    sent: dict[str, str], bench: Client, tube: Sample
) -> None:
    answer = bench.post(f"{page_of(tube)}receive/", sent)

    tube.refresh_from_db()
    assert answer.status_code == 422
    assert tube.received_at is None


def test_after_reception_the_page_says_who_and_when_and_what_is_missing(
    bench: Client, tube: Sample
) -> None:
    requests.receive(tube, by=a_person("colleague", role=Role.CLEARER))

    page = text(bench, tube)

    assert "By colleague," in page
    assert "In good condition." in page
    assert "1 of 3 received" in page
    assert "receive-button" not in page


def test_a_second_scan_is_told_who_received_the_tube(bench: Client, tube: Sample) -> None:
    requests.receive(tube, by=a_person("colleague", role=Role.CLEARER))
    first = Sample.objects.get(pk=tube.pk).received_at

    answer = bench.post(f"{page_of(tube)}receive/", {"back": tube.pk}, follow=True)

    tube.refresh_from_db()
    assert "brain-1 was here already: received by colleague." in answer.content.decode()
    assert tube.received_at == first
    assert notes_of(tube.request, "sample received") == ["brain-1"]


def test_after_receiving_the_next_tube_the_page_stays_where_it_was(
    bench: Client, order: Request, tube: Sample
) -> None:
    other = order.samples.get(position=2)

    answer = bench.post(f"{page_of(other)}receive/", {"back": tube.pk})

    assert answer.headers["Location"] == page_of(tube)


@pytest.mark.parametrize("back", ["", "x", "0", "9" * 30, "//evil.example"])
def test_a_strange_way_back_leads_to_the_request(back: str, bench: Client, tube: Sample) -> None:
    answer = bench.post(f"{page_of(tube)}receive/", {"back": back})

    assert answer.headers["Location"] == f"/requests/researcher/first_brains/#sample-{tube.pk}"


def test_all_ticked_tubes_are_received_at_once(bench: Client, order: Request) -> None:
    first, second, third = order.samples.order_by("position")

    bench.post("/requests/researcher/first_brains/receive/", {"samples": [first.pk, third.pk]})

    assert [s.received_at is not None for s in order.samples.order_by("position")] == [
        True,
        False,
        True,
    ]
    assert second.received_at is None


def test_receiving_several_tells_of_those_that_were_here(bench: Client, order: Request) -> None:
    first, second = order.samples.order_by("position")[:2]
    requests.receive(first, by=a_person("colleague", role=Role.CLEARER))

    answer = bench.post(
        "/requests/researcher/first_brains/receive/",
        {"samples": [first.pk, second.pk], "back": first.pk},
        follow=True,
    )

    page = answer.content.decode()
    assert "brain-1 was here already: received by colleague." in page
    assert "Received: brain-2." in page


@pytest.mark.parametrize("ticked", [[], ["0"], ["x"]])
def test_receiving_nothing_is_refused(ticked: list[str], bench: Client, order: Request) -> None:
    answer = bench.post(
        "/requests/researcher/first_brains/receive/", {"samples": ticked}, follow=True
    )

    assert "Tick the tubes that are here" in answer.content.decode()


def test_a_tube_of_another_request_is_not_received_along(
    bench: Client, order: Request, stranger: User
) -> None:
    foreign = a_submitted_request(stranger, a_plan("theirs")).samples.get()

    bench.post("/requests/researcher/first_brains/receive/", {"samples": [foreign.pk]})

    foreign.refresh_from_db()
    assert foreign.received_at is None


def test_the_owner_sees_the_tube_but_no_button(researcher: User, tube: Sample) -> None:
    page = text(seen_by(researcher), tube)

    assert "0 of 3 tubes of this request are received." in page
    assert "/receive/" not in page
    assert "Take back" not in page


def test_who_clears_their_own_request_receives_its_tubes(researcher: User) -> None:
    own = a_submitted_request(researcher, a_plan(self_clearing=True)).samples.get()

    seen_by(researcher).post(f"{page_of(own)}receive/")

    own.refresh_from_db()
    assert own.received_by == researcher


def test_a_tube_of_a_withdrawn_request_is_not_worked_on(
    bench: Client, order: Request, tube: Sample, researcher: User
) -> None:
    withdraw_request(order, by=researcher, reason="A mistake")

    page = text(bench, tube)
    answer = bench.post(f"{page_of(tube)}receive/", follow=True)

    tube.refresh_from_db()
    assert "Do not work on this tube" in page
    assert "receive-button" not in page
    assert "there is nothing to receive" in answer.content.decode()
    assert tube.received_at is None


def test_the_page_has_the_tubes_history_and_no_other_tubes(clearer: User, researcher: User) -> None:
    plans = [a_sample_plan("brain-1"), a_sample_plan("brain-10")]
    order = a_submitted_request(researcher, a_plan(samples=plans))
    for sample in order.samples.select_related("request__owner").order_by("position"):
        requests.receive(sample, by=clearer, condition="other", note="x")
    clearing.start(order.clearing_batches.get(), by=clearer)
    first = visible_samples(to=clearer).get(name="brain-1")

    told = [(event.kind, event.verb, event.to, event.note) for event in events_of(first)]

    assert ("request", "sample received", "", "brain-1: something else, x") in told
    assert ("clearing batch", "moved", "in progress", "claimed") in told
    assert not any("brain-10" in note for *_, note in told)


def test_the_page_says_where_the_tube_is_at_each_stage(
    researcher: User, clearer: User, imager: User
) -> None:
    round_ = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    sample = visible_samples(to=clearer).get(pk=round_.sample_id)

    assert tube_of(sample, to=clearer).where == "Being imaged by imager."


def test_fifty_tubes_ask_the_database_as_often_as_two(
    researcher: User, bench: Client, django_assert_max_num_queries
) -> None:
    plans = [a_sample_plan(f"brain-{number:03d}") for number in range(50)]
    many = a_submitted_request(researcher, a_plan("many", samples=plans))

    with django_assert_max_num_queries(20):
        bench.get(page_of(many.samples.get(position=1)))


# --- taking back ---


def test_a_mistaken_reception_is_taken_back_with_its_reason(
    bench: Client, tube: Sample, clearer: User
) -> None:
    requests.receive(tube, by=clearer, condition="damaged", note="cracked")

    bench.post(f"{page_of(tube)}take-back/", {"reason": "Wrong tube"})

    tube.refresh_from_db()
    assert (tube.received_at, tube.received_by, tube.condition, tube.condition_note) == (
        None, None, "", "",
    )  # fmt: skip
    assert notes_of(tube.request, "reception taken back") == ["brain-1: Wrong tube"]


def test_what_was_taken_back_is_received_anew(tube: Sample, clearer: User) -> None:
    requests.receive(tube, by=clearer)
    requests.take_back_reception(tube, by=clearer, reason="Wrong tube")

    assert requests.receive(tube, by=clearer) is True


def test_taking_back_needs_a_reason(tube: Sample, clearer: User) -> None:
    requests.receive(tube, by=clearer)

    with pytest.raises(Invalid):
        requests.take_back_reception(tube, by=clearer, reason="  ")

    tube.refresh_from_db()
    assert tube.received_at is not None


def test_a_self_clearing_owner_asks_staff_to_take_back(researcher: User) -> None:
    own = a_submitted_request(researcher, a_plan(self_clearing=True)).samples.get()
    requests.receive(own, by=researcher)

    with pytest.raises(NotAllowed):
        requests.take_back_reception(own, by=researcher, reason="Wrong tube")


def test_nothing_is_taken_back_once_clearing_has_begun(order: Request, clearer: User) -> None:
    samples = list(order.samples.select_related("request__owner"))
    for sample in samples:
        requests.receive(sample, by=clearer)
    clearing.start(order.clearing_batches.get(), by=clearer)

    with pytest.raises(NotReady):
        requests.take_back_reception(samples[0], by=clearer, reason="Wrong tube")

    assert "take-back" not in text(seen_by(clearer), samples[0])


def test_taking_back_twice_tells_the_second(tube: Sample, clearer: User) -> None:
    requests.receive(tube, by=clearer)
    stale = Sample.objects.select_related("request__owner").get(pk=tube.pk)
    requests.take_back_reception(tube, by=clearer, reason="Wrong tube")

    with pytest.raises(StaleState):
        requests.take_back_reception(stale, by=clearer, reason="Wrong tube")


def test_what_a_colleague_received_anew_is_not_taken_back(tube: Sample, clearer: User) -> None:
    requests.receive(tube, by=clearer)
    stale = Sample.objects.select_related("request__owner").get(pk=tube.pk)
    requests.take_back_reception(tube, by=clearer, reason="Wrong tube")
    requests.receive(tube, by=a_person("colleague", role=Role.CLEARER))

    with pytest.raises(StaleState):
        requests.take_back_reception(stale, by=clearer, reason="Wrong tube")

    tube.refresh_from_db()
    assert tube.received_by is not None


def test_the_mirror_hears_of_both(tube: Sample, clearer: User, settings) -> None:
    settings.DATAJOINT_ENABLED = True

    requests.receive(tube, by=clearer)
    requests.take_back_reception(tube, by=clearer, reason="Wrong tube")

    assert OutboxRow.objects.filter(kind="sample", object_id=tube.pk).count() == 2


# --- at the same instant ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_two_devices_that_receive_one_tube_one_wins(turn: int, researcher: User) -> None:
    tube = a_submitted_request(researcher).samples.get()
    people = [a_person(name, role=Role.CLEARER) for name in ("left", "right")]
    seen = [Sample.objects.select_related("request__owner").get(pk=tube.pk) for _ in people]

    found = at_once(
        *[partial(requests.receive, s, by=p) for s, p in zip(seen, people, strict=True)]
    )

    assert refusals(found) == []
    assert sorted(found) == [False, True]  # type: ignore[type-var]  # they are truth values
    assert seen[0].received_by == seen[1].received_by == people[found.index(True)]
    assert notes_of(tube.request, "sample received") == ["brain-001"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_clearing_does_not_begin_without_a_tube_that_is_taken_back(
    turn: int, researcher: User, clearer: User
) -> None:
    tube = a_submitted_request(researcher).samples.select_related("request__owner").get()
    requests.receive(tube, by=clearer)
    batch = ClearingBatch.objects.select_related("request", "protocol").get()

    found = at_once(
        partial(requests.take_back_reception, tube, by=clearer, reason="Wrong tube"),
        partial(clearing.start, batch, by=clearer),
    )

    here = Sample.objects.get().received_at is not None
    assert len(refusals(found)) == 1
    assert here is (ClearingBatch.objects.get().state == "in progress")
