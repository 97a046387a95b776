"""What people enter about instruments. The services judge it; here it is read and shown again."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from core_app.errors import DomainError
from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    Microscope,
    Objective,
    ObjectiveSwap,
    Outage,
    Wavelength,
)
from imaging_app.selectors import instruments as reads
from imaging_app.services import upkeep
from requests_app.forms.clearing import add_refusal

OTHER_KIND = "other"


def day_field(**attributes: str) -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date", **attributes}, format="%Y-%m-%d")


def text_box() -> forms.Textarea:
    return forms.Textarea(attrs={"rows": 2})


def time_field() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class JudgedForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A form whose row is judged by the checks of the service, which say what to do next.

    The model's own constraints say the same without words, so they are left to the database.
    """

    def clean(self) -> dict[str, Any]:
        return self.cleaned_data

    def _get_validation_exclusions(self) -> set[str]:
        return {field.name for field in self.instance._meta.get_fields()}

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        if self.errors:
            return
        try:
            upkeep.check(self.instance)
        except DomainError as refusal:
            add_refusal(self, refusal)


class EntryForm(JudgedForm):
    """A new entry about one microscope, on its page; `prefix` keeps several forms apart."""

    KEY: ClassVar = ""

    def __init__(self, data: Any = None, *, microscope: Microscope) -> None:
        super().__init__(data, prefix=self.KEY)
        self.instance.microscope = microscope
        self.limit(microscope)

    def limit(self, microscope: Microscope) -> None:
        """Offer only what belongs to this microscope."""


def _own(form: forms.BaseForm, name: str, rows: Any, *, empty: str = "None") -> None:
    field = form.fields[name]
    field.queryset = rows  # type: ignore[attr-defined]  # a ModelChoiceField
    field.empty_label = empty  # type: ignore[attr-defined]  # a ModelChoiceField


class OutageForm(EntryForm):
    """An outage that begins now, unless a time is given."""

    KEY = "outage"
    starts_at = forms.DateTimeField(
        required=False, label="From", widget=time_field(), help_text="Blank: from now on.",
        error_messages={"invalid": "Give date and time, such as 2026-03-24 09:00."},
    )  # fmt: skip
    ends_at = forms.DateTimeField(
        required=False, label="Until", widget=time_field(), help_text="Blank: nobody knows yet.",
        error_messages={"invalid": "Give date and time, such as 2026-03-24 09:00."},
    )  # fmt: skip

    class Meta:
        model = Outage
        fields = ("severity", "reason", "starts_at", "ends_at")

    def clean_starts_at(self) -> Any:
        return self.cleaned_data["starts_at"] or timezone.now()


class StatusForm(forms.Form):
    """The status that holds until somebody sets another."""

    KEY: ClassVar = "status"
    status = forms.ChoiceField(choices=Microscope.Status)
    reason = forms.CharField(
        required=False, max_length=200, label="Reason", help_text="Not needed for operational."
    )

    def __init__(self, data: Any = None, *, microscope: Microscope) -> None:
        self.microscope = microscope
        initial = {"status": microscope.status, "reason": microscope.status_note}
        super().__init__(data, prefix=self.KEY, initial=initial)


@dataclass(frozen=True, slots=True)
class Group:
    """The items of one kind of maintenance, as check boxes."""

    kind: str
    items: tuple[tuple[str, str, bool], ...]


class MaintenanceForm(EntryForm):
    """What was done: a kind of the list with its items, or anything else in words."""

    KEY = "maintenance"
    listed_kind = forms.ChoiceField(
        label="What was done",
        choices=[*((kind, kind) for kind in upkeep.KINDS), (OTHER_KIND, "Something else")],
    )
    kind = forms.CharField(
        required=False, max_length=64, label="If something else, what",
        help_text="Always the same words, so that it is known when it is due again.",
    )  # fmt: skip
    done = forms.MultipleChoiceField(
        required=False,
        label="Looked at",
        widget=forms.CheckboxSelectMultiple,
        choices=[
            (kind, [(f"{kind}: {item}", item) for item in items])
            for kind, items in upkeep.CHECKLISTS.items()
        ],
    )
    others = forms.CharField(
        required=False, max_length=1000, widget=text_box(),
        label="Looked at as well", help_text="One item a line.",
    )  # fmt: skip

    class Meta:
        model = MaintenanceEntry
        fields = ("component", "performed_on", "notes", "downtime_minutes", "next_due_on")
        widgets: ClassVar = {
            "performed_on": day_field(),
            "next_due_on": day_field(),
            "notes": text_box(),
        }
        labels: ClassVar = {
            "component": "Part",
            "performed_on": "Day",
            "downtime_minutes": "Downtime (min)",
            "next_due_on": "Due again on",
        }

    field_order = ("listed_kind", "kind", "done", "others")

    def limit(self, microscope: Microscope) -> None:
        self.fields["downtime_minutes"].required = False
        _own(self, "component", reads.built_in(microscope), empty="The whole instrument")
        self.initial.setdefault("performed_on", timezone.localdate())

    @property
    def groups(self) -> list[Group]:
        """Return the lists of all kinds; the page shows the one that is chosen."""
        ticked = set(self["done"].value() or ())
        return [
            Group(kind, tuple((f"{kind}: {i}", i, f"{kind}: {i}" in ticked) for i in items))
            for kind, items in upkeep.CHECKLISTS.items()
        ]

    def clean_downtime_minutes(self) -> int:
        return self.cleaned_data["downtime_minutes"] or 0

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        listed = given.get("listed_kind", "")
        kind = given.get("kind", "").strip() if listed == OTHER_KIND else listed
        if listed == OTHER_KIND and not kind:
            self.add_error("kind", "Say what was done, or choose one of the list above.")
        done = {item.partition(": ")[2] for item in given.get("done", ()) if _is_of(item, kind)}
        others = given.get("others", "").splitlines()
        self.instance.kind = kind
        self.instance.checklist = [list(i) for i in upkeep.checklist_of(kind, done, others)]
        return given


def _is_of(item: str, kind: str) -> bool:
    return item.partition(": ")[0] == kind


class InstallForm(EntryForm):
    """A part that is built in: one that is free, or a new one."""

    KEY = "part"
    component = forms.ModelChoiceField(
        Component.objects.none(), required=False, label="A part that is free",
        empty_label="A new part, described below",
    )  # fmt: skip

    class Meta:
        model = ComponentInstallation
        fields = ("component", "position", "installed_on", "notes")
        widgets: ClassVar = {"installed_on": day_field()}
        labels: ClassVar = {"installed_on": "Built in on"}

    def __init__(self, data: Any = None, *, microscope: Microscope) -> None:
        self.new_part = NewComponentForm(data)
        super().__init__(data, microscope=microscope)

    def limit(self, microscope: Microscope) -> None:
        offered = Component.objects.filter(retired_on=None) if self.is_bound else None
        _own(
            self, "component", reads.free_components() if offered is None else offered,
            empty="A new part, described below",
        )  # fmt: skip
        self.initial.setdefault("installed_on", timezone.localdate())

    @property
    def is_of_new_part(self) -> bool:
        return self.is_bound and not self.data.get(self.add_prefix("component"))

    def _post_clean(self) -> None:
        """A new part is judged first; where it is built in cannot be wrong then."""
        if not self.is_of_new_part:
            super()._post_clean()
            return
        if not self.new_part.is_valid():
            text = "Choose a part that is free, or describe the new one: what is marked below."
            self.add_error("component", text)
            return
        self.instance.component = self.new_part.instance
        for name in ("position", "installed_on", "notes"):
            if name in self.cleaned_data:
                setattr(self.instance, name, self.cleaned_data[name])


class NewComponentForm(JudgedForm):
    """A part that the facility did not have so far."""

    class Meta:
        model = Component
        fields = ("kind", "name", "brand", "model", "serial")

    def __init__(self, data: Any = None) -> None:
        # Left out by the browser's own check, as the part may be one that is there already.
        super().__init__(data, prefix="new", use_required_attribute=False)


class SwapForm(EntryForm):
    """A change of objective; what was mounted before is known from the newest change."""

    KEY = "swap"

    class Meta:
        model = ObjectiveSwap
        fields = ("new", "swapped_on", "calibration", "notes")
        widgets: ClassVar = {
            "swapped_on": day_field(),
            "calibration": text_box(),
            "notes": text_box(),
        }
        labels: ClassVar = {
            "new": "Mounted now",
            "swapped_on": "Day",
            "calibration": "How it was calibrated",
        }

    def limit(self, microscope: Microscope) -> None:
        rows = Objective.objects.filter(microscope=microscope)
        _own(self, "new", rows, empty="Choose…")
        self.initial.setdefault("swapped_on", timezone.localdate())


class CalibrationForm(EntryForm):
    """One measured figure."""

    KEY = "calibration"

    class Meta:
        model = Calibration
        fields = ("kind", "value", "objective", "wavelength", "measured_on", "file", "notes")
        widgets: ClassVar = {"measured_on": day_field()}
        labels: ClassVar = {"kind": "What was measured", "measured_on": "Day"}

    def limit(self, microscope: Microscope) -> None:
        _own(self, "objective", Objective.objects.filter(microscope=microscope), empty="All")
        _own(self, "wavelength", Wavelength.objects.filter(microscope=microscope), empty="All")
        self.initial.setdefault("measured_on", timezone.localdate())


class DayForm(forms.Form):
    """The day on which a part was taken out; today, unless another is given."""

    removed_on = forms.DateField(
        required=False, error_messages={"invalid": "Give a day, such as 2026-03-24."}
    )
