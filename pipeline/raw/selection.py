"""Which files of a folder are the planes of one volume, in z order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.raw.check import scan_folder
from pipeline.raw.layouts import looks_like_tiff
from pipeline.raw.sorting import Group, sort_listing
from pipeline.raw.wording import be, folded, is_printable, plane_ranges, unprintable_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.raw.delivery import FileEntry

_DIGITS = re.compile(r"(\d+)")


def lavision_planes(
    root: Path, folder: Path, *, channel_index: int, sheet_code: int, planes: int
) -> list[Path]:
    """The planes of one channel and sheet of a single-tile acquisition; BadInput if not all."""
    found = sort_listing(_listing(root, folder))
    _require_printable(found.unprintable)
    group = found.groups.get((sheet_code, channel_index, (0, 0)))
    files = _exactly(group or Group(), planes, f"C{sheet_code:02d}, Filter{channel_index:04d}")
    return [folder / entry.name for entry in files]


def sorted_planes(root: Path, folder: Path, *, planes: int | None) -> list[Path]:
    """Every TIFF of a folder, numbers in names counting as numbers; BadInput if not `planes`."""
    listing = _listing(root, folder)
    names = sorted((e.name for e in listing if looks_like_tiff(e.name)), key=_natural)
    _require_printable([name for name in names if not is_printable(name)])
    if planes is not None and len(names) != planes:
        raise _bad(f"The folder {folder.name} has {len(names):,} of {planes:,} planes.")
    return [folder / name for name in names]


def _listing(root: Path, folder: Path) -> Sequence[FileEntry]:
    try:
        listing = scan_folder(folder, root=root)
    except OSError as error:
        raise _bad(f"The folder {folder.name} cannot be read: {error.strerror}.") from error
    if outside := [entry.name for entry in listing if entry.link_out]:
        raise _bad(f"These files are links out of the data storage: {folded(outside)}.")
    return listing


def _require_printable(unprintable: Sequence[str]) -> None:
    if unprintable:
        problem = unprintable_names(unprintable, then="retry")
        raise BadInput(f"{problem.what} {problem.remedy}", [problem])


def _exactly(group: Group, planes: int, what: str) -> list[FileEntry]:
    missing = [z for z in range(planes) if z not in group.planes]
    if missing:
        there = planes - len(missing)
        raise _bad(
            f"{what} has {there:,} of {planes:,} planes; {plane_ranges(missing)} "
            f"{be(len(missing))} missing."
        )
    beyond = sorted(z for z in group.planes if z >= planes)
    double = sorted(z for z, entries in group.planes.items() if len(entries) > 1)
    if beyond or double:
        raise _bad(
            f"{what} has more files than {planes:,} planes: {plane_ranges(beyond or double)}."
        )
    return [group.planes[z][0] for z in range(planes)]


def _bad(what: str) -> BadInput:
    remedy = "Check the raw delivery on the imaging page, then retry."
    return BadInput(f"{what} {remedy}", [Problem("", what, remedy)])


def _natural(name: str) -> list[tuple[int, str]]:
    parts = _DIGITS.split(name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
