"""The console: people, roles, labs and history; and the history on everybody's change forms."""

from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from core_app.changes import kind_of
from core_app.http import person
from core_app.models import Event, Lab, LabMembership, User
from core_app.transitions import record_on

SHOWN_EVENTS = 100
SHARING = (
    "On: every member reads all requests of the lab and opens their volumes. Off: only who owns a "
    "request, its auditor, the principal investigator and staff do. It holds for old requests too."
)
# Kinds of objects whose history names computers and accounts, and who may read it.
GUARDED = {"cluster": "processing_app.view_cluster"}
HISTORY_HEADERS = ["When", "What", "Who", "Note"]


def history_table(obj: models.Model) -> dict[str, list[Any]]:
    """Return the newest events of one object as headers and rows."""
    events = Event.objects.filter(kind=kind_of(obj), object_id=obj.pk).select_related("by")
    rows = [
        [
            f"{timezone.localtime(e.at):%Y-%m-%d %H:%M}",
            step_of(e),
            e.by or "lightserv itself",
            e.note,
        ]
        for e in events.order_by("-id")[:SHOWN_EVENTS]
    ]
    return {"headers": HISTORY_HEADERS, "rows": rows}


def step_of(event: Event) -> str:
    """Return what happened, in one line."""
    if event.came_from:
        return f"{event.came_from} → {event.to}"
    return f"{event.verb}: {event.to}" if event.to else event.verb


class ListMixin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """A list whose address may be anything."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list without its filters where a date in the address is none of a calendar."""
        try:
            response: HttpResponse = super().changelist_view(request, extra_context)
            if isinstance(response, SimpleTemplateResponse):
                response.render()  # the hierarchy of dates reads rows while it is drawn
        except (OverflowError, ValueError):
            if not request.GET or "e" in request.GET:
                raise
            return HttpResponseRedirect(f"{request.path}?e=1")
        return response


class HistoryMixin(ListMixin):
    """Put below the form what happened to the object: a read-only table of its Events."""

    change_form_outer_after_template = "admin/history_of.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        extra = {**(extra_context or {}), **(_history_context(request, obj) if obj else {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response


def _history_context(request: HttpRequest, obj: models.Model) -> dict[str, Any]:
    table = history_table(obj)
    if not table["rows"]:
        return {}
    address = ""
    if request.user.has_perm("core_app.view_event"):
        query = urlencode({"kind__exact": kind_of(obj), "object_id__exact": obj.pk})
        address = f"{reverse('admin:core_app_event_changelist')}?{query}"
    return {"history": table, "history_title": "What happened", "history_address": address}


class MembershipInline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """Who belongs to a lab, or which labs a person belongs to."""

    model = LabMembership
    extra = 0
    autocomplete_fields = ["user", "lab"]


class OneAddress(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """People sign in with their address, so it is theirs alone."""

    def clean_email(self) -> str:
        address = str(self.cleaned_data["email"])
        others = User.objects.filter(email__iexact=address).exclude(pk=self.instance.pk)
        if address and others.exists():
            raise ValidationError("Another account has this address. Change that account instead.")
        return address


class NewPerson(OneAddress, UserCreationForm):  # type: ignore[misc]  # unfold has no type hints
    class Meta:
        model = User
        fields = ("username", "email", "first_name", "last_name")


class ChangePerson(OneAddress, UserChangeForm):  # type: ignore[misc]  # unfold has no type hints
    class Meta:
        model = User
        fields = "__all__"  # noqa: DJ007  # the fieldsets of the page choose


def _difference(before: set[str], after: set[str]) -> str:
    """Return `added …; removed …`, empty where nothing changed."""
    added, gone = sorted(after - before), sorted(before - after)
    parts = [f"added {', '.join(added)}" if added else "", f"removed {', '.join(gone)}"]
    return "; ".join(part for part in (parts if gone else parts[:1]) if part)


class RecordingMixin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Leave an Event that says what a form changed, with what hangs on the object."""

    def facts_of(self, obj: Any) -> set[str]:
        raise NotImplementedError

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        request._facts = self.facts_of(obj) if obj else set()  # type: ignore[attr-defined]  # for save_related
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, extra_context
        )
        return response

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        super().save_related(request, form, formsets, change)
        fresh = type(form.instance)._default_manager.get(pk=form.instance.pk)
        note = _difference(request._facts, self.facts_of(fresh))  # type: ignore[attr-defined]  # set above
        if note:
            verb = "corrected" if change else "created"
            record_on(fresh, verb, by=person(request), note=note)


@admin.register(User)
class UserAdmin(RecordingMixin, HistoryMixin, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold has no type hints
    """People. Whoever is no superuser can neither make one nor take one over."""

    form = ChangePerson
    add_form = NewPerson
    change_password_form = AdminPasswordChangeForm
    inlines = [MembershipInline]
    list_display = [
        "username",
        "full_name",
        "email",
        "roles",
        "is_staff",
        "is_active",
        "last_login",
    ]
    list_filter = ["is_staff", "is_active", "groups", "memberships__lab"]
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Roles", {"fields": ["is_active", "is_staff", "groups"]}),
        ("Beyond roles", {"fields": ["is_superuser", "user_permissions"], "classes": ["collapse"]}),
        ("Dates", {"fields": ["date_joined", "last_login", "username_frozen_at"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "email", "first_name", "last_name"]}),
        ("Password", {"fields": ["usable_password", "password1", "password2"]}),
    ]

    def facts_of(self, obj: User) -> set[str]:
        """Return what others rely on: address, whether the account is open, its roles and labs."""
        flags = {"active": obj.is_active, "staff": obj.is_staff, "superuser": obj.is_superuser}
        return {
            f"address {obj.email}", f"name {obj.get_full_name()}", f"username {obj.username}",
            *(word for word, is_set in flags.items() if is_set),
            *(f"role {group.name}" for group in obj.groups.all()),
            *(f"{m.get_role_display().lower()} of {m.lab}"
              for m in obj.memberships.select_related("lab")),
        }  # fmt: skip

    @admin.display(description="Name", ordering="last_name")
    def full_name(self, person: User) -> str:
        return person.get_full_name()

    @admin.display(description="Roles")
    def roles(self, person: User) -> str:
        return ", ".join(group.name for group in person.groups.all())

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> "forms.ModelMultipleChoiceField[models.Model]":
        """Show the few roles as check boxes."""
        if db_field.name == "groups":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        found = super().formfield_for_manytomany(db_field, request, **kwargs)
        field = cast("forms.ModelMultipleChoiceField[models.Model]", found)
        field.help_text = ""  # Django's tells to hold the Control key
        return field

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        people: models.QuerySet[User] = super().get_queryset(request)
        return people.prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fixed = ["date_joined", "last_login", "username_frozen_at"]
        if obj and obj.username_frozen_at:
            fixed.append("username")  # folders and mirror keys carry it
        if not request.user.is_superuser:
            fixed += ["is_superuser", "user_permissions"]
        return fixed

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and bool(super().has_delete_permission(request, obj))


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    return person is None or not person.is_superuser or request.user.is_superuser


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Roles and their permissions."""


@admin.register(Lab)
class LabAdmin(RecordingMixin, HistoryMixin):
    """Research groups, and who belongs to them."""

    list_display = ["name", "leaders", "member_count", "shares_with_members"]
    list_filter = ["shares_with_members"]
    search_fields = ["name", "memberships__user__username", "memberships__user__last_name"]
    inlines = [MembershipInline]

    def facts_of(self, obj: Lab) -> set[str]:
        people = obj.memberships.select_related("user")
        return {
            f"name {obj.name}",
            "sharing with members" if obj.shares_with_members else "no sharing with members",
            *(f"{m.get_role_display().lower()} {m.user.username}" for m in people),
        }

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Lab]:
        labs: models.QuerySet[Lab] = super().get_queryset(request)
        return labs.prefetch_related("memberships__user")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "shares_with_members":
            field.help_text = SHARING
        return field

    @admin.display(description="Principal investigator")
    def leaders(self, lab: Lab) -> str:
        leading = [m.user for m in lab.memberships.all() if m.role == LabMembership.Role.PI]
        return ", ".join(str(person) for person in leading)

    @admin.display(description="Members")
    def member_count(self, lab: Lab) -> int:
        return len(lab.memberships.all())


@admin.register(Event)
class EventAdmin(ListMixin):
    """The history of everything; nobody writes it here."""

    list_display = ["at", "kind", "object_id", "step", "by", "note"]
    list_filter = ["kind", "verb", "to", "at"]
    list_select_related = ["by"]
    search_fields = ["note", "by__username", "by__last_name"]
    ordering = ["-id"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Event]:
        """Leave out what happened to objects that this person may not read."""
        events: models.QuerySet[Event] = super().get_queryset(request)
        hidden = [kind for kind, needed in GUARDED.items() if not request.user.has_perm(needed)]
        return events.exclude(kind__in=hidden) if hidden else events

    @admin.display(description="What")
    def step(self, event: Event) -> str:
        return step_of(event)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False
