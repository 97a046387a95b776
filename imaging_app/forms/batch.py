"""What the imager types on the page of a batch: parameters of its channels, and edits of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django import forms
from django.http import QueryDict

from core_app.errors import DomainError, Invalid
from imaging_app.edits import (
    AddChannel,
    AddTwin,
    ChangeObjective,
    Edit,
    Place,
    RemoveChannel,
    SetPurposes,
)
from imaging_app.models import ImagingChannel
from imaging_app.rules import Setting, parse_tiles
from imaging_app.selectors.batches import BatchBlock, BatchRow, difference, words_of
from requests_app.plans import PURPOSES

FORM_ID = "parameters"
NUMBER = {"invalid": "Type a number, with a point: 0.1.", "required": "Type a number."}


class RowForm(forms.Form):
    """One channel of a batch. What is given is judged by the service; the form only reads it."""

    use = forms.BooleanField(required=False, initial=True, label="Apply")
    orientation = forms.ChoiceField(choices=ImagingChannel.Orientation, label="Orientation")
    left_sheet = forms.BooleanField(required=False, label="Left sheet")
    right_sheet = forms.BooleanField(required=False, label="Right sheet")
    tiles = forms.CharField(
        max_length=20,
        label="Tiles (columns x rows)",
        error_messages={"required": "Type columns x rows, such as 3x2."},
    )
    tile_overlap = forms.FloatField(label="Tile overlap", error_messages=NUMBER)
    z_step_um = forms.FloatField(label="z step (µm)", error_messages=NUMBER)
    zoom = forms.FloatField(label="Zoom", error_messages=NUMBER)

    def __init__(self, data: QueryDict | None, *, row: BatchRow) -> None:
        super().__init__(data, prefix=row.place.key, initial=_as_typed(row.usual))
        if row.place.ventral_up:
            self.fields["orientation"].disabled = True
            self.initial["orientation"] = ImagingChannel.Orientation.HORIZONTAL
        if not row.channel.resolution.objective.has_zoom:
            del self.fields["zoom"]
        for bound in self.fields.values():
            bound.widget.attrs.update(_attributes(bound))

    def clean_tiles(self) -> tuple[int, int]:
        try:
            return parse_tiles(self.cleaned_data["tiles"])
        except Invalid as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    @property
    def setting(self) -> Setting:
        given = {name: value for name, value in self.cleaned_data.items() if name != "use"}
        columns, rows = given.pop("tiles")
        return Setting(tile_columns=columns, tile_rows=rows, **given)


def _as_typed(usual: Setting) -> dict[str, object]:
    return {
        "orientation": usual.orientation,
        "left_sheet": usual.left_sheet,
        "right_sheet": usual.right_sheet,
        "tiles": f"{usual.tile_columns}x{usual.tile_rows}",
        "tile_overlap": _number(usual.tile_overlap),
        "z_step_um": _number(usual.z_step_um),
        "zoom": _number(usual.zoom),
    }


def _number(value: float) -> str:
    """Return a number as people type it, with nothing lost."""
    return str(int(value)) if value == int(value) else repr(value)


def _attributes(bound: forms.Field) -> dict[str, str]:
    # The fields stand outside the form, so that each row has room for forms of its own.
    if isinstance(bound.widget, forms.CheckboxInput):
        return {"class": "form-check-input", "form": FORM_ID}
    if isinstance(bound.widget, forms.Select):
        return {"class": "form-select", "form": FORM_ID}
    words = {"class": "form-control", "form": FORM_ID, "autocomplete": "off"}
    return words | ({"inputmode": "decimal"} if isinstance(bound, forms.FloatField) else {})


@dataclass(slots=True)
class Line:
    """One row of the page: a channel with its form, and what differs from what was typed."""

    row: BatchRow
    form: RowForm
    # Shown after a refusal: what the samples have now.
    stored: str = ""


@dataclass(slots=True)
class Block:
    """One block of the page."""

    block: BatchBlock
    lines: list[Line]


@dataclass(slots=True)
class BatchEntry:
    """The parameters of a batch as one form."""

    blocks: list[Block]
    refusal: str = ""
    problems: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, blocks: Sequence[BatchBlock], data: QueryDict | None = None) -> "BatchEntry":
        return cls([Block(b, [Line(r, _form_of(r, data)) for r in b.rows]) for b in blocks])

    @property
    def lines(self) -> list[Line]:
        return [line for block in self.blocks for line in block.lines]

    def is_valid(self) -> bool:
        """Read every row, so that every problem is shown at once. Only ticked rows count."""
        wrong = [line for line in self.lines if not line.form.is_valid() and _is_used(line)]
        for line in wrong:
            for name, messages in line.form.errors.items():
                label = line.form.fields[name].label if name in line.form.fields else ""
                where = f"{words_of(line.row.channel)}, {label}"
                self.problems += [(line.row.place.key, f"{where}: {text}") for text in messages]
        if wrong:
            self.refusal = "Nothing was applied. Correct what is marked."
        return not wrong

    def settings_of(self) -> dict[Place, Setting]:
        """Return {place: setting} of the rows that are ticked."""
        return {line.row.place: line.form.setting for line in self.lines if _is_used(line)}

    def show(self, refusal: DomainError) -> None:
        """Put the words of a refusal beside the rows that it names, and on top."""
        self.refusal = refusal.message
        fields = refusal.fields if isinstance(refusal, Invalid) else {}
        for line in self.lines:
            for text in fields.get(line.row.place.key, []):
                line.form.add_error(None, text)
                self.problems.append((line.row.place.key, text))

    def compare(self) -> None:
        """Say beside each row what is stored, where it is not what was typed."""
        for line in self.lines:
            if line.form.is_bound and line.form.is_valid():
                line.stored = difference(line.row.usual, line.form.setting)


def _form_of(row: BatchRow, data: QueryDict | None) -> RowForm:
    """Return the form with what was typed; a row that came later was not on the page."""
    was_shown = data is not None and f"{row.place.key}-tiles" in data
    return RowForm(data if was_shown else None, row=row)


def _is_used(line: Line) -> bool:
    return line.form.is_bound and bool(line.form.cleaned_data.get("use"))


KINDS = ("add-channel", "remove-channel", "purposes", "ventral", "objective")


def edit_of(kind: str, typed: QueryDict) -> Edit:
    """Return what a pressed button asks for. Raises Invalid, saying what to choose."""
    purposes = tuple(p for p in PURPOSES if p in typed.getlist("purpose"))
    if kind == "objective":
        to = _id(typed, "to", "Choose the objective to change to.")
        return ChangeObjective(_id(typed, "objective", "Reload the page."), to)
    place = Place(
        _id(typed, "objective", "Reload the page, then press again."),
        _id(typed, "wavelength", "Choose the channel to add."),
        typed.get("side") == "ventral",
    )
    match kind:
        case "add-channel":
            return AddChannel(place, _some(purposes))
        case "purposes":
            return SetPurposes(place, _some(purposes))
        case "ventral":
            return AddTwin(place._replace(ventral_up=False))
        case _:
            return RemoveChannel(place)


def _some(purposes: tuple[str, ...]) -> tuple[str, ...]:
    if not purposes:
        raise Invalid("Tick what the channel is for.", fields={"purposes": ["Tick at least one."]})
    return purposes


def _id(typed: QueryDict, name: str, otherwise: str) -> int:
    text = typed.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(otherwise)
    return int(text)
