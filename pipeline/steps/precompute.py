"""Step precompute: planes become a Neuroglancer volume with its pyramid, in one pass."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, cast

from pipeline import parameters, products, provenance
from pipeline.errors import BadInput
from pipeline.io.codec import choose_codec
from pipeline.io.pyramid import plan_scales
from pipeline.io.survey import Survey
from pipeline.io.tiff import open_stack
from pipeline.io.volume import VolumeWriter
from pipeline.io.volume_file import VolumeStack
from pipeline.raw import sources
from pipeline.raw.selection import lavision_planes, smartspim_planes, sorted_planes
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.io.grid import Triple
    from pipeline.io.pyramid import Scale
    from pipeline.io.tiff import PlaneStack
    from pipeline.workspace import Workspace

_DEFAULT_MIPS = 4
_CHECKPOINT_SECONDS = 20.0
_CHECKPOINT = "checkpoint.npz"
_WORKING_FILES = (_CHECKPOINT, "checkpoint.writing")
_THUMBNAIL = "thumbnail.png"
_VOLUME = "volume"
_SMALL_PLANE_BYTES, _LARGE_PLANE_BYTES = 4 << 20, 64 << 20
_LEAST_CHUNK, _MOST_CHUNK = 16, 512


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Build the volume, or return at once if it is there already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["volume"])
    paths = _planes(spec, work)
    codec = choose_codec(parameters.text(spec.parameters, "compression"))
    folder = _folder(spec, work)
    files = sources.identities(folder, paths)
    sources.require_manifest(spec, work, files)
    work.input_digest = provenance.input_digest(spec, files)
    identity = products.digest_of(
        {
            "step": spec.step,
            "input": work.input_digest,
            "parameters": _lasting(spec.parameters),
            "codec": codec.name,
        }
    )
    if (there := products.published(destination, identity)) is not None:
        return there
    stack = _stack(spec, paths, work)
    scales, chunk = _plan(spec, stack)
    survey = Survey.plan(scales)
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        writer = VolumeWriter(draft.folder, scales, chunk, codec, survey)
        try:
            _write(writer, stack, draft, spec, work)
            absent: list[Json] = [z for z, path in enumerate(paths) if path is None]
            outputs = _describe(writer, survey, draft.folder, absent)
            sources.require_unchanged(files, sources.identities(folder, _planes(spec, work)))
        except BadInput:
            draft.discard()
            raise
        finally:
            writer.close()
        return draft.publish(_record(spec, work, outputs), working_files=_WORKING_FILES)


def _folder(spec: StepSpec, work: Workspace) -> Path:
    """The folder with the files that are read."""
    given = work.resolve(parameters.text(spec.inputs, "folder"))
    return given.parent if spec.inputs.get("layout") == _VOLUME else given


def _planes(spec: StepSpec, work: Workspace) -> list[Path | None]:
    """The file of each plane in z order, None for one that is absent; or the one of all planes."""
    folder = work.resolve(parameters.text(spec.inputs, "folder"))
    layout = parameters.choice(spec.inputs, "layout", "lavision", "smartspim", "planes", _VOLUME)
    absent = frozenset(parameters.integers(spec.inputs, "absent"))
    if layout == "lavision":
        return lavision_planes(
            work.root,
            folder,
            channel_index=parameters.integer(spec.inputs, "channel_index"),
            sheet_code=parameters.integer(spec.inputs, "sheet_code"),
            planes=parameters.integer(spec.inputs, "planes"),
            absent=absent,
        )
    if layout == "smartspim":
        planes = parameters.integer(spec.inputs, "planes")
        return smartspim_planes(work.root, folder, planes=planes, absent=absent)
    if absent:
        raise BadInput("Absent planes can be named only where planes have numbers.")
    if layout == _VOLUME:
        return [folder]
    wanted = parameters.integer(spec.inputs, "planes") if "planes" in spec.inputs else None
    return sorted_planes(work.root, folder, planes=wanted)


def _stack(spec: StepSpec, paths: list[Path | None], work: Workspace) -> PlaneStack | VolumeStack:
    if spec.inputs.get("layout") != _VOLUME:
        return open_stack(paths, threads=work.threads)
    assert paths[0] is not None
    stack = VolumeStack(paths[0])
    wanted = parameters.integer(spec.inputs, "planes", stack.shape[0])
    if wanted != stack.shape[0]:
        raise BadInput(f"{paths[0].name} has {stack.shape[0]:,} of {wanted:,} planes.")
    return stack


def _lasting(given: JsonDict) -> JsonDict:
    """The parameters that change the product; how often to save is not one of them."""
    return {key: value for key, value in given.items() if key != "checkpoint_seconds"}


def _plan(spec: StepSpec, stack: PlaneStack | VolumeStack) -> tuple[list[Scale], Triple]:
    depth, height, width = stack.shape
    x, y, z = (max(1, round(um * 1000)) for um in parameters.triple(spec.parameters, "voxel_um"))
    chunk = _chunk(spec, plane_bytes=height * width * 2)
    mips = parameters.integer(spec.parameters, "mips", _DEFAULT_MIPS)
    scales = plan_scales((width, height, depth), (x, y, z), mips=mips, chunk=chunk)
    if scales[-1].factor[1] > chunk[1] or scales[-1].factor[2] > chunk[2]:
        raise BadInput(f"{mips} mips are too many for chunks of {chunk}. Choose fewer.")
    return scales, chunk


def _chunk(spec: StepSpec, *, plane_bytes: int) -> Triple:
    """The chunk asked for, else one that keeps memory small: flat where planes are wide."""
    if "chunk" not in spec.parameters:
        if plane_bytes <= _SMALL_PLANE_BYTES:
            return 64, 64, 64
        return (64, 64, 32) if plane_bytes <= _LARGE_PLANE_BYTES else (128, 128, 16)
    x, y, z = (int(side) for side in parameters.triple(spec.parameters, "chunk"))
    for side in (x, y, z):
        if side & (side - 1) or not _LEAST_CHUNK <= side <= _MOST_CHUNK:
            raise BadInput(
                f"A chunk side must be a power of two from {_LEAST_CHUNK} to {_MOST_CHUNK}."
            )
    return x, y, z


def _write(
    writer: VolumeWriter,
    stack: PlaneStack | VolumeStack,
    draft: products.Draft,
    spec: StepSpec,
    work: Workspace,
) -> None:
    checkpoint = draft.folder / _CHECKPOINT
    if draft.resumed:
        writer.restore(checkpoint)
    interval = parameters.number(spec.parameters, "checkpoint_seconds", _CHECKPOINT_SECONDS)
    first, saved_at = writer.next_plane, time.monotonic()
    label = parameters.text(spec.parameters, "channel", "volume")

    def after_slab() -> None:
        nonlocal saved_at
        work.progress(writer.next_plane, stack.shape[0], "planes", f"Writing {label}")
        if time.monotonic() - saved_at >= interval and writer.next_plane < stack.shape[0]:
            writer.save(checkpoint)
            saved_at = time.monotonic()

    work.progress(first, stack.shape[0], "planes", f"Writing {label}")
    writer.write(stack, threads=work.threads, after_slab=after_slab)
    work.count_bytes(read=(stack.shape[0] - first) * stack.shape[1] * stack.shape[2] * 2)


def _describe(writer: VolumeWriter, survey: Survey, folder: Path, absent: list[Json]) -> JsonDict:
    """Finish the files and say what a viewer needs to know of them."""
    total = writer.finish()
    info = json.dumps(writer.info(), indent=1, sort_keys=True)
    picture = survey.thumbnail()
    write_durably(folder / "info", info.encode())
    write_durably(folder / _THUMBNAIL, picture)
    top = writer.mips[0].scale
    shards = sum(1 for _ in folder.glob("*/*.shard"))
    voxels = top.size[0] * top.size[1] * top.size[2]
    return {
        "shape": list(top.size),
        "dtype": "uint16",
        "voxel_nm": list(top.resolution_nm),
        "absent_planes": absent,
        "window": list(survey.window()),
        "range": [survey.lowest, survey.highest],
        "saturated_fraction": survey.saturated / voxels,
        "scales": [_scale_facts(mip.scale) for mip in writer.mips],
        "files": shards + 2,
        "bytes": total + len(info) + len(picture),
        "info_digest": products.digest_of(cast("Json", writer.info())),
        "thumbnail": _THUMBNAIL,
    }


def _scale_facts(scale: Scale) -> JsonDict:
    return {"key": scale.key, "size": list(scale.size), "resolution": list(scale.resolution_nm)}


def _record(spec: StepSpec, work: Workspace, outputs: JsonDict) -> JsonDict:
    total = outputs["bytes"]
    assert isinstance(total, int)
    work.count_bytes(written=total)
    return provenance.record(spec, work.input_digest, outputs, parameters=_lasting(spec.parameters))
