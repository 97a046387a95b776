"""Claiming, logging, completing and re-opening a clearing batch."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event, OutboxRow
from core_app.roles import Role
from requests_app.models import ClearingBatch
from requests_app.services import clearing, requests
from requests_app.services.protocols import copy_as_new_version
from requests_app.workflows import reopen_clearing, withdraw_request
from tests.support.people import a_person
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_cleared_request,
    a_plan,
    a_received_batch,
    a_sample_plan,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db
STEP = "pbs_wash1"


@pytest.fixture
def colleague(db):
    return a_person("colleague", role=Role.CLEARER)


@pytest.fixture
def batch(researcher, clearer):
    return a_batch_being_cleared(researcher, by=clearer)


def again(batch):
    """The batch as somebody else's page read it."""
    return ClearingBatch.objects.get(pk=batch.pk)


def events(batch):
    return [(e.verb, e.to) for e in Event.objects.filter(kind=batch.KIND, object_id=batch.pk)]


def log_now(batch, by, **other):
    return clearing.record_step(batch, STEP, performed_at=timezone.now(), by=by, **other)


def test_starting_claims_the_batch_and_says_so_in_the_history(researcher, clearer):
    batch = a_waiting_batch(researcher)

    clearing.receive_and_start(batch, by=clearer)

    assert (again(batch).state, again(batch).clearer) == ("in progress", clearer)
    assert events(batch)[-1] == ("moved", "in progress")


def test_pressing_start_twice_changes_nothing(batch, clearer):
    before = events(batch)

    clearing.receive_and_start(again(batch), by=clearer)

    assert events(batch) == before


def test_of_two_who_start_at_once_the_second_is_told(researcher, clearer, colleague):
    batch = a_waiting_batch(researcher)
    read_by_colleague = again(batch)
    clearing.receive_and_start(batch, by=clearer)

    with pytest.raises(StaleState):
        clearing.receive_and_start(read_by_colleague, by=colleague)

    assert again(batch).clearer == clearer


def test_who_comes_later_reads_who_has_the_batch(batch, colleague):
    with pytest.raises(StaleState, match="clearer has started this batch already"):
        clearing.receive_and_start(again(batch), by=colleague)


def test_the_owner_cannot_start_clearing(researcher):
    batch = a_waiting_batch(researcher)

    with pytest.raises(NotAllowed):
        clearing.receive_and_start(batch, by=researcher)


def test_a_self_clearing_owner_can_start_clearing(researcher):
    batch = a_waiting_batch(researcher, a_plan(self_clearing=True))

    clearing.receive_and_start(batch, by=researcher)

    assert again(batch).clearer == researcher


def test_clearing_of_a_withdrawn_request_cannot_start(researcher, clearer):
    batch = a_waiting_batch(researcher)
    withdraw_request(batch.request, by=researcher, reason="wrong animal")

    with pytest.raises(NotReady, match="withdrawn"):
        clearing.receive_and_start(again(batch), by=clearer)


def test_a_step_is_logged_with_its_person_and_its_history(batch, clearer):
    log = log_now(batch, clearer, note=" turbid ")

    assert (log.by, log.note, log.revision) == (clearer, "turbid", 1)
    assert events(batch)[-1] == ("step logged", "")


def test_logging_the_same_step_twice_changes_nothing(batch, clearer):
    log_now(batch, clearer)
    before = events(batch)

    log_now(batch, clearer)

    assert batch.log.count() == 1
    assert events(batch) == before


def test_a_correction_of_what_one_saw_is_kept_as_a_new_revision(batch, clearer):
    log_now(batch, clearer)

    log = log_now(batch, clearer, note="one hour more", replaces=1)

    assert (log.note, log.revision) == ("one hour more", 2)
    assert events(batch)[-1] == ("step corrected", "")


def test_a_correction_of_what_a_colleague_changed_meanwhile_is_refused(batch, clearer, colleague):
    log_now(batch, clearer)
    log_now(batch, colleague, note="theirs", replaces=1)

    with pytest.raises(StaleState, match="colleague logged this step"):
        log_now(batch, clearer, note="mine", replaces=1)

    assert batch.log.get().note == "theirs"


def test_a_step_cannot_be_done_in_the_future(batch, clearer):
    with pytest.raises(Invalid, match="future"):
        clearing.record_step(
            batch, STEP, performed_at=timezone.now() + timedelta(hours=1), by=clearer
        )


@pytest.mark.parametrize(("field", "length"), [("note", 251), ("lot", 65)])
def test_what_does_not_fit_is_refused_and_not_cut_off(batch, clearer, field, length):
    with pytest.raises(Invalid) as refusal:
        log_now(batch, clearer, **{field: "x" * length})

    assert field in refusal.value.fields
    assert not batch.log.exists()


def test_a_step_of_another_protocol_is_refused(batch, clearer):
    with pytest.raises(Invalid, match="has no step"):
        clearing.record_step(batch, "no_such_step", performed_at=timezone.now(), by=clearer)


def test_who_may_not_clear_logs_nothing(batch, researcher):
    with pytest.raises(NotAllowed):
        log_now(batch, researcher)


def test_an_entry_that_arrives_after_completion_is_not_saved(batch, clearer):
    read_before = again(batch)
    clearing.complete(batch, by=clearer, skip_missing=True)

    with pytest.raises(StaleState, match="completed or put back"):
        log_now(read_before, clearer)

    assert not batch.log.exists()


def test_an_entry_made_by_mistake_can_be_taken_back(batch, clearer):
    log_now(batch, clearer)

    clearing.take_back_step(batch, STEP, by=clearer, replaces=1)

    assert not batch.log.exists()
    assert events(batch)[-1] == ("step taken back", "")


def test_taking_back_twice_changes_nothing(batch, clearer):
    log_now(batch, clearer)
    clearing.take_back_step(batch, STEP, by=clearer, replaces=1)
    before = events(batch)

    clearing.take_back_step(batch, STEP, by=clearer, replaces=1)

    assert events(batch) == before


def test_a_corrected_entry_is_not_taken_back_unseen(batch, clearer, colleague):
    log_now(batch, clearer)
    log_now(batch, colleague, note="theirs", replaces=1)

    with pytest.raises(StaleState):
        clearing.take_back_step(batch, STEP, by=clearer, replaces=1)

    assert batch.log.get().note == "theirs"


def test_completing_names_what_is_missing(batch, clearer):
    log_now(batch, clearer)

    with pytest.raises(NotReady, match="13 of 14 steps are not logged, the first is “PBS wash 2”"):
        clearing.complete(batch, by=clearer)


def test_steps_left_out_on_purpose_are_named_in_the_history(batch, clearer):
    clearing.complete(batch, by=clearer, skip_missing=True)

    last = Event.objects.filter(kind=batch.KIND, object_id=batch.pk).latest("id")
    assert again(batch).state == "complete"
    assert last.note.startswith("left out: PBS wash 1; PBS wash 2")


def test_an_experimental_protocol_asks_for_the_spreadsheet(researcher, clearer):
    plan = a_plan(samples=[a_sample_plan(protocol="experimental")])
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)

    with pytest.raises(Invalid) as refusal:
        clearing.complete(batch, by=clearer, link="javascript:alert(1)")

    assert "link" in refusal.value.fields


def test_an_experimental_protocol_is_complete_with_its_spreadsheet(researcher, clearer):
    plan = a_plan(samples=[a_sample_plan(protocol="experimental")])
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)

    clearing.complete(batch, by=clearer, link="https://example.org/sheet")

    assert again(batch).link == "https://example.org/sheet"


def test_an_untouched_batch_goes_back_to_the_queue(batch, clearer):
    clearing.put_back(batch, by=clearer, reason="ill")

    assert (again(batch).state, again(batch).clearer) == ("waiting", None)


def test_a_batch_with_logged_steps_does_not_go_back(batch, clearer):
    log_now(batch, clearer)

    with pytest.raises(NotReady, match="Steps are logged"):
        clearing.put_back(batch, by=clearer, reason="ill")

    assert again(batch).state == "in progress"


def test_a_colleague_can_take_a_batch_over_once(batch, colleague):
    clearing.assign(batch, clearer=colleague, by=colleague)
    clearing.assign(again(batch), clearer=colleague, by=colleague)

    assert again(batch).clearer == colleague
    assert events(batch).count(("assigned", "")) == 1


def test_only_who_may_clear_can_be_given_a_batch(batch, clearer, imager):
    with pytest.raises(Invalid, match="not clearing staff"):
        clearing.assign(batch, clearer=imager, by=clearer)


def test_a_finished_batch_is_not_assigned(researcher, clearer, colleague):
    batch = a_cleared_request(researcher, clearer=clearer).clearing_batches.get()

    with pytest.raises(NotReady, match="nothing to assign"):
        clearing.assign(batch, clearer=colleague, by=colleague)


def test_staff_open_a_finished_batch_again_with_a_reason(researcher, clearer):
    batch = a_cleared_request(researcher, clearer=clearer).clearing_batches.get()

    reopen_clearing(batch, by=clearer, reason="wrong lot")

    last = Event.objects.filter(kind=batch.KIND, object_id=batch.pk).latest("id")
    assert (again(batch).state, last.note) == ("in progress", "wrong lot")


def test_opening_again_needs_a_reason(researcher, clearer):
    batch = a_cleared_request(researcher, clearer=clearer).clearing_batches.get()

    with pytest.raises(Invalid):
        reopen_clearing(batch, by=clearer, reason="  ")


def test_the_owner_cannot_open_a_finished_batch_again(researcher, clearer):
    batch = a_cleared_request(researcher, clearer=clearer).clearing_batches.get()

    with pytest.raises(NotAllowed):
        reopen_clearing(batch, by=researcher, reason="please")


def test_nothing_of_a_withdrawn_request_is_opened_again(researcher, clearer, manager):
    request = a_cleared_request(researcher, clearer=clearer)
    withdraw_request(request, by=manager, reason="wrong animal")

    with pytest.raises(NotReady, match="withdrawn"):
        reopen_clearing(request.clearing_batches.get(), by=manager, reason="oh well")


def test_a_tube_is_received_once(researcher, clearer, colleague):
    sample = a_waiting_batch(researcher).samples.get()
    requests.receive(sample, by=clearer)
    first = sample.received_at

    requests.receive(sample, by=colleague)

    assert (sample.received_at, sample.received_by) == (first, clearer)


def test_every_change_goes_to_the_mirror(researcher, clearer, settings):
    batch = a_waiting_batch(researcher)
    settings.DATAJOINT_ENABLED = True

    clearing.receive_and_start(batch, by=clearer)
    log_now(batch, clearer)

    kinds = set(OutboxRow.objects.values_list("kind", flat=True))
    assert {"clearing batch", "clearingsteplog"} <= kinds


def test_a_changed_protocol_is_a_new_version_that_is_not_offered_yet(batch, clearer):
    copy = copy_as_new_version(batch.protocol, by=clearer)

    assert (copy.version, copy.is_offered, copy.steps.count()) == (2, False, 14)
    assert list(copy.species.all()) == list(batch.protocol.species.all())


def test_only_clearing_staff_make_versions_of_protocols(batch, imager):
    with pytest.raises(NotAllowed):
        copy_as_new_version(batch.protocol, by=imager)


def test_clearing_does_not_start_before_every_tube_is_here(researcher, clearer):
    batch = a_waiting_batch(researcher, a_plan(samples=[a_sample_plan("s1"), a_sample_plan("s2")]))
    requests.receive(batch.samples.first(), by=clearer)

    with pytest.raises(NotReady, match=r"1 of 2 tubes of this batch are not received yet \(s2\)"):
        clearing.start(batch, by=clearer)

    assert again(batch).state == "waiting"


def test_the_missing_tubes_are_received_and_clearing_starts_in_one_go(researcher, clearer):
    batch = a_waiting_batch(researcher, a_plan(samples=[a_sample_plan("s1"), a_sample_plan("s2")]))

    clearing.receive_and_start(batch, by=clearer)

    assert again(batch).state == "in progress"
    assert {(s.received_by, s.condition) for s in batch.samples.all()} == {(clearer, "good")}


def test_a_self_clearing_owner_receives_their_own_tubes(researcher):
    batch = a_waiting_batch(researcher, a_plan(self_clearing=True))

    clearing.receive_and_start(batch, by=researcher)

    assert batch.samples.get().received_by == researcher


def test_who_may_not_clear_receives_nothing_by_starting(researcher):
    batch = a_waiting_batch(researcher)

    with pytest.raises(NotAllowed):
        clearing.receive_and_start(batch, by=researcher)

    assert batch.samples.get().received_at is None


def test_a_claimed_batch_is_somebodys_and_still_waits(researcher, clearer):
    batch = a_waiting_batch(researcher)

    clearing.claim(batch, by=clearer)
    clearing.claim(again(batch), by=clearer)

    assert (again(batch).clearer, again(batch).state) == (clearer, "waiting")
    assert events(batch).count(("claimed", "")) == 1


def test_a_claimed_batch_is_not_claimed_again(researcher, clearer, colleague):
    batch = a_waiting_batch(researcher)
    clearing.claim(batch, by=clearer)

    with pytest.raises(StaleState, match="clearer has claimed this batch already"):
        clearing.claim(batch, by=colleague)


def test_what_a_colleague_claimed_is_not_started(researcher, clearer, colleague):
    batch = a_received_batch(researcher, by=clearer)
    clearing.claim(batch, by=clearer)

    with pytest.raises(StaleState, match="Take it over first"):
        clearing.start(again(batch), by=colleague)

    assert (again(batch).clearer, again(batch).state) == (clearer, "waiting")


def test_the_owner_claims_nothing(researcher):
    batch = a_waiting_batch(researcher)

    with pytest.raises(NotAllowed):
        clearing.claim(batch, by=researcher)


def test_a_claimed_batch_is_let_go(researcher, clearer):
    batch = a_waiting_batch(researcher)
    clearing.claim(batch, by=clearer)

    clearing.release(batch, by=clearer)
    clearing.release(again(batch), by=clearer)

    assert again(batch).clearer is None
    assert events(batch).count(("released", "")) == 1


def test_who_has_nothing_to_do_with_it_releases_nothing(researcher, clearer, imager):
    batch = a_waiting_batch(researcher)
    clearing.claim(batch, by=clearer)

    with pytest.raises(NotAllowed):
        clearing.release(batch, by=imager)

    assert again(batch).clearer == clearer


def test_a_started_batch_is_not_released(batch, clearer):
    with pytest.raises(NotReady, match="put it back"):
        clearing.release(batch, by=clearer)


def test_a_self_clearing_owner_can_be_given_the_batch_back(researcher, clearer):
    batch = a_waiting_batch(researcher, a_plan(self_clearing=True))
    clearing.assign(batch, clearer=clearer, by=clearer)

    clearing.assign(batch, clearer=researcher, by=clearer)

    assert again(batch).clearer == researcher


def test_nobody_types_into_what_a_colleague_completed(batch, clearer, colleague):
    clearing.complete(batch, by=colleague, skip_missing=True)

    with pytest.raises(StaleState, match="colleague completed this batch"):
        log_now(again(batch), clearer)


def test_only_addresses_of_the_web_are_kept_as_link(researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)

    with pytest.raises(Invalid, match="begins with https"):
        clearing.complete(batch, by=clearer, link="javascript:alert(1)", skip_missing=True)

    assert again(batch).state == "in progress"


def test_who_completes_a_batch_that_waits_is_told_to_start_it(researcher, clearer):
    with pytest.raises(NotReady, match="start it first"):
        clearing.complete(a_waiting_batch(researcher), by=clearer)
