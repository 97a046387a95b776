"""What a delivery must look like, in the words of the check. Reads folders, writes nothing.

The rules themselves are in pipeline.raw, which the cluster uses as well: one truth for both.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings

from core_app.errors import Invalid
from core_app.paths import DataPath
from imaging_app.models import ImagingChannel, Microscope, RawDelivery
from pipeline.contract import Json
from pipeline.errors import BadInput
from pipeline.raw.delivery import Expected, ExpectedChannel
from pipeline.raw.layouts import channel_of_folder, looks_like_image
from pipeline.raw.metadata import Fact
from pipeline.raw.smartspim import is_near
from pipeline.raw.survey import Survey, survey_folder

MOST_FOLDERS = 500
MOST_COUNTED = 10_000  # entries of one folder; a page does not wait for more
LONGEST_NAME = 150  # bytes; names of manifests, and labels of steps, are made of it


@dataclass(frozen=True, slots=True)
class RawFolder:
    """A folder that the imager can pick: its name, and what lies in it."""

    name: str
    files: int
    folders: int = 0
    has_more: bool = False

    @property
    def holds(self) -> str:
        """Return the number of TIFF files in words, or of folders where there are no files."""
        if self.has_more:
            return f"more than {MOST_COUNTED:,} entries"
        if self.files or not self.folders:
            return f"{self.files:,} file{'' if self.files == 1 else 's'}"
        return f"{self.folders:,} folder{'' if self.folders == 1 else 's'}"


def expected_of(channels: Sequence[ImagingChannel]) -> Expected:
    """Return what the folder of these channels must hold; their order gives the Filter index."""
    return Expected(tuple(_expected_channel(row, index) for index, row in enumerate(channels)))


def expected_values(channels: Sequence[ImagingChannel]) -> list[Json]:
    """The same as plain values, as a job's specification and a stored verdict hold it."""
    return expected_of(channels).to_json()


def _expected_channel(row: ImagingChannel, index: int) -> ExpectedChannel:
    if row.z_planes is None:
        raise Invalid(f"Say how many planes channel {row.wavelength.name} has before the check.")
    is_tiled = row.tile_columns * row.tile_rows > 1
    return ExpectedChannel(
        name=row.wavelength.name,
        filter_index=file_index(row, index),
        left=row.left_sheet,
        right=row.right_sheet,
        columns=row.tile_columns,
        rows=row.tile_rows,
        planes=row.z_planes,
        z_step_um=row.z_step_um,
        overlap=row.tile_overlap if is_tiled else None,
        pixel_um=row.voxel_um[0],
    )


def file_index(row: ImagingChannel, index: int) -> int:
    """Return the channel's number in names: its place in the folder, or its line's place."""
    layout = row.resolution.objective.microscope.layout
    return row.wavelength.position if layout == Microscope.Layout.SMARTSPIM else index


def accepted_gaps(
    row: ImagingChannel, verdict: RawDelivery | None, waived: Collection[str]
) -> dict[str, tuple[int, ...]]:
    """Return {light sheet: planes that are missing and were accepted}; "" is both sheets merged."""
    gaps: dict[str, set[int]] = defaultdict(set)
    for gap in (verdict.report.get("absent") or []) if verdict else []:
        if gap["channel"] == row.wavelength.name and gap["key"] in waived:
            gaps[_side_of(row, str(gap["sheet"]))].update(gap["planes"])
    return {side: tuple(sorted(planes)) for side, planes in gaps.items()}


def _side_of(row: ImagingChannel, sheet: str) -> str:
    layout = row.resolution.objective.microscope.layout
    return "" if layout == Microscope.Layout.SMARTSPIM else sheet


def has_changed_since(root: Path, folder: DataPath, report: dict[str, Any]) -> bool:
    """Return True if a file came to the folder or left it after it was looked at.

    One `stat` per folder, no listing; the run that follows looks at every file again.
    """
    known: dict[str, int] = report.get("folders") or {}
    base = folder.real_under(root)
    try:
        same = all((base / name).stat().st_mtime_ns == at for name, at in known.items())
        return not known or not same
    except OSError:
        return True


FACT_OF = {
    "z_planes": "planes",
    "z_step_um": "z_step_um",
    "tile_columns": "columns",
    "tile_rows": "rows",
    "tile_overlap": "overlap",
    "left_sheet": "sheets",
    "right_sheet": "sheets",
}


def values_of(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Return what facts of files mean for the fields of a channel, by field."""
    found: dict[str, Any] = {}
    for field, name in FACT_OF.items():
        if name in facts:
            value: Any = facts[name].value
            found[field] = field.removesuffix("_sheet") in value if name == "sheets" else value
    if found.get("tile_columns") == found.get("tile_rows") == 1:
        found.pop("tile_overlap", None)
    return found


def likely_folder(channel: ImagingChannel, folders: Sequence[RawFolder]) -> str:
    """Return the folder that a channel's data most likely lies in; "" where more than one may.

    A SmartSPIM names its folders after the channels; elsewhere a single folder is that of all.
    """
    names = [folder.name for folder in folders]
    if channel.resolution.objective.microscope.layout == Microscope.Layout.SMARTSPIM:
        told = {name: channel_of_folder(name) for name in names}
        wavelength = channel.wavelength.name
        names = [name for name, of in told.items() if of and is_near(of[0], wavelength)]
    return names[0] if len(names) == 1 else ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a short look into a folder tells of each channel, and what to say about the look."""

    facts: list[Mapping[str, Fact]]
    said: list[str]


def survey(channels: Sequence[ImagingChannel], subfolder: str) -> Look:
    """Look into one raw folder of these channels for as long as a person waits. Writes nothing."""
    first = channels[0]
    try:
        folder = first.resolution.raw_folder(ventral_up=first.ventral_up) / subfolder
        folder.real_under(settings.DATA_ROOT)
        layout = first.resolution.objective.microscope.layout
        found = survey_folder(settings.DATA_ROOT, str(folder), layout)
    except (Invalid, BadInput) as refusal:
        return Look([{} for _ in channels], [str(refusal)])
    facts = [_facts_of(channel, index, found) for index, channel in enumerate(channels)]
    said = list(_sayings(subfolder, found))
    if found.raw_files and not said and not all(facts):
        silent = [c.wavelength.name for c, told in zip(channels, facts, strict=True) if not told]
        said.append(
            f"The files in {subfolder} tell nothing of {', '.join(silent)} nm; "
            "see whether it is the right folder."
        )
    return Look(facts, said)


def _facts_of(channel: ImagingChannel, index: int, found: Survey) -> Mapping[str, Fact]:
    """By the wavelength where the files name it, else by the number in the names."""
    named = {seen.wavelength: seen.facts for seen in found.channels if seen.wavelength}
    if named:
        name = channel.wavelength.name
        near = (facts for told, facts in named.items() if is_near(float(told), name))
        return named.get(name) or next(near, {})
    numbered = {seen.filter_index: seen.facts for seen in found.channels}
    return numbered.get(file_index(channel, index), {})


def _sayings(subfolder: str, found: Survey) -> Iterator[str]:
    if found.problem:
        yield found.problem
    elif not found.raw_files:
        yield f"{subfolder} holds no raw planes of this microscope."
    elif found.cut_short:
        yield (
            f"{subfolder} is large, so only a part of it was looked at; "
            "the check looks at every file."
        )
    elif not any(seen.wavelength for seen in found.channels) and len(found.channels) > 1:
        yield f"The files in {subfolder} do not name their wavelengths; compare the channels."


def moment(text: object) -> datetime | None:
    """Read a moment of a report; None for one that says none. Aware, or nothing."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def is_there(folder: Path) -> bool:
    """Return True if the folder is there and the storage answers."""
    try:
        return folder.is_dir()
    except OSError:
        return False


def folders_in(root: Path, parent: DataPath) -> list[RawFolder]:
    """List the folders that lie where raw data of one objective belongs. Links are left out."""
    try:
        path = parent.real_under(root)
        with os.scandir(path) as entries:
            names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except (Invalid, OSError):
        return []
    usable = [name for name in names if is_usable(name)]
    return [RawFolder(name, *_count(path / name)) for name in usable[:MOST_FOLDERS]]


def is_usable(name: str) -> bool:
    """Return True for a folder name that forms, paths and job specifications carry unharmed."""
    if not name.isprintable() or set(name) & set(" /\\") or name in {"", ".", ".."}:
        return False
    return len(name.encode()) <= LONGEST_NAME


def _count(folder: Path) -> tuple[int, int, bool]:
    """Return how many images and folders lie in a folder, and whether there are many more."""
    files = folders = 0
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, MOST_COUNTED):
                files += looks_like_image(entry.name)
                folders += entry.is_dir(follow_symlinks=False)
            return files, folders, next(entries, None) is not None
    except OSError:
        return 0, 0, False
