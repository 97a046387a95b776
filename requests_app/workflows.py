"""Use cases that begin with a request and span the apps: submit, withdraw, close."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from core_app import roles
from core_app.bell import ring
from core_app.errors import Invalid
from core_app.models import User
from core_app.roles import Role
from imaging_app import selectors as imaging_reads
from imaging_app import services as imaging
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.states import ImagingState
from processing_app.models import Atlas, ProcessingRequest, Run
from processing_app.services import runs
from processing_app.states import ProcessingState, RunState
from requests_app import selectors
from requests_app.models import ClearingBatch, Request, Species
from requests_app.plans import RequestPlan, Rules, problems_of
from requests_app.services import clearing, requests
from requests_app.states import ClearingState, RequestState


def current_rules() -> Rules:
    """Read what the database allows today, for checking a plan."""
    species = {s.name: s.only_generic_imaging for s in Species.objects.all()}
    protocols = list(selectors.offered_protocols())
    objectives = list(imaging_reads.offered_objectives())
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
        atlases=frozenset(Atlas.objects.filter(is_offered=True).values_list("name", flat=True)),
    )


def submit_request(draft: Request, plan: RequestPlan, *, by: User) -> Request:
    """Submit a draft: request, samples, clearing batches and imaging rounds in one transaction."""
    problems = problems_of(plan, current_rules())
    if problems:
        count = sum(len(messages) for messages in problems.values())
        raise Invalid(
            f"{count} thing{'s' if count > 1 else ''} to correct "
            "before the request can be submitted.",
            fields=problems,
        )
    with transaction.atomic(durable=True):
        samples = requests.submit(draft, plan, by=by)
        clearing.group_samples(draft, samples, plan.samples, by=by)
        imager = draft.owner if draft.self_imaging else None
        imaging.plan_round(samples, plan.samples, imager=imager, by=by)
    return draft


def withdraw_request(request: Request, *, by: User, reason: str) -> None:
    """Withdraw the request and cancel everything of it that is not finished."""
    with transaction.atomic():
        _hold_work_of(request)
        requests.withdraw(request, by=by, reason=reason)
        clearing.cancel_open(request, by=by, note=reason)
        imaging.cancel_open(request, by=by, note=reason)
        runs.cancel_runs_of(request, by=by, reason=reason)
        ring(runs.DRIVE)


def _hold_work_of(request: Request) -> None:
    """Take the rows of imaging and clearing for this transaction, so that nobody starts meanwhile.

    Always in this order and before the request's own row, as finishing and re-opening do.
    """
    rounds = ImagingRequest.objects.filter(sample__request=request)
    imaging_batches = ImagingBatch.objects.filter(clearing_batch__request=request)
    clearing_batches = ClearingBatch.objects.filter(request=request)
    for rows in (rounds, imaging_batches, clearing_batches):
        list(rows.order_by("pk").select_for_update().values_list("pk"))


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
    runs_open = Run.objects.filter(
        Q(state__in=[RunState.PLANNED, RunState.RUNNING])
        | (Q(state=RunState.FAILED) & ~Exists(newer)),
        imaging_request__sample__request=request,
    )
    processing_open = ProcessingRequest.objects.filter(
        imaging_request__sample__request=request,
        state__in=[ProcessingState.WAITING, ProcessingState.RUNNING, ProcessingState.FAILED],
    )
    return any(rows.exists() for rows in (clearing_open, imaging_open, runs_open, processing_open))


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


def reopen_imaging(imaging_request: ImagingRequest, *, by: User, reason: str) -> None:
    """Open a finished sample again, and its request with it."""
    with transaction.atomic():
        imaging.reopen(imaging_request, by=by, reason=reason)
        _reopen(imaging_request.sample.request, by=by, reason=reason)


def _reopen(request: Request, *, by: User, reason: str) -> None:
    _hold(request)
    if request.state == RequestState.CLOSED:
        requests.reopen(request, by=by, note=reason)


def _hold(request: Request) -> None:
    """Read the state anew and keep others from changing it until the transaction ends."""
    request.refresh_from_db(fields=["state"], from_queryset=Request.objects.select_for_update())


def may_submit_for_others(user: User) -> bool:
    """Return True for those who may hand in a request in another person's name."""
    return roles.has_role(user, Role.CLEARER, Role.MANAGER)
