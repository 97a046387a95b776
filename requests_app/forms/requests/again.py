"""The form of a further round of imaging as typed, and judged: every problem of it at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from requests_app import again, drafts, workflows
from requests_app.forms.requests.judgement import resolution_of
from requests_app.models import Request, Sample
from requests_app.plans import (
    ORIENTATIONS,
    PURPOSES,
    Problems,
    RequestPlan,
    SamplePlan,
    imaging_problems_of,
)

TEXTS = ("notes_for_imager", "notes_for_processor", "atlas")
Wish = dict[str, Any]


@dataclass(slots=True)
class Row:
    """One sample of the form: whether it is imaged again, and how."""

    sample: Sample
    is_ticked: bool = False
    imaging: list[Wish] = field(default_factory=list)
    hindrance: str = ""


@dataclass(slots=True)
class Typed:
    """The whole form. `shared` is the one setting that is typed where no script runs."""

    rows: list[Row]
    shared: list[Wish] = field(default_factory=list)
    self_imaging: bool = False
    after: int = 0


@dataclass(slots=True)
class Judged:
    """What the form asks for, and what keeps it from being asked for, by place in the form."""

    plan: RequestPlan
    problems: Problems

    @property
    def count(self) -> int:
        return sum(len(messages) for messages in self.problems.values())


def empty_form(request: Request, *, ticked: str = "") -> Typed:
    """Return the form as it is opened; the sample of this number is ticked."""
    rows = [Row(s, hindrance=again.hindrance_of(s)) for s in again.samples_of(request)]
    for row in rows:
        row.is_ticked = str(row.sample.pk) == ticked and not row.hindrance
    return Typed(rows, after=again.last_number(request))


def read_form(request: Request, data: QueryDict, microscopes: Sequence[Mapping[str, Any]]) -> Typed:
    """Return the form as it was sent, by the script or by the plain fields."""
    typed = empty_form(request)
    ticked, wishes = set(data.getlist("sample")), _wishes(data.get("payload", ""))
    typed.shared = _plain(data, microscopes)
    typed.self_imaging = "self_imaging" in data
    after = data.get("after", "")
    if after.isascii() and after.isdigit() and len(after) < 6:
        typed.after = int(after)
    for row in typed.rows:
        row.is_ticked = str(row.sample.pk) in ticked
        if wishes is not None:
            row.imaging = drafts.clean_imaging(wishes.get(str(row.sample.pk)), [])
        elif row.is_ticked:
            row.imaging = typed.shared
    return typed


def _wishes(payload: str) -> dict[str, Any] | None:
    """Return {sample: its objectives}, or None if no script filled it in."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _plain(data: QueryDict, microscopes: Sequence[Mapping[str, Any]]) -> list[Wish]:
    objectives = [o for scope in microscopes for o in scope["objectives"]]
    wishes = [_plain_objective(data, objective) for objective in objectives]
    return drafts.clean_imaging([wish for wish in wishes if _is_wanted(wish)], [])


def _plain_objective(data: QueryDict, objective: Mapping[str, Any]) -> Wish:
    name = objective["name"]
    ticked = {c["name"]: data.getlist(f"image:{name}:{c['name']}") for c in objective["channels"]}
    wish: Wish = {text: data.get(f"{text}:{name}", "") for text in TEXTS}
    orientation = data.get(f"final_orientation:{name}", ORIENTATIONS[0])
    channels = {channel: sorted(some, key=_place) for channel, some in ticked.items() if some}
    return wish | {"objective": name, "channels": channels, "final_orientation": orientation}


def _place(purpose: str) -> int:
    return PURPOSES.index(purpose) if purpose in PURPOSES else len(PURPOSES)


def _is_wanted(wish: Wish) -> bool:
    """An objective is asked for as soon as anything is typed or ticked of it."""
    has_text = any(wish[text] for text in TEXTS)
    return bool(wish["channels"]) or has_text or wish["final_orientation"] != ORIENTATIONS[0]


def judge(request: Request, typed: Typed) -> Judged:
    """Check who is ticked and what is asked for, in one go."""
    found: Problems = {}
    ticked = [(place, row) for place, row in enumerate(typed.rows) if row.is_ticked]
    if not ticked:
        found["samples"] = ["Tick at least one sample that is to be imaged again."]
    for place, row in ticked:
        if row.hindrance:
            found[f"samples.{place}.again"] = [
                f"It {row.hindrance}. Untick it, and ask when its clearing is complete."
            ]
    plan = _plan_of(request, typed, [row for _, row in ticked])
    problems = imaging_problems_of(plan, workflows.current_rules(plan, owner=request.owner))
    found |= _in_form(problems, [place for place, _ in ticked])
    return Judged(plan, found)


def _plan_of(request: Request, typed: Typed, rows: Sequence[Row]) -> RequestPlan:
    return RequestPlan(
        name=request.name,
        description=request.description,
        species=request.species.name if request.species else "",
        correspondence_email=request.correspondence_email,
        lab="",
        samples=tuple(_sample_plan(row) for row in rows),
        self_imaging=typed.self_imaging,
    )


def _sample_plan(row: Row) -> SamplePlan:
    wishes = tuple(resolution_of(wish) for wish in row.imaging)
    return SamplePlan(name=row.sample.name, protocol="", resolutions=wishes)


def _in_form(problems: Problems, places: Sequence[int]) -> Problems:
    """Return the problems of a plan by their place in the form, which lists all samples."""
    found: Problems = {}
    for address, messages in problems.items():
        samples, index, *rest = address.split(".")
        found[".".join([samples, str(places[int(index)]), *rest])] = messages
    return found


def plain_fields(
    options: Mapping[str, Any], shared: Sequence[Wish], *, only_generic: bool
) -> list[dict[str, Any]]:
    """Return the microscopes as fields for pages without script, filled in as typed."""
    typed = {wish["objective"]: wish for wish in shared}
    return [
        scope
        | {
            "objectives": [
                _fields_of(o, typed.get(o["name"]), options["purposes"], only_generic=only_generic)
                for o in scope["objectives"]
            ]
        }
        for scope in options["microscopes"]
    ]


def _fields_of(
    objective: Mapping[str, Any], wish: Wish | None, purposes: Sequence[Mapping[str, str]], *,
    only_generic: bool,
) -> dict[str, Any]:  # fmt: skip
    is_looked_at = bool(objective["generic_only"])
    ticked = wish["channels"] if wish else {}
    rows = [
        {
            "name": channel["name"],
            "boxes": [
                {
                    "purpose": purpose,
                    "is_ticked": purpose["name"] in ticked.get(channel["name"], []),
                    "is_open": _is_open(purpose, channel, only_generic or is_looked_at),
                }
                for purpose in purposes
            ],
        }
        for channel in objective["channels"]
    ]
    is_processed = objective["is_processed"] and not is_looked_at
    return dict(objective) | {"rows": rows, "wish": wish, "is_processed": is_processed}


def _is_open(purpose: Mapping[str, str], channel: Mapping[str, Any], only_generic: object) -> bool:
    """Return what the dialog of the grid says: whether this box may be ticked."""
    if purpose["name"] == "generic_imaging":
        return True
    if only_generic:
        return False
    return purpose["name"] != "registration" or bool(channel["may_register"])
