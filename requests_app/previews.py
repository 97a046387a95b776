"""What a plan will become: batches, folders and processing, grouped as a submission groups them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from requests_app.imaging_text import write_imaging
from requests_app.plans import RequestPlan, ResolutionPlan, SamplePlan


@dataclass(slots=True)
class ImagingPreview:
    """Samples that are imaged alike."""

    number: int
    lines: list[str]
    samples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ClearingPreview:
    """Samples that get the same chemistry."""

    number: int
    protocol: str
    antibody1: str
    antibody2: str
    samples: list[SamplePlan] = field(default_factory=list)
    imaging: list[ImagingPreview] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProcessingPreview:
    """Samples whose images of one objective are processed alike."""

    objective: str
    atlas: str
    orientation: str
    is_registered: bool
    samples: tuple[str, ...]


def clearing_of(plan: RequestPlan) -> list[ClearingPreview]:
    """Return the clearing batches in order of first appearance, each with its imaging batches."""
    groups: dict[tuple[str, str, str], ClearingPreview] = {}
    for sample in plan.samples:
        key = sample.chemistry
        group = groups.setdefault(key, ClearingPreview(len(groups) + 1, *key))
        group.samples.append(sample)
    for group in groups.values():
        group.imaging = _imaging_of(group.samples)
    return list(groups.values())


def _imaging_of(samples: list[SamplePlan]) -> list[ImagingPreview]:
    groups: dict[object, ImagingPreview] = {}
    for sample in samples:
        lines = [_line(wanted) for wanted in sample.resolutions]
        group = groups.setdefault(sample.imaging, ImagingPreview(len(groups) + 1, lines))
        group.samples.append(sample.name)
    return list(groups.values())


def _line(wanted: ResolutionPlan) -> str:
    channels = {c.wavelength: c.purposes for c in wanted.channels}
    return write_imaging([{"objective": wanted.objective, "channels": channels}])


def processing_of(plan: RequestPlan, processed: Collection[str]) -> list[ProcessingPreview]:
    """Return what is processed; `processed` are the objectives whose images are."""
    groups: dict[tuple[str, str, str, bool], list[str]] = {}
    for sample, wanted in _processed(plan, processed):
        registers = any("registration" in c.purposes for c in wanted.channels)
        key = (wanted.objective, wanted.atlas, wanted.final_orientation, registers)
        groups.setdefault(key, []).append(sample.name)
    return [ProcessingPreview(*key, tuple(names)) for key, names in groups.items()]


def _processed(
    plan: RequestPlan, processed: Collection[str]
) -> Iterator[tuple[SamplePlan, ResolutionPlan]]:
    for sample in plan.samples:
        for wanted in sample.resolutions:
            if wanted.objective in processed:
                yield sample, wanted
