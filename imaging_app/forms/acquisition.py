"""What the imager types: how each channel of one sample was acquired."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django import forms
from django.http import QueryDict

from core_app.errors import DomainError, Invalid
from imaging_app import raw_data
from imaging_app.models import ImagingChannel, ImagingRequest, ImagingResolution
from imaging_app.raw_data import RawFolder
from imaging_app.services.acquisitions import LONGEST_NOTES, Span
from imaging_app.services.channels import Acquisition
from pipeline.raw.metadata import Fact

Folders = Mapping[tuple[int, bool], Sequence[RawFolder]]
ONLY_OF_A_FOLDER = ("raw_subfolder", "z_planes")


class MomentInput(forms.DateTimeInput):
    """Date and time to the minute, as browsers' own field for it takes it."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"class": "form-control"}, format="%Y-%m-%dT%H:%M")


class ChannelForm(forms.Form):
    """One channel. What is given is judged by the service; the form only reads it."""

    raw_subfolder = forms.ChoiceField(
        required=False,
        label="Raw folder",
        error_messages={"invalid_choice": "This folder is not there (any more). Press Look again."},
    )
    z_planes = forms.IntegerField(required=False, label="Planes", min_value=1)
    z_step_um = forms.FloatField(label="z step (µm)")
    left_sheet = forms.BooleanField(required=False, label="Left sheet")
    right_sheet = forms.BooleanField(required=False, label="Right sheet")
    tile_columns = forms.IntegerField(label="Tile columns", min_value=1)
    tile_rows = forms.IntegerField(label="Tile rows", min_value=1)
    tile_overlap = forms.FloatField(label="Tile overlap", help_text="A fraction: 10 % is 0.1.")
    orientation = forms.ChoiceField(choices=ImagingChannel.Orientation, label="Orientation")
    zoom = forms.FloatField(label="Zoom")

    def __init__(
        self, data: QueryDict | None, *, channel: ImagingChannel, folders: Sequence[RawFolder]
    ) -> None:
        stored = {name: getattr(channel, name) for name in Acquisition.__dataclass_fields__}
        super().__init__(data, prefix=f"channel-{channel.pk}", initial=stored)
        self.folders = folders
        self.fields["raw_subfolder"].choices = _choices(channel.raw_subfolder, folders)  # type: ignore[attr-defined]  # a ChoiceField
        if not channel.resolution.objective.has_zoom:
            del self.fields["zoom"]
        for field in self.fields.values():
            field.widget.attrs.update(_attributes(field))

    def keep(self, typed: QueryDict) -> None:
        """Show what was typed, without judging it: nothing is to be saved yet."""
        for name, field in self.fields.items():
            self.initial[name] = field.widget.value_from_datadict(typed, {}, self.add_prefix(name))

    def fill(self, facts: Mapping[str, Fact]) -> None:
        """Show what the files say; each field remembers where it was read."""
        for name, value in raw_data.values_of(facts).items():
            if name in self.fields:
                self.initial[name] = value
                self.fields[name].help_text = f"Read from {facts[raw_data.FACT_OF[name]].source}."

    @property
    def is_left_open(self) -> bool:
        """Return True for a channel whose data is not there yet: nothing about it was typed."""
        return not any(self.cleaned_data[n] for n in ONLY_OF_A_FOLDER) and not self.has_changed()

    def acquisition(self) -> Acquisition:
        return Acquisition(**self.cleaned_data)


class TimesForm(forms.Form):
    """When the microscope was at work on one objective."""

    start = forms.DateTimeField(
        required=False, label="Acquisition began", widget=MomentInput(),
        error_messages={"invalid": "Give date and time, such as 2030-01-07 14:30."},
    )  # fmt: skip
    end = forms.DateTimeField(
        required=False, label="Acquisition ended", widget=MomentInput(),
        error_messages={"invalid": "Give date and time, such as 2030-01-07 14:30."},
    )  # fmt: skip

    def __init__(self, data: QueryDict | None, *, resolution: ImagingResolution) -> None:
        stored = {
            "start": resolution.acquisition_started_at,
            "end": resolution.acquisition_ended_at,
        }
        super().__init__(data, prefix=f"resolution-{resolution.pk}", initial=stored)

    def keep(self, typed: QueryDict) -> None:
        """Show what was typed, without judging it."""
        for name in self.fields:
            self.initial[name] = typed.get(self.add_prefix(name), "")

    def span(self) -> Span:
        return Span(self.cleaned_data["start"], self.cleaned_data["end"])


class NotesForm(forms.Form):
    """What the imager has to say about one sample."""

    notes = forms.CharField(
        required=False, label="Notes from imaging", max_length=LONGEST_NOTES,
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
        help_text="Whoever processes and uses the data reads them.",
    )  # fmt: skip


def _choices(stored: str, folders: Sequence[RawFolder]) -> list[tuple[str, str]]:
    found = [(f.name, f"{f.name} ({f.holds})") for f in folders]
    gone = stored and stored not in {folder.name for folder in folders}
    return [("", "Choose…"), *found, *([(stored, f"{stored} (not found)")] if gone else [])]


def _attributes(field: forms.Field) -> dict[str, str]:
    looks = ((forms.CheckboxInput, "form-check-input"), (forms.Select, "form-select"))
    look = next((look for kind, look in looks if isinstance(field.widget, kind)), "form-control")
    words = {"class": look}
    if isinstance(field, forms.FloatField):
        words["step"] = "any"
    if isinstance(field.widget, forms.NumberInput):
        words["inputmode"] = "decimal" if "step" in words else "numeric"
    return words


@dataclass(slots=True)
class Row:
    """One channel with its form."""

    channel: ImagingChannel
    form: ChannelForm

    @property
    def purposes(self) -> list[str]:
        return [purpose.replace("_", " ") for purpose in self.channel.purposes]

    @property
    def place(self) -> tuple[int, bool, str]:
        return (*place_of(self.channel), str(self.form.cleaned_data.get("raw_subfolder", "")))


def place_of(channel: ImagingChannel) -> tuple[int, bool]:
    """Return what decides where a channel's raw folders lie: its objective and orientation."""
    return (channel.resolution_id, channel.ventral_up)


class AcquisitionEntry:
    """The channels of one sample as one form."""

    def __init__(
        self,
        found: ImagingRequest,
        channels: Sequence[ImagingChannel],
        folders: Folders,
        data: QueryDict | None = None,
    ) -> None:
        self.rows = [
            Row(c, ChannelForm(data, channel=c, folders=folders.get(place_of(c), ())))
            for c in channels
        ]
        resolutions = {channel.resolution_id: channel.resolution for channel in channels}
        self.times = {pk: TimesForm(data, resolution=row) for pk, row in resolutions.items()}
        self.notes = NotesForm(data, initial={"notes": found.notes_from_imaging})
        self.refusal = ""
        self.said: list[str] = []

    def is_valid(self) -> bool:
        """Read every row, so that every problem is shown at once."""
        forms_of_it = [*(row.form for row in self.rows), *self.times.values(), self.notes]
        all_read = all([form.is_valid() for form in forms_of_it])
        if all_read and not self._entered():
            self.refusal = "Choose the raw folder and give the planes of at least one channel."
            return False
        return all_read and self._complete_sharing()

    def settings_of(self) -> dict[int, Acquisition]:
        """Return {channel id: acquisition} of the channels that were entered."""
        return {row.channel.pk: row.form.acquisition() for row in self._entered()}

    def spans(self) -> dict[int, Span]:
        """Return {resolution id: when it was imaged}."""
        return {pk: form.span() for pk, form in self.times.items()}

    @property
    def has_errors(self) -> bool:
        parts = [*(row.form for row in self.rows), *self.times.values(), self.notes]
        return bool(self.refusal) or any(part.errors for part in parts)

    def keep(self, typed: QueryDict) -> None:
        """Show what was typed without judging it."""
        for row in self.rows:
            row.form.keep(typed)
        for form in self.times.values():
            form.keep(typed)
        self.notes.initial["notes"] = typed.get("notes", "")

    def fill(self) -> None:
        """Read the chosen folders, and show what they say in place of what was typed."""
        groups: dict[tuple[int, bool, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            chosen = str(row.form.initial.get("raw_subfolder") or "")
            chosen = chosen or raw_data.likely_folder(row.channel, row.form.folders)
            if chosen:
                row.form.initial["raw_subfolder"] = chosen
                groups[*place_of(row.channel), chosen].append(row)
        if not groups:
            self.said = ["Choose the raw folder of a channel first; then its files can be read."]
        for (_, _, chosen), rows in groups.items():
            look = raw_data.survey([row.channel for row in rows], chosen)
            for row, facts in zip(rows, look.facts, strict=True):
                row.form.fill(facts)
            self.said += look.said

    def show(self, refusal: DomainError) -> None:
        """Put the words of a refusal beside the channels that it names, and on top."""
        self.refusal = refusal.message
        fields = refusal.fields if isinstance(refusal, Invalid) else {}
        for row in self.rows:
            for text in fields.get(f"channel-{row.channel.pk}", []):
                row.form.add_error(None, text)
        for pk, form in self.times.items():
            for text in fields.get(f"resolution-{pk}", []):
                form.add_error("end", text)

    def _entered(self) -> list[Row]:
        return [row for row in self.rows if not row.form.is_left_open]

    def _complete_sharing(self) -> bool:
        """Give a channel without planes everything of the channel whose folder it shares."""
        first_in: dict[tuple[int, bool, str], Row] = {}
        for row in self._entered():
            first = first_in.setdefault(row.place, row)
            if row.form.cleaned_data["z_planes"] is not None:
                continue
            if first is row:
                row.form.add_error("z_planes", "Give the number of planes.")
            else:
                row.form.cleaned_data |= first.form.cleaned_data
        return not any(row.form.errors for row in self.rows)
