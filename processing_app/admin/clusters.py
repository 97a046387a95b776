"""Clusters: how they are reached, what jobs may ask for there, and how each fares."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, ForeignKey, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import StackedInline, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from core_app.admin import HistoryMixin, RecordingMixin
from core_app.http import person
from core_app.transitions import record_on
from processing_app import selectors
from processing_app.admin.runs import LookOnly
from processing_app.models import Cluster, Deployment, Profile, SitePipeline, StepResources
from processing_app.pipelines import PLANNERS, STARTED
from processing_app.services import clusters, describing
from processing_app.states import ACTIVE
from requests_app.admin.asking import AskingAdmin, Question, answers_of, chosen
from requests_app.admin.outcomes import for_each

REACH = (
    "kind", "host", "port", "user", "key_file", "known_hosts_file",
    "jump_host", "jump_port", "jump_user", "jump_key_file",
)  # fmt: skip
PLACES = ("workdir", "data_root", "python", "builds_environment")
JOBS = ("environment", "prelude", "threads", "slots", "poll_interval_s", "heartbeat_limit_s")
TAKEN = ("pipelines", "position", "is_offered")
FARES = ("condition", "answers", "took", "active_runs")
FROM_SETTINGS = (
    "This cluster comes from the settings (CLUSTER, CLUSTER_HOST and so on; docs/settings.md). "
    "Change them there and restart the site and its workers."
)
_OF_PROFILE = (
    "partition", "account", "qos", "cpus", "memory_mb", "minutes",
    "most_cpus", "most_memory_mb", "most_minutes", "options", "prelude",
)  # fmt: skip


class OneUsual(forms.BaseInlineFormSet):  # type: ignore[type-arg]  # generic for the checker only
    """Among the profiles of a cluster."""

    def clean(self) -> None:
        super().clean()
        usual = [
            form for form in self.forms
            if form.cleaned_data.get("is_usual") and not form.cleaned_data.get("DELETE")
        ]  # fmt: skip
        if len(usual) > 1:
            raise ValidationError("Only one profile is the usual one. Untick the others.")


class ProfileInline(StackedInline):  # type: ignore[misc]  # unfold has no type hints
    """What jobs ask for there, and beside it the most they may have."""

    model = Profile
    formset = OneUsual
    extra = 0
    fields: ClassVar = [
        ("name", "is_usual"), ("partition", "account"), "qos", ("cpus", "most_cpus"),
        ("memory_mb", "most_memory_mb"), ("minutes", "most_minutes"), "options", "prelude",
    ]  # fmt: skip


class StepResourcesInline(StackedInline):  # type: ignore[misc]  # unfold has no type hints
    """Steps that ask for something else than usual."""

    model = StepResources
    extra = 0
    fields: ClassVar = [("step", "profile"), ("cpus", "memory_mb"), "minutes"]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        request._cluster = obj  # type: ignore[attr-defined]  # for the choice below
        return super().get_formset(request, obj, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the profiles of this cluster alone."""
        if db_field.name == "profile":
            kwargs["queryset"] = Profile.objects.filter(cluster=request._cluster)  # type: ignore[attr-defined]  # set above
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class DeploymentInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """Which versions of the pipeline are there; `manage.py deploy_pipeline` puts them there."""

    model = Deployment
    extra = 0
    can_delete = False
    fields = ("version", "folder", "python", "deployed_at", "removed_at")


class WhyForm(forms.Form):
    """Why the cluster is frozen."""

    reason = forms.CharField(
        max_length=250,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Everybody whose run waits for it reads it.",
        error_messages={"required": "Say why; people who wait for the cluster will read it."},
    )


class NoForm(forms.Form):
    """Nothing but yes or no."""


class ClusterForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A cluster, with pipelines that there are."""

    def clean_pipelines(self) -> str:
        text = str(self.cleaned_data["pipelines"])
        known = {*PLANNERS, *STARTED.values(), *(row.key for row in SitePipeline.objects.all())}
        unknown = {name.strip() for name in text.split(",") if name.strip()} - known
        if unknown:
            raise ValidationError(
                f"There is no pipeline {', '.join(sorted(unknown))}. There are: "
                f"{', '.join(sorted(known))}."
            )
        return text


@admin.register(Cluster)
class ClusterAdmin(RecordingMixin, HistoryMixin, AskingAdmin):
    """Clusters. The one named `default` is described by the settings."""

    form = ClusterForm
    list_display = ("name", "kind_of", "fares", *FARES[1:], "is_offered", "position")
    list_filter = ("kind", "is_offered")
    search_fields = ("name", "host")
    actions: ClassVar = ["freeze", "unfreeze", "resume"]
    inlines: ClassVar = [ProfileInline, StepResourcesInline, DeploymentInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cluster]:
        rows: QuerySet[Cluster] = super().get_queryset(request)
        active = Count("runs", filter=Q(runs__state__in=ACTIVE))
        return rows.select_related("status").annotate(_active=active)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        taken = ("Which runs go there", {"fields": TAKEN})
        fares = [] if obj is None else [("How it fares", {"fields": FARES})]
        if obj is not None and obj.is_from_settings:
            told = {"fields": ("from_settings",), "description": FROM_SETTINGS}
            return [(None, {"fields": ("name",)}), *fares, ("How it is reached", told), taken]
        return [
            (None, {"fields": ("name",)}),
            *fares,
            ("How it is reached", {"fields": REACH}),
            ("Where things are", {"fields": PLACES}),
            ("How jobs are asked for", {"fields": JOBS}),
            taken,
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        named = ["name"] if obj else []  # histories, mails and folders know it by its name
        return [*named, *FARES, "from_settings"]

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """What names a profile comes once there are profiles."""
        found: list[Any] = super().get_inline_instances(request, obj)
        return found if obj else [one for one in found if isinstance(one, ProfileInline)]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The cluster of the settings stays as long as they do."""
        if obj is not None and obj.is_from_settings:
            return False
        return bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Clusters are deleted one by one, on a page that says what goes with them."""
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Refuse in words as long as runs name the cluster: they are history."""
        row = self.get_object(request, object_id)
        count = row.runs.count() if row and self.has_delete_permission(request, row) else 0
        if row and count:
            messages.error(
                request,
                f"{count} run{' names' if count == 1 else 's name'} the cluster {row}, so it "
                "stays. Untick “is offered” instead: new runs go elsewhere then.",
            )
            address = reverse("admin:processing_app_cluster_change", args=[row.pk])
            return HttpResponseRedirect(address)
        response: HttpResponse = super().delete_view(request, object_id, extra_context)
        return response

    def delete_model(self, request: HttpRequest, obj: Cluster) -> None:
        with transaction.atomic():
            record_on(obj, "deleted", by=person(request), note=str(obj))
            super().delete_model(request, obj)

    def save_model(
        self,
        request: HttpRequest,
        obj: Cluster,
        form: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            clusters.created(obj)

    def facts_of(self, obj: Cluster) -> set[str]:
        """Return what decides where and how jobs run; it is no secret, keys are paths of files."""
        fields = TAKEN if obj.is_from_settings else (*REACH, *PLACES, *JOBS, *TAKEN)
        return {
            f"name {obj.name}",
            *(f"{name} {getattr(obj, name)}" for name in fields),
            *(_facts_of_profile(row) for row in obj.profiles.all()),
            *(
                f"step {row.step} ({row.profile.name if row.profile else 'usual profile'}, "
                f"{row.cpus} cores, {row.memory_mb} MB, {row.minutes} minutes)"
                for row in obj.step_resources.select_related("profile")
            ),
        }

    @admin.display(description="kind")
    def kind_of(self, row: Cluster) -> str:
        kind = clusters.kind_of(row)
        return f"{kind} (settings)" if row.is_from_settings else kind

    @admin.display(description="condition")
    def fares(self, row: Cluster) -> str:
        """In short, for the list."""
        found = selectors.troubles([row])
        return ", ".join(f"{one.what} since {_moment(one.since)}" for one in found) or "fine"

    @admin.display(description="condition")
    def condition(self, row: Cluster) -> str:
        found = selectors.troubles([row])
        if not found:
            return "fine"
        return format_html_join(
            mark_safe("<br>"),
            "{} since {}. {} {}",
            ((one.what.capitalize(), _moment(one.since), one.meaning, one.said) for one in found),
        )

    @admin.display(description="last answer", ordering="status__answered_at")
    def answers(self, row: Cluster) -> str:
        at = row.status.answered_at
        return _moment(at) if at else "none yet"

    @admin.display(description="last look took", ordering="status__poll_took_s")
    def took(self, row: Cluster) -> str:
        return f"{row.status.poll_took_s:.1f} s" if row.status.poll_took_s else "none yet"

    @admin.display(description="active runs", ordering="_active")
    def active_runs(self, row: Any) -> str:
        address = f"{reverse('admin:processing_app_run_changelist')}?cluster__id__exact={row.pk}"
        return format_html('<a href="{}">{}</a>', address, row._active)

    @admin.display(description="settings")
    def from_settings(self, row: Cluster) -> str:
        """Show what the settings say, without anything that is secret."""
        return format_html_join("", "<div>{}: <code>{}</code></div>", describing.described(row))

    @admin.action(description="Freeze…", permissions=["change"])
    def freeze(self, request: HttpRequest, queryset: QuerySet[Cluster]) -> HttpResponse | None:
        rows, form = chosen(queryset, "status"), WhyForm(answers_of(request))
        question = Question(
            "Freeze these clusters?", "Freeze", form,
            "Nothing more is handed in there, for a maintenance say. Jobs at work go on and are "
            "watched; what is planned waits until the cluster is unfrozen.",
            line_of=_line_of,
        )  # fmt: skip
        if page := self.ask(request, rows, question):
            return page
        why = form.cleaned_data["reason"]
        for_each(
            request,
            rows,
            lambda row: clusters.freeze(row, by=person(request), reason=why),
            "frozen",
        )
        return None

    @admin.action(description="Unfreeze", permissions=["change"])
    def unfreeze(self, request: HttpRequest, queryset: QuerySet[Cluster]) -> None:
        rows = chosen(queryset, "status")
        for_each(request, rows, lambda r: clusters.unfreeze(r, by=person(request)), "unfrozen")

    @admin.action(description="Resume: ask it again now", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Cluster]) -> None:
        rows = chosen(queryset, "status")
        for_each(request, rows, lambda r: clusters.resume(r, by=person(request)), "asked again")


def _facts_of_profile(row: Profile) -> str:
    values = ", ".join(f"{name} {value}" for name in _OF_PROFILE if (value := getattr(row, name)))
    return f"profile {row.name}{' (usual)' if row.is_usual else ''}: {values or 'as steps say'}"


def _line_of(row: Any) -> str:
    frozen = row.status.frozen_at
    return f"{row} (frozen already, since {_moment(frozen)})" if frozen else str(row)


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
