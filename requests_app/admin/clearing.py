"""Clearing in the staff console: batches and their log."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from core_app.admin import HistoryMixin
from core_app.changes import changed
from core_app.http import person
from requests_app.admin.outcomes import for_each
from requests_app.models import ClearingBatch, ClearingStepLog
from requests_app.services import clearing
from requests_app.workflows import complete_clearing


class StepLogInline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """What was done for a batch. It is written at the bench."""

    model = ClearingStepLog
    extra = 0
    can_delete = False
    fields = ("step", "performed_at", "by", "note", "lot", "recorded_at", "revision")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClearingStepLog]:
        rows: QuerySet[ClearingStepLog] = super().get_queryset(request)
        return rows.select_related("step", "by", "batch__request__owner")

    def has_add_permission(self, request: HttpRequest, obj: ClearingBatch | None = None) -> bool:
        return False


@admin.register(ClearingBatch)
class ClearingBatchAdmin(HistoryMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Batches: plans and remarks can be corrected, what happened cannot."""

    list_display = (
        "request", "number", "protocol", "sample_count", "clearer", "state", "state_since",
        "expected_handoff_date",
    )  # fmt: skip
    list_filter = ("state", "protocol__name", "request__species", "clearer")
    list_select_related = ("request__owner", "protocol", "clearer")
    search_fields = ("request__name", "request__owner__username", "samples__name", "antibody1")
    date_hierarchy = "expected_handoff_date"
    readonly_fields = (
        "request", "number", "protocol", "antibody1", "antibody2", "clearer", "state",
        "state_since", "link",
    )  # fmt: skip
    fields = (
        *readonly_fields, "expected_handoff_date", "notes_for_clearer", "unusual_experiment",
        "unusual_clearing",
    )  # fmt: skip
    inlines: ClassVar = [StepLogInline]
    actions: ClassVar = ["start_batches", "assign_to_me", "complete_batches"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClearingBatch]:
        rows: QuerySet[ClearingBatch] = super().get_queryset(request)
        return rows.annotate(_samples=Count("samples", distinct=True))

    @admin.display(description="samples", ordering="_samples")
    def sample_count(self, obj: Any) -> int:
        return int(obj._samples)

    def save_model(
        self,
        request: HttpRequest,
        obj: ClearingBatch,
        form: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            changed(obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ClearingBatch | None = None) -> bool:
        return False

    @admin.action(description="Start clearing", permissions=["change"])
    def start_batches(self, request: HttpRequest, queryset: QuerySet[ClearingBatch]) -> None:
        for_each(request, queryset, lambda b: clearing.start(b, by=person(request)), "started")

    @admin.action(description="Assign to me", permissions=["change"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[ClearingBatch]) -> None:
        me = person(request)
        for_each(request, queryset, lambda b: clearing.assign(b, clearer=me, by=me), "yours now")

    @admin.action(description="Complete", permissions=["change"])
    def complete_batches(self, request: HttpRequest, queryset: QuerySet[ClearingBatch]) -> None:
        for_each(request, queryset, lambda b: complete_clearing(b, by=person(request)), "complete")
