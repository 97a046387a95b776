"""Which SmartSPIM channels are stitched and corrected, and what was entered of the correction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import QuerySet

from core_app.models import User
from imaging_app.models import ImagingChannel, ImagingRequest, Objective
from imaging_app.states import ImagingState
from processing_app.models import Product, Run
from processing_app.pipelines import CORRECTION, STARTED
from processing_app.selectors.products import current_products
from processing_app.selectors.rounds import owned_by, sees_all
from processing_app.states import ACTIVE, RunState
from requests_app.selectors import visible_requests

STITCHED, CORRECTED = Product.Kind.STITCHED, Product.Kind.CORRECTED


class Stage(StrEnum):
    """Where the correction of one sample stands."""

    STITCHING = "stitching"
    READY = "ready"
    AT_WORK = "progress"
    FAILED = "failed"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class CorrectionLine:
    """One sample's round of imaging: how many channels, how many are stitched and corrected."""

    imaging_request: ImagingRequest
    stage: Stage
    channels: int
    stitched: int
    corrected: int


def correction_lines(*, to: User) -> list[CorrectionLine]:
    """Return the finished SmartSPIM samples of this person, or all for processing staff."""
    rows = ImagingRequest.objects.filter(
        state=ImagingState.COMPLETE,
        sample__request__in=visible_requests(to=to),
        resolutions__objective__in=_corrected_objectives(),
    )
    if not sees_all(to):
        rows = rows.filter(owned_by(to, "sample__request"))
    related = rows.select_related("sample__request__owner").distinct().order_by("-pk")
    return _lines(list(related))


def channels_to_correct(imaging_request: ImagingRequest) -> QuerySet[ImagingChannel]:
    """Return the channels of a round of imaging that the pipeline corrects, in natural order."""
    rows = _channels().filter(resolution__imaging_request=imaging_request)
    return rows.select_related(
        "wavelength",
        "resolution__objective__microscope",
        "resolution__imaging_request__sample__request__owner",
        "correction__set_by",
    ).order_by("resolution__objective__position", "ventral_up", "wavelength__position")


def unstitched(imaging_request: ImagingRequest) -> list[ImagingChannel]:
    """Return the channels of several tiles that no finished run has stitched as they are now."""
    tiled = [one for one in channels_to_correct(imaging_request) if is_tiled(one)]
    done = _made(tiled, STITCHED)
    return [channel for channel in tiled if channel.pk not in done]


def is_tiled(channel: ImagingChannel) -> bool:
    return channel.tile_columns * channel.tile_rows > 1


def planes_folder(channel: ImagingChannel) -> str:
    """Return where the planes lie that are corrected: stitched ones, or raw ones of one tile."""
    return f"{channel.raw_folder}{'_stitched' if is_tiled(channel) else ''}"


def correcting_run(imaging_request: ImagingRequest) -> Run | None:
    """Return the run that corrects the sample now, if there is one."""
    active = Run.objects.filter(state__in=ACTIVE).select_related("requested_by")
    return active.filter(imaging_request=imaging_request, pipeline=CORRECTION).first()


def _corrected_objectives() -> list[int]:
    found = Objective.objects.all()
    return [o.pk for o in found if any(STARTED.get(name) == CORRECTION for name in o.pipelines)]


def _channels() -> QuerySet[ImagingChannel]:
    rows = ImagingChannel.objects.filter(resolution__objective__in=_corrected_objectives())
    return rows.exclude(raw_subfolder="")


def _made(channels: Iterable[ImagingChannel], kind: str) -> set[int]:
    keys = [channel.pk for channel in channels]
    rows = current_products().filter(channel__in=keys, kind=kind)
    return set(rows.values_list("channel_id", flat=True))


def _lines(rows: Sequence[ImagingRequest]) -> list[CorrectionLine]:
    channels: dict[int, list[ImagingChannel]] = defaultdict(list)
    found = _channels().filter(resolution__imaging_request__in=rows).select_related("resolution")
    for channel in found:
        channels[channel.resolution.imaging_request_id].append(channel)
    everything = [channel for group in channels.values() for channel in group]
    stitched, corrected = _made(everything, STITCHED), _made(everything, CORRECTED)
    newest = _newest_runs(rows)
    return [
        _line(row, channels[row.pk], stitched, corrected, newest.get(row.pk, ""))
        for row in rows
        if channels[row.pk]
    ]


def _newest_runs(rows: Sequence[ImagingRequest]) -> dict[int, str]:
    runs = Run.objects.filter(pipeline=CORRECTION, imaging_request__in=rows).order_by("pk")
    return dict(runs.values_list("imaging_request_id", "state"))


def _line(
    row: ImagingRequest,
    channels: Sequence[ImagingChannel],
    stitched: set[int],
    corrected: set[int],
    newest: str,
) -> CorrectionLine:
    there = sum(one.pk in stitched or not is_tiled(one) for one in channels)
    done = sum(one.pk in corrected for one in channels)
    return CorrectionLine(
        row, _stage(len(channels), there, done, newest), len(channels), there, done
    )


def _stage(count: int, stitched: int, corrected: int, newest: str) -> Stage:
    if newest in ACTIVE:
        return Stage.AT_WORK
    if newest == RunState.FAILED:
        return Stage.FAILED
    if corrected == count:
        return Stage.CORRECTED
    return Stage.READY if stitched == count else Stage.STITCHING
