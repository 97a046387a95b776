"""What the lists of requests and samples can be asked: filters, search and order, as in addresses.

Every key is optional, and what is not understood is left out, so that no address is ever wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Exists, F, OrderBy, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Lower

from core_app.models import Lab, User
from requests_app.models import ClearingProtocol, Request, Sample, Species
from requests_app.overview.places import Place, fraction, samples_at, with_fractions
from requests_app.selectors import visible_requests, visible_samples
from requests_app.states import RequestState

FREE_TEXT = "-"  # the lab is as its researcher typed it, and none of ours yet
MINE = "me"
LONGEST = 64
SERVING = {"clearing": "self_clearing", "imaging": "self_imaging"}
KINDS = {"testing": "testing", "archival": "is_archival"}
RECEIVED = {"yes": False, "no": True}

REQUEST_ORDER: dict[str, F | Lower] = {
    "name": Lower("name"),
    "owner": Lower("owner__username"),
    "lab": Lower(Coalesce("lab__name", "lab_text")),
    "species": F("species__position"),
    "description": Lower("description"),
    "kind": F("is_archival"),
    "state": F("state"),
    "stage": F("done"),
    "samples": F("sample_count"),
    "cleared": F("cleared_share"),
    "imaged": F("imaged_share"),
    "processed": F("processed_share"),
    "submitted": F("submitted_at"),
}
SAMPLE_ORDER: dict[str, F | Lower] = {
    "name": Lower("name"),
    "request": Lower("request__name"),
    "owner": Lower("request__owner__username"),
    "lab": Lower(Coalesce("request__lab__name", "request__lab_text")),
    "species": F("request__species__position"),
    "batch": F("clearing_batch__number"),
    "protocol": Lower("clearing_batch__protocol__name"),
    "clearer": Lower("clearing_batch__clearer__username"),
    "clearing": F("clearing_batch__state"),
    "received": F("received_at"),
    "expected": F("expected_handoff_date"),
    "submitted": F("request__submitted_at"),
}
OF_REQUEST = ("state", "stage", "lab", "species", "owner", "self", "kind")
OF_SAMPLE = (*OF_REQUEST, "protocol", "received")
SHARES = frozenset({"stage", "cleared", "imaged", "processed"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of a list, cleaned: only known words, nothing too long."""

    filters: dict[str, str] = field(default_factory=dict)
    words: str = ""
    sort: str = ""
    descending: bool = True

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words or self.filters)

    @property
    def direction(self) -> str:
        return "desc" if self.descending else "asc"


def asked_of_requests(query: Mapping[str, str]) -> Asked:
    """Understand the address of the request list."""
    return _asked(query, OF_REQUEST, REQUEST_ORDER)


def asked_of_samples(query: Mapping[str, str]) -> Asked:
    """Understand the address of the samples list."""
    return _asked(query, OF_SAMPLE, SAMPLE_ORDER)


def _asked(query: Mapping[str, str], keys: Iterable[str], orders: Mapping[str, object]) -> Asked:
    given = {key: str(query.get(key, "")).replace("\0", "").strip()[:LONGEST] for key in keys}
    if given.get("stage") in RequestState.values and not given.get("state"):
        given["state"], given["stage"] = given["stage"], ""  # as addresses were first written
    filters = {key: value for key, value in given.items() if value and _is_known(key, value)}
    sort = str(query.get("sort", ""))
    sort = sort if sort in orders else ""
    descending = str(query.get("dir", "")) == "desc" if sort else True
    words = str(query.get("q", "")).replace("\0", "").strip()[:LONGEST]
    return Asked(filters, words, sort, descending)


_KNOWN = {
    "state": frozenset(RequestState.values),
    "stage": frozenset(Place.values),
    "owner": frozenset({MINE}),
    "self": frozenset(SERVING),
    "kind": frozenset(KINDS),
    "received": frozenset(RECEIVED),
}


def _is_known(key: str, value: str) -> bool:
    """Labs, species and protocols are rows: a name that is none of them finds nothing."""
    return key not in _KNOWN or value in _KNOWN[key]


def listed_requests(asked: Asked, *, to: User) -> QuerySet[Request]:
    """Return the requests that this person may read and that the address asks for, in its order."""
    rows = visible_requests(to=to).filter(_request_filter(asked, to, prefix=""))
    if place := asked.filters.get("stage"):
        rows = rows.filter(Exists(samples_at(place).filter(request=OuterRef("pk"))))
        rows = rows.exclude(state=RequestState.DRAFT)
    if asked.words:
        rows = rows.filter(_words_in_request(asked.words))
    return _ordered_requests(rows, asked)


def _request_filter(asked: Asked, to: User, *, prefix: str) -> Q:
    wanted, found = asked.filters, Q()
    if state := wanted.get("state"):
        found &= Q(**{f"{prefix}state": state})
    if lab := wanted.get("lab"):
        found &= _of_lab(lab, prefix)
    if species := wanted.get("species"):
        found &= Q(**{f"{prefix}species__name": species})
    if wanted.get("owner") == MINE:
        found &= Q(**{f"{prefix}owner": to}) | Q(**{f"{prefix}requested_by": to})
    if serving := wanted.get("self"):
        found &= Q(**{f"{prefix}{SERVING[serving]}": True})
    if kind := wanted.get("kind"):
        found &= Q(**{f"{prefix}{KINDS[kind]}": True})
    return found


def _of_lab(lab: str, prefix: str) -> Q:
    typed = Q(**{f"{prefix}lab": None})
    if lab == FREE_TEXT:
        return typed & ~Q(**{f"{prefix}lab_text": ""})
    return Q(**{f"{prefix}lab__name": lab}) | (typed & Q(**{f"{prefix}lab_text": lab}))


def _words_in_request(words: str) -> Q:
    """Search as people do: name, description, owner, lab, sample, animal, or a tube's code."""
    tubes = Sample.objects.filter(_words_in_sample(words), request=OuterRef("pk"))
    return (
        Q(name__icontains=words)
        | Q(description__icontains=words)
        | _of_people(words, "")
        | Q(Exists(tubes))
    )


def _of_people(words: str, prefix: str) -> Q:
    names = ("owner__username", "owner__first_name", "owner__last_name", "lab__name", "lab_text")
    found = Q()
    for name in names:
        found |= Q(**{f"{prefix}{name}__icontains": words})
    return found


def _words_in_sample(words: str) -> Q:
    return Q(name__icontains=words) | Q(subject__name__icontains=words) | Q(code=words)


def _ordered_requests(rows: QuerySet[Request], asked: Asked) -> QuerySet[Request]:
    rows = with_fractions(rows)
    if asked.sort in SHARES:
        rows = rows.annotate(
            cleared_share=fraction("cleared_count", "sample_count"),
            imaged_share=fraction("imaged_count", "round_count"),
            processed_share=fraction("processed_count", "to_process"),
        )
        rows = rows.annotate(done=F("cleared_share") + F("imaged_share") + F("processed_share"))
    if not asked.sort:
        # Drafts are newer than what was submitted before them; they have no time of submission.
        return rows.order_by(Coalesce("submitted_at", "created_at").desc(), "-id")
    return rows.order_by(_towards(REQUEST_ORDER[asked.sort], asked), "-id")


def _towards(order: F | Lower, asked: Asked) -> OrderBy:
    """What is missing comes last when ascending, first when descending, in both databases."""
    if asked.descending:
        return order.desc(nulls_first=True)
    return order.asc(nulls_last=True)


def listed_samples(asked: Asked, *, to: User) -> QuerySet[Sample]:
    """Return the samples that this person may read and that the address asks for, in its order."""
    rows = visible_samples(to=to).filter(_request_filter(asked, to, prefix="request__"))
    if place := asked.filters.get("stage"):
        rows = rows.filter(pk__in=samples_at(place).order_by().values("pk"))
    if protocol := asked.filters.get("protocol"):
        rows = rows.filter(clearing_batch__protocol__name=protocol)
    if received := asked.filters.get("received"):
        rows = rows.filter(received_at__isnull=RECEIVED[received])
    if asked.words:
        words = asked.words
        rows = rows.filter(
            _words_in_sample(words)
            | Q(request__name__icontains=words)
            | Q(request__description__icontains=words)
            | _of_people(words, "request__")
        )
    rows = rows.select_related("request__lab", "request__species", "subject")
    rows = rows.select_related("clearing_batch__clearer", "received_by")
    if not asked.sort:
        return rows.order_by("-request_id", "position")
    return rows.order_by(_towards(SAMPLE_ORDER[asked.sort], asked), "-request_id", "position")


def labs_on(requests: QuerySet[Request]) -> list[str]:
    """Return the labs of these requests, for the menu of the filter."""
    found = Lab.objects.filter(requests__in=requests.order_by()).distinct()
    return sorted(found.values_list("name", flat=True), key=str.casefold)


def species_offered() -> list[tuple[str, str]]:
    return list(Species.objects.values_list("name", "label"))


def protocols_used() -> list[str]:
    """Return the names of protocols that any batch has, each once whatever its version."""
    rows = ClearingProtocol.objects.filter(batches__isnull=False).order_by("position", "name")
    return list(dict.fromkeys(rows.values_list("name", flat=True)))
