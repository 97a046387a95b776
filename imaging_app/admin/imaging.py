"""Imaging in the staff console: batches, and the rounds of each sample."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.admin import TabularInline

from core_app.admin import HistoryMixin
from core_app.errors import NotReady
from core_app.http import person
from core_app.models import User
from imaging_app import selectors
from imaging_app.admin.questions import ImagerFilter, ImagerForm, ImagerOfBatchFilter
from imaging_app.admin.sections import LookOnly
from imaging_app.models import ImagingBatch, ImagingRequest, ImagingResolution
from imaging_app.services import corrections, imaging
from imaging_app.states import OVER
from imaging_app.workflows import make_folders, skip_sample, start_imaging
from requests_app.admin.asking import AskingAdmin, Question, answers_of, chosen
from requests_app.admin.clearing import count_of
from requests_app.admin.correcting import CorrectingAdmin
from requests_app.admin.outcomes import for_each
from requests_app.admin.questions import ReasonForm
from requests_app.admin.sections import minute
from requests_app.workflows import reopen_imaging

Batches = QuerySet[ImagingBatch]
Rounds = QuerySet[ImagingRequest]
BATCH_NEEDS = ("clearing_batch__request__owner", "imager")
ROUND_NEEDS = (
    "sample__request__owner", "batch__imager", "batch__clearing_batch__request__owner",
)  # fmt: skip


class RequestInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The samples of a batch."""

    model = ImagingRequest
    fields = ("sample", "number", "state", "performed_on", "notes_from_imaging")
    readonly_fields = fields
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> Rounds:
        rows: Rounds = super().get_queryset(request)
        return rows.select_related("sample__request__owner")


@admin.register(ImagingBatch)
class ImagingBatchAdmin(HistoryMixin, AskingAdmin):
    """Batches: who images them is decided here, how they were imaged on their pages."""

    list_display = (
        "order", "clearing_number", "number", "imaging_request_number", "progress", "objectives",
        "imager", "state", "since",
    )  # fmt: skip
    list_filter = (
        "state", ImagerFilter, "imaging_requests__resolutions__objective__microscope",
        "imaging_requests__resolutions__objective", "imaging_request_number",
        "clearing_batch__request__lab",
    )  # fmt: skip
    list_select_related = BATCH_NEEDS
    search_fields = (
        "clearing_batch__request__name", "clearing_batch__request__owner__username",
        "clearing_batch__request__lab__name", "imaging_requests__sample__name",
        "imaging_requests__sample__code", "imaging_requests__sample__subject__name",
    )  # fmt: skip
    search_help_text = "Request, owner, lab, sample, tube code or animal."
    fields = (
        "clearing_batch", "imaging_request_number", "number", "imager", "performed_on", "state",
        "state_since",
    )  # fmt: skip
    readonly_fields = fields
    inlines: ClassVar = [RequestInline]
    actions: ClassVar = ["start_batches", "assign_to_me", "assign_to", "release_batches"]

    def get_queryset(self, request: HttpRequest) -> Batches:
        rows: Batches = super().get_queryset(request)
        rows = rows.prefetch_related("imaging_requests__resolutions__objective")
        samples = ImagingRequest.objects.all()
        return rows.annotate(
            _samples=count_of(samples, "batch", "pk"),
            _done=count_of(samples.filter(state__in=OVER), "batch", "pk"),
        )

    def view_on_site(self, obj: ImagingBatch) -> str:
        return reverse("imaging:batch", args=[obj.pk])

    @admin.display(description="request", ordering="clearing_batch__request__name")
    def order(self, batch: ImagingBatch) -> str:
        return str(batch.clearing_batch.request)

    @admin.display(description="clearing batch", ordering="clearing_batch__number")
    def clearing_number(self, batch: ImagingBatch) -> int:
        return batch.clearing_batch.number

    @admin.display(description="samples", ordering="_samples")
    def progress(self, obj: Any) -> str:
        return f"{obj._done} of {obj._samples} done"

    @admin.display(description="objectives")
    def objectives(self, batch: ImagingBatch) -> str:
        used = [r.objective for one in batch.imaging_requests.all() for r in one.resolutions.all()]
        used.sort(key=lambda objective: objective.position)
        return ", ".join(dict.fromkeys(objective.name for objective in used))

    @admin.display(description="since", ordering="state_since")
    def since(self, batch: ImagingBatch) -> str:
        return minute(batch.state_since)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Start imaging", permissions=["change"])
    def start_batches(self, request: HttpRequest, queryset: Batches) -> None:
        rows, by = chosen(queryset, *BATCH_NEEDS), person(request)
        for_each(request, rows, lambda b: start_imaging(b, by=by), "started")

    @admin.action(description="Assign to me", permissions=["change"])
    def assign_to_me(self, request: HttpRequest, queryset: Batches) -> None:
        rows, me = chosen(queryset, *BATCH_NEEDS), person(request)
        for_each(request, rows, lambda b: imaging.assign(b, imager=me, by=me), "yours now")

    @admin.action(description="Assign to…", permissions=["change"])
    def assign_to(self, request: HttpRequest, queryset: Batches) -> HttpResponse | None:
        rows, by = chosen(queryset, *BATCH_NEEDS), person(request)
        form = ImagerForm(answers_of(request))
        if page := self.ask(request, rows, Question("Who images these batches?", "Assign", form)):
            return page
        who = form.cleaned_data["imager"]
        for_each(
            request, rows, lambda b: imaging.assign(b, imager=who, by=by), f"assigned to {who}"
        )
        return None

    @admin.action(description="Release", permissions=["change"])
    def release_batches(self, request: HttpRequest, queryset: Batches) -> None:
        rows, by = chosen(queryset, *BATCH_NEEDS), person(request)
        for_each(request, rows, lambda b: imaging.release(b, by=by), "released")


class ResolutionInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The objectives of one sample's round."""

    model = ImagingResolution
    fields = ("objective", "notes_for_imager", "acquisition_started_at", "acquisition_ended_at")
    readonly_fields = fields
    show_change_link = True


@admin.register(ImagingRequest)
class ImagingRequestAdmin(CorrectingAdmin, AskingAdmin):
    """One sample, one round of imaging: its notes can be corrected, what happened cannot."""

    list_display = (
        "order", "sample_name", "number", "batch_number", "imager", "state", "since",
        "performed_on",
    )  # fmt: skip
    list_filter = (
        "state", ImagerOfBatchFilter, "resolutions__objective__microscope",
        "resolutions__objective", "number", "sample__request__lab",
    )  # fmt: skip
    list_select_related = ROUND_NEEDS
    search_fields = (
        "sample__name", "sample__code", "sample__subject__name", "sample__request__name",
        "sample__request__owner__username", "sample__request__lab__name",
    )  # fmt: skip
    search_help_text = "Request, owner, lab, sample, tube code or animal."
    date_hierarchy = "performed_on"
    readonly_fields = ("sample", "number", "batch", "state", "state_since", "performed_on")
    fields = (*readonly_fields, "notes_from_imaging")
    inlines: ClassVar = [ResolutionInline]
    actions: ClassVar = ["make_raw_folders", "skip_samples", "reopen_samples"]

    def view_on_site(self, obj: ImagingRequest) -> str:
        return reverse("imaging:request", args=[obj.pk])

    @admin.display(description="request", ordering="sample__request__name")
    def order(self, imaging_request: ImagingRequest) -> str:
        return str(imaging_request.sample.request)

    @admin.display(description="sample", ordering="sample__name")
    def sample_name(self, imaging_request: ImagingRequest) -> str:
        return imaging_request.sample.name

    @admin.display(description="batch", ordering=F("batch__number"))
    def batch_number(self, imaging_request: ImagingRequest) -> str:
        return f"{imaging_request.batch.clearing_batch.number}.{imaging_request.batch.number}"

    @admin.display(description="imager", ordering="batch__imager__username")
    def imager(self, imaging_request: ImagingRequest) -> str:
        return str(imaging_request.batch.imager or "–")

    @admin.display(description="since", ordering="state_since")
    def since(self, imaging_request: ImagingRequest) -> str:
        return minute(imaging_request.state_since)

    def correct(
        self, obj: ImagingRequest, values: Mapping[str, Any], *, by: User, seen: int | None
    ) -> None:
        corrections.correct_imaging(obj, values, by=by, seen=seen)

    @admin.action(description="Make the folders for raw data", permissions=["change"])
    def make_raw_folders(self, request: HttpRequest, queryset: Rounds) -> None:
        rows, by = chosen(queryset, *ROUND_NEEDS), person(request)
        for_each(request, rows, lambda r: _make_folders(r, by=by), "have their folders")

    @admin.action(description="Skip…", permissions=["change"])
    def skip_samples(self, request: HttpRequest, queryset: Rounds) -> HttpResponse | None:
        rows, by = chosen(queryset, *ROUND_NEEDS), person(request)
        form = ReasonForm(answers_of(request))
        question = Question(
            "Skip these samples?", "Skip", form,
            "They are finished without images in this round, and their owners read the reason.",
        )  # fmt: skip
        if page := self.ask(request, rows, question):
            return page
        why = form.cleaned_data["reason"]
        for_each(request, rows, lambda r: skip_sample(r, by=by, reason=why), "skipped")
        return None

    @admin.action(description="Re-open…", permissions=["change"])
    def reopen_samples(self, request: HttpRequest, queryset: Rounds) -> HttpResponse | None:
        rows, by = chosen(queryset, *ROUND_NEEDS), person(request)
        form = ReasonForm(answers_of(request))
        question = Question(
            "Re-open imaging of these samples?", "Re-open", form,
            "Their parameters can be corrected until imaging is completed again; the history keeps "
            "both, and their owners read the reason.",
        )  # fmt: skip
        if page := self.ask(request, rows, question):
            return page
        why = form.cleaned_data["reason"]
        for_each(request, rows, lambda r: reopen_imaging(r, by=by, reason=why), "opened again")
        return None


def _make_folders(imaging_request: ImagingRequest, *, by: User) -> None:
    if not selectors.can_edit(imaging_request, by):
        raise NotReady("Folders are made while a sample is being imaged. Start its batch first.")
    make_folders(imaging_request)
