"""Going up and down a tree of structures. Pure: ids in, groups of ids out.

A group has one structure that all others of it lie below: its top, which it stands for.
Neuroglancer names a group by its smallest id, so who shows a group has to say what its top is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Groups = frozenset[frozenset[int]]

BACKGROUND: Final = 0
MOST_ID: Final = 2**64 - 1


class WrongTree(ValueError):
    """The tree cannot be used; the message names the structure."""


@dataclass(frozen=True)
class Tree:
    """Structures by id. `parents` has what stands directly above each; those at the top have None.

    `names` are those of some or all of them.
    """

    parents: Mapping[int, int | None]
    names: Mapping[int, str] = field(default_factory=dict)
    _children: dict[int, list[int]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for structure, parent in self.parents.items():
            if not BACKGROUND < structure <= MOST_ID:
                raise WrongTree(f"{structure} is no id of a structure.")
            if parent is not None:
                if parent not in self.parents:
                    raise WrongTree(f"Structure {structure} is below {parent}, which is missing.")
                self._children.setdefault(parent, []).append(structure)
        tops = [structure for structure, parent in self.parents.items() if parent is None]
        reached = frozenset[int]().union(*map(self.with_all_below, tops))
        if lost := set(self.parents) - reached:
            raise WrongTree(f"Structure {min(lost)} is below itself.")

    def __contains__(self, structure: int) -> bool:
        return structure in self.parents

    def with_all_below(self, structure: int) -> frozenset[int]:
        """Return the structure and all of its descendants."""
        found, waiting = {structure}, [structure]
        while waiting:
            below = self._children.get(waiting.pop(), [])
            found.update(below)
            waiting += below
        return frozenset(found)

    def top_of(self, group: frozenset[int]) -> int | None:
        """Return the structure of the group with no other of it above; the smallest, of several."""
        tops = (each for each in sorted(group) if each in self)
        return next((each for each in tops if self.parents[each] not in group), None)

    def name_of(self, structure: int) -> str:
        return self.names.get(structure) or f"structure {structure}"


@dataclass(frozen=True, slots=True)
class Change:
    """What a key does: new groups and selection, and the words for the person. None: as it was."""

    message: str
    groups: Groups | None = None
    selected: frozenset[int] | None = None


def parse_tree(document: Any) -> Tree:
    """Return the tree of an object that has `[id above or null, name]` for the id of each."""
    try:
        rows = {int(structure): (above, str(name)) for structure, (above, name) in document.items()}
        parents = {id: None if above is None else int(above) for id, (above, _) in rows.items()}
    except (AttributeError, TypeError, ValueError) as problem:
        raise WrongTree(f"The tree is no object of structures: {problem}") from problem
    return Tree(parents, {id: name for id, (_, name) in rows.items() if name})


def up(tree: Tree, groups: Groups, region: int) -> Change:
    """Merge what is shown as `region` with all that shares its parent."""
    top = tree.top_of(_group_of(groups, region))
    if top is None:
        return Change("Point at a structure: nothing of the tree is here.")
    parent = tree.parents[top]
    if parent is None:
        return Change(f"No parent found: {tree.name_of(top)} is the whole already.")
    together = merged(groups, tree.with_all_below(parent))
    return Change(f"Contracting: {tree.name_of(parent)}", together)


def back(tree: Tree, groups: Groups, region: int, selected: Iterable[int] = ()) -> Change:
    """Take the group of `region` apart, down to its finest level.

    If the group was selected, its members are instead.
    """
    group = _group_of(groups, region)
    if len(group) < 2:
        return Change("This is the lowest level already.")
    chosen, top = frozenset(selected), tree.top_of(group)
    inside = group - {top} if top is not None else group
    return Change(
        "Expanding" if top is None else f"Expanding: {tree.name_of(top)}",
        groups - {group},
        (chosen - group) | inside if chosen & group else None,
    )


def merged(groups: Groups, together: frozenset[int]) -> Groups:
    """Return the groups with these ids in one, with all that was merged with any of them."""
    touched = {group for group in groups if group & together}
    return (groups - touched) | {together.union(*touched)}


def _group_of(groups: Groups, region: int) -> frozenset[int]:
    return next((group for group in groups if region in group), frozenset({region}))
