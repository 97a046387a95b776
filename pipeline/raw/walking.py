"""List a raw folder once, fast: names become numbers at once, links are followed inside only."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from pipeline.raw.grid import place_on_grid
from pipeline.raw.layouts import (
    SMARTSPIM,
    is_column_folder,
    looks_like_image,
    looks_like_lavision,
    parse_lavision,
    split_lavision,
    split_smartspim,
    tile_position,
)
from pipeline.raw.listing import Found, Group, Series
from pipeline.raw.wording import is_printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.raw.layouts import NumberedName
    from pipeline.raw.listing import GroupKey

    Column: TypeAlias = Callable[[int], None]

_BEFORE_Z = "_xyz-Table Z"
_BETWEEN_LOOKS = 256


@dataclass(slots=True)
class Walk:
    """One look at a folder. Without `sizes` only names are read; it may be cut short by a limit."""

    boundary: Path
    sizes: bool = True
    most_entries: float = inf
    deadline: float = inf
    filter_index: int = 0
    found: Found = field(default_factory=Found)
    seen: int = 0

    @contextmanager
    def opened(self, folder: Path, relative: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        """The entries of a folder; its time of change is noted first, so that later ones show."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.found.folders[relative] = os.fstat(descriptor).st_mtime_ns
            with os.scandir(descriptor) as entries:
                yield self._limited(entries)
        finally:
            os.close(descriptor)

    def _limited(self, entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        if self.most_entries == inf == self.deadline:
            return entries
        return self._until_the_limit(entries)

    def _until_the_limit(self, entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for entry in entries:
            self.seen += 1
            late = self.seen % _BETWEEN_LOOKS == 0 and time.monotonic() > self.deadline
            if late or self.seen > self.most_entries:
                self.found.cut_short = True
                return
            yield entry

    def take_other(
        self, series: Series, number: int, entry: os.DirEntry[str], folder: Path
    ) -> None:
        """Note a plane that is no plain file: a link, if it stays inside, or something strange."""
        if entry.is_dir(follow_symlinks=False):
            return
        path = folder / entry.name
        if entry.is_symlink() and self.leads_out(path):
            self.found.links_out.add(f"{series.prefix}{number:0{series.width}d}{series.suffix}")
            return
        size, mtime = _size_and_time(path)
        series.numbers.append(number)
        if self.sizes:
            series.sizes.append(size)
            series.mtimes.append(mtime)

    def leads_out(self, path: Path) -> bool:
        try:
            return not path.resolve().is_relative_to(self.boundary)
        except (OSError, RuntimeError):
            return True

    def note_other(self, name: str, *, looks_raw: bool) -> None:
        """A file that is no plane."""
        (self.found.stray if looks_raw else self.found.others).add(name)


def walk_folder(
    folder: Path,
    layout: str,
    *,
    root: Path | None = None,
    sizes: bool = True,
    most_entries: float = inf,
    seconds: float = inf,
    filter_index: int = 0,
) -> Found:
    """List the raw planes of a delivery; raise OSError if the folder itself cannot be listed.

    Links are followed only if they stay below `root` (the folder itself if not given). A folder of
    one channel does not say which `filter_index` it has, so it is given.
    """
    walk = Walk(
        boundary=(root or folder).resolve(),
        sizes=sizes,
        most_entries=most_entries,
        deadline=time.monotonic() + seconds,
        filter_index=filter_index,
    )
    if layout == SMARTSPIM:
        _walk_smartspim(folder, walk)
        place_on_grid(walk.found)
    else:
        _walk_lavision(folder, walk)
    walk.found.groups = {key: group for key, group in walk.found.groups.items() if group.count}
    return walk.found


def _walk_lavision(folder: Path, walk: Walk) -> None:
    found = walk.found

    def unknown(entry: os.DirEntry[str]) -> tuple[Series, str] | None:
        split = split_lavision(entry.name)
        if split is None or not is_printable(entry.name):
            _note_other_lavision(entry, walk, is_plane=split is not None)
            return None
        return _lavision_series(entry.name, split, found), split.digits

    with walk.opened(folder, ".") as entries:
        planes = _take_planes(entries, walk, folder, (_BEFORE_Z, "_"), unknown)
    found.files += planes


def _take_planes(
    entries: Iterator[os.DirEntry[str]],
    walk: Walk,
    folder: Path,
    marks: tuple[str, str],
    unknown: Callable[[os.DirEntry[str]], tuple[Series, str] | None],
) -> int:
    """Note every plane of one folder, and return how many there are.

    The number of a plane stands between two `marks`. What stands around it is the same for
    thousands of names, so the series of a name is looked up by that; `unknown` reads it when it
    comes for the first time. This loop runs once per plane: it is kept flat on purpose.
    """
    known: dict[tuple[str, str, int], tuple[Series, Column, Column, Column]] = {}
    before, after = marks
    sizes, planes = walk.sizes, 0
    for entry in entries:
        head, _, tail = entry.name.rpartition(before) if before else ("", "", entry.name)
        digits, _, rest = tail.partition(after)
        columns = known.get((head, rest, len(digits)))
        if columns is None or not (digits.isdigit() and digits.isascii()):
            read = unknown(entry)
            if read is None:
                continue
            series, own_digits = read
            columns = series, series.numbers.append, series.sizes.append, series.mtimes.append
            if own_digits == digits:  # else the marks do not stand around its number
                known[head, rest, len(digits)] = columns
            digits = own_digits
        planes += 1
        if not entry.is_file(follow_symlinks=False):
            walk.take_other(columns[0], int(digits), entry, folder)
            continue
        _, add_number, add_size, add_mtime = columns
        add_number(int(digits))
        if sizes:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                add_size(0)  # gone meanwhile; reading its header says so
                add_mtime(0)
            else:
                add_size(status.st_size)
                add_mtime(status.st_mtime_ns)
    return planes


def _note_other_lavision(entry: os.DirEntry[str], walk: Walk, *, is_plane: bool) -> None:
    if entry.is_dir(follow_symlinks=False):
        return
    walk.found.files += 1
    if is_plane:
        walk.found.unprintable.add(entry.name)
    else:
        walk.note_other(entry.name, looks_raw=looks_like_lavision(entry.name))


def _lavision_series(name: str, split: NumberedName, found: Found) -> Series:
    plane = parse_lavision(name)
    assert plane is not None
    key = (plane.sheet_code, plane.filter_index, (plane.tile_row, plane.tile_column))
    return _series(found, key, "", split)


def _series(found: Found, key: GroupKey, folder: str, split: NumberedName) -> Series:
    """The series of this name in its group, made if need be."""
    group = found.groups.setdefault(key, Group())
    wanted = (folder + split.head, split.tail, len(split.digits))
    for series in group.series:
        if (series.prefix, series.suffix, series.width) == wanted:
            return series
    group.series.append(Series(*wanted))
    return group.series[-1]


def _walk_smartspim(folder: Path, walk: Walk) -> None:
    columns = sorted(_subfolders(folder, "", walk, is_column_folder), key=int)
    for column, name in enumerate(columns):
        tiles = _tiles(folder / name, name, walk)
        walk.found.rows[name] = len(tiles)
        for row, tile in enumerate(tiles):
            walk.found.tiles[row, column] = tile
            key = (0, walk.filter_index, (row, column))
            _walk_tile(folder / name / tile, f"{name}/{tile}", key, walk)


def _tiles(column: Path, name: str, walk: Walk) -> list[str]:
    tiles = []
    for tile in _subfolders(column, f"{name}/", walk, lambda item: tile_position(item) is not None):
        position = tile_position(tile)
        assert position is not None
        if position[0] == name:
            tiles.append(tile)
        else:
            walk.found.misplaced.append(f"{name}/{tile}")
    return sorted(tiles, key=lambda tile: int(tile.rpartition("_")[2]))


def _subfolders(folder: Path, relative: str, walk: Walk, wanted: object) -> list[str]:
    """The folders with a wanted name; whatever else lies there is noted."""
    assert callable(wanted)
    names: list[str] = []
    try:
        with walk.opened(folder, relative.rstrip("/") or ".") as entries:
            for entry in entries:
                if not wanted(entry.name):
                    _note_beside_tiles(entry, relative, walk)
                elif entry.is_symlink() and walk.leads_out(folder / entry.name):
                    walk.found.links_out.add(relative + entry.name)
                elif entry.is_dir():
                    names.append(entry.name)
    except OSError as error:
        if not relative:
            raise
        walk.found.unreadable[relative.rstrip("/")] = error.strerror or str(error)
    return names


def _note_beside_tiles(entry: os.DirEntry[str], relative: str, walk: Walk) -> None:
    if entry.is_dir(follow_symlinks=False):
        walk.found.others.add(f"{relative}{entry.name}/")
        return
    walk.found.files += 1
    walk.note_other(relative + entry.name, looks_raw=looks_like_image(entry.name))


def _walk_tile(folder: Path, relative: str, key: GroupKey, walk: Walk) -> None:
    found = walk.found

    def unknown(entry: os.DirEntry[str]) -> tuple[Series, str] | None:
        split = split_smartspim(entry.name)
        if split is None or not is_printable(entry.name):
            _note_in_tile(entry, relative, walk, is_plane=split is not None)
            return None
        return _series(found, key, f"{relative}/", split), split.digits

    try:
        with walk.opened(folder, relative) as entries:
            planes = _take_planes(entries, walk, folder, ("", "."), unknown)
        found.files += planes
    except OSError as error:
        found.unreadable[relative] = error.strerror or str(error)


def _note_in_tile(entry: os.DirEntry[str], relative: str, walk: Walk, *, is_plane: bool) -> None:
    if entry.is_dir(follow_symlinks=False):
        walk.found.others.add(f"{relative}/{entry.name}/")
        return
    walk.found.files += 1
    if is_plane:
        walk.found.unprintable.add(f"{relative}/{entry.name}")
    else:
        walk.note_other(f"{relative}/{entry.name}", looks_raw=looks_like_image(entry.name))


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0  # a dangling link; reading its header says so
    return status.st_size, status.st_mtime_ns
