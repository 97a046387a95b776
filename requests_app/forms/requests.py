"""The new-request form: what the person types, turned into a RequestPlan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from core_app.models import User
from imaging_app.models import Objective
from requests_app.models import ClearingProtocol, Request, Species, Subject
from requests_app.models.request import REQUEST_NAME, SAMPLE_NAME
from requests_app.plans import (
    MOST_SAMPLES,
    PURPOSES,
    ChannelPlan,
    RequestPlan,
    ResolutionPlan,
    SamplePlan,
)

PURPOSE_LABELS = {
    "registration": "Register",
    "injection_detection": "Injection",
    "probe_detection": "Probe",
    "cell_detection": "Cells",
    "generic_imaging": "Just image",
}
DAY = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class AboutForm(forms.Form):
    """What the request is about, whose it is, and how it is done."""

    name = forms.CharField(label="Request name", max_length=64, validators=[REQUEST_NAME])
    description = forms.CharField(
        max_length=250, widget=forms.Textarea(attrs={"rows": 2}), label="What is it for?"
    )
    lab = forms.CharField(
        max_length=50, help_text="The research group that the request belongs to."
    )
    correspondence_email = forms.EmailField(max_length=100, label="Mail goes to")
    species = forms.ChoiceField()
    retention = forms.ChoiceField(
        choices=Request.Retention,
        label="Keeping the raw data is",
        help_text="Processed data is never deleted.",
    )
    self_clearing = forms.BooleanField(required=False, label="We clear the samples ourselves")
    self_imaging = forms.BooleanField(required=False, label="We image the samples ourselves")
    testing = forms.BooleanField(required=False, label="This is a test (of a protocol, say)")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["species"].choices = [(s.name, s.label) for s in Species.objects.all()]  # type: ignore[attr-defined]  # a ChoiceField

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())


class SampleForm(forms.Form):
    """One row of the sample grid."""

    name = forms.CharField(max_length=64, validators=[SAMPLE_NAME], label="Sample")
    protocol = forms.ChoiceField(label="Clearing protocol")
    antibody1 = forms.CharField(max_length=100, required=False, label="Primary antibody")
    antibody2 = forms.CharField(max_length=100, required=False, label="Secondary antibody")
    expected_handoff_date = forms.DateField(required=False, widget=DAY, label="Hand-off")
    perfusion_date = forms.DateField(required=False, widget=DAY, label="Perfused")
    subject = forms.CharField(max_length=64, required=False, label="Animal")
    notes_for_clearer = forms.CharField(
        max_length=400, required=False, label="Notes for the clearer"
    )

    def __init__(
        self, *args: Any, protocols: Sequence[ClearingProtocol] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        names = dict.fromkeys(p.name for p in protocols)
        self.fields["protocol"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]  # a ChoiceField

    def clean_subject(self) -> str:
        name = str(self.cleaned_data["subject"]).strip()
        if name and not Subject.objects.filter(name=name).exists():
            raise forms.ValidationError(
                "This animal is not in the list; leave it blank if you are not sure."
            )
        return name

    def as_plan(self, resolutions: tuple[ResolutionPlan, ...]) -> SamplePlan:
        return SamplePlan(**self.cleaned_data, resolutions=resolutions)


SampleFormSet = forms.formset_factory(
    SampleForm,
    extra=0,
    min_num=0,
    max_num=MOST_SAMPLES,
    absolute_max=MOST_SAMPLES + 1,
    validate_max=True,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One box of the imaging matrix."""

    field: str
    label: str
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One wavelength of one objective."""

    wavelength: str
    color: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Block:
    """One objective of the imaging matrix, and what choosing it implies."""

    objective: Objective
    implies: str
    lines: list[Line]
    notes_field: str
    notes: str

    @property
    def is_chosen(self) -> bool:
        return any(cell.is_ticked for line in self.lines for cell in line.cells)


def box(objective: str, wavelength: str, purpose: str) -> str:
    """Return the name of one box: `image-1.3x-488-registration`."""
    return f"image-{objective}-{wavelength}-{purpose}"


def imaging_blocks(objectives: Sequence[Objective], data: Mapping[str, Any]) -> list[Block]:
    """Return the imaging matrix with the boxes of `data` ticked."""
    return [_block(objective, data) for objective in objectives]


def _block(objective: Objective, data: Mapping[str, Any]) -> Block:
    purposes = ["generic_imaging"] if objective.only_generic_imaging else list(PURPOSES)
    lines = [
        Line(
            w.name,
            w.color,
            [
                Cell(name, PURPOSE_LABELS[p], bool(data.get(name)))
                for p in purposes
                for name in [box(objective.name, w.name, p)]
            ],
        )
        for w in objective.microscope.wavelengths.all()
    ]
    notes_field = f"notes-{objective.name}"
    return Block(
        objective, _implies(objective), lines, notes_field, str(data.get(notes_field, ""))[:1024]
    )


def _implies(objective: Objective) -> str:
    use = "for viewing only" if objective.only_generic_imaging else "can be registered to an atlas"
    return f"{objective.pixel_um():.4g} µm pixels, {use}"


def resolutions_of(
    objectives: Sequence[Objective], data: Mapping[str, Any]
) -> tuple[ResolutionPlan, ...]:
    """Return the objectives with at least one ticked box."""
    return tuple(
        ResolutionPlan(block.objective.name, _channels(block), notes_for_imager=block.notes.strip())
        for block in imaging_blocks(objectives, data)
        if block.is_chosen
    )


def _channels(block: Block) -> tuple[ChannelPlan, ...]:
    return tuple(
        ChannelPlan(
            line.wavelength, tuple(c.field.rsplit("-", 1)[1] for c in line.cells if c.is_ticked)
        )
        for line in block.lines
        if any(cell.is_ticked for cell in line.cells)
    )


class RequestEntry:
    """The three parts of the page together: about, samples, imaging. Bound to what was typed."""

    def __init__(
        self,
        data: QueryDict | None,
        *,
        user: User,
        protocols: Sequence[ClearingProtocol],
        objectives: Sequence[Objective],
        is_resumed: bool = False,
    ) -> None:
        """`is_resumed` shows what was typed without judging it yet."""
        self.data = data or QueryDict()
        self.objectives = objectives
        first = {
            "correspondence_email": user.email,
            "lab": _lab_of(user),
            **_typed_in(self.data, "about"),
        }
        bound = None if is_resumed else data
        self.about = AboutForm(bound, prefix="about", initial=first)
        self.samples = SampleFormSet(
            bound,
            prefix="samples",
            initial=_rows(self.data) if bound is None else None,
            # A row that was added counts as much as the first: none may be left empty.
            form_kwargs={
                "protocols": protocols,
                "empty_permitted": False,
                "use_required_attribute": False,
            },
        )
        self.blocks = imaging_blocks(objectives, self.data)

    def is_valid(self) -> bool:
        """Check fields one by one; what spans them is the plan's own check."""
        return all([self.about.is_valid(), self.samples.is_valid()])

    def plan(self) -> RequestPlan:
        """Return the plan; only after is_valid()."""
        resolutions = resolutions_of(self.objectives, self.data)
        samples = tuple(form.as_plan(resolutions) for form in self.samples.forms)
        return RequestPlan(**self.about.cleaned_data, samples=samples)

    def show(self, problems: Mapping[str, Sequence[str]]) -> list[str]:
        """Put the plan's problems beside their fields; return those that belong to no one field."""
        rest: list[str] = []
        for address, messages in problems.items():
            if not self._place(address, list(messages)):
                rest += [m for m in messages if m not in rest]
        return rest

    def _place(self, address: str, messages: list[str]) -> bool:
        parts = address.split(".")
        if parts[0] in self.about.fields and len(parts) == 1:
            self.about.add_error(parts[0], messages)
            return True
        if parts[0] == "samples" and len(parts) == 3 and parts[2] in SampleForm.base_fields:
            self.samples.forms[int(parts[1])].add_error(parts[2], messages)
            return True
        return False


def _typed_in(data: QueryDict, prefix: str) -> dict[str, str]:
    """Return {field: text} of the fields with this prefix."""
    return {
        key.removeprefix(f"{prefix}-"): str(data[key])
        for key in data
        if key.startswith(f"{prefix}-")
    }


def _count(data: QueryDict) -> int:
    """Return the number of sample rows, 1 to 50, whatever the browser claims."""
    total = str(data.get("samples-TOTAL_FORMS", ""))
    count = int(total) if total.isdecimal() and len(total) < 4 else 1
    return max(1, min(count, MOST_SAMPLES))


def _rows(data: QueryDict) -> list[dict[str, str]]:
    """Return what was typed of each sample; at least one row."""
    return [_typed_in(data, f"samples-{row}") for row in range(_count(data))]


def _lab_of(user: User) -> str:
    membership = user.memberships.select_related("lab").order_by("id").first()
    return membership.lab.name if membership else ""


def more_rows(data: QueryDict, count: int) -> QueryDict:
    """Return the data with `count` more samples: copies of the last one with the next names."""
    copy = data.copy()
    total = _count(copy)
    wanted = min(total + max(count, 0), MOST_SAMPLES)
    for row in range(total, wanted):
        for field in SampleForm.base_fields:
            copy[f"samples-{row}-{field}"] = copy.get(f"samples-{row - 1}-{field}", "")
        copy[f"samples-{row}-name"] = next_name(copy.get(f"samples-{row - 1}-name", ""), row + 1)
        copy[f"samples-{row}-subject"] = ""
    copy["samples-TOTAL_FORMS"] = str(wanted)
    return copy


def without_row(data: QueryDict, row: int) -> QueryDict:
    """Return the data without one sample; the rows after it move up."""
    copy = data.copy()
    total = _count(copy)
    if not 0 <= row < total or total == 1:
        return copy
    for index in range(row, total):
        for field in SampleForm.base_fields:
            following = copy.get(f"samples-{index + 1}-{field}")
            copy[f"samples-{index}-{field}"] = following or ""
    copy["samples-TOTAL_FORMS"] = str(total - 1)
    return copy


def next_name(name: str, number: int) -> str:
    """Return `brain-002` after `brain-001`; a name without a number gets one."""
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    if not digits:
        return f"{name or 'sample'}-{number:03d}"[:64]
    return f"{stem}{int(digits) + 1:0{len(digits)}d}"[:64]
