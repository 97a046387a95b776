"""Going up and down a tree of structures. Pure: ids in, groups of ids out.

A structure has a smaller id than all below it, and Neuroglancer names a merged group by its
smallest id. So a group that is merged with the structure above shows that one's name and color.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

Groups = frozenset[frozenset[int]]

BACKGROUND: Final = 0


class WrongTree(ValueError):
    """The tree cannot be used; the message names the structure."""


@dataclass(frozen=True)
class Tree:
    """Structures by id. `parents` has each but the root, with what stands directly above it."""

    parents: Mapping[int, int]
    _children: dict[int, list[int]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for structure, parent in self.parents.items():
            if not BACKGROUND < parent < structure:
                raise WrongTree(f"Structure {structure} must have a larger id than {parent}.")
            self._children.setdefault(parent, []).append(structure)

    def __contains__(self, structure: int) -> bool:
        return structure in self.parents or structure in self._children

    def with_all_below(self, structure: int) -> frozenset[int]:
        """Return the structure and all of its descendants."""
        found, waiting = {structure}, [structure]
        while waiting:
            below = self._children.get(waiting.pop(), [])
            found.update(below)
            waiting += below
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Change:
    """What a key does: new groups and selection, and the words for the person. None: as it was."""

    message: str
    groups: Groups | None = None
    selected: frozenset[int] | None = None


def parse_tree(document: Mapping[str, int]) -> Tree:
    """Return the tree of an object that has the id above of each structure but the root."""
    try:
        return Tree({int(structure): int(parent) for structure, parent in document.items()})
    except (TypeError, ValueError) as problem:
        raise WrongTree(f"The tree is no object of ids: {problem}") from problem


def up(tree: Tree, groups: Groups, region: int) -> Change:
    """Merge what is shown as `region` with all that shares its parent."""
    if region not in tree:
        return Change("Point at a structure: nothing of the tree is here.")
    parent = tree.parents.get(region)
    if parent is None:
        return Change("No parent found: this is the whole already.")
    return Change("Contracting", merged(groups, tree.with_all_below(parent)))


def back(tree: Tree, groups: Groups, region: int, selected: Iterable[int] = ()) -> Change:
    """Take the group of `region` apart, down to its finest level.

    If the group was selected, its members are instead.
    """
    group = next((group for group in groups if region in group and len(group) > 1), None)
    if group is None:
        return Change("This is the lowest level already.")
    chosen = frozenset(selected)
    is_chosen = bool(chosen & group)
    below = tree.with_all_below(min(group)) & group
    return Change(
        "Expanding",
        groups - {group},
        (chosen - group) | (below - {min(group)}) if is_chosen else None,
    )


def merged(groups: Groups, together: frozenset[int]) -> Groups:
    """Return the groups with these ids in one, with all that was merged with any of them."""
    touched = {group for group in groups if group & together}
    return (groups - touched) | {together.union(*touched)}
