"""Two people press at the same instant, on two connections: one of them is told, nothing is mixed.

Each race is run several times, because who comes first is chance.
"""

from datetime import date
from functools import partial

import pytest
from django.utils import timezone

from core_app.models import Event, Lab, Mail, User
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.services import imaging
from imaging_app.states import ImagingState
from imaging_app.workflows import skip_sample
from requests_app.models import ClearingBatch, HandoffDay, Request, Sample
from requests_app.services import clearing, corrections, handoffs, requests
from requests_app.states import ClearingState, RequestState
from requests_app.workflows import (
    complete_clearing,
    merge_labs,
    reopen_clearing,
    request_imaging_again,
    submit_request,
    withdraw_request,
)
from tests.support.races import at_once, refusals
from tests.support.scenarios import (
    TWO_CHANNELS,
    a_batch_being_cleared,
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db(transaction=True)

again = pytest.mark.parametrize("turn", range(4))
TWO_CHANNELS_AGAIN = a_sample_plan(resolutions=(TWO_CHANNELS,))


@again
def test_two_submissions_of_one_draft_make_one_request(turn: int, researcher: User) -> None:
    draft = requests.create_draft(owner=researcher, by=researcher)
    seen = [Request.objects.get(pk=draft.pk) for _ in range(2)]

    found = at_once(*[partial(submit_request, each, a_plan(), by=researcher) for each in seen])

    assert [e.code for e in refusals(found)] == ["stale"]
    assert (Request.objects.count(), Sample.objects.count(), ClearingBatch.objects.count()) == (
        1, 1, 1
    )  # fmt: skip
    assert ImagingRequest.objects.count() == 1


@again
def test_two_requests_of_one_name_are_not_both_stored(turn: int, researcher: User) -> None:
    drafts = [requests.create_draft(owner=researcher, by=researcher) for _ in range(2)]
    plans = [a_plan("First brains"), a_plan("first_brains")]

    found = at_once(
        *[
            partial(submit_request, draft, plan, by=researcher)
            for draft, plan in zip(drafts, plans, strict=True)
        ]
    )

    assert [e.code for e in refusals(found)] == ["taken"]
    assert sorted(Request.objects.values_list("state", flat=True)) == ["draft", "submitted"]


@again
def test_the_last_place_of_a_day_is_given_once(turn: int, researcher: User, labmate: User) -> None:
    HandoffDay.objects.create(day=date(2030, 1, 7), capacity=1)
    drafts = [requests.create_draft(owner=who, by=who) for who in (researcher, labmate)]

    found = at_once(*[partial(submit_request, d, a_plan(), by=d.owner) for d in drafts])

    (refusal,) = refusals(found)
    assert "samples.0.expected_handoff_date" in refusal.fields  # type: ignore[attr-defined]  # Invalid
    assert Sample.objects.count() == 1


@again
def test_a_request_is_not_withdrawn_while_its_clearing_starts(
    turn: int, researcher: User, clearer: User
) -> None:
    batch = a_waiting_batch(researcher)
    requests.receive(batch.samples.get(), by=clearer)
    request = batch.request

    found = at_once(
        partial(withdraw_request, request, by=researcher, reason="A mistake"),
        partial(clearing.start, ClearingBatch.objects.get(), by=clearer),
    )

    assert len(refusals(found)) == 1
    states = (Request.objects.get().state, ClearingBatch.objects.get().state)
    assert states in {
        (RequestState.WITHDRAWN, ClearingState.CANCELLED),
        (RequestState.SUBMITTED, ClearingState.IN_PROGRESS),
    }


@again
def test_of_two_who_claim_a_batch_one_gets_it(turn: int, researcher: User, clearer: User) -> None:
    batch = a_waiting_batch(researcher)
    requests.receive(batch.samples.get(), by=clearer)
    second = _another(clearer)

    found = at_once(
        *[partial(clearing.start, ClearingBatch.objects.get(), by=who) for who in (clearer, second)]
    )

    assert len(refusals(found)) == 1
    winner = (clearer, second)[next(i for i, e in enumerate(found) if e is None)]
    assert ClearingBatch.objects.get().clearer == winner


@again
def test_a_step_lands_before_completion_or_is_refused(
    turn: int, researcher: User, clearer: User
) -> None:
    batch = a_batch_being_cleared(researcher, by=clearer)
    slug = batch.protocol.steps.get(position=1).slug

    found = at_once(
        partial(
            clearing.record_step,
            ClearingBatch.objects.get(),
            slug,
            performed_at=timezone.now(),
            by=clearer,
        ),
        partial(complete_clearing, ClearingBatch.objects.get(), by=clearer, skip_missing=True),
    )

    is_logged = batch.log.filter(step__slug=slug).exists()
    assert ClearingBatch.objects.get().state == ClearingState.COMPLETE
    assert is_logged is (not refusals(found))


@again
def test_two_entries_for_one_step_do_not_overwrite_each_other(
    turn: int, researcher: User, clearer: User
) -> None:
    batch = a_batch_being_cleared(researcher, by=clearer)
    slug = batch.protocol.steps.get(position=1).slug
    notes = ("mine", "theirs")

    found = at_once(
        *[
            partial(
                clearing.record_step,
                ClearingBatch.objects.get(),
                slug,
                performed_at=timezone.now(),
                by=who,
                note=note,
            )
            for who, note in zip((clearer, _another(clearer)), notes, strict=True)
        ]
    )

    assert [e.code for e in refusals(found)] == ["stale"]
    kept = next(note for note, e in zip(notes, found, strict=True) if not isinstance(e, Exception))
    assert batch.log.get().note == kept


@again
def test_opening_clearing_again_and_finishing_the_last_sample_leave_the_request_open(
    turn: int, researcher: User, clearer: User, imager: User
) -> None:
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    batch = ClearingBatch.objects.select_related("request").get()

    found = at_once(
        partial(skip_sample, sample, by=imager, reason="It broke."),
        partial(reopen_clearing, batch, by=clearer, reason="A step was forgotten."),
    )

    assert refusals(found) == []
    assert Request.objects.get().state == RequestState.SUBMITTED
    assert ClearingBatch.objects.get().state == ClearingState.IN_PROGRESS


@again
def test_a_request_is_not_cancelled_while_its_imaging_starts(
    turn: int, researcher: User, clearer: User, imager: User, manager: User
) -> None:
    samples = tuple(a_sample_plan(f"b{i}") for i in range(3))
    request = a_cleared_request(researcher, clearer=clearer, plan=a_plan(samples=samples))

    found = at_once(
        partial(withdraw_request, request, by=manager, reason="No money"),
        partial(imaging.start, ImagingBatch.objects.get(), by=imager),
    )

    assert len(refusals(found)) <= 1
    assert Request.objects.get().state == RequestState.WITHDRAWN
    assert ImagingBatch.objects.get().state == ImagingState.CANCELLED
    assert set(ImagingRequest.objects.values_list("state", flat=True)) == {ImagingState.CANCELLED}


@again
def test_a_tube_is_received_by_one(turn: int, researcher: User, clearer: User) -> None:
    request = a_submitted_request(researcher, a_plan(samples=(a_sample_plan(),)))
    second = _another(clearer)

    at_once(*[partial(requests.receive, request.samples.get(), by=w) for w in (clearer, second)])

    sample = request.samples.get()
    assert sample.received_by in {clearer, second}
    assert _events_of(request, "sample received") == 1


def _another(like: User) -> User:
    other, _ = User.objects.get_or_create(username="colleague")
    other.groups.set(like.groups.all())
    return other


def _events_of(request: Request, verb: str) -> int:
    return Event.objects.filter(root_id=request.pk, verb=verb).count()


def _tubes(researcher: User, count: int = 4) -> Request:
    samples = tuple(a_sample_plan(f"b{i}") for i in range(count))
    return a_submitted_request(researcher, a_plan(samples=samples))


@again
def test_tubes_are_received_or_moved_to_another_day(
    turn: int, researcher: User, clearer: User
) -> None:
    request = _tubes(researcher)
    batch = ClearingBatch.objects.select_related("request").get()
    moved = [sample for sample in request.samples.select_related("request")][:3]

    found = at_once(
        partial(clearing.receive_and_start, batch, by=clearer),
        *[partial(handoffs.move, sample, date(2030, 1, 8), by=researcher) for sample in moved],
    )

    refusals(found)
    assert found[0] is None
    assert not request.samples.filter(received_at=None).exists()


@again
def test_a_tube_is_corrected_while_its_batch_starts(
    turn: int, researcher: User, clearer: User
) -> None:
    request = _tubes(researcher)
    batch = ClearingBatch.objects.select_related("request").get()
    colleague = _another(clearer)
    sample = Sample.objects.order_by("position").last()
    assert sample is not None

    found = at_once(
        partial(clearing.receive_and_start, batch, by=clearer),
        partial(corrections.correct_sample, sample, {"notes_for_clearer": "gently"}, by=colleague),
    )

    assert refusals(found) == []
    assert request.samples.get(pk=sample.pk).notes_for_clearer == "gently"


@again
def test_no_tube_is_received_in_a_withdrawn_request(
    turn: int, researcher: User, clearer: User
) -> None:
    request = _tubes(researcher, 2)
    samples = list(request.samples.select_related("request__owner"))

    found = at_once(
        partial(withdraw_request, request, by=researcher, reason="A mistake"),
        *[partial(requests.receive, sample, by=clearer) for sample in samples],
    )

    refusals(found)
    events = Event.objects.filter(root_id=request.pk)
    withdrawn = events.get(to=RequestState.WITHDRAWN)
    assert not events.filter(verb="sample received", pk__gt=withdrawn.pk).exists()


@again
def test_receptions_are_taken_back_while_the_request_is_withdrawn(
    turn: int, researcher: User, clearer: User
) -> None:
    request = _tubes(researcher, 3)
    samples = list(request.samples.select_related("request__owner"))
    for sample in samples:
        requests.receive(sample, by=clearer)

    found = at_once(
        partial(withdraw_request, request, by=researcher, reason="A mistake"),
        *[
            partial(requests.take_back_reception, sample, by=clearer, reason="Not here.")
            for sample in samples
        ],
    )

    refusals(found)
    assert Request.objects.get().state == RequestState.WITHDRAWN


@again
def test_labs_are_merged_while_a_request_of_them_is_corrected(
    turn: int, researcher: User, manager: User
) -> None:
    keep, gone = Lab.objects.create(name="Keep lab"), Lab.objects.create(name="Gone lab")
    made = [a_submitted_request(researcher, a_plan(f"of {i}", lab="Gone lab")) for i in range(3)]

    found = at_once(
        partial(merge_labs, gone, keep, by=manager),
        *[partial(corrections.correct_request, r, {"lab": keep}, by=manager) for r in made],
    )

    refusals(found)
    assert set(Request.objects.values_list("lab__name", flat=True)) == {"Keep lab"}


@again
def test_two_who_ask_for_imaging_at_once_get_two_rounds_or_are_told(
    turn: int, researcher: User, clearer: User, manager: User
) -> None:
    request = a_cleared_request(researcher, clearer=clearer)
    plans = [a_plan(samples=(a_wish,)) for a_wish in (a_sample_plan(), TWO_CHANNELS_AGAIN)]
    people = (researcher, manager)

    found = at_once(
        *[
            partial(request_imaging_again, Request.objects.get(pk=request.pk), p, by=by, after=1)
            for p, by in zip(plans, people, strict=True)
        ]
    )

    assert [e.code for e in refusals(found)] == ["stale"]
    assert sorted(ImagingRequest.objects.values_list("number", flat=True)) == [1, 2]
    assert Mail.objects.filter(event="imaging-asked", to="researcher@example.org").count() == 1


@again
def test_a_form_sent_twice_at_once_makes_one_round(
    turn: int, researcher: User, clearer: User
) -> None:
    request = a_cleared_request(researcher, clearer=clearer)
    seen = [Request.objects.get(pk=request.pk) for _ in range(2)]

    found = at_once(
        *[partial(request_imaging_again, r, a_plan(), by=researcher, after=1) for r in seen]
    )

    assert refusals(found) == []
    assert sorted(outcome.is_new for outcome in found) == [False, True]  # type: ignore[attr-defined]  # no refusals
    assert sorted(ImagingRequest.objects.values_list("number", flat=True)) == [1, 2]


@again
def test_no_round_stays_open_in_a_request_that_is_withdrawn_meanwhile(
    turn: int, researcher: User, clearer: User, manager: User
) -> None:
    request = a_cleared_request(researcher, clearer=clearer)
    asked, gone = (Request.objects.get(pk=request.pk) for _ in range(2))

    found = at_once(
        partial(request_imaging_again, asked, a_plan(), by=researcher, after=1),
        partial(withdraw_request, gone, by=manager, reason="Not needed."),
    )

    refusals(found)
    assert Request.objects.get().state == RequestState.WITHDRAWN
    assert set(ImagingRequest.objects.values_list("state", flat=True)) == {ImagingState.CANCELLED}
    assert set(ImagingBatch.objects.values_list("state", flat=True)) == {ImagingState.CANCELLED}
