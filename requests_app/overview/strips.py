"""Stage strips: how far each sample is, and the samples of one request together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max

from imaging_app.models import ImagingRequest
from imaging_app.states import ImagingState
from processing_app.models import Run
from processing_app.states import ACTIVE, RunState
from requests_app.models import ClearingBatch, Sample
from requests_app.overview.places import Place
from requests_app.states import ClearingState
from viewers_app.models import DataLayer

STAGES = ("Received", "Clearing", "Imaging", "Processing", "Viewable")
OPEN_ROUND = frozenset({ImagingState.WAITING, ImagingState.IN_PROGRESS})


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

    rounds: dict[int, list[ImagingRequest]]  # by sample, in order of their numbers
    runs: dict[int, Run]  # the newest of each imaging request
    layers: dict[int, int]  # by imaging request


@dataclass(frozen=True, slots=True)
class Sight:
    """One sample as people see it: its strip, and where it is in one word."""

    sample: Sample
    strip: list[Stage]
    place: Place


def facts_of(samples: Iterable[Sample]) -> Facts:
    """Read every round of imaging of these samples, its newest run, and what it made viewable."""
    ids = [sample.pk for sample in samples]
    rounds: dict[int, list[ImagingRequest]] = defaultdict(list)
    rows = ImagingRequest.objects.filter(sample__in=ids).select_related("batch__imager")
    for row in rows.order_by("sample_id", "number"):
        rounds[row.sample_id].append(row)
    of_samples = Run.objects.processing().filter(imaging_request__sample__in=ids).order_by()
    newest = of_samples.values("imaging_request").annotate(run=Max("id"))
    runs = Run.objects.filter(pk__in=[row["run"] for row in newest])
    path = "product__channel__resolution__imaging_request"
    current = DataLayer.objects.filter(product__retired_at=None, **{f"{path}__sample__in": ids})
    layers = current.order_by().values_list(path).annotate(Count("id"))
    return Facts(dict(rounds), {run.imaging_request_id: run for run in runs}, dict(layers))


def sights_of(samples: Iterable[Sample]) -> dict[int, Sight]:
    """Return {sample id: what people see of it}. Samples come with request, batch and receiver."""
    found = list(samples)
    facts = facts_of(found)
    return {sample.pk: sight_of(sample, facts) for sample in found}


def strips_of(samples: Iterable[Sample]) -> dict[int, list[Stage]]:
    """Return {sample id: its five stages}."""
    return {pk: sight.strip for pk, sight in sights_of(samples).items()}


def sight_of(sample: Sample, facts: Facts) -> Sight:
    return Sight(sample, strip_of(sample, facts), place_of(sample, facts))


def strip_of(sample: Sample, facts: Facts) -> list[Stage]:
    """Return the five stages of one sample, of the round that is open, else of the newest."""
    rounds = facts.rounds.get(sample.pk, [])
    current = current_round(rounds, facts)
    run = facts.runs.get(current.pk) if current else None
    layers = sum(facts.layers.get(each.pk, 0) for each in rounds)
    return [
        _received(sample),
        _clearing(sample.clearing_batch),
        _imaging(current, len(rounds)),
        _processing(run, current),
        _viewable(layers, current),
    ]


def current_round(rounds: Sequence[ImagingRequest], facts: Facts) -> ImagingRequest | None:
    """Return the round a person asks about: open, else imaged and not yet viewable, else newest."""
    pending = [r for r in rounds if _is_pending(r, facts) or _has_failed(r, facts)]
    taken = [r for r in rounds if r.state == ImagingState.COMPLETE]
    waiting = [r for r in rounds if r.state in OPEN_ROUND]
    return next(iter([*waiting, *pending, *taken[::-1], *rounds[::-1]]), None)


def place_of(sample: Sample, facts: Facts) -> Place:
    """Return where the sample is: the rule of places.samples_at(), for rows that are read."""
    rounds = facts.rounds.get(sample.pk, [])
    if any(_has_failed(r, facts) for r in rounds):
        return Place.FAILED
    if any(r.state in OPEN_ROUND for r in rounds):
        return _place_before_images(sample)
    if any(_is_pending(r, facts) for r in rounds):
        return Place.PROCESSING
    if any(facts.layers.get(r.pk) for r in rounds):
        return Place.VIEWABLE
    taken = any(r.state == ImagingState.COMPLETE for r in rounds)
    return Place.IMAGED if taken else Place.SKIPPED


def _place_before_images(sample: Sample) -> Place:
    batch = sample.clearing_batch
    if batch is not None and batch.state == ClearingState.COMPLETE:
        return Place.IMAGING
    is_here = sample.received_at is not None or sample.request.self_clearing
    if is_here or (batch is not None and batch.state != ClearingState.WAITING):
        return Place.CLEARING
    return Place.ON_THE_WAY


def _has_failed(imaged: ImagingRequest, facts: Facts) -> bool:
    run = facts.runs.get(imaged.pk)
    return imaged.state == ImagingState.COMPLETE and bool(run) and run.state == RunState.FAILED  # type: ignore[union-attr]  # bool(run) says it is there


def _is_pending(imaged: ImagingRequest, facts: Facts) -> bool:
    """Return True while the computer is at work on the round, or its volumes get published."""
    run = facts.runs.get(imaged.pk)
    if imaged.state != ImagingState.COMPLETE or run is None:
        return False
    if run.state == RunState.SUCCEEDED:
        return not facts.layers.get(imaged.pk)
    return run.state in ACTIVE and not facts.layers.get(imaged.pk)


def _received(sample: Sample) -> Stage:
    if sample.received_at:
        who, bad = str(sample.received_by or ""), sample.condition not in {"", "good"}
        seen = sample.get_condition_display().lower()
        word = f"received, {seen}" if bad else "received"
        return Stage("Received", "done", word, sample.received_at, who, sample.condition_note)
    batch = sample.clearing_batch
    if batch and batch.state not in {ClearingState.WAITING, ClearingState.CANCELLED}:
        return Stage("Received", "done", "received", batch.state_since)
    if sample.request.self_clearing:
        return Stage("Received", "skipped", "stays with its owner")
    if batch and batch.state == ClearingState.CANCELLED:
        return Stage("Received", "skipped", "never came")
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


def token_of(state: str) -> str:
    """Return the design token of a state of clearing, imaging or processing."""
    return _TOKENS.get(state, "waiting")


def _clearing(batch: ClearingBatch | None) -> Stage:
    if batch is None:
        return Stage("Clearing", "waiting", "waiting")
    who = str(batch.clearer or "")
    when = batch.state_since if batch.state != ClearingState.WAITING else None
    return Stage("Clearing", token_of(batch.state), batch.state, when, who, str(batch.protocol))


def _imaging(request: ImagingRequest | None, count: int) -> Stage:
    if request is None:
        return Stage("Imaging", "waiting", "waiting")
    who = str(request.batch.imager or "")
    when = request.state_since if request.state != ImagingState.WAITING else None
    detail = f"round {request.number} of {count}" if count > 1 else ""
    return Stage("Imaging", token_of(request.state), request.state, when, who, detail)


def _processing(run: Run | None, imaging: ImagingRequest | None) -> Stage:
    if imaging and imaging.state in {ImagingState.SKIPPED, ImagingState.CANCELLED}:
        return Stage("Processing", "skipped", "nothing to do")
    if imaging and imaging.state == ImagingState.COMPLETE and run is None:
        return Stage("Processing", "skipped", "nothing here takes such images")
    if run is None or (imaging and imaging.state in OPEN_ROUND):
        return Stage("Processing", "waiting", "waiting", detail="waits for imaging")
    token, detail = token_of(run.state), f"run {run.pk}"
    return Stage("Processing", token, run.state, run.state_since, detail=detail)


def _viewable(layers: int, imaging: ImagingRequest | None) -> Stage:
    if layers:
        return Stage("Viewable", "done", f"{layers} volume{'s' if layers > 1 else ''}")
    if imaging and imaging.state in {ImagingState.SKIPPED, ImagingState.CANCELLED}:
        return Stage("Viewable", "skipped", "nothing to look at")
    return Stage("Viewable", "waiting", "not yet")


def summary_of(sights: Iterable[Sight]) -> str:
    """Return `12 samples: 7 viewable, 4 imaging, 1 failed`, in the order of the stages."""
    words = Counter(sight.place for sight in sights)
    total = sum(words.values())
    if not total:
        return "no samples"
    return f"{total} sample{'' if total == 1 else 's'}: {_counted(words)}"


def brief_of(sights: Iterable[Sight]) -> str:
    """Return the same below a heading that says samples: `12: 7 viewable, 5 imaging`."""
    words = Counter(sight.place for sight in sights)
    return f"{sum(words.values())}: {_counted(words)}" if len(words) > 1 else _counted(words)


def _counted(words: Counter[Place]) -> str:
    return ", ".join(f"{words[place]} {place.label.lower()}" for place in Place if words[place])


def joint_strip(strips: Sequence[Sequence[Stage]]) -> list[Stage]:
    """Return the strip of a whole request: each stage as far as its samples are."""
    return [_joint(name, [strip[i] for strip in strips]) for i, name in enumerate(STAGES)]


def _joint(name: str, stages: Sequence[Stage]) -> Stage:
    if len(stages) == 1:
        return stages[0]
    tokens = [stage.state for stage in stages]
    done = sum(token in {"done", "skipped"} for token in tokens)
    latest = max((s.when for s in stages if s.when), default=None)
    who = _only(stage.who for stage in stages if stage.who)
    if "failed" in tokens:
        return Stage(name, "failed", f"{tokens.count('failed')} failed", latest)
    if tokens and done == len(tokens):
        all_skipped = set(tokens) == {"skipped"}
        word = _only(stage.word for stage in stages) if all_skipped else "all"
        return Stage(name, "skipped" if all_skipped else "done", word or "none", latest, who)
    if "progress" in tokens or done:
        return Stage(name, "progress", f"{done} of {len(tokens)}", latest, who)
    return Stage(name, "waiting", "waiting")


_SIGNS = {
    "waiting": "○", "progress": "◐", "needs-you": "!", "done": "●", "failed": "×", "skipped": "–",
}  # fmt: skip


def strip_in_words(strip: Iterable[Stage]) -> str:
    """Return the strip as text, for mails: `● Received · ◐ Clearing (1 of 2) · ○ Imaging`."""
    return " · ".join(
        f"{_SIGNS[one.state]} {one.stage}"
        + ("" if one.state in {"done", "waiting"} else f" ({one.word})")
        for one in strip
    )


def _only(words: Iterable[str]) -> str:
    """Return the word if it is the same everywhere; two people are not named as one."""
    found = set(words)
    return found.pop() if len(found) == 1 else ""
