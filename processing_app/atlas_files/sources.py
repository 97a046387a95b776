"""An atlas as it was found: volumes, tree, voxel size and axes, all of one mind or refused."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import phantom_atlas
from pipeline.errors import BadInput
from pipeline.io.json_text import parsed
from pipeline.orientation import Axes, axes_of_letters, turn
from pipeline.structures import Structure, StructureTree
from processing_app.atlas_files import ontologies, volumes
from processing_app.atlas_files.volumes import FoundVolume, Um

_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class FoundAtlas:
    """Template (uint16) and annotation (uint16 or 32), (z, y, x); sizes along (x, y, z)."""

    template: np.ndarray
    annotation: np.ndarray
    tree: StructureTree
    voxel_um: Um
    axes: Axes
    voxels: dict[int, int]
    source: str = ""
    remarks: list[str] = field(default_factory=list)


def of_files(
    template: Path,
    annotation: Path,
    tree: Path,
    *,
    voxel_um: Um | None = None,
    axes: Axes | None = None,
    keep_unknown: bool = False,
) -> FoundAtlas:
    """Read an atlas of three files; what is given goes before what the files say."""
    pictures, labels = volumes.read(template), volumes.read(annotation)
    remarks: list[str] = []
    size = _agreed_voxel(labels, pictures, voxel_um, remarks)
    directions = _agreed_axes(labels, pictures, axes, remarks)
    return _whole(pictures, labels, ontologies.read(tree), size, directions, remarks, keep_unknown)


def of_brainglobe(folder: Path, *, keep_unknown: bool = False) -> FoundAtlas:
    """Read a folder of a BrainGlobe atlas. Its resolution is along the axes of its volumes."""
    metadata = _metadata(folder / "metadata.json")
    try:
        z, y, x = (float(side) for side in metadata["resolution"])
        axes = axes_of_letters(str(metadata["orientation"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInput(
            f"metadata.json of {folder.name} lacks resolution or orientation ({error}). Download "
            "the atlas again."
        ) from error
    pictures = volumes.read(folder / "reference.tiff")
    labels = volumes.read(folder / "annotation.tiff")
    tree = ontologies.read(folder / "structures.json")
    found = _whole(pictures, labels, tree, (x, y, z), axes, [], keep_unknown)
    cited = [metadata.get(key) for key in ("name", "citation", "atlas_link")]
    return _with_source(found, ". ".join(part for part in cited if part and isinstance(part, str)))


def phantom() -> FoundAtlas:
    """Make the atlas of the invented brain."""
    made = phantom_atlas.make()
    return FoundAtlas(
        template=made.template,
        annotation=made.annotation,
        tree=made.tree,
        voxel_um=made.voxel_um,
        axes=made.axes,
        voxels=_counted(made.annotation),
        source="Computed: an invented brain, of no animal.",
    )


def turned(found: FoundAtlas, to_axes: Axes) -> FoundAtlas:
    """Return the atlas with these axes; the voxels are views of the same."""
    how = turn(found.axes, to_axes)
    return FoundAtlas(
        template=how.of(found.template),
        annotation=how.of(found.annotation),
        tree=found.tree,
        voxel_um=how.of_xyz(found.voxel_um),
        axes=to_axes,
        voxels=found.voxels,
        source=found.source,
        remarks=found.remarks,
    )


def _with_source(found: FoundAtlas, source: str) -> FoundAtlas:
    return FoundAtlas(
        found.template, found.annotation, found.tree, found.voxel_um, found.axes, found.voxels,
        source, found.remarks,
    )  # fmt: skip


def _whole(
    pictures: FoundVolume,
    labels: FoundVolume,
    tree: StructureTree,
    voxel_um: Um,
    axes: Axes,
    remarks: list[str],
    keep_unknown: bool,  # noqa: FBT001
) -> FoundAtlas:
    if pictures.voxels.shape != labels.voxels.shape:
        shapes = [" x ".join(str(n) for n in v.voxels.shape[::-1]) for v in (pictures, labels)]
        raise BadInput(
            f"{pictures.path.name} has {shapes[0]} voxels (x, y, z), {labels.path.name} "
            f"{shapes[1]}: they are not of one grid. Give volumes of the same atlas and resolution."
        )
    if volumes.in_um(*voxel_um) is None:
        sides = " x ".join(f"{side:g}" for side in voxel_um)
        raise BadInput(
            f"Voxels of {sides} µm cannot be. Each side is {volumes.LEAST_UM:g} to "
            f"{volumes.MOST_UM:,.0f} µm; correct it in the files, or give the right one as --voxel."
        )
    template, more = volumes.as_template(pictures)
    annotation = volumes.as_labels(labels)
    voxels = _counted(annotation)
    tree = _judged(tree, voxels, labels.path.name, keep_unknown=keep_unknown, remarks=remarks)
    return FoundAtlas(template, annotation, tree, voxel_um, axes, voxels, "", [*remarks, *more])


def _judged(
    tree: StructureTree,
    voxels: dict[int, int],
    name: str,
    *,
    keep_unknown: bool,
    remarks: list[str],
) -> StructureTree:
    unknown = {id: count for id, count in voxels.items() if id not in tree}
    if not unknown:
        return tree
    named = ", ".join(f"{id} ({n:,} voxels)" for id, n in list(unknown.items())[:_MOST_NAMED])
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    what = f"{name} has {len(unknown)} ids that are not in the structure tree: {named}{more}."
    if not keep_unknown:
        raise BadInput(
            f"{what} Give the ontology of this annotation, or --keep-unknown to add them by id."
        )
    remarks.append(f"{what} They were added at the top, named by id.")
    added = [Structure(id, "", f"id {id}", None) for id in unknown]
    return StructureTree([*tree, *added])


def _counted(annotation: np.ndarray) -> dict[int, int]:
    """Count the voxels of each id but the background, plane by plane."""
    total: dict[int, int] = {}
    for plane in annotation:
        ids, counts = np.unique(plane, return_counts=True)
        for id, count in zip(ids.tolist(), counts.tolist(), strict=True):
            total[id] = total.get(id, 0) + count
    total.pop(0, None)
    return dict(sorted(total.items()))


def _agreed_voxel(
    labels: FoundVolume, pictures: FoundVolume, given: Um | None, remarks: list[str]
) -> Um:
    for found in (labels, pictures):
        stated = found.voxel_um
        if given and stated and not np.allclose(given, stated, rtol=0.01):
            sides = " x ".join(f"{side:g}" for side in stated)
            remarks.append(
                f"{found.path.name} says its voxels are {sides} µm; --voxel was taken instead."
            )
    if given:
        return given
    if labels.voxel_um and pictures.voxel_um:
        if not np.allclose(labels.voxel_um, pictures.voxel_um, rtol=0.01):
            raise BadInput(
                "Template and annotation say different voxel sizes. Give the right one as --voxel."
            )
        return labels.voxel_um
    stated = labels.voxel_um or pictures.voxel_um
    if stated is None:
        raise BadInput("The files do not say their voxel size. Give it as --voxel x,y,z in µm.")
    return stated


def _agreed_axes(
    labels: FoundVolume, pictures: FoundVolume, given: Axes | None, remarks: list[str]
) -> Axes:
    for found in (labels, pictures):
        if given and found.axes and given != found.axes:
            says = ",".join(found.axes)
            remarks.append(f"{found.path.name} says its axes are {says}; yours were taken instead.")
    if given:
        return given
    stated = {found.axes for found in (labels, pictures) if found.axes}
    if len(stated) > 1:
        raise BadInput("Template and annotation say different axes. Give the right ones as --axes.")
    if not stated:
        raise BadInput(
            "The files do not say how the brain lies in them. Give --axes, such as DV,AP,LR along "
            "x, y, z, or --orientation."
        )
    return stated.pop()


def _metadata(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path.parent} is no BrainGlobe atlas: metadata.json cannot be read "
            f"({error.strerror or error}). Give the folder in which it is."
        ) from error
    try:
        document = parsed(text)
    except BadInput as error:
        raise BadInput(f"{path}: {error.message} Download the atlas again.") from error
    if not isinstance(document, dict):
        raise BadInput(f"{path} is not what BrainGlobe writes. Download the atlas again.")
    return document
