"""The port to the mirror database: three verbs, so that tests of the drain need no DataJoint."""

from collections.abc import Iterable, Mapping
from typing import Protocol

Key = Mapping[str, object]
Attributes = Mapping[str, object]


class MirrorWriter(Protocol):
    """Writes rows of mirror tables, each named by its natural key. Every verb is safe to repeat."""

    def put(self, table: str, key: Key, attributes: Attributes) -> None:
        """Update the row with this key, or insert it."""

    def remove(self, table: str, key: Key) -> None:
        """Delete the row with this key, if it is there."""

    def keys(self, table: str) -> Iterable[Key]:
        """Return the keys of all rows of a table."""
