"""The tree of an atlas: which structures there are, which lie in which, how they are coloured.

As stored: a JSON list of {"id", "acronym", "name", "parent", "color"}; `parent` is null at the top,
`color` is [r, g, b] or null. Standard library only: the site reads trees too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pipeline.errors import BadInput
from pipeline.io.json_text import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.contract import Json, JsonDict

Color: TypeAlias = tuple[int, int, int]

MOST_ID: Final = 0xFFFFFFFF
_GREY: Final[Color] = (160, 160, 160)


@dataclass(frozen=True, slots=True)
class Structure:
    """One node. `color` is None where it has that of its parent."""

    id: int
    acronym: str
    name: str
    parent: int | None
    color: Color | None = None

    @property
    def label(self) -> str:
        return f"{self.acronym}: {self.name}" if self.acronym else self.name

    def to_json(self) -> JsonDict:
        return {
            "id": self.id,
            "acronym": self.acronym,
            "name": self.name,
            "parent": self.parent,
            "color": list(self.color) if self.color else None,
        }


class StructureTree:
    """Structures by id, in the order in which they were given. Raises BadInput for no tree."""

    def __init__(self, structures: Iterable[Structure]) -> None:
        self._by_id: dict[int, Structure] = {}
        for structure in structures:
            if structure.id in self._by_id:
                raise BadInput(f"The structure tree has id {structure.id} twice. Leave one of it.")
            if not 0 < structure.id <= MOST_ID:
                raise BadInput(
                    f"The structure tree has id {structure.id}; ids are from 1 to {MOST_ID}. "
                    "Give the structure another id, in the annotation too."
                )
            self._by_id[structure.id] = structure
        self._children: dict[int | None, list[int]] = {}
        for structure in self:
            self._children.setdefault(structure.parent, []).append(structure.id)
        self._require_parents()
        self._depths = self._measured_depths()
        self._colors = self._inherited_colors()

    def __iter__(self) -> Iterator[Structure]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id: int) -> bool:
        return id in self._by_id

    def __getitem__(self, id: int) -> Structure:
        return self._by_id[id]

    def children(self, id: int | None) -> list[int]:
        """Return the ids right below; those at the top for None."""
        return list(self._children.get(id, ()))

    def ancestors(self, id: int) -> list[int]:
        """Return the ids above, nearest first."""
        above, parent = [], self._by_id[id].parent
        while parent is not None:
            above.append(parent)
            parent = self._by_id[parent].parent
        return above

    def descendants(self, id: int) -> list[int]:
        """Return the id and all below it, parents before children."""
        found, waiting = [], [id]
        while waiting:
            last = waiting.pop()
            found.append(last)
            waiting += reversed(self._children.get(last, []))
        return found

    def depth(self, id: int) -> int:
        """Return how many structures lie above."""
        return self._depths[id]

    def color(self, id: int) -> Color:
        """Return its own colour, else that of the nearest structure above that has one."""
        return self._colors[id] or _GREY

    def has_color(self, id: int) -> bool:
        """Return True if it or a structure above it has a colour."""
        return self._colors[id] is not None

    def to_json(self) -> list[Json]:
        return [structure.to_json() for structure in self]

    def _require_parents(self) -> None:
        for structure in self:
            if structure.parent is not None and structure.parent not in self._by_id:
                raise BadInput(
                    f"{structure.label} (id {structure.id}) has the parent {structure.parent}, "
                    "which is not in the structure tree. Add it, or leave the parent empty."
                )

    def _inherited_colors(self) -> dict[int, Color | None]:
        """Return the colour of each, its own or the nearest above; parents come first."""
        found: dict[int, Color | None] = {}
        for id in sorted(self._depths, key=self._depths.__getitem__):
            structure = self._by_id[id]
            above = None if structure.parent is None else found[structure.parent]
            found[id] = structure.color if structure.color is not None else above
        return found

    def _measured_depths(self) -> dict[int, int]:
        depths = {id: 0 for id in self._children.get(None, ())}
        waiting = list(depths)
        while waiting:
            id = waiting.pop()
            for child in self._children.get(id, ()):
                depths[child] = depths[id] + 1
                waiting.append(child)
        if len(depths) < len(self._by_id):
            lost = next(structure for structure in self if structure.id not in depths)
            raise BadInput(
                f"{lost.label} (id {lost.id}) is below itself in the structure tree. "
                "Correct its parent or one above it."
            )
        return depths


def read_tree(path: Path) -> StructureTree:
    """Read a stored tree; raises BadInput naming the file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror or error}.") from error
    try:
        return tree_of(parsed(text))
    except BadInput as error:
        raise BadInput(f"{path.name}: {error.message}") from error


def tree_of(document: Json) -> StructureTree:
    """Return the tree of a JSON list as it is stored."""
    if not isinstance(document, list):
        raise BadInput("A structure tree is a JSON list of structures.")
    return StructureTree(_structure(item) for item in document)


def hex_color(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _structure(item: Json) -> Structure:
    id = item.get("id") if isinstance(item, dict) else None
    if not isinstance(item, dict) or isinstance(id, bool) or not isinstance(id, int):
        raise BadInput(f"A structure needs a whole number as its id: {item!r:.80}.")
    parent = item.get("parent")
    if parent is not None and (isinstance(parent, bool) or not isinstance(parent, int)):
        raise BadInput(f"The parent of structure {id} must be an id or null, not {parent!r:.40}.")
    return Structure(
        id=id,
        acronym=str(item.get("acronym") or ""),
        name=str(item.get("name") or item.get("acronym") or f"id {id}"),
        parent=parent,
        color=_color(id, item.get("color")),
    )


def _color(id: int, value: Json) -> Color | None:
    if value is None:
        return None
    parts = value if isinstance(value, list) else []
    numbers = [n for n in parts if isinstance(n, int) and 0 <= n <= 255]
    if len(parts) != 3 or len(numbers) != 3:
        raise BadInput(f"The color of structure {id} must be [r, g, b] or null, not {value!r:.40}.")
    return numbers[0], numbers[1], numbers[2]
