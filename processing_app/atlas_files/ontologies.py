"""Read the structure tree of an atlas, in the formats in which they are published.

Allen JSON: nested `children`, perhaps below `msg`. BrainGlobe `structures.json`: a list with
`structure_id_path`. Our own JSON. CSV: one structure a line, under one of several usual headers.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pipeline.errors import BadInput
from pipeline.io.json_text import parsed
from pipeline.structures import Color, Structure, StructureTree

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "structure_id", "label_id", "region_id"),
    "acronym": ("acronym", "abbreviation", "abbrev", "short_name"),
    "name": ("name", "structure_name", "region_name", "full_name", "safe_name", "region"),
    "parent": ("parent", "parent_id", "parent_structure_id", "parent_structure"),
    "red": ("red", "r"),
    "green": ("green", "g"),
    "blue": ("blue", "b"),
    "color": ("color", "colour", "color_hex_triplet", "color_hex", "hex", "rgb"),
}
_NO_PARENT: Final = frozenset({"", "0", "-1", "none", "null", "nan", "na"})


def read(path: Path) -> StructureTree:
    """Read a tree. Raises BadInput naming the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name} is no text in UTF-8. Save it as UTF-8.") from error
    try:
        is_json = path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "[")
        tree = StructureTree(_of_json(text) if is_json else _of_csv(text))
    except BadInput as error:
        raise BadInput(f"{path.name}: {error.message}") from error
    if len(tree) == 0:
        raise BadInput(f"{path.name} names no structure. Give the ontology of the annotation.")
    return tree


def _of_json(text: str) -> Iterator[Structure]:
    document: Any = parsed(text)
    if isinstance(document, dict):
        document = document.get("msg", document)
    nodes = document if isinstance(document, list) else [document]
    # Parents before children, in the order of the file, without recursion.
    waiting: list[tuple[Any, int | None]] = [(node, None) for node in reversed(nodes)]
    while waiting:
        node, above = waiting.pop()
        structure = _node(node, above)
        yield structure
        children = node.get("children") or []
        if not isinstance(children, list):
            raise BadInput(f"the children of structure {structure.id} must be a list.")
        waiting += [(child, structure.id) for child in reversed(children)]


def _node(node: Any, above: int | None) -> Structure:
    if not isinstance(node, dict) or "id" not in node:
        raise BadInput("a structure in it has no id.")
    id = _number(node["id"], "id")
    path = node.get("structure_id_path")
    stated = node.get("parent", node.get("parent_structure_id"))
    if above is None and isinstance(path, list):
        stated = path[-2] if len(path) > 1 else None
    color = node.get("rgb_triplet", node.get("color"))
    return Structure(
        id=id,
        acronym=_words(id, node.get("acronym")),
        name=_words(id, node.get("name") or node.get("acronym")) or f"id {id}",
        parent=above if above is not None else _parent(stated),
        color=_rgb(id, color) if isinstance(color, list) else _hex(id, node, color),
    )


def _hex(id: int, node: dict[str, Any], color: Any) -> Color | None:
    return _of_hex(id, _words(id, node.get("color_hex_triplet") or color))


def _words(id: int, value: Any) -> str:
    if value is not None and not isinstance(value, str | int | float):
        raise BadInput(f"structure {id} must be named by a text, and colours be text or numbers.")
    return "" if value is None else str(value)


def _of_csv(text: str) -> Iterator[Structure]:
    try:
        yield from _rows_of(text)
    except csv.Error as error:
        raise BadInput(f"it is no table that can be read: {error}. Export it again.") from error


def _rows_of(text: str) -> Iterator[Structure]:
    first = text.splitlines()[0] if text else ""
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(text.splitlines(), delimiter=delimiter)
    names = {(name or "").strip().lower().replace(" ", "_"): name for name in rows.fieldnames or ()}
    columns = {
        key: next((names[name] for name in usual if name in names), None)
        for key, usual in _COLUMNS.items()
    }
    for key in ("id", "name", "parent"):
        if columns[key] is None:
            raise BadInput(
                f"it has no column for the {key}. Name it {' or '.join(_COLUMNS[key][:3])}; found "
                f"are {', '.join(names) or 'none':.400}."
            )
    found = [
        {key: (row.get(name) or "").strip() if name else "" for key, name in columns.items()}
        for row in rows
    ]
    numbers = {row["acronym"]: row["id"] for row in found if row["acronym"]}
    for row in found:
        if any(row.values()):
            yield _line(row, numbers)


def _line(row: dict[str, str], numbers: dict[str, str]) -> Structure:
    id = _number(row["id"], "id")
    stated = numbers.get(row["parent"], row["parent"])  # some name the parent by its acronym
    color = None
    if row["red"] and row["green"] and row["blue"]:
        color = _rgb(id, [_number(row[part], "colour") for part in ("red", "green", "blue")])
    return Structure(
        id=id,
        acronym=row["acronym"],
        name=row["name"] or row["acronym"] or f"id {id}",
        parent=_parent(stated),
        color=color or _of_hex(id, row["color"]),
    )


def _parent(stated: Any) -> int | None:
    if stated is None or str(stated).strip().lower() in _NO_PARENT:
        return None
    return _number(stated, "parent")


def _number(value: Any, what: str) -> int:
    try:
        number = float(value)
        if isinstance(value, bool) or number != int(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise BadInput(f"{value!r:.60} is no {what}; it must be a whole number.") from None
    return int(value) if isinstance(value, int) else int(number)


def _rgb(id: int, parts: list[Any]) -> Color:
    numbers = [part for part in parts if isinstance(part, int) and 0 <= part <= 255]
    if len(parts) != 3 or len(numbers) != 3:
        raise BadInput(f"the colour of structure {id} must be three numbers from 0 to 255.")
    return numbers[0], numbers[1], numbers[2]


def _of_hex(id: int, text: str) -> Color | None:
    digits = text.strip().removeprefix("#")
    if not digits:
        return None
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if len(data) != 3:
        raise BadInput(
            f"the colour of structure {id} must be six hexadecimal digits, not {text!r:.40}."
        )
    return data[0], data[1], data[2]
