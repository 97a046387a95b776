"""The downsized volume as a product: one TIFF with the axes wanted, made while planes go by."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline import parameters, products
from pipeline.contract import PIPELINE_VERSION
from pipeline.downsizing import Downsizer, turned_planes
from pipeline.io.tiff_volume import write_volume
from pipeline.orientation import read_axes, turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedRandom
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.orientation import Axes
    from pipeline.products import Draft

_VERSION = 1  # of the algorithm
_SCRATCH, _VOLUME = "planes.scratch", "volume.tif"

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the volume shall be: `to_voxel_um` runs along the result's own axes (x, y, z)."""

    voxel_um: Triple
    to_voxel_um: Triple
    axes: Axes
    to_axes: Axes

    @classmethod
    def read(cls, values: Mapping[str, Json], *, voxel_um: Triple, to_voxel: str) -> Wanted:
        """Read it out of a spec, where the result's voxel size is called `to_voxel`."""
        to_voxel_um = parameters.triple(values, to_voxel)
        return cls(voxel_um, to_voxel_um, read_axes(values, "axes"), read_axes(values, "to_axes"))

    def identity(self, source: Json) -> str:
        """Tell a volume made of this source from every other."""
        return products.digest_of(
            {
                "product": "downsized",
                "version": _VERSION,
                "source": source,
                "voxel_um": list(self.voxel_um),
                "to_voxel_um": list(self.to_voxel_um),
                "axes": list(self.axes),
                "to_axes": list(self.to_axes),
            }
        )

    def downsizer(self, shape_zyx: tuple[int, int, int]) -> Downsizer:
        along_source = turn(self.to_axes, self.axes).of_xyz(self.to_voxel_um)
        return Downsizer(shape_zyx, self.voxel_um, along_source)


class VolumeDraft:
    """The volume while planes go by: what is finished of it waits in a file until it is turned."""

    def __init__(
        self, draft: Draft, stream: BufferedRandom, wanted: Wanted, downsizer: Downsizer
    ) -> None:
        self.reduce = downsizer.reduce
        self._draft = draft
        self._stream = stream
        self._wanted = wanted
        self._downsizer = downsizer
        self._range = (65535, 0)

    def take(self, z: int, reduced: np.ndarray | None) -> None:
        """Take the planes one by one, in z order."""
        for plane in self._downsizer.add(z, reduced):
            low, high = self._range
            self._range = min(low, int(plane.min())), max(high, int(plane.max()))
            self._stream.write(plane.data.cast("B"))

    def publish(self, spec: StepSpec, destination: Path, absent: list[Json]) -> JsonDict:
        """Turn the volume, write it and put it in its place; return its outputs."""
        self._stream.flush()
        shape = self._downsizer.shape
        how = turn(self._wanted.axes, self._wanted.to_axes)
        x, y, z = how.of_xyz(shape[::-1])
        size = write_volume(
            self._draft.folder / _VOLUME,
            turned_planes(self._draft.folder / _SCRATCH, shape, how),
            shape_zyx=(z, y, x),
            dtype=np.uint16,
            voxel_um=self._wanted.to_voxel_um,
        )
        outputs: JsonDict = {
            "shape": [x, y, z],
            "dtype": "uint16",
            "voxel_um": list(self._wanted.to_voxel_um),
            "axes": list(self._wanted.to_axes),
            "absent_planes": absent,
            "range": list(self._range),
            "bytes": size,
        }
        record: JsonDict = {
            "step": spec.step,
            "pipeline": PIPELINE_VERSION,
            "inputs": spec.inputs,
            "parameters": spec.parameters,
            "outputs": outputs,
        }
        return products.publish_file(
            self._draft.folder / _VOLUME, destination, record, identity=self._draft.identity
        )


@contextmanager
def open_volume_draft(
    destination: Path,
    wanted: Wanted,
    shape_zyx: tuple[int, int, int],
    *,
    name: str,
    identity: str,
) -> Iterator[VolumeDraft]:
    """Begin the volume; whatever happens, nothing but the product is left when this ends."""
    downsizer = wanted.downsizer(shape_zyx)
    with products.open_draft(destination, name=name, identity=identity) as draft:
        try:
            with (draft.folder / _SCRATCH).open("w+b") as stream:
                yield VolumeDraft(draft, stream, wanted, downsizer)
        finally:
            draft.discard()
