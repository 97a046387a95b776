"""The planes that a person may accept as missing: later steps make them black."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.raw.headers import fault_problem
from pipeline.raw.listing import Group
from pipeline.raw.planes import gap_problem, missing_planes, wanted_keys, words_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.contract import JsonDict
    from pipeline.raw.delivery import Expected, ExpectedChannel
    from pipeline.raw.headers import ChannelHeaders
    from pipeline.raw.listing import Found, GroupKey


def absent_planes(
    expected: Expected, found: Found, headers: Mapping[str, ChannelHeaders]
) -> Iterator[JsonDict]:
    """What each group lacks, as {key, channel, sheet, tile_row, tile_column, planes}.

    `key` is that of the problem: what is accepted later names the planes that may be absent. What
    nobody may accept is left out: a large delivery that has just begun to be copied lacks millions.
    """
    for channel in expected.channels:
        key, damaged = _damage(channel, headers[channel.name])
        for place in wanted_keys(found, expected, channel):
            missing = missing_planes(channel, found.groups.get(place, Group()))
            if missing and len(missing) < channel.planes:
                words = words_for(found, expected, channel, place)
                gap = gap_problem(channel, words, missing)
                if gap.waivable:
                    yield _absence(gap.key, expected, channel, place, missing)
            if damaged.get(place):
                yield _absence(key, expected, channel, place, damaged[place])


def _damage(
    channel: ExpectedChannel, headers: ChannelHeaders
) -> tuple[str, dict[GroupKey, list[int]]]:
    if "truncated" not in headers.faults:
        return "", {}
    damage = fault_problem(channel, "truncated", headers)
    return damage.key, headers.truncated if damage.waivable else {}


def _absence(
    key: str, expected: Expected, channel: ExpectedChannel, place: GroupKey, planes: list[int]
) -> JsonDict:
    return {
        "key": key,
        "channel": channel.name,
        "sheet": expected.sheets_of(channel)[place[0]],
        "tile_row": place[2][0],
        "tile_column": place[2][1],
        "planes": [*sorted(planes)],
    }
