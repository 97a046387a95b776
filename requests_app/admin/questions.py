"""What actions of the console ask, in the console's own fields."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from core_app.models import User
from requests_app.admin.filters import clearing_staff
from requests_app.services.clearing import MOST_LINK

MOST_REASON = 500


class ReasonForm(forms.Form):
    """Why, in words."""

    reason = forms.CharField(
        max_length=MOST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It stays in the history.",
        error_messages={"required": "Say why, so that everybody involved understands it later."},
    )


class ColleagueForm(forms.Form):
    """Somebody of the clearing staff."""

    clearer = forms.ModelChoiceField(
        queryset=User.objects.none(), widget=UnfoldAdminSelectWidget(), empty_label="Choose…"
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        people = User.objects.filter(pk__in=[person.pk for person in clearing_staff()])
        field = self.fields["clearer"]
        field.queryset = people.order_by("username")  # type: ignore[attr-defined]  # a ModelChoiceField


class CompletionForm(forms.Form):
    """What completing a batch needs to know."""

    skip_missing = forms.BooleanField(
        required=False,
        label="Steps that are not logged were left out on purpose",
        widget=UnfoldBooleanWidget(),
        help_text="Without this, a batch with such steps stays as it is.",
    )
    link = forms.URLField(
        required=False,
        max_length=MOST_LINK,
        assume_scheme="https",
        label="Address of the spreadsheet with the steps",
        widget=UnfoldAdminTextInputWidget(),
        help_text="Experimental protocols need it. It is stored for those of the chosen batches.",
    )

    def __init__(self, *args: Any, asks_link: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not asks_link:
            del self.fields["link"]
