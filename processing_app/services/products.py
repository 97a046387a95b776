"""Which products still belong to what was imaged last."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils import timezone

from core_app.changes import changed_many
from core_app.errors import NotReady
from imaging_app.models import ImagingRequest
from processing_app.deliveries import deliveries_of
from processing_app.models import Artifact, Product, Run, Step
from processing_app.pipelines import RAW, STITCHING, Channel, Delivery


def retire_left_over(run: Run) -> None:
    """Retire what earlier runs of this pipeline made and this one, which succeeded, did not.

    The caller holds the transaction. A product that is made again comes back.
    """
    steps = list(run.steps.all())
    for model, made in (
        (Product, [path_of(step, step.product) for step in steps if step.product]),
        (Artifact, [path_of(step, step.artifact) for step in steps if step.artifact]),
    ):
        rows = model.objects.filter(
            step__run__pipeline=run.pipeline,
            step__run__imaging_request=run.imaging_request_id,
            step__run__processing_request=run.processing_request_id,
            retired_at=None,
        )
        _retire(model, list(rows.exclude(path__in=made)))


def retire_of_other_data(run: Run) -> None:
    """Retire what was processed from raw data that is not what this run, which succeeded, read.

    The caller holds the transaction. Only runs that read raw data as it was delivered tell.
    """
    if run.pipeline not in (RAW, STITCHING):
        return
    now = {digest for step in run.steps.all() for digest in _digests(step.inputs)}
    others = Run.objects.filter(imaging_request=run.imaging_request_id, pk__lt=run.pk)
    for other in others.exclude(processing_request=None).prefetch_related("steps"):
        then = {digest for step in other.steps.all() for digest in _digests(step.inputs)}
        if now and then - now:
            for model in (Product, Artifact):
                _retire(model, list(model.objects.filter(step__run=other, retired_at=None)))


def values_of(imaging_request: ImagingRequest) -> frozenset[str]:
    """Return in short what was entered of each channel and found in its folder; runs keep it.

    What a channel is for and how it is called is left out: its images are the same.
    """
    try:
        deliveries = deliveries_of(imaging_request)
    except NotReady:
        return frozenset()
    return frozenset(_words_of(one, channel) for one in deliveries for channel in one.channels)


def _words_of(delivery: Delivery, channel: Channel) -> str:
    words = (
        delivery.resolution, delivery.subfolder, delivery.layout, delivery.manifest_digest,
        channel.id, channel.filter_index, channel.left, channel.right, channel.columns,
        channel.rows, channel.planes, channel.voxel_um, sorted(channel.absent.items()),
        channel.overlap, channel.axes,
    )  # fmt: skip
    return sha256(repr(words).encode()).hexdigest()[:16]


def is_of_other_values(run: Run, now: frozenset[str]) -> bool:
    """Return True if a channel that the run was planned with has other values now."""
    then = run.parameters.get("values")
    return isinstance(then, list) and not now.issuperset(then)


def retire_of_other_values(imaging_request: ImagingRequest) -> None:
    """Retire what rounds of processing made of values that were corrected since.

    The caller holds the transaction.
    """
    now = values_of(imaging_request)
    for run in Run.objects.filter(imaging_request=imaging_request).exclude(processing_request=None):
        if is_of_other_values(run, now):
            for model in (Product, Artifact):
                _retire(model, list(model.objects.filter(step__run=run, retired_at=None)))


def _digests(value: object) -> Iterator[str]:
    """Return the digests of manifests anywhere in what a step reads."""
    if isinstance(value, dict):
        if isinstance(found := value.get("manifest_digest"), str):
            yield found
        for part in value.values():
            yield from _digests(part)
    elif isinstance(value, list):
        for part in value:
            yield from _digests(part)


def path_of(step: Step, made: dict[str, Any]) -> str:
    """Return where what a step makes lies: the output that it names, else the volume."""
    return str(step.outputs[made.get("output", "volume")])


def _retire(model: type[Product] | type[Artifact], left_over: list[Product | Artifact]) -> None:
    with transaction.atomic():
        model.objects.filter(pk__in=[row.pk for row in left_over]).update(retired_at=timezone.now())
        changed_many(left_over)
