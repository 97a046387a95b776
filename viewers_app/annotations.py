"""Annotations that people drew, as a table and back. Pure.

Coordinates are those of the view, in its voxels, to a thousandth. Names of regions are written for
reading; what is read back are the ids.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core_app.errors import Invalid
from core_app.exports import BOM
from viewers_app import sources
from viewers_app.rendering import State
from viewers_app.specs import ANNOTATION

FIRST, SECOND, RADII = "Coordinate 1", "Coordinate 2", "Ellipsoid Dimensions"
DESCRIPTION, IDS, NAMES, TYPE = "Description", "Segment IDs", "Segment Names", "Type"
REGION = "Region"
COLUMNS: Final = (FIRST, SECOND, RADII, DESCRIPTION, IDS, NAMES, TYPE, REGION)
NEEDED: Final = (FIRST, TYPE)
JOINT: Final = "; "
DECIMALS: Final = 3
FARTHEST: Final = 1e9
LONGEST_ID: Final = 20  # digits of an unsigned number of 64 bits
MOST_PROBLEMS: Final = 20
MOST_POINTS: Final = 50_000
Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of annotation: its word in the table, and which keys go to which columns."""

    word: str
    columns: Mapping[str, str]


# The key of a line of many points holds a list of places.
KINDS: Final = {
    "point": Kind("Point", {FIRST: "point"}),
    "line": Kind("Line", {FIRST: "pointA", SECOND: "pointB"}),
    "axis_aligned_bounding_box": Kind("Bounding Box", {FIRST: "pointA", SECOND: "pointB"}),
    "ellipsoid": Kind("Ellipsoid", {FIRST: "center", RADII: "radii"}),
    "polyline": Kind("Polyline", {FIRST: "points"}),
}
OTHER_WORDS: Final = {"aabb": "axis_aligned_bounding_box"}
_OF_WORD: Final = {kind.word.casefold(): key for key, kind in KINDS.items()} | OTHER_WORDS
# What a spreadsheet takes for a formula, also behind the marks that keep it from doing so.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")


def written(
    document: State, names: Mapping[int, str], at: Mapping[Place, str] | None = None
) -> str:
    """Return the table of all annotations that the document itself holds, each row once.

    `names` are those of regions by id, and `at` of the region that lies at a first place.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    rows = [
        tuple(_row(each, names, at or {})[column] for column in COLUMNS) for each in drawn(document)
    ]
    writer.writerows([_inert(cell) for cell in row] for row in dict.fromkeys(rows))
    return BOM + file.getvalue()


def drawn(document: State) -> Iterator[State]:
    """Yield the annotations that the document itself holds and a table can have."""
    for layer in document["layers"]:
        if layer.get("type") == ANNOTATION:
            for each in _list_of(layer.get("annotations")):
                if isinstance(each, dict) and _kind_of(each) in KINDS:
                    yield each


def first_place(annotation: State) -> Place | None:
    """Return the place of the first column: of a line its beginning; None if it is no place."""
    value = annotation.get(KINDS[annotation["type"]].columns[FIRST])
    if isinstance(value, list) and value and isinstance(value[0], list):
        value = value[0]
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 3 or not all(isinstance(at, int | float) for at in numbers):
        return None
    x, y, z = (float(at) for at in numbers)
    return x, y, z


def read(text: str) -> list[State]:
    """Return the annotations of a table. Raises Invalid with line and reason of each problem."""
    lines = _lines(text.removeprefix(BOM))
    found: list[State] = []
    problems: list[str] = []
    try:
        for number, cells in lines:
            try:
                found.append(_annotation(cells, len(found) + 1))
            except Invalid as problem:
                problems.append(f"Line {number}: {problem.message}")
    except csv.Error as error:
        problems.append(f"From here on it is no CSV: {error}.")
    if problems:
        more = len(problems) - MOST_PROBLEMS
        rest = [f"And {more} more."] if more > 0 else []
        raise Invalid(" ".join([*problems[:MOST_PROBLEMS], *rest, "Nothing was added."]))
    if not found:
        raise Invalid("The file has no annotations below its header. Nothing was added.")
    if len(found) > MOST_POINTS:
        raise Invalid(
            f"The file has {len(found):,} annotations; at most {MOST_POINTS:,} go in one."
        )
    return found


def added(document: State, name: str, annotations: list[State]) -> State:
    """Return the document with one more layer, whose name is made unlike the others."""
    names = {layer["name"] for layer in document["layers"]}
    free = next(
        candidate
        for candidate in (name, *(f"{name} {number}" for number in range(2, len(names) + 3)))
        if candidate not in names
    )
    source: dict[str, Any] = {"url": sources.LOCAL[0]}
    if isinstance(document.get("dimensions"), dict):
        source["transform"] = {"outputDimensions": document["dimensions"]}
    layer = {
        "type": ANNOTATION, "name": free, "source": source, "tab": "annotations",
        "annotations": annotations,
    }  # fmt: skip
    return {**document, "layers": [*document["layers"], layer]}


def segments_of(annotation: State) -> list[str]:
    """Return the ids of the regions that an annotation is related to, each once."""
    related = annotation.get("segments")
    groups = related if isinstance(related, list) else []
    flat = [each for group in groups for each in (group if isinstance(group, list) else [group])]
    return list(dict.fromkeys(str(each) for each in flat))


def _row(annotation: State, names: Mapping[int, str], at: Mapping[Place, str]) -> dict[str, str]:
    kind = KINDS[annotation["type"]]
    ids = segments_of(annotation)
    row = dict.fromkeys(COLUMNS, "")
    for column, key in kind.columns.items():
        row[column] = _places(annotation.get(key))
    known = [names.get(int(id), "") if _is_id(id) else "" for id in ids]
    row[IDS] = JOINT.join(ids)
    row[NAMES] = JOINT.join(known) if any(known) else ""
    place = first_place(annotation)
    row[REGION] = at.get(place, "") if place else ""
    return {**row, DESCRIPTION: str(annotation.get("description") or ""), TYPE: kind.word}


def _list_of(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _kind_of(annotation: State) -> str:
    kind = annotation.get("type")
    return kind if isinstance(kind, str) else ""


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID


def _places(value: object) -> str:
    if not isinstance(value, list):
        return ""
    if value and isinstance(value[0], list):
        return JOINT.join(_places(place) for place in value)
    numbers = [number for number in value if isinstance(number, int | float)]
    return f"({', '.join(f'{number:.{DECIMALS}f}'.rstrip('0').rstrip('.') for number in numbers)})"


def _lines(text: str) -> Any:
    """Yield (number of the line, {column: text}) of what follows the header."""
    head = text.partition("\n")[0]
    # Where a comma separates decimals, spreadsheets write semicolons between columns.
    delimiter = ";" if head.count(";") > head.count(",") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip().casefold() for cell in next(rows, [])]
    except csv.Error as error:
        raise Invalid(f"The file is no CSV: {error}. Nothing was added.") from None
    missing = [column for column in NEEDED if column.casefold() not in header]
    if missing:
        raise Invalid(
            f"The first line has no column {' and '.join(missing)}. It must name the columns: "
            f"{', '.join(COLUMNS)}. Nothing was added."
        )
    places = {column: header.index(column.casefold()) for column in COLUMNS if
              column.casefold() in header}  # fmt: skip
    for row in rows:
        if any(cell.strip() for cell in row):
            cells = {name: row[at] for name, at in places.items() if at < len(row)}
            yield rows.line_num, {column: _plain(cells.get(column, "")) for column in COLUMNS}


def _annotation(cells: Mapping[str, str], number: int) -> State:
    key = _OF_WORD.get(cells[TYPE].strip().casefold())
    if key is None:
        known = ", ".join(kind.word for kind in KINDS.values())
        raise Invalid(f"“{cells[TYPE][:40]}” is no type. It is one of {known}.")
    made: State = {"type": key, "id": f"row-{number}"}
    for column, name in KINDS[key].columns.items():
        places = _read_places(cells[column], column)
        if key == "polyline":
            if len(places) < 2:
                raise Invalid(f"{column} of a polyline needs two places at least.")
            made[name] = places
        elif len(places) != 1:
            raise Invalid(f"{column} of a {KINDS[key].word} is one place, such as (10, 20, 30).")
        else:
            made[name] = places[0]
    if key == "ellipsoid" and min(made["radii"]) < 0:
        raise Invalid(f"{RADII} can't be negative.")
    if cells[DESCRIPTION]:
        made["description"] = cells[DESCRIPTION]
    if ids := _read_ids(cells[IDS], has_names=bool(cells[NAMES].strip())):
        made["segments"] = [ids]
    return made


def _read_places(text: str, column: str) -> list[list[float]]:
    found = re.findall(r"\(([^()]*)\)", text)
    if not found or re.sub(r"\([^()]*\)", "", text).strip(" ;"):
        raise Invalid(f"{column} is “{text[:40]}”, not a place such as (10, 20, 30).")
    return [_read_place(inner, column) for inner in found]


def _read_place(text: str, column: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(math.isfinite(n) and abs(n) <= FARTHEST for n in numbers):
        raise Invalid(f"{column} has “({text[:40]})”; a place is three numbers.")
    return numbers


def _read_ids(text: str, *, has_names: bool) -> list[str]:
    ids = [part.strip() for part in text.split(";") if part.strip()]
    wrong = [id for id in ids if not _is_id(id)]
    if wrong:
        raise Invalid(f"{IDS} has “{wrong[0][:40]}”; ids are whole numbers, joined by semicolons.")
    if has_names and not ids:
        raise Invalid(f"{NAMES} is filled and {IDS} is empty; regions are told by their ids.")
    return ids


def _inert(text: str) -> str:
    """Return the text of a cell that no spreadsheet takes for a formula; `_plain` takes it back."""
    return f"'{text}" if _FORMULA.match(text) else text


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
