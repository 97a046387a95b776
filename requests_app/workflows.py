"""Use cases that begin with a request and span the apps: submit, withdraw, close."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from core_app import labs, roles
from core_app.bell import ring
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event, Lab, User
from core_app.roles import Action, Role
from core_app.transitions import record
from imaging_app import mails as imaging_mails
from imaging_app import selectors as imaging_reads
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.selectors import instruments
from imaging_app.services import imaging, rounds
from imaging_app.states import ImagingState
from processing_app.models import Atlas, Run
from processing_app.services import requests as processing
from processing_app.services import runs
from processing_app.states import ACTIVE, RunState
from requests_app import again, mails, overview, repeat_mails, selectors
from requests_app.models import ClearingBatch, Request, Sample, Species
from requests_app.plans import Problems, RequestPlan, Rules, imaging_problems_of, problems_of
from requests_app.selectors.handoffs import handoff_days, open_days
from requests_app.services import antibodies, clearing, corrections, handoffs, requests, subjects
from requests_app.states import ClearingState, RequestState

MOST_NOTE = 500


def current_rules(plan: RequestPlan, *, owner: User) -> Rules:
    """Read what the database allows today, for checking this plan of this owner."""
    species = {s.name: s.only_generic_imaging for s in Species.objects.all()}
    protocols = list(selectors.offered_protocols())
    objectives = list(imaging_reads.offered_objectives())
    notices = instruments.objective_notices(objectives, timezone.now())
    today = timezone.localdate()
    days = handoff_days([s.expected_handoff_date for s in plan.samples if s.expected_handoff_date])
    is_crowded = any(not day.is_open or day.left is not None for day in days.values())
    names = {s.subject for s in plan.samples if s.subject}
    return Rules(
        species_generic_only=species,
        protocols_of_species={
            name: frozenset(p.name for p in protocols if name in {s.name for s in p.species.all()})
            for name in species
        },
        protocols_needing_antibody=frozenset(p.name for p in protocols if p.needs_antibody),
        objectives_generic_only={o.name: o.only_generic_imaging for o in objectives},
        wavelengths_of_objective={
            o.name: tuple(w.name for w in o.microscope.wavelengths.all()) for o in objectives
        },
        registrable={
            o.name: frozenset(w.name for w in o.microscope.wavelengths.all() if w.may_register)
            for o in objectives
        },
        atlases=frozenset(Atlas.objects.filter(is_offered=True).values_list("name", flat=True)),
        handoff_left={day.day: day.left for day in days.values()},
        handoff_notes={day.day: day.note for day in days.values()},
        next_open_days=open_days(max(today, min(days))) if is_crowded else (),
        closed_days=frozenset(day.day for day in days.values() if day.capacity == 0),
        today=today,
        usernames=_known_people([plan.auditor]),
        subjects=_known_subjects(names, owner) if names else frozenset(),
        owner=owner.username,
        objectives_stopped={o: n.text for o, n in notices.items() if n.is_refused},
        objectives_limited={o: n.text for o, n in notices.items() if not n.is_refused},
    )


def notices_of_draft(contents: Mapping[str, Any]) -> list[str]:
    """Return what is the matter now with the microscopes of the objectives in a draft."""
    names = {wanted["objective"] for row in contents["samples"] for wanted in row["imaging"]}
    chosen = imaging_reads.offered_objectives().filter(name__in=names)
    notices = instruments.objective_notices(chosen, timezone.now()) if names else {}
    texts = [
        f"{one.text}. It cannot be ordered now; choose another objective before you submit."
        if one.is_refused
        else f"{one.text}. You can order it; imaging may take longer."
        for one in notices.values()
    ]
    return list(dict.fromkeys(texts))


def _known_people(usernames: Iterable[str]) -> frozenset[str]:
    wanted = [name for name in usernames if name]
    if not wanted:
        return frozenset()
    rows = User.objects.filter(username__in=wanted, is_active=True)
    return frozenset(rows.values_list("username", flat=True))


def _known_subjects(names: set[str], owner: User) -> frozenset[str]:
    rows = selectors.offered_subjects(to=owner).filter(name__in=names)
    return frozenset(rows.values_list("name", flat=True))


def submit_request(draft: Request, plan: RequestPlan, *, by: User) -> Request:
    """Submit a draft: request, samples, clearing, imaging and processing in one transaction."""
    with transaction.atomic(durable=True):
        # One submission after the other counts the places of a day that is limited.
        handoffs.hold(*(s.expected_handoff_date for s in plan.samples if s.expected_handoff_date))
        _require_no_problems(
            problems_of(plan, current_rules(plan, owner=draft.owner)),
            before="the request can be submitted",
        )
        requests.submit(draft, plan, by=by)
        batches = clearing.make_batches(draft, plan.samples, by=by)
        samples = requests.make_samples(draft, plan, batches)
        antibodies.note_trials(draft, batches, by=by)
        imager = draft.owner if draft.self_imaging else None
        asked = rounds.plan_round(samples, plan.samples, imager=imager, by=by)
        processing.open_first_rounds(asked, processor=draft.owner, by=by)
        mails.tell_received(draft, by=by)
    return draft


def _require_no_problems(problems: Problems, *, before: str) -> None:
    if problems:
        count = sum(len(messages) for messages in problems.values())
        raise Invalid(
            f"{count} thing{'s' if count > 1 else ''} to correct before {before}.",
            fields=problems,
        )


@dataclass(frozen=True, slots=True)
class FurtherRound:
    """The round that was asked for; not new if the same form had come before."""

    number: int
    is_new: bool


def request_imaging_again(
    request: Request, plan: RequestPlan, *, by: User, after: int
) -> FurtherRound:
    """Ask for one more round of imaging of the samples that the plan names, in one transaction.

    `after` is the number of the newest round that the person saw. Raises StaleState if there is a
    newer one that is not what the plan asks for, and Invalid with every problem of the plan.
    """
    if not roles.can(by, Action.IMAGE_AGAIN, request):
        raise NotAllowed(
            "Only the owner, who handed it in for them, imaging staff and managers ask for imaging."
        )
    if plan.self_imaging and by.pk != request.owner_id:
        raise NotAllowed("Only the owner says that they take the images themselves.")
    with transaction.atomic(durable=True):
        # The batches before the request, as withdrawing does; two who ask wait here in turn.
        _hold_work_of(request)
        _hold(request)
        again.require_open(request)
        last = again.last_number(request)
        if last == after + 1 and again.is_as_asked(request, last, plan):
            return FurtherRound(last, is_new=False)
        _require_newest(request, last, after)
        _ask_again(request, plan, number=last + 1, by=by)
    return FurtherRound(last + 1, is_new=True)


def _require_newest(request: Request, last: int, after: int) -> None:
    if last != after:
        asked = Event.objects.filter(kind=Request.KIND, object_id=request.pk, verb=again.ASKED)
        event = asked.select_related("by").order_by("-id").first()
        who = str(event.by) if event and event.by else "Somebody"
        raise StaleState(
            f"{who} asked for imaging round {last} since you opened this page, so nothing was "
            "stored. It is listed below; ask again if you still want yours as well."
        )


def _ask_again(request: Request, plan: RequestPlan, *, number: int, by: User) -> None:
    samples = _named_samples(request, plan)
    _require_no_problems(
        imaging_problems_of(plan, current_rules(plan, owner=request.owner)),
        before="imaging can be asked for",
    )
    names = ", ".join(sample.name for sample in samples)
    if request.state == RequestState.CLOSED:
        requests.reopen(request, by=by, note=f"For imaging round {number}.")
    imager = request.owner if plan.self_imaging else None
    asked = rounds.plan_round(samples, plan.samples, imager=imager, by=by, number=number)
    processing.open_first_rounds(asked, processor=request.owner, by=by)
    note = f"Round {number}: {names}"
    record(request, again.ASKED, by=by, note=note[:MOST_NOTE])
    batches = list(dict.fromkeys(one.request.batch for one in asked))
    repeat_mails.tell_asked(request, plan, batches, number=number, by=by)


def _named_samples(request: Request, plan: RequestPlan) -> list[Sample]:
    """Return the samples of the plan, read anew. Every one of them must be there and cleared."""
    there = {sample.name: sample for sample in again.samples_of(request)}
    wanted = [there.get(sample.name) for sample in plan.samples]
    samples = [sample for sample in wanted if sample is not None]
    if not samples or len(set(samples)) != len(plan.samples):
        raise Invalid("Tick the samples of this request that are to be imaged again.")
    hindered = [f"{s.name} {why}" for s in samples if (why := again.hindrance_of(s))]
    if hindered:
        raise NotReady(
            f"Not cleared yet: {'; '.join(hindered)}. Untick what is not cleared, and ask for it "
            "when its clearing is complete."
        )
    return samples


def complete_clearing(
    batch: ClearingBatch, *, by: User, link: str = "", skip_missing: bool = False
) -> None:
    """Finish a batch; its lots go to the history of antibodies. Imaging of it may begin."""
    with transaction.atomic():
        clearing.complete(batch, by=by, link=link, skip_missing=skip_missing)
        antibodies.note_lots(batch, by=by)
        _tell_cleared(batch, by=by)


def _tell_cleared(batch: ClearingBatch, *, by: User) -> None:
    related = ("clearing_batch__protocol", "clearing_batch__clearer", "received_by")
    samples = list(batch.samples.select_related(*related))
    waiting = imaging_reads.waiting_batches_of(batch)
    strip = overview.joint_strip(list(overview.strips_of(samples).values()))
    mails.tell_cleared(
        batch,
        by=by,
        strip=overview.strip_in_words(strip),
        is_self_imaged=any(imaging_reads.is_self_imaged(one) for one in waiting),
        ready=[_ready(one) for one in waiting if not imaging_reads.is_self_imaged(one)],
    )


def _ready(batch: ImagingBatch) -> mails.ReadyForImaging:
    rounds_of_it = list(batch.imaging_requests.all())
    resolutions = {r.objective.name: None for one in rounds_of_it for r in one.resolutions.all()}
    names = tuple(one.sample.name for one in rounds_of_it)
    return mails.ReadyForImaging(batch.pk, tuple(resolutions), names)


def withdraw_request(request: Request, *, by: User, reason: str) -> None:
    """Withdraw the request and cancel everything of it that is not finished."""
    with transaction.atomic():
        _hold_work_of(request)
        imagers_know = imaging_reads.concerns_imagers(request)
        requests.withdraw(request, by=by, reason=reason)
        clearing.cancel_open(request, by=by, note=reason)
        imaging.cancel_open(request, by=by, note=reason)
        runs.cancel_runs_of(request, by=by, reason=reason)
        mails.tell_withdrawn(request, by=by, reason=reason, imagers_know=imagers_know)
        ring(runs.DRIVE)


def _hold_work_of(request: Request) -> None:
    """Take the rows of imaging and clearing for this transaction, so that nobody starts meanwhile.

    Always in this order and before the request's own row, as finishing and re-opening do.
    """
    rounds = ImagingRequest.objects.filter(sample__request=request)
    imaging_batches = ImagingBatch.objects.filter(clearing_batch__request=request)
    clearing_batches = ClearingBatch.objects.filter(request=request)
    for rows in (rounds, imaging_batches, clearing_batches):
        # By key: a lock over a join would take the rows of the other tables as well.
        held = rows.model._default_manager.filter(pk__in=list(rows.values_list("pk", flat=True)))
        list(held.order_by("pk").select_for_update().values_list("pk"))


def has_open_work(request: Request) -> bool:
    """Return True if any clearing, imaging or processing of the request is not over."""
    clearing_open = ClearingBatch.objects.filter(request=request).exclude(
        state__in=[ClearingState.COMPLETE, ClearingState.CANCELLED]
    )
    imaging_open = ImagingRequest.objects.filter(
        sample__request=request, state__in=[ImagingState.WAITING, ImagingState.IN_PROGRESS]
    )
    # A failed run waits for somebody only as long as no newer one counts instead.
    newer = Run.objects.filter(
        pipeline=OuterRef("pipeline"),
        imaging_request=OuterRef("imaging_request"),
        pk__gt=OuterRef("pk"),
    )
    runs_open = Run.objects.processing().filter(
        Q(state__in=ACTIVE) | (Q(state=RunState.FAILED) & ~Exists(newer)),
        imaging_request__sample__request=request,
    )
    if any(rows.exists() for rows in (clearing_open, imaging_open, runs_open)):
        return True
    return processing.has_open_rounds(request)


def close_if_finished(request: Request) -> bool:
    """Close the request if nothing of it is open. The caller holds the transaction."""
    _hold(request)
    if request.state != RequestState.SUBMITTED or has_open_work(request):
        return False
    requests.close(request)
    return True


def close_finished_requests() -> int:
    """Close submitted requests with nothing open: a sweep behind the events that do it at once."""
    closed = 0
    for request in Request.objects.filter(state=RequestState.SUBMITTED).iterator():
        with transaction.atomic():
            closed += close_if_finished(request)
    return closed


def reopen_clearing(batch: ClearingBatch, *, by: User, reason: str) -> None:
    """Open a finished clearing batch again, and its request with it."""
    with transaction.atomic():
        clearing.reopen(batch, by=by, reason=reason)
        _reopen(batch.request, by=by, reason=reason)
        mails.tell_reopened(batch, by=by, reason=reason)


def reopen_imaging(imaging_request: ImagingRequest, *, by: User, reason: str) -> None:
    """Open a finished sample again, and its request with it."""
    with transaction.atomic():
        imaging.reopen(imaging_request, by=by, reason=reason)
        _reopen(imaging_request.sample.request, by=by, reason=reason)
        imaging_mails.tell_reopened(imaging_request, by=by, reason=reason)


def _reopen(request: Request, *, by: User, reason: str) -> None:
    _hold(request)
    if request.state == RequestState.WITHDRAWN:
        raise NotReady("The request is withdrawn, so nothing of it is opened again.")
    if request.state == RequestState.CLOSED:
        requests.reopen(request, by=by, note=reason)


def _hold(request: Request) -> None:
    """Read the state anew and keep others from changing it until the transaction ends."""
    request.refresh_from_db(fields=["state"], from_queryset=Request.objects.select_for_update())


def may_submit_for_others(user: User) -> bool:
    """Return True for those who may hand in a request in another person's name."""
    return roles.has_role(user, Role.CLEARER, Role.MANAGER)


def merge_labs(gone: Lab, keep: Lab, *, by: User) -> None:
    """Move people, requests and animals of one lab to another and delete it: all or nothing."""
    labs.require_keeper(by)
    if gone.pk == keep.pk:
        raise Invalid("This is the lab that stays.")
    with transaction.atomic():
        held = labs.hold([gone.pk, keep.pk])
        gone, keep = held[gone.pk], held[keep.pk]
        people = labs.move_members(gone, keep)
        moved = corrections.move_requests(gone, keep, by=by)
        animals = subjects.move_subjects(gone, keep, by=by)
        note = f"{people} people, {moved} requests, {animals} animals"
        labs.close_merged(gone, keep, by=by, note=note)
