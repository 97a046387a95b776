"""Install atlases: files below the data root and their row, together or not at all."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.errors import Invalid, NotReady, Taken
from pipeline.errors import StepFailed
from pipeline.orientation import ORIENTATIONS, Axes
from processing_app.models import Atlas, ProcessingRequest, ProcessingResolution, Run
from processing_app.states import ACTIVE
from processing_app.wishes import atlases_of

if TYPE_CHECKING:
    from pipeline.contract import Json
    from processing_app.atlas_files.folders import Draft
    from processing_app.atlas_files.sources import FoundAtlas

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class About:
    """What the facility says of an atlas."""

    name: str
    label: str = ""
    source: str = ""
    licence: str = ""
    orientation: str = "sagittal"


def install(found: "FoundAtlas", about: About, *, may_replace: bool = False) -> tuple[Atlas, bool]:
    """Put the atlas in place, turned to the orientation; return its row and if anything changed.

    The same files again change nothing of them. Others under the name of an atlas that requests
    chose are refused with Taken, unless they may replace it, and always while runs read it. Raises
    Invalid for what cannot be right. A failure leaves files and row as they were.
    """
    # Arrays and pictures are needed here only, not by every process of the site.
    from processing_app.atlas_files import folders, sources

    axes = axes_of(about)
    try:
        found = sources.turned(found, axes)
        checksum = folders.checksum_of(found)
        with folders.draft_of(settings.DATA_ROOT, about.name) as draft:
            row = Atlas.objects.filter(name=about.name).first()
            if row and _is_in_place(row, checksum):
                return _described(row, found, about), False
            _require_free(row, checksum, may_replace=may_replace)
            folders.fill(draft, found, _document(found, about, axes, checksum))
            return _swapped(draft, found, about, checksum), True
    except StepFailed as refusal:
        raise Invalid(refusal.message) from refusal


def require_installed(atlas: Atlas | None) -> Atlas:
    """Return the atlas. Raises NotReady where processing could not use it."""
    if atlas is None:
        raise NotReady("No atlas was chosen. Choose one, then start processing again.")
    if not atlas.is_installed:
        raise NotReady(
            f"The atlas {atlas.label} is not installed. An operator installs it with "
            f"`manage.py import_atlas --name {atlas.name}` (docs/atlases.md); or choose another."
        )
    return atlas


def hold_of(processing_request: ProcessingRequest | None) -> None:
    """Lock what a round registers with, so that none is replaced between plan and run."""
    keys = [atlas.pk for atlas in atlases_of(processing_request)]
    list(Atlas.objects.select_for_update().filter(pk__in=keys).order_by("pk"))


def axes_of(about: About) -> Axes:
    """Return the axes to which the atlas is turned. Raises Invalid for a name or orientation."""
    if not _NAME.fullmatch(about.name):
        raise Invalid(
            "The name of an atlas has small letters, digits, _ and - only, up to 64 of them."
        )
    if about.orientation not in ORIENTATIONS:
        raise Invalid(f"The orientation is one of {', '.join(ORIENTATIONS)}.")
    return ORIENTATIONS[about.orientation]


def _is_in_place(row: Atlas, checksum: str) -> bool:
    paths = (row.template_path, row.annotation_path, row.structure_tree_path)
    folder = settings.DATA_ROOT
    return (
        row.is_installed
        and row.checksum == checksum
        and all((folder / path).is_file() for path in paths)
        and (folder / row.template_layer_path / "info").is_file()
        and (folder / row.annotation_layer_path / "info").is_file()
    )


def _require_free(row: Atlas | None, checksum: str, *, may_replace: bool) -> None:
    if row is None or not row.is_installed or row.checksum == checksum:
        return
    _require_unread(row)
    wanted = 0 if may_replace else _uses(row)
    if wanted:
        raise Taken(
            f"Requests chose the atlas {row.name} already ({wanted} times), and these files differ "
            "from those installed. Import them under another name, or add --replace."
        )


def _require_unread(row: Atlas) -> None:
    """A run has paths of the atlas, and must not read one version first and another later."""
    active = Run.objects.filter(state__in=ACTIVE).order_by("pk")
    readers = [str(run) for run in active.prefetch_related("steps") if _reads(run, row)]
    if readers:
        raise Taken(
            f"The atlas {row.name} is read by what is planned or at work: {', '.join(readers)}. "
            "Import these files when that is over or cancelled, or under another name now."
        )


def _reads(run: Run, row: Atlas) -> bool:
    paths = {row.template_path, row.annotation_path, row.structure_tree_path}
    return any(paths.intersection(map(str, step.inputs.values())) for step in run.steps.all())


def _uses(row: Atlas) -> int:
    return ProcessingResolution.objects.filter(atlas=row).count()


def _swapped(draft: "Draft", found: "FoundAtlas", about: About, checksum: str) -> Atlas:
    try:
        with transaction.atomic():
            held = Atlas.objects.select_for_update().filter(name=about.name).first()
            # Asked again with the row held: a run may have begun while the files were written.
            _require_free(held, checksum, may_replace=True)
            draft.swap()
            row = _saved(found, about, checksum, draft.destination)
    except BaseException:
        draft.swap_back()
        raise
    draft.settle()
    return row


def _saved(found: "FoundAtlas", about: About, checksum: str, folder: Path) -> Atlas:
    from processing_app.atlas_files import folders

    place = folder.relative_to(settings.DATA_ROOT).as_posix()
    x, y, z = found.voxel_um
    depth, height, width = found.template.shape
    values = {
        "voxel_x_um": x, "voxel_y_um": y, "voxel_z_um": z,
        "orientation": about.orientation, "axes": ",".join(found.axes),
        "size_x": width, "size_y": height, "size_z": depth,
        "template_path": f"{place}/{folders.TEMPLATE}",
        "annotation_path": f"{place}/{folders.ANNOTATION}",
        "structure_tree_path": f"{place}/{folders.STRUCTURES}",
        "structures": len(found.tree), "regions": len(found.voxels),
        "checksum": checksum, "installed_at": timezone.now(),
    }  # fmt: skip
    row, _ = Atlas.objects.update_or_create(
        name=about.name,
        defaults=values,
        create_defaults={**values, "label": about.label or about.name},
    )
    return _described(row, found, about)


def _described(row: Atlas, found: "FoundAtlas", about: About) -> Atlas:
    """Keep what was said this time; what was not said stays."""
    row.label = about.label or row.label
    row.source = about.source or found.source or row.source
    row.licence = about.licence or row.licence
    row.save(update_fields=["label", "source", "licence"])
    return row


def _document(found: "FoundAtlas", about: About, axes: Axes, checksum: str) -> dict[str, "Json"]:
    z, y, x = found.template.shape
    return {
        "name": about.name,
        "label": about.label or about.name,
        "voxel_um": [*found.voxel_um],
        "size": [x, y, z],
        "axes": [*axes],
        "structures": len(found.tree),
        "regions": len(found.voxels),
        "source": about.source or found.source,
        "licence": about.licence,
        "checksum": checksum,
    }
