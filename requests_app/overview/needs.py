"""What waits for a person: their drafts and tubes, and the queues of their roles."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from core_app import roles
from core_app.models import User
from core_app.roles import Role
from imaging_app.models import ImagingBatch
from imaging_app.selectors import imaging_queue
from imaging_app.states import ImagingState
from processing_app.models import Run
from processing_app.selectors import rounds
from processing_app.states import ACTIVE, RunState
from requests_app import selectors
from requests_app.models import ClearingBatch, ClearingStepLog, PlannedStep, Request, Sample
from requests_app.selectors.today import GRACE
from requests_app.states import ClearingState, RequestState

SOON = timedelta(days=3)
QUEUE_LINES = 6


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for this person. The token says how urgent it is."""

    text: str
    url: str
    count: int = 1
    token: str = "needs-you"


def needs_of(user: User) -> list[Need]:
    """Return what waits for this person: own work first, then that of their roles."""
    found = [*_own(user), *_of_clearing(user), *_of_imaging(user), *_to_process(user)]
    if roles.has_role(user, Role.PROCESSOR, Role.MANAGER, Role.OPERATOR):
        found += _of_processing()
    if roles.has_role(user, Role.MANAGER):
        found += _of_managers()
    return [need for need in found if need.count]


def _count(count: int, one: str, many: str, url: str, token: str = "needs-you") -> Need:
    return Need(one if count == 1 else many, url, count, token)


def _own(user: User) -> Iterator[Need]:
    drafts = selectors.drafts_of(user).count()
    mine = "/requests/?state=draft&owner=me"
    yield _count(
        drafts, "draft to finish and submit", "drafts to finish and submit", mine, "waiting"
    )
    tubes, today = tubes_to_hand_in(user), timezone.localdate()
    there = "/samples/?stage=on-the-way&owner=me&sort=expected"
    late = tubes.filter(expected_handoff_date__lt=today).count()
    soon = tubes.filter(expected_handoff_date__range=(today, today + SOON)).count()
    yield _count(
        late, "tube to hand in: its day has passed", "tubes to hand in: their day has passed", there
    )
    yield _count(
        soon, "tube to hand in within 3 days", "tubes to hand in within 3 days", there, "waiting"
    )


def tubes_to_hand_in(user: User) -> QuerySet[Sample]:
    """Return the samples of this person that clearing staff still wait for."""
    rows = Sample.objects.filter(Q(request__owner=user) | Q(request__requested_by=user))
    return _not_here(rows)


def _not_here(rows: QuerySet[Sample]) -> QuerySet[Sample]:
    return rows.filter(
        request__state=RequestState.SUBMITTED,
        request__self_clearing=False,
        received_at=None,
        clearing_batch__state=ClearingState.WAITING,
    )


def _of_clearing(user: User) -> Iterator[Need]:
    batches = selectors.clearing_queue(to=user).order_by()
    waiting = batches.filter(state=ClearingState.WAITING)
    here = ~Exists(_tubes_missing()) | Q(request__self_clearing=True)
    ready = waiting.filter(here).count()
    mine = batches.filter(state=ClearingState.IN_PROGRESS, clearer=user)
    there = "/clearing/?state=waiting"
    yield _count(ready, "batch ready to be cleared", "batches ready to be cleared", there)
    yield _count(
        waiting.count() - ready, "batch whose tubes are on the way",
        "batches whose tubes are on the way", there, "waiting",
    )  # fmt: skip
    yield _count(
        mine.count(), "batch that you are clearing", "batches that you are clearing",
        "/clearing/?mine=1", "progress",
    )  # fmt: skip
    yield _count(
        mine.filter(Exists(_late_steps())).count(),
        "batch of yours with a step overdue", "batches of yours with a step overdue",
        "/clearing/today/",
    )  # fmt: skip


def _tubes_missing() -> QuerySet[Sample]:
    return Sample.objects.filter(clearing_batch=OuterRef("pk"), received_at=None)


def _late_steps() -> QuerySet[PlannedStep]:
    """The planned steps that nobody has logged and that are overdue on the bench's own page."""
    logged = ClearingStepLog.objects.filter(batch=OuterRef("batch"), step=OuterRef("step"))
    late = PlannedStep.objects.filter(~Exists(logged), starts_at__lt=timezone.now() - GRACE)
    return late.filter(batch=OuterRef("pk"))


def _of_imaging(user: User) -> Iterator[Need]:
    batches = imaging_queue(to=user).order_by()
    ready = Q(state=ImagingState.WAITING, clearing_batch__state=ClearingState.COMPLETE)
    yield _count(
        batches.filter(ready).count(),
        "batch ready to be imaged", "batches ready to be imaged", "/imaging/",
    )  # fmt: skip
    yield _count(
        batches.filter(state=ImagingState.IN_PROGRESS, imager=user).count(),
        "batch that you are imaging", "batches that you are imaging", "/imaging/", "progress",
    )  # fmt: skip


def _to_process(user: User) -> Iterator[Need]:
    """What this person may start: of their own requests, or of all for processing staff."""
    ready = rounds.ready(rounds.queue(to=user)).count()
    yield _count(
        ready, "sample ready to be processed", "samples ready to be processed",
        "/processing/?part=ready",
    )  # fmt: skip


def failed_runs() -> QuerySet[Run]:
    """Return the runs that failed and that no newer one of the same images has replaced."""
    newer = Run.objects.filter(
        pipeline=OuterRef("pipeline"),
        imaging_request=OuterRef("imaging_request"),
        pk__gt=OuterRef("pk"),
    )
    return Run.objects.processing().filter(~Exists(newer), state=RunState.FAILED)


def _of_processing() -> Iterator[Need]:
    yield _count(
        failed_runs().count(), "run that failed", "runs that failed",
        "/processing/runs/?state=failed", "failed",
    )  # fmt: skip


def _of_managers() -> Iterator[Need]:
    late = _not_here(Sample.objects.filter(expected_handoff_date__lt=timezone.localdate()))
    yield _count(
        late.count(), "tube overdue", "tubes overdue", "/samples/?stage=on-the-way&sort=expected"
    )
    stuck = ClearingBatch.objects.filter(Exists(_late_steps()), state=ClearingState.IN_PROGRESS)
    yield _count(
        stuck.count(),
        "batch with a clearing step overdue", "batches with a clearing step overdue",
        "/clearing/today/",
    )  # fmt: skip
    typed = Request.objects.filter(state=RequestState.SUBMITTED, lab=None).exclude(lab_text="")
    yield _count(
        typed.count(), "request of a lab that is not in the list of labs",
        "requests of labs that are not in the list of labs",
        "/requests/?lab=-&state=submitted", "waiting",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One thing in a queue: what it is, where it is, how it stands."""

    text: str
    note: str
    url: str
    state: str


@dataclass(frozen=True, slots=True)
class Queue:
    """The head of one queue of a role."""

    title: str
    url: str
    lines: list[QueueLine]
    nothing: str


def queues_of(user: User) -> list[Queue]:
    """Return the heads of the queues of the person's roles; nothing for researchers."""
    found = []
    if roles.has_role(user, Role.CLEARER, Role.MANAGER):
        found.append(_clearing_queue(user))
    if roles.has_role(user, Role.IMAGER, Role.MANAGER):
        found.append(_imaging_queue(user))
    if roles.has_role(user, Role.PROCESSOR, Role.OPERATOR, Role.MANAGER):
        found.append(_run_queue())
    return found


def _clearing_queue(user: User) -> Queue:
    rows = selectors.clearing_queue(to=user)
    rows = rows.filter(state__in=[ClearingState.WAITING, ClearingState.IN_PROGRESS])
    rows = rows.order_by("state", "expected_handoff_date", "id")[:QUEUE_LINES]
    return Queue(
        "Clearing", "/clearing/", [_clearing_line(batch) for batch in rows],
        "No batch waits. Batches come here when a request is submitted.",
    )  # fmt: skip


def _clearing_line(batch: ClearingBatch) -> QueueLine:
    due = f", expected {batch.expected_handoff_date}" if batch.expected_handoff_date else ""
    who = f" by {batch.clearer}" if batch.clearer else due
    text = f"{batch.request.name}, batch {batch.number}"
    return QueueLine(text, f"{batch.protocol}{who}", f"/clearing/batches/{batch.pk}/", batch.state)


def _imaging_queue(user: User) -> Queue:
    ready = Q(state=ImagingState.IN_PROGRESS) | Q(
        state=ImagingState.WAITING, clearing_batch__state=ClearingState.COMPLETE
    )
    rows = imaging_queue(to=user).filter(ready).order_by("state", "id")[:QUEUE_LINES]
    return Queue(
        "Imaging", "/imaging/", [_imaging_line(batch) for batch in rows],
        "No batch waits. Batches come here when their clearing is complete.",
    )  # fmt: skip


def _imaging_line(batch: ImagingBatch) -> QueueLine:
    clearing = batch.clearing_batch
    text = f"{clearing.request.name}, batch {clearing.number}.{batch.number}"
    round_ = f"round {batch.imaging_request_number}, " if batch.imaging_request_number > 1 else ""
    who = f" by {batch.imager}" if batch.imager else ""
    note = f"{round_}{batch.sample_count} samples{who}"  # type: ignore[attr-defined]  # annotated
    return QueueLine(text, note, f"/imaging/batches/{batch.pk}/", batch.state)


def _run_queue() -> Queue:
    active = Run.objects.filter(state__in=ACTIVE)
    rows = [*_newest(failed_runs()), *_newest(active)][:QUEUE_LINES]
    return Queue(
        "Processing", "/processing/", [_run_line(run) for run in rows],
        "Nothing runs and nothing failed. A run starts when a sample is imaged.",
    )  # fmt: skip


def _newest(runs: QuerySet[Run]) -> Iterable[Run]:
    rows = runs.select_related("imaging_request__sample__request")
    return rows.order_by("-id")[:QUEUE_LINES]


def _run_line(run: Run) -> QueueLine:
    sample = run.imaging_request.sample
    text, url = f"{sample.name}, run {run.pk}", f"/processing/runs/{run.pk}/"
    return QueueLine(text, sample.request.name, url, run.state)
