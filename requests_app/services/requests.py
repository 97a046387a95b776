"""Write requests and samples: drafts, submission, withdrawal, reception. This app's rows only."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from core_app import roles
from core_app.changes import changed_many, removed
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState, Taken
from core_app.models import Lab, User
from core_app.roles import Action
from core_app.transitions import advance, born, record
from requests_app import mails, selectors
from requests_app.drafts import name_in
from requests_app.models import ClearingBatch, Request, Sample, Species, Subject
from requests_app.models.request import REQUEST_NAME, SAMPLE_NAME, folder_of
from requests_app.plans import RequestPlan, SamplePlan
from requests_app.services.people import freeze_username
from requests_app.states import ClearingState, RequestState

# Saving the others must not bring back a state that somebody has moved on from.
MOST_CONDITION = 200
MOST_REASON = 500
NEVER_SAVED = frozenset(
    {"id", "state", "state_since", "created_at", "owner", "requested_by", "draft_revision"}
)


def create_draft(*, owner: User, by: User, draft: dict[str, Any] | None = None) -> Request:
    """Begin a request. Nothing of it is seen by others before submission."""
    with transaction.atomic():
        request = Request.objects.create(
            owner=owner, requested_by=by, draft=draft or {}, name=name_in(draft)
        )
        born(request, by=by)
    return request


def edit_draft(
    request: Request, draft: dict[str, Any], *, by: User, based_on: int | None = None
) -> None:
    """Save the form as typed, however incomplete. Refused once submitted.

    `based_on` is the revision that was edited: raises Outdated if another one was saved since.
    """
    if not roles.can(by, Action.EDIT_DRAFT, request):
        raise NotAllowed("Only who writes a draft may edit it.")
    still_draft = Request.objects.filter(pk=request.pk, state=RequestState.DRAFT)
    if based_on is not None:
        still_draft = still_draft.filter(draft_revision=based_on)
    saved = still_draft.update(
        draft=draft, name=name_in(draft), draft_revision=F("draft_revision") + 1
    )
    request.refresh_from_db(fields=["state", "draft", "draft_revision", "name"])
    if saved != 1:
        if request.state == RequestState.DRAFT:
            raise Outdated
        raise StaleState(
            "This request was submitted meanwhile; nothing was changed. Open its page."
        )


class Outdated(StaleState):
    """Another window or device saved the draft since this one read it."""

    def __init__(self) -> None:
        super().__init__(
            "This draft was changed in another window or on another device since you opened it "
            "here. Take the newer version, or keep yours."
        )


def hand_over_draft(
    request: Request,
    owner: User,
    *,
    by: User,
    note: str = "",
    contents: dict[str, Any] | None = None,
) -> None:
    """Make the draft another person's, with these contents: for staff who write on their behalf.

    Raises NotAllowed for everybody else, so that nobody takes another's name, and Outdated if the
    draft was saved or handed over since it was read.
    """
    if owner.pk == request.owner_id:
        return
    if not roles.can(by, Action.EDIT_DRAFT, request):
        raise NotAllowed("Only who writes a draft may edit it.")
    if owner.pk != by.pk and not roles.has_role(by, roles.Role.CLEARER, roles.Role.MANAGER):
        raise NotAllowed("Only clearing staff and managers hand in requests for other people.")
    if not owner.is_active:
        raise Invalid(f"The account of {owner} is closed; choose somebody else.")
    draft = request.draft if contents is None else contents
    with transaction.atomic():
        _hold_draft(request)
        Request.objects.filter(pk=request.pk).update(
            owner=owner, requested_by=by, draft=draft, name=name_in(draft),
            draft_revision=F("draft_revision") + 1,
        )  # fmt: skip
        request.refresh_from_db()
        record(request, selectors.HANDED_OVER, by=by, note=f"{owner.username}{note}")


def delete_draft(request: Request, *, by: User) -> None:
    """Throw a draft away; it has no history worth keeping."""
    if not roles.can(by, Action.EDIT_DRAFT, request):
        raise NotAllowed("Only who writes a draft may delete it.")
    with transaction.atomic():
        rows = Request.objects.select_for_update().filter(pk=request.pk, state=RequestState.DRAFT)
        held = rows.first()
        if held is None:
            raise StaleState(
                "This request was submitted meanwhile; withdraw it on its page instead."
            )
        held.delete()


def submit(request: Request, plan: RequestPlan, *, by: User) -> None:
    """Turn a draft into a submitted request, still without samples. The caller holds the
    transaction.

    Raises Taken if the owner has a request of this name, Invalid for names that cannot be.
    """
    if not roles.can(by, Action.EDIT_DRAFT, request):
        raise NotAllowed("Only who writes a draft may submit it.")
    is_staffs = roles.has_role(by, roles.Role.CLEARER, roles.Role.MANAGER)
    if by.pk != request.owner_id and not is_staffs:
        raise NotAllowed(
            "Only clearing staff and managers hand in requests for other people. "
            f"Ask {request.owner} to submit it; the draft is theirs too."
        )
    if not request.owner.is_active:
        raise NotReady(f"The account of {request.owner} is closed, so nothing is handed in for it.")
    _hold_draft(request)
    _fill(request, plan, any_lab=is_staffs)
    try:
        request.full_clean(validate_unique=False, validate_constraints=False, exclude=["draft"])
        with transaction.atomic():
            advance_to_submitted(request, by=by)
    except ValidationError as problem:
        raise Invalid("Correct the marked fields.", fields=problem.message_dict) from problem
    except IntegrityError as clash:
        raise _clash_of(request, plan) from clash
    freeze_username(request.owner)


def _clash_of(request: Request, plan: RequestPlan) -> Taken | StaleState:
    """Return what the database refused: the name, or a row that is gone meanwhile."""
    key = folder_of(plan.name).casefold()
    others = Request.objects.filter(owner=request.owner_id, name_key=key).exclude(pk=request.pk)
    if others.exists():
        return Taken(
            f"{request.owner} has a request named “{plan.name}” already; choose another name."
        )
    return StaleState(
        "Something that the request names was changed a moment ago. Nothing was stored; "
        "look at the review again and submit once more."
    )


def _hold_draft(request: Request) -> None:
    """Take the row for this transaction: it must still be the draft that the caller read."""
    rows = Request.objects.select_for_update().filter(pk=request.pk, state=RequestState.DRAFT)
    revision = rows.values_list("draft_revision", flat=True).first()
    if revision is None:
        raise StaleState("This request was submitted meanwhile. Open its page.")
    if revision != request.draft_revision:
        raise Outdated


def advance_to_submitted(request: Request, *, by: User) -> None:
    """Save the fields of the request and move it on; the database refuses a name used twice."""
    fields = [f.name for f in Request._meta.concrete_fields if f.name not in NEVER_SAVED]
    request.save(force_update=True, update_fields=fields)
    advance(request, RequestState.SUBMITTED, by=by)


def _fill(request: Request, plan: RequestPlan, *, any_lab: bool) -> None:
    REQUEST_NAME(plan.name)
    request.name = plan.name
    request.name_key = folder_of(plan.name).casefold()
    request.description = plan.description
    request.species = Species.objects.get(name=plan.species)
    request.correspondence_email = plan.correspondence_email
    labs = Lab.objects.filter(name__iexact=plan.lab)
    if not any_lab:  # its PI reads the request, so nobody names a lab that is not theirs
        labs = labs.filter(memberships__user=request.owner)
    request.lab = labs.first()
    request.lab_text = "" if request.lab else plan.lab
    request.retention = plan.retention
    request.testing = plan.testing
    request.self_clearing = plan.self_clearing
    request.self_imaging = plan.self_imaging
    request.auditor = User.objects.filter(username=plan.auditor).first() if plan.auditor else None
    request.submitted_at = timezone.now()
    request.draft = None


def make_samples(
    request: Request, plan: RequestPlan, batches: Sequence[ClearingBatch]
) -> list[Sample]:
    """Make the samples of a request, each in its clearing batch. The caller holds the transaction.

    Raises Invalid for names that cannot be.
    """
    names = {wanted.subject for wanted in plan.samples if wanted.subject}
    subjects = {s.name: s for s in Subject.objects.filter(name__in=names)} if names else {}
    samples = [
        _sample(request, i, wanted, batch, subjects.get(wanted.subject))
        for i, (wanted, batch) in enumerate(zip(plan.samples, batches, strict=True), start=1)
    ]
    try:
        for sample in samples:
            sample.clean_fields(exclude=["request", "code", "clearing_batch", "subject"])
        Sample.objects.bulk_create(samples)
    except ValidationError as problem:
        raise Invalid("Correct the sample names.", fields=problem.message_dict) from problem
    changed_many(samples)
    return samples


def _sample(
    request: Request,
    position: int,
    wanted: SamplePlan,
    batch: ClearingBatch,
    subject: Subject | None,
) -> Sample:
    SAMPLE_NAME(wanted.name)
    return Sample(
        request=request,
        position=position,
        name=wanted.name,
        name_key=wanted.name.casefold(),
        clearing_batch=batch,
        subject=subject,
        perfusion_date=wanted.perfusion_date,
        expected_handoff_date=wanted.expected_handoff_date,
        notes_for_clearer=wanted.notes_for_clearer,
    )


def receive(
    sample: Sample, *, by: User, condition: str = Sample.Condition.GOOD, note: str = ""
) -> bool:
    """Note that the tube is here: who took it, when, in what condition.

    Returns False, and changes nothing, if somebody received it before; the sample then says who.
    Anything but a good condition needs a word about it.
    """
    if condition not in Sample.Condition.values:
        raise Invalid("Choose the condition of the tube.", fields={"condition": ["Choose one."]})
    if condition != Sample.Condition.GOOD and not note.strip():
        raise Invalid(
            "Say in a few words what is wrong with the tube; its owner reads it.",
            fields={"note": ["Say what is wrong."]},
        )
    if len(note.strip()) > MOST_CONDITION:
        raise Invalid(
            f"The note has {len(note.strip())} characters; at most {MOST_CONDITION} fit.",
            fields={"note": [f"At most {MOST_CONDITION} characters."]},
        )
    if not roles.can(by, Action.CLEAR, sample.request):
        raise NotAllowed("Only clearing staff, or a self-clearing owner, receive samples.")
    with transaction.atomic():
        _hold_expecting(sample)
        waiting = Sample.objects.filter(pk=sample.pk, received_at=None)
        seen = {"condition": condition, "condition_note": note.strip()}
        is_first = waiting.update(received_at=timezone.now(), received_by=by, **seen) == 1
        if is_first:
            said = "" if condition == Sample.Condition.GOOD else _said_of(condition, note)
            record(sample.request, "sample received", by=by, note=f"{sample.name}{said}")
            changed_many([sample])
            if condition != Sample.Condition.GOOD:
                sample.condition, sample.condition_note = condition, note.strip()
                mails.tell_condition(sample, by=by)
    sample.refresh_from_db(fields=["received_at", "received_by", "condition", "condition_note"])
    return is_first


def _hold_expecting(sample: Sample) -> None:
    """Take the batch of the tube, as withdrawing does first; the request must still be open."""
    rows = ClearingBatch.objects.select_for_update().filter(pk=sample.clearing_batch_id or 0)
    list(rows.values_list("pk"))
    state = Request.objects.values_list("state", flat=True).get(pk=sample.request_id)
    if state != RequestState.SUBMITTED:
        raise NotReady(
            f"The request is {RequestState(state).label.lower()}; there is nothing to receive."
        )


def take_back_reception(sample: Sample, *, by: User, reason: str) -> None:
    """Undo a reception noted by mistake, as long as clearing has not begun. The history keeps it.

    Raises StaleState if somebody else took it back, or began to clear, in the meantime.
    """
    if not roles.has_role(by, roles.Role.CLEARER, roles.Role.MANAGER):
        raise NotAllowed("Only clearing staff take a reception back; tell them what happened.")
    if not reason.strip():
        raise Invalid(
            "Say why the reception was a mistake; the history keeps it.",
            fields={"reason": ["Give a reason."]},
        )
    with transaction.atomic():
        # With the batch held, nobody begins to clear what turns out not to be here.
        batches = ClearingBatch.objects.select_for_update().filter(pk=sample.clearing_batch_id or 0)
        if batches.exclude(state=ClearingState.WAITING).exists():
            raise NotReady("Clearing of this tube has begun, so it is here; nothing was changed.")
        here = Sample.objects.filter(pk=sample.pk, received_at=sample.received_at)
        nothing = {"received_at": None, "received_by": None, "condition": "", "condition_note": ""}
        if sample.received_at is None or here.update(**nothing) != 1:
            raise StaleState("The reception was taken back already, or made anew. Look again.")
        note = f"{sample.name}: {reason.strip()[:MOST_REASON]}"
        record(sample.request, "reception taken back", by=by, note=note)
        changed_many([sample])
    sample.refresh_from_db(fields=list(nothing))


def _said_of(condition: str, note: str) -> str:
    return f": {Sample.Condition(condition).label.lower()}, {note.strip()}"


def withdraw(request: Request, *, by: User, reason: str) -> None:
    """Take the request back. Owners until clearing starts; afterwards managers, with the reason."""
    if not roles.can(by, Action.WITHDRAW, request):
        raise NotAllowed("Only the owner, the PI of its lab or a manager may withdraw a request.")
    if not reason.strip():
        raise Invalid(
            "Say why, so that everybody involved understands it later.",
            fields={"reason": ["Give a reason."]},
        )
    with transaction.atomic():
        if clearing_started(request) and not roles.has_role(by, roles.Role.MANAGER):
            raise NotReady(
                "Clearing has started, so the samples are no longer as you handed them in. "
                "Ask a manager to cancel the request."
            )
        advance(request, RequestState.WITHDRAWN, by=by, note=reason.strip())


def delete_untouched(request: Request, *, by: User) -> None:
    """Delete a request that nobody worked on, for good. Superusers only; an Event remains."""
    if not by.is_superuser:
        raise NotAllowed("Only a superuser deletes a request; others withdraw it.")
    if selectors.has_history(request):
        raise NotReady("Somebody worked on this request, so it stays. Withdraw it instead.")
    with transaction.atomic():
        record(request, "deleted", by=by, note=str(request))
        removed(request, {"username": request.owner.username, "request_name": request.name})
        request.delete()


def clearing_started(request: Request) -> bool:
    batches = ClearingBatch.objects.filter(request=request)
    return batches.exclude(state__in=[ClearingState.WAITING, ClearingState.CANCELLED]).exists()


def close(request: Request) -> None:
    """Close a request in which nothing is open any more. The caller holds the transaction."""
    advance(request, RequestState.CLOSED, by=None, note="Everything is done.")


def reopen(request: Request, *, by: User | None, note: str) -> None:
    """Open a closed request again for another round. The caller holds the transaction."""
    advance(request, RequestState.SUBMITTED, by=by, note=note)
