"""Write what staff correct: the row held, what changed from what to what in an Event."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from core_app import labs, roles
from core_app.changes import kind_of
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event, Lab, User
from core_app.roles import Role
from core_app.transitions import record, record_on
from requests_app.days_of_plans import EARLIEST_DAY, FARTHEST
from requests_app.models import ClearingBatch, Request, Sample

OF_REQUEST = frozenset(
    {"lab", "auditor", "description", "correspondence_email", "retention", "testing"}
)
OF_SAMPLE = frozenset({"subject", "perfusion_date", "expected_handoff_date", "notes_for_clearer"})
OF_BATCH = frozenset(
    {"notes_for_clearer", "expected_handoff_date", "unusual_experiment", "unusual_clearing"}
)
CORRECTED = "corrected"
Values = Mapping[str, Any]


def newest_event(obj: models.Model) -> int:
    """Return the id of the newest event of the object: what a person saw when the page opened."""
    events = Event.objects.filter(kind=kind_of(obj), object_id=obj.pk).order_by("-id")
    return events.values_list("id", flat=True).first() or 0


def correct_request(request: Request, values: Values, *, by: User, seen: int | None = None) -> None:
    """Correct what may be corrected. Naming a lab takes the place of the free text."""
    if not roles.has_role(by, Role.MANAGER):
        raise NotAllowed("Only managers correct requests.")
    if request.is_draft:
        raise NotReady("A draft is the business of who writes it.")
    auditor = values.get("auditor")
    if auditor and auditor.pk == request.owner_id:
        raise Invalid("The owner sees the request anyway; name another auditor or nobody.")
    free_text = {"lab_text": ""} if values.get("lab") else {}
    with transaction.atomic():
        if lab := values.get("lab"):
            labs.hold({lab.pk})  # the lab before its requests, as merging takes them
        said = write_corrections(
            request, {**values, **free_text}, OF_REQUEST | {"lab_text"}, seen=seen
        )
        if said:
            record(request, CORRECTED, by=by, note=said)


def set_lab(request: Request, lab: Lab, *, by: User) -> None:
    """Put a lab in the place of the free text that the researcher typed."""
    if not request.lab_text:
        raise NotReady(
            f"The request names {request.lab} already."
            if request.lab
            else "The request names no lab, not even as free text. Choose one on its page."
        )
    correct_request(request, {"lab": lab}, by=by)


def move_requests(gone: Lab, keep: Lab, *, by: User) -> int:
    """Move all requests of one lab to another. The caller holds the transaction."""
    moved = 0
    for request in Request.objects.select_for_update().filter(lab=gone).order_by("pk"):
        Request.objects.filter(pk=request.pk).update(lab=keep)
        record(request, CORRECTED, by=by, note=f"lab: {gone} → {keep} (labs merged)")
        moved += 1
    return moved


def correct_sample(sample: Sample, values: Values, *, by: User, seen: int | None = None) -> None:
    """Correct animal, dates and notes of a tube. Its batch follows the earliest hand-off."""
    _require_clearing_staff(by, "samples")
    with transaction.atomic():
        batch = _held_batch(sample)
        held = Sample.objects.select_for_update().get(pk=sample.pk)
        _require_dates(held, values)
        earliest = _earliest_handoff(batch)
        said = write_corrections(sample, values, OF_SAMPLE, seen=seen)
        if not said:
            return
        record_on(sample, CORRECTED, by=by, note=said, root_id=sample.request_id)
        if batch and batch.expected_handoff_date == earliest:
            _write_batch(batch, {"expected_handoff_date": _earliest_handoff(batch)}, by=by)


def correct_batch(
    batch: ClearingBatch, values: Values, *, by: User, seen: int | None = None
) -> None:
    """Correct plans and remarks of a batch; what was done is corrected at the bench."""
    _require_clearing_staff(by, "batches")
    if problems := too_far(values.get("expected_handoff_date")):
        raise Invalid(next(iter(problems.values()))[0], fields=problems)
    with transaction.atomic():
        _write_batch(batch, values, by=by, seen=seen)


def _write_batch(
    batch: ClearingBatch, values: Values, *, by: User, seen: int | None = None
) -> None:
    said = write_corrections(batch, values, OF_BATCH, seen=seen)
    if said:
        record(batch, CORRECTED, by=by, note=said)


def date_problems(sample: Sample, values: Values) -> dict[str, list[str]]:
    """Return what is wrong with the corrected dates of a sample, by field."""
    perfused = values.get("perfusion_date", sample.perfusion_date)
    handed_in = values.get("expected_handoff_date", sample.expected_handoff_date)
    found: dict[str, list[str]] = {}
    if "perfusion_date" in values and perfused:
        found.update(_perfusion_problems(perfused))
    if perfused and handed_in and perfused > handed_in:
        found["perfusion_date"] = ["The perfusion lies after the hand-off; correct one of them."]
    if "expected_handoff_date" in values and handed_in:
        found.update(_handoff_problems(sample, handed_in))
    return found


def _perfusion_problems(perfused: date) -> dict[str, list[str]]:
    if perfused < EARLIEST_DAY:
        return {"perfusion_date": ["This date lies too far back; check the year."]}
    return {}


def _handoff_problems(sample: Sample, handed_in: date) -> dict[str, list[str]]:
    over = handed_in < timezone.localdate() and sample.received_at is None
    if over and handed_in != sample.expected_handoff_date:
        return {"expected_handoff_date": ["This day is over; give a day that is to come."]}
    return too_far(handed_in)


def too_far(day: date | None) -> dict[str, list[str]]:
    """Return what is wrong with a day of hand-off that cannot be meant."""
    if day and day < EARLIEST_DAY:
        return {"expected_handoff_date": ["This date lies too far back; check the year."]}
    if day and day > timezone.localdate() + FARTHEST:
        return {"expected_handoff_date": ["This date lies too far ahead; check the year."]}
    return {}


def _require_dates(sample: Sample, values: Values) -> None:
    problems = date_problems(sample, values)
    if problems:
        raise Invalid(next(iter(problems.values()))[0], fields=problems)


def _require_clearing_staff(by: User, what: str) -> None:
    if not roles.has_role(by, Role.CLEARER, Role.MANAGER):
        raise NotAllowed(f"Only clearing staff and managers correct {what}.")


def _held_batch(sample: Sample) -> ClearingBatch | None:
    if sample.clearing_batch_id is None:
        return None
    return ClearingBatch.objects.select_for_update().get(pk=sample.clearing_batch_id)


def _earliest_handoff(batch: ClearingBatch | None) -> date | None:
    if batch is None:
        return None
    found = batch.samples.aggregate(day=models.Min("expected_handoff_date"))
    day: date | None = found["day"]
    return day


def write_corrections(
    obj: models.Model, values: Values, allowed: frozenset[str], *, seen: int | None = None
) -> str:
    """Write what differs from the row as it is now, and return it as `field: before → after`."""
    if strange := set(values) - allowed:
        raise Invalid(f"{', '.join(sorted(strange))} cannot be corrected.")
    held = type(obj)._default_manager.select_for_update().get(pk=obj.pk)
    require_nothing_unseen(obj, seen)
    differing = {name: new for name, new in values.items() if getattr(held, name) != new}
    if not differing:
        return ""
    said = [
        f"{held._meta.get_field(name).verbose_name}: {_shown(held, name)} → "  # type: ignore[union-attr]  # only concrete fields are allowed
        + _shown_as(held, name, new)
        for name, new in differing.items()
    ]
    _fill(held, differing)
    held.save(update_fields=list(differing))
    for name, new in differing.items():
        setattr(obj, name, new)
    return "; ".join(said)


def _fill(held: models.Model, values: Values) -> None:
    for name, new in values.items():
        setattr(held, name, new)
    others = {f.name for f in held._meta.concrete_fields} - set(values)
    try:
        held.clean_fields(exclude=others)
    except ValidationError as problem:
        raise Invalid("Correct the marked fields.", fields=problem.message_dict) from problem


def require_nothing_unseen(obj: models.Model, seen: int | None) -> None:
    """Refuse to write over what a colleague did since the page was opened."""
    newest = newest_event(obj)
    if seen is None or newest <= seen:
        return
    event = Event.objects.select_related("by").get(pk=newest)
    who = event.by or "lightserv itself"
    raise StaleState(
        f"{who} changed this while your page was open ({event.note or event.to or event.verb}); "
        "nothing of yours was saved. Look at it as it is now, then correct it again."
    )


def _shown(held: models.Model, name: str) -> str:
    return _word_of(held, name, getattr(held, name))


def _shown_as(held: models.Model, name: str, new: object) -> str:
    return _word_of(held, name, new)


def _word_of(held: models.Model, name: str, value: object) -> str:
    choices = dict(getattr(held._meta.get_field(name), "flatchoices", []))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "nothing"
    return str(choices.get(value, value))
