"""The planes that a person accepted as missing: later steps make them black."""

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
    expected: Expected,
    found: Found,
    headers: Mapping[str, ChannelHeaders],
    accepted: frozenset[str],
) -> Iterator[JsonDict]:
    """For each group its accepted gaps and damaged planes, as {channel, sheet, tile, planes}."""
    if not accepted:
        return
    for channel in expected.channels:
        damaged = _accepted_damage(channel, headers[channel.name], accepted)
        for key in wanted_keys(found, expected, channel):
            gaps = _accepted_gaps(found, expected, channel, key, accepted)
            planes = sorted({*gaps, *damaged.get(key, ())})
            if planes:
                yield {
                    "channel": channel.name,
                    "sheet": expected.sheets_of(channel)[key[0]],
                    "tile_row": key[2][0],
                    "tile_column": key[2][1],
                    "planes": list(planes),
                }


def _accepted_gaps(
    found: Found,
    expected: Expected,
    channel: ExpectedChannel,
    key: GroupKey,
    accepted: frozenset[str],
) -> list[int]:
    missing = missing_planes(channel, found.groups.get(key, Group()))
    if not missing:
        return []
    gap = gap_problem(channel, words_for(found, expected, channel, key), missing)
    return missing if gap.key in accepted else []


def _accepted_damage(
    channel: ExpectedChannel, headers: ChannelHeaders, accepted: frozenset[str]
) -> dict[GroupKey, list[int]]:
    if "truncated" not in headers.faults:
        return {}
    damage = fault_problem(channel, "truncated", headers)
    return headers.truncated if damage.key in accepted else {}
