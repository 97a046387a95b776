"""How trials of antibodies look, and whether this person may say how one went."""

from django import template
from django.contrib.auth.models import AnonymousUser

from core_app.models import User
from requests_app.models import AntibodyTrial
from requests_app.selectors.trials import editable_fields

register = template.Library()
Outcome = AntibodyTrial.Outcome
TOKENS = {Outcome.GOOD: "done", Outcome.PARTLY: "progress", Outcome.NONE: "failed"}


@register.filter
def may_rate(trial: AntibodyTrial, person: User | AnonymousUser) -> bool:
    """Return True if the person may say whether it worked."""
    return isinstance(person, User) and "outcome" in editable_fields(trial, person)


@register.filter
def outcome_token(trial: AntibodyTrial) -> str:
    """Return the look of an outcome."""
    return next((token for value, token in TOKENS.items() if value == trial.outcome), "waiting")


@register.filter
def is_rated(trial: AntibodyTrial, outcome: str) -> bool:
    """Return True if this is how the trial is rated now."""
    return trial.outcome == outcome


@register.simple_tag
def outcomes() -> list[tuple[str, str]]:
    """Return the outcomes that a trial can be rated with."""
    return [(outcome.value, outcome.label) for outcome in TOKENS]
