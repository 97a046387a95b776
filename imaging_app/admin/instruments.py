"""Instruments in the staff console."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import StackedInline, TabularInline
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from core_app.admin import HistoryMixin, RecordingMixin
from core_app.http import person
from imaging_app.admin.sections import LookOnly, NeverDeleted
from imaging_app.models import (
    ComponentInstallation,
    ImagingChannel,
    ImagingResolution,
    Microscope,
    Objective,
    Wavelength,
)
from imaging_app.services import upkeep
from requests_app.admin.asking import AskingAdmin, Question, answers_of, chosen
from requests_app.admin.outcomes import for_each

PIXEL_FORMULA = (
    "Camera pixel / (magnification × zoom). Give “xy pixel” only where it was measured and differs."
)
IN_ADDRESSES = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
    "The name stands in addresses: letters, digits, dot, underscore and hyphen only.",
)


class LineChoice(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # generic for the checker only
    """Lines with the microscope they belong to."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} of {obj.microscope.label}"


class WavelengthForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A wavelength that was imaged keeps its name: folders are called by it."""

    equivalents = LineChoice(
        Wavelength.objects.none(), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="Lines of other microscopes that excite the same dyes.",
    )  # fmt: skip
    microscope: ClassVar[Microscope | None] = None

    class Meta:
        model = Wavelength
        fields = ("name", "position", "color", "may_register", "equivalents")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and ImagingChannel.objects.filter(wavelength=self.instance).exists():
            self.fields["name"].disabled = True
            self.fields["position"].disabled = True
        others = Wavelength.objects.select_related("microscope")
        if self.microscope is not None:
            others = others.exclude(microscope=self.microscope)
        self.fields["equivalents"].queryset = others  # type: ignore[attr-defined]  # a ModelMultipleChoiceField


class WavelengthInline(NeverDeleted, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The laser lines of a microscope."""

    model = Wavelength
    form = WavelengthForm
    extra = 0

    def get_formset(
        self, request: HttpRequest, obj: Microscope | None = None, **options: Any
    ) -> Any:
        """Offer as equivalents only what belongs to other microscopes."""
        own = type("OwnWavelengthForm", (WavelengthForm,), {"microscope": obj})
        return super().get_formset(request, obj, **(options | {"form": own}))


class ObjectiveForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """An objective that was used keeps its name and scale, which folders and voxel sizes follow."""

    class Meta:
        model = Objective
        fields = (
            "microscope", "name", "label", "magnification", "camera_pixel_um", "xy_um",
            "default_z_step_um", "max_tiles_per_side", "light_sheets", "has_zoom",
            "only_generic_imaging", "pipelines", "is_offered", "position",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        used = ImagingResolution.objects.filter(objective_id=self.instance.pk)
        if self.instance.pk and used.exists():
            for name in {"microscope", "name", "magnification", "camera_pixel_um", "xy_um"}:
                if name in self.fields:
                    self.fields[name].disabled = True


def pixel_of(objective: Objective) -> str:
    """Return the xy pixel in µm at zoom 1."""
    if objective._state.adding:
        return "–"
    return f"{objective.pixel_um():.3f}"


class ObjectiveInline(NeverDeleted, StackedInline):  # type: ignore[misc]  # unfold has no type hints
    """The objectives of a microscope."""

    model = Objective
    form = ObjectiveForm
    extra = 0
    show_change_link = True
    readonly_fields = ("pixel",)

    @admin.display(description="xy pixel at zoom 1 (µm)")
    def pixel(self, objective: Objective) -> str:
        return pixel_of(objective)

    def get_formset(
        self, request: HttpRequest, obj: Microscope | None = None, **options: Any
    ) -> Any:
        return super().get_formset(
            request, obj, **options, help_texts={"pixel": PIXEL_FORMULA, "xy_um": PIXEL_FORMULA}
        )


class InstallationInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """What is and was built in; entered among the installations, where it is checked."""

    model = ComponentInstallation
    fields = ("component", "position", "installed_on", "removed_on", "installed_by")
    readonly_fields = fields
    show_change_link = True
    verbose_name_plural = "parts, built in now and before"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ComponentInstallation]:
        rows: QuerySet[ComponentInstallation] = super().get_queryset(request)
        return rows.select_related("component", "microscope", "installed_by")


class MicroscopeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A microscope; its status is set by the action of the list, which asks for a reason."""

    class Meta:
        model = Microscope
        fields = (
            "name", "label", "layout", "vendor", "model", "room", "description", "is_bookable",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:
            self.fields["name"].validators.append(IN_ADDRESSES)


class StatusForm(forms.Form):
    """The status that holds until another one is set."""

    status = forms.ChoiceField(choices=Microscope.Status, widget=UnfoldAdminSelectWidget())
    reason = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminTextInputWidget(),
        help_text="Everybody who is signed in reads it. Not needed for operational.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        is_fine = given.get("status") == Microscope.Status.OPERATIONAL
        if not is_fine and not given.get("reason", "").strip() and "reason" not in self.errors:
            self.add_error("reason", "Say why; everybody who is signed in reads it.")
        return given


@admin.register(Microscope)
class MicroscopeAdmin(NeverDeleted, RecordingMixin, HistoryMixin, AskingAdmin):
    """Microscopes with their wavelengths, objectives and parts."""

    form = MicroscopeForm
    list_display = ("label", "name", "layout", "room", "status", "status_note", "is_bookable")
    list_filter = ("status", "layout", "is_bookable")
    search_fields = ("name", "label", "vendor", "model", "room")
    readonly_fields = ("status", "status_note")
    fields = (*MicroscopeForm.Meta.fields, *readonly_fields)
    inlines: ClassVar = [WavelengthInline, ObjectiveInline, InstallationInline]
    actions: ClassVar = ["set_status"]

    def facts_of(self, obj: Microscope) -> set[str]:
        """Return what others rely on: names, lines with their equivalents, objectives."""
        values = {f"{name} {getattr(obj, name)}" for name in MicroscopeForm.Meta.fields}
        lines = {
            f"line {line} ({', '.join(sorted(str(e) for e in line.equivalents.all()))})"
            for line in obj.wavelengths.prefetch_related("equivalents")
        }
        return values | lines | {objective_facts(o) for o in obj.objectives.all()}

    @admin.action(description="Set the status…", permissions=["change"])
    def set_status(
        self, request: HttpRequest, queryset: QuerySet[Microscope]
    ) -> HttpResponse | None:
        objects = chosen(queryset)
        form = StatusForm(answers_of(request))
        question = Question(
            "Set the status of these microscopes?", "Set the status", form,
            "It holds until somebody sets another one. For a time with an end, report an outage.",
            line_of=lambda m: f"{m} ({m.get_status_display().lower()} now)",
        )  # fmt: skip
        if page := self.ask(request, objects, question):
            return page
        status, note = form.cleaned_data["status"], form.cleaned_data["reason"]
        for_each(
            request, objects,
            lambda m: upkeep.set_status(m, status, note=note, by=person(request)),
            f"now {status}",
        )  # fmt: skip
        return None


def objective_facts(objective: Objective) -> str:
    """Return what orders rely on, in one line."""
    offered = "offered" if objective.is_offered else "not offered"
    return (
        f"objective {objective.name} ({pixel_of(objective)} µm, z {objective.default_z_step_um}, "
        f"tiles {objective.max_tiles_per_side}, sheets {objective.light_sheets}, {offered})"
    )


@admin.register(Objective)
class ObjectiveAdmin(NeverDeleted, RecordingMixin, HistoryMixin):
    """Objectives: what researchers order as resolutions."""

    form = ObjectiveForm
    list_display = (
        "name", "microscope", "magnification", "pixel", "default_z_step_um", "max_tiles_per_side",
        "has_zoom", "is_offered",
    )  # fmt: skip
    list_filter = ("microscope", "is_offered", "only_generic_imaging")
    list_select_related = ("microscope",)
    search_fields = ("name", "label", "microscope__label")
    readonly_fields = ("pixel",)

    def facts_of(self, obj: Objective) -> set[str]:
        named = ObjectiveForm.Meta.fields
        return {f"{name} {getattr(obj, name)}" for name in named}

    @admin.display(description="xy pixel at zoom 1 (µm)")
    def pixel(self, objective: Objective) -> str:
        return pixel_of(objective)

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        """Explain the pixel size beside it."""
        texts = {"pixel": PIXEL_FORMULA, "xy_um": PIXEL_FORMULA}
        return super().get_form(request, obj, **(options | {"help_texts": texts}))
