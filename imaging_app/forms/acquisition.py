"""What the imager types: how each channel of one sample was acquired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django import forms
from django.http import QueryDict

from core_app.errors import DomainError, Invalid
from imaging_app.models import ImagingChannel
from imaging_app.raw_data import RawFolder
from imaging_app.services.channels import Acquisition

Folders = Mapping[tuple[int, bool], Sequence[RawFolder]]
ONLY_OF_A_FOLDER = ("raw_subfolder", "z_planes")


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
        self.fields["raw_subfolder"].choices = _choices(channel.raw_subfolder, folders)  # type: ignore[attr-defined]  # a ChoiceField
        if not channel.resolution.objective.has_zoom:
            del self.fields["zoom"]
        for field in self.fields.values():
            field.widget.attrs.update(_attributes(field))

    def keep(self, typed: QueryDict) -> None:
        """Show what was typed, without judging it: nothing is to be saved yet."""
        for name, field in self.fields.items():
            self.initial[name] = field.widget.value_from_datadict(typed, {}, self.add_prefix(name))

    @property
    def is_left_open(self) -> bool:
        """Return True for a channel whose data is not there yet: nothing about it was typed."""
        return not any(self.cleaned_data[n] for n in ONLY_OF_A_FOLDER) and not self.has_changed()

    def acquisition(self) -> Acquisition:
        return Acquisition(**self.cleaned_data)


def _choices(stored: str, folders: Sequence[RawFolder]) -> list[tuple[str, str]]:
    found = [(f.name, f"{f.name} ({f.files:,} file{'s' if f.files != 1 else ''})") for f in folders]
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
        self, channels: Sequence[ImagingChannel], folders: Folders, data: QueryDict | None = None
    ) -> None:
        self.rows = [
            Row(c, ChannelForm(data, channel=c, folders=folders.get(place_of(c), ())))
            for c in channels
        ]
        self.refusal = ""

    def is_valid(self) -> bool:
        """Read every row, so that every problem is shown at once."""
        all_read = all([row.form.is_valid() for row in self.rows])
        if all_read and not self._entered():
            self.refusal = "Choose the raw folder and give the planes of at least one channel."
            return False
        return all_read and self._complete_sharing()

    def settings_of(self) -> dict[int, Acquisition]:
        """Return {channel id: acquisition} of the channels that were entered."""
        return {row.channel.pk: row.form.acquisition() for row in self._entered()}

    def keep(self, typed: QueryDict) -> None:
        """Show what was typed without judging it."""
        for row in self.rows:
            row.form.keep(typed)

    def show(self, refusal: DomainError) -> None:
        """Put the words of a refusal beside the channels that it names, and on top."""
        self.refusal = refusal.message
        fields = refusal.fields if isinstance(refusal, Invalid) else {}
        for row in self.rows:
            for text in fields.get(f"channel-{row.channel.pk}", []):
                row.form.add_error(None, text)

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
