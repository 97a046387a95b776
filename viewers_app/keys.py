"""Which keys of a precomputed layer may be asked for. Pure; all else does not exist."""

import re
from dataclasses import dataclass
from typing import Final

_SCALE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_SHARD = r"[0-9a-f]{1,16}\.shard"
_CHUNK = r"[0-9]{1,10}-[0-9]{1,10}_[0-9]{1,10}-[0-9]{1,10}_[0-9]{1,10}-[0-9]{1,10}"
_REVISION: Final = re.compile(r"@([0-9a-f]{16})/(.*)", re.DOTALL)
# Of an annotation layer: a cell of a spatial index, and one annotation by its number.
_CELL = r"[0-9]{1,10}_[0-9]{1,10}_[0-9]{1,10}"
_NUMBER = r"[0-9]{1,20}"
_DOCUMENT: Final = re.compile(r"info|provenance")
_PROPERTIES: Final = re.compile(r"(segment_properties)/(info)")
_DATA: Final = re.compile(rf"({_SCALE})/({_SHARD}|{_CHUNK}|{_CELL}|{_NUMBER})")
_PICTURE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,58}\.png")


@dataclass(frozen=True, slots=True)
class Key:
    """A file below a layer's folder, as path parts without any way out.

    With a revision, it is wanted only if it is of that making of the volume.
    """

    parts: tuple[str, ...]
    is_document: bool
    revision: str = ""


def parse_key(text: str) -> Key | None:
    """Return the key, or None for everything that no volume has."""
    revised = _REVISION.fullmatch(text)
    revision, name = (revised[1], revised[2]) if revised else ("", text)
    if _DOCUMENT.fullmatch(name):
        return Key((name,), is_document=True, revision=revision)
    if properties := _PROPERTIES.fullmatch(name):
        return Key((properties[1], properties[2]), is_document=True, revision=revision)
    data = _DATA.fullmatch(name)
    return Key((data[1], data[2]), is_document=False, revision=revision) if data else None


def picture_key(text: str) -> Key | None:
    """Return the key of a thumbnail, which lies beside `info` and is served to signed-in people."""
    return Key((text,), is_document=False) if _PICTURE.fullmatch(text) else None
