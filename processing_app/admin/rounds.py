"""Rounds of processing, what was entered of the correction, quality sheets, and other results."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline

from core_app.admin import HistoryMixin
from processing_app.admin.runs import LookOnly
from processing_app.models import (
    Artifact,
    ChannelCorrection,
    ProcessingRequest,
    ProcessingResolution,
    QualitySheet,
)

_OF_IMAGING = "imaging_request__sample__request__owner"


def _search_fields(path: str) -> tuple[str, ...]:
    """Sample, request and owner, found from there."""
    return (
        f"{path}__sample__name",
        f"{path}__sample__request__name",
        f"{path}__sample__request__owner__username",
    )


class ProcessingResolutionInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """What a round wants of each objective and side."""

    model = ProcessingResolution
    extra = 0
    can_delete = False
    fields = (
        "objective", "ventral_up", "atlas", "final_orientation", "notes_for_processor",
        "notes_from_processing",
    )  # fmt: skip
    readonly_fields = fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return list(self.fields)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("resolution__objective", "atlas")

    @admin.display(description="objective")
    def objective(self, row: ProcessingResolution) -> str:
        return row.resolution.objective.name


@admin.register(ProcessingRequest)
class ProcessingRequestAdmin(LookOnly, HistoryMixin):
    """Rounds of processing that were asked for."""

    list_display = ("__str__", "number", "processor", "state", "state_since", "page")
    list_filter = ("state", "processor", "resolutions__resolution__objective")
    list_select_related = (_OF_IMAGING, "processor")
    search_fields = _search_fields("imaging_request")
    inlines: ClassVar = [ProcessingResolutionInline]

    @admin.display(description="page")
    def page(self, row: ProcessingRequest) -> str:
        return format_html(
            '<a href="{}">Look at it</a>', reverse("processing:round", args=[row.pk])
        )


@admin.register(ChannelCorrection)
class ChannelCorrectionAdmin(LookOnly, HistoryMixin):
    """Flat field and stripes of channels. They are entered on the page of the sample."""

    list_display = (
        "channel", "flat_from", "flat_name", "sigma_foreground", "sigma_background", "set_by",
    )  # fmt: skip
    list_filter = ("flat_from", "set_by")
    list_select_related = (
        "channel__wavelength", "channel__resolution__objective", "set_by",
        f"channel__resolution__{_OF_IMAGING}",
    )  # fmt: skip
    search_fields = ("flat_name", *_search_fields("channel__resolution__imaging_request"))


@admin.register(QualitySheet)
class QualitySheetAdmin(LookOnly, HistoryMixin):
    """How good images are, and who let them pass. It is decided on the page of the sheet."""

    list_display = ("__str__", "state", "suggestion", "decided_by", "decided_at", "page")
    list_filter = ("state", "suggestion", "decided_by")
    list_select_related = (
        "place__resolution__objective", "decided_by", f"place__processing_request__{_OF_IMAGING}",
    )  # fmt: skip
    search_fields = ("note", *_search_fields("place__processing_request__imaging_request"))

    @admin.display(description="page")
    def page(self, row: QualitySheet) -> str:
        return format_html(
            '<a href="{}">Look at it</a>', reverse("processing:quality", args=[row.pk])
        )


@admin.register(Artifact)
class ArtifactAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """What steps made that no viewer shows."""

    list_display = ("path", "kind", "run", "made_at", "retired_at")
    list_filter = ("kind", ("retired_at", EmptyFieldListFilter))
    list_select_related = ("step__run",)
    search_fields = ("path",)

    @admin.display(description="run")
    def run(self, artifact: Artifact) -> str:
        return str(artifact.step.run)
