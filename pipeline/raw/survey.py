"""Look into a raw folder for as long as a person waits, to fill a form before any check.

Names only, and the metadata of one file: nothing here says that a delivery is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadInput
from pipeline.raw.check import folder_notes
from pipeline.raw.layouts import LAYOUTS, SMARTSPIM, channel_of_folder
from pipeline.raw.metadata import (
    Fact,
    Facts,
    Notes,
    folder_facts,
    name_facts,
    note_facts,
    tile_overlap,
)
from pipeline.raw.session import session_notes
from pipeline.raw.tiff_header import PlaneHeader, read_header
from pipeline.raw.walking import walk_folder
from pipeline.workspace import resolve_under

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict
    from pipeline.raw.listing import Found

MOST_SECONDS: Final = 2.0
MOST_ENTRIES: Final = 200_000


@dataclass(frozen=True, slots=True)
class SurveyedChannel:
    """What a folder tells of one channel. `wavelength` is "" where nothing names it."""

    filter_index: int
    wavelength: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Survey:
    """What a short look found. `cut_short` says that planes and tiles may be more than told."""

    layout: str
    channels: tuple[SurveyedChannel, ...]
    folder: Facts
    raw_files: int
    cut_short: bool
    problem: str = ""

    def to_json(self) -> JsonDict:
        return {
            "layout": self.layout,
            "channels": [
                {
                    "filter_index": channel.filter_index,
                    "wavelength": channel.wavelength,
                    "facts": _as_json(channel.facts),
                }
                for channel in self.channels
            ],
            "folder": _as_json(self.folder),
            "raw_files": self.raw_files,
            "cut_short": self.cut_short,
            "problem": self.problem,
        }


def survey_folder(
    root: Path,
    folder: str,
    layout: str,
    *,
    seconds: float = MOST_SECONDS,
    entries: int = MOST_ENTRIES,
) -> Survey:
    """What the folder, relative to `root`, tells of its channels. BadInput for an escape only.

    A folder that cannot be read gives an empty survey with the reason in `problem`.
    """
    if layout not in LAYOUTS:
        raise BadInput(f"The layout must be one of {', '.join(LAYOUTS)}, not {layout!r}.")
    path = resolve_under(root, folder)
    told = channel_of_folder(path.name) if layout == SMARTSPIM else None
    try:
        found = walk_folder(
            path,
            layout,
            root=root,
            sizes=False,
            most_entries=entries,
            seconds=seconds,
            filter_index=told[1] if told else 0,
        )
    except OSError as error:
        reason = f"The folder {folder} cannot be read: {error.strerror or error}."
        return Survey(layout, (), {}, 0, cut_short=False, problem=reason)
    wavelength = str(told[0]) if told else ""
    if layout == SMARTSPIM:
        notes = session_notes(path, root.resolve(), wavelength)
    else:
        notes = folder_notes(path, found)
    return Survey(
        layout=layout,
        channels=tuple(_channels(path, found, layout, notes, wavelength)),
        folder=folder_facts(notes),
        raw_files=found.raw_files,
        cut_short=found.cut_short,
    )


def _channels(
    path: Path, found: Found, layout: str, notes: Notes, wavelength: str
) -> list[SurveyedChannel]:
    channels = []
    for index in sorted({key[1] for key in found.groups}):
        groups = {key: group for key, group in found.groups.items() if key[1] == index}
        facts = name_facts(found, groups, layout)
        facts |= note_facts(notes, facts)
        if layout == SMARTSPIM and (overlap := _overlap(path, found, notes)):
            facts["overlap"] = overlap
        told = notes.wavelengths.get(index)
        name = wavelength or (f"{told:g}" if told else "")
        channels.append(SurveyedChannel(index, name, facts))
    return channels


def _overlap(path: Path, found: Found, notes: Notes) -> Fact | None:
    """From the positions of the tiles and the size of one plane."""
    first = next(iter(found.groups.values())).first()[1]
    header = read_header(path / first)
    if not isinstance(header, PlaneHeader):
        return None
    return tile_overlap(found, (header.height, header.width), notes.pixel_um)


def _as_json(facts: Facts) -> JsonDict:
    return {name: fact.to_json() for name, fact in facts.items()}
