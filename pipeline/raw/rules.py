"""Is a raw delivery what was asked for? Pure: listing and headers in, every problem out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from pipeline.contract import Problem
from pipeline.raw.codes import problem
from pipeline.raw.delivery import (
    DeliveryReport,
    Expected,
    ExpectedChannel,
    FileEntry,
    GroupCount,
)
from pipeline.raw.sorting import (
    Group,
    GroupKey,
    SortedListing,
    channel_groups,
    expected_keys,
    sort_listing,
)
from pipeline.raw.tiff_header import HeaderFault, HeaderProblem, PlaneHeader
from pipeline.raw.wording import (
    be,
    belong,
    count_files,
    files_are,
    folded,
    plane_ranges,
    unprintable_names,
)

Headers: TypeAlias = Mapping[str, PlaneHeader | HeaderProblem]

_WAIT = "Wait for the copy to finish, then press Check again."
_COPY_AGAIN = "Copy it again from the microscope, then press Check again."
_FAULTS: dict[HeaderFault, tuple[str, str]] = {
    "truncated": ("shorter than its header says", _WAIT),
    "not_tiff": ("not a TIFF", _COPY_AGAIN),
    "unreadable": (
        "not readable",
        "Make the folder readable for the group, then press Check again.",
    ),
    "unsupported": ("a TIFF that cannot be understood", _COPY_AGAIN),
}


def check_delivery(
    expected: Expected, listing: Sequence[FileEntry], headers: Headers
) -> DeliveryReport:
    """Compare a folder with what was requested.

    `headers` needs the files that `sorting.headers_needed` names; a file without a header is judged
    by name and size alone. Nothing is raised and nothing on disk is touched.
    """
    return judge(expected, sort_listing(listing), headers)


def judge(
    expected: Expected, found: SortedListing, headers: Headers, waived: Iterable[str] = ()
) -> DeliveryReport:
    """The same for a listing that is sorted already."""
    counts = [count for channel in expected.channels for count in _counts(found, channel)]
    problems = [*_folder_problems(found), *_stray_channels(found, expected)]
    if found.groups:
        for channel in expected.channels:
            problems += _channel_problems(found, channel, headers)
    shape, dtype = _look(headers)
    accepted = frozenset(item.key for item in problems if item.waivable) & frozenset(waived)
    return DeliveryReport(
        ok=all(item.key in accepted for item in problems),
        problems=tuple(problems),
        notes=tuple(_notes(found, expected, headers)),
        counts=tuple(counts),
        plane_shape=shape,
        dtype=dtype,
        files=found.raw_files,
        bytes=found.raw_bytes,
        ignored_files=found.ignored,
        waived=accepted,
    )


def _counts(found: SortedListing, channel: ExpectedChannel) -> Iterator[GroupCount]:
    for key in expected_keys(channel):
        group = found.groups.get(key)
        yield GroupCount(
            channel=channel.name,
            sheet=channel.sheet_of_code[key[0]],
            tile_row=key[2][0],
            tile_column=key[2][1],
            found=len(group.planes) if group else 0,
            expected=channel.planes,
        )


def _folder_problems(found: SortedListing) -> Iterator[Problem]:
    if not found.files:
        yield problem(
            "folder",
            "",
            "The folder is empty.",
            "Copy the raw planes into it, then press Check again.",
        )
    elif not found.groups and not found.links_out and not found.unprintable:
        yield problem(
            "folder",
            "",
            f"None of the {found.files:,} files has the name of a raw plane.",
            "Choose the folder that holds the RawDataStack files, then press Check again.",
        )
    if found.unprintable:
        yield unprintable_names(found.unprintable, then="press Check again")
    if found.links_out:
        names = [entry.name for entry in found.links_out]
        yield problem(
            "link_out",
            names[0],
            f"{files_are(len(names))} a link that leads out of the data storage: {folded(names)}.",
            "Copy the files themselves, then press Check again.",
        )


def _stray_channels(found: SortedListing, expected: Expected) -> Iterator[Problem]:
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
        )


def _channel_problems(
    found: SortedListing, channel: ExpectedChannel, headers: Headers
) -> Iterator[Problem]:
    groups = channel_groups(found, channel)
    wanted = expected_keys(channel)
    for key in wanted:
        yield from _plane_problems(channel, key, groups.get(key, Group()))
    yield from _stray_groups(channel, {k: g for k, g in groups.items() if k not in wanted})
    yield from _header_problems(channel, groups.values(), headers)


def _plane_problems(channel: ExpectedChannel, key: GroupKey, group: Group) -> Iterator[Problem]:
    where = _where(channel, key)
    missing = [z for z in range(channel.planes) if z not in group.planes]
    if len(missing) == channel.planes:
        yield problem(
            "empty_group", "", f"{where} has none of its {channel.planes:,} planes.", _WAIT
        )
    elif missing:
        there = channel.planes - len(missing)
        yield problem(
            "missing",
            "",
            f"{where} has {there:,} of {channel.planes:,} planes; {plane_ranges(missing)} "
            f"{be(len(missing))} missing.",
            _WAIT,
        )
    if beyond := sorted(z for z in group.planes if z >= channel.planes):
        yield problem(
            "extra",
            group.planes[beyond[0]][0].name,
            f"{where} has {len(beyond):,} more than the {channel.planes:,} planes requested: "
            f"{plane_ranges(beyond)}.",
            "Correct the number of planes on the form, or move the extra files away.",
        )
    yield from _duplicates(where, group)


def _duplicates(where: str, group: Group) -> Iterator[Problem]:
    double = sorted(z for z, entries in group.planes.items() if len(entries) > 1)
    if double:
        names = sorted(entry.name for entry in group.planes[double[0]])
        yield problem(
            "duplicate",
            names[1],
            f"{where} has more than one file for {plane_ranges(double)}, for example "
            f"{folded(names)}.",
            "Leave only the files of one acquisition in the folder, then press Check again.",
        )


def _stray_groups(channel: ExpectedChannel, strays: dict[GroupKey, Group]) -> Iterator[Problem]:
    codes = sorted({key[0] for key in strays} - set(channel.sheet_of_code))
    for code in codes:
        names = _names(group for key, group in strays.items() if key[0] == code)
        yield problem(
            "stray_sheet",
            names[0],
            f"Channel {channel.name} has {len(names):,} files of light sheet C{code:02d}, "
            f"but only the {' and the '.join(channel.sheets)} sheet was requested.",
            "Correct the light sheets on the form, or move these files away.",
        )
    tiles = [key for key in sorted(strays) if key[0] not in codes]
    if tiles:
        words = [f"[{row:02d} x {column:02d}]" for _, _, (row, column) in tiles]
        yield problem(
            "stray_tile",
            strays[tiles[0]].first.name,
            f"Channel {channel.name} has tiles outside {channel.columns} columns x "
            f"{channel.rows} rows: {folded(sorted(set(words)))}.",
            "Correct the tiling on the form, or move these files away.",
        )


def _header_problems(
    channel: ExpectedChannel, groups: Iterable[Group], headers: Headers
) -> Iterator[Problem]:
    names = [name for name in _names(groups) if name in headers]
    read: dict[str, PlaneHeader] = {}
    faults: dict[HeaderFault, list[str]] = {}
    for name in names:
        header = headers[name]
        if isinstance(header, PlaneHeader):
            read[name] = header
        else:
            faults.setdefault(header.fault, []).append(name)
    for fault, bad in faults.items():
        yield _fault_problem(channel, fault, bad, headers)
    yield from _depth_problems(channel, read)
    yield from _shape_problems(channel, read)


def _fault_problem(
    channel: ExpectedChannel, fault: HeaderFault, names: list[str], headers: Headers
) -> Problem:
    words, remedy = _FAULTS[fault]
    first = headers[names[0]]
    detail = first.detail if isinstance(first, HeaderProblem) else ""
    return problem(
        fault,
        names[0],
        f"Channel {channel.name}: {files_are(len(names))} {words} ({detail}): {folded(names)}.",
        remedy,
    )


def _depth_problems(channel: ExpectedChannel, read: dict[str, PlaneHeader]) -> Iterator[Problem]:
    kinds: dict[str, list[str]] = {}
    for name, header in read.items():
        if header.dtype != "uint16" or header.samples != 1:
            kinds.setdefault(_depth(header), []).append(name)
    for kind, names in kinds.items():
        yield problem(
            "depth",
            names[0],
            f"Channel {channel.name}: {files_are(len(names))} {kind}, not 16-bit: {folded(names)}.",
            "Export the planes again as 16-bit grey values, then press Check again.",
        )


def _depth(header: PlaneHeader) -> str:
    bits = "".join(character for character in header.dtype if character.isdigit())
    color = f" with {header.samples} colors" if header.samples != 1 else ""
    return f"{bits}-bit ({header.dtype}){color}"


def _shape_problems(channel: ExpectedChannel, read: dict[str, PlaneHeader]) -> Iterator[Problem]:
    shapes = Counter((header.height, header.width) for header in read.values())
    if len(shapes) < 2:
        return
    usual = shapes.most_common(1)[0][0]
    odd = [name for name, header in read.items() if (header.height, header.width) != usual]
    first = read[odd[0]]
    yield problem(
        "shape",
        odd[0],
        f"Channel {channel.name} mixes plane sizes: most are {usual[1]:,} x {usual[0]:,} pixels, "
        f"{files_are(len(odd))} not ({first.width:,} x {first.height:,} first): "
        f"{folded(odd)}.",
        "Leave only the files of one acquisition in the folder, then press Check again.",
    )


def _notes(found: SortedListing, expected: Expected, headers: Headers) -> Iterator[str]:
    if found.ignored:
        yield f"{files_are(found.ignored)} ignored, not being named like a raw plane."
    shapes: dict[tuple[int, int], list[str]] = {}
    for channel in expected.channels:
        names = _names(channel_groups(found, channel).values())
        for shape in {_shape(headers.get(name)) for name in names} - {None}:
            if shape is not None:
                shapes.setdefault(shape, []).append(channel.name)
    if len(shapes) > 1:
        words = [f"{x} x {y} ({', '.join(names)})" for (y, x), names in shapes.items()]
        yield f"The channels differ in plane size: {'; '.join(words)}."


def _shape(header: PlaneHeader | HeaderProblem | None) -> tuple[int, int] | None:
    return (header.height, header.width) if isinstance(header, PlaneHeader) else None


def _look(headers: Headers) -> tuple[tuple[int, int] | None, str]:
    read = [header for header in headers.values() if isinstance(header, PlaneHeader)]
    if not read:
        return None, ""
    looks = Counter(((header.height, header.width), header.dtype) for header in read)
    return looks.most_common(1)[0][0]


def _where(channel: ExpectedChannel, key: GroupKey) -> str:
    words = [f"Channel {channel.name}"]
    if len(channel.sheets) > 1:
        words.append(f"{channel.sheet_of_code[key[0]]} sheet")
    if channel.rows * channel.columns > 1:
        words.append(f"tile [{key[2][0]:02d} x {key[2][1]:02d}]")
    return ", ".join(words)


def _names(groups: Iterable[Group]) -> list[str]:
    return sorted(entry.name for group in groups for entry in group.entries)
