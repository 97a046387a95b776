"""Write rounds of imaging as they are asked for, grouped into batches."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core_app.changes import changed
from core_app.errors import NotReady
from core_app.models import User
from core_app.transitions import born_many
from imaging_app.models import (
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
    Objective,
)
from requests_app.models import Sample
from requests_app.plans import PURPOSES, ResolutionPlan, SamplePlan


@dataclass(frozen=True, slots=True)
class Asked:
    """What was made of one sample's plan: its round of imaging, and its objectives in order."""

    request: ImagingRequest
    plan: SamplePlan
    resolutions: list[ImagingResolution]


def plan_round(
    samples: Sequence[Sample],
    plans: Sequence[SamplePlan],
    *,
    imager: User | None,
    by: User,
    number: int = 1,
) -> list[Asked]:
    """Make imaging round `number` of these samples, grouped into batches.

    The caller holds the transaction. Samples of one clearing batch with the same channels at the
    same objectives share an imaging batch; numbers start at 1 in each clearing batch.
    """
    batches = _make_batches(samples, plans, number, imager, by)
    made = ImagingRequest.objects.bulk_create(
        ImagingRequest(sample=sample, number=number, batch=batches[_batch_key(sample, plan)])
        for sample, plan in zip(samples, plans, strict=True)
    )
    born_many(made, by=by)
    return _make_resolutions(made, plans)


def _batch_key(sample: Sample, plan: SamplePlan) -> tuple[int, object]:
    if sample.clearing_batch_id is None:
        raise NotReady(f"{sample} is in no clearing batch yet.")
    return (sample.clearing_batch_id, plan.imaging)


def _make_batches(
    samples: Sequence[Sample], plans: Sequence[SamplePlan], round_number: int,
    imager: User | None, by: User,
) -> dict[tuple[int, object], ImagingBatch]:  # fmt: skip
    keys = dict.fromkeys(_batch_key(s, p) for s, p in zip(samples, plans, strict=True))
    clearing_batches = {s.clearing_batch_id: s.clearing_batch for s in samples}
    siblings: Counter[int] = Counter()
    new = []
    for clearing_batch_id, _ in keys:
        siblings[clearing_batch_id] += 1
        new.append(
            ImagingBatch(
                clearing_batch=clearing_batches[clearing_batch_id],
                imaging_request_number=round_number,
                number=siblings[clearing_batch_id],
                imager=imager,
            )
        )
    made = ImagingBatch.objects.bulk_create(new)
    born_many(made, by=by)
    return dict(zip(keys, made, strict=True))


def _make_resolutions(
    requests: Sequence[ImagingRequest], plans: Sequence[SamplePlan]
) -> list[Asked]:
    names = {wanted.objective for plan in plans for wanted in plan.resolutions}
    rows = Objective.objects.filter(name__in=names).select_related("microscope")
    objectives = {o.name: o for o in rows.prefetch_related("microscope__wavelengths")}
    pairs = [(r, wanted) for r, p in zip(requests, plans, strict=True) for wanted in p.resolutions]
    resolutions = ImagingResolution.objects.bulk_create(
        ImagingResolution(
            imaging_request=request,
            objective=objectives[wanted.objective],
            notes_for_imager=wanted.notes_for_imager,
        )
        for request, wanted in pairs
    )
    channels = ImagingChannel.objects.bulk_create(
        channel
        for resolution, (_, wanted) in zip(resolutions, pairs, strict=True)
        for channel in _channels(resolution, wanted)
    )
    changed(*resolutions, *channels)
    left = iter(resolutions)
    return [
        Asked(request, plan, [next(left) for _ in plan.resolutions])
        for request, plan in zip(requests, plans, strict=True)
    ]


def _channels(resolution: ImagingResolution, wanted: ResolutionPlan) -> Iterator[ImagingChannel]:
    objective = resolution.objective
    lines = {w.name: w for w in objective.microscope.wavelengths.all()}
    for channel in wanted.channels:
        if channel.purposes:
            yield ImagingChannel(
                resolution=resolution,
                wavelength=lines[channel.wavelength],
                z_step_um=float(objective.default_z_step_um),
                right_sheet=objective.light_sheets > 1,
                **{purpose: purpose in channel.purposes for purpose in PURPOSES},
            )
