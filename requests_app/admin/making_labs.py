"""Turn what a researcher typed for a lab into a lab: choose one or make it."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from core_app import labs
from core_app.errors import DomainError
from core_app.http import person
from core_app.models import Lab
from requests_app.models import Request
from requests_app.states import RequestState

MOST_OFFERED = 100


class LabFromTextForm(forms.Form):
    """One lab, chosen or new; and other requests that say the same."""

    lab = forms.ModelChoiceField(
        queryset=Lab.objects.none(), required=False, widget=UnfoldAdminSelectWidget(),
        label="A lab that exists", empty_label="Choose…",
    )  # fmt: skip
    new_name = forms.CharField(
        required=False, max_length=labs.MOST_NAME, widget=UnfoldAdminTextInputWidget(),
        label="Or the name of a new lab",
    )  # fmt: skip
    also = forms.ModelMultipleChoiceField(
        queryset=Request.objects.none(), required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        label="Other requests with the same free text",
    )  # fmt: skip

    def __init__(
        self, *args: Any, chosen: Sequence[Request], offered: Sequence[Request], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        lab, also = self.fields["lab"], self.fields["also"]
        lab.queryset = Lab.objects.order_by("name")  # type: ignore[attr-defined]  # a ModelChoiceField
        ids = [request.pk for request in offered]
        rows = Request.objects.filter(pk__in=ids).select_related("owner")
        also.queryset = rows  # type: ignore[attr-defined]  # a ModelMultipleChoiceField
        also.initial = ids
        texts = sorted({request.lab_text for request in chosen if request.lab_text})
        typed = format_html("They typed: {}", ", ".join(texts)) if texts else ""
        self.fields["new_name"].help_text = typed  # the console shows help texts unescaped
        if not ids:
            del self.fields["also"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if bool(given.get("lab")) == bool(given.get("new_name")) and not self.errors:
            raise forms.ValidationError("Choose a lab, or give the name of a new one; not both.")
        given.setdefault("also", [])
        return given


def namesakes(objects: Sequence[Request]) -> list[Request]:
    """Return other requests without a lab whose free text is that of one of these."""
    texts = {request.lab_text.strip().casefold() for request in objects if request.lab_text}
    rows = Request.objects.filter(lab=None).exclude(lab_text="").exclude(state=RequestState.DRAFT)
    rows = rows.exclude(pk__in=[r.pk for r in objects]).select_related("owner", "lab")
    same = [r for r in rows.order_by("-id") if r.lab_text.strip().casefold() in texts]
    return same[:MOST_OFFERED]


def lab_of(form: LabFromTextForm, request: HttpRequest) -> Lab | None:
    """Return the lab that was chosen, made if need be; None if it was refused, which is said."""
    lab: Lab | None = form.cleaned_data["lab"]
    if lab:
        return lab
    try:
        return labs.make_lab(form.cleaned_data["new_name"], by=person(request))
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return None
