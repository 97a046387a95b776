"""Trials of antibodies in the staff console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from core_app.http import person
from core_app.models import User
from requests_app.admin.correcting import CorrectingAdmin, seen_by
from requests_app.admin.outcomes import for_each
from requests_app.models import AntibodyTrial
from requests_app.selectors.trials import ALL_FIELDS
from requests_app.services import antibodies

Outcome = AntibodyTrial.Outcome


@admin.register(AntibodyTrial)
class AntibodyTrialAdmin(CorrectingAdmin):
    """What was tried and how it went. New trials come with requests, or from the page itself."""

    list_display = (
        "tried_on", "primary_antibody", "primary_concentration", "secondary_antibody",
        "secondary_concentration", "species", "protocol", "outcome", "is_recommended", "request",
    )  # fmt: skip
    list_filter = (
        "outcome", "is_recommended", "species", "protocol",
        ("request", admin.EmptyFieldListFilter),
    )  # fmt: skip
    list_select_related = ("request__owner",)
    search_fields = (
        "primary_antibody", "secondary_antibody", "primary_lot", "secondary_lot", "description",
        "request__name", "request__owner__username",
    )  # fmt: skip
    date_hierarchy = "tried_on"
    readonly_fields = ("request", "batch", "by", "created_at", "on_the_site")
    fields = (*ALL_FIELDS, *readonly_fields)
    actions: ClassVar = ["recommend", "do_not_recommend", "rate_good", "rate_partly", "rate_none"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AntibodyTrial]:
        rows: QuerySet[AntibodyTrial] = super().get_queryset(request)
        return rows.select_related("request__owner", "batch__request__owner", "by")

    @admin.display(description="on the site")
    def on_the_site(self, obj: AntibodyTrial) -> str:
        address = reverse("clearing:antibody-trial", args=[obj.pk])
        return format_html('<a class="underline" href="{}">Open</a>', address)

    def correct(self, obj: Any, values: Mapping[str, Any], *, by: User, seen: int | None) -> None:
        antibodies.edit_trial(obj, values, by=by, seen=seen or 0)

    def _seen(self, request: HttpRequest, object_id: str) -> int | None:
        if request.method == "POST":
            return seen_by(request)
        found = self.get_object(request, unquote(object_id))
        return found.revision if found else None

    @admin.action(description="Recommend", permissions=["change"])
    def recommend(self, request: HttpRequest, queryset: QuerySet[AntibodyTrial]) -> None:
        by = person(request)
        for_each(
            request, queryset, lambda t: antibodies.recommend(t, wanted=True, by=by), "recommended"
        )

    @admin.action(description="Do not recommend", permissions=["change"])
    def do_not_recommend(self, request: HttpRequest, queryset: QuerySet[AntibodyTrial]) -> None:
        by = person(request)
        for_each(
            request, queryset, lambda t: antibodies.recommend(t, wanted=False, by=by),
            "no longer recommended",
        )  # fmt: skip

    @admin.action(description="Rate: works", permissions=["change"])
    def rate_good(self, request: HttpRequest, queryset: QuerySet[AntibodyTrial]) -> None:
        _rate(request, queryset, Outcome.GOOD)

    @admin.action(description="Rate: works in part", permissions=["change"])
    def rate_partly(self, request: HttpRequest, queryset: QuerySet[AntibodyTrial]) -> None:
        _rate(request, queryset, Outcome.PARTLY)

    @admin.action(description="Rate: does not work", permissions=["change"])
    def rate_none(self, request: HttpRequest, queryset: QuerySet[AntibodyTrial]) -> None:
        _rate(request, queryset, Outcome.NONE)


def _rate(request: HttpRequest, queryset: QuerySet[AntibodyTrial], outcome: str) -> None:
    by, word = person(request), Outcome(outcome).label.lower()
    for_each(
        request, queryset, lambda t: antibodies.rate(t, outcome, by=by, seen=t.revision),
        f"rated: {word}",
    )  # fmt: skip
