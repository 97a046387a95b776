"""Imaging in the staff console: batches, samples, objectives, deliveries."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from core_app.admin import HistoryMixin
from core_app.http import person
from imaging_app.admin.sections import LookOnly
from imaging_app.models import (
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
    RawDelivery,
)
from imaging_app.workflows import start_imaging
from requests_app.admin.outcomes import for_each


class RequestInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The samples of a batch."""

    model = ImagingRequest
    fields = ("sample", "number", "state", "performed_on")
    readonly_fields = fields
    show_change_link = True


@admin.register(ImagingBatch)
class ImagingBatchAdmin(HistoryMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Batches of imaging."""

    list_display = (
        "order", "clearing_number", "number", "imaging_request_number", "sample_count", "imager",
        "state", "state_since",
    )  # fmt: skip
    list_filter = ("state", "imager")
    list_select_related = ("clearing_batch__request__owner", "imager")
    search_fields = (
        "clearing_batch__request__name", "clearing_batch__request__owner__username",
        "imaging_requests__sample__name",
    )  # fmt: skip
    fields = (
        "clearing_batch", "imaging_request_number", "number", "imager", "performed_on", "state",
        "state_since",
    )  # fmt: skip
    readonly_fields = fields
    inlines: ClassVar = [RequestInline]
    actions: ClassVar = ["start_batches"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImagingBatch]:
        rows: QuerySet[ImagingBatch] = super().get_queryset(request)
        return rows.annotate(_samples=Count("imaging_requests", distinct=True))

    @admin.display(description="request", ordering="clearing_batch__request")
    def order(self, batch: ImagingBatch) -> str:
        return str(batch.clearing_batch.request)

    @admin.display(description="clearing batch", ordering="clearing_batch__number")
    def clearing_number(self, batch: ImagingBatch) -> int:
        return batch.clearing_batch.number

    @admin.display(description="samples", ordering="_samples")
    def sample_count(self, obj: Any) -> int:
        return int(obj._samples)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ImagingBatch | None = None) -> bool:
        return False

    @admin.action(description="Start imaging", permissions=["change"])
    def start_batches(self, request: HttpRequest, queryset: QuerySet[ImagingBatch]) -> None:
        for_each(request, queryset, lambda b: start_imaging(b, by=person(request)), "started")


class ResolutionInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The objectives of one sample's round."""

    model = ImagingResolution
    fields = ("objective", "notes_for_imager")
    readonly_fields = fields
    show_change_link = True


@admin.register(ImagingRequest)
class ImagingRequestAdmin(HistoryMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """One sample, one round of imaging."""

    list_display = ("order", "sample", "number", "imager", "state", "state_since", "performed_on")
    list_filter = ("state", "resolutions__objective", "batch__imager")
    list_select_related = ("sample__request__owner", "batch__imager")
    search_fields = ("sample__name", "sample__request__name", "sample__request__owner__username")
    readonly_fields = ("sample", "number", "batch", "state", "state_since", "performed_on")
    fields = (*readonly_fields, "notes_from_imaging")
    inlines: ClassVar = [ResolutionInline]

    @admin.display(description="request", ordering="sample__request")
    def order(self, imaging_request: ImagingRequest) -> str:
        return str(imaging_request.sample.request)

    @admin.display(description="imager", ordering="batch__imager")
    def imager(self, imaging_request: ImagingRequest) -> str:
        return str(imaging_request.batch.imager or "")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: ImagingRequest | None = None
    ) -> bool:
        return False


class ChannelInline(LookOnly, StackedInline):  # type: ignore[misc]  # unfold has no type hints
    """What was wanted and what was set; entered on the imaging pages, where it is checked."""

    model = ImagingChannel


class DeliveryInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The raw folders as they were found by their last check."""

    model = RawDelivery
    fields = ("subfolder", "ventral_up", "is_right", "checked_at", "checked_by")
    readonly_fields = fields
    show_change_link = True


@admin.register(ImagingResolution)
class ImagingResolutionAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """One objective of one sample's round, with its channels."""

    list_display = ("imaging_request", "objective", "notes_for_imager")
    list_filter = ("objective",)
    list_select_related = ("imaging_request__sample__request__owner", "objective")
    search_fields = ("imaging_request__sample__name", "imaging_request__sample__request__name")
    inlines: ClassVar = [ChannelInline, DeliveryInline]


@admin.register(RawDelivery)
class RawDeliveryAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """What the last check of each raw folder said."""

    list_display = ("subfolder", "sample", "objective", "is_right", "checked_at", "checked_by")
    list_filter = ("is_right", "resolution__objective")
    list_select_related = (
        "resolution__objective", "resolution__imaging_request__sample__request__owner",
        "checked_by",
    )  # fmt: skip
    search_fields = ("subfolder", "resolution__imaging_request__sample__name")

    @admin.display(description="sample")
    def sample(self, delivery: RawDelivery) -> str:
        return str(delivery.resolution.imaging_request)

    @admin.display(description="objective", ordering="resolution__objective")
    def objective(self, delivery: RawDelivery) -> str:
        return delivery.resolution.objective.name
