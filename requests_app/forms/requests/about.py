"""The first step of a new request: what it is about, whose it is, and how it is done."""

from typing import Any

from django import forms

from core_app.models import User
from requests_app.models import Request, Species
from requests_app.models.request import REQUEST_NAME
from requests_app.plans import MOST_SAMPLES

PREFIX = "about"
RETENTION_HELP = (
    "Raw data that matters less may be deleted once it is processed; "
    "processed data is never deleted."
)
AUDITOR_HELP = (
    "The username of a person who may follow this request: its page, its progress and its volumes. "
    "They change nothing."
)


class AboutForm(forms.Form):
    """What the request is about, whose it is, and how it is done."""

    name = forms.CharField(
        label="Request name",
        max_length=64,
        validators=[REQUEST_NAME],
        help_text="Letters, digits, blanks, underscores and hyphens. It cannot change later.",
    )
    description = forms.CharField(
        max_length=250, widget=forms.Textarea(attrs={"rows": 2}), label="What is it for?"
    )
    lab = forms.CharField(
        max_length=50,
        help_text="The research group that the request belongs to.",
        widget=forms.TextInput(attrs={"list": "labs"}),
    )
    correspondence_email = forms.EmailField(
        max_length=100,
        label="Mail goes to",
        help_text="Everything we write about this request goes to this address.",
    )
    species = forms.ChoiceField(initial="mouse")
    number_of_samples = forms.IntegerField(
        label="Number of samples",
        min_value=1,
        max_value=MOST_SAMPLES,
        initial=1,
        help_text=f"Tubes, 1 to {MOST_SAMPLES}. Each gets a row in the next step.",
        error_messages={
            "invalid": f"Give a whole number from 1 to {MOST_SAMPLES}.",
            "min_value": f"Give a whole number from 1 to {MOST_SAMPLES}.",
            "max_value": f"A request holds at most {MOST_SAMPLES} samples; make two of it.",
        },
    )
    retention = forms.ChoiceField(
        choices=Request.Retention, label="Keeping the raw data is", help_text=RETENTION_HELP
    )
    auditor = forms.CharField(max_length=20, required=False, help_text=AUDITOR_HELP)
    self_clearing = forms.BooleanField(
        required=False,
        label="We clear the samples ourselves",
        help_text="Then no hand-off date is needed, and you log the steps.",
    )
    self_imaging = forms.BooleanField(
        required=False,
        label="We image the samples ourselves",
        help_text="Then you enter the acquisition and check the raw data.",
    )
    testing = forms.BooleanField(required=False, label="This is a test (of a protocol, say)")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"prefix": PREFIX, "use_required_attribute": False}
        super().__init__(*args, **kwargs)
        self.fields["species"].choices = [(s.name, s.label) for s in Species.objects.all()]  # type: ignore[attr-defined]  # a ChoiceField

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean_auditor(self) -> str:
        return str(self.cleaned_data["auditor"]).strip().lower()


class BehalfForm(forms.Form):
    """For staff: whose request this is, if not their own."""

    username = forms.CharField(
        max_length=20,
        required=False,
        label="Username of the person",
        help_text="The request, its folder and its address become theirs.",
    )
    email = forms.EmailField(
        max_length=100,
        required=False,
        label="Their e-mail, if they have no account yet",
        help_text="An account is made. They sign in by “Forgot your password?”, or through the "
        "institute's sign-in where there is one.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["prefix"] = "other"
        super().__init__(*args, **kwargs)


def first_values(user: User) -> dict[str, Any]:
    """Return what the first step begins with for this person."""
    return {
        "correspondence_email": user.email,
        "lab": next(iter(labs_of(user)), ""),
        "species": "mouse",
        "number_of_samples": "1",
        "retention": Request.Retention.IMPORTANT.value,
    }


def labs_of(user: User) -> list[str]:
    """Return the names of the labs that this person is in."""
    rows = user.memberships.select_related("lab").order_by("id")
    return [membership.lab.name for membership in rows]
