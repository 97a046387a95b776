"""Clearing batches in the console: found, handed out, finished and corrected, one by one."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from core_app.models import Event
from requests_app.models import ClearingBatch, PlannedStep
from requests_app.services import clearing, corrections
from tests.support.console import HOSTILE, answer, browser_of, page_of, press, words_of
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_plan,
    a_received_batch,
    a_sample_plan,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db
LIST = page_of(ClearingBatch, "changelist")


@pytest.fixture
def console(clearer):
    return browser_of(clearer)


def state_of(batch):
    return ClearingBatch.objects.get(pk=batch.pk).state


def a_finished_batch(researcher, clearer, plan=None):
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)
    clearing.complete(batch, by=clearer, skip_missing=True)
    return batch


# --- The list ---


def test_the_list_shows_progress_in_steps(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    slug = batch.protocol.steps.all()[0].slug
    clearing.record_step(batch, slug, performed_at=timezone.now(), by=clearer)

    assert "1 of 14 steps" in words_of(console.get(LIST))


def test_an_overdue_batch_is_marked(console, researcher):
    batch = a_waiting_batch(researcher)
    late = timezone.localdate() - timedelta(days=1)
    ClearingBatch.objects.filter(pk=batch.pk).update(expected_handoff_date=late)

    assert f"{late} overdue" in words_of(console.get(LIST))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("clearer=none", {"waiting"}),
        ("clearer=me", {"begun"}),
        ("clearer=nonsense", set()),
        ("state__exact=waiting", {"waiting"}),
        ("handoff=overdue", {"waiting"}),
        ("handoff=later", {"begun"}),
        ("q=brain-001", {"waiting", "begun"}),
        ("q=river", {"waiting", "begun"}),
        ("q=nowhere", set()),
        ("protocol__name=uDISCO", set()),
    ],
)
def test_the_list_finds_batches(query, names, console, researcher, clearer):
    a_batch_being_cleared(researcher, by=clearer, plan=a_plan("begun"))
    waiting = a_waiting_batch(researcher, a_plan("waiting"))
    late = timezone.localdate() - timedelta(days=1)
    ClearingBatch.objects.filter(pk=waiting.pk).update(expected_handoff_date=late)

    shown = console.get(f"{LIST}?{query}").context["cl"].result_list

    assert {batch.request.name for batch in shown} == names


def test_a_search_that_meets_many_samples_counts_them_once(console, researcher):
    samples = [a_sample_plan(f"brain-{i}") for i in range(3)]
    a_waiting_batch(researcher, a_plan(samples=samples))

    shown = console.get(f"{LIST}?q=brain").context["cl"].result_list

    assert [batch._samples for batch in shown] == [3]


# --- Acting ---


def test_many_outcomes_are_one_line(console, researcher, clearer):
    batches = [a_received_batch(researcher, by=clearer, plan=a_plan(f"r {i}")) for i in range(3)]

    page = press(console, "start_batches", *batches)

    assert [str(message) for message in page.context["messages"]] == ["3 started."]


def test_refusals_are_one_list_with_links_and_hold_up_no_other(console, researcher, clearer):
    free = a_received_batch(researcher, by=clearer, plan=a_plan("free"))
    done = [a_finished_batch(researcher, clearer, a_plan(f"done {i}")) for i in range(12)]

    page = press(console, "start_batches", free, *done)

    good, bad = [str(message) for message in page.context["messages"]]
    assert (good, state_of(free)) == (f"{free}: started.", "in progress")
    assert bad.startswith("12 refused:")
    assert page_of(ClearingBatch, "change", done[11].pk) in bad
    assert "and 2 more" in bad


def test_a_batch_is_assigned_to_a_colleague(console, researcher, manager):
    batch = a_waiting_batch(researcher)

    asked = press(console, "assign_to", batch)
    answer(console, "assign_to", batch, clearer=manager.pk)

    assert "Who clears these batches?" in words_of(asked)
    assert ClearingBatch.objects.get(pk=batch.pk).clearer == manager
    assert Event.objects.filter(kind="clearing batch", verb="assigned").exists()


def test_a_batch_is_not_assigned_to_who_does_not_clear(console, researcher, imager):
    batch = a_waiting_batch(researcher)

    page = answer(console, "assign_to", batch, clearer=imager.pk)

    assert "Select a valid choice" in words_of(page)
    assert ClearingBatch.objects.get(pk=batch.pk).clearer is None


def test_completing_asks_for_what_was_left_out(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)

    asked = press(console, "complete_batches", batch)
    refused = answer(console, "complete_batches", batch)
    before = state_of(batch)
    answer(console, "complete_batches", batch, skip_missing="on")

    assert "left out on purpose" in words_of(asked)
    assert "14 of 14 steps are not logged" in words_of(refused)
    assert (before, state_of(batch)) == ("in progress", "complete")


def test_an_experimental_batch_needs_its_link(console, researcher, clearer):
    plan = a_plan(samples=[a_sample_plan(protocol="experimental")])
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)

    refused = answer(console, "complete_batches", batch)
    answer(console, "complete_batches", batch, link="https://example.org/sheet")

    assert "Give the address of the spreadsheet" in words_of(refused)
    assert ClearingBatch.objects.get(pk=batch.pk).link == "https://example.org/sheet"


def test_a_link_that_is_none_is_refused_on_the_page(console, researcher, clearer):
    plan = a_plan(samples=[a_sample_plan(protocol="experimental")])
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)

    page = answer(console, "complete_batches", batch, link="javascript:alert(1)")

    assert "Enter a valid URL" in words_of(page)
    assert state_of(batch) == "in progress"


def test_a_finished_batch_is_opened_again_with_a_reason(console, researcher, clearer):
    batch = a_finished_batch(researcher, clearer)

    answer(console, "reopen_batches", batch, reason="A time was wrong.")

    assert state_of(batch) == "in progress"
    assert Event.objects.filter(kind="clearing batch", note="A time was wrong.").exists()


@pytest.mark.parametrize("action", ["reopen_batches", "put_back_batches"])
def test_a_reason_is_asked_for_until_there_is_one(action, console, researcher, clearer):
    batch = a_finished_batch(researcher, clearer)

    page = answer(console, action, batch, reason="  ")

    assert "Say why" in words_of(page)
    assert state_of(batch) == "complete"


def test_a_claimed_batch_is_put_back(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)

    answer(console, "put_back_batches", batch, reason="The animal is not here.")

    assert state_of(batch) == "waiting"


def test_a_batch_with_logged_steps_is_not_put_back(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    slug = batch.protocol.steps.all()[0].slug
    clearing.record_step(batch, slug, performed_at=timezone.now(), by=clearer)

    page = answer(console, "put_back_batches", batch, reason="A mistake.")

    assert "Steps are logged already" in words_of(page)
    assert state_of(batch) == "in progress"


# --- What is not to be trusted ---


def test_looking_at_the_question_changes_nothing(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    events = Event.objects.count()

    press(console, "complete_batches", batch)
    console.get(f"{LIST}?action=complete_batches&answered=yes&_selected_action={batch.pk}")

    assert (state_of(batch), Event.objects.count()) == ("in progress", events)


@pytest.mark.parametrize("action", ["assign_to", "complete_batches", "put_back_batches"])
def test_both_steps_need_the_token(action, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser_of(clearer).cookies

    first = press(strict, action, batch)
    second = answer(strict, action, batch, reason="x", skip_missing="on", clearer=clearer.pk)

    assert (first.status_code, second.status_code) == (403, 403)
    assert state_of(batch) == "in progress"


def test_the_second_step_asks_for_the_right_again(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    press(console, "complete_batches", batch)
    clearer.groups.clear()

    refused = answer(console, "complete_batches", batch, skip_missing="on")

    assert refused.status_code == 403
    assert state_of(batch) == "in progress"


@pytest.mark.parametrize("role", ["imager", "processor", "operator"])
def test_other_staff_are_refused_what_they_post(role, researcher, clearer, request):
    batch = a_waiting_batch(researcher)
    other = browser_of(request.getfixturevalue(role))

    refused = press(other, "start_batches", batch)

    assert "start_batches" not in other.get(LIST).content.decode()
    assert refused.status_code == 403
    assert state_of(batch) == "waiting"


@pytest.mark.parametrize("ids", [["999999"], ["x"], ["1 OR 1=1"], ["9" * 40], ["-1"], ["1"] * 501])
def test_a_forged_list_of_ids_does_nothing(ids, console, researcher):
    batch = a_waiting_batch(researcher)
    data = {"action": "put_back_batches", "answered": "yes", "reason": "x", "_selected_action": ids}

    page = console.post(LIST, data, follow=True)

    assert page.status_code == 200
    assert len(page.context["messages"]) == 1
    assert state_of(batch) == "waiting"


def test_all_of_the_list_are_asked_about_by_name(console, researcher):
    batches = [a_waiting_batch(researcher, a_plan(f"r {i}")) for i in range(3)]
    data = {"action": "assign_to", "select_across": "1", "_selected_action": [batches[0].pk]}

    page = console.post(LIST, data)

    assert "3 chosen" in words_of(page)
    assert not [b for b in batches if f'value="{b.pk}"' not in page.content.decode()]


def test_what_left_the_list_meanwhile_is_named(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    other = a_waiting_batch(researcher, a_plan("other"))
    data = {
        "action": "put_back_batches", "answered": "yes", "reason": "x",
        "_selected_action": [batch.pk, other.pk],
    }  # fmt: skip

    page = console.post(f"{LIST}?state__exact=waiting", data, follow=True)

    assert "1 of the 2 chosen are not in this list" in words_of(page)
    assert state_of(batch) == "in progress"


# --- Correcting ---


def test_a_correction_says_what_it_was_and_what_it_is(console, researcher, clearer):
    batch = a_waiting_batch(researcher)

    console.post(
        page_of(ClearingBatch, "change", batch.pk),
        {"notes_for_clearer": "mind the bulb", "expected_handoff_date": "2030-01-07"},
    )

    event = Event.objects.get(kind="clearing batch", verb="corrected")
    assert (event.by, event.note) == (clearer, "notes for clearer: nothing → mind the bulb")


def test_saving_without_a_change_leaves_no_event(console, researcher):
    batch = a_waiting_batch(researcher)

    console.post(
        page_of(ClearingBatch, "change", batch.pk), {"expected_handoff_date": "2030-01-07"}
    )

    assert not Event.objects.filter(verb="corrected").exists()


def test_nobody_writes_over_a_colleague(console, researcher, manager):
    batch = a_waiting_batch(researcher)
    address = page_of(ClearingBatch, "change", batch.pk)
    seen = console.get(address).context["seen"]
    corrections.correct_batch(batch, {"notes_for_clearer": "theirs"}, by=manager)

    page = console.post(
        address,
        {"seen": seen, "notes_for_clearer": "mine", "expected_handoff_date": "2030-01-07"},
        follow=True,
    )

    batch.refresh_from_db()
    assert batch.notes_for_clearer == "theirs"
    assert "changed this while your page was open" in words_of(page)


def test_the_steps_are_shown_with_plan_and_log(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    step = batch.protocol.steps.all()[0]
    at = timezone.now()
    clearing.record_step(batch, step.slug, performed_at=at, by=clearer, note="a bit <b>late</b>")

    page = console.get(page_of(ClearingBatch, "change", batch.pk))

    planned = PlannedStep.objects.get(batch=batch, step=step).starts_at
    when = [f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" for moment in (planned, at)]
    assert "Steps (14)" in words_of(page)
    assert f"{when[0]} {when[1]} clearer" in words_of(page)
    assert "<b>late</b>" not in page.content.decode()


def test_text_that_people_typed_is_inert(console, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    corrections.correct_batch(batch, {"notes_for_clearer": HOSTILE}, by=clearer)
    clearer.first_name = "<script>alert('x')"
    clearer.save()

    pages = [
        console.get(LIST),
        console.get(page_of(ClearingBatch, "change", batch.pk)),
        press(console, "assign_to", batch),
        answer(console, "assign_to", batch, clearer=clearer.pk),
    ]

    assert not [page for page in pages if "<script>alert('x')" in page.content.decode()]


def test_the_list_costs_as_much_for_thirty_as_for_one(
    console, researcher, clearer, django_assert_max_num_queries
):
    a_batch_being_cleared(researcher, by=clearer, plan=a_plan("first"))
    console.get(LIST)
    with django_assert_max_num_queries(60) as one:
        console.get(LIST)
    for i in range(29):
        a_batch_being_cleared(researcher, by=clearer, plan=a_plan(f"more {i}"))

    with django_assert_max_num_queries(len(one)):
        page = console.get(LIST)

    assert len(page.context["cl"].result_list) == 30
