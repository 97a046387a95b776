"""Sort a listing into planes by channel, sheet and tile; nothing is judged here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pipeline.raw.layouts import PlaneName, parse_lavision
from pipeline.raw.wording import is_printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.raw.delivery import Expected, ExpectedChannel, FileEntry

Tile: TypeAlias = tuple[int, int]  # row, column
GroupKey: TypeAlias = tuple[int, int, Tile]  # sheet code, filter index, tile


@dataclass(slots=True)
class Group:
    """The planes of one channel, sheet and tile: z -> its files, of which there should be one."""

    planes: dict[int, list[FileEntry]] = field(default_factory=dict)

    def add(self, z: int, entry: FileEntry) -> None:
        self.planes.setdefault(z, []).append(entry)

    @property
    def entries(self) -> Iterable[FileEntry]:
        return (entry for entries in self.planes.values() for entry in entries)

    @property
    def first(self) -> FileEntry:
        return self.planes[min(self.planes)][0]


@dataclass(slots=True)
class SortedListing:
    """Raw planes in groups, and what is not a raw plane."""

    groups: dict[GroupKey, Group] = field(default_factory=dict)
    links_out: list[FileEntry] = field(default_factory=list)
    unprintable: list[str] = field(default_factory=list)  # raw planes whose names are no UTF-8
    files: int = 0
    ignored: int = 0
    raw_bytes: int = 0
    raw_files: int = 0


def sort_listing(listing: Sequence[FileEntry]) -> SortedListing:
    """One pass over the listing."""
    found = SortedListing(files=len(listing))
    for entry in listing:
        plane = parse_lavision(entry.name)
        if plane is None:
            found.ignored += 1
        elif not is_printable(entry.name):
            found.unprintable.append(entry.name)
        elif entry.link_out:
            found.links_out.append(entry)
        else:
            _place(found, plane, entry)
    return found


def _place(found: SortedListing, plane: PlaneName, entry: FileEntry) -> None:
    key = (plane.sheet_code, plane.filter_index, (plane.tile_row, plane.tile_column))
    group = found.groups.get(key)
    if group is None:
        group = found.groups[key] = Group()
    group.add(plane.z, entry)
    found.raw_files += 1
    found.raw_bytes += entry.size


def channel_groups(found: SortedListing, channel: ExpectedChannel) -> dict[GroupKey, Group]:
    """Every group with the channel's filter index, its sheet and tile asked for or not."""
    return {key: group for key, group in found.groups.items() if key[1] == channel.filter_index}


def expected_keys(channel: ExpectedChannel) -> list[GroupKey]:
    """The groups that a whole delivery of this channel has, in reading order."""
    return [
        (code, channel.filter_index, (row, column))
        for code in channel.sheet_of_code
        for row in range(channel.rows)
        for column in range(channel.columns)
    ]


def odd_sizes(groups: Iterable[Group]) -> list[FileEntry]:
    """Files whose size is not the most common one of these groups, by name."""
    entries = [entry for group in groups for entry in group.entries]
    if not entries:
        return []
    usual = Counter(entry.size for entry in entries).most_common(1)[0][0]
    return sorted((entry for entry in entries if entry.size != usual), key=lambda e: e.name)


def headers_needed(expected: Expected, listing: Sequence[FileEntry]) -> list[str]:
    """Names of the files to open: the first of each group and every one of an unusual size."""
    return headers_of(expected, sort_listing(listing))


def headers_of(expected: Expected, found: SortedListing) -> list[str]:
    """The same for a listing that is sorted already."""
    names: set[str] = set()
    for channel in expected.channels:
        groups = channel_groups(found, channel).values()
        names.update(group.first.name for group in groups)
        names.update(entry.name for entry in odd_sizes(groups))
    return sorted(names)
