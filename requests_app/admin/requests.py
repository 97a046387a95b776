"""Requests and samples in the staff console."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from core_app.admin import HistoryMixin
from core_app.http import person
from requests_app.models import Request, Sample, Subject
from requests_app.selectors import has_history
from requests_app.services import requests
from requests_app.states import RequestState


class SampleInline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The samples of a request; their names are part of folders and addresses, so read-only."""

    model = Sample
    extra = 0
    can_delete = False
    fields = (
        "position",
        "name",
        "clearing_batch",
        "expected_handoff_date",
        "received_at",
        "received_by",
        "code",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Request | None = None) -> bool:
        return False


@admin.register(Request)
class RequestAdmin(HistoryMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Requests: what may still be corrected is editable, keys and state are not."""

    list_display = (
        "name",
        "owner",
        "lab",
        "lab_text",
        "state",
        "sample_count",
        "submitted_at",
        "state_since",
    )
    list_filter = ("state", "species", "lab", "testing", "self_clearing", "self_imaging")
    list_select_related = ("owner", "lab")
    search_fields = (
        "name",
        "owner__username",
        "samples__name",
        "description",
        "lab__name",
        "lab_text",
    )
    date_hierarchy = "submitted_at"
    autocomplete_fields = ("lab", "auditor")
    readonly_fields = (
        "owner", "requested_by", "name", "state", "state_since", "species", "submitted_at",
        "self_clearing", "self_imaging",
    )  # fmt: skip
    fields = (
        *readonly_fields,
        "lab",
        "lab_text",
        "auditor",
        "description",
        "correspondence_email",
        "retention",
        "testing",
    )
    inlines: ClassVar = [SampleInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Request]:
        """Drafts are the business of who writes them."""
        rows: QuerySet[Request] = super().get_queryset(request)
        return rows.exclude(state=RequestState.DRAFT).annotate(_samples=Count("samples"))

    @admin.display(description="samples", ordering="_samples")
    def sample_count(self, obj: Any) -> int:
        return int(obj._samples)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Request | None = None) -> bool:
        """Only superusers, and only what has no history of work."""
        return bool(request.user.is_superuser and obj is not None and not has_history(obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What hangs on an untouched request goes with it, though it is never deleted alone."""
        listed, counts, _, protected = super().get_deleted_objects(objs, request)
        return listed, counts, set(), protected

    def delete_model(self, request: HttpRequest, obj: Request) -> None:
        requests.delete_untouched(obj, by=person(request))


@admin.register(Sample)
class SampleAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Tubes."""

    list_display = (
        "name",
        "request",
        "clearing_batch",
        "expected_handoff_date",
        "received_at",
        "received_by",
    )
    list_filter = (("received_at", admin.EmptyFieldListFilter), "clearing_batch__state")
    list_select_related = ("request__owner", "clearing_batch__request__owner", "received_by")
    search_fields = ("name", "request__name", "request__owner__username", "code")
    readonly_fields = (
        "request",
        "position",
        "name",
        "code",
        "clearing_batch",
        "received_at",
        "received_by",
    )
    fields = (
        *readonly_fields,
        "subject",
        "perfusion_date",
        "expected_handoff_date",
        "notes_for_clearer",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sample]:
        rows: QuerySet[Sample] = super().get_queryset(request)
        return rows.exclude(request__state=RequestState.DRAFT)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Sample | None = None) -> bool:
        return False


@admin.register(Subject)
class SubjectAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Animals of the colony."""

    list_display = ("name",)
    search_fields = ("name",)
