"""What people say about a tube: its condition, another day; and what a day of hand-offs takes."""

from datetime import date
from typing import Any

from django import forms

from requests_app.labels import SHEETS
from requests_app.models import Sample
from requests_app.selectors.handoffs import FIRST_YEAR, LAST_YEAR
from requests_app.services.handoffs import MOST_CAPACITY, MOST_NOTE
from requests_app.services.requests import MOST_CONDITION

DAY = {"invalid": "Give a date, such as 2026-12-03.", "required": "Choose a day."}


class ReceiveForm(forms.Form):
    """How a tube looks when it comes. Without a word it is good."""

    condition = forms.ChoiceField(
        choices=Sample.Condition.choices, required=False, widget=forms.RadioSelect
    )
    note = forms.CharField(
        required=False,
        max_length=MOST_CONDITION,
        label="What is wrong",
        error_messages={"max_length": f"At most {MOST_CONDITION} characters; shorten it."},
    )

    def said(self) -> dict[str, Any]:
        """Return the arguments of `requests.receive`."""
        given = self.cleaned_data
        return {"condition": given["condition"] or Sample.Condition.GOOD, "note": given["note"]}


class MoveForm(forms.Form):
    """The day on which a sample will be handed in instead."""

    day = forms.DateField(label="Hand-off", error_messages=DAY)


class DayForm(forms.Form):
    """What one day takes. Empty: no limit."""

    day = forms.DateField(widget=forms.HiddenInput, error_messages=DAY)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    capacity = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_CAPACITY,
        label="Samples it takes",
        error_messages={
            "invalid": "Give a number, 0 for closed, or nothing for no limit.",
            "min_value": "0 means closed; less is not possible.",
            "max_value": f"At most {MOST_CAPACITY}; leave it empty for no limit.",
        },
    )
    note = forms.CharField(
        required=False,
        max_length=MOST_NOTE,
        label="Note for researchers",
        error_messages={"max_length": f"At most {MOST_NOTE} characters; shorten it."},
    )


class LabelForm(forms.Form):
    """Which labels to print, on what paper."""

    format = forms.ChoiceField(
        choices=[(sheet.slug, sheet.title) for sheet in SHEETS],
        initial=SHEETS[0].slug,
        label="Paper",
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    skip = forms.IntegerField(
        required=False,
        min_value=0,
        initial=0,
        max_value=max(sheet.per_page for sheet in SHEETS) - 1,
        label="Labels used up already on the first sheet",
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )


def day_in(text: str) -> date | None:
    """Return the date that an address names, or None for anything that is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None
