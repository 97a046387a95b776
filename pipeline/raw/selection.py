"""Which files of a folder are the planes of one volume, in z order."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.raw.layouts import LAVISION, SMARTSPIM, looks_like_tiff
from pipeline.raw.listing import Group
from pipeline.raw.tiff_header import HeaderProblem, read_header
from pipeline.raw.walking import walk_folder
from pipeline.raw.wording import be, folded, is_printable, plane_ranges, unprintable_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.raw.listing import Found

Place: TypeAlias = tuple[int, int]  # column, row
Tiles: TypeAlias = dict[Place, list[Path | None]]

_DIGITS = re.compile(r"(\d+)")


def lavision_planes(
    root: Path,
    folder: Path,
    *,
    channel_index: int,
    sheet_code: int,
    planes: int,
    absent: frozenset[int] = frozenset(),
) -> list[Path | None]:
    """The planes of one channel and sheet of a single-tile acquisition; BadInput if not all.

    A plane that is listed as `absent` is None, whether or not a damaged file is left of it.
    """
    found = _walked(root, folder, LAVISION)
    group = found.groups.get((sheet_code, channel_index, (0, 0)), Group())
    what = f"C{sheet_code:02d}, Filter{channel_index:04d}"
    return [folder / name if name else None for name in _exactly(group, planes, what, absent)]


def smartspim_planes(
    root: Path, folder: Path, *, planes: int, absent: frozenset[int] = frozenset()
) -> list[Path | None]:
    """The planes of a channel folder with a single tile; BadInput if there are more or not all."""
    found = _walked(root, folder, SMARTSPIM)
    if found.unreadable:
        raise _bad(f"The folder {next(iter(found.unreadable))} cannot be read.")
    if len(found.tiles) != 1:
        raise _bad(f"The folder {folder.name} has {len(found.tiles)} tiles; stitch them first.")
    group = found.groups.get((0, 0, (0, 0)), Group())
    return [
        folder / name if name else None for name in _exactly(group, planes, folder.name, absent)
    ]


def lavision_tiles(
    root: Path,
    folder: Path,
    *,
    channel_index: int,
    sheet_code: int,
    tiling: tuple[int, int],
    planes: int,
    absent: frozenset[int] = frozenset(),
) -> Tiles:
    """The planes of every tile of one channel and sheet; BadInput if not all, or if more tiles.

    `tiling` is columns x rows. A plane may be `absent` from any tile, which has None for it, as for
    one of which only a damaged file is left; a tile that has it whole keeps it.
    """
    found = _walked(root, folder, LAVISION)
    groups = {
        (column, row): group
        for (code, channel, (row, column)), group in found.groups.items()
        if (code, channel) == (sheet_code, channel_index)
    }
    what = f"C{sheet_code:02d}, Filter{channel_index:04d}"
    _require_tiling(set(groups), tiling, what)
    return {
        (column, row): _whole_of(
            folder,
            groups[column, row],
            planes,
            f"Tile [{row:02d} x {column:02d}] of {what}",
            absent,
        )
        for column, row in _places(tiling)
    }


def smartspim_tiles(
    root: Path,
    folder: Path,
    *,
    tiling: tuple[int, int],
    planes: int,
    absent: frozenset[int] = frozenset(),
) -> Tiles:
    """The planes of every tile of a channel folder, as `lavision_tiles` has them."""
    found = _walked(root, folder, SMARTSPIM)
    if found.unreadable:
        raise _bad(f"The folder {next(iter(found.unreadable))} cannot be read.")
    if found.misplaced:
        words = folded(sorted(found.misplaced))
        raise _bad(f"Tile folders lie in the folder of another column: {words}.")
    _require_tiling({(column, row) for row, column in found.tiles}, tiling, folder.name)
    return {
        (column, row): _whole_of(
            folder,
            found.groups.get((0, 0, (row, column)), Group()),
            planes,
            f"Tile {found.tiles[row, column]} of {folder.name}",
            absent,
        )
        for column, row in _places(tiling)
    }


def _places(tiling: tuple[int, int]) -> list[Place]:
    columns, rows = tiling
    return [(column, row) for row in range(rows) for column in range(columns)]


def _require_tiling(there: set[Place], tiling: tuple[int, int], what: str) -> None:
    wanted = set(_places(tiling))
    if there == wanted:
        return
    names = [
        f"column {column}, row {row} is {'missing' if (column, row) in wanted else 'beyond them'}"
        for column, row in sorted(wanted ^ there)
    ]
    raise _bad(
        f"{what} does not have the {tiling[0]} columns x {tiling[1]} rows of tiles that were "
        f"entered: {folded(names)}."
    )


def _whole_of(
    folder: Path, group: Group, planes: int, what: str, absent: frozenset[int]
) -> list[Path | None]:
    """The planes of one tile; those that may be absent are left out unless they are whole."""
    there = {group.z(number) for series in group.series for number in series.numbers}
    lost = {z for z in absent if z not in there or _is_damaged(folder, group.names_of(z))}
    names = _exactly(group, planes, what, frozenset(lost))
    return [folder / name if name else None for name in names]


def _is_damaged(folder: Path, names: Sequence[str]) -> bool:
    return any(isinstance(read_header(folder / name), HeaderProblem) for name in names)


def sorted_planes(root: Path, folder: Path, *, planes: int | None) -> list[Path | None]:
    """Every TIFF of a folder, numbers in names counting as numbers; BadInput if not `planes`."""
    names = sorted(filter(looks_like_tiff, _names_inside(root, folder)), key=_natural)
    _require_printable([name for name in names if not is_printable(name)])
    if planes is not None and len(names) != planes:
        raise _bad(f"The folder {folder.name} has {len(names):,} of {planes:,} planes.")
    return [folder / name for name in names]


def _walked(root: Path, folder: Path, layout: str) -> Found:
    try:
        found = walk_folder(folder, layout, root=root, sizes=False)
    except OSError as error:
        raise _unreadable(folder, error) from error
    _require_inside(found.links_out.first, found.links_out.count)
    _require_printable(found.unprintable.first)
    return found


def _names_inside(root: Path, folder: Path) -> list[str]:
    boundary = root.resolve()
    try:
        with os.scandir(folder) as entries:
            files = [item for item in entries if not item.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise _unreadable(folder, error) from error
    links = [item for item in files if item.is_symlink()]
    outside = [e.name for e in links if not Path(e.path).resolve().is_relative_to(boundary)]
    _require_inside(sorted(outside), len(outside))
    return [item.name for item in files]


def _unreadable(folder: Path, error: OSError) -> BadInput:
    return _bad(f"The folder {folder.name} cannot be read: {error.strerror}.")


def _require_inside(outside: Sequence[str], count: int) -> None:
    if outside:
        words = folded(outside, count=count)
        raise _bad(f"These files are links out of the data storage: {words}.")


def _require_printable(unprintable: Sequence[str]) -> None:
    if unprintable:
        problem = unprintable_names(unprintable, len(unprintable), then="retry")
        raise BadInput(f"{problem.what} {problem.remedy}", [problem])


def _exactly(group: Group, planes: int, what: str, absent: frozenset[int]) -> list[str | None]:
    """The file of each plane by name, None for one that is absent; BadInput if others are."""
    names: dict[int, list[str]] = {}
    for series in group.series:
        for position, number in enumerate(series.numbers):
            names.setdefault(group.z(number), []).append(series.name(position))
    missing = [z for z in range(planes) if z not in names and z not in absent]
    if missing:
        there = planes - len(missing)
        raise _bad(
            f"{what} has {there:,} of {planes:,} planes; {plane_ranges(missing)} "
            f"{be(len(missing))} missing."
        )
    beyond = sorted(z for z in names if not 0 <= z < planes)
    double = sorted(z for z, found in names.items() if len(found) > 1)
    if beyond or double:
        raise _bad(
            f"{what} has more files than {planes:,} planes: {plane_ranges(beyond or double)}."
        )
    return [None if z in absent else names[z][0] for z in range(planes)]


def _bad(what: str) -> BadInput:
    remedy = "Check the raw delivery on the imaging page, then retry."
    return BadInput(f"{what} {remedy}", [Problem("", what, remedy)])


def _natural(name: str) -> list[tuple[int, str]]:
    parts = _DIGITS.split(name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
