"""What people fill in to share a saved view."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from core_app.models import User
from viewers_app.models import ShareLink
from viewers_app.services.sharing import MOST_USES, Terms

PEOPLE_HELP = (
    "Usernames or e-mail addresses of people with an account here, separated by commas. "
    "Each gets a mail."
)


class DaysForm(forms.Form):
    """How long a link lasts, from today."""

    days = forms.IntegerField(label="Lasts (days)", min_value=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        most = settings.VIEWER_SHARE_MAX_DAYS
        days = self.fields["days"]
        days.initial = min(settings.VIEWER_SHARE_DEFAULT_DAYS, most)
        days.help_text = f"1 to {most} days; you can end it at any time."
        days.widget.attrs["max"] = most


class ShareForm(DaysForm):
    """The terms of a new link."""

    scope = forms.ChoiceField(
        label="Who may open it",
        choices=ShareLink.Scope.choices,
        initial=ShareLink.Scope.NAMED,
        widget=forms.RadioSelect,
    )
    people = forms.CharField(required=False, max_length=4000, help_text=PEOPLE_HELP)
    most_uses = forms.IntegerField(
        label="Most uses",
        required=False,
        min_value=1,
        max_value=MOST_USES,
        help_text="How often it may be opened. Empty: no limit.",
    )
    note = forms.CharField(
        required=False, max_length=200, help_text="What it is for; those you name read it too."
    )
    field_order = ["scope", "people", "days", "most_uses", "note"]

    def clean_people(self) -> tuple[User, ...]:
        """Return the people; names every one that has no account."""
        words = [word for word in re.split(r"[,;\s]+", self.cleaned_data["people"]) if word]
        found = {word: _person(word) for word in dict.fromkeys(words)}
        unknown = [word for word, person in found.items() if person is None]
        if unknown:
            raise ValidationError(
                f"Nobody here is called {', '.join(unknown)}. Correct it, or choose a link for "
                "anyone."
            )
        people = [person for person in found.values() if person is not None]
        return tuple(dict.fromkeys(people))

    def terms(self) -> Terms:
        """Return what was filled in; of a form that is valid."""
        clean = self.cleaned_data
        is_named = clean["scope"] == ShareLink.Scope.NAMED
        return Terms(
            scope=clean["scope"],
            days=clean["days"],
            people=clean["people"] if is_named else (),
            most_uses=clean["most_uses"],
            note=clean["note"],
        )


def _person(word: str) -> User | None:
    """Return the person with this username or address, whatever its case."""
    key = "email__iexact" if "@" in word else "username__iexact"
    people = User.objects.filter(is_active=True, **{key: word})[:2]
    return people[0] if len(people) == 1 else None
