"""What is known of antibodies: how often a combination was tried, and how it went.

Nothing here names a person or a request, so everybody signed in may read it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Case, Count, IntegerField, Max, Min, Q, QuerySet, Value, When
from django.db.models.functions import Lower

from requests_app.models import AntibodyTrial
from requests_app.states import ClearingState

Outcome = AntibodyTrial.Outcome
MOST_HINTS = 5
MOST_TEXT = 128
SHORTEST_WORD = 3  # a shorter one is part of nearly every name
MOST_NAMED = 3
KEYS = ("primary_antibody", "secondary_antibody", "species", "protocol")
LOWER = tuple(f"{name}_key" for name in KEYS)
DETAILS = (
    "primary_concentration", "secondary_concentration", "primary_lot", "secondary_lot",
    "primary_order_info", "secondary_order_info",
)  # fmt: skip

Key = tuple[str, ...]
Lines = QuerySet[Any, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Experience:
    """What is known of one combination of antibodies with one species and one protocol."""

    primary: str
    secondary: str
    species: str
    protocol: str
    trials: int
    good: int
    partly: int
    none: int
    newest: date
    is_recommended: bool
    details: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def unrated(self) -> int:
        return self.trials - self.good - self.partly - self.none

    @property
    def summary(self) -> str:
        """Return how it went, in words."""
        counts = (
            (self.good, "worked"),
            (self.partly, "worked in part"),
            (self.none, "did not work"),
            (self.unrated, "not rated yet"),
        )
        tried = f"{self.trials} trial{'s' if self.trials != 1 else ''}"
        return f"{tried}: {', '.join(f'{count} {word}' for count, word in counts if count)}"


def tried() -> QuerySet[AntibodyTrial]:
    """Return the trials that were made or are to be made: not those of cancelled batches."""
    return AntibodyTrial.objects.exclude(batch__state=ClearingState.CANCELLED)


def combinations(rows: QuerySet[AntibodyTrial]) -> Lines:
    """Return one line per combination, whatever its capital letters: see `experiences`."""
    found: Lines = (
        _with_keys(rows)
        .values(*LOWER)
        .annotate(
            **{f"any_{name}": Min(name) for name in KEYS},
            trials=Count("pk"),
            good=Count("pk", filter=Q(outcome=Outcome.GOOD)),
            partly=Count("pk", filter=Q(outcome=Outcome.PARTLY)),
            none=Count("pk", filter=Q(outcome=Outcome.NONE)),
            recommended=Count("pk", filter=Q(is_recommended=True)),
            newest=Max("tried_on"),
        )
    )
    return found


def _with_keys(rows: QuerySet[AntibodyTrial]) -> QuerySet[Any]:
    lowered = {key: Lower(name) for key, name in zip(LOWER, KEYS, strict=True)}
    found: QuerySet[Any] = rows.order_by().annotate(**lowered)
    return found


def experiences(lines: Iterable[Mapping[str, Any]]) -> list[Experience]:
    """Return the lines of `combinations` with what was used for each, in one query more."""
    found = [dict(line) for line in lines]
    details = _details_of(found)
    return [_experience(line, details.get(_key(line), {})) for line in found]


def _experience(line: Mapping[str, Any], details: Mapping[str, tuple[str, ...]]) -> Experience:
    primary, secondary, species, protocol = (line[f"any_{name}"] for name in KEYS)
    return Experience(
        primary=primary,
        secondary=secondary,
        species=species,
        protocol=protocol,
        trials=line["trials"],
        good=line["good"],
        partly=line["partly"],
        none=line["none"],
        newest=line["newest"],
        is_recommended=bool(line["recommended"]),
        details=details,
    )


def _key(line: Mapping[str, Any]) -> Key:
    return tuple(str(line[name]).casefold() for name in LOWER)


def _details_of(lines: list[dict[str, Any]]) -> dict[Key, dict[str, tuple[str, ...]]]:
    """Return for each combination what was used, most often first; of lots the newest first."""
    rows = _with_keys(tried()).filter(primary_antibody_key__in=_primaries(lines))
    wanted = {_key(line) for line in lines}
    seen: dict[Key, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in rows.order_by("-tried_on", "-pk").values(*LOWER, *DETAILS):
        if (key := _key(row)) in wanted:
            for name in DETAILS:
                seen[key][name].update(filter(None, [row[name]]))
    return {
        key: {name: _most_named(name, counts) for name, counts in of_key.items()}
        for key, of_key in seen.items()
    }


def _primaries(lines: list[dict[str, Any]]) -> list[str]:
    return list({line["primary_antibody_key"] for line in lines})


def _most_named(name: str, counts: Counter[str]) -> tuple[str, ...]:
    if name.endswith("_lot"):
        return tuple(counts)[:MOST_NAMED]
    return tuple(text for text, _ in counts.most_common(MOST_NAMED))


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody is about to order."""

    primary: str = ""
    secondary: str = ""
    protocol: str = ""
    species: str = ""


def hints_for(asked: Asked) -> list[Experience]:
    """Return what was tried before with this antibody, what fits best first. Two queries."""
    name, text = "primary_antibody", asked.primary
    if not text:
        name, text = "secondary_antibody", asked.secondary
    if not text:
        return []
    rows = tried().filter(Q(**{f"{name}__iexact": text}) | Q(**{f"{name}__icontains": _word(text)}))
    lines = combinations(rows).annotate(
        other=_misses(**{name: text}),
        other_second=_misses(secondary_antibody=asked.secondary),
        elsewhere=_misses(protocol=asked.protocol) + _misses(species=asked.species),
    )
    best = lines.order_by(
        "other", "elsewhere", "other_second", "-recommended", "-good", "-newest", *LOWER
    )
    return experiences(best[:MOST_HINTS])


def _word(text: str) -> str:
    first = text.split()[0]
    return first if len(first) >= SHORTEST_WORD else text


def _misses(**wanted: str) -> Min:
    """Return 0 for a combination that has the wanted text, else 1."""
    ((name, text),) = wanted.items()
    return Min(
        Case(
            When(**{f"{name}__iexact": text}, then=Value(0)),
            default=Value(1),
            output_field=IntegerField(),
        )
    )
