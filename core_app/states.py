"""StateTable: which state may follow which. Pure data; the mechanism is in transitions.py."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StateTable:
    """The allowed steps of one machine. A state without a row is terminal."""

    start: str
    edges: Mapping[str, frozenset[str]]

    def allows(self, came_from: str, to: str) -> bool:
        return to in self.edges.get(came_from, frozenset())

    @property
    def states(self) -> tuple[str, ...]:
        """Return every state, the start first, in the order of the table."""
        found = dict.fromkeys([self.start, *self.edges])
        for targets in self.edges.values():
            found.update(dict.fromkeys(sorted(targets)))
        return tuple(found)

    @property
    def terminal(self) -> frozenset[str]:
        return frozenset(state for state in self.states if not self.edges.get(state))


def table(start: str, edges: Mapping[str, Iterable[str]]) -> StateTable:
    """Build a table from `{state: {next states}}`."""
    return StateTable(str(start), {str(k): frozenset(map(str, v)) for k, v in edges.items()})
