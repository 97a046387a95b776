"""Is a raw delivery what was asked for? Pure: listing and headers in, every problem out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.raw.absence import absent_planes
from pipeline.raw.codes import problem
from pipeline.raw.delivery import DeliveryReport, GroupCount
from pipeline.raw.headers import header_problems, headers_of, look_of
from pipeline.raw.layouts import LAVISION, SMARTSPIM
from pipeline.raw.listing import Group, channel_groups
from pipeline.raw.metadata import Notes, acquired_facts, metadata_problems
from pipeline.raw.planes import plane_problems, wanted_keys, words_for
from pipeline.raw.smartspim import tree_problems
from pipeline.raw.wording import (
    belong,
    count_files,
    files_are,
    folded,
    printable,
    unprintable_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.contract import Problem
    from pipeline.raw.delivery import Expected, ExpectedChannel
    from pipeline.raw.headers import ChannelHeaders, Headers
    from pipeline.raw.listing import Found, GroupKey, Names


def check_delivery(
    expected: Expected,
    found: Found,
    headers: Headers,
    *,
    folder: str = "",
    notes: Notes | None = None,
    waived: Iterable[str] = (),
    further: Iterable[Problem] = (),
) -> DeliveryReport:
    """Compare a folder with what was requested.

    `headers` needs the files that `headers.headers_needed` names; a file without a header is judged
    by name and size alone. `notes` is what the microscope wrote, `waived` are keys of problems that
    a person accepted, `further` are problems found elsewhere. Nothing on disk is touched.
    """
    notes = notes or Notes()
    sorted_out = {c.name: headers_of(found, c, headers) for c in expected.channels}
    problems = [*_folder_problems(found, expected), *_layout_problems(found, expected, folder)]
    if found.groups:
        for channel in expected.channels:
            problems += _channel_problems(found, expected, channel, sorted_out[channel.name])
    shape, dtype = look_of(headers)
    problems += metadata_problems(expected, found, notes, shape)
    problems += further
    accepted = frozenset(item.key for item in problems if item.waivable) & frozenset(waived)
    times = found.times()
    return DeliveryReport(
        ok=all(item.key in accepted for item in problems),
        problems=tuple(problems),
        notes=tuple(_notes(found, sorted_out, notes)),
        counts=tuple(count for c in expected.channels for count in _counts(found, expected, c)),
        plane_shape=shape,
        dtype=dtype,
        files=found.raw_files,
        bytes=found.raw_bytes,
        ignored_files=found.others.count,
        waived=accepted,
        acquired=acquired_facts(expected, found, notes, shape),
        first_at=_iso(times[0]) if times else "",
        last_at=_iso(times[1]) if times else "",
        folders=dict(found.folders),
        absent=tuple(absent_planes(expected, found, sorted_out)),
    )


def _counts(found: Found, expected: Expected, channel: ExpectedChannel) -> Iterator[GroupCount]:
    sheets = expected.sheets_of(channel)
    for key in wanted_keys(found, expected, channel):
        group = found.groups.get(key)
        yield GroupCount(
            channel=channel.name,
            sheet=sheets[key[0]],
            tile_row=key[2][0],
            tile_column=key[2][1],
            found=len(set(group.planes())) if group else 0,
            expected=channel.planes,
        )


def _folder_problems(found: Found, expected: Expected) -> Iterator[Problem]:
    if not found.files and not found.rows and not found.others:
        yield problem(
            "folder",
            "",
            "The folder is empty.",
            "Copy the raw planes into it, then press Check again.",
        )
    elif expected.layout == LAVISION and not _has_planes(found):
        yield problem(
            "folder",
            "",
            f"None of the {found.files:,} files has the name of a raw plane.",
            "Choose the folder that holds the RawDataStack files, then press Check again.",
        )
    elif found.tiles and not _has_planes(found):
        yield problem(
            "folder",
            "",
            f"There is no raw plane in any of its {len(found.tiles):,} tile folders.",
            "Wait for the copy to finish, then press Check again.",
        )
    if found.unprintable:
        bad = found.unprintable
        yield unprintable_names(sorted(bad.first), bad.count, then="press Check again")
    if found.links_out:
        yield _names_problem(
            "link_out",
            found.links_out,
            f"{files_are(found.links_out.count)} a link that leads out of the data storage",
            "Copy the files themselves, then press Check again.",
        )
    if found.stray:
        yield _names_problem(
            "stray_file",
            found.stray,
            f"{files_are(found.stray.count)} named almost like a raw plane and "
            f"{belong(found.stray.count)} to nothing",
            "Wait for the copy to finish or move them away, then press Check again.",
        )
    for folder, error in sorted(found.unreadable.items()):
        yield problem(
            "unreadable",
            folder,
            f"The folder {folder} cannot be read: {error}.",
            "Make it readable for the group, then press Check again.",
        )


def _has_planes(found: Found) -> bool:
    return bool(found.groups or found.links_out or found.unprintable)


def _names_problem(code: str, names: Names, what: str, remedy: str) -> Problem:
    listed = sorted(map(printable, names.first))
    words = folded(listed, count=names.count)
    evidence = [str(names.count), *listed]
    return problem(code, listed[0], f"{what}: {words}.", remedy, evidence=evidence)


def _layout_problems(found: Found, expected: Expected, folder: str) -> Iterator[Problem]:
    if expected.layout == SMARTSPIM:
        return tree_problems(found, expected, folder)
    return _stray_channels(found, expected)


def _stray_channels(found: Found, expected: Expected) -> Iterator[Problem]:
    known = {channel.filter_index for channel in expected.channels}
    strays = sorted({key[1] for key in found.groups} - known)
    for index in strays:
        names = _names(group for key, group in found.groups.items() if key[1] == index)
        yield problem(
            "stray_channel",
            names[0],
            f"{count_files(len(names))} {belong(len(names))} to Filter{index:04d}, "
            f"but only {len(known)} channel{'s were' if len(known) > 1 else ' was'} requested.",
            "Add the channel to the form, or move its files to another folder.",
            evidence=names,
        )


def _channel_problems(
    found: Found, expected: Expected, channel: ExpectedChannel, headers: ChannelHeaders
) -> Iterator[Problem]:
    groups = channel_groups(found, channel)
    wanted = wanted_keys(found, expected, channel)
    for key in wanted:
        where = words_for(found, expected, channel, key)
        yield from plane_problems(channel, where, groups.get(key, Group()))
    strays = {key: group for key, group in groups.items() if key not in wanted}
    yield from _stray_groups(expected, channel, strays)
    yield from header_problems(channel, headers)


def _stray_groups(
    expected: Expected, channel: ExpectedChannel, strays: dict[GroupKey, Group]
) -> Iterator[Problem]:
    codes = sorted({key[0] for key in strays} - set(expected.sheets_of(channel)))
    for code in codes:
        names = _names(group for key, group in strays.items() if key[0] == code)
        yield problem(
            "stray_sheet",
            names[0],
            f"Channel {channel.name} has {len(names):,} files of light sheet C{code:02d}, "
            f"but only the {' and the '.join(channel.sheets)} sheet was requested.",
            "Correct the light sheets on the form, or move these files away.",
            evidence=names,
        )
    tiles = [key for key in sorted(strays) if key[0] not in codes]
    if tiles and expected.layout == LAVISION:
        words = [f"[{row:02d} x {column:02d}]" for _, _, (row, column) in tiles]
        yield problem(
            "stray_tile",
            strays[tiles[0]].first()[1],
            f"Channel {channel.name} has tiles outside {channel.columns} columns x "
            f"{channel.rows} rows: {folded(sorted(set(words)))}.",
            "Correct the tiling on the form, or move these files away.",
            evidence=words,
        )


def _notes(found: Found, headers: dict[str, ChannelHeaders], notes: Notes) -> Iterator[str]:
    if found.others:
        count = found.others.count
        names = folded(sorted(found.others.first), count=count)
        yield f"{files_are(count)} ignored, not being named like a raw plane: {names}."
    if found.raw_files and not notes.source:
        yield "No metadata of the microscope was found, so nothing could be compared with it."
    shapes: dict[tuple[int, int], list[str]] = {}
    for name, channel in headers.items():
        for shape in {(header.height, header.width) for header in channel.read.values()}:
            shapes.setdefault(shape, []).append(name)
    if len(shapes) > 1:
        words = [f"{x} x {y} ({', '.join(names)})" for (y, x), names in shapes.items()]
        yield f"The channels differ in plane size: {'; '.join(words)}."


def _names(groups: Iterable[Group]) -> list[str]:
    return sorted(name for group in groups for name in group.names())


def _iso(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return moment.isoformat(timespec="seconds")
