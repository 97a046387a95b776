"""The `source` of a layer in a client's state: an address, an object with one, or a list. Pure."""

from collections.abc import Callable
from typing import Any, Final

LAYER: Final = "layer:"
# Names of structures that are shown as one; see cuts.py.
REGIONS: Final = "regions"
LOCAL: Final = ("local://annotations", "local://equivalences")
# Of an object: what belongs to the view, and never fetches anything.
KEPT_KEYS: Final[tuple[str, ...]] = ("transform", "enableDefaultSubsources")

Change = Callable[[str], str | None]


def mapped(source: Any, change: Change) -> Any:
    """Return the source with each address changed, without those that become None.

    None if nothing is left, or if it is no source at all.
    """
    if isinstance(source, str):
        return change(source)
    if isinstance(source, dict):
        return _mapped_object(source, change)
    if isinstance(source, list):
        return [kept for each in source if (kept := mapped(each, change)) is not None] or None
    return None


def of_volume(uuid: str, names: str = "") -> str:
    """Return the address of a volume, or of the names for a cut through its regions."""
    return f"{LAYER}{uuid}/{REGIONS}/{names}" if names else f"{LAYER}{uuid}"


def volume_in(address: str) -> str:
    """Return the uuid of the volume that an address is about; "" if about none."""
    return address.removeprefix(LAYER).partition("/")[0] if address.startswith(LAYER) else ""


def addresses(source: Any) -> list[str]:
    """Return the addresses in their order."""
    found: list[str] = []

    def note(address: str) -> str:
        found.append(address)
        return address

    mapped(source, note)
    return found


def _mapped_object(source: dict[str, Any], change: Change) -> dict[str, Any] | None:
    address = source.get("url")
    changed = change(address) if isinstance(address, str) else None
    if changed is None:
        return None
    kept = {key: source[key] for key in KEPT_KEYS if key in source}
    parts = source.get("subsources")
    if isinstance(parts, dict):
        kept["subsources"] = {
            name: value for name, value in parts.items() if isinstance(value, bool)
        }
    return {"url": changed, **kept}
