"""Step precompute_labels: a volume of labels becomes a Neuroglancer segmentation with names.

Mip 0 has every voxel as it is; each further mip has the most frequent label of each block of the
mip before (pipeline/io/modes.py). With `onto`, mip 0 is the labels on another grid.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pipeline import parameters, products, provenance
from pipeline.errors import BadInput
from pipeline.io import segment_properties
from pipeline.io.label_source import FileLabels, MovedLabels, Onto
from pipeline.io.pyramid import plan_scales
from pipeline.io.segmentation import (
    CHUNK,
    LabelCodec,
    LabelScale,
    ScaleLabels,
    SegmentationWriter,
)
from pipeline.io.tiff import open_stack
from pipeline.io.volume_file import VolumeFile
from pipeline.orientation import read_axes
from pipeline.raw import sources
from pipeline.raw.selection import sorted_planes
from pipeline.structures import StructureTree, read_tree
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.io.grid import Triple
    from pipeline.io.label_source import LabelSource
    from pipeline.workspace import Workspace

_ALGORITHM = 1
_DEFAULT_MIPS = 4
_THUMBNAIL = "thumbnail.png"
_THUMBNAIL_PIXELS = 256
_HOME = "home"  # an empty folder that cloud-volume takes for the user's


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked for: the files, and the grid of the product."""

    labels: Path
    tree: Path | None
    voxel_um: tuple[float, float, float]
    onto: Onto | None

    @property
    def files(self) -> list[Path]:
        return [self.labels, self.tree] if self.tree else [self.labels]

    @property
    def voxel_nm(self) -> Triple:
        """Voxel size (x, y, z) of the product."""
        um = self.onto.voxel_um if self.onto else self.voxel_um
        x, y, z = (max(1, round(side * 1000)) for side in um)
        return x, y, z


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Build the volume, or return at once if it is there already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["volume"])
    plan = _plan(spec, work)
    mips = parameters.integer(spec.parameters, "mips", _DEFAULT_MIPS)
    files = _identities(plan, work)
    work.input_digest = provenance.input_digest(spec, files)
    identity = provenance.identity(
        spec, _ALGORITHM, work.input_digest, size=list(plan.onto.size) if plan.onto else []
    )
    if (there := products.published(destination, identity)) is not None:
        return there
    tree = read_tree(plan.tree) if plan.tree else StructureTree([])
    file = VolumeFile(plan.labels)
    with (
        file.reading() as blocks,
        products.open_draft(destination, name=spec.name, identity=identity) as draft,
    ):
        try:
            source: LabelSource = (
                MovedLabels(blocks, plan.voxel_um, plan.onto) if plan.onto else FileLabels(blocks)
            )
            with _codec_at_home(draft.folder) as codec:
                build = _Build(codec, draft.folder, _scales(draft.folder, source, plan, mips), tree)
                outputs = build.run(source, work)
            sources.require_unchanged(files, _identities(plan, work))
        except BadInput:
            draft.discard()
            raise
        work.count_bytes(read=plan.labels.stat().st_size, written=cast("int", outputs["bytes"]))
        return draft.publish(_record(spec, work, outputs))


def _plan(spec: StepSpec, work: Workspace) -> _Plan:
    has_tree = "tree" in spec.inputs
    return _Plan(
        labels=work.resolve(parameters.text(spec.inputs, "labels")),
        tree=work.resolve(parameters.text(spec.inputs, "tree")) if has_tree else None,
        voxel_um=parameters.triple(spec.parameters, "voxel_um"),
        onto=_onto(spec, work) if "onto" in spec.parameters else None,
    )


def _onto(spec: StepSpec, work: Workspace) -> Onto:
    given = spec.parameters["onto"]
    if not isinstance(given, dict):
        raise BadInput(f"onto must name size, voxel_um, axes and from_axes, not {given!r:.80}.")
    return Onto(
        size=_size(given) if "size" in given else _size_like(spec, work),
        voxel_um=parameters.triple(given, "voxel_um"),
        axes=read_axes(given, "axes"),
        from_axes=read_axes(given, "from_axes"),
    )


def _size(given: JsonDict) -> Triple:
    x, y, z = parameters.triple(given, "size")
    if any(side != int(side) for side in (x, y, z)):
        raise BadInput(f"The size of onto must be whole numbers of voxels, not {given['size']!r}.")
    if max(x, y, z) > parameters.MOST_COUNT:
        raise BadInput(
            f"The size of onto is at most {parameters.MOST_COUNT:,} voxels along a side."
        )
    return int(x), int(y), int(z)


def _size_like(spec: StepSpec, work: Workspace) -> Triple:
    """The size (x, y, z) of the folder of planes that the input `like` names."""
    if "like" not in spec.inputs:
        raise BadInput("onto needs a size, or the input like: a folder of planes of that size.")
    folder = work.resolve(parameters.text(spec.inputs, "like"))
    paths = sorted_planes(work.root, folder, planes=None)
    planes, height, width = open_stack(paths[:1], threads=1).shape
    assert planes == 1
    return width, height, len(paths)


def _identities(plan: _Plan, work: Workspace) -> sources.Identities:
    return sources.identities(work.root.resolve(), plan.files)


def _scales(folder: Path, source: LabelSource, plan: _Plan, mips: int) -> list[LabelScale]:
    z, y, x = source.shape
    scales = plan_scales((x, y, z), plan.voxel_nm, mips=mips, chunk=CHUNK)
    return [LabelScale(folder, scale) for scale in scales]


@contextmanager
def _codec_at_home(folder: Path) -> Iterator[LabelCodec]:
    home = folder / _HOME
    home.mkdir(exist_ok=True)
    yield LabelCodec(home)
    for path in sorted(home.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    home.rmdir()


@dataclass(frozen=True, slots=True)
class _Build:
    codec: LabelCodec
    folder: Path
    scales: list[LabelScale]
    tree: StructureTree

    def run(self, source: LabelSource, work: Workspace) -> JsonDict:
        """Write what is missing and return the outputs."""
        work.progress(0, 1, "chunks", "Counting labels")
        voxels = source.counts()
        del voxels[0]
        writer = SegmentationWriter(self.codec, self.scales, work.threads)
        writer.write(
            source, lambda: work.progress(writer.done, writer.total, "chunks", "Writing labels")
        )
        return self._finished(voxels)

    def _finished(self, voxels: Counter[int]) -> JsonDict:
        info = self.codec.info(self.scales)
        info["segment_properties"] = segment_properties.FOLDER
        properties = self.folder / segment_properties.FOLDER
        properties.mkdir(exist_ok=True)
        documents = {
            properties / "info": segment_properties.properties(self.tree, voxels),
            self.folder / segment_properties.COLORS: segment_properties.colors(self.tree, voxels),
            self.folder / "info": info,
        }
        for path, document in documents.items():
            write_durably(path, segment_properties.text(document))
        write_durably(self.folder / _THUMBNAIL, self._thumbnail())
        made = [*documents, self.folder / _THUMBNAIL, *self.folder.glob("*/*.shard")]
        top = self.scales[0].scale
        return {
            "type": "segmentation",
            "shape": list(top.size),
            "dtype": "uint32",
            "voxel_nm": list(top.resolution_nm),
            "window": [0, max(voxels, default=1)],
            "labels": len(voxels),
            "unnamed": cast("Json", sorted(id for id in voxels if id not in self.tree)[:20]),
            "scales": [
                {"key": s.key, "size": list(s.size), "resolution": list(s.resolution_nm)}
                for s in (each.scale for each in self.scales)
            ],
            "files": len(made),
            "bytes": sum(path.stat().st_size for path in made),
            "info_digest": products.digest_of(info),
            "segment_colors": segment_properties.COLORS,
            "thumbnail": _THUMBNAIL,
        }

    def _thumbnail(self) -> bytes:
        """The middle plane of a scale that is about as large as the picture."""
        large = [s for s in self.scales if max(s.scale.size[:2]) >= _THUMBNAIL_PIXELS]
        scale = large[-1] if large else self.scales[0]
        x, y, z = scale.scale.size
        middle = ScaleLabels(self.codec, scale).box((z // 2, z // 2 + 1), (0, y), (0, x))[0]
        return segment_properties.picture(self.tree, middle, _THUMBNAIL_PIXELS)


def _record(spec: StepSpec, work: Workspace, outputs: JsonDict) -> JsonDict:
    return provenance.record(spec, work.input_digest, outputs)
