"""Step export_zarr: a finished image volume becomes OME-Zarr, with all its mips."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

from pipeline import parameters, products, provenance
from pipeline.errors import BadInput
from pipeline.io.ome_zarr import Copy, Source, attributes, copy_all, sync_metadata
from pipeline.raw import sources
from pipeline.workspace import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.workspace import Workspace

ALGORITHM: Final = 1
_CHECKPOINT = "checkpoint.json"
_WHITE = "FFFFFF"
_COLOR = re.compile(r"#?([0-9A-Fa-f]{6})")
_BRIGHTEST = 65535


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Write the OME-Zarr, or return at once if it is there already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["zarr"])
    folder = work.resolve(parameters.text(spec.inputs, "volume"))
    source = Source(folder, _info(folder))
    compression = parameters.choice(spec.parameters, "compression", "blosc", "gzip")
    described = _attributes(spec, source)
    files = sources.identities(folder, _files(source))
    work.input_digest = provenance.input_digest(spec, files)
    identity = provenance.identity(spec, ALGORITHM, work.input_digest)
    if (there := products.published(destination, identity)) is not None:
        return there
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        copy = Copy(source, draft.folder, compression)
        try:
            _copy(copy, draft, described, work)
            sources.require_unchanged(files, sources.identities(folder, _files(source)))
        except BadInput:
            draft.discard()
            raise
        sync_metadata(draft.folder, len(source.scales))
        outputs = _outputs(source, draft.folder)
        work.count_bytes(
            read=sum(size for size, _ in files.values()), written=cast("int", outputs["bytes"])
        )
        record = provenance.record(spec, work.input_digest, outputs)
        return draft.publish(record, working_files=(_CHECKPOINT,))


def _info(folder: Path) -> JsonDict:
    try:
        info = json.loads((folder / "info").read_text(encoding="utf-8"))
        scales = info["scales"]
        fit = info["data_type"] == "uint16" and info["num_channels"] == 1 and len(scales) > 0
        fit = fit and all(s["encoding"] == "raw" and "sharding" in s for s in scales)
        fit = fit and all(s.get("voxel_offset", [0, 0, 0]) == [0, 0, 0] for s in scales)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder.name} is no volume that can be read: {error}.") from error
    if not fit:
        raise BadInput(
            f"{folder.name} is no volume that this pipeline made: only sharded, raw volumes of 16 "
            "bits with one channel and no offset can be exported."
        )
    return cast("JsonDict", info)


def _files(source: Source) -> list[Path | None]:
    shards = [
        path
        for scale in source.scales
        for path in sorted((source.folder / str(scale["key"])).glob("*.shard"))
    ]
    return [source.folder / "info", *shards]


def _attributes(spec: StepSpec, source: Source) -> JsonDict:
    name = parameters.text(spec.parameters, "channel", source.folder.name)
    color = _COLOR.fullmatch(parameters.text(spec.parameters, "color", _WHITE))
    if color is None:
        raise BadInput("color must be six hexadecimal digits, such as #ff8000.")
    facts = _facts(source.folder)
    window = cast("list[int]", facts.get("window", [0, _BRIGHTEST]))
    return attributes(
        source.scales, name=name, color=color[1].upper(), window=window, span=(0, _BRIGHTEST)
    )


def _facts(folder: Path) -> JsonDict:
    """What the step that made the volume said of it; nothing for a volume from elsewhere."""
    try:
        record = json.loads((folder / products.RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    outputs = record.get("outputs") if isinstance(record, dict) else None
    return outputs if isinstance(outputs, dict) else {}


def _copy(copy: Copy, draft: products.Draft, described: JsonDict, work: Workspace) -> None:
    checkpoint = draft.folder / _CHECKPOINT
    done = _done(checkpoint) if draft.resumed else set()
    if not done:
        _clear(draft.folder)
        copy.begin(described)
    total = len(copy.slabs)
    work.progress(len(done), total, "slabs", "Writing OME-Zarr")

    def after(_written: int) -> None:
        write_atomically(checkpoint, json.dumps(sorted(done)))
        work.progress(len(done), total, "slabs", "Writing OME-Zarr")

    copy_all(copy, done, threads=work.threads, after=after)


def _done(checkpoint: Path) -> set[tuple[int, int]]:
    try:
        pairs = json.loads(checkpoint.read_text(encoding="utf-8"))
        return {(int(mip), int(row)) for mip, row in pairs}
    except (OSError, ValueError, TypeError):
        return set()


def _clear(folder: Path) -> None:
    """Remove what a dead attempt left of a copy that had hardly begun."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in products.WORKING_FILES:
            path.unlink()


def _outputs(source: Source, folder: Path) -> JsonDict:
    working = {*products.WORKING_FILES, _CHECKPOINT}
    sizes = [
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and path.name not in working
    ]
    return {
        "shape": list(source.size(0)),
        "levels": len(source.scales),
        "voxel_nm": source.scales[0]["resolution"],
        "version": "0.4",
        "files": len(sizes),
        "bytes": sum(sizes),
    }
