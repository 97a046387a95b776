"""Two people at once: whoever acts on what is no longer so is told, and nothing is lost."""

import pytest
from django.db import transaction
from django.utils import timezone

from core_app.errors import NotAllowed, NotReady, StaleState
from core_app.models import Lab, User
from requests_app.models import ClearingBatch, ClearingProtocol, Request, Sample
from requests_app.services import clearing, requests
from requests_app.workflows import submit_request, withdraw_request
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_plan,
    a_received_batch,
    a_submitted_request,
)


def test_a_second_submission_of_one_draft_changes_nothing(researcher: User) -> None:
    draft = requests.create_draft(owner=researcher, by=researcher)
    stale = Request.objects.get(pk=draft.pk)
    submit_request(draft, a_plan(), by=researcher)

    with pytest.raises(StaleState):
        submit_request(stale, a_plan("another name"), by=researcher)

    draft.refresh_from_db()
    assert (draft.name, draft.state) == ("first brains", "submitted")
    assert Sample.objects.count() == 1


def test_a_late_submission_does_not_bring_back_what_was_withdrawn(researcher: User) -> None:
    draft = requests.create_draft(owner=researcher, by=researcher)
    stale = Request.objects.get(pk=draft.pk)
    submit_request(draft, a_plan(), by=researcher)
    withdraw_request(draft, by=researcher, reason="A mistake")

    with pytest.raises(StaleState):
        submit_request(stale, a_plan(), by=researcher)

    draft.refresh_from_db()
    assert draft.state == "withdrawn"


def test_who_starts_clearing_a_withdrawn_request_is_told(researcher: User, clearer: User) -> None:
    a_received_batch(researcher, by=clearer)
    stale = ClearingBatch.objects.select_related("request").get()
    withdraw_request(Request.objects.get(), by=researcher, reason="A mistake")

    with pytest.raises(StaleState):
        clearing.start(stale, by=clearer)


def test_an_owner_who_withdraws_a_moment_after_clearing_began_is_refused(
    researcher: User, clearer: User
) -> None:
    request = a_submitted_request(researcher)
    stale = Request.objects.get(pk=request.pk)
    clearing.receive_and_start(request.clearing_batches.get(), by=clearer)

    with pytest.raises(NotReady):
        withdraw_request(stale, by=researcher, reason="A mistake")

    assert ClearingBatch.objects.get().state == "in progress"


def test_completing_twice_tells_the_second(researcher: User, clearer: User) -> None:
    batch = a_batch_being_cleared(researcher, by=clearer)
    stale = ClearingBatch.objects.select_related("request", "protocol").get(pk=batch.pk)
    clearing.complete(batch, by=clearer, skip_missing=True)

    with pytest.raises(StaleState):
        clearing.complete(stale, by=clearer, skip_missing=True)


def test_a_step_taken_back_at_the_last_moment_is_missed_when_completing(
    researcher: User, clearer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = a_batch_being_cleared(researcher, by=clearer)
    for step in batch.protocol.steps.all():
        clearing.record_step(batch, step.slug, performed_at=timezone.now(), by=clearer)
    hold = clearing.hold

    def taken_back_first(held: ClearingBatch) -> None:
        held.log.filter(step__position=1).delete()
        hold(held)

    monkeypatch.setattr(clearing, "hold", taken_back_first)

    with pytest.raises(NotReady, match="1 of 14 steps"):
        clearing.complete(batch, by=clearer)

    batch.refresh_from_db()
    assert batch.state == "in progress"


def test_a_protocol_taken_back_a_moment_ago_is_said_so(researcher: User) -> None:
    draft = requests.create_draft(owner=researcher, by=researcher)
    plans = a_plan().samples
    ClearingProtocol.objects.update(is_offered=False)

    with pytest.raises(StaleState, match="no longer offered"), transaction.atomic():
        clearing.make_batches(draft, plans, by=researcher)


def test_a_tube_of_a_request_withdrawn_a_moment_ago_is_not_received(
    researcher: User, clearer: User
) -> None:
    request = a_submitted_request(researcher)
    stale = Sample.objects.select_related("request").get()
    withdraw_request(request, by=researcher, reason="A mistake")

    with pytest.raises(NotReady, match="withdrawn"):
        requests.receive(stale, by=clearer)


def test_a_submission_and_a_hand_over_of_one_draft_are_not_mixed(
    researcher: User, clearer: User, labmate: User
) -> None:
    draft = requests.create_draft(owner=clearer, by=clearer)
    stale = Request.objects.select_related("owner").get(pk=draft.pk)
    requests.hand_over_draft(draft, labmate, by=clearer)

    with pytest.raises(StaleState):
        submit_request(stale, a_plan(), by=clearer)

    draft.refresh_from_db()
    assert (draft.owner, draft.requested_by, draft.state) == (labmate, clearer, "draft")


def test_who_is_no_staff_hands_nothing_in_for_somebody_else(
    researcher: User, labmate: User, manager: User
) -> None:
    draft = requests.create_draft(owner=researcher, by=researcher)
    requests.hand_over_draft(draft, labmate, by=manager)

    with pytest.raises(NotAllowed):
        submit_request(Request.objects.get(pk=draft.pk), a_plan(), by=researcher)

    assert Request.objects.get().state == "draft"


def test_nothing_is_handed_in_for_a_closed_account(researcher: User, manager: User) -> None:
    draft = requests.create_draft(owner=researcher, by=manager)
    User.objects.filter(pk=researcher.pk).update(is_active=False)

    with pytest.raises(NotReady, match="is closed"):
        submit_request(Request.objects.get(pk=draft.pk), a_plan(), by=manager)


def test_a_lab_that_is_not_the_owner_s_stays_free_text(researcher: User) -> None:
    Lab.objects.create(name="Foreign lab")

    foreign = a_submitted_request(researcher, a_plan("one", lab="foreign LAB"))
    own = a_submitted_request(researcher, a_plan("two", lab="river lab"))

    assert (foreign.lab, foreign.lab_text) == (None, "foreign LAB")
    assert (str(own.lab), own.lab_text) == ("River lab", "")


def test_staff_name_any_lab(researcher: User, manager: User) -> None:
    lab = Lab.objects.create(name="Foreign lab")
    draft = requests.create_draft(owner=researcher, by=manager)

    assert submit_request(draft, a_plan(lab="Foreign lab"), by=manager).lab == lab
