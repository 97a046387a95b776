"""Pipelines of the facility's own scripts."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import StackedInline

from core_app.admin import HistoryMixin, RecordingMixin
from processing_app.models import SitePipeline, SiteStep

_OF_PIPELINE = ("name", "label", "version", "is_offered", "begins_by_itself")
_OF_STEP = (
    "position", "key", "label", "command", "unit", "parameters", "cpus", "memory_mb", "minutes",
)  # fmt: skip


class SiteStepInline(StackedInline):  # type: ignore[misc]  # unfold has no type hints
    """The scripts in their order."""

    model = SiteStep
    extra = 0
    fields: ClassVar = [
        ("position", "key", "label"), "command", ("unit", "parameters"),
        ("cpus", "memory_mb", "minutes"),
    ]  # fmt: skip


@admin.register(SitePipeline)
class SitePipelineAdmin(RecordingMixin, HistoryMixin):
    """A facility's own pipelines. One that was used stays; it is taken off offer instead."""

    list_display = ("label", "name", "version", "steps_in_order", "begins_by_itself", "is_offered")
    list_filter = ("is_offered", "begins_by_itself")
    search_fields = ("name", "label", "steps__key")
    fields = _OF_PIPELINE
    inlines: ClassVar = [SiteStepInline]

    def facts_of(self, obj: SitePipeline) -> set[str]:
        steps = obj.steps.all()
        return {
            *(f"{name} {getattr(obj, name)}" for name in _OF_PIPELINE),
            *(
                f"step {step.key} ({', '.join(str(getattr(step, name)) for name in _OF_STEP)})"
                for step in steps
            ),
        }

    @admin.display(description="steps")
    def steps_in_order(self, pipeline: SitePipeline) -> str:
        return " → ".join(step.key for step in pipeline.steps.all())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name"] if obj else []  # runs know the pipeline by it

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
