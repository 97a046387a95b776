"""Raw data for the demo: the generated phantom, or a folder of single-plane TIFFs as a delivery."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from core_app.errors import Invalid
from imaging_app.models import Microscope, Objective
from pipeline import phantom

Progress = Callable[[int, int], None]
Voxel = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class DemoData:
    """What the demo images: voxel size (z, y, x) in µm, planes, channels, sheets, the writer."""

    name: str
    voxel_um: Voxel
    planes: int
    channels: tuple[str, ...]
    right_sheet: bool
    orientation: str
    write: Callable[[Path, Progress], None]
    is_phantom: bool = False


def phantom_data() -> DemoData:
    """Return the generated whole-brain phantom: two channels, both light sheets, horizontal."""
    shape, voxel = phantom.DEFAULT_SHAPE, phantom.DEFAULT_VOXEL_UM
    channels = ("488", "647")

    def write(folder: Path, progress: Progress) -> None:
        phantom.write_delivery(
            folder, shape_zyx=shape, voxel_um_zyx=voxel, channels=channels, progress=progress
        )

    return DemoData(
        name="phantom",
        voxel_um=voxel,
        planes=shape[0],
        channels=channels,
        right_sheet=True,
        orientation="horizontal",
        write=write,
        is_phantom=True,
    )


def folder_data(folder: Path, voxel: Voxel, orientation: str) -> DemoData:
    """Return a folder of single-plane TIFFs, sorted by name, as one channel with one sheet."""
    if not folder.is_dir():
        raise Invalid(f"RAW={folder} is not a folder. Give the folder that holds the TIFF planes.")
    planes = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".tif", ".tiff"})
    if not planes:
        raise Invalid(
            f"There is no .tif file in {folder}. Give the folder that holds the TIFF planes."
        )
    if voxel[1] != voxel[2]:
        raise Invalid("The pixels of a camera are square: give VOXEL=z,y,x with y equal to x.")

    def write(target: Path, progress: Progress) -> None:
        for z, plane in enumerate(planes):
            name = phantom.plane_file(z=z, filter_index=0, sheet_code=0)
            _copy(plane, target / name)
            progress(z + 1, len(planes))

    return DemoData(
        name=folder.name,
        voxel_um=voxel,
        planes=len(planes),
        channels=("488",),
        right_sheet=False,
        orientation=orientation,
        write=write,
    )


def parse_voxel(text: str) -> Voxel:
    """Read `50,40,40` (z, y, x in µm)."""
    try:
        z, y, x = (float(part) for part in text.split(","))
    except ValueError:
        raise Invalid(f"VOXEL={text} must be three numbers z,y,x in µm, as 50,40,40.") from None
    if min(z, y, x) <= 0:
        raise Invalid("A voxel has a size above 0 µm on every side.")
    return z, y, x


def objective_for(data: DemoData) -> Objective:
    """Return an objective with the data's pixel size; the demo's brains fit no real one."""
    xy = data.voxel_um[2]
    objective, _ = Objective.objects.update_or_create(
        name=f"demo-{xy:g}um",
        defaults={
            "microscope": Microscope.objects.get(name="lavision"),
            "label": f"Demo objective ({xy:g} µm pixels)",
            "magnification": Decimal(1),
            "camera_pixel_um": Decimal("6.5"),
            "xy_um": Decimal(str(xy)),
            "default_z_step_um": Decimal(str(data.voxel_um[0])),
            "pipelines": ["lightsheet"],
            "position": 90,
        },
    )
    return objective


def deliver(data: DemoData, folder: Path, progress: Progress) -> None:
    """Write raw data as a microscope would: the folder appears complete. Safe to repeat."""
    if folder.is_dir():
        return
    partial = folder.with_name(f"{folder.name}.copying")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    data.write(partial, progress)
    cells = partial.with_name(f"{partial.name}_cells.json")
    if cells.exists():  # the phantom tells where its cells are, beside the delivery
        cells.rename(folder.with_name(f"{folder.name}_cells.json"))
    partial.rename(folder)


def _copy(source: Path, target: Path) -> None:
    """Copy a plane whole: a linked one would change with its original."""
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
    os.utime(target)
