"""What people type at the bench: a step, the end of a batch."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.validators import MinValueValidator
from django.utils import timezone

from core_app.errors import DomainError, Invalid
from requests_app.models import ClearingStepLog, ProtocolStep
from requests_app.services.clearing import MOST_LINK
from requests_app.services.steps import MOST_LOT

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST_WAIT_S = 30 * 86_400
NOW = "now"


class StepForm(forms.Form):
    """One entry: `when` is "now" or "typed"; `replaces` is the revision that the person saw.

    `person` is who typed it: on a shared computer somebody else may be signed in by now.
    `seconds_ago` comes with an entry that waited for the network: a phone's clock may be wrong, but
    it counts seconds well.
    """

    when = forms.CharField(required=False)
    performed_at = forms.DateTimeField(
        required=False,
        label="Done at",
        validators=[MinValueValidator(EARLIEST, "This time lies too far back; check the year.")],
        error_messages={"invalid": "Give date and time, such as 2026-03-24 14:05."},
    )
    seconds_ago = forms.IntegerField(required=False, min_value=0, max_value=LONGEST_WAIT_S)
    note = forms.CharField(required=False)
    lot = forms.CharField(required=False, max_length=MOST_LOT)
    replaces = forms.IntegerField(required=False, min_value=0, max_value=32_000)
    person = forms.CharField(required=False, max_length=150)

    def __init__(self, *args: Any, step: ProtocolStep, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["note"] = forms.CharField(required=False, max_length=step.note_max)

    def entry(self, shown: ClearingStepLog | None) -> dict[str, Any]:
        """Return the arguments of `clearing.record_step`. `shown` is the entry being corrected."""
        given = self.cleaned_data
        return {
            "performed_at": self._performed_at(shown),
            "note": given["note"],
            "lot": given["lot"],
            "replaces": given["replaces"] or 0,
        }

    @property
    def typed(self) -> list[str]:
        """Return what was typed, to be copied where it can no longer be saved."""
        names = ("performed_at", "note", "lot")
        return [text for name in names if (text := str(self.data.get(name, "")).strip())]

    def _performed_at(self, shown: ClearingStepLog | None) -> datetime:
        typed: datetime | None = self.cleaned_data["performed_at"]
        if typed is None:
            return timezone.now() - timedelta(seconds=self.cleaned_data["seconds_ago"] or 0)
        if shown is not None and shown.performed_at.replace(second=0, microsecond=0) == typed:
            return shown.performed_at  # the box shows minutes; who left it alone changed no time
        return typed


class StartForm(forms.Form):
    """When the steps of a batch begin."""

    start = forms.DateTimeField(
        label="Start",
        error_messages={
            "required": "Choose a date and a time for the start.",
            "invalid": "Give date and time, such as 2026-03-24 09:00.",
        },
    )


class PinForm(forms.Form):
    """A time for one step; `seen` is the one that the person saw."""

    starts_at = forms.DateTimeField(
        error_messages={
            "required": "Choose a date and a time for this step.",
            "invalid": "Give date and time, such as 2026-03-24 09:00.",
        },
    )
    seen = forms.DateTimeField(required=False)


class CompleteForm(forms.Form):
    """The end of a batch."""

    link = forms.CharField(required=False, max_length=MOST_LINK, label="Spreadsheet with the steps")
    left_out = forms.BooleanField(required=False, label="These steps were left out on purpose")


def add_refusal(form: forms.BaseForm, refusal: DomainError) -> None:
    """Show a refusal of a service beside the fields it names, else on top of the form."""
    fields = refusal.fields if isinstance(refusal, Invalid) else {}
    for name, texts in fields.items():
        form.add_error(name if name in form.fields else None, texts)
    if not set(fields) & set(form.fields):
        form.add_error(None, refusal.message)
