"""Protocols and species in the staff console."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from core_app.http import person
from requests_app.admin.outcomes import for_each
from requests_app.models import ClearingProtocol, ProtocolStep, Species
from requests_app.services.protocols import copy_as_new_version, is_used

FROZEN = ("name", "version", "title", "needs_antibody", "needs_link")


class StepInline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The steps of one protocol version; read-only once a batch follows it."""

    model = ProtocolStep
    extra = 0
    fields = (
        "position", "phase", "phase_title", "slug", "label", "usual_minutes", "note_max",
        "asks_lot", "plans_date",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: ClearingProtocol | None = None) -> bool:
        return bool(super().has_add_permission(request, obj)) and _is_open(obj)

    def has_change_permission(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> bool:
        return bool(super().has_change_permission(request, obj)) and _is_open(obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> bool:
        return bool(super().has_delete_permission(request, obj)) and _is_open(obj)


def _is_open(protocol: ClearingProtocol | None) -> bool:
    return protocol is None or not is_used(protocol)


@admin.register(ClearingProtocol)
class ClearingProtocolAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Protocols. What was used stays as it was; a change is a new version."""

    list_display = ("name", "version", "title", "step_count", "batch_count", "is_offered")
    list_filter = ("is_offered", "species", "needs_antibody")
    search_fields = ("name", "title")
    filter_horizontal = ("species",)
    fields = (*FROZEN, "is_offered", "species", "position")
    inlines: ClassVar = [StepInline]
    actions: ClassVar = ["copy_versions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClearingProtocol]:
        rows: QuerySet[ClearingProtocol] = super().get_queryset(request)
        return rows.annotate(
            _steps=Count("steps", distinct=True), _batches=Count("batches", distinct=True)
        )

    @admin.display(description="steps", ordering="_steps")
    def step_count(self, obj: Any) -> int:
        return int(obj._steps)

    @admin.display(description="batches", ordering="_batches")
    def batch_count(self, obj: Any) -> int:
        return int(obj._batches)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> tuple[str, ...]:
        return () if _is_open(obj) else FROZEN

    def has_delete_permission(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> bool:
        """Only a version that nothing follows; in lists there is no deleting at all."""
        may = bool(super().has_delete_permission(request, obj))
        return may and obj is not None and _is_open(obj)

    @admin.action(description="Copy as new version", permissions=["add"])
    def copy_versions(self, request: HttpRequest, queryset: QuerySet[ClearingProtocol]) -> None:
        for_each(
            request, queryset, lambda protocol: copy_as_new_version(protocol, by=person(request)),
            "copied; edit the new version, then offer it",
        )  # fmt: skip


@admin.register(Species)
class SpeciesAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Animals that the facility accepts."""

    list_display = ("label", "name", "only_generic_imaging", "position")
    search_fields = ("name", "label")

    def has_delete_permission(self, request: HttpRequest, obj: Species | None = None) -> bool:
        return False
