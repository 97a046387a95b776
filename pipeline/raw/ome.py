"""The facts of LaVision's OME-XML that the site compares with what people typed.

LaVision writes properties in three ways: an attribute Value of an element named after the property,
an attribute Value beside a label, and an attribute named like its element. All are understood.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING
from xml.parsers import expat

from pipeline.raw.metadata import Notes

if TYPE_CHECKING:
    from pipeline.contract import JsonDict

_TEXTS = ("DimensionOrder", "PixelType", "Type", "PhysicalSizeXUnit")
_INTEGERS = ("SizeX", "SizeY", "SizeZ", "SizeC", "SizeT")
_NUMBERS = ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ")
_MICRONS = ("", "µm", "μm", "um", "micron", "microns")
_LONGEST_TEXT = 200
_NOT_ALNUM = re.compile(r"[^a-z0-9]")
# Every repetition has an end: a person waits, and a long text could be made to be read for hours.
_SHEET_LINE = re.compile(r"_C([0-9]{2})_[^;\n]{0,300};;\(([^)\n]{0,200})\)")
_CHANNEL_LINE = re.compile(
    r"Filter([0-9]{4})[^;,\n]{0,300}[;,]{1,4}[\s(]{0,4}([0-9]{1,9}(?:\.[0-9]{1,9})?)"
    r"\s{0,4},\s{0,4}[0-9]"
)


class _Refused(Exception):
    """A document type could define entities; OME-XML needs none."""


@dataclass(slots=True)
class _Reading:
    """What the parser has met so far, by names in small letters without marks."""

    pixels: dict[str, str] = field(default_factory=dict)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    inside: str = ""

    def start(self, name: str, given: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        self.inside = local if local in {"CreationDate", "AcquisitionDate", "AcquiredDate"} else ""
        if local == "Pixels" and not self.pixels:
            self.pixels = dict(given)
        label = given.get("label") or given.get("Label") or local
        self.properties.setdefault(_squeezed(label), given)

    def text(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside] = (self.texts.get(self.inside, "") + data)[:_LONGEST_TEXT]

    def value(self, *names: str) -> str:
        """The value of the first of these properties that is there."""
        for name in names:
            given = self.properties.get(name, {})
            own = next((v for key, v in given.items() if _squeezed(key) == name), "")
            if found := given.get("Value") or given.get("value") or own:
                return found
        return ""

    def number(self, *names: str) -> float | None:
        return _number(self.value(*names))


def pixel_facts(xml: str) -> JsonDict:
    """Attributes of the first Pixels element, numbers as numbers; {} if there is none.

    Malformed XML and any document type declaration (entities could expand without end) give {} too.
    """
    return _typed(_read(xml).pixels)


def lavision_notes(xml: str, source: str) -> Notes:
    """Everything of interest in one OME-XML; an empty Notes if it is none."""
    reading = _read(xml)
    if not reading.pixels:
        return Notes()
    facts = _typed(reading.pixels)
    in_microns = str(facts.get("PhysicalSizeXUnit", "")).strip().lower() in _MICRONS
    overlap = reading.number("xyztablexyoverlap")
    return Notes(
        source=source,
        planes=_depth(_whole(facts.get("SizeZ"))),
        columns=_steps(reading, "dataaxis5", "axis5"),
        rows=_steps(reading, "dataaxis6", "axis6"),
        z_step_um=_positive(facts.get("PhysicalSizeZ")) if in_microns else None,
        pixel_um=_positive(facts.get("PhysicalSizeX")) if in_microns else None,
        overlap=overlap / 100 if overlap is not None and 0 <= overlap < 100 else None,
        numerical_aperture=reading.number("ultraiinavalue"),
        pixel_type=str(facts.get("PixelType") or facts.get("Type") or "")[:_LONGEST_TEXT],
        software=_software(reading),
        objective=reading.value("instrumentmode")[:_LONGEST_TEXT],
        started_at="".join(list(reading.texts.values())[:1]).strip(),
        wavelengths=_wavelengths(reading.value("rawdatainformation")),
        sheets=_sheets(reading.value("tileconfiguration")),
    )


def _read(xml: str) -> _Reading:
    reading = _Reading()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reading.start
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(xml, True)  # noqa: FBT003 (expat's own signature)
    except _Refused:
        return _Reading()
    except (expat.ExpatError, ValueError):
        return reading  # cut off or damaged; what stood before is as true as ever
    return reading


def _refuse(*_declaration: object) -> None:
    raise _Refused


def _squeezed(name: str) -> str:
    return _NOT_ALNUM.sub("", name.lower())


def _software(reading: _Reading) -> str:
    version = reading.value("imspectorversion", "version")[:_LONGEST_TEXT]
    return f"Imspector {version}" if version else ""


def _steps(reading: _Reading, *names: str) -> int | None:
    """The number of steps of a mosaic axis."""
    for name in names:
        for key, value in reading.properties.get(name, {}).items():
            if _squeezed(key) == "steps":
                return _whole(_number(value))
    return None


def _wavelengths(text: str) -> dict[int, float]:
    """Filter index -> excitation nm, from lines that name a file and "excitation,emission"."""
    return {int(index): float(nm) for index, nm in _CHANNEL_LINE.findall(text)}


def _sheets(text: str) -> dict[int, int]:
    """Code in the file names -> light sheet (0 left, 1 right), from the position of each file.

    A position of three numbers has no sheet; two sheets for one code tell nothing.
    """
    found: dict[int, set[int]] = {}
    for code, position in _SHEET_LINE.findall(text):
        numbers = [_number(part) for part in position.split(",")]
        if len(numbers) == 4 and numbers[2] in (0, 1):
            found.setdefault(int(code), set()).add(int(numbers[2] or 0))
    return {code: sheets.pop() for code, sheets in found.items() if len(sheets) == 1}


def _typed(found: dict[str, str]) -> JsonDict:
    facts: JsonDict = {key: found[key] for key in _TEXTS if key in found}
    for key in _INTEGERS + _NUMBERS:
        with suppress(ValueError):  # a figure that is none is no fact
            if key in found:
                facts[key] = int(found[key]) if key in _INTEGERS else float(found[key])
    return facts


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _depth(planes: int | None) -> int | None:
    """Notes of one plane are of that file alone; they say nothing of the acquisition."""
    return planes if planes is not None and planes > 1 else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and 1 <= value < 1e9 else None


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e6 else None
