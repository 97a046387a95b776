"""Labels of tubes: what stands on them can be read back, and nothing leaves its label."""

import pytest
from reportlab.lib.units import mm

from requests_app.labels import SHEETS, Label, Sheet, fitting, modules_of, pdf_of, plain
from tests.support.pdf import Printed, labels_on, pages_of
from tests.support.qr import text_in

ADDRESS = "https://lightserv.example.org/q/{:012d}"
LINES = ("first brains", "researcher", "Hand-off 2030-01-07", "iDISCO abbreviated clearing", "3/12")
LONG = "brain" + "-x" * 29 + "1"


def some_labels(count: int, name: str = "brain-001", lines: tuple[str, ...] = LINES) -> list[Label]:
    return [Label(ADDRESS.format(number), name, lines) for number in range(count)]


def printed(labels: list[Label], sheet: Sheet = SHEETS[0], skip: int = 0) -> list[list[Printed]]:
    pdf = pdf_of(labels, sheet=sheet, title="Labels", skip=skip)
    return [labels_on(page) for page in pages_of(pdf)]


@pytest.mark.parametrize(
    ("count", "pages"), [(1, [1]), (24, [24]), (25, [24, 1]), (50, [24, 24, 2])]
)
def test_labels_fill_one_a4_sheet_after_the_other(count: int, pages: list[int]) -> None:
    assert [len(page) for page in printed(some_labels(count))] == pages


def test_each_code_read_back_is_the_address_of_its_tube() -> None:
    labels = some_labels(26)

    codes = [label.code for page in printed(labels) for label in page]

    assert codes == [label.address for label in labels]


@pytest.mark.parametrize("length", [1, 14, 26, 42, 62, 84, 106, 122])
def test_an_address_of_any_length_is_read_back(length: int) -> None:
    assert text_in(modules_of("x" * length)) == "x" * length


def test_a_label_says_what_it_is_told_to() -> None:
    (((label,),)) = printed(some_labels(1))

    assert [word.text for word in label.words] == ["brain-001", *LINES]


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.slug)
@pytest.mark.parametrize("name", ["b", "brain-001", LONG, "W" * 64])
def test_nothing_leaves_its_label(sheet: Sheet, name: str) -> None:
    lines = ("W" * 64, "researcher", "2030-01-07", "M" * 100, "50/50")

    ((label,),) = printed(some_labels(1, name, lines), sheet)

    width, height = sheet.label[0] * mm, sheet.label[1] * mm
    assert all(word.x + word.width <= width for word in label.words)
    assert all(word.y >= 0 and word.y + word.size <= height for word in label.words)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.slug)
def test_labels_neither_overlap_nor_leave_the_paper(sheet: Sheet) -> None:
    (page,) = printed(some_labels(sheet.per_page), sheet)

    places = [label.corner for label in page]
    width, height = sheet.label[0] * mm, sheet.label[1] * mm
    assert all(x >= 0 and x + width <= sheet.paper[0] * mm + 0.1 for x, _ in places)
    assert all(y >= 0 and y + height <= sheet.paper[1] * mm + 0.1 for _, y in places)
    assert len({(round(x), round(y)) for x, y in places}) == sheet.per_page
    assert not any(
        a < b and abs(a[0] - b[0]) < width - 0.1 and abs(a[1] - b[1]) < height - 0.1
        for a in places
        for b in places
    )


def test_a_used_sheet_begins_at_its_first_free_label() -> None:
    full, rest = printed(some_labels(24)), printed(some_labels(3), skip=22)

    assert [len(page) for page in rest] == [2, 1]
    assert rest[0][0].corner == full[0][22].corner
    assert rest[1][0].corner == full[0][0].corner


def test_a_whole_used_sheet_is_no_empty_page() -> None:
    assert [len(page) for page in printed(some_labels(2), skip=24)] == [2]


def test_a_long_name_keeps_both_ends() -> None:
    ((label,),) = printed(some_labels(1, LONG))

    name = label.words[0].text
    assert name.startswith("brain-x") and name.endswith("-x1") and "…" in name


@pytest.mark.parametrize(
    "text", ["日本語", "عربى\u202e", "🧠", "<b>&amp;", "(a\\", "\x00\n\t", "é" * 300]
)
def test_signs_that_the_printer_lacks_harm_nothing(text: str) -> None:
    ((label,),) = printed(some_labels(1, text, (text,)))

    assert label.code == ADDRESS.format(0)
    assert len(label.words) == 2


def test_a_missing_sign_is_a_question_mark() -> None:
    assert plain("Müller 日本\u202e\n") == "Müller ??  "


def test_a_text_shrinks_before_it_is_shortened() -> None:
    assert fitting("brain-001-left", "Helvetica", 70, 12, 8) == ("brain-001-left", 11.5)


def test_the_same_labels_are_the_same_bytes() -> None:
    first, second = (pdf_of(some_labels(3), sheet=SHEETS[0], title="x") for _ in range(2))

    assert first == second
