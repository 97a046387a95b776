"""Quality sheets, and the files beside what steps found, by name."""

from dataclasses import dataclass

from django.http import Http404

from core_app.models import User
from core_app.paths import DataPath
from processing_app import quality_figures
from processing_app.models import Artifact, QualitySheet
from processing_app.quality_figures import Findings
from requests_app.selectors import visible_requests

ORDER = "place__processing_request__imaging_request__sample__request"
REGISTRATION, REGIONS = Artifact.Kind.REGISTRATION, Artifact.Kind.REGIONS
TABLE = "regions.csv"


@dataclass(frozen=True, slots=True)
class SheetView:
    """One sheet with its figures; `overlay` is the artifact beside which that picture lies."""

    sheet: QualitySheet
    findings: Findings
    quality: Artifact | None
    registration: Artifact | None


def get_sheet(pk: int, *, to: User) -> QualitySheet:
    """Return a sheet, or 404 for whoever may not read its request."""
    rows = QualitySheet.objects.filter(**{f"{ORDER}__in": visible_requests(to=to)})
    found = rows.select_related(
        "decided_by", f"{ORDER}__owner", "place__resolution__objective__microscope", "place__atlas"
    ).filter(pk=pk).first()  # fmt: skip
    if found is None:
        raise Http404("There is no such sheet, or it is not yours to see.")
    return found


def sheet_view(sheet: QualitySheet) -> SheetView:
    """Return the sheet as its page shows it."""
    of_place = Artifact.objects.filter(
        step__run__processing_request=sheet.place.processing_request_id,
        channel__resolution=sheet.place.resolution_id,
        channel__ventral_up=sheet.place.ventral_up,
        retired_at=None,
    ).order_by("made_at", "pk")
    newest = {artifact.kind: artifact for artifact in of_place}
    return SheetView(
        sheet,
        quality_figures.read(sheet.figures),
        newest.get(Artifact.Kind.QUALITY),
        newest.get(REGISTRATION),
    )


def get_artifact(pk: int, *, to: User) -> Artifact:
    """Return what a step made, or 404 for whoever may not see the volumes of its request."""
    rows = Artifact.objects.filter(
        step__run__imaging_request__sample__request__in=visible_requests(to=to)
    )
    found = rows.select_related("step__run__imaging_request__sample").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such file, or it is not yours to see.")
    return found


def has_table(artifact: Artifact) -> bool:
    """Return True for a table of regions: its file has one name and is always there."""
    return artifact.kind == REGIONS


def file_of(artifact: Artifact, name: str) -> DataPath | None:
    """Return where a file beside an artifact lies, if what the step said names it."""
    names = set(quality_figures.pictures_in(artifact.facts))
    if has_table(artifact):
        names.add(TABLE)
    return artifact.place / name if name in names else None
