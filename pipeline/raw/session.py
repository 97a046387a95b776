"""The notes of a SmartSPIM session: metadata.txt or metadata.json, or an acquisition.json.

The text form is tables with tabs, each with a line of heads; its heads differ between versions, so
they are found by what they begin with. Positions are tenths of a micron.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, cast

from pipeline.raw.layouts import channel_of_folder
from pipeline.raw.metadata import Notes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("metadata.txt", "metadata.json", "acquisition.json")
_MOST_BYTES = 4 << 20
_MOST_PLANES = 1e9
_WITHIN_PLANES = 1
_NEAR_NM = 10
_LASERS = (488, 561, 642, 785)
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


@dataclass(slots=True)
class _Session:
    pixel_um: float | None = None
    z_step_um: float | None = None
    depth_um: float | None = None
    objective: str = ""
    started_at: str = ""
    ended_at: str = ""
    lasers: set[int] = field(default_factory=set)
    tiles: list[_Tile] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Tile:
    x: float
    y: float
    laser: float | None
    side: int | None


def session_notes(folder: Path, boundary: Path, wavelength: str) -> Notes:
    """What the notes in or above the channel's folder say of its channel; empty without notes."""
    for place in (folder, folder.parent):
        for name in NAMES:
            path = place / name
            if path.is_file() and path.resolve().is_relative_to(boundary):
                session = _read(path)
                if session is not None:
                    return _notes_of(session, wavelength, f"{name} of the session")
    return Notes()


def read_session(data: bytes, wavelength: str, source: str) -> Notes:
    """The same for the contents of one such file; empty if they are not understood."""
    session = _parse(data)
    return Notes() if session is None else _notes_of(session, wavelength, source)


def _read(path: Path) -> _Session | None:
    try:
        with path.open("rb") as stream:
            return _parse(stream.read(_MOST_BYTES))
    except OSError:
        return None


def _parse(data: bytes) -> _Session | None:
    text = _decoded(data)
    with suppress(ValueError, RecursionError):
        document = json.loads(text)
        return _from_json(document) if isinstance(document, dict) else None
    session = _from_tables(text)
    return session if session.tiles or session.pixel_um or session.z_step_um else None


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8-sig")
    return data.decode("cp1252", errors="replace")


def _notes_of(session: _Session, wavelength: str, source: str) -> Notes:
    tiles = [tile for tile in session.tiles if _is_of(tile, wavelength)]
    return Notes(
        source=source,
        planes=_planes(session) or None,
        planes_within=_WITHIN_PLANES,
        columns=len({tile.x for tile in tiles}) or None,
        rows=len({tile.y for tile in tiles}) or None,
        z_step_um=session.z_step_um,
        pixel_um=session.pixel_um,
        objective=session.objective,
        started_at=session.started_at,
        ended_at=session.ended_at,
        lasers=tuple(sorted(session.lasers)),
        tiled_sheets=tuple(sorted({tile.side for tile in tiles if tile.side is not None})),
    )


def _planes(session: _Session) -> int:
    if not session.depth_um or not session.z_step_um:
        return 0
    planes = session.depth_um / session.z_step_um
    return round(planes) if 0 < planes < _MOST_PLANES else 0


def _is_of(tile: _Tile, wavelength: str) -> bool:
    """Tiles name their laser in nm, or by its number among the lasers of the microscope."""
    if tile.laser is None or not wavelength.isdigit():
        return True
    laser = tile.laser
    if 0 <= laser < len(_LASERS):
        laser = _LASERS[int(laser)]
    return abs(laser - int(wavelength)) < _NEAR_NM


def _from_json(document: dict[str, object]) -> _Session:
    session = _Session(
        started_at=_text(document.get("session_start_time")),
        ended_at=_text(document.get("session_end_time")),
    )
    for key, value in _mapping(document.get("session_config")).items():
        _take_setting(session, key, _text(value))
    session.lasers.update(
        int(key) for key in _mapping(document.get("wavelength_config")) if key.isdigit()
    )
    for entry in _mapping(document.get("tile_config")).values():
        _take_tile(session, {key: _text(value) for key, value in _mapping(entry).items()})
    tiles = document.get("tiles")
    for entry in tiles if isinstance(tiles, list) else []:
        _take_acquired_tile(session, _mapping(entry))
    return session


def _take_setting(session: _Session, head: str, value: str) -> None:
    head = head.strip().lower()
    number = _number(value)
    if "m/pix" in head:
        session.pixel_um = number
    elif head.startswith("z_step") or "z step" in head:
        session.z_step_um = number
    elif head.startswith(("z_block", "z block")):
        session.depth_um = number
    elif head in {"obj", "obj_name", "objective"}:
        session.objective = value[:100]


def _take_tile(session: _Session, row: dict[str, str]) -> None:
    cells = {key.strip().lower(): value for key, value in row.items()}
    x, y = _number(cells.get("x", "")), _number(cells.get("y", ""))
    if x is None or y is None:
        return
    side = _number(cells.get("side", ""))
    laser = _number(cells.get("laser", ""))
    session.tiles.append(_Tile(x, y, laser, int(side) if side in (0, 1) else None))


def _take_acquired_tile(session: _Session, entry: dict[str, object]) -> None:
    folder = _text(entry.get("file_name")).partition("/")[0]
    told = channel_of_folder(folder)
    transforms = entry.get("coordinate_transformations")
    for item in transforms if isinstance(transforms, list) else []:
        numbers = [_number(_text(value)) for value in _list(_mapping(item), "translation", "scale")]
        if len(numbers) != 3 or None in numbers:
            continue
        x, y, z = cast("list[float]", numbers)
        if "scale" in _mapping(item):
            session.pixel_um, session.z_step_um = x, z
        else:
            session.tiles.append(_Tile(x, y, told[0] if told else None, None))
    if told:
        session.lasers.add(told[0])


def _from_tables(text: str) -> _Session:
    session = _Session()
    for heads, row in _rows(text):
        cells = dict(zip(heads, row, strict=False))
        if {"X", "Y"} <= set(heads):
            _take_tile(session, cells)
        elif heads[0].lower() in {"power", "wavelength"}:
            laser = _number(row[0])
            session.lasers.update([int(laser)] if laser else [])
        else:
            for head, value in cells.items():
                _take_setting(session, head, value)
    return session


def _rows(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Each line of values with the heads above it; a line that begins with a word is heads.

    The first line of values may begin with a word too: the name of the objective.
    """
    heads: list[str] = []
    last_were_heads = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < 2:
            continue
        is_values = last_were_heads or _number(cells[0]) is not None
        if heads and is_values:
            yield heads, cells
        else:
            heads = cells
        last_were_heads = not is_values


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _mapping(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _list(values: dict[str, object], *keys: str) -> list[object]:
    for key in keys:
        found = values.get(key)
        if isinstance(found, list):
            return found
    return []


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if isfinite(value) else None
