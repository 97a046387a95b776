"""Where is my brain? Reads that span the apps: stage strips of samples, counts, who is needed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q

from core_app import roles
from core_app.models import User
from core_app.roles import Role
from imaging_app.models import ImagingRequest
from imaging_app.selectors import imaging_queue
from imaging_app.states import ImagingState
from processing_app.models import Run
from processing_app.selectors import RunView, overview, with_steps
from processing_app.states import RunState
from requests_app import selectors
from requests_app.models import ClearingBatch, Request, Sample
from requests_app.states import ClearingState, RequestState
from viewers_app.models import DataLayer

STAGES = ("Received", "Clearing", "Imaging", "Processing", "Viewable")


@dataclass(frozen=True, slots=True)
class Stage:
    """One place of the strip. `state` is a design token: waiting, progress, done, failed, …"""

    stage: str
    state: str
    word: str
    when: datetime | None = None
    who: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the strips of some samples are made of, read in a fixed number of queries."""

    imaging: dict[int, ImagingRequest]
    runs: dict[int, Run]
    layers: dict[int, int]


def facts_of(samples: Sequence[Sample]) -> Facts:
    """Read imaging, runs and layers of these samples; the newest round of each counts."""
    ids = [sample.pk for sample in samples]
    rounds = (
        ImagingRequest.objects.filter(sample__in=ids)
        .select_related("batch__imager")
        .order_by("number")
    )
    imaging = {row.sample_id: row for row in rounds}
    newest = (
        Run.objects.filter(imaging_request__sample__in=ids)
        .values("imaging_request")
        .annotate(run=Max("id"))
    )
    runs = Run.objects.filter(pk__in=[row["run"] for row in newest]).select_related(
        "imaging_request"
    )
    path = "product__channel__resolution__imaging_request__sample"
    current = DataLayer.objects.filter(product__retired_at=None)
    layers = current.filter(**{f"{path}__in": ids}).values_list(path).annotate(Count("id"))
    return Facts(imaging, {run.imaging_request.sample_id: run for run in runs}, dict(layers))


def strips_of(samples: Sequence[Sample]) -> dict[int, list[Stage]]:
    """Return {sample id: its five stages}. The samples come with their clearing batch."""
    facts = facts_of(samples)
    return {sample.pk: strip_of(sample, facts) for sample in samples}


def strip_of(sample: Sample, facts: Facts) -> list[Stage]:
    """Return the five stages of one sample."""
    return [
        _received(sample),
        _clearing(sample.clearing_batch),
        _imaging(facts.imaging.get(sample.pk)),
        _processing(facts.runs.get(sample.pk), facts.imaging.get(sample.pk)),
        _viewable(facts.layers.get(sample.pk, 0)),
    ]


def _received(sample: Sample) -> Stage:
    if sample.received_at:
        who = str(sample.received_by or "")
        return Stage("Received", "done", "received", sample.received_at, who)
    batch = sample.clearing_batch
    if batch and batch.state not in {ClearingState.WAITING, ClearingState.CANCELLED}:
        return Stage("Received", "done", "received", batch.state_since)
    due = f"expected {sample.expected_handoff_date}" if sample.expected_handoff_date else ""
    return Stage("Received", "waiting", "not yet here", detail=due)


_TOKENS = {
    "waiting": "waiting",
    "in progress": "progress",
    "complete": "done",
    "skipped": "skipped",
    "cancelled": "skipped",
    "planned": "progress",
    "running": "progress",
    "succeeded": "done",
    "failed": "failed",
}


def _clearing(batch: ClearingBatch | None) -> Stage:
    if batch is None:
        return Stage("Clearing", "waiting", "waiting")
    who = str(batch.clearer or "")
    return Stage(
        "Clearing", _TOKENS[batch.state], batch.state, batch.state_since, who, str(batch.protocol)
    )


def _imaging(request: ImagingRequest | None) -> Stage:
    if request is None:
        return Stage("Imaging", "waiting", "waiting")
    who = str(request.batch.imager or "")
    when = request.state_since if request.state != ImagingState.WAITING else None
    return Stage("Imaging", _TOKENS[request.state], request.state, when, who)


def _processing(run: Run | None, imaging: ImagingRequest | None) -> Stage:
    if run is not None:
        return Stage(
            "Processing", _TOKENS[run.state], run.state, run.state_since, detail=f"run {run.pk}"
        )
    if imaging and imaging.state in {ImagingState.SKIPPED, ImagingState.CANCELLED}:
        return Stage("Processing", "skipped", "nothing to do")
    return Stage("Processing", "waiting", "waiting", detail="waits for imaging")


def _viewable(layers: int) -> Stage:
    if layers:
        return Stage("Viewable", "done", f"{layers} volume{'s' if layers > 1 else ''}")
    return Stage("Viewable", "waiting", "not yet")


def word_of(strip: Sequence[Stage]) -> str:
    """Return one word for a sample: failed, viewable, or the stage it is in."""
    if any(stage.state == "failed" for stage in strip):
        return "failed"
    if strip[-1].state == "done":
        return "viewable"
    open_stages = [stage for stage in strip if stage.state not in {"done", "skipped"}]
    if len(open_stages) == 1 and strip[2].state == "skipped":
        return "skipped"
    return open_stages[0].stage.lower() if open_stages[0].stage != "Received" else "on the way"


def summary_of(strips: Iterable[Sequence[Stage]]) -> str:
    """Return `12 samples: 7 viewable, 4 imaging, 1 failed`."""
    words = Counter(word_of(strip) for strip in strips)
    total = sum(words.values())
    parts = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return f"{total} sample{'' if total == 1 else 's'}: {parts}" if total else "no samples"


def joint_strip(strips: Sequence[Sequence[Stage]]) -> list[Stage]:
    """Return the strip of a whole request: each stage as far as its samples are."""
    return [_joint(name, [strip[i] for strip in strips]) for i, name in enumerate(STAGES)]


def _joint(name: str, stages: Sequence[Stage]) -> Stage:
    tokens = [stage.state for stage in stages]
    done = sum(token in {"done", "skipped"} for token in tokens)
    latest = max((s.when for s in stages if s.when), default=None)
    if "failed" in tokens:
        return Stage(name, "failed", f"{tokens.count('failed')} failed", latest)
    if tokens and done == len(tokens):
        all_skipped = set(tokens) == {"skipped"}
        word = stages[0].word if len(tokens) == 1 else "all"
        return Stage(name, "skipped" if all_skipped else "done", word, latest, stages[0].who)
    if "progress" in tokens or done:
        word = stages[0].word if len(tokens) == 1 else f"{done} of {len(tokens)}"
        return Stage(name, "progress", word, latest, stages[0].who)
    return Stage(name, "waiting", "waiting", detail=stages[0].detail if len(stages) == 1 else "")


_SIGNS = {"waiting": "○", "progress": "◐", "done": "●", "failed": "×", "skipped": "–"}


def strip_in_words(strip: Iterable[Stage]) -> str:
    """Return the strip as text, for mails: `● Received: all, ◐ Clearing: 1 of 2`."""
    return ", ".join(f"{_SIGNS[one.state]} {one.stage}: {one.word}" for one in strip)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the request list."""

    request: Request
    strip: list[Stage]
    summary: str
    next_action: str


def rows_of(requests: Sequence[Request]) -> list[Row]:
    """Return list lines with joint strips. The requests come with their samples prefetched."""
    samples = [sample for request in requests for sample in request.samples.all()]
    strips = strips_of(samples)
    return [_row(request, [strips[s.pk] for s in request.samples.all()]) for request in requests]


def _row(request: Request, strips: list[list[Stage]]) -> Row:
    joint = joint_strip(strips) if strips else []
    return Row(request, joint, summary_of(strips), next_action_of(request, joint))


def next_action_of(request: Request, strip: Sequence[Stage]) -> str:
    """Return in words what happens next, and who does it."""
    if request.state in {RequestState.CLOSED, RequestState.WITHDRAWN}:
        return request.get_state_display()
    waiting = {
        "Received": "Hand the samples in",
        "Clearing": "Clearing staff start clearing"
        if not request.self_clearing
        else "You clear the samples",
        "Imaging": "Imaging staff take the images"
        if not request.self_imaging
        else "You image the samples",
        "Processing": "The cluster makes the volumes",
        "Viewable": "The volumes are being published",
    }
    failed = next((stage for stage in strip if stage.state == "failed"), None)
    if failed:
        return f"{failed.stage} failed; staff look at it"
    pending = next((stage for stage in strip if stage.state not in {"done", "skipped"}), None)
    if pending is None:
        return "Done"
    if pending.state == "progress" and pending.stage in {"Clearing", "Imaging"}:
        who = f" by {pending.who}" if pending.who else ""
        return f"{pending.stage} is under way{who}"
    return waiting[pending.stage]


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for this person."""

    text: str
    url: str
    count: int = 1


def needs_of(user: User) -> list[Need]:
    """Return what waits for this person: drafts, queues of their roles, failed runs."""
    drafts = selectors.drafts_of(user).count()
    clearing = selectors.clearing_queue(to=user)
    imaging = imaging_queue(to=user)
    ready = Q(state=ImagingState.WAITING, clearing_batch__state=ClearingState.COMPLETE)
    found = [
        Need("draft to finish and submit", "/requests/?stage=draft", drafts),
        Need(
            "batch ready to be cleared",
            "/clearing/?state=waiting",
            clearing.filter(state=ClearingState.WAITING).count(),
        ),
        Need(
            "batch that you are clearing",
            "/clearing/?mine=1",
            clearing.filter(state=ClearingState.IN_PROGRESS, clearer=user).count(),
        ),
        Need("batch ready to be imaged", "/imaging/", imaging.filter(ready).count()),
        Need(
            "batch that you are imaging",
            "/imaging/",
            imaging.filter(state=ImagingState.IN_PROGRESS, imager=user).count(),
        ),
    ]
    if roles.has_role(user, Role.PROCESSOR, Role.MANAGER, Role.OPERATOR):
        found.append(
            Need(
                "run that failed",
                "/processing/?state=failed",
                Run.objects.filter(state=RunState.FAILED).count(),
            )
        )
    return [need for need in found if need.count]


def runs_by_sample(samples: Sequence[Sample]) -> dict[int, list[RunView]]:
    """Return {sample id: its runs with their progress, newest first}."""
    found: dict[int, list[RunView]] = defaultdict(list)
    rows = Run.objects.filter(imaging_request__sample__in=[s.pk for s in samples])
    rows = with_steps(rows.select_related("imaging_request__sample__request__owner"))
    for run in rows.order_by("-id"):
        found[run.imaging_request.sample_id].append(overview(run))
    return found


def is_moving(request: Request) -> bool:
    """Return True while something of the request runs by itself, so its page should refresh."""
    active = [RunState.PLANNED, RunState.RUNNING]
    running = Run.objects.filter(imaging_request__sample__request=request, state__in=active)
    return request.state == RequestState.SUBMITTED and running.exists()
