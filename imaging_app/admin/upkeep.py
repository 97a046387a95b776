"""Upkeep of instruments in the staff console: the same services as the pages use."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from core_app.errors import DomainError
from core_app.http import person
from core_app.models import User
from imaging_app.admin.sections import LookOnly, NeverDeleted
from imaging_app.forms.upkeep import JudgedForm
from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    ObjectiveSwap,
    Outage,
)
from imaging_app.selectors.instruments import due_maintenance, standing_maintenance
from imaging_app.services import upkeep
from requests_app.admin.asking import AskingAdmin
from requests_app.admin.correcting import CorrectingAdmin
from requests_app.admin.outcomes import for_each


class UpkeepAdmin(NeverDeleted, CorrectingAdmin, AskingAdmin):
    """Base: new entries go through the service of their kind, corrections keep what was."""

    form = JudgedForm
    enter: ClassVar[Callable[..., Any]]
    readonly_fields: tuple[str, ...] = ()
    fixed: ClassVar[tuple[str, ...]] = ("microscope",)  # once it is entered

    def correct(self, obj: Any, values: Mapping[str, Any], *, by: User, seen: int | None) -> None:
        upkeep.correct(obj, values, by=by, seen=seen)

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            type(self).enter(obj, by=person(request))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a refusal of the service as a message; somebody may have been quicker."""
        try:
            response: HttpResponse = super().add_view(request, form_url, extra_context)
        except DomainError as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(self.fixed if obj else ()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"imaging_app.add_{self.opts.model_name}"))


class InstallationsOfPart(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """Where a part is and was built in."""

    model = ComponentInstallation
    fields = ("microscope", "position", "installed_on", "removed_on", "installed_by")
    readonly_fields = fields
    show_change_link = True


@admin.register(Component)
class ComponentAdmin(UpkeepAdmin):
    """Parts that are built into microscopes, by their serial numbers."""

    enter = upkeep.add_component
    fixed = ()
    list_display = ("name", "kind", "brand", "model", "serial", "where", "retired_on")
    list_filter = ("kind", "installations__microscope", ("retired_on", admin.EmptyFieldListFilter))
    search_fields = ("name", "brand", "model", "serial", "notes")
    fields = (
        "kind", "name", "brand", "model", "serial", "spec_url", "made_on", "first_used_on", "notes",
        "retired_on",
    )  # fmt: skip
    inlines: ClassVar = [InstallationsOfPart]
    actions: ClassVar = ["retire_components"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Component]:
        rows: QuerySet[Component] = super().get_queryset(request)
        return rows.prefetch_related("installations__microscope")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "spec_url":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="built into")
    def where(self, component: Component) -> str:
        found = [i for i in component.installations.all() if i.active_key]
        return str(found[0].microscope) if found else "–"

    @admin.action(description="Retire", permissions=["change"])
    def retire_components(self, request: HttpRequest, queryset: QuerySet[Component]) -> None:
        for_each(request, queryset, lambda c: upkeep.retire(c, by=person(request)), "retired")


class IsBuiltIn(admin.SimpleListFilter):
    """Whether a part is in its place now."""

    title = "built in now"
    parameter_name = "now"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No, removed")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ComponentInstallation]
    ) -> QuerySet[ComponentInstallation]:
        if self.value() in {"yes", "no"}:
            return queryset.filter(removed_on__isnull=self.value() == "yes")
        return queryset


@admin.register(ComponentInstallation)
class ComponentInstallationAdmin(UpkeepAdmin):
    """Where parts are and were. A part is in one place at a time."""

    enter = upkeep.install
    fixed = ("microscope", "component")
    list_display = (
        "component", "microscope", "position", "installed_on", "removed_on", "installed_by"
    )  # fmt: skip
    list_filter = ("microscope", IsBuiltIn, "component__kind")
    list_select_related = ("component", "microscope", "installed_by")
    search_fields = ("component__name", "component__serial", "position", "notes")
    date_hierarchy = "installed_on"
    autocomplete_fields = ("component",)
    fields = (
        "component", "microscope", "position", "installed_on", "removed_on", "notes",
        "installed_by",
    )  # fmt: skip
    readonly_fields = ("installed_by",)
    actions: ClassVar = ["remove_today"]

    @admin.action(description="Remove today", permissions=["change"])
    def remove_today(self, request: HttpRequest, queryset: QuerySet[ComponentInstallation]) -> None:
        for_each(request, queryset, lambda i: upkeep.remove(i, by=person(request)), "removed")


class Checklist(forms.CharField):
    """What was looked at, one item a line; a line that begins with a hyphen was not done."""

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return "\n".join(item if is_done else f"- {item}" for item, is_done in value)

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines() if line.strip()]
        return [[line.lstrip("- "), not line.startswith("-")] for line in lines]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class MaintenanceForm(JudgedForm):
    """The entry as the page of the instrument takes it, with its items as text."""

    checklist = Checklist(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="One item a line; a line that begins with a hyphen was not done.",
    )  # fmt: skip

    class Meta:
        model = MaintenanceEntry
        fields = (
            "microscope", "component", "kind", "performed_on", "checklist", "notes",
            "downtime_minutes", "next_due_on",
        )  # fmt: skip


class Due(admin.SimpleListFilter):
    """What is due; an entry that a newer one took the place of is due no more."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("overdue", "Overdue"), ("week", "Within a week, or overdue"), ("any", "Any day")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[MaintenanceEntry]
    ) -> QuerySet[MaintenanceEntry]:
        today = timezone.localdate()
        ahead = {"overdue": -1, "week": 7}.get(self.value() or "")
        if ahead is not None:
            day = today + timedelta(days=ahead)
            return queryset.filter(pk__in=due_maintenance(until=day).values("pk"))
        if self.value() == "any":
            rows = standing_maintenance().exclude(next_due_on=None)
            return queryset.filter(pk__in=rows.values("pk"))
        return queryset


@admin.register(MaintenanceEntry)
class MaintenanceEntryAdmin(UpkeepAdmin):
    """What was done to the instruments, and when it is due again."""

    form = MaintenanceForm
    enter = upkeep.log_maintenance
    list_display = (
        "performed_on", "microscope", "component", "kind", "performed_by", "downtime_minutes",
        "next_due_on",
    )  # fmt: skip
    list_display_links = ("performed_on", "kind")
    list_filter = ("microscope", Due, "kind", "performed_on")
    list_select_related = ("microscope", "component", "performed_by")
    search_fields = ("kind", "notes", "component__name", "component__serial")
    date_hierarchy = "performed_on"
    autocomplete_fields = ("component",)
    fields = (
        "microscope", "component", "kind", "performed_on", "checklist", "notes",
        "downtime_minutes", "next_due_on", "performed_by", "reminded_at", "created_at",
    )  # fmt: skip
    readonly_fields = ("performed_by", "reminded_at", "created_at")


@admin.register(ObjectiveSwap)
class ObjectiveSwapAdmin(UpkeepAdmin):
    """Changes of objective. Without an old one, it is what was mounted on that day."""

    enter = upkeep.note_swap
    list_display = ("swapped_on", "microscope", "old", "new", "swapped_by")
    list_filter = ("microscope", "new", "swapped_on")
    list_select_related = ("microscope", "old", "new", "swapped_by")
    search_fields = ("calibration", "notes", "new__name", "old__name")
    date_hierarchy = "swapped_on"
    fields = ("microscope", "old", "new", "swapped_on", "calibration", "notes", "swapped_by")
    readonly_fields = ("swapped_by",)


@admin.register(Calibration)
class CalibrationAdmin(UpkeepAdmin):
    """Measured figures; their trend is drawn on the page of the instrument."""

    enter = upkeep.note_calibration
    list_display = (
        "measured_on", "microscope", "kind", "value", "objective", "wavelength", "measured_by"
    )  # fmt: skip
    list_filter = ("microscope", "kind", "objective", "measured_on")
    list_select_related = ("microscope", "objective", "wavelength", "measured_by")
    search_fields = ("notes", "file")
    date_hierarchy = "measured_on"
    fields = (
        "microscope", "kind", "value", "objective", "wavelength", "measured_on", "details", "file",
        "notes", "measured_by",
    )  # fmt: skip
    readonly_fields = ("measured_by",)


@admin.register(Outage)
class OutageAdmin(UpkeepAdmin):
    """Times in which instruments cannot be used, or only in part."""

    enter = upkeep.report_outage
    list_display = ("microscope", "severity", "starts_at", "ends_at", "reason", "reported_by")
    list_filter = ("microscope", "severity", ("ends_at", admin.EmptyFieldListFilter), "starts_at")
    list_select_related = ("microscope", "reported_by")
    search_fields = ("reason", "microscope__label")
    date_hierarchy = "starts_at"
    fields = ("microscope", "severity", "starts_at", "ends_at", "reason", "reported_by")
    readonly_fields = ("reported_by",)
    actions: ClassVar = ["end_outages"]

    @admin.action(description="End now, or call off", permissions=["change"])
    def end_outages(self, request: HttpRequest, queryset: QuerySet[Outage]) -> None:
        rows = queryset.select_related("microscope")
        for_each(request, rows, lambda o: upkeep.end_outage(o, by=person(request)), "ended")
