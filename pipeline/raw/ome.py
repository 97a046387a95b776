"""The few facts of OME-XML that the site compares with what people typed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from pipeline.contract import JsonDict

_TEXTS = ("DimensionOrder", "PixelType", "Type", "PhysicalSizeXUnit")
_INTEGERS = ("SizeX", "SizeY", "SizeZ", "SizeC", "SizeT")
_NUMBERS = ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ")


class _Enough(Exception):
    """The one element we want has been read; the rest may be megabytes."""


class _Refused(Exception):
    """A document type could define entities; OME-XML needs none."""


def pixel_facts(xml: str) -> JsonDict:
    """Attributes of the first Pixels element, numbers as numbers; {} if there is none.

    Malformed XML and any document type declaration (entities could expand without end) give {} too.
    """
    found: dict[str, str] = {}
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, given: _take_pixels(name, given, found)
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(xml, True)  # noqa: FBT003 (expat's own signature)
    except _Enough:
        return _typed(found)
    except (expat.ExpatError, _Refused, ValueError):
        return {}
    return {}


def _take_pixels(name: str, given: dict[str, str], found: dict[str, str]) -> None:
    if name.rpartition(":")[2] == "Pixels":
        found.update(given)
        raise _Enough


def _refuse(*_declaration: object) -> None:
    raise _Refused


def _typed(found: dict[str, str]) -> JsonDict:
    facts: JsonDict = {key: found[key] for key in _TEXTS if key in found}
    for key in _INTEGERS + _NUMBERS:
        try:
            if key in found:
                facts[key] = int(found[key]) if key in _INTEGERS else float(found[key])
        except ValueError:
            continue  # a figure that is none is no fact
    return facts
