"""Structures of an atlas shown as one: by a level of its tree, or by structures chosen. Pure.

The client merges ids into groups (`equivalences`) and names a group by its smallest id, whatever
structure that is. So a group has the color, and in a list of its own the name, of its top.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from core_app.errors import Invalid
from pipeline.structures import Structure, StructureTree, hex_color

DEEPEST: Final = 99
MOST_CHOSEN: Final = 200
# As it stands in addresses and stored views.
WRITTEN: Final = re.compile(r"level-([0-9]{1,2})|chosen-([0-9]{1,10}(?:\.[0-9]{1,10}){0,199})")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the tree is cut: at a depth (0 is the top), or at chosen structures."""

    level: int | None = None
    chosen: frozenset[int] = frozenset()

    def as_fields(self) -> list[tuple[str, str]]:
        """Return the fields of a form that ask for it."""
        if self.level is not None:
            return [("level", str(self.level))]
        return [("cut", str(id)) for id in sorted(self.chosen)]

    def __str__(self) -> str:
        if self.level is not None:
            return f"level-{self.level}"
        return f"chosen-{'.'.join(map(str, sorted(self.chosen)))}"


@dataclass(frozen=True, slots=True)
class Group:
    """Structures that are shown as `top`: that, and all below it."""

    top: Structure
    ids: frozenset[int]

    @property
    def shown_id(self) -> int:
        """Return the id by which the client names the group."""
        return min(self.ids)


def parse_cut(text: str) -> Cut | None:
    """Return the cut that is written so, or None."""
    found = WRITTEN.fullmatch(text)
    if found is None:
        return None
    if found[1]:
        return Cut(level=int(found[1]))
    return Cut(chosen=frozenset(map(int, found[2].split("."))))


def chosen_cut(level: str, ids: Iterable[str]) -> Cut | None:
    """Return the cut of a form: ticked structures, else a level, else none. Raises Invalid."""
    ticked = {text for text in ids if text}
    if not ticked and not level:
        return None
    if len(ticked) > MOST_CHOSEN:
        raise Invalid(f"Tick at most {MOST_CHOSEN} structures, or choose a level.")
    written = f"chosen-{'.'.join(sorted(ticked))}" if ticked else f"level-{level}"
    cut = parse_cut(written)
    if cut is None:
        raise Invalid("This is no level and no structure of the atlas. Choose on this page again.")
    return cut


def groups_of(tree: StructureTree, cut: Cut) -> tuple[Group, ...]:
    """Return the groups of two and more structures, by their tops' order in the tree.

    Structures that are unknown to the tree are left out; of two that lie in each other the upper
    one counts.
    """
    groups = [Group(tree[top], frozenset(tree.descendants(top))) for top in _tops(tree, cut)]
    return tuple(group for group in groups if len(group.ids) > 1)


def equivalences_of(groups: Iterable[Group]) -> list[list[str]]:
    """Return what the client merges; ids are texts, since they may be larger than its numbers."""
    return [[str(id) for id in sorted(group.ids)] for group in groups]


def colors_of(tree: StructureTree, groups: Iterable[Group]) -> dict[str, str]:
    """Return the color of all that is shown, by the id that the client shows; groups come first.

    A state has only so many colors, and the client gives the rest its own.
    """
    shown = _shown(tree, groups)
    return {str(id): hex_color(tree.color(top.id)) for id, top in shown.items()}


def properties_of(tree: StructureTree, groups: Iterable[Group]) -> dict[str, object]:
    """Return the names for the client's list: of each group that of its top, the rest as it is.

    The format is `neuroglancer_segment_properties`.
    """
    shown = _shown(tree, groups)
    ids = sorted(shown)
    columns: list[dict[str, object]] = [
        {"id": "label", "type": "label", "values": [shown[id].label for id in ids]},
        {"id": "description", "type": "description",
         "values": [path_of(tree, shown[id].id) for id in ids]},
    ]  # fmt: skip
    depths = [min(255, tree.depth(shown[id].id)) for id in ids]
    if len(set(depths)) > 1:  # the client draws a histogram, which has no width for one number
        above = "structures above it in the tree"
        column = {"id": "depth", "type": "number", "data_type": "uint8", "description": above}
        columns.append({**column, "values": depths})
    inline = {"ids": [str(id) for id in ids], "properties": columns}
    return {"@type": "neuroglancer_segment_properties", "inline": inline}


def path_of(tree: StructureTree, id: int) -> str:
    """Return the names above a structure, from the top."""
    return " / ".join(tree[above].name for above in reversed(tree.ancestors(id)))


def _shown(tree: StructureTree, groups: Iterable[Group]) -> dict[int, Structure]:
    """Return {id that the client shows: the structure that it stands for}, groups first."""
    merged = {id: group for group in groups for id in group.ids}
    tops = {id: group.top for id, group in merged.items() if id == group.shown_id}
    return tops | {each.id: each for each in tree if each.id not in merged}


def _tops(tree: StructureTree, cut: Cut) -> list[int]:
    if cut.level is not None:
        return [each.id for each in tree if tree.depth(each.id) == cut.level]
    return [
        each.id
        for each in tree
        if each.id in cut.chosen and not cut.chosen.intersection(tree.ancestors(each.id))
    ]
