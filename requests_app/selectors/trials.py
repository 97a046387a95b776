"""The history of antibodies as one person may read it, and what of it this person may correct.

Everybody signed in reads what was tried and how it went. Who ordered it, in which request, what it
was for, and what was noted: only who may read the request. The others never get these texts out of
the database, so that neither a page nor an order of lines tells them.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.http import Http404

from core_app import roles
from core_app.models import User
from core_app.roles import Role
from requests_app.models import AntibodyTrial
from requests_app.selectors import visible_requests

ALL_FIELDS = (
    "tried_on", "description", "species", "protocol",
    "primary_antibody", "primary_concentration", "primary_lot", "primary_order_info",
    "secondary_antibody", "secondary_concentration", "secondary_lot", "secondary_order_info",
    "outcome", "notes", "is_recommended",
)  # fmt: skip
OWN_FIELDS = (
    "primary_concentration", "primary_order_info", "secondary_concentration",
    "secondary_order_info", "outcome", "notes",
)  # fmt: skip
UNRATED = "unrated"
GUARDED = {
    "shown_description": "description",
    "shown_notes": "notes",
    "shown_owner": "request__owner__username",
    "shown_request": "request__name",
}
HIDDEN_TEXTS = ("description", "notes")
# What the history can be ordered by; of what is hidden, only by what the person sees of it.
ORDERS = {
    "date": "tried_on",
    "primary": "primary_antibody",
    "primary-concentration": "primary_concentration",
    "secondary": "secondary_antibody",
    "secondary-concentration": "secondary_concentration",
    "species": "species",
    "protocol": "protocol",
    "outcome": "outcome",
    "for": "shown_description",
    "notes": "shown_notes",
    "owner": "shown_owner",
    "request": "shown_request",
}
NEWEST_FIRST = "-date"


def history(*, to: User) -> QuerySet[Any]:
    """Return all trials with `is_open` and the texts that this person may see as `shown_…`."""
    is_open = Q(request=None) | Q(request__in=visible_requests(to=to).order_by())
    shown = {
        name: Case(When(is_open, then=F(path)), default=Value(""), output_field=CharField())
        for name, path in GUARDED.items()
    }
    rows: QuerySet[Any] = AntibodyTrial.objects.defer(*HIDDEN_TEXTS).annotate(**shown)
    return rows


def filtered(rows: QuerySet[Any], chosen: Mapping[str, Any]) -> QuerySet[Any]:
    """Return the trials that fit. The words are looked for in the antibodies alone."""
    if words := chosen.get("q"):
        rows = rows.filter(
            Q(primary_antibody__icontains=words) | Q(secondary_antibody__icontains=words)
        )
    exact = {name: chosen[name] for name in ("species", "protocol") if name in chosen}
    if outcome := chosen.get("outcome"):
        exact["outcome"] = "" if outcome == UNRATED else outcome
    if chosen.get("recommended"):
        exact["is_recommended"] = True
    return rows.filter(**exact)


def ordered(rows: QuerySet[Any], wanted: str) -> QuerySet[Any]:
    """Return the rows in this order, such as `-date`; a word that means nothing: newest first."""
    known = wanted if wanted.removeprefix("-") in ORDERS else NEWEST_FIRST
    minus = "-" if known.startswith("-") else ""
    return rows.order_by(f"{minus}{ORDERS[known.removeprefix('-')]}", "-pk")


def known_values(name: str) -> list[str]:
    """Return which species or protocols the history has."""
    rows = AntibodyTrial.objects.order_by(name).values_list(name, flat=True)
    return list(filter(None, rows.distinct()))


def get_trial(pk: int, *, to: User) -> Any:
    """Return one line of the history as this person may see it, or 404."""
    found = history(to=to).select_related("request", "batch").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such trial.")
    return found


def get_own_trial(pk: int, *, to: User) -> AntibodyTrial:
    """Return a trial that this person may correct, or 404."""
    found = AntibodyTrial.objects.select_related("request__owner").filter(pk=pk).first()
    if found is None or not editable_fields(found, to):
        raise Http404("There is no such trial, or it is not yours to correct.")
    return found


def is_keeper(user: User) -> bool:
    """Return True for clearing staff, who keep the history of antibodies."""
    return roles.has_role(user, Role.CLEARER, Role.MANAGER)


def editable_fields(trial: AntibodyTrial, by: User) -> tuple[str, ...]:
    """Return what this person may correct: staff all, owner and submitter what they know best."""
    if not by.is_active:
        return ()
    if is_keeper(by):
        return ALL_FIELDS
    request = trial.request
    if request is not None and by.pk in {request.owner_id, request.requested_by_id}:
        return OWN_FIELDS
    return ()
