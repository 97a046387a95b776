"""What lies in a raw folder: 100,000 files in a few numbers each; nothing is judged here."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.raw.delivery import ExpectedChannel

Tile: TypeAlias = tuple[int, int]  # row, column
GroupKey: TypeAlias = tuple[int, int, Tile]  # sheet code, filter index, tile

_MOST_NAMED = 200


class RawFile(NamedTuple):
    """A plane: `name` is relative to the raw folder, `mtime_ns` the time of its last change."""

    name: str
    size: int
    mtime_ns: int


def _column() -> array[int]:
    return array("q")


@dataclass(slots=True)
class Series:
    """Files whose names differ in one number of `width` digits alone, as three columns."""

    prefix: str
    suffix: str
    width: int
    numbers: array[int] = field(default_factory=_column)
    sizes: array[int] = field(default_factory=_column)
    mtimes: array[int] = field(default_factory=_column)

    def name(self, position: int) -> str:
        return f"{self.prefix}{self.numbers[position]:0{self.width}d}{self.suffix}"

    def sort(self) -> None:
        """Bring the files into the order of their numbers, which is that of their names."""
        order = sorted(range(len(self.numbers)), key=self.numbers.__getitem__)
        for column in (self.numbers, self.sizes, self.mtimes):
            if column:
                column[:] = array("q", [column[position] for position in order])

    def files(self) -> Iterator[RawFile]:
        for position, (size, mtime) in enumerate(zip(self.sizes, self.mtimes, strict=True)):
            yield RawFile(self.name(position), size, mtime)


@dataclass(slots=True)
class Group:
    """The planes of one channel, sheet and tile: z = (number in the name - origin) / step."""

    series: list[Series] = field(default_factory=list)
    origin: int = 0
    step: float = 1.0
    _planes: array[int] | None = None

    def place(self, *, origin: int, step: float) -> None:
        """Say which numbers the planes have."""
        self.origin, self.step, self._planes = origin, step, None

    def z(self, number: int) -> int:
        if self.step == 1.0:
            return number - self.origin
        return round((number - self.origin) / self.step)

    def planes(self) -> array[int]:
        """z of every file, in no order."""
        if self.origin == 0 and self.step == 1.0 and len(self.series) == 1:
            return self.series[0].numbers
        if self._planes is None or len(self._planes) != self.count:
            self._planes = array("q", self._counted())
        return self._planes

    def _counted(self) -> Iterator[int]:
        origin, step = self.origin, int(self.step)
        half = step // 2
        for series in self.series:
            if step == self.step:  # whole numbers are several times faster
                yield from [(number - origin + half) // step for number in series.numbers]
            else:
                yield from map(self.z, series.numbers)

    def names_of(self, z: int) -> list[str]:
        """The files of one plane by name; there should be one."""
        return sorted(
            series.name(position)
            for series in self.series
            for position, number in enumerate(series.numbers)
            if self.z(number) == z
        )

    def first(self) -> tuple[int, str]:
        """The plane of the lowest z and its file."""
        series = min(self.series, key=lambda item: min(item.numbers))
        number = min(series.numbers)
        return self.z(number), series.name(series.numbers.index(number))

    def first_of_size(self, size: int) -> tuple[int, str] | None:
        """The plane of the lowest z among those of this size, and its file."""
        lowest: list[tuple[int, Series]] = []
        for series in self.series:
            pairs = zip(series.numbers, series.sizes, strict=True)
            number = min((number for number, own in pairs if own == size), default=None)
            if number is not None:
                lowest.append((number, series))
        if not lowest:
            return None
        number, series = min(lowest, key=lambda item: item[0])
        return self.z(number), series.name(series.numbers.index(number))

    def of_size(self, size: int) -> Iterator[tuple[int, str]]:
        """Plane and name of every file of this size."""
        for series in self.series:
            for position, own in enumerate(series.sizes):
                if own == size:
                    yield self.z(series.numbers[position]), series.name(position)

    def names(self) -> Iterator[str]:
        return (s.name(position) for s in self.series for position in range(len(s.numbers)))

    def odd_sizes(self, usual: int) -> Iterator[tuple[int, str]]:
        """Plane and name of every file that has not the usual size, or none at all."""
        for series in self.series:
            if usual and series.sizes.count(usual) == len(series.sizes):
                continue
            for position, size in enumerate(series.sizes):
                if size != usual or not size:
                    yield self.z(series.numbers[position]), series.name(position)

    @property
    def count(self) -> int:
        return sum(len(series.numbers) for series in self.series)


@dataclass(slots=True)
class Names:
    """Names of which there may be very many: all counted, the first few kept."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.first) < _MOST_NAMED:
            self.first.append(name)

    def __bool__(self) -> bool:
        return self.count > 0


@dataclass(slots=True)
class Found:
    """Raw planes in groups, and what is not a raw plane.

    `stray` look like raw planes and are none; `others` are simply something else. `tiles` are the
    names of tile folders, `rows` how many of them each column folder has, where there are folders.
    """

    groups: dict[GroupKey, Group] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    links_out: Names = field(default_factory=Names)
    unprintable: Names = field(default_factory=Names)
    stray: Names = field(default_factory=Names)
    others: Names = field(default_factory=Names)
    tiles: dict[Tile, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    misplaced: list[str] = field(default_factory=list)
    files: int = 0
    cut_short: bool = False

    @property
    def raw_files(self) -> int:
        return sum(group.count for group in self.groups.values())

    @property
    def raw_bytes(self) -> int:
        return sum(sum(series.sizes) for series in self.series())

    def series(self) -> Iterator[Series]:
        return (series for group in self.groups.values() for series in group.series)

    def in_order(self) -> Iterator[RawFile]:
        """Every raw file by name; sorts the series in place, and makes one entry at a time."""
        every = list(self.series())
        for series in every:
            series.sort()
        return merge(*(series.files() for series in every))

    def times(self) -> tuple[int, int] | None:
        """The earliest and the latest change of a raw file, ns."""
        columns = [series.mtimes for series in self.series() if series.mtimes]
        if not columns:
            return None
        return min(map(min, columns)), max(map(max, columns))


def channel_groups(found: Found, channel: ExpectedChannel) -> dict[GroupKey, Group]:
    """Every group with the channel's filter index, its sheet and tile asked for or not."""
    return {key: group for key, group in found.groups.items() if key[1] == channel.filter_index}


def usual_size(groups: Iterable[Group]) -> int:
    """The size that most files have; an empty file has no size that could be usual."""
    sizes: Counter[int] = Counter()
    for group in groups:
        for series in group.series:
            sizes.update(series.sizes)
    del sizes[0]
    return sizes.most_common(1)[0][0] if sizes else 0
