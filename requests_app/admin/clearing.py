"""Clearing batches in the staff console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from core_app.http import person
from core_app.models import User
from requests_app.admin import sections
from requests_app.admin.asking import AskingAdmin, Question, answers_of, chosen
from requests_app.admin.correcting import CorrectingAdmin
from requests_app.admin.filters import BatchDueFilter, ClearerFilter
from requests_app.admin.outcomes import for_each
from requests_app.admin.questions import ColleagueForm, CompletionForm, ReasonForm
from requests_app.models import ClearingBatch, ClearingStepLog, ProtocolStep, Sample
from requests_app.services import clearing, corrections
from requests_app.states import ClearingState
from requests_app.workflows import complete_clearing, reopen_clearing

Batches = QuerySet[ClearingBatch]
NEEDED = ("request__owner", "request__lab", "protocol", "clearer")


def count_of(rows: QuerySet[Any], by: str, outer: str) -> Coalesce:
    """Return the number of related rows as a subquery, so that no filter can multiply it."""
    found = rows.filter(**{by: OuterRef(outer)}).order_by().values(by).annotate(n=Count("pk"))
    return Coalesce(Subquery(found.values("n"), output_field=IntegerField()), 0)


@admin.register(ClearingBatch)
class ClearingBatchAdmin(CorrectingAdmin, AskingAdmin):
    """Batches: plans and remarks can be corrected, what happened cannot."""

    list_display = (
        "batch_name", "protocol", "sample_count", "progress", "clearer", "state", "since", "due",
    )  # fmt: skip
    list_filter = (
        "state", "protocol__name", ClearerFilter, "request__species", BatchDueFilter,
        "request__lab",
    )  # fmt: skip
    list_select_related = NEEDED
    search_fields = (
        "request__name", "request__owner__username", "request__lab__name", "samples__name",
        "samples__code", "antibody1", "antibody2", "notes_for_clearer",
    )  # fmt: skip
    search_help_text = "Request, owner, lab, sample, tube code, antibody or note."
    date_hierarchy = "expected_handoff_date"
    readonly_fields = (
        "request", "number", "protocol", "antibody1", "antibody2", "clearer", "state",
        "state_since", "link",
    )  # fmt: skip
    fields = (
        *readonly_fields, "expected_handoff_date", "notes_for_clearer", "unusual_experiment",
        "unusual_clearing",
    )  # fmt: skip
    actions: ClassVar = [
        "start_batches", "assign_to_me", "assign_to", "complete_batches", "put_back_batches",
        "reopen_batches",
    ]  # fmt: skip
    change_form_outer_after_template = "admin/work_of.html"

    def get_queryset(self, request: HttpRequest) -> Batches:
        rows: Batches = super().get_queryset(request)
        return rows.annotate(
            _samples=count_of(Sample.objects.all(), "clearing_batch", "pk"),
            _done=count_of(ClearingStepLog.objects.all(), "batch", "pk"),
            _steps=count_of(ProtocolStep.objects.all(), "protocol", "protocol"),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        extra = {**(extra_context or {}), "sections": sections.of_batch(obj) if obj else []}
        return super().change_view(request, object_id, form_url, extra)

    def view_on_site(self, obj: ClearingBatch) -> str:
        return reverse("clearing:batch", args=[obj.pk])

    @admin.display(description="batch", ordering=F("request__name"))
    def batch_name(self, obj: ClearingBatch) -> str:
        return f"{obj.request} · {obj.number}"

    @admin.display(description="samples", ordering="_samples")
    def sample_count(self, obj: Any) -> int:
        return int(obj._samples)

    @admin.display(description="progress", ordering="_done")
    def progress(self, obj: Any) -> str:
        return f"{obj._done} of {obj._steps} steps" if obj._steps else "no steps"

    @admin.display(description="since", ordering="state_since")
    def since(self, obj: ClearingBatch) -> str:
        return sections.minute(obj.state_since)

    @admin.display(description="due", ordering="expected_handoff_date")
    def due(self, obj: ClearingBatch) -> str:
        day = obj.expected_handoff_date
        if day and day < timezone.localdate() and obj.state == ClearingState.WAITING:
            return format_html("{} <strong>overdue</strong>", day)
        return str(day or "–")

    def correct(
        self, obj: ClearingBatch, values: Mapping[str, Any], *, by: User, seen: int | None
    ) -> None:
        corrections.correct_batch(obj, values, by=by, seen=seen)

    @admin.action(description="Start clearing", permissions=["change"])
    def start_batches(self, request: HttpRequest, queryset: Batches) -> None:
        rows, by = chosen(queryset, *NEEDED), person(request)
        for_each(request, rows, lambda b: clearing.start(b, by=by), "started")

    @admin.action(description="Assign to me", permissions=["change"])
    def assign_to_me(self, request: HttpRequest, queryset: Batches) -> None:
        rows, me = chosen(queryset, *NEEDED), person(request)
        for_each(request, rows, lambda b: clearing.assign(b, clearer=me, by=me), "yours now")

    @admin.action(description="Assign to…", permissions=["change"])
    def assign_to(self, request: HttpRequest, queryset: Batches) -> HttpResponse | None:
        rows, by = chosen(queryset, *NEEDED), person(request)
        form = ColleagueForm(answers_of(request))
        question = Question("Who clears these batches?", "Assign", form)
        if page := self.ask(request, rows, question):
            return page
        who = form.cleaned_data["clearer"]
        for_each(
            request, rows, lambda b: clearing.assign(b, clearer=who, by=by), f"assigned to {who}"
        )
        return None

    @admin.action(description="Complete…", permissions=["change"])
    def complete_batches(self, request: HttpRequest, queryset: Batches) -> HttpResponse | None:
        rows, by = chosen(queryset, *NEEDED), person(request)
        needs_link = any(b.protocol.needs_link for b in rows)
        form = CompletionForm(answers_of(request), asks_link=needs_link)
        question = Question(
            "Complete these batches?", "Complete", form,
            "Imaging of them may begin, and the imaging staff are told.",
            line_of=lambda b: f"{b}: {self.progress(b)}",
        )  # fmt: skip
        if page := self.ask(request, rows, question):
            return page
        given = form.cleaned_data
        for_each(
            request, rows,
            lambda b: complete_clearing(
                b, by=by, link=given.get("link", "") if b.protocol.needs_link else "",
                skip_missing=given["skip_missing"],
            ),
            "complete",
        )  # fmt: skip
        return None

    @admin.action(description="Put back…", permissions=["change"])
    def put_back_batches(self, request: HttpRequest, queryset: Batches) -> HttpResponse | None:
        rows, by = chosen(queryset, *NEEDED), person(request)
        form = ReasonForm(answers_of(request))
        question = Question(
            "Put these batches back into the queue?", "Put back", form,
            "They wait again for somebody to start them. This works until a step is logged.",
        )  # fmt: skip
        if page := self.ask(request, rows, question):
            return page
        why = form.cleaned_data["reason"]
        for_each(request, rows, lambda b: clearing.put_back(b, by=by, reason=why), "put back")
        return None

    @admin.action(description="Re-open…", permissions=["change"])
    def reopen_batches(self, request: HttpRequest, queryset: Batches) -> HttpResponse | None:
        rows, by = chosen(queryset, *NEEDED), person(request)
        form = ReasonForm(answers_of(request))
        question = Question(
            "Re-open these batches?", "Re-open", form,
            "Their logs can be corrected until they are completed again; the history keeps both.",
        )  # fmt: skip
        if page := self.ask(request, rows, question):
            return page
        why = form.cleaned_data["reason"]
        for_each(request, rows, lambda b: reopen_clearing(b, by=by, reason=why), "opened again")
        return None
