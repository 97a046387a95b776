"""Which files the client's page loads, read from the wheel's own index.html."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SCRIPT = re.compile(r'<script[^>]*\bsrc="([A-Za-z0-9._-]+\.js)"')
_STYLE = re.compile(r'<link[^>]*\bhref="([A-Za-z0-9._-]+\.css)"')


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """File names of the client, in the order in which they are loaded."""

    scripts: tuple[str, ...]
    styles: tuple[str, ...]


def parse_index(html: str) -> ClientFiles:
    """Return what the page refers to. Raises ValueError if it refers to nothing we know."""
    files = ClientFiles(tuple(_SCRIPT.findall(html)), tuple(_STYLE.findall(html)))
    if not files.scripts or not files.styles:
        raise ValueError("The client's index.html names no script or no style.")
    return files


@cache
def client_files(folder: Path) -> ClientFiles:
    """Return the files of the client in this folder; read once in the life of the process."""
    return parse_index((folder / "index.html").read_text(encoding="utf-8"))
