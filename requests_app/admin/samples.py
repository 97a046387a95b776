"""Tubes in the staff console."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from core_app.errors import NotReady
from core_app.http import person
from core_app.models import User
from requests_app.admin.asking import AskingAdmin
from requests_app.admin.correcting import CorrectingAdmin
from requests_app.admin.filters import HandoffFilter, ReceivedFilter
from requests_app.admin.outcomes import for_each, link_to
from requests_app.admin.sections import minute
from requests_app.models import Request, Sample
from requests_app.services import corrections, requests
from requests_app.states import ClearingState, RequestState

HERE = {ClearingState.IN_PROGRESS, ClearingState.COMPLETE}


class SampleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """The dates of a tube follow the rules of the request form, as far as they still can."""

    class Meta:
        model = Sample
        fields = ("subject", "perfusion_date", "expected_handoff_date", "notes_for_clearer")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        values = {name: given[name] for name in self.changed_data if name in given}
        was = Sample.objects.get(pk=self.instance.pk)
        for name, problems in corrections.date_problems(was, values).items():
            self.add_error(name if name in self.fields else None, problems)
        return given


@admin.register(Sample)
class SampleAdmin(CorrectingAdmin, AskingAdmin):
    """Tubes: animal, dates and notes can be corrected, names and codes are printed."""

    form = SampleForm
    list_display = (
        "name", "request_link", "batch", "handoff", "received", "received_by", "condition",
    )  # fmt: skip
    list_filter = (
        ReceivedFilter, "condition", "clearing_batch__state", "clearing_batch__protocol__name",
        "request__species", HandoffFilter, "request__lab",
    )  # fmt: skip
    list_select_related = ("request__owner", "clearing_batch__protocol", "received_by")
    search_fields = (
        "name", "code", "request__name", "request__owner__username", "subject__name",
        "request__lab__name", "request__lab_text",
    )  # fmt: skip
    search_help_text = "Name, tube code, request, owner, animal or lab."
    autocomplete_fields = ("subject",)
    readonly_fields = (
        "request", "position", "name", "code", "clearing_batch", "received_at", "received_by",
        "condition", "condition_note",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": readonly_fields}),
        ("What may be corrected", {"fields": SampleForm.Meta.fields}),
    )
    actions: ClassVar = ["receive", "print_labels"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sample]:
        rows: QuerySet[Sample] = super().get_queryset(request)
        return rows.exclude(request__state=RequestState.DRAFT)

    def view_on_site(self, obj: Sample) -> str:
        return reverse("requests:request-page", args=[obj.request.owner.username, obj.request.name])

    @admin.display(description="request", ordering="request__name")
    def request_link(self, obj: Sample) -> str:
        return link_to(obj.request)

    @admin.display(description="clearing batch", ordering="clearing_batch__number")
    def batch(self, obj: Sample) -> str:
        found = obj.clearing_batch
        if found is None:
            return "–"
        return f"{found.number}: {found.protocol}, {found.get_state_display().lower()}"

    @admin.display(description="hand-off", ordering="expected_handoff_date")
    def handoff(self, obj: Sample) -> str:
        if not obj.expected_handoff_date:
            return "–"
        begun = obj.clearing_batch and obj.clearing_batch.state in HERE
        is_open = obj.request.state == RequestState.SUBMITTED and not begun
        is_late = obj.expected_handoff_date < timezone.localdate() and not obj.received_at
        if is_open and is_late:
            return format_html("{} <strong>overdue</strong>", obj.expected_handoff_date)
        return str(obj.expected_handoff_date)

    @admin.display(description="received", ordering="received_at")
    def received(self, obj: Sample) -> str:
        return minute(obj.received_at)

    def correct(
        self, obj: Sample, values: Mapping[str, Any], *, by: User, seen: int | None
    ) -> None:
        corrections.correct_sample(obj, values, by=by, seen=seen)

    @admin.action(description="Receive (in good condition)", permissions=["change"])
    def receive(self, request: HttpRequest, queryset: QuerySet[Sample]) -> None:
        rows = queryset.select_related("request__owner")
        for_each(request, rows, lambda s: _receive(s, by=person(request)), "received")

    @admin.action(description="Print labels", permissions=["view"])
    def print_labels(self, request: HttpRequest, queryset: QuerySet[Sample]) -> HttpResponse | None:
        tubes: dict[Request, list[Sample]] = defaultdict(list)
        for sample in queryset.select_related("request__owner").order_by("request_id", "position"):
            tubes[sample.request].append(sample)
        pages = [(labels_of(of, samples), of) for of, samples in tubes.items()]
        if len(pages) == 1:
            return HttpResponseRedirect(pages[0][0])
        links = format_html_join(", ", '<a class="underline" href="{}">{}</a>', pages)
        messages.info(request, format_html("Labels of {} requests: {}", len(pages), links))
        return None


def _receive(sample: Sample, *, by: User) -> None:
    if not requests.receive(sample, by=by):
        who = sample.received_by or "somebody"
        raise NotReady(f"It was here already: received by {who}, {minute(sample.received_at)}.")


def labels_of(request: Request, samples: Iterable[Sample]) -> str:
    """Return the address of the page that prints the labels of these tubes of a request."""
    address = reverse("requests:request-labels", args=[request.owner.username, request.name])
    return f"{address}?samples={','.join(str(sample.pk) for sample in samples)}"
