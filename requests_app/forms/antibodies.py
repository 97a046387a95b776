"""What people type about antibodies: a trial, and how it went."""

from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from requests_app.models import AntibodyTrial
from requests_app.selectors.trials import ALL_FIELDS, UNRATED
from requests_app.services.antibodies import REQUIRED

Outcome = AntibodyTrial.Outcome


class TrialForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A trial with the fields that the person may write; `seen` is the revision they saw."""

    seen = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    class Meta:
        model = AntibodyTrial
        fields = ALL_FIELDS
        widgets: ClassVar = {
            "tried_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "notes": forms.Textarea(attrs={"rows": 3}),
        }
        labels: ClassVar = {"tried_on": "Date", "is_recommended": "Recommended"}
        error_messages: ClassVar = {
            "tried_on": {"invalid": "Give a day, such as 2026-03-24."},
        }

    def __init__(self, *args: Any, allowed: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in set(ALL_FIELDS) - set(allowed):
            del self.fields[name]
        if self.instance.pk is None:
            self.initial["tried_on"] = timezone.localdate()
            for name in REQUIRED:
                self.fields[name].required = True
        else:
            self.initial["seen"] = self.instance.revision
            if "description" in self.fields:
                self.fields["description"].required = bool(self.instance.description)

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        return {name: self.cleaned_data[name] for name in self.fields if name != "seen"}


class OutcomeForm(forms.Form):
    """One tap: how it went, and perhaps a note."""

    outcome = forms.ChoiceField(choices=Outcome.choices, required=False)
    note = forms.CharField(required=False, max_length=512)
    seen = forms.IntegerField(min_value=1)


class HistoryFilter(forms.Form):
    """The filters of the history as they stand in the address; anything else is no filter."""

    q = forms.CharField(required=False, max_length=128)
    species = forms.CharField(required=False, max_length=128)
    protocol = forms.CharField(required=False, max_length=64)
    outcome = forms.ChoiceField(
        required=False, choices=[*((o.value, o.label) for o in Outcome if o), (UNRATED, "")]
    )
    recommended = forms.BooleanField(required=False)

    def chosen(self) -> dict[str, Any]:
        """Return what is asked for; a value that means nothing is left out."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}
