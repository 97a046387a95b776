"""What happened to a request, newest first: each entry names its object, long runs are folded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from core_app.models import Event
from requests_app.models import Request
from requests_app.overview.details import SampleDetail
from requests_app.overview.strips import token_of
from requests_app.selectors import events_of

MOST = 1000
FOLDED_FROM = 3
STEPS = frozenset({"step logged", "step corrected", "step taken back"})
ObjectKey = tuple[str, int]

# What a change of state is called: by kind and new state, or by the state left where that tells.
MOVES = {
    ("request", "", "draft"): "draft begun",
    ("request", "draft", "submitted"): "submitted",
    ("request", "closed", "submitted"): "opened again",
    ("request", "", "closed"): "finished",
    ("request", "", "withdrawn"): "withdrawn",
    ("clearing batch", "complete", "in progress"): "clearing opened again",
    ("clearing batch", "", "in progress"): "clearing started",
    ("clearing batch", "", "waiting"): "put back in the queue",
    ("clearing batch", "", "complete"): "clearing complete",
    ("clearing batch", "", "cancelled"): "clearing cancelled",
    ("imaging batch", "", "in progress"): "imaging started",
    ("imaging batch", "", "complete"): "imaging complete",
    ("imaging batch", "", "waiting"): "put back in the queue",
    ("imaging request", "complete", "in progress"): "imaging opened again",
    ("imaging request", "skipped", "in progress"): "imaging opened again",
    ("imaging request", "", "in progress"): "being imaged",
    ("imaging request", "", "waiting"): "put back in the queue",
    ("imaging request", "", "complete"): "imaging complete",
    ("imaging request", "", "skipped"): "imaging skipped",
    ("imaging request", "", "cancelled"): "imaging cancelled",
    ("run", "failed", "running"): "processing tried again",
    ("run", "cancelled", "running"): "processing tried again",
    ("run", "", "running"): "processing started",
    ("run", "", "succeeded"): "volumes made",
    ("run", "", "failed"): "processing failed",
    ("run", "", "cancelled"): "processing cancelled",
}
VERBS = {
    "sample received": "received",
    "acquisition entered": "acquisition parameters entered",
    "cancel asked": "asked to stop",
    "reminder sent": "reminded that processing waits to be started",
    "volumes viewable": "raw volumes can be viewed",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline, or several of the same kind folded into one."""

    title: str
    text: str
    token: str
    at: datetime
    by: str
    note: str = ""
    pk: int = 0
    items: list["Entry"] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Return the id of its unfolding part in the page."""
        return f"e-{self.pk}"


@dataclass(frozen=True, slots=True)
class Said:
    """An event with its words, before it is folded."""

    event: Event
    entry: Entry


def timeline_of(request: Request, details: Sequence[SampleDetail]) -> list[Entry]:
    """Return what happened to the request and to everything of it, newest first."""
    names = names_of(details)
    said = [Said(event, _entry(event, names)) for event in events_of(request, last=MOST)]
    return list(_folded(said))


def names_of(details: Iterable[SampleDetail]) -> dict[ObjectKey, str]:
    """Return what each object of the request is called, by kind and id."""
    found: dict[ObjectKey, str] = {}
    for detail in details:
        if detail.batch:
            found["clearing batch", detail.batch.pk] = f"Clearing batch {detail.batch.number}"
        for each in detail.rounds:
            _name_round(found, detail.sample.name, each.imaging)
            for request in each.processing:
                name = f"{detail.sample.name}, processing {request.number}"
                found["processing request", request.pk] = name
            for view in each.runs:
                found["run", view.run.pk] = f"{detail.sample.name}, run {view.run.pk}"
    return found


def _name_round(found: dict[ObjectKey, str], sample: str, imaging: Any) -> None:
    later = f", round {imaging.number}" if imaging.number > 1 else ""
    batch = imaging.batch
    number = f"{batch.clearing_batch.number}.{batch.number}"
    found["imaging request", imaging.pk] = f"{sample}{later}"
    found["imaging batch", batch.pk] = f"Imaging batch {number}{later}"


def _entry(event: Event, names: dict[ObjectKey, str]) -> Entry:
    title = names.get((event.kind, event.object_id), event.kind.capitalize())
    text, note = _words(event)
    if event.kind == Request.KIND:
        title = "The request"
    if event.verb == "sample received":
        title, _, note = event.note.partition(": ")
    by = str(event.by) if event.by else "lightserv itself"
    return Entry(title, text, _token(event), event.at, by, note, event.pk)


def _words(event: Event) -> tuple[str, str]:
    """Return what happened, and the note that remains to be said."""
    if event.verb == "delivery checked":
        folder, _, verdict = event.note.rpartition(": ")
        what = f"raw data in {folder} checked" if folder else "raw data checked"
        if verdict == "right":
            return f"{what}: all there, as requested", ""
        return f"{what}: {verdict} found", ""
    if event.verb in VERBS:
        return VERBS[event.verb], event.note
    if event.to:
        known = MOVES.get((event.kind, event.came_from, event.to))
        text = known or MOVES.get((event.kind, "", event.to)) or str(event.to)
        return text, "" if event.note == "claimed" else event.note
    return event.verb, event.note


def _token(event: Event) -> str:
    if event.verb == "delivery checked":
        return "done" if event.note.rpartition(": ")[2] == "right" else "needs-you"
    if event.to:
        states = {"draft": "waiting", "submitted": "progress", "closed": "done"}
        known = states.get(event.to) or token_of(event.to)
        return "skipped" if event.to == "withdrawn" else known
    return "done" if event.verb in {"sample received", "step logged"} else "note"


def _folded(said: Sequence[Said]) -> Iterator[Entry]:
    """Fold what is the same and follows one another: steps of a batch, samples of one act."""
    for _, group in groupby(said, key=_alike):
        some = list(group)
        entries = [one.entry for one in some]
        if len(entries) < FOLDED_FROM:
            yield from entries
        else:
            yield _fold(some[0].event, entries)


def _alike(one: Said) -> tuple[object, ...]:
    event = one.event
    if event.verb in STEPS:
        return (event.kind, event.object_id, "steps")
    return (event.kind, event.verb, event.came_from, event.to, event.by_id, one.entry.text)


def _fold(event: Event, entries: list[Entry]) -> Entry:
    newest = entries[0]
    people = list(dict.fromkeys(entry.by for entry in entries))
    by = people[0] if len(people) == 1 else f"{people[0]} and {len(people) - 1} more"
    if event.verb in STEPS:
        text = f"{len(entries)} entries in the log of steps"
        return Entry(newest.title, text, "done", newest.at, by, "", newest.pk, entries)
    what = {"run": "runs", "clearing batch": "batches", "imaging batch": "batches"}
    title = f"{len(entries)} {what.get(event.kind, 'samples')}"
    shared = {entry.note for entry in entries}
    note = newest.note if len(shared) == 1 else ""
    return Entry(title, newest.text, newest.token, newest.at, by, note, newest.pk, entries)
