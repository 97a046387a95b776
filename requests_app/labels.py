"""Labels of tubes as a PDF: what stands on one, and where it stands on which sheet. No database."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from reportlab.graphics.barcode.qrencoder import QR8bitByte, QRCode, QRErrorCorrectLevel
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

BOLD, PLAIN = "Helvetica-Bold", "Helvetica"
LARGEST_NAME, SMALLEST_NAME = 12.0, 8.0
LINE_SIZE, LINE_STEP = 7.0, 8.4
QUIET = 4  # modules of white around a QR code, as its standard wants


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of label paper; lengths in mm. `pitch` is from one label to the next."""

    slug: str
    title: str
    paper: tuple[float, float]
    label: tuple[float, float]
    columns: int = 1
    rows: int = 1
    corner: tuple[float, float] = (0.0, 0.0)
    pitch: tuple[float, float] = (0.0, 0.0)

    @property
    def per_page(self) -> int:
        return self.columns * self.rows

    def box(self, place: int) -> tuple[float, float]:
        """Return the lower left corner, in points, of the label at this place of the page."""
        row, column = divmod(place, self.columns)
        left = self.corner[0] + column * self.pitch[0]
        top = self.corner[1] + row * self.pitch[1]
        return left * mm, (self.paper[1] - top - self.label[1]) * mm


SHEETS = (
    Sheet(
        "a4-3x8", "A4, 3 × 8 labels of 63.5 × 33.9 mm", (210.0, 297.0), (63.5, 33.9),
        columns=3, rows=8, corner=(7.2, 12.9), pitch=(66.04, 33.9),
    ),
    Sheet(
        "letter-3x10", "US letter, 3 × 10 labels of 66.7 × 25.4 mm", (215.9, 279.4), (66.675, 25.4),
        columns=3, rows=10, corner=(4.76, 12.7), pitch=(69.85, 25.4),
    ),
    Sheet("roll-50x25", "Label printer, 50 × 25 mm", (50.0, 25.0), (50.0, 25.0)),
)  # fmt: skip
SHEET_OF = {sheet.slug: sheet for sheet in SHEETS}


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on one tube: `address` in the QR code, the name large, the lines below it."""

    address: str
    name: str
    lines: tuple[str, ...]


def pdf_of(labels: Sequence[Label], *, sheet: Sheet, title: str, skip: int = 0) -> bytes:
    """Draw the labels; the first `skip` places of the first page are used up already.

    The same labels always give the same bytes.
    """
    file = BytesIO()
    paper = (sheet.paper[0] * mm, sheet.paper[1] * mm)
    canvas = Canvas(file, pagesize=paper, pageCompression=1, invariant=1)
    canvas.setTitle(plain(title))
    canvas.setCreator("lightserv")
    for number, label in enumerate(labels, start=skip % sheet.per_page):
        place = number % sheet.per_page
        if place == 0 and number:
            canvas.showPage()
        _draw(canvas, label, sheet, sheet.box(place))
    canvas.save()
    return file.getvalue()


def _draw(canvas: Canvas, label: Label, sheet: Sheet, corner: tuple[float, float]) -> None:
    width, height = sheet.label[0] * mm, sheet.label[1] * mm
    pad = 1.5 * mm
    side = min(height, width * 0.42)
    canvas.saveState()
    canvas.translate(*corner)
    edge = canvas.beginPath()
    edge.rect(0, 0, width, height)
    canvas.clipPath(edge, stroke=0, fill=0)
    _draw_code(canvas, label.address, (height - side) / 2, side)
    _draw_text(canvas, label, left=side, right=width - pad, middle=height / 2)
    canvas.restoreState()


def _draw_code(canvas: Canvas, address: str, bottom: float, side: float) -> None:
    """Draw the QR code with its quiet zone into the square at the left."""
    rows = modules_of(address)
    size = side / (len(rows) + 2 * QUIET)
    dark = canvas.beginPath()
    for y, row in enumerate(rows):
        for x, length in _runs(row):
            lower = bottom + side - (y + 1 + QUIET) * size
            dark.rect((x + QUIET) * size, lower, length * size, size)
    canvas.drawPath(dark, stroke=0, fill=1)


def modules_of(text: str) -> list[list[bool]]:
    """Return the QR code of a text as rows of dark and light; it survives 15 % of dirt."""
    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(QR8bitByte(text))
    code.make()
    return [[bool(dark) for dark in row] for row in code.modules]


def _runs(row: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Return (start, length) of what is dark without a gap."""
    start = None
    for x, dark in enumerate([*row, False]):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            yield start, x - start
            start = None


def _draw_text(canvas: Canvas, label: Label, *, left: float, right: float, middle: float) -> None:
    width = right - left
    name, size = fitting(plain(label.name), BOLD, width, LARGEST_NAME, SMALLEST_NAME)
    line = middle + (size + len(label.lines) * LINE_STEP) / 2 - size
    canvas.setFont(BOLD, size)
    canvas.drawString(left, line, name)
    canvas.setFont(PLAIN, LINE_SIZE)
    for text in label.lines:
        line -= LINE_STEP
        shown, _ = fitting(plain(text), PLAIN, width, LINE_SIZE, LINE_SIZE)
        canvas.drawString(left, line, shown)


def fitting(
    text: str, font: str, width: float, largest: float, smallest: float
) -> tuple[str, float]:
    """Return the text and its size so that it fits: first smaller, then without its middle."""
    size = largest
    while size > smallest and stringWidth(text, font, size) > width:
        size -= 0.5
    return _without_middle(text, lambda part: stringWidth(part, font, size) <= width), size


def _without_middle(text: str, fits: Callable[[str], bool]) -> str:
    shown, kept = text, len(text)
    while kept > 2 and not fits(shown):
        kept -= 1
        shown = f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"
    return shown


def plain(text: str) -> str:
    """Return the text with a question mark for each sign that the printer's fonts do not have."""
    printable = (sign if sign.isprintable() else " " for sign in text)
    return "".join(printable).encode("cp1252", "replace").decode("cp1252")
