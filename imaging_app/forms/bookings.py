"""What people type to book a microscope, and which days of its use they ask for."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from core_app.models import User
from imaging_app.local_times import Occurs, instead_of, moment_of, occurs, zone_names
from imaging_app.models import ImagingBatch
from imaging_app.services.bookings import MOST_PURPOSE
from imaging_app.slots import Slot
from imaging_app.weeks import FIRST_YEAR, LAST_YEAR

FORMAT = "%Y-%m-%dT%H:%M"
MOMENTS = ("begins", "ends")
NO_MOMENT = "Give day and time, such as 2026-12-01 09:00."
MOST_DAYS = 5 * 366
LOOKS_BACK = timedelta(weeks=11)


class MomentInput(forms.TextInput):
    """Day and time. Browsers without such a field show a line to type it in."""

    input_type = "datetime-local"


def _moment_field(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=32,
        widget=MomentInput(attrs={"step": "900"}),
        error_messages={"required": NO_MOMENT},
    )


def _which_field() -> forms.CharField:
    return forms.CharField(label="Which of the two", required=False, widget=forms.RadioSelect)


class SlotForm(forms.Form):
    """From when to when, and what for. Days and times are those of the facility's clocks."""

    begins = _moment_field("From")
    begins_which = _which_field()
    ends = _moment_field("To")
    ends_which = _which_field()
    purpose = forms.CharField(
        label="What for",
        required=False,
        max_length=MOST_PURPOSE,
        help_text="Read by you and imaging staff; others see that the time is taken.",
        error_messages={"max_length": f"Shorten it to {MOST_PURPOSE} characters."},
    )

    def __init__(self, *args: Any, slot: Slot | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asks: set[str] = set()  # which of the two times come twice on that day
        if slot is not None:
            self._show("begins", slot.begins)
            self._show("ends", slot.ends)

    def _show(self, name: str, moment: datetime) -> None:
        local = timezone.localtime(moment)
        self.initial[name] = f"{local:{FORMAT}}"
        clock = local.replace(tzinfo=None, fold=0)
        if occurs(clock, timezone.get_current_timezone()) is Occurs.TWICE:
            self._ask(name, clock)
            self.initial[f"{name}_which"] = str(local.fold)

    def clean(self) -> dict[str, Any]:
        """Turn both times into moments: `slot` is there once both are."""
        begins, ends = (self._moment(name) for name in MOMENTS)
        if begins and ends:
            self.cleaned_data["slot"] = Slot(begins, ends)
        return self.cleaned_data

    def _moment(self, name: str) -> datetime | None:
        text = self.cleaned_data.get(name)
        if not text:
            return None
        clock, zone = clock_in(text), timezone.get_current_timezone()
        if clock is None:
            self.add_error(name, NO_MOMENT)
            return None
        how = occurs(clock, zone)
        if how is Occurs.NEVER:
            self.add_error(name, _left_out(clock))
            return None
        return self._chosen(name, clock) if how is Occurs.TWICE else moment_of(clock, zone)

    def _chosen(self, name: str, clock: datetime) -> datetime | None:
        """Return the one of two moments that was chosen, or ask which."""
        self._ask(name, clock)
        which = self.cleaned_data.get(f"{name}_which")
        if which in {"0", "1"}:
            return moment_of(clock, timezone.get_current_timezone(), second=which == "1")
        twice = f"The clocks show {clock:%H:%M} twice on {clock:%Y-%m-%d}; say which one below."
        self.add_error(name, twice)
        return None

    def _ask(self, name: str, clock: datetime) -> None:
        first, second = zone_names(clock, timezone.get_current_timezone())
        self.asks.add(name)
        self.fields[f"{name}_which"].widget.choices = [
            ("0", f"the first ({first})"),
            ("1", f"the second ({second})"),
        ]


def clock_in(text: str) -> datetime | None:
    """Return the day and time that somebody typed, or None for anything that is none."""
    try:
        clock = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if clock.tzinfo is not None or not FIRST_YEAR <= clock.year <= LAST_YEAR:
        return None
    return clock.replace(second=0, microsecond=0)


def _left_out(clock: datetime) -> str:
    instead = instead_of(clock, timezone.get_current_timezone())
    return (
        f"{clock:%H:%M} does not exist on {clock:%Y-%m-%d}: the clocks go forward then. "
        f"Choose another time, such as {instead:%H:%M}."
    )


class PersonChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker only
    """People by name and account."""

    def label_from_instance(self, obj: User) -> str:
        return f"{obj} ({obj.username})" if str(obj) != obj.username else obj.username


class BookForm(SlotForm):
    """A new booking. Staff also say for whom."""

    person = PersonChoice(
        label="For whom",
        queryset=User.objects.none(),
        required=False,
        empty_label=None,
        error_messages={"invalid_choice": "This account is closed; choose somebody else."},
    )
    batch = forms.ModelChoiceField(
        label="Imaging batch",
        queryset=ImagingBatch.objects.none(),
        required=False,
        empty_label="none in particular",
        error_messages={
            "invalid_choice": "This batch is not open for this microscope (any more); choose again."
        },
    )

    def __init__(
        self, *args: Any, by: User, batches: QuerySet[ImagingBatch], for_others: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["batch"].queryset = batches  # type: ignore[attr-defined]  # a ModelChoiceField
        if for_others:
            people = User.objects.filter(is_active=True).order_by("last_name", "username")
            self.fields["person"].queryset = people  # type: ignore[attr-defined]  # a ModelChoiceField
            self.initial.setdefault("person", by.pk)
        else:
            del self.fields["person"]


class MoveForm(SlotForm):
    """Another time or purpose; `seen` is the revision that the page showed."""

    seen = forms.IntegerField(widget=forms.HiddenInput)


class PeriodForm(forms.Form):
    """Which days, and how they are put together."""

    WEEK, MONTH = "week", "month"

    start = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    end = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))
    by = forms.ChoiceField(label="By", choices=[(WEEK, "week"), (MONTH, "month")])

    def __init__(self, data: Any, *, today: date) -> None:
        monday = today - timedelta(days=today.weekday())
        usual = {"start": monday - LOOKS_BACK, "end": today, "by": self.WEEK}
        given = {name: data.get(name) or value for name, value in usual.items()}
        super().__init__(given)

    def clean(self) -> dict[str, Any]:
        """Refuse what no table shows."""
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end:
            if not all(FIRST_YEAR <= day.year < LAST_YEAR for day in (start, end)):
                self.add_error("start", f"Choose days from {FIRST_YEAR} on.")
            elif end < start:
                self.add_error("end", "The last day lies before the first; give a later one.")
            elif (end - start).days > MOST_DAYS:
                self.add_error("end", "At most five years go into one table; choose fewer.")
        return self.cleaned_data
