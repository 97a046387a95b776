"""Read our own PDFs: pages, words with their places, and QR codes out of the drawing."""

import re
import zlib
from base64 import a85decode
from dataclasses import dataclass

from reportlab.pdfbase.pdfmetrics import stringWidth

from tests.support.qr import text_in

NUMBER = r"-?[\d.]+"
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
MOVED = re.compile(rf"1 0 0 1 ({NUMBER}) ({NUMBER}) cm")
WRITTEN = re.compile(
    rf"1 0 0 1 ({NUMBER}) ({NUMBER}) Tm \(((?:\\.|[^\\)])*)\) Tj|/(F\d) ({NUMBER}) Tf", re.DOTALL
)
DRAWN = re.compile(rf"({NUMBER}) ({NUMBER}) ({NUMBER}) ({NUMBER}) re")
FONTS = {"F1": "Helvetica", "F2": "Helvetica-Bold"}
QUIET = 4


@dataclass(frozen=True, slots=True)
class Word:
    """A text on a label, measured from the label's lower left corner, in points."""

    text: str
    x: float
    y: float
    width: float
    size: float


@dataclass(frozen=True, slots=True)
class Printed:
    """One label: its lower left corner on the page, what is written, and what its code says."""

    corner: tuple[float, float]
    words: list[Word]
    code: str


def pages_of(pdf: bytes) -> list[str]:
    """Return the drawing of each page. Ours are packed by zlib, then written in 85 letters."""
    packed = [a85decode(found[1].strip().removesuffix(b"~>")) for found in STREAM.finditer(pdf)]
    return [zlib.decompress(part).decode("latin-1") for part in packed]


def labels_on(page: str) -> list[Printed]:
    """Return the labels of one page: each is drawn between q and Q."""
    return [_label(part) for part in re.split(r"(?<=\s)q\s", page)[1:] if "re" in part]


def _label(drawing: str) -> Printed:
    moved = MOVED.search(drawing)
    assert moved is not None
    return Printed((float(moved[1]), float(moved[2])), list(_words(drawing)), _code(drawing))


def _words(drawing: str) -> list[Word]:
    found, font, size = [], "", 0.0
    for match in re.finditer(r"BT (.*?) ET", drawing, re.DOTALL):
        for x, y, text, name, points in WRITTEN.findall(match[1]):
            if name:
                font, size = FONTS[name], float(points)
                continue
            plain = _unescaped(text)
            width = stringWidth(plain, font, size)
            found.append(Word(plain, float(x), float(y), width, size))
    return found


def _unescaped(text: str) -> str:
    octal = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), text)
    return re.sub(r"\\(.)", r"\1", octal).encode("latin-1").decode("cp1252")


def _code(drawing: str) -> str:
    """Rebuild the modules from the rectangles; the first one is the label's own edge."""
    boxes = [tuple(map(float, found)) for found in DRAWN.findall(drawing)][1:]
    size = min(height for _, _, _, height in boxes)
    left, top = min(x for x, *_ in boxes), max(y for _, y, *_ in boxes)
    count = round((max(x + w for x, _, w, _ in boxes) - left) / size)
    modules = [[False] * count for _ in range(count)]
    for x, y, width, _ in boxes:
        row, start = round((top - y) / size), round((x - left) / size)
        for column in range(start, start + round(width / size)):
            modules[row][column] = True
    assert left >= QUIET * size - 0.01
    return text_in(modules)
