"""The folder of an installed atlas, `atlases/<name>` below the data root: whole or not there.

template.tif (uint16), annotation.tif, structures.json, atlas.json; `template` and `annotation` are
the same as Neuroglancer volumes. It is made beside its place and renamed.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, Json, StepSpec
from pipeline.errors import BadInput
from pipeline.io.tiff_volume import write_volume
from pipeline.products import digest_of
from pipeline.steps import precompute, precompute_labels
from pipeline.workspace import Workspace, sync_folder, write_durably
from processing_app.atlas_files.sources import FoundAtlas

FOLDER: Final = "atlases"
TEMPLATE: Final = "template.tif"
ANNOTATION: Final = "annotation.tif"
STRUCTURES: Final = "structures.json"
DESCRIPTION: Final = "atlas.json"
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """A folder that was made beside its place."""

    folder: Path
    destination: Path

    def swap(self) -> None:
        """Put it in its place; what was there is kept until `settle` or `swap_back`."""
        old = _old(self.destination)
        shutil.rmtree(old, ignore_errors=True)
        if self.destination.exists():
            self.destination.rename(old)
        self.folder.rename(self.destination)
        sync_folder(self.destination.parent)

    def swap_back(self) -> None:
        """Undo `swap`, as far as it came."""
        if not self.folder.exists():
            shutil.rmtree(self.destination, ignore_errors=True)
        if _old(self.destination).exists() and not self.destination.exists():
            _old(self.destination).rename(self.destination)

    def settle(self) -> None:
        """Remove what was there before."""
        shutil.rmtree(_old(self.destination), ignore_errors=True)


def checksum_of(found: FoundAtlas) -> str:
    """A stable name for volumes, tree, voxel size and axes, 128 bit."""
    digest = hashlib.blake2b(digest_size=16)
    for volume in (found.template, found.annotation):
        digest.update(f"{volume.shape}{volume.dtype.str}".encode())
        for plane in volume:
            digest.update(plane.tobytes())
    about: list[Json] = [*found.voxel_um, *found.axes, found.tree.to_json()]
    digest.update(digest_of(about).encode())
    return digest.hexdigest()


@contextmanager
def draft_of(root: Path, name: str) -> Iterator[Draft]:
    """Make a folder beside the atlas' place, alone; it is gone afterwards unless it was swapped."""
    home = root / FOLDER
    home.mkdir(parents=True, exist_ok=True)
    destination = home / name
    descriptor = os.open(home / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"The atlas {name} is being imported already. Wait for it.") from None
        _tidy(destination)
        folder = home / f".{name}.importing"
        folder.mkdir()
        try:
            yield Draft(folder, destination)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def fill(draft: Draft, found: FoundAtlas, about: dict[str, Json]) -> None:
    """Write everything that belongs into the folder."""
    z, y, x = found.template.shape
    for name, volume in ((TEMPLATE, found.template), (ANNOTATION, found.annotation)):
        write_volume(
            draft.folder / name, volume, shape_zyx=(z, y, x), dtype=volume.dtype,
            voxel_um=found.voxel_um,
        )  # fmt: skip
    write_durably(draft.folder / STRUCTURES, _text(found.tree.to_json()))
    write_durably(draft.folder / DESCRIPTION, _text(dict(about)))
    voxel: list[Json] = [*found.voxel_um]
    work = Workspace(draft.folder, "import", _THREADS)
    precompute.run(
        _spec("precompute", {"folder": TEMPLATE, "layout": "volume"}, voxel, "template"), work
    )
    precompute_labels.run(
        _spec("precompute_labels", {"labels": ANNOTATION, "tree": STRUCTURES}, voxel, "annotation"),
        work,
    )
    for lock in draft.folder.glob(".*.lock"):
        lock.unlink()
    sync_folder(draft.folder)


def _spec(step: str, inputs: dict[str, Json], voxel_um: list[Json], volume: str) -> StepSpec:
    parameters: dict[str, Json] = {"voxel_um": voxel_um}
    if step == "precompute":
        parameters["compression"] = "gzip"
    return StepSpec(
        contract=CONTRACT_VERSION, step=step, name="import", version=PIPELINE_VERSION,
        inputs=inputs, parameters=parameters, outputs={"volume": volume}, threads=_THREADS,
    )  # fmt: skip


def _tidy(destination: Path) -> None:
    """Put right what an import left that was killed."""
    shutil.rmtree(destination.with_name(f".{destination.name}.importing"), ignore_errors=True)
    if _old(destination).exists() and not destination.exists():
        _old(destination).rename(destination)
    shutil.rmtree(_old(destination), ignore_errors=True)


def _old(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.old")


def _text(document: Json) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode()
