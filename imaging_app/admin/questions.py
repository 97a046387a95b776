"""What the console asks and filters about imaging."""

from typing import Any

from django import forms
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from core_app.models import User
from imaging_app.selectors.queue import imaging_staff

Rows = QuerySet[Any]


class ImagerForm(forms.Form):
    """Somebody of the imaging staff."""

    imager = forms.ModelChoiceField(
        queryset=User.objects.none(), widget=UnfoldAdminSelectWidget(), empty_label="Choose…"
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        people = User.objects.filter(pk__in=[person.pk for person in imaging_staff()])
        field = self.fields["imager"]
        field.queryset = people.order_by("username")  # type: ignore[attr-defined]  # a ModelChoiceField


class ImagerFilter(SimpleListFilter):
    """Who images, and what nobody has taken yet."""

    title = "imager"
    parameter_name = "imager"
    path = "imager"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = User.objects.filter(imaging__isnull=False).distinct().order_by("username")
        named = [(str(person.pk), str(person)) for person in people]
        return [("none", "Nobody yet"), ("me", "Me"), *named]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value == "none":
            return queryset.filter(**{self.path: None})
        if value == "me":
            return queryset.filter(**{self.path: request.user.pk})
        if value and value.isascii() and value.isdigit() and len(value) < 10:
            return queryset.filter(**{self.path: int(value)})
        return queryset.none() if value else queryset


class ImagerOfBatchFilter(ImagerFilter):
    """The same, for what lies in a batch."""

    path = "batch__imager"
