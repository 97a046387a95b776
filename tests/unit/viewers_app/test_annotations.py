"""Annotations as a table: what goes out comes back; what cannot be read is named by its line."""

import csv
import io

import pytest

from core_app.errors import Invalid
from viewers_app.annotations import COLUMNS, added, read, written

DRAWN = [
    {"type": "point", "point": [1, 2.5, 3], "description": 'a; b, "c"\nd', "segments": [["8"]]},
    {"type": "line", "pointA": [0, 0, 0], "pointB": [10, 20, 30.125]},
    {"type": "axis_aligned_bounding_box", "pointA": [1, 1, 1], "pointB": [4, 5, 6]},
    {"type": "ellipsoid", "center": [5, 5, 5], "radii": [1, 2, 3], "description": "=1+1"},
    {"type": "polyline", "points": [[0, 0, 0], [1, 1, 1], [2, 0.5, 1]]},
    {"type": "point", "point": [-1, 0, 0], "segments": [["997", "8"], ["997"]]},
]
HEAD = ",".join(COLUMNS)


def document(*drawn: object) -> dict[str, object]:
    return {"layers": [{"type": "annotation", "name": "marks", "annotations": list(drawn)}]}


def table(*drawn: object, names: dict[int, str] | None = None) -> list[dict[str, str]]:
    text = written(document(*drawn), names or {}).removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text)))


def plain(annotation: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in annotation.items() if key != "id"}


def test_the_columns_are_those_that_people_know() -> None:
    (row,) = table({"type": "axis_aligned_bounding_box", "pointA": [1, 2, 3], "pointB": [4, 5, 6]})

    assert row == {
        "Coordinate 1": "(1, 2, 3)", "Coordinate 2": "(4, 5, 6)", "Ellipsoid Dimensions": "",
        "Description": "", "Segment IDs": "", "Segment Names": "", "Type": "Bounding Box",
        "Region": "",
    }  # fmt: skip


def test_every_kind_comes_back_as_it_was() -> None:
    found = read(written(document(*DRAWN), {}))

    wanted = [*DRAWN[:-1], {**DRAWN[-1], "segments": [["997", "8"]]}]
    assert [plain(each) for each in found] == wanted


def test_ids_get_the_names_of_their_regions() -> None:
    (row,) = table(DRAWN[-1], names={997: "root, the top", 8: "=grey; matter"})

    assert row["Segment IDs"] == "997; 8"
    assert row["Segment Names"] == "root, the top; =grey; matter"


def test_the_region_at_the_first_place_is_written_and_never_read() -> None:
    points = [{"type": "point", "point": [1, 2, at]} for at in (3, 4)]
    text = written(document(*points), {}, {(1.0, 2.0, 3.0): "CTX: Cortex"})

    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["Region"] for row in rows] == ["CTX: Cortex", ""]
    assert [plain(each) for each in read(text)] == points


def test_the_same_annotation_is_written_once() -> None:
    assert len(table(DRAWN[0], DRAWN[0])) == 1


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@x", "\tx", "'=x", "''=x"])
def test_no_cell_is_a_formula_and_every_one_comes_back(words: str) -> None:
    point = {"type": "point", "point": [1, 2, 3], "description": words}

    (row,) = table(point)
    (found,) = read(written(document(point), {}))

    assert row["Description"].startswith("'")
    assert found["description"] == words


@pytest.mark.parametrize("words", ["'tis", "a;b", 'say "so"', "two\nlines", "x'=y"])
def test_other_words_are_written_as_they_are(words: str) -> None:
    point = {"type": "point", "point": [1, 2, 3], "description": words}

    (row,) = table(point)

    assert row["Description"] == words
    assert read(written(document(point), {}))[0]["description"] == words


def test_a_table_of_the_old_program_and_of_a_spreadsheet_with_semicolons_is_read() -> None:
    old = read(f'{HEAD}\n"(1, 2, 3)","(4, 5, 6)",,,,,AABB\n')
    other = read("type;coordinate 1\nPoint;(1, 2, 3)\n")

    assert old[0]["type"] == "axis_aligned_bounding_box"
    assert other[0]["point"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('"(1, 2, 3)",,,,,,Blob', "Blob"),
        ('"(1, 2)",,,,,,Point', "three numbers"),
        ('"(1, 2, nan)",,,,,,Point', "three numbers"),
        ('"(1, 2, 1e99)",,,,,,Point', "three numbers"),
        ('"1, 2, 3",,,,,,Point', "not a place"),
        (",,,,,,Point", "not a place"),
        ('"(1, 2, 3)",,,,,,Line', "Coordinate 2"),
        ('"(1, 2, 3); (1, 2, 3)",,,,,,Point', "one place"),
        ('"(1, 2, 3)",,,,,,Polyline', "two places"),
        ('"(1, 2, 3)",,"(-1, 1, 1)",,,,Ellipsoid', "negative"),
        ('"(1, 2, 3)",,,,x,,Point', "whole numbers"),
        ('"(1, 2, 3)",,,,,Cortex,Point', "by their ids"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_the_reason(row: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as refusal:
        read(f'{HEAD}\n"(1, 2, 3)",,,,,,Point\n{row}\n')

    assert "Line 3" in refusal.value.message
    assert "Nothing was added" in refusal.value.message


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", HEAD, f"{HEAD}\n\n", '"', f'{HEAD}\n"x'])
def test_what_is_no_such_table_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read(text)


def test_a_thousand_bad_lines_are_not_all_repeated() -> None:
    with pytest.raises(Invalid, match="And 980 more") as refusal:
        read(f"{HEAD}\n" + ",,,,,,x\n" * 1000)

    assert len(refusal.value.message) < 3000


def test_a_table_becomes_a_layer_with_the_units_of_the_view() -> None:
    before = {**document(), "dimensions": {"x": [1e-6, "m"]}}

    after = added(before, "marks", read(written(document(*DRAWN), {})))

    layer = after["layers"][-1]
    assert layer["name"] == "marks 2"
    assert layer["source"] == {
        "url": "local://annotations",
        "transform": {"outputDimensions": {"x": [1e-6, "m"]}},
    }
    assert len(before["layers"]) == 1


def test_what_is_no_annotation_is_no_row() -> None:
    odd = [{"type": []}, {"type": {}}, 5, None, {"type": "point", "point": 7}]

    assert [row["Type"] for row in table(*odd)] == ["Point"]
    assert written({"layers": [{"type": "annotation", "annotations": 5}]}, {}).count("\n") == 1


def test_an_id_of_thousands_of_digits_has_no_name() -> None:
    (row,) = table({"type": "point", "point": [1, 2, 3], "segments": ["9" * 5000]}, names={9: "x"})

    assert row["Segment Names"] == ""
