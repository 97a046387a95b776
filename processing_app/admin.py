"""Processing in the staff console: runs to look at, cancel and retry; atlases to keep."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline

from core_app.admin import HistoryMixin
from core_app.errors import DomainError
from core_app.http import person
from processing_app import selectors, workflows
from processing_app.models import Atlas, Attempt, ProcessingRequest, Product, Run, Step
from processing_app.services import runs


class LookOnly:
    """Nothing is added, changed or deleted by hand: these rows are history."""

    model: type[Model]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


class StepInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The steps of a run with the state of their latest attempt."""

    model = Step
    extra = 0
    can_delete = False
    fields = ("position", "key", "label", "state", "tries", "why")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        rows: QuerySet[Step] = super().get_queryset(request)
        return rows.prefetch_related("attempts")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return list(self.fields)

    @admin.display(description="state")
    def state(self, step: Step) -> str:
        return self._view(step).word

    @admin.display(description="attempts")
    def tries(self, step: Step) -> int:
        return len(self._view(step).attempts)

    @admin.display(description="why")
    def why(self, step: Step) -> str:
        latest = self._view(step).latest
        return (latest.message or latest.trouble) if latest else ""

    def _view(self, step: Step) -> selectors.StepView:
        return selectors.StepView(step, tuple(step.attempts.all()))


@admin.register(Run)
class RunAdmin(LookOnly, HistoryMixin):
    """Runs. What may be done to them is done by the services, one run at a time."""

    list_display = ("__str__", "sample", "owner", "state", "state_since", "requested_by", "page")
    list_filter = ("state", "pipeline", "cluster")
    list_select_related = ("imaging_request__sample__request__owner", "requested_by")
    search_fields = (
        "=id",
        "imaging_request__sample__name",
        "imaging_request__sample__request__name",
        "imaging_request__sample__request__owner__username",
    )
    inlines: ClassVar = [StepInline]
    actions: ClassVar = ["cancel_runs", "retry_runs"]

    @admin.display(description="sample")
    def sample(self, run: Run) -> str:
        return str(run.imaging_request.sample)

    @admin.display(description="owner")
    def owner(self, run: Run) -> str:
        return str(run.imaging_request.sample.request.owner)

    @admin.display(description="page")
    def page(self, run: Run) -> str:
        return format_html(
            '<a href="{}">Look at it</a>', reverse("processing:run-detail", args=[run.pk])
        )

    @admin.action(description="Cancel the chosen runs", permissions=["change"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        _each(
            request,
            queryset,
            "is being cancelled",
            lambda run: runs.cancel_run(run, by=person(request)),
        )

    @admin.action(description="Retry from the failed step", permissions=["change"])
    def retry_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        _each(
            request, queryset, "goes on", lambda run: workflows.retry_run(run, by=person(request))
        )


def _each(
    request: HttpRequest, queryset: QuerySet[Run], done: str, act: Callable[[Run], None]
) -> None:
    """Act on each run in a transaction of its own, and say of each what came of it."""
    for run in queryset:
        try:
            act(run)
        except DomainError as refusal:
            messages.warning(request, f"{run}: {refusal.message}")
        else:
            messages.success(request, f"{run} {done}.")


@admin.register(Attempt)
class AttemptAdmin(LookOnly, HistoryMixin):
    """Every attempt with its job, its failure and the end of its log."""

    list_display = (
        "__str__",
        "run",
        "number",
        "state",
        "reason",
        "job_id",
        "state_since",
        "trouble",
    )
    list_filter = ("state", "reason", "step__name")
    list_select_related = ("step__run",)
    search_fields = ("=step__run__id", "step__key", "job_id")

    @admin.display(description="run")
    def run(self, attempt: Attempt) -> str:
        return str(attempt.step.run)


@admin.register(Product)
class ProductAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Volumes on storage."""

    list_display = ("path", "kind", "side", "bytes", "made_at", "is_current", "retired_at")
    list_filter = ("kind", "side", ("retired_at", EmptyFieldListFilter))
    search_fields = ("path",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        rows: QuerySet[Product] = super().get_queryset(request)
        return rows.annotate(
            _current=Exists(selectors.current_products().filter(pk=OuterRef("pk")))
        )

    @admin.display(boolean=True, description="up to date", ordering="_current")
    def is_current(self, product: Any) -> bool:
        return bool(product._current)


@admin.register(ProcessingRequest)
class ProcessingRequestAdmin(LookOnly, HistoryMixin):
    """Rounds of processing that were asked for."""

    list_display = ("__str__", "number", "processor", "state", "state_since")
    list_filter = ("state", "processor")
    list_select_related = ("imaging_request__sample__request__owner", "processor")


@admin.register(Atlas)
class AtlasAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Reference brains. One that was used stays; it is taken off offer instead of deleted."""

    list_display = ("label", "name", "orientation", "is_offered", "position")
    list_editable = ("is_offered", "position")
    search_fields = ("label", "name")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
