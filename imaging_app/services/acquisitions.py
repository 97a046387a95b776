"""Write when a sample was imaged, and what the imager has to say about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from core_app.changes import changed
from core_app.errors import Invalid
from core_app.models import User
from core_app.transitions import record
from imaging_app import selectors
from imaging_app.models import ImagingRequest, ImagingResolution
from imaging_app.services.guards import hold_open, require

LONGEST_NOTES = 1024
# Clocks of microscopes are not always right.
AHEAD = timedelta(hours=12)
EARLIEST_YEAR = 2000


@dataclass(frozen=True, slots=True)
class Span:
    """When the microscope was at work on one objective; either end may be unknown. Aware."""

    start: datetime | None
    end: datetime | None


def note_acquisition(
    imaging_request: ImagingRequest, times: Mapping[int, Span], *, notes: str, by: User
) -> None:
    """Store {resolution id: span} and the notes of one sample. All or none."""
    require(
        selectors.can_edit(imaging_request, by),
        "Only who images this sample enters its parameters.",
    )
    problems = {f"resolution-{pk}": found for pk, span in times.items() if (found := _wrong(span))}
    if len(notes) > LONGEST_NOTES:
        problems["notes"] = [f"{len(notes)} characters; at most {LONGEST_NOTES} fit."]
    if problems:
        raise Invalid(next(iter(problems.values()))[0], fields=problems)
    with transaction.atomic():
        hold_open(imaging_request)
        rows = list(imaging_request.resolutions.filter(pk__in=times))
        moved = [row for row in rows if _span_of(row) != times[row.pk]]
        for row in moved:
            row.acquisition_started_at, row.acquisition_ended_at = (
                times[row.pk].start, times[row.pk].end,
            )  # fmt: skip
            row.save(update_fields=["acquisition_started_at", "acquisition_ended_at"])
        rows_of_notes = ImagingRequest.objects.filter(pk=imaging_request.pk)
        said = rows_of_notes.exclude(notes_from_imaging=notes).update(notes_from_imaging=notes)
        if moved or said:
            changed(*moved)
            record(imaging_request, "acquisition noted", by=by, note=notes if said else "")


def _span_of(row: ImagingResolution) -> Span:
    return Span(row.acquisition_started_at, row.acquisition_ended_at)


def _wrong(span: Span) -> list[str]:
    if span.start and span.end and span.end < span.start:
        return ["The acquisition ends before it begins; correct one of the two times."]
    if any(moment and moment.year < EARLIEST_YEAR for moment in (span.start, span.end)):
        return ["This time lies too far back; check the year."]
    latest = timezone.now() + AHEAD
    if any(moment and moment > latest for moment in (span.start, span.end)):
        return ["This time lies ahead; give the time at which the microscope was at work."]
    return []
