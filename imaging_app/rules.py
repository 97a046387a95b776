"""What can be right about how channels were acquired. Plain values: no rows, no files."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from core_app.errors import Invalid
from imaging_app.raw_data import is_usable
from requests_app.plans import ORIENTATIONS

SMALLEST_STEP_UM, LARGEST_STEP_UM = 2, 1000
MOST_PLANES = 5500
LARGEST_ZOOM = 10
TILES = re.compile(r"([1-9][0-9]?) ?[xX×] ?([1-9][0-9]?)")

Problems = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Setting:
    """How one channel is acquired in every sample of a batch. Lengths in µm."""

    z_step_um: float
    left_sheet: bool = True
    right_sheet: bool = True
    tile_columns: int = 1
    tile_rows: int = 1
    tile_overlap: float = 0.0
    orientation: str = "horizontal"
    zoom: float = 1.0


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How one channel was acquired, as the imager typed it. Lengths in µm."""

    raw_subfolder: str
    z_planes: int | None
    z_step_um: float
    left_sheet: bool = True
    right_sheet: bool = True
    tile_columns: int = 1
    tile_rows: int = 1
    tile_overlap: float = 0.0
    orientation: str = "horizontal"
    zoom: float = 1.0

    @property
    def setting(self) -> Setting:
        return Setting(**{name: getattr(self, name) for name in SETTING_FIELDS})


SETTING_FIELDS = tuple(field.name for field in fields(Setting))
ACQUISITION_FIELDS = tuple(field.name for field in fields(Acquisition))


@dataclass(frozen=True, slots=True)
class Line:
    """What the rules need to know of one channel: its place, and what its objective allows."""

    objective: str
    name: str
    ventral_up: bool = False
    max_tiles: int = 1
    has_two_sheets: bool = True
    has_zoom: bool = False
    sample: str = ""

    def __str__(self) -> str:
        where = f"hannel {line_words(self.name, self.objective, ventral_up=self.ventral_up)}"
        return f"{self.sample}: c{where}" if self.sample else f"C{where}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One channel of one sample with what is set for it."""

    key: str
    line: Line
    given: Acquisition


def line_words(name: str, objective: str, *, ventral_up: bool = False) -> str:
    """Return "488 at 1.3x", or "488 ventral up at 1.3x"."""
    return f"{name}{' ventral up' if ventral_up else ''} at {objective}"


def parse_tiles(text: str) -> tuple[int, int]:
    """Read "3x2", "3 x 2" or "3×2": columns, rows. Raises Invalid for anything else."""
    found = TILES.fullmatch(text.strip())
    if found is None:
        raise Invalid("Type columns x rows, both from 1 on, such as 3x2.")
    return int(found[1]), int(found[2])


def setting_problems(line: Line, given: Setting) -> list[str]:
    """Return what cannot be right about one row of a batch, in words that say what to do."""
    most = line.max_tiles
    rules = [
        (given.left_sheet or given.right_sheet, "tick at least one light sheet."),
        (line.has_two_sheets or not (given.left_sheet and given.right_sheet),
         f"{line.objective} has one light sheet; tick left or right, not both."),
        (0.0 <= given.tile_overlap < 1.0,
         "the overlap is a fraction from 0 up to, not including, 1; 10 % is 0.1."),
        (1 <= given.tile_columns <= most and 1 <= given.tile_rows <= most,
         f"{line.objective} allows 1 to {most} tiles per side (columns x rows)."),
        (SMALLEST_STEP_UM <= given.z_step_um <= LARGEST_STEP_UM,
         f"the z step lies between {SMALLEST_STEP_UM} and {LARGEST_STEP_UM} µm."),
        (given.orientation in ORIENTATIONS, "choose an orientation of the list."),
        (not line.ventral_up or given.orientation == "horizontal",
         "ventral up the orientation is horizontal."),
        *_zoom_rules(line, given.zoom),
    ]  # fmt: skip
    return [f"{line}: {words}" for holds, words in rules if not holds]


def _zoom_rules(line: Line, zoom: float) -> list[tuple[bool, str]]:
    if not line.has_zoom:
        return [(zoom == 1.0, f"{line.objective} has no zoom body; leave the zoom at 1.")]
    is_possible = math.isfinite(zoom) and 0 < zoom <= LARGEST_ZOOM
    return [(is_possible, f"the zoom is more than 0 and at most {LARGEST_ZOOM}.")]


def acquisition_problems(line: Line, given: Acquisition) -> list[str]:
    """Return what cannot be right about one channel of a sample, in words that say what to do."""
    rules = [
        (given.z_planes is not None and 1 <= given.z_planes <= MOST_PLANES,
         f"give the number of planes, 1 to {MOST_PLANES}."),
        (is_usable(given.raw_subfolder),
         "choose the raw folder; its name has no blanks or slashes, and is not longer than "
         "150 letters."),
    ]  # fmt: skip
    wrong = [f"{line}: {words}" for holds, words in rules if not holds]
    return setting_problems(line, given.setting) + wrong


def disagreements(entries: Sequence[Entry]) -> Problems:
    """Return {key: messages} of channels of one sample that contradict one before them."""
    found: Problems = {}
    for problems in (_in_one_folder(entries), _at_one_objective(entries), _of_twins(entries)):
        for key, messages in problems.items():
            found.setdefault(key, []).extend(messages)
    return found


def tiling_disagreements(rows: Mapping[str, tuple[Line, Setting]]) -> Problems:
    """Return {key: messages} of rows of a batch whose tiles differ from a row before them."""
    entries = [
        Entry(key, line, Acquisition("", None, *(getattr(given, n) for n in SETTING_FIELDS)))
        for key, (line, given) in rows.items()
    ]
    return disagreements(entries)


def _in_one_folder(entries: Iterable[Entry]) -> Problems:
    """Channels in one folder were acquired together, so everything about them must agree."""
    first_in: dict[tuple[str, bool, str], Entry] = {}
    found: Problems = {}
    for entry in (e for e in entries if e.given.raw_subfolder):
        folder = entry.given.raw_subfolder
        place = (entry.line.objective, entry.line.ventral_up, folder)
        first = first_in.setdefault(place, entry)
        if first.given != entry.given:
            found[entry.key] = [
                f"{entry.line} shares the folder {folder} with channel {first.line.name}, so "
                "planes, z step, sheets, tiles and orientation must be equal."
            ]
    return found


def _at_one_objective(entries: Iterable[Entry]) -> Problems:
    first_at: dict[str, Entry] = {}
    found: Problems = {}
    for entry in entries:
        first = first_at.setdefault(entry.line.objective, entry)
        if _tiling(first.given) != _tiling(entry.given):
            found[entry.key] = [
                f"{entry.line} has {_tiling_words(entry.given)}, "
                f"channel {_short(first.line)} has {_tiling_words(first.given)}. All channels at "
                "one objective, dorsal and ventral, have the same tiles and overlap; make them "
                "equal."
            ]
    return found


def _of_twins(entries: Sequence[Entry]) -> Problems:
    ventral = {(e.line.objective, e.line.name) for e in entries if e.line.ventral_up}
    return {
        e.key: [f"{e.line} is imaged ventral up as well, so its orientation stays horizontal."]
        for e in entries
        if not e.line.ventral_up
        and e.given.orientation != "horizontal"
        and (e.line.objective, e.line.name) in ventral
    }


def _tiling(given: Acquisition) -> tuple[int, int, float]:
    return given.tile_columns, given.tile_rows, given.tile_overlap


def _tiling_words(given: Acquisition) -> str:
    return f"{given.tile_columns} x {given.tile_rows} tiles with overlap {given.tile_overlap:g}"


def _short(line: Line) -> str:
    return f"{line.name}{' ventral up' if line.ventral_up else ''}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one channel of an objective is for."""

    name: str
    purposes: tuple[str, ...]
    may_register: bool = False
    ventral_up: bool = False


def purpose_problems(
    objective: str, channels: Sequence[Wanted], *, generic_only_for: str = ""
) -> list[str]:
    """Return what cannot be right about the purposes at one objective.

    `generic_only_for` names the objective or species that allows nothing but generic imaging.
    """
    used = {purpose for channel in channels for purpose in channel.purposes}
    analysis = used - {"generic_imaging"}
    registering = [c for c in channels if "registration" in c.purposes]
    unfit = [c.name for c in registering if not c.may_register]
    silent = [c.name for c in channels if not c.purposes]
    sides = [c.ventral_up for c in registering]
    rules = [
        (not silent, f"Say what channel {', '.join(silent)} at {objective} is for."),
        (not (analysis and generic_only_for),
         f"{generic_only_for} is for generic imaging only; untick the other purposes."),
        (not unfit, f"Channel {', '.join(unfit)} has too little autofluorescence to be registered;"
         " choose another purpose."),
        (len(sides) == len(set(sides)),
         f"{objective} has a registration channel already; change its purposes first."),
        (bool(registering) or analysis <= {"registration"},
         f"Detection needs a registration channel at {objective}; add one, or choose generic "
         "imaging."),
    ]  # fmt: skip
    return [words for holds, words in rules if not holds]
