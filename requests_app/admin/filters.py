"""Filters of the staff console: questions that staff ask, not columns."""

from datetime import date, timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core_app import roles
from core_app.models import User
from core_app.roles import Role
from requests_app.models import Sample
from requests_app.states import ClearingState, RequestState

Rows = QuerySet[Any]


def overdue_samples() -> QuerySet[Sample]:
    """Return the samples of open requests that should be here and are not."""
    return Sample.objects.filter(
        received_at=None,
        expected_handoff_date__lt=timezone.localdate(),
        request__state=RequestState.SUBMITTED,
    ).exclude(clearing_batch__state__in=[ClearingState.COMPLETE, ClearingState.IN_PROGRESS])


def end_of_week(today: date) -> date:
    return today + timedelta(days=6 - today.weekday())


class OverdueFilter(SimpleListFilter):
    """Requests with a sample that should have been handed in."""

    title = "overdue hand-off"
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Has one"), ("no", "Has none")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        late = Exists(overdue_samples().filter(request=OuterRef("pk")))
        if self.value() == "yes":
            return queryset.filter(late)
        return queryset.filter(~late) if self.value() == "no" else queryset


class LabTextFilter(SimpleListFilter):
    """Requests whose lab is what somebody typed, to be made a lab."""

    title = "lab as free text"
    parameter_name = "lab_text"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Free text"), ("no", "A lab"), ("none", "Neither")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        wanted = {
            "yes": Q(lab=None) & ~Q(lab_text=""),
            "no": Q(lab__isnull=False),
            "none": Q(lab=None, lab_text=""),
        }
        chosen = wanted.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


class HandoffFilter(SimpleListFilter):
    """Tubes or batches by when they are expected. Overdue is what has not come."""

    title = "hand-off"
    parameter_name = "handoff"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("overdue", "Overdue"), ("week", "This week"), ("later", "Later"),
            ("none", "No date"),
        ]  # fmt: skip

    def overdue(self, queryset: Rows) -> Rows:
        return queryset.filter(pk__in=overdue_samples().values("pk"))

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        today = timezone.localdate()
        sunday = end_of_week(today)
        wanted = {
            "overdue": lambda: self.overdue(queryset),
            "week": lambda: queryset.filter(expected_handoff_date__range=(today, sunday)),
            "later": lambda: queryset.filter(expected_handoff_date__gt=sunday),
            "none": lambda: queryset.filter(expected_handoff_date=None),
        }
        chosen = wanted.get(self.value() or "")
        return chosen() if chosen else queryset


class BatchDueFilter(HandoffFilter):
    """Batches: overdue is what still waits after the day on which it was to come."""

    title = "due"

    def overdue(self, queryset: Rows) -> Rows:
        return queryset.filter(
            state=ClearingState.WAITING, expected_handoff_date__lt=timezone.localdate()
        )


class ReceivedFilter(SimpleListFilter):
    """Whether the tube is here."""

    title = "received"
    parameter_name = "received"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Received"), ("no", "Not yet")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(received_at__isnull=self.value() == "no")


class ClearerFilter(SimpleListFilter):
    """Who clears, and what nobody has taken yet."""

    title = "clearer"
    parameter_name = "clearer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = User.objects.filter(clearing__isnull=False).distinct().order_by("username")
        named = [(str(person.pk), str(person)) for person in people]
        return [("none", "Nobody yet"), ("me", "Me"), *named]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value == "none":
            return queryset.filter(clearer=None)
        if value == "me":
            return queryset.filter(clearer_id=request.user.pk)
        if value and value.isascii() and value.isdigit() and len(value) < 10:
            return queryset.filter(clearer_id=int(value))
        return queryset.none() if value else queryset


def clearing_staff() -> list[User]:
    """Return who may be given a batch: people with a role that clears, and superusers."""
    people = User.objects.filter(is_active=True).prefetch_related("groups")
    able = people.filter(
        Q(groups__name__in=[Role.CLEARER, Role.MANAGER]) | Q(is_superuser=True)
    ).distinct()
    return [person for person in able.order_by("username") if roles.roles_of(person)]
