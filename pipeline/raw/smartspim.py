"""The tree of a SmartSPIM channel: XXXXXX/XXXXXX_YYYYYY/planes in the channel's own folder."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.raw.codes import problem
from pipeline.raw.layouts import channel_of_folder, tile_position
from pipeline.raw.wording import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.contract import Problem
    from pipeline.raw.delivery import Expected, ExpectedChannel
    from pipeline.raw.listing import Found, Tile

_FORM = "Correct the tiling on the form or choose another folder, then press Check again."
NEAR_NM = 10


def wanted_tiles(found: Found, channel: ExpectedChannel) -> list[Tile]:
    """The tiles to judge: those requested, or those there if their number is wrong anyway."""
    if not _has_right_tiling(found, channel):
        return sorted(found.tiles)
    return [(row, column) for row in range(channel.rows) for column in range(channel.columns)]


def _has_right_tiling(found: Found, channel: ExpectedChannel) -> bool:
    rows = list(found.rows.values())
    return len(rows) == channel.columns and all(count == channel.rows for count in rows)


def tree_problems(found: Found, expected: Expected, folder: str) -> Iterator[Problem]:
    """Columns, rows in every column, and what the name of the folder says of the channel."""
    channel = expected.channels[0]
    yield from _name_problems(expected.channels, folder)
    yield from _column_problems(found, channel)
    yield from _row_problems(found, channel)
    if found.misplaced:
        yield problem(
            "stray_tile",
            found.misplaced[0],
            f"Tile folders lie in the folder of another column: {folded(sorted(found.misplaced))}.",
            "Move them into the column that their name begins with, then press Check again.",
            evidence=found.misplaced,
        )


def _name_problems(channels: Sequence[ExpectedChannel], folder: str) -> Iterator[Problem]:
    if len(channels) > 1:
        names = " and ".join(channel.name for channel in channels)
        yield problem(
            "wrong_channel",
            folder,
            f"A SmartSPIM folder holds one channel, but {names} were entered for this one.",
            "Choose a folder for each channel, then press Check again.",
        )
    channel, told = channels[0], channel_of_folder(folder)
    if told is None:
        yield problem(
            "channel_folder",
            folder,
            f"The folder {folder} is not named Ex_<wavelength>_Em_<number>, so its name does not "
            f"tell that it holds channel {channel.name}.",
            "Check that it is the right one, then rename it or accept it with a reason.",
        )
    elif not is_near(told[0], channel.name) or told[1] != channel.filter_index:
        yield problem(
            "wrong_channel",
            folder,
            f"The folder {folder} holds {told[0]} nm with emission filter {told[1]}, but channel "
            f"{channel.name} has filter {channel.filter_index}.",
            "Choose the folder of this channel, then press Check again.",
        )


def is_near(wavelength: float, name: str) -> bool:
    """Is this the laser line of the channel? The same laser is called 639, 640 and 642."""
    return name.isdigit() and abs(wavelength - int(name)) < NEAR_NM


def _column_problems(found: Found, channel: ExpectedChannel) -> Iterator[Problem]:
    there, wanted = len(found.rows), channel.columns
    if there == wanted:
        return
    count = f"{there} columns instead of {wanted}" if there else f"0 of {wanted} columns"
    what = f"Channel {channel.name}: found {count}"
    listed = f" ({folded(list(found.rows), most=5)})" if there else ""
    remedy = _FORM if there else "Choose the folder that holds the columns, then press Check again."
    yield problem("columns", "", f"{what}{listed}.", remedy, evidence=found.rows)


def _row_problems(found: Found, channel: ExpectedChannel) -> Iterator[Problem]:
    """One problem for each wrong number, naming every column that has it."""
    for count in sorted(Counter(found.rows.values())):
        if count == channel.rows:
            continue
        columns = [name for name, rows in found.rows.items() if rows == count]
        every = len(columns) == len(found.rows)
        where = "every column" if every and len(columns) > 1 else f"column {folded(columns)}"
        yield problem(
            "rows",
            columns[0],
            f"Channel {channel.name}: found {count} rows instead of {channel.rows} in {where}.",
            _FORM,
            evidence=columns,
        )


def tile_steps(found: Found) -> tuple[float | None, float | None]:
    """The usual distance of neighboring tiles in x and y, µm, by the names of their folders."""
    positions = [tile_position(tile) for tile in found.tiles.values()]
    xs = sorted({int(position[0]) for position in positions if position})
    ys = sorted({int(position[1]) for position in positions if position})
    return _usual_step(xs), _usual_step(ys)


def _usual_step(positions: list[int]) -> float | None:
    steps = Counter(b - a for a, b in itertools.pairwise(positions))
    return steps.most_common(1)[0][0] / 10 if steps else None
