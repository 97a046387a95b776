"""A draft judged: the plan it stands for, and everything that is wrong with it at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError

from core_app.models import User
from requests_app import workflows
from requests_app.cautions import warnings_of
from requests_app.forms.requests.about import AboutForm
from requests_app.models import Request
from requests_app.models.request import SAMPLE_NAME, folder_of
from requests_app.plans import (
    ORIENTATIONS,
    ChannelPlan,
    Problems,
    RequestPlan,
    ResolutionPlan,
    Rules,
    SamplePlan,
    problems_of,
)
from requests_app.states import RequestState

TEXTS = ("subject", "protocol", "antibody1", "antibody2", "notes_for_clearer")
DAYS = ("perfusion_date", "expected_handoff_date")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a draft asks for, and what keeps it from being submitted."""

    plan: RequestPlan
    rules: Rules
    problems: Problems
    warnings: list[str] = field(default_factory=list)

    @property
    def rows_with_problems(self) -> int:
        return len({a.split(".")[1] for a in self.problems if a.startswith("samples.")})

    @property
    def count(self) -> int:
        return sum(len(messages) for messages in self.problems.values())


def judge(request: Request, draft: Mapping[str, Any]) -> Judgement:
    """Check fields one by one and what spans them, in one go.

    A field that cannot be read is not blamed for being empty as well.
    """
    found: Problems = {}
    about = _about(draft["about"], found)
    samples = tuple(_sample(row, i, found) for i, row in enumerate(draft["samples"]))
    plan = RequestPlan(samples=samples, **about)
    rules = workflows.current_rules(plan, owner=request.owner)
    for address, messages in problems_of(plan, rules).items():
        found.setdefault(address, messages)
    if "name" not in found and is_taken(request, plan.name):
        found["name"] = [taken(request.owner, plan.name)]
    return Judgement(plan, rules, found, warnings_of(plan, rules))


def is_taken(request: Request, name: str) -> bool:
    """Return True if the owner has submitted a request of this name before."""
    key = folder_of(name).casefold()
    rows = Request.objects.filter(owner=request.owner, name_key=key)
    return rows.exclude(state=RequestState.DRAFT).exists()


def taken(owner: User, name: str) -> str:
    return f"{owner} has a request named “{name}” already; choose another name."


def _about(typed: Mapping[str, Any], found: Problems) -> dict[str, Any]:
    form = AboutForm({f"about-{name}": value for name, value in typed.items()})
    form.is_valid()
    for name, errors in form.errors.items():
        found[name] = [str(error) for error in errors]
    values = {name: typed.get(name, "") for name in form.fields} | form.cleaned_data
    values.pop("number_of_samples")
    return values


def _sample(row: Mapping[str, Any], index: int, found: Problems) -> SamplePlan:
    at = f"samples.{index}"
    values: dict[str, Any] = {"name": str(row["name"]).strip()}
    _check_name(values["name"], f"{at}.name", found)
    for name in TEXTS:
        values[name] = str(row[name]).strip()
    for name in DAYS:
        values[name] = _day(str(row[name]).strip(), f"{at}.{name}", found)
    if row["imaging_text"]:
        found[f"{at}.resolutions"] = [
            f"“{row['imaging_text'][:80]}” could not be read; choose the channels of this sample."
        ]
    return SamplePlan(**values, resolutions=tuple(resolution_of(r) for r in row["imaging"]))


def _check_name(name: str, at: str, found: Problems) -> None:
    try:
        SAMPLE_NAME(name)
    except ValidationError as problem:
        found[at] = list(problem.messages) if name else ["Give every sample a name."]


def _day(text: str, at: str, found: Problems) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        found[at] = [f"“{text[:20]}” is no date; write it like 2030-01-31."]
        return None


def resolution_of(wanted: Mapping[str, Any]) -> ResolutionPlan:
    """Return what a draft keeps of one objective as a plan."""
    return ResolutionPlan(
        objective=wanted["objective"],
        channels=tuple(ChannelPlan(w, tuple(p)) for w, p in wanted["channels"].items() if p),
        notes_for_imager=wanted["notes_for_imager"].strip(),
        notes_for_processor=wanted["notes_for_processor"].strip(),
        atlas=wanted["atlas"],
        final_orientation=wanted["final_orientation"] or ORIENTATIONS[0],
    )
