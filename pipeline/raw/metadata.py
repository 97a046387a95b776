"""What the microscope noted about an acquisition, as facts with their source, and against a form.

Pure: the notes are read by `ome` and `session`. They are evidence, never the truth: a person may
accept every difference, but for a channel that is certainly another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pipeline.raw.codes import problem
from pipeline.raw.layouts import SMARTSPIM
from pipeline.raw.listing import channel_groups
from pipeline.raw.smartspim import is_near, tile_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.contract import Json, JsonDict, Problem
    from pipeline.raw.delivery import Expected, ExpectedChannel
    from pipeline.raw.listing import Found, Group, GroupKey

_RELATIVE = 0.01
_OVERLAP = 0.01
_NAMES = "the names of the files"
_FOLDERS = "the names of the folders"
_REMEDY = "Correct the form, or accept the difference with a reason."


@dataclass(frozen=True, slots=True)
class Notes:
    """What one file of metadata says; None or empty where it says nothing.

    `planes_within` is how far the number of planes may be off, since some notes give a depth.
    `wavelengths` are nm by filter index, `sheets` the sheet (0 left, 1 right) by code in the names,
    `tiled_sheets` all sheets that lit any tile.
    """

    source: str = ""
    planes: int | None = None
    planes_within: int = 0
    columns: int | None = None
    rows: int | None = None
    z_step_um: float | None = None
    pixel_um: float | None = None
    overlap: float | None = None
    numerical_aperture: float | None = None
    pixel_type: str = ""
    software: str = ""
    objective: str = ""
    started_at: str = ""
    ended_at: str = ""
    wavelengths: dict[int, float] = field(default_factory=dict)
    lasers: tuple[int, ...] = ()
    sheets: dict[int, int] = field(default_factory=dict)
    tiled_sheets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A value and where it was found, in words."""

    value: Json
    source: str

    def to_json(self) -> JsonDict:
        return {"value": self.value, "source": self.source}


Facts: TypeAlias = dict[str, Fact]


def acquired_facts(
    expected: Expected, found: Found, notes: Notes, shape: tuple[int, int] | None
) -> JsonDict:
    """Everything known without the form: facts per channel and facts of the folder."""
    channels: JsonDict = {}
    for channel in expected.channels:
        groups = channel_groups(found, channel)
        facts = name_facts(found, groups, expected.layout)
        facts |= note_facts(notes, facts)
        pixel = notes.pixel_um or channel.pixel_um
        if expected.layout == SMARTSPIM and (seen := tile_overlap(found, shape, pixel)):
            facts["overlap"] = seen
        channels[channel.name] = {name: fact.to_json() for name, fact in facts.items()}
    folder: JsonDict = {name: fact.to_json() for name, fact in folder_facts(notes).items()}
    return {"channels": channels, "folder": folder}


def name_facts(found: Found, groups: dict[GroupKey, Group], layout: str) -> Facts:
    """What the names of files and folders tell of a channel."""
    if not groups:
        return {}
    where = _FOLDERS if layout == SMARTSPIM else _NAMES
    facts = {
        "planes": Fact(max(max(group.planes()) for group in groups.values()) + 1, _NAMES),
        "columns": Fact(max(key[2][1] for key in groups) + 1, where),
        "rows": Fact(max(key[2][0] for key in groups) + 1, where),
    }
    if layout == SMARTSPIM:
        step = next(iter(groups.values())).step
        if step > 1:
            facts["z_step_um"] = Fact(round(step / 10, 3), _NAMES)
        return facts
    codes = sorted({key[0] for key in groups})
    # one code alone is 00 for either sheet, so only two of them tell anything
    if codes == [0, 1]:
        facts["sheets"] = Fact(["left", "right"], _NAMES)
    return facts


def note_facts(notes: Notes, known: Facts) -> Facts:
    """What the notes add to what the names tell."""
    values: dict[str, Json] = {
        "planes": notes.planes,
        "columns": notes.columns,
        "rows": notes.rows,
        "z_step_um": notes.z_step_um,
        "pixel_um": notes.pixel_um,
        "overlap": notes.overlap,
    }
    if notes.tiled_sheets or notes.sheets:
        numbers = sorted({*notes.tiled_sheets, *notes.sheets.values()})
        values["sheets"] = [("left", "right")[number] for number in numbers]
    return {
        name: Fact(value, notes.source)
        for name, value in values.items()
        if value is not None and name not in known
    }


def folder_facts(notes: Notes) -> Facts:
    """What the notes say of the whole acquisition."""
    values: dict[str, Json] = {
        "numerical_aperture": notes.numerical_aperture,
        "pixel_type": notes.pixel_type,
        "software": notes.software,
        "objective": notes.objective,
        "started_at": notes.started_at,
        "ended_at": notes.ended_at,
    }
    return {name: Fact(value, notes.source) for name, value in values.items() if value}


def tile_overlap(
    found: Found, shape: tuple[int, int] | None, pixel_um: float | None
) -> Fact | None:
    """The overlap that the positions of the tiles give, of planes of `shape` (y, x)."""
    if shape is None or not pixel_um:
        return None
    across, down = tile_steps(found)
    step, pixels = (across, shape[1]) if across is not None else (down, shape[0])
    if step is None:
        return None
    return Fact(round(1 - step / (pixels * pixel_um), 4), _FOLDERS)


def metadata_problems(
    expected: Expected, found: Found, notes: Notes, shape: tuple[int, int] | None
) -> Iterator[Problem]:
    """Every difference between the form and the microscope's notes."""
    for channel in expected.channels:
        yield from _number_problems(expected, channel, found, notes, shape)
        yield from _tile_problems(channel, notes)
        yield from _wavelength_problems(expected, channel, notes)
        yield from _sheet_problems(expected, channel, notes)


def _number_problems(
    expected: Expected,
    channel: ExpectedChannel,
    found: Found,
    notes: Notes,
    shape: tuple[int, int] | None,
) -> Iterator[Problem]:
    if notes.planes is not None and abs(notes.planes - channel.planes) > notes.planes_within:
        words = f"{notes.planes:,} planes, not {channel.planes:,}"
        yield _difference("metadata_planes", channel, words, notes.source)
    step, source = notes.z_step_um, notes.source
    if step is None and expected.layout == SMARTSPIM:
        fact = name_facts(found, channel_groups(found, channel), SMARTSPIM).get("z_step_um")
        step, source = (_as_number(fact.value), fact.source) if fact else (None, source)
    if _differ(step, channel.z_step_um):
        words = f"a z step of {step:g} µm, not {channel.z_step_um:g} µm"
        yield _difference("metadata_z_step", channel, words, source)
    if _differ(notes.pixel_um, channel.pixel_um):
        words = f"pixels of {notes.pixel_um:g} µm, not {channel.pixel_um:g} µm"
        yield _difference("metadata_pixel", channel, words, notes.source)
    yield from _overlap_problems(expected, channel, found, notes, shape)


def _overlap_problems(
    expected: Expected,
    channel: ExpectedChannel,
    found: Found,
    notes: Notes,
    shape: tuple[int, int] | None,
) -> Iterator[Problem]:
    overlap, source = notes.overlap, notes.source
    if expected.layout == SMARTSPIM:
        fact = tile_overlap(found, shape, notes.pixel_um or channel.pixel_um)
        overlap, source = (_as_number(fact.value), fact.source) if fact else (overlap, source)
    if overlap is None or channel.overlap is None or channel.columns * channel.rows == 1:
        return
    if abs(overlap - channel.overlap) > _OVERLAP:
        words = f"an overlap of {100 * overlap:.1f} %, not {100 * channel.overlap:g} %"
        yield _difference("metadata_overlap", channel, words, source)


def _tile_problems(channel: ExpectedChannel, notes: Notes) -> Iterator[Problem]:
    columns, rows = notes.columns or channel.columns, notes.rows or channel.rows
    if (columns, rows) != (channel.columns, channel.rows):
        words = f"{columns} columns x {rows} rows, not {channel.columns} x {channel.rows}"
        yield _difference("metadata_tiles", channel, words, notes.source)


def _wavelength_problems(
    expected: Expected, channel: ExpectedChannel, notes: Notes
) -> Iterator[Problem]:
    told = notes.wavelengths.get(channel.filter_index)
    if notes.lasers and not any(is_near(laser, channel.name) for laser in notes.lasers):
        lasers = " and ".join(str(laser) for laser in notes.lasers)
        words = f"the lasers {lasers}, none of which is {channel.name} nm"
        yield _difference("metadata_channel", channel, words, notes.source)
    if told is None or is_near(told, channel.name):
        return
    others = [c for c in expected.channels if c is not channel and is_near(told, c.name)]
    words = f"{told:g} nm for Filter{channel.filter_index:04d}, not {channel.name} nm"
    if others:
        yield problem(
            "wrong_channel",
            "",
            f"Channel {channel.name}: {notes.source} says {words}; that is channel "
            f"{others[0].name} of this folder.",
            "Give the channels their own filter numbers, then press Check again.",
        )
    else:
        yield _difference("metadata_channel", channel, words, notes.source)


def _sheet_problems(
    expected: Expected, channel: ExpectedChannel, notes: Notes
) -> Iterator[Problem]:
    names = ("left", "right")
    if expected.layout == SMARTSPIM:
        used = {names.index(sheet) for sheet in channel.sheets}
        if notes.tiled_sheets and set(notes.tiled_sheets) != used:
            lit = " and ".join(names[number] for number in notes.tiled_sheets)
            words = f"light from the {lit}, not from the {' and '.join(channel.sheets)}"
            yield _difference("metadata_sheet", channel, words, notes.source)
        return
    for code, sheet in expected.sheets_of(channel).items():
        told = notes.sheets.get(code)
        if told is not None and names[told] != sheet:
            words = f"that C{code:02d} is the {names[told]} light sheet, not the {sheet} one"
            yield _difference("metadata_sheet", channel, words, notes.source)


def _differ(told: float | None, typed: float | None) -> bool:
    if told is None or typed is None:
        return False
    return abs(told - typed) > max(_RELATIVE * typed, 0.005)


def _as_number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _difference(code: str, channel: ExpectedChannel, words: str, source: str) -> Problem:
    return problem(code, "", f"Channel {channel.name}: {source} says {words}.", _REMEDY)
