"""Tubes in the console: found, received, corrected by the rules of dates."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from core_app.models import Event
from requests_app.models import Sample, Subject
from requests_app.services import requests
from tests.support.console import HOSTILE, answer, browser_of, page_of, press, words_of
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

pytestmark = pytest.mark.django_db
LIST = page_of(Sample, "changelist")


@pytest.fixture
def console(clearer):
    return browser_of(clearer)


@pytest.fixture
def sample(researcher):
    return a_submitted_request(researcher).samples.get()


def fields_of(sample, **other):
    return {
        "subject": sample.subject_id or "",
        "perfusion_date": sample.perfusion_date or "",
        "expected_handoff_date": sample.expected_handoff_date or "",
        "notes_for_clearer": sample.notes_for_clearer,
        **other,
    }


def correct(console, sample, **other):
    address = page_of(Sample, "change", sample.pk)
    return console.post(address, fields_of(sample, **other), follow=True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("received=yes", {"here"}),
        ("received=no", {"late"}),
        ("condition__exact=good", {"here"}),
        ("handoff=overdue", {"late"}),
        ("handoff=later", {"here"}),
        ("handoff=none", set()),
        ("clearing_batch__state__exact=waiting", {"here", "late"}),
        ("clearing_batch__protocol__name=uDISCO", set()),
        ("q=here", {"here"}),
        ("q=river", {"here", "late"}),
    ],
)
def test_the_list_finds_tubes(query, names, console, researcher, clearer):
    both = [a_sample_plan("here"), a_sample_plan("late")]
    request = a_submitted_request(researcher, a_plan(samples=both))
    requests.receive(request.samples.get(name="here"), by=clearer)
    yesterday = timezone.localdate() - timedelta(days=1)
    request.samples.filter(name="late").update(expected_handoff_date=yesterday)

    shown = console.get(f"{LIST}?{query}").context["cl"].result_list

    assert {row.name for row in shown} == names


def test_this_week_ends_on_sunday(console, sample):
    today = timezone.localdate()
    Sample.objects.filter(pk=sample.pk).update(expected_handoff_date=today)

    assert list(console.get(f"{LIST}?handoff=week").context["cl"].result_list) == [sample]


def test_the_printed_code_finds_the_tube(console, sample):
    shown = console.get(f"{LIST}?q={sample.code}").context["cl"].result_list

    assert list(shown) == [sample]


def test_tubes_are_received_from_the_list(console, sample, clearer):
    page = press(console, "receive", sample)

    sample.refresh_from_db()
    assert (sample.received_by, sample.condition) == (clearer, "good")
    assert "brain-001: received." in words_of(page)
    assert Event.objects.filter(verb="sample received").exists()


def test_tubes_of_a_withdrawn_request_are_refused(console, sample, researcher):
    from requests_app.workflows import withdraw_request

    withdraw_request(sample.request, by=researcher, reason="Ill.")

    page = press(console, "receive", sample)

    assert "The request is withdrawn; there is nothing to receive" in words_of(page)


@pytest.mark.parametrize("role", ["imager", "operator"])
def test_other_staff_receive_nothing(role, sample, request):
    refused = press(browser_of(request.getfixturevalue(role)), "receive", sample)

    sample.refresh_from_db()
    assert refused.status_code == 403
    assert sample.received_at is None


def test_a_correction_says_what_it_was_and_what_it_is(console, sample, clearer):
    animal = Subject.objects.create(name="m-17")

    correct(console, sample, subject=animal.pk, perfusion_date="2026-01-02")

    event = Event.objects.get(kind="sample", verb="corrected")
    assert (event.by, event.root_id) == (clearer, sample.request_id)
    assert event.note == "subject: nothing → m-17; perfusion date: nothing → 2026-01-02"


def test_a_manager_corrects_tubes_too(sample, manager):
    correct(browser_of(manager), sample, notes_for_clearer="mind the bulb")

    sample.refresh_from_db()
    assert sample.notes_for_clearer == "mind the bulb"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"perfusion_date": "2031-01-01"}, "The perfusion lies after the hand-off"),
        ({"perfusion_date": "1031-01-01"}, "This date lies too far back"),
        ({"expected_handoff_date": "2020-01-01"}, "This day is over"),
        ({"notes_for_clearer": "x" * 401}, "at most 400 characters"),
    ],
)
def test_dates_and_notes_follow_their_rules(given, said, console, sample):
    page = correct(console, sample, **given)

    sample.refresh_from_db()
    assert said in words_of(page)
    assert (sample.perfusion_date, sample.expected_handoff_date) == (None, date(2030, 1, 7))
    assert not Event.objects.filter(verb="corrected").exists()


def test_a_day_that_is_over_stays_while_other_things_are_corrected(console, sample):
    Sample.objects.filter(pk=sample.pk).update(expected_handoff_date=date(2026, 1, 5))
    sample.refresh_from_db()

    correct(console, sample, notes_for_clearer="came late")

    sample.refresh_from_db()
    assert sample.notes_for_clearer == "came late"


def test_the_batch_follows_the_earliest_hand_off(console, researcher):
    both = [a_sample_plan("a"), a_sample_plan("b")]
    request = a_submitted_request(researcher, a_plan(samples=both))
    first, second = request.samples.order_by("position")

    correct(console, first, expected_handoff_date="2030-02-01")
    after_one = request.clearing_batches.get().expected_handoff_date
    correct(console, second, expected_handoff_date="2030-03-01")

    assert after_one == date(2030, 1, 7)
    assert request.clearing_batches.get().expected_handoff_date == date(2030, 2, 1)
    assert Event.objects.filter(kind="clearing batch", verb="corrected").exists()


def test_a_date_that_staff_gave_the_batch_is_kept(console, sample):
    batch = sample.clearing_batch
    type(batch).objects.filter(pk=batch.pk).update(expected_handoff_date=date(2029, 12, 24))

    correct(console, sample, expected_handoff_date="2030-02-01")

    batch.refresh_from_db()
    assert batch.expected_handoff_date == date(2029, 12, 24)


def test_names_codes_and_reception_cannot_be_typed_in(console, sample):
    forged = {"name": "other", "code": "mine", "received_at_0": "2026-01-01", "condition": "good"}

    correct(console, sample, **forged)

    kept = Sample.objects.get(pk=sample.pk)
    assert (kept.name, kept.code, kept.received_at) == (sample.name, sample.code, None)


def test_nobody_writes_over_a_colleague(console, sample, manager):
    seen = console.get(page_of(Sample, "change", sample.pk)).context["seen"]
    correct(browser_of(manager), sample, notes_for_clearer="theirs")

    page = correct(console, sample, notes_for_clearer="mine", seen=seen)

    sample.refresh_from_db()
    assert sample.notes_for_clearer == "theirs"
    assert "changed this while your page was open" in words_of(page)


def test_text_that_people_typed_is_inert(console, sample):
    correct(console, sample, notes_for_clearer=HOSTILE)

    pages = [console.get(LIST), console.get(page_of(Sample, "change", sample.pk))]

    assert not [page for page in pages if "<script>alert('x" in page.content.decode()]


def test_labels_of_the_chosen_tubes_are_printed(console, researcher):
    both = [a_sample_plan("a"), a_sample_plan("b")]
    request = a_submitted_request(researcher, a_plan(samples=both))
    wanted = request.samples.get(name="b")

    page = press(console, "print_labels", wanted)

    assert page.redirect_chain[0][0].endswith(f"/labels/?samples={wanted.pk}")
    assert page.context["only"] == {wanted.pk}


def test_labels_of_several_requests_are_links(console, researcher, sample):
    other = a_submitted_request(researcher, a_plan("other")).samples.get()

    page = press(console, "print_labels", sample, other)

    assert "Labels of 2 requests" in words_of(page)
    assert f"/requests/researcher/other/labels/?samples={other.pk}" in page.content.decode()


def test_a_tube_that_is_here_is_said_to_be_here(console, sample, clearer):
    press(console, "receive", sample)

    page = press(console, "receive", sample)

    assert "It was here already: received by clearer" in words_of(page)
    assert Event.objects.filter(verb="sample received").count() == 1


def test_the_list_costs_as_much_for_thirty_as_for_one(
    console, researcher, sample, django_assert_max_num_queries
):
    console.get(LIST)
    with django_assert_max_num_queries(60) as one:
        console.get(LIST)
    more = [a_sample_plan(f"s-{i}") for i in range(29)]
    a_submitted_request(researcher, a_plan("more", samples=more))

    with django_assert_max_num_queries(len(one)):
        page = console.get(LIST)

    assert len(page.context["cl"].result_list) == 30


def test_an_unknown_answer_to_nothing_is_refused(console, sample):
    assert answer(console, "delete_selected", sample, post="yes").status_code == 403
    assert Sample.objects.filter(pk=sample.pk).exists()
