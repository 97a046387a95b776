"""Protocols and species in the staff console."""

import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from core_app.admin import HistoryMixin
from core_app.errors import DomainError
from core_app.http import person
from core_app.transitions import record_on
from requests_app.admin.correcting import seen_by
from requests_app.admin.outcomes import for_each
from requests_app.models import ClearingProtocol, ProtocolStep, Species
from requests_app.services import protocols
from requests_app.services.corrections import newest_event
from requests_app.services.protocols import is_used

FROZEN = ("name", "version", "title", "needs_antibody", "needs_link")
MOST_VERSIONS = 9_999


class ProtocolForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """One version, with numbers that every database takes."""

    version = forms.IntegerField(
        min_value=1, max_value=MOST_VERSIONS, initial=1, widget=UnfoldAdminIntegerFieldWidget
    )
    position = forms.IntegerField(
        min_value=0, max_value=MOST_VERSIONS, initial=0, widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = ClearingProtocol
        fields = (*FROZEN, "species", "position")
        widgets: ClassVar = {"species": UnfoldAdminCheckboxSelectMultipleWidget}


class StepForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """One step. That place and slug are unique is looked at over all steps at once."""

    position = forms.IntegerField(
        min_value=1, max_value=protocols.MOST_POSITION, widget=UnfoldAdminIntegerFieldWidget
    )
    note_max = forms.IntegerField(
        min_value=0, max_value=protocols.MOST_NOTE, initial=250,
        widget=UnfoldAdminIntegerFieldWidget,
    )  # fmt: skip
    usual_minutes = forms.IntegerField(
        min_value=1, max_value=protocols.MOST_MINUTES, required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )  # fmt: skip

    class Meta:
        model = ProtocolStep
        fields = (
            "position", "phase", "phase_title", "slug", "label", "usual_minutes", "note_max",
            "asks_lot", "plans_date",
        )  # fmt: skip
        widgets: ClassVar = {"label": UnfoldAdminTextInputWidget(attrs={"class": "min-w-56"})}

    def _get_validation_exclusions(self) -> set[str]:
        """Leave what is unique per protocol to the formset: two steps may be changing places."""
        return {*super()._get_validation_exclusions(), "protocol"}  # type: ignore[misc]  # the stubs leave it out


STEP_FIELD = re.compile(rf"steps-[0-9]+-({'|'.join([*StepForm.Meta.fields, 'DELETE'])})")


class StepFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]  # generic for the checker only
    """All steps of one version: no place and no slug twice."""

    def clean(self) -> None:
        super().clean()
        for name in ("position", "slug"):
            self._require_once(name)

    def validate_unique(self) -> None:
        """See clean(): it says beside the step which one is there twice."""

    def _require_once(self, name: str) -> None:
        seen: set[object] = set()
        for form in self.forms:
            given = getattr(form, "cleaned_data", {})
            value = given.get(name)
            if value in {None, ""} or given.get("DELETE"):
                continue
            key = value.casefold() if isinstance(value, str) else value
            if key in seen:
                form.add_error(name, ValidationError(f"Another step has the {name} {value}."))
            seen.add(key)


class StepInline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The steps of one protocol version; read-only once a batch follows it."""

    model = ProtocolStep
    form = StepForm
    formset = StepFormSet
    extra = 0
    fields = StepForm.Meta.fields

    def has_add_permission(self, request: HttpRequest, obj: ClearingProtocol | None = None) -> bool:
        return bool(super().has_add_permission(request, obj)) and _is_open(obj)

    def has_change_permission(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> bool:
        return bool(super().has_change_permission(request, obj)) and _is_open(obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> bool:
        return bool(super().has_delete_permission(request, obj)) and _is_open(obj)


def _is_open(protocol: ClearingProtocol | None) -> bool:
    return protocol is None or not is_used(protocol)


@admin.register(ClearingProtocol)
class ClearingProtocolAdmin(HistoryMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Protocols. What was used stays as it was; a change is a new version."""

    form = ProtocolForm
    list_display = (
        "name", "version", "title", "step_count", "batch_count", "is_offered", "preview",
    )  # fmt: skip
    list_filter = ("is_offered", "species", "needs_antibody")
    search_fields = ("name", "title")
    fields = (*FROZEN, "species", "position", "is_offered", "preview")
    inlines: ClassVar = [StepInline]
    actions: ClassVar = ["copy_versions", "offer_versions", "withdraw_offers"]
    change_form_before_template = "admin/seen.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClearingProtocol]:
        rows: QuerySet[ClearingProtocol] = super().get_queryset(request)
        return rows.annotate(
            _steps=Count("steps", distinct=True), _batches=Count("batches", distinct=True)
        )

    @admin.display(description="steps", ordering="_steps")
    def step_count(self, obj: Any) -> int:
        return int(obj._steps)

    @admin.display(description="batches", ordering="_batches")
    def batch_count(self, obj: Any) -> int:
        return int(obj._batches)

    @admin.display(description="as the bench shows it")
    def preview(self, obj: ClearingProtocol) -> str:
        if obj._state.adding:
            return "once it is saved"
        address = reverse("clearing:protocol-preview", args=[obj.pk])
        return format_html('<a class="underline" href="{}">Preview</a>', address)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> tuple[str, ...]:
        always = ("is_offered", "preview")  # offering is an action of the list
        return always if _is_open(obj) else (*FROZEN, *always)

    def has_delete_permission(
        self, request: HttpRequest, obj: ClearingProtocol | None = None
    ) -> bool:
        """Only a version that nothing follows; in lists there is no deleting at all."""
        may = bool(super().has_delete_permission(request, obj))
        return may and obj is not None and _is_open(obj)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a refusal of the service as a message on the page as it is now."""
        found = self.get_object(request, unquote(object_id))
        try:
            if found and request.method == "POST" and _would_change_frozen(request):
                protocols.refuse_used(found)
            extra = {**(extra_context or {}), "seen": self._seen(request, found)}
            response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        except DomainError as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def _seen(self, request: HttpRequest, found: ClearingProtocol | None) -> int | None:
        if request.method == "POST":
            return seen_by(request)
        return newest_event(found) if found else None

    def save_model(
        self,
        request: HttpRequest,
        obj: ClearingProtocol,
        form: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        if change:
            protocols.hold(obj, unused=bool(set(form.changed_data) & set(FROZEN)))
            protocols.require_unchanged(obj, seen=seen_by(request))
        else:
            obj.is_offered = False  # until somebody offers it
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        kept = formset.save(commit=False)
        if kept or formset.deleted_objects:
            protocols.write_steps(form.instance, kept, formset.deleted_objects)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        super().save_related(request, form, formsets, change)
        steps = sum(len(formset.changed_objects) + len(formset.new_objects) for formset in formsets)
        removed = sum(len(formset.deleted_objects) for formset in formsets)
        said = [*form.changed_data]
        said += [f"{steps} steps written"] * bool(steps)
        said += [f"{removed} steps removed"] * bool(removed)
        if said or not change:
            verb = "edited" if change else "drafted"
            record_on(form.instance, verb, by=person(request), note=", ".join(said))

    def delete_model(self, request: HttpRequest, obj: ClearingProtocol) -> None:
        protocols.hold(obj, unused=True)
        super().delete_model(request, obj)

    @admin.action(description="Copy as new version", permissions=["add"])
    def copy_versions(self, request: HttpRequest, queryset: QuerySet[ClearingProtocol]) -> None:
        for_each(
            request, queryset,
            lambda protocol: protocols.copy_as_new_version(protocol, by=person(request)),
            "copied; edit the new version, then offer it",
        )  # fmt: skip

    @admin.action(description="Offer", permissions=["change"])
    def offer_versions(self, request: HttpRequest, queryset: QuerySet[ClearingProtocol]) -> None:
        by = person(request)
        for_each(request, queryset, lambda p: protocols.offer(p, by=by), "offered in new requests")

    @admin.action(description="Do not offer", permissions=["change"])
    def withdraw_offers(self, request: HttpRequest, queryset: QuerySet[ClearingProtocol]) -> None:
        by = person(request)
        for_each(
            request, queryset, lambda p: protocols.withdraw_offer(p, by=by), "no longer offered"
        )


def _would_change_frozen(request: HttpRequest) -> bool:
    """Return True if the form was made while the version could still be edited."""
    return any(name in FROZEN or STEP_FIELD.fullmatch(name) for name in request.POST)


@admin.register(Species)
class SpeciesAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Animals that the facility accepts."""

    list_display = ("label", "name", "only_generic_imaging", "position")
    search_fields = ("name", "label")

    def has_delete_permission(self, request: HttpRequest, obj: Species | None = None) -> bool:
        return False
