"""The hand-off calendar in the staff console: what a weekday takes, and the days that differ."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from core_app.admin import ListMixin
from requests_app.models import HandoffDay, HandoffWeekday


@admin.register(HandoffWeekday)
class HandoffWeekdayAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """What such a day of the week takes. There are seven of them, always."""

    list_display = ("__str__", "capacity")
    list_editable = ("capacity",)
    readonly_fields = ("weekday",)
    fields = ("weekday", "capacity")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: HandoffWeekday | None = None
    ) -> bool:
        return False


@admin.register(HandoffDay)
class HandoffDayAdmin(ListMixin):
    """Holidays, and days with more or fewer hands. Without its row a day is like its weekday."""

    list_display = ("day", "capacity", "note")
    list_filter = ("capacity",)
    search_fields = ("note",)
    date_hierarchy = "day"
    ordering = ("-day",)
