"""Step downsize: a folder of planes becomes one small volume, averaged and turned."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pipeline import parameters, products
from pipeline.downsized_volume import Wanted, open_volume_draft
from pipeline.plane_stream import find_source, in_order, read_plane

if TYPE_CHECKING:
    import numpy as np

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.downsized_volume import VolumeDraft
    from pipeline.io.tiff import PlaneStack
    from pipeline.workspace import Workspace


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Make the volume, or return at once if it is there already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["volume"])
    wanted = Wanted.read(
        spec.parameters,
        voxel_um=parameters.triple(spec.parameters, "voxel_um"),
        to_voxel="to_voxel_um",
    )
    inputs = {"absent": spec.parameters.get("absent", []), **spec.inputs, "layout": "planes"}
    source = find_source(inputs, spec, work)
    work.input_digest = products.digest_of({"inputs": inputs, "files": source.listed()})
    identity = wanted.identity(work.input_digest)
    if (there := products.file_published(destination, identity)) is not None:
        return there
    stack = source.open(work)
    with open_volume_draft(
        destination, wanted, stack.shape, name=spec.name, identity=identity
    ) as draft:
        _reduce(stack, draft, work)
        source.require_unchanged(work)
        outputs = draft.publish(spec, destination, source.absent)
    work.count_bytes(written=destination.stat().st_size)
    return outputs


def _reduce(stack: PlaneStack, draft: VolumeDraft, work: Workspace) -> None:
    depth, height, width = stack.shape
    ahead = 2 * work.threads

    def one(z: int) -> np.ndarray | None:
        plane = read_plane(stack, z)
        return None if plane is None else draft.reduce(plane)

    def prefetch(z: int) -> None:
        stack.prefetch(z + ahead, z + ahead + 1)

    work.progress(0, depth, "planes", "Downsizing")
    with closing(in_order(depth, one, threads=work.threads, prefetch=prefetch)) as results:
        for z, reduced in enumerate(results):
            draft.take(z, reduced)
            work.count_bytes(read=height * width * 2)
            work.progress(z + 1, depth, "planes", "Downsizing")
