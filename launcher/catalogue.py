"""Which kinds of container exist, and what each may have. It is a file of the launcher's own."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

PYTHON: Final = "python"
VOLUME: Final = "volume"

# An image by what it contains. A name with a tag can be another image tomorrow.
_IMAGE: Final = re.compile(r"(?:[a-z0-9][a-z0-9._/:-]*@)?sha256:[0-9a-f]{64}")
_USER: Final = re.compile(r"[1-9][0-9]{0,9}:[1-9][0-9]{0,9}")


class WrongCatalogue(ValueError):
    """The catalogue cannot be used; the message names the place."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an order of a kind has to say, and may say."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    has_layer: bool = False


# Written here, not in the file: each is a promise of the program in the image.
SHAPES: Final[Mapping[str, Shape]] = {
    PYTHON: Shape(frozenset({"state", "token"}), frozenset({"ontology"})),
    VOLUME: Shape(frozenset({"layer", "token"}), has_layer=True),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of container. `idle_s`: it ends itself after so long without a request."""

    kind: str
    image: str
    network: str
    user: str = "65534:65534"
    port: int = 8080
    memory_mb: int = 512
    cpus: float = 1.0
    pids: int = 128
    tmpfs_mb: int = 64
    log_mb: int = 1
    idle_s: int = 10_800

    def __post_init__(self) -> None:
        where = f"kind {self.kind!r}"
        if self.kind not in SHAPES:
            raise WrongCatalogue(f"There is no {where}. Known: {', '.join(sorted(SHAPES))}.")
        if not _IMAGE.fullmatch(self.image):
            hint = "give its id or digest: docker image inspect --format '{{.Id}}' NAME"
            raise WrongCatalogue(f"{where}: image {self.image!r} is no fixed image; {hint}.")
        if not _USER.fullmatch(self.user):
            raise WrongCatalogue(f"{where}: user {self.user!r} must be uid:gid, neither of them 0.")
        if not self.network or self.network in {"host", "bridge", "none", "default"}:
            raise WrongCatalogue(f"{where}: network {self.network!r} must be one of its own.")
        for limit in ("port", "memory_mb", "cpus", "pids", "tmpfs_mb", "log_mb", "idle_s"):
            if getattr(self, limit) <= 0:
                raise WrongCatalogue(f"{where}: {limit} must be above 0.")

    @property
    def shape(self) -> Shape:
        return SHAPES[self.kind]


Catalogue = Mapping[str, Entry]


def read_catalogue(path: Path) -> Catalogue:
    """Return the kinds of a TOML file: tables `[kinds.NAME]`, and `network` for all of them."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise WrongCatalogue(f"{path} cannot be read: {problem}") from problem
    _refuse_unknown(document, {"network", "kinds"}, str(path))
    kinds = document.get("kinds", {})
    if not isinstance(kinds, dict) or not kinds:
        raise WrongCatalogue(f"{path} has no table [kinds.{PYTHON}] or [kinds.{VOLUME}].")
    return {kind: _entry(kind, table, document.get("network", "")) for kind, table in kinds.items()}


def _entry(kind: str, table: Any, network: str) -> Entry:
    if not isinstance(table, dict):
        raise WrongCatalogue(f"kind {kind!r} must be a table.")
    types = {field.name: field.type for field in fields(Entry) if field.name != "kind"}
    _refuse_unknown(table, set(types), f"kind {kind!r}")
    for name, value in table.items():
        kind_of_value = types[name]
        fits = isinstance(value, (int, float) if kind_of_value is float else kind_of_value)  # type: ignore[arg-type]
        if not fits or isinstance(value, bool):
            raise WrongCatalogue(f"kind {kind!r}: {name} = {value!r} is of the wrong type.")
    if "image" not in table:
        raise WrongCatalogue(f"kind {kind!r} names no image.")
    return Entry(**{"kind": kind, "network": network, **table})


def _refuse_unknown(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise WrongCatalogue(f"{where}: unknown {', '.join(unknown)}.")
