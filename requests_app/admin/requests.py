"""Requests in the staff console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.views import ChangeList

from core_app.http import person
from core_app.models import User
from requests_app.admin import sections
from requests_app.admin.asking import AskingAdmin, Question, answers_of, chosen
from requests_app.admin.correcting import CorrectingAdmin
from requests_app.admin.export import requests_csv
from requests_app.admin.filters import LabTextFilter, OverdueFilter
from requests_app.admin.making_labs import LabFromTextForm, lab_of, namesakes
from requests_app.admin.outcomes import for_each
from requests_app.admin.questions import ReasonForm
from requests_app.models import Request, Sample
from requests_app.overview import Row, rows_of
from requests_app.selectors import has_history
from requests_app.services import corrections, requests
from requests_app.states import RequestState
from requests_app.workflows import withdraw_request

SAMPLES_WITH_BATCHES = Prefetch(
    "samples",
    queryset=Sample.objects.select_related(
        "clearing_batch__protocol", "clearing_batch__clearer", "received_by"
    ),
)


class RequestList(ChangeList):  # type: ignore[misc]  # unfold has no type hints
    """The page of the list, each request with its stages: read together, not row by row."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.result_list.prefetch_related(SAMPLES_WITH_BATCHES)
        for row in rows_of(list(self.result_list)):
            row.request.console_row = row  # type: ignore[attr-defined]  # for the columns


@admin.register(Request)
class RequestAdmin(CorrectingAdmin, AskingAdmin):
    """Requests: what may still be corrected is editable, keys and state are not."""

    list_display = (
        "name", "owner", "lab_or_text", "species", "state", "stages", "sample_count",
        "submitted", "age", "next_action",
    )  # fmt: skip
    list_filter = (
        "state", "species", "lab", LabTextFilter, OverdueFilter, "testing", "is_archival",
        "self_clearing", "self_imaging", "submitted_at",
    )  # fmt: skip
    list_select_related = ("owner", "lab", "species")
    search_fields = (
        "name", "description", "owner__username", "owner__last_name", "lab__name", "lab_text",
        "samples__name", "samples__code", "samples__subject__name",
    )  # fmt: skip
    search_help_text = "Name, description, owner, lab, sample, animal or tube code."
    date_hierarchy = "submitted_at"
    autocomplete_fields = ("lab", "auditor")
    readonly_fields = (
        "owner", "requested_by", "name", "state", "state_since", "species", "submitted_at",
        "lab_text", "is_archival", "self_clearing", "self_imaging",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": (
            "owner", "requested_by", "name", "species", "state", "state_since", "submitted_at",
            "is_archival", "self_clearing", "self_imaging",
        )}),
        ("What may be corrected", {"fields": (
            "lab", "lab_text", "auditor", "description", "correspondence_email", "retention",
            "testing",
        )}),
    )  # fmt: skip
    actions: ClassVar = ["withdraw", "make_lab", "export_requests"]
    change_form_outer_after_template = "admin/work_of.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Request]:
        """Drafts are the business of who writes them."""
        rows: QuerySet[Request] = super().get_queryset(request)
        mine = Sample.objects.filter(request=OuterRef("pk")).order_by().values("request")
        count = Subquery(mine.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        return rows.exclude(state=RequestState.DRAFT).annotate(_samples=Coalesce(count, 0))

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[RequestList]:
        return RequestList

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        shown = sections.of_request(obj) if obj else []
        if obj and request.user.has_perm("core_app.view_mail"):
            shown.append(sections.mails_of(obj))
        extra = {**(extra_context or {}), "sections": shown}
        return super().change_view(request, object_id, form_url, extra)

    def view_on_site(self, obj: Request) -> str:
        return reverse("requests:request-page", args=[obj.owner.username, obj.name])

    @admin.display(description="lab", ordering="lab__name")
    def lab_or_text(self, obj: Request) -> str:
        if obj.lab or not obj.lab_text:
            return str(obj.lab or "–")
        return format_html("{} <em>(free text)</em>", obj.lab_text)

    @admin.display(description="samples", ordering="_samples")
    def sample_count(self, obj: Any) -> int:
        return int(obj._samples)

    @admin.display(description="stages")
    def stages(self, obj: Any) -> str:
        row: Row = obj.console_row
        return row.summary.partition(": ")[2] or "–"

    @admin.display(description="submitted", ordering="submitted_at")
    def submitted(self, obj: Request) -> str:
        return sections.minute(obj.submitted_at)

    @admin.display(description="age", ordering="submitted_at")
    def age(self, obj: Request) -> str:
        days = (timezone.now() - obj.submitted_at).days if obj.submitted_at else 0
        return f"{days} day{'' if days == 1 else 's'}"

    @admin.display(description="next action")
    def next_action(self, obj: Any) -> str:
        row: Row = obj.console_row
        return row.next_action

    def correct(
        self, obj: Request, values: Mapping[str, Any], *, by: User, seen: int | None
    ) -> None:
        corrections.correct_request(obj, values, by=by, seen=seen)

    def has_delete_permission(self, request: HttpRequest, obj: Request | None = None) -> bool:
        """Only superusers, and only what has no history of work."""
        return bool(request.user.is_superuser and obj is not None and not has_history(obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What hangs on an untouched request goes with it, though it is never deleted alone."""
        listed, counts, _, protected = super().get_deleted_objects(objs, request)
        return listed, counts, set(), protected

    def delete_model(self, request: HttpRequest, obj: Request) -> None:
        requests.delete_untouched(obj, by=person(request))

    @admin.action(description="Withdraw or cancel…", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Request]) -> HttpResponse | None:
        objects = chosen(queryset, "owner", "lab")
        question = Question(
            "Withdraw these requests?", "Withdraw", ReasonForm(answers_of(request)),
            "Everything of them that is not finished is cancelled: clearing, imaging and runs. "
            "The reason stays in the history and is told to the people involved.",
        )  # fmt: skip
        if page := self.ask(request, objects, question):
            return page
        reason = question.form.cleaned_data["reason"]
        for_each(
            request, objects, lambda r: withdraw_request(r, by=person(request), reason=reason),
            "withdrawn",
        )  # fmt: skip
        return None

    @admin.action(description="Turn free-text lab into a lab…", permissions=["change"])
    def make_lab(self, request: HttpRequest, queryset: QuerySet[Request]) -> HttpResponse | None:
        objects = chosen(queryset, "owner", "lab")
        offered = namesakes(objects)
        form = LabFromTextForm(answers_of(request), chosen=objects, offered=offered)
        question = Question(
            "Which lab is meant?", "Set the lab", form,
            "The lab takes the place of what the researchers typed. Its principal investigator "
            "will see the requests.",
        )  # fmt: skip
        if page := self.ask(request, objects, question):
            return page
        lab = lab_of(form, request)
        if lab:
            also = form.cleaned_data["also"]
            everything = [*objects, *(r for r in offered if r in also)]
            for_each(
                request, everything,
                lambda r: corrections.set_lab(r, lab, by=person(request)), f"now of {lab}",
            )  # fmt: skip
        return None

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_requests(
        self, request: HttpRequest, queryset: QuerySet[Request]
    ) -> StreamingHttpResponse:
        rows = queryset.select_related("owner", "lab", "species", "auditor")
        return requests_csv(rows_of(list(rows.prefetch_related(SAMPLES_WITH_BATCHES))))
