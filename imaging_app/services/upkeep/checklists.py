"""What is looked at in each kind of maintenance; anything else is typed freely."""

from collections.abc import Collection, Iterable

CHECKLISTS: dict[str, tuple[str, ...]] = {
    "Laser service": (
        "chiller filter cleaned",
        "laser filter cleaned",
        "coolant changed",
        "PZT checked",
        "spectrum checked",
        "wavelength sweep done",
    ),
    "Cleaning": (
        "objective and dipping cap cleaned",
        "chamber emptied and rinsed",
        "windows wiped",
    ),
    "Alignment": ("left sheet aligned", "right sheet aligned", "focus of the sheets checked"),
}
KINDS = tuple(CHECKLISTS)
LONGEST_ITEM = 120
MOST_ITEMS = 30


def checklist_of(
    kind: str, done: Collection[str], others: Iterable[str] = ()
) -> list[tuple[str, bool]]:
    """Return what was looked at as (item, done): the list of the kind, then what else was done."""
    listed = CHECKLISTS.get(kind, ())
    free = dict.fromkeys(text for item in others if (text := " ".join(item.split())))
    return [(item, item in done) for item in listed] + [
        (item, True) for item in free if item not in listed
    ]
