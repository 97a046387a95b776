"""Instruments in the staff console."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from imaging_app.admin.sections import NeverDeleted
from imaging_app.models import ImagingChannel, ImagingResolution, Microscope, Objective, Wavelength


class WavelengthForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A wavelength that was imaged keeps its name: folders are called by it."""

    class Meta:
        model = Wavelength
        fields = ("name", "position", "color", "may_register")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and ImagingChannel.objects.filter(wavelength=self.instance).exists():
            self.fields["name"].disabled = True
            self.fields["position"].disabled = True


class WavelengthInline(NeverDeleted, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The laser lines of a microscope."""

    model = Wavelength
    form = WavelengthForm
    extra = 0


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


class ObjectiveInline(NeverDeleted, StackedInline):  # type: ignore[misc]  # unfold has no type hints
    """The objectives of a microscope."""

    model = Objective
    form = ObjectiveForm
    extra = 0
    show_change_link = True


@admin.register(Microscope)
class MicroscopeAdmin(NeverDeleted, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Microscopes with their wavelengths and objectives."""

    list_display = ("label", "name", "layout", "status", "status_note")
    list_filter = ("status", "layout")
    search_fields = ("name", "label")
    inlines: ClassVar = [WavelengthInline, ObjectiveInline]


@admin.register(Objective)
class ObjectiveAdmin(NeverDeleted, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Objectives: what researchers order as resolutions."""

    form = ObjectiveForm
    list_display = (
        "name", "microscope", "magnification", "pixel", "default_z_step_um", "max_tiles_per_side",
        "has_zoom", "is_offered",
    )  # fmt: skip
    list_filter = ("microscope", "is_offered", "only_generic_imaging")
    list_select_related = ("microscope",)
    search_fields = ("name", "label")

    @admin.display(description="xy pixel (µm)")
    def pixel(self, objective: Objective) -> str:
        return f"{objective.pixel_um():.3f}"
