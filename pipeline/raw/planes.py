"""Planes of one channel, sheet and tile: gaps, too many, twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.raw.codes import problem
from pipeline.raw.grid import off_grid
from pipeline.raw.layouts import SMARTSPIM
from pipeline.raw.smartspim import wanted_tiles
from pipeline.raw.wording import be, folded, plane_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.contract import Problem
    from pipeline.raw.delivery import Expected, ExpectedChannel
    from pipeline.raw.listing import Found, Group, GroupKey

_WAIT = "Wait for the copy to finish, then press Check again."
_ONE_ACQUISITION = "Leave only the files of one acquisition in the folder, then press Check again."


def wanted_keys(found: Found, expected: Expected, channel: ExpectedChannel) -> list[GroupKey]:
    """The groups that a whole delivery of this channel has, in reading order."""
    if expected.layout == SMARTSPIM:
        return [(0, channel.filter_index, tile) for tile in wanted_tiles(found, channel)]
    return [
        (code, channel.filter_index, (row, column))
        for code in expected.sheets_of(channel)
        for row in range(channel.rows)
        for column in range(channel.columns)
    ]


def words_for(found: Found, expected: Expected, channel: ExpectedChannel, key: GroupKey) -> str:
    """The group in words."""
    words = [f"Channel {channel.name}"]
    if len(expected.sheets_of(channel)) > 1:
        words.append(f"{expected.sheets_of(channel)[key[0]]} sheet")
    if key[2] in found.tiles:
        words.append(f"tile {found.tiles[key[2]]}")
    elif channel.rows * channel.columns > 1:
        words.append(f"tile [{key[2][0]:02d} x {key[2][1]:02d}]")
    return ", ".join(words)


def plane_problems(channel: ExpectedChannel, where: str, group: Group) -> Iterator[Problem]:
    """What is wrong with the planes of a group; `where` names it in words."""
    planes = group.planes()
    there = set(planes)
    if len(planes) == len(there) == channel.planes and there == set(range(channel.planes)):
        return
    missing = missing_planes(channel, group)
    if len(missing) == channel.planes:
        yield problem(
            "empty_group", "", f"{where} has none of its {channel.planes:,} planes.", _WAIT
        )
    elif missing:
        yield gap_problem(channel, where, missing)
    yield from _too_many(channel, where, group)


def missing_planes(channel: ExpectedChannel, group: Group) -> list[int]:
    there = set(group.planes())
    return [z for z in range(channel.planes) if z not in there]


def gap_problem(channel: ExpectedChannel, where: str, missing: list[int]) -> Problem:
    """Planes that are missing in a group that has others."""
    return problem(
        "missing",
        "",
        f"{where} has {channel.planes - len(missing):,} of {channel.planes:,} planes; "
        f"{plane_ranges(missing)} {be(len(missing))} missing.",
        _WAIT,
        evidence=map(str, missing),
        if_most=2 * len(missing) <= channel.planes,
    )


def _too_many(channel: ExpectedChannel, where: str, group: Group) -> Iterator[Problem]:
    planes = group.planes()
    odd = off_grid(group)
    if odd:
        yield problem(
            "name",
            "",
            f"{where} has files whose number lies between two planes: "
            f"{folded([str(number) for number in odd])}.",
            _ONE_ACQUISITION,
            evidence=map(str, odd),
        )
    if beyond := sorted({z for z in planes if not 0 <= z < channel.planes}):
        yield problem(
            "extra",
            group.names_of(beyond[0])[0],
            f"{where} has {len(beyond):,} more than the {channel.planes:,} planes requested: "
            f"{plane_ranges(beyond)}.",
            "Correct the number of planes on the form, or move the extra files away.",
            evidence=map(str, beyond),
        )
    if len(set(planes)) < len(planes) and not odd:
        yield _duplicates(where, group, planes)


def _duplicates(where: str, group: Group, planes: Iterable[int]) -> Problem:
    seen: set[int] = set()
    double: set[int] = set()
    for z in planes:
        (double if z in seen else seen).add(z)
    numbers = sorted(double)
    names = group.names_of(numbers[0])
    return problem(
        "duplicate",
        names[1],
        f"{where} has more than one file for {plane_ranges(numbers)}, for example {folded(names)}.",
        _ONE_ACQUISITION,
        evidence=map(str, numbers),
    )
