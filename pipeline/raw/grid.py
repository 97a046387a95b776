"""Planes that are named by their z position: find the step, and so the number of each plane."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.raw.listing import Found, Group


def place_on_grid(found: Found) -> None:
    """Give every group the origin and the step that its numbers have.

    All tiles begin at one z. Only one that has as many planes as most, without a gap, may begin
    elsewhere: nothing is missing there.
    """
    groups = [group for group in found.groups.values() if group.count]
    if not groups:
        return
    step = usual_step(groups)
    lowest = [min(min(series.numbers) for series in group.series) for group in groups]
    usual = Counter(group.count for group in groups).most_common(1)[0][0]
    for group, own in zip(groups, lowest, strict=True):
        group.place(origin=own, step=step)
        if own != min(lowest) and not _is_whole(group, usual):
            group.place(origin=min(lowest), step=step)


def _is_whole(group: Group, planes: int) -> bool:
    return set(group.planes()) == set(range(planes))


def usual_step(groups: Iterable[Group]) -> float:
    """The usual difference of neighboring numbers: 1 for an index, more for a position.

    Positions are whole tenths of a micron, so a step of 12.5 shows as 12 and 13 in turns.
    """
    differences: Counter[int] = Counter()
    for group in groups:
        numbers = sorted({number for series in group.series for number in series.numbers})
        differences.update(map(int.__sub__, numbers[1:], numbers))
    if not differences:
        return 1.0
    usual = differences.most_common(1)[0][0]
    if usual == 1:
        return 1.0
    near = {value: differences[value] for value in (usual - 1, usual, usual + 1)}
    return sum(value * count for value, count in near.items()) / sum(near.values())


def off_grid(group: Group) -> list[int]:
    """Numbers between two planes: further than a quarter of the step from any."""
    if group.step == 1.0:
        return []
    return sorted(
        number
        for series in group.series
        for number in series.numbers
        if abs(number - group.origin - group.z(number) * group.step) > max(1.0, group.step / 4)
    )
