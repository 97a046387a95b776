"""Labs in the staff console, with what requests make of them: their number, and merging two."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget

from core_app import roles
from core_app.admin import LabAdmin as PlainLabAdmin
from core_app.http import person
from core_app.models import Lab
from core_app.roles import Role
from requests_app.admin.asking import AskingAdmin, Question, answers_of, chosen
from requests_app.admin.outcomes import for_each
from requests_app.models import Request
from requests_app.states import RequestState
from requests_app.workflows import merge_labs

WARNING = (
    "People, requests and animals move to the lab that stays, then the others are deleted. Who "
    "leads one of them leads the lab that stays; if that lab shares requests with its members, "
    "they will read those of the merged labs too. This cannot be undone."
)
admin.site.unregister(Lab)


class MergeForm(forms.Form):
    """The lab that stays."""

    keep = forms.ModelChoiceField(
        queryset=Lab.objects.order_by("name"), label="Merge into", empty_label="Choose…",
        widget=UnfoldAdminSelectWidget(),
    )  # fmt: skip


@admin.register(Lab)
class LabAdmin(PlainLabAdmin, AskingAdmin):
    """Research groups, who belongs to them, and how many requests they have."""

    list_display = [  # as its base
        "name", "leaders", "member_count", "request_count", "shares_with_members"
    ]  # fmt: skip
    actions: ClassVar = ["merge"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lab]:
        rows = Request.objects.exclude(state=RequestState.DRAFT).filter(lab=OuterRef("pk"))
        found = rows.order_by().values("lab").annotate(n=Count("pk")).values("n")
        counts = Coalesce(Subquery(found, output_field=IntegerField()), 0)
        return super().get_queryset(request).annotate(_requests=counts)

    @admin.display(description="Requests", ordering="_requests")
    def request_count(self, lab: Any) -> str:
        address = reverse("admin:requests_app_request_changelist")
        return format_html(
            '<a class="underline" href="{}?lab__id__exact={}">{}</a>',
            address, lab.pk, lab._requests,
        )  # fmt: skip

    def has_merge_permission(self, request: HttpRequest) -> bool:
        return roles.has_role(request.user, Role.MANAGER)

    @admin.action(description="Merge into another lab…", permissions=["merge"])
    def merge(self, request: HttpRequest, queryset: QuerySet[Lab]) -> HttpResponse | None:
        objects = chosen(queryset)
        form = MergeForm(answers_of(request))
        question = Question("Merge these labs into which one?", "Merge", form, WARNING)
        if page := self.ask(request, objects, question):
            return page
        keep = form.cleaned_data["keep"]
        for_each(
            request, objects, lambda lab: merge_labs(lab, keep, by=person(request)),
            f"merged into {keep}",
        )  # fmt: skip
        return None
