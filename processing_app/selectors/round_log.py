"""What the runs of one round of processing have made."""

from dataclasses import dataclass

from processing_app.models import Artifact, ProcessingRequest, Product
from processing_app.quality_figures import Registration, registration_of
from processing_app.selectors.quality import TABLE, has_table


@dataclass(frozen=True, slots=True)
class ArtifactLine:
    """One artifact with what can be shown or downloaded of it."""

    artifact: Artifact
    registration: Registration | None
    table: str


def products_in(processing_request: ProcessingRequest) -> list[Product]:
    """Return the volumes of the round, place by place; what is retired comes with that mark."""
    rows = Product.objects.filter(step__run__processing_request=processing_request)
    rows = rows.select_related("channel__wavelength", "channel__resolution__objective")
    return list(
        rows.order_by(
            "channel__resolution__objective__position", "channel__ventral_up",
            "channel__wavelength__position", "kind", "side",
        )
    )  # fmt: skip


def artifacts_in(processing_request: ProcessingRequest) -> list[ArtifactLine]:
    """Return what else the round made."""
    rows = Artifact.objects.filter(
        step__run__processing_request=processing_request, retired_at=None
    )
    rows = rows.select_related("channel__wavelength", "channel__resolution__objective")
    return [_line(row) for row in rows.order_by("channel__resolution__objective__position", "pk")]


def _line(row: Artifact) -> ArtifactLine:
    is_registration = row.kind == Artifact.Kind.REGISTRATION
    return ArtifactLine(
        row,
        registration_of(row.facts) if is_registration else None,
        TABLE if has_table(row) else "",
    )
