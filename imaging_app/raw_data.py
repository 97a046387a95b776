"""What a delivery must look like, in the words of the check. Reads folders, writes nothing.

The rules themselves are in pipeline.raw, which the cluster uses as well: one truth for both.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core_app.errors import Invalid
from core_app.paths import DataPath
from imaging_app.models import ImagingChannel
from pipeline.contract import JsonDict
from pipeline.raw.check import DeliveryReport, Expected, ExpectedChannel, inspect_folder

MOST_FOLDERS = 500


@dataclass(frozen=True, slots=True)
class RawFolder:
    """A folder that the imager can pick: its name and how many TIFF files lie in it."""

    name: str
    files: int


def expected_of(channels: Sequence[ImagingChannel]) -> Expected:
    """Return what the folder of these channels must hold; their order gives the Filter index."""
    return Expected(tuple(_expected_channel(i, channel) for i, channel in enumerate(channels)))


def _expected_channel(index: int, channel: ImagingChannel) -> ExpectedChannel:
    if channel.z_planes is None:
        raise Invalid(
            f"Say how many planes channel {channel.wavelength.name} has before the check."
        )
    return ExpectedChannel(
        name=channel.wavelength.name,
        filter_index=index,
        left=channel.left_sheet,
        right=channel.right_sheet,
        columns=channel.tile_columns,
        rows=channel.tile_rows,
        planes=channel.z_planes,
    )


def check_folder(
    root: Path, folder: DataPath, channels: Sequence[ImagingChannel]
) -> DeliveryReport:
    """Judge one raw folder against what its channels say; every problem at once."""
    folder.real_under(root)
    return inspect_folder(root, str(folder), expected_of(channels))


def as_stored(report: DeliveryReport) -> JsonDict:
    """Return the report as a row keeps it; a file name that is no text as it can be shown."""
    text = json.dumps(report.to_json(), ensure_ascii=False)
    stored: JsonDict = json.loads(text.encode(errors="replace"))
    return stored


def is_there(folder: Path) -> bool:
    """Return True if the folder is there and the storage answers."""
    try:
        return folder.is_dir()
    except OSError:
        return False


def folders_in(root: Path, parent: DataPath) -> list[RawFolder]:
    """List the folders that lie where raw data of one objective belongs. Links are left out."""
    try:
        path = parent.real_under(root)
        with os.scandir(path) as entries:
            names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except (Invalid, OSError):
        return []
    usable = [name for name in names if is_usable(name)]
    return [RawFolder(name, _count_tiffs(path / name)) for name in usable[:MOST_FOLDERS]]


def is_usable(name: str) -> bool:
    """Return True for a folder name that forms, paths and job specifications carry unharmed."""
    return name.isprintable() and not set(name) & set(" /\\") and name not in {"", ".", ".."}


def _count_tiffs(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(e.name.lower().endswith((".tif", ".tiff")) for e in entries)
    except OSError:
        return 0
