"""Rounds of processing of one sample: which there are, and which of them a page is about."""

from collections.abc import Iterable
from dataclasses import dataclass

from processing_app.models import ProcessingRequest, Run
from requests_app.models import Sample


@dataclass(frozen=True, slots=True)
class Rounds:
    """The numbers to choose from, the one chosen, and what it means for each round of imaging.

    A round of imaging without that number shows its newest. Rounds without a run are not there:
    nothing was made in them yet.
    """

    numbers: tuple[int, ...]
    chosen: int
    shown: frozenset[int]

    def has(self, run: Run) -> bool:
        """Return True for runs of the chosen round, and of those that belong to none."""
        return run.processing_request_id is None or run.processing_request_id in self.shown


def rounds_of(sample: Sample, *, chosen: int | None = None) -> Rounds:
    """Return the sample's rounds with one chosen: the newest by number, if not another one."""
    rows = ProcessingRequest.objects.filter(imaging_request__sample=sample, runs__isnull=False)
    found = list(rows.distinct().order_by("number", "pk"))
    numbers = tuple(sorted({row.number for row in found}))
    number = chosen if chosen in numbers else max(numbers, default=1)
    return Rounds(numbers, number, frozenset(_shown(found, number)))


def _shown(found: Iterable[ProcessingRequest], number: int) -> Iterable[int]:
    newest: dict[int, ProcessingRequest] = {}
    for row in found:
        now = newest.get(row.imaging_request_id)
        if now is None or now.number != number:
            newest[row.imaging_request_id] = row
    return [row.pk for row in newest.values()]
