"""What the lists of requests and samples share: columns that sort, chips and menus that filter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from requests_app.models import Request
from requests_app.overview.lists import FREE_TEXT, Asked, labs_on, protocols_used, species_offered
from requests_app.overview.places import Place

Pairs = Sequence[tuple[str, str]]

# Key, heading, and the direction that a first press sorts in; without a key it does not sort.
REQUEST_COLUMNS = (
    ("name", "Request", "asc"),
    ("owner", "Owner", "asc"),
    ("lab", "Lab", "asc"),
    ("stage", "Stages", "asc"),
    ("samples", "Samples", "desc"),
    ("cleared", "Cleared", "asc"),
    ("imaged", "Imaged", "asc"),
    ("processed", "Processed", "asc"),
    ("", "Next", ""),
    ("submitted", "Submitted", "desc"),
)
SAMPLE_COLUMNS = (
    ("name", "Sample", "asc"),
    ("request", "Request", "asc"),
    ("owner", "Owner", "asc"),
    ("expected", "Expected", "asc"),
    ("received", "Received", "desc"),
    ("batch", "Batch", "asc"),
    ("protocol", "Protocol", "asc"),
    ("clearer", "Clearer", "asc"),
    ("clearing", "Clearing", "asc"),
    ("", "Imaging and processing", ""),
    ("submitted", "Submitted", "desc"),
)
NUMBERS = frozenset({"cleared", "imaged", "processed", "batch"})
STATES = (
    ("", "All"),
    ("draft", "Drafts"),
    ("submitted", "Open"),
    ("closed", "Closed"),
    ("withdrawn", "Withdrawn"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """One heading: where a press leads, and whether the list is in its order now."""

    key: str
    label: str
    aria: str  # ascending, descending, or empty
    to: str  # the direction that a press asks for

    @property
    def is_number(self) -> bool:
        return self.key in NUMBERS


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is a link."""

    key: str
    value: str | None
    label: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """One filter that is a menu of the form."""

    key: str
    label: str
    anything: str
    choices: Pairs
    value: str


def columns_of(asked: Asked, columns: Iterable[tuple[str, str, str]]) -> list[Column]:
    """Return the headings for the order that the address asks for."""
    return [_column(asked, *column) for column in columns]


def _column(asked: Asked, key: str, label: str, first: str) -> Column:
    if key == "submitted" and not asked.sort:
        return Column(key, label, "descending", "asc")  # how the list comes by itself
    if not key or asked.sort != key:
        return Column(key, label, "", first)
    if asked.descending:
        return Column(key, label, "descending", "asc")
    return Column(key, label, "ascending", "desc")


def state_chips(asked: Asked, *, drafts: bool = True) -> list[Chip]:
    """Return the states as chips, and one for the person's own."""
    state = asked.filters.get("state", "")
    offered = [(value, label) for value, label in STATES if drafts or value != "draft"]
    chips = [Chip("state", value or None, label, state == value) for value, label in offered]
    mine = asked.filters.get("owner") == "me"
    return [*chips, Chip("owner", None if mine else "me", "Mine", mine)]


def request_menus(asked: Asked, requests: QuerySet[Request]) -> list[Menu]:
    """Return the menus of both lists; `requests` are those that the person may read."""
    labs = [(name, name) for name in labs_on(requests)]
    by_owner = [("clearing", "cleared by the owner"), ("imaging", "imaged by the owner")]
    kinds = [("testing", "testing"), ("archival", "archival")]
    return [
        _menu(asked, "stage", "Where", "anywhere", Place.choices),
        _menu(asked, "lab", "Lab", "any lab", [*labs, (FREE_TEXT, "not in the list of labs")]),
        _menu(asked, "species", "Species", "any species", species_offered()),
        _menu(asked, "self", "Done by the owner", "by anybody", by_owner),
        _menu(asked, "kind", "Kind", "any kind", kinds),
    ]


def sample_menus(asked: Asked, requests: QuerySet[Request]) -> list[Menu]:
    """Return the menus of the samples list."""
    protocols = [(name, name) for name in protocols_used()]
    received = [("yes", "received"), ("no", "not yet received")]
    return [
        *request_menus(asked, requests),
        _menu(asked, "protocol", "Protocol", "any protocol", protocols),
        _menu(asked, "received", "Received", "received or not", received),
    ]


def _menu(asked: Asked, key: str, label: str, anything: str, choices: Pairs) -> Menu:
    value = asked.filters.get(key, "")
    known = [choice for choice, _ in choices]
    # A lab as somebody typed it is in no menu, but what the address asks for must be seen.
    extra = [(value, value)] if value and value not in known else []
    return Menu(key, label, anything, [*choices, *extra], value)
