"""Find the transform from one volume to another, stage by stage, and apply transforms.

Each stage leaves its transform file in the folder as soon as it is done, so that a later attempt
goes on from there; as every stage starts from files, the result is the same.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.contract import STEP_ERROR
from pipeline.errors import BadInput, StepFailed
from pipeline.io.metaimage import read_metaimage, write_metaimage
from pipeline.io.tiff_volume import write_volume
from pipeline.registration import transforms
from pipeline.registration.engine import require_room, run_engine
from pipeline.registration.settings import AFFINE, parameter_text
from pipeline.registration.transforms import Grid
from pipeline.registration.volumes import center_mm, in_small, made_ready, tissue_mask
from pipeline.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.io.metaimage import MetaImage
    from pipeline.registration.engine import Engine
    from pipeline.registration.settings import Effort
    from pipeline.registration.volumes import Size, Volume
    from pipeline.workspace import Workspace

WORKING: Final = "working"
LOG: Final = "elastix.log"
_WORDS: Final = {AFFINE: "Affine", "bspline": "B-spline"}
_LARGEST: Final = 65535


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the programs work: the draft's folder, what they are, and what they hold."""

    folder: Path
    engine: Engine
    work: Workspace
    held: Sequence[int]

    @property
    def working(self) -> Path:
        """A folder for what nobody needs afterwards."""
        place = self.folder / WORKING
        place.mkdir(exist_ok=True)
        return place

    def clear(self) -> None:
        shutil.rmtree(self.folder / WORKING, ignore_errors=True)


def transform_name(number: int) -> str:
    return f"TransformParameters.{number}.txt"


def fit(
    bench: Bench, fixed: Volume, moving: Volume, *, effort: Effort, stages: Sequence[str]
) -> list[Path]:
    """Register `moving` to `fixed` and return the transform files, in order of application.

    Raises StepFailed kinds. Files that a dead attempt left are taken over.
    """
    files = [bench.folder / transform_name(number) for number in range(len(stages))]
    if all(path.exists() for path in files):
        return files
    coarser = max(fixed.voxel_um, moving.voxel_um, key=lambda voxel: float(np.prod(voxel)))
    for name, volume in (("fixed", fixed), ("moving", moving)):
        ready = made_ready(volume, coarser)
        write_metaimage(bench.working / f"{name}.mha", ready.voxels, ready.spacing_mm)
        bench.work.count_bytes(read=volume.voxels.nbytes)
        del ready
    total = effort.levels * sum(effort.iterations(stage) for stage in stages)
    before = 0
    for number, stage in enumerate(stages):
        iterations = effort.levels * effort.iterations(stage)
        if not files[number].exists():
            text = parameter_text(stage, effort, coarser)
            (bench.working / f"{stage}.txt").write_text(text, encoding="ascii")
            told = _teller(bench.work, stage, effort.levels, before, total)
            told(0, 0)  # what it is at, if it never says a word
            _run_stage(bench, stage, files[: number + 1], fixed, moving, told)
        before += iterations
    return files


def _teller(
    work: Workspace, stage: str, levels: int, before: int, total: int
) -> Callable[[int, int], None]:
    def told(done: int, level: int) -> None:
        label = f"{_WORDS[stage]}, level {level + 1} of {levels}"
        work.progress(min(before + done, total), total, "iterations", label)

    return told


def _run_stage(
    bench: Bench,
    stage: str,
    files: list[Path],
    fixed: Volume,
    moving: Volume,
    told: Callable[[int, int], None],
) -> None:
    """Run elastix once; its transform is `files[-1]`, those before are where it starts."""
    shift = _shift_mm(fixed, moving) if len(files) == 1 else None
    first = "start.txt"
    grid = Grid(fixed.size_xyz, fixed.spacing_mm)
    if shift is not None:
        text = transforms.translation_text(shift, grid)
        (bench.working / first).write_text(text, encoding="ascii")
    else:
        first = files[-2].name
        shutil.copyfile(files[-2], bench.working / first)
    out = bench.working / stage
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    words = [
        *bench.engine.elastix, "-f", "fixed.mha", "-m", "moving.mha", "-out", stage,
        "-t0", first, "-p", f"{stage}.txt",
    ]  # fmt: skip
    sys.stderr.write(f"elastix: {_WORDS[stage]}\n")
    said = bench.working / f"{stage}.said"
    run_engine(
        words,
        folder=bench.working,
        log=said,
        threads=bench.work.threads,
        held=bench.held,
        told=told,
    )
    with _of_the_engine(bench):
        fields = transforms.read_transform(out / transform_name(0))
    if shift is not None:
        fields = transforms.after_shift(fields, shift)
    before = files[-2].name if len(files) > 1 else None
    _append_log(bench.folder, said, fresh=len(files) == 1)
    transforms.write_transform(files[-1], fields | grid.fields(), before=before)


def _shift_mm(fixed: Volume, moving: Volume) -> np.ndarray:
    """Return what takes the center of the fixed volume's tissue to that of the moving one's."""
    here, there = (
        center_mm(tissue_mask(small.voxels), small.voxel_um)
        for small in (in_small(volume.voxels, volume.voxel_um) for volume in (fixed, moving))
    )
    return np.asarray(there - here)


def _append_log(folder: Path, said: Path, *, fresh: bool) -> None:
    log = folder / LOG
    before = "" if fresh or not log.exists() else log.read_text(encoding="utf-8")
    write_atomically(log, before + said.read_text(encoding="utf-8", errors="replace"))


def apply(
    bench: Bench,
    voxels: np.ndarray,
    spacing_mm: Size,
    files: Sequence[Path],
    grid: Grid,
    *,
    order: int,
) -> MetaImage:
    """Bring a volume (z, y, x) through transforms onto a grid by transformix; float32.

    What comes back is mapped from a file in the bench's working folder.
    """
    working = bench.working
    write_metaimage(working / "in.mha", voxels, spacing_mm)
    last = transforms.write_chain(working, files, grid, order=order)
    out = working / "applied"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    words = [*bench.engine.transformix, "-in", "in.mha", "-tp", last, "-out", out.name]
    run_engine(
        words,
        folder=working,
        log=working / "transformix.said",
        threads=bench.work.threads,
        held=bench.held,
        told=lambda _done, _level: None,
    )
    (working / "in.mha").unlink()
    with _of_the_engine(bench):
        result = read_metaimage(out / "result.mha")
        if result.voxels.shape[::-1] != grid.size_xyz:
            raise BadInput("transformix made a volume of another size.")
    return result


@contextmanager
def _of_the_engine(bench: Bench) -> Iterator[None]:
    """What the engine left and cannot be read is no bad input: the disk is full, or it failed."""
    try:
        yield
    except BadInput as error:
        require_room(bench.working)
        raise StepFailed(
            STEP_ERROR, f"elastix ended well, but what it left is wrong: {error.message}"
        ) from error


def write_rounded(path: Path, voxels: np.ndarray, voxel_um: Size) -> int:
    """Write a volume (z, y, x) as uint16, rounded and clipped; return the bytes."""
    shape = voxels.shape
    planes = (np.clip(np.rint(plane), 0, _LARGEST).astype(np.uint16) for plane in voxels)
    return write_volume(
        path, planes, shape_zyx=(shape[0], shape[1], shape[2]), dtype=np.uint16, voxel_um=voxel_um
    )
