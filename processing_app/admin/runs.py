"""Runs to look at, cancel and retry; attempts to find by their job."""

import re
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
from processing_app.failures import TOLD_BY_CLUSTER
from processing_app.models import Attempt, Product, Run, Step
from processing_app.services import runs

# As Attempt.job_name makes it; the end of it may be missing.
_JOB_NAME = re.compile(
    r"ls-r(?P<run>\d{1,18})(?:-[0-9a-f]+(?:-(?P<key>.+?)(?:-a(?P<number>\d{1,4}))?)?)?"
)


# What a cluster says, or was asked: it may name computers and accounts.
OF_CLUSTERS = ("trouble", "detail", "node", "resources")


def may_read_clusters(request: HttpRequest) -> bool:
    """Return True for who may read the names of computers and accounts."""
    return request.user.has_perm("processing_app.view_cluster")


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
    readonly_fields = (*fields, "in_short")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        rows: QuerySet[Step] = super().get_queryset(request)
        return rows.prefetch_related("attempts")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.fields[:-1], "why" if may_read_clusters(request) else "in_short"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return list(self.readonly_fields)

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

    @admin.display(description="why")
    def in_short(self, step: Step) -> str:
        """For who may not read what clusters say."""
        current = self._view(step).current
        return current.message if current else ""

    def _view(self, step: Step) -> selectors.StepView:
        return selectors.StepView(step, tuple(step.attempts.all()))


@admin.register(Run)
class RunAdmin(LookOnly, HistoryMixin):
    """Runs. What may be done to them is done by the services, one run at a time."""

    list_display = (
        "__str__", "sample", "owner", "cluster", "state", "state_since", "requested_by", "page",
    )  # fmt: skip
    list_filter = ("state", "pipeline", "cluster")
    list_select_related = (
        "imaging_request__sample__request__owner", "requested_by", "cluster",
    )  # fmt: skip
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
        "cluster",
        "state",
        "reason",
        "job_id",
        "waits",
        "state_since",
    )
    list_filter = ("state", "reason", "step__run__cluster", "step__name")
    list_select_related = ("step__run__cluster",)
    search_fields = ("=step__run__id", "step__key", "=job_id")
    search_help_text = "Run, step, job id, or the name of a job such as ls-r42-…-a1"

    @admin.display(description="run")
    def run(self, attempt: Attempt) -> str:
        return str(attempt.step.run)

    @admin.display(description="cluster", ordering="step__run__cluster")
    def cluster(self, attempt: Attempt) -> str:
        return str(attempt.step.run.cluster)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        found: list[str] = list(super().get_list_display(request))
        if not may_read_clusters(request):
            found[found.index("waits")] = "in_short"
        return found

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Leave out what clusters say, for who may not read it."""
        names: list[str] = list(super().get_fields(request, obj))
        if may_read_clusters(request):
            return names
        hidden = {*OF_CLUSTERS, "message"} if _is_told_by_cluster(obj) else set(OF_CLUSTERS)
        return [name for name in names if name not in hidden]

    @admin.display(description="waits")
    def in_short(self, attempt: Attempt) -> str:
        """For who may not read what clusters say."""
        view = selectors.AttemptView(attempt)
        return " · ".join(filter(None, (view.place, view.waits_in_short)))

    @admin.display(description="waits")
    def waits(self, attempt: Attempt) -> str:
        view = selectors.AttemptView(attempt)
        return " · ".join(filter(None, (view.place, view.waits_for, attempt.trouble)))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Attempt], search_term: str
    ) -> tuple[QuerySet[Attempt], bool]:
        """The name of a job is not stored: it is made of what is, and taken apart again here."""
        found = _JOB_NAME.fullmatch(search_term.strip())
        if found is None:
            answer: tuple[QuerySet[Attempt], bool] = super().get_search_results(
                request, queryset, search_term
            )
            return answer
        rows = queryset.filter(step__run=int(found["run"]))
        if found["key"]:
            rows = rows.filter(step__key=found["key"])
        return (rows.filter(number=int(found["number"])) if found["number"] else rows), False


def _is_told_by_cluster(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.reason in TOLD_BY_CLUSTER


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
