"""MirrorWriter in a dict, for tests."""

from collections.abc import Iterable

from datajoint_app.ports import Attributes, Key

_Frozen = frozenset[tuple[str, object]]


class MemoryWriter:
    """Keeps `tables[table][key] = attributes`."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[_Frozen, dict[str, object]]] = {}

    def put(self, table: str, key: Key, attributes: Attributes) -> None:
        self.tables.setdefault(table, {})[frozenset(key.items())] = dict(attributes)

    def remove(self, table: str, key: Key) -> None:
        self.tables.get(table, {}).pop(frozenset(key.items()), None)

    def keys(self, table: str) -> Iterable[Key]:
        return [dict(key) for key in self.tables.get(table, {})]
