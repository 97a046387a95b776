"""Which planes have to be opened, and what their headers say against a delivery."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pipeline.raw.codes import problem
from pipeline.raw.listing import channel_groups, usual_size
from pipeline.raw.tiff_header import HeaderFault, HeaderProblem, PlaneHeader
from pipeline.raw.wording import files_are, folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.contract import Problem
    from pipeline.raw.delivery import Expected, ExpectedChannel
    from pipeline.raw.listing import Found, GroupKey

Headers: TypeAlias = "Mapping[str, PlaneHeader | HeaderProblem]"

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


class Needed(NamedTuple):
    """A plane whose header has to be read."""

    key: GroupKey
    z: int
    name: str


def needed_of(found: Found, channel: ExpectedChannel) -> list[Needed]:
    """The first plane of each group, the first of the usual size, and all of another, by name.

    The first plane is often larger, since it carries the metadata: it says nothing of the others.
    """
    groups = channel_groups(found, channel)
    usual = usual_size(groups.values())
    needed = {Needed(key, *group.first()) for key, group in groups.items()}
    for key, group in groups.items():
        if (sample := group.first_of_size(usual)) is not None:
            needed.add(Needed(key, *sample))
        needed.update(Needed(key, z, name) for z, name in group.odd_sizes(usual))
    return sorted(needed, key=lambda item: item.name)


def suspects_of(found: Found, channel: ExpectedChannel, headers: Headers) -> list[Needed]:
    """Every plane of the usual size in a group where one of them is no sound plane, by name.

    A full disk cuts all of them to one length, which then is the usual one.
    """
    groups = channel_groups(found, channel)
    usual = usual_size(groups.values())
    suspects: list[Needed] = []
    for key, group in groups.items():
        sample = group.first_of_size(usual)
        if sample is not None and isinstance(headers.get(sample[1]), HeaderProblem):
            suspects += [Needed(key, z, name) for z, name in group.of_size(usual)]
    return sorted(suspects, key=lambda item: item.name)


def headers_needed(expected: Expected, found: Found) -> list[str]:
    """Names of the files to open for all channels."""
    names = {item.name for channel in expected.channels for item in needed_of(found, channel)}
    return sorted(names)


def headers_suspected(expected: Expected, found: Found, headers: Headers) -> list[str]:
    """Names of the files to open as well, after what the first headers say."""
    every = {
        item.name for channel in expected.channels for item in suspects_of(found, channel, headers)
    }
    return sorted(every - set(headers))


@dataclass(slots=True)
class ChannelHeaders:
    """The headers of one channel, sorted by what they say."""

    read: dict[str, PlaneHeader] = field(default_factory=dict)
    faults: dict[HeaderFault, dict[str, str]] = field(default_factory=dict)  # name -> detail
    truncated: dict[GroupKey, list[int]] = field(default_factory=dict)
    least_whole: int = 0  # planes of the group that has the fewest sound ones, if any is cut short


def headers_of(found: Found, channel: ExpectedChannel, headers: Headers) -> ChannelHeaders:
    """Sort the headers of a channel; a file without one is judged by name and size alone."""
    sorted_out = ChannelHeaders()
    needed = {*needed_of(found, channel), *suspects_of(found, channel, headers)}
    for item in sorted(needed, key=lambda item: item.name):
        header = headers.get(item.name)
        if isinstance(header, PlaneHeader):
            sorted_out.read[item.name] = header
        elif isinstance(header, HeaderProblem):
            sorted_out.faults.setdefault(header.fault, {})[item.name] = header.detail
            if header.fault == "truncated":
                sorted_out.truncated.setdefault(item.key, []).append(item.z)
    cut = sorted_out.truncated.items()
    whole = (len({*found.groups[key].planes()}.difference(planes)) for key, planes in cut)
    sorted_out.least_whole = min(whole, default=0)
    return sorted_out


def header_problems(channel: ExpectedChannel, sorted_out: ChannelHeaders) -> Iterator[Problem]:
    """What the headers of a channel say against it."""
    for fault in sorted_out.faults:
        yield fault_problem(channel, fault, sorted_out)
    yield from _depth_problems(channel, sorted_out.read)
    yield from _shape_problems(channel, sorted_out.read)


def fault_problem(
    channel: ExpectedChannel, fault: HeaderFault, sorted_out: ChannelHeaders
) -> Problem:
    """Files of a channel that cannot be read as planes, all for one reason."""
    names = sorted_out.faults[fault]
    words, remedy = _FAULTS[fault]
    bad = list(names)
    return problem(
        fault,
        bad[0],
        f"Channel {channel.name}: {files_are(len(bad))} {words} ({names[bad[0]]}): {folded(bad)}.",
        remedy,
        evidence=bad,
        if_most=2 * sorted_out.least_whole >= channel.planes,
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
            evidence=names,
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
        evidence=odd,
    )


def look_of(headers: Headers) -> tuple[tuple[int, int] | None, str]:
    """The usual (y, x) size and type of values of all planes that were read."""
    read = [header for header in headers.values() if isinstance(header, PlaneHeader)]
    if not read:
        return None, ""
    looks = Counter(((header.height, header.width), header.dtype) for header in read)
    return looks.most_common(1)[0][0]
