"""Who looked at what, in the staff console."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.views import ChangeList

from lightserv_site.templatetags.display import ago, size
from requests_app.admin.outcomes import link_to
from viewers_app import selectors
from viewers_app.admin.sections import LookOnly, NotByHand, link_to_volume, sample_of, visitor_of
from viewers_app.models import DataLayer, LayerAccess


class AccessList(ChangeList):  # type: ignore[misc]  # unfold has no type hints
    """The page of the list, each row with its volume: read together, not row by row."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = selectors.volumes_named({row.layer for row in self.result_list})
        for row in self.result_list:
            row.console_volume = found.get(row.layer)


@admin.register(LayerAccess)
class LayerAccessAdmin(LookOnly):
    """What was fetched of which volume, for whom, and when."""

    list_display: ClassVar = [
        "person", "volume", "sample", "of_request", "fetched", "requests", "first", "last", "view",
    ]  # fmt: skip
    list_filter: ClassVar = ["last_at", "first_at"]
    list_select_related: ClassVar = ["session__owner", "session__share"]
    search_fields: ClassVar = [
        "session__owner__username", "session__owner__first_name", "session__owner__last_name",
        "session__share__hint", "session__title",
    ]  # fmt: skip
    search_help_text = "Person, end of a link, sample, or request."
    date_hierarchy = "last_at"
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[AccessList]:
        return AccessList

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        return ["person", "view", "volume", "requests", "fetched", "first_at", "last_at"]

    def get_fields(self, request: HttpRequest, obj: object = None) -> Any:
        return self.get_readonly_fields(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[LayerAccess], search_term: str
    ) -> tuple[QuerySet[LayerAccess], bool]:
        """Find people as the fields say, and volumes by their sample or request."""
        found, has_doubles = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return found, has_doubles
        volumes = DataLayer.objects.filter(selectors.is_of_sample(search_term.strip()))
        of_volumes = queryset.filter(layer__in=volumes.values("uuid"))
        return queryset.filter(Q(pk__in=found.values("pk")) | Q(pk__in=of_volumes.values("pk"))), (
            False
        )

    @admin.display(description="person", ordering="session__owner__username")
    def person(self, access: LayerAccess) -> str:
        return visitor_of(access.session)

    @admin.display(description="volume")
    def volume(self, access: LayerAccess) -> SafeString:
        return link_to_volume(_volume_of(access))

    @admin.display(description="sample")
    def sample(self, access: LayerAccess) -> str:
        return sample_of(_volume_of(access))

    @admin.display(description="request")
    def of_request(self, access: LayerAccess) -> SafeString | str:
        volume = _volume_of(access)
        return link_to(volume.request) if isinstance(volume, DataLayer) else ""

    @admin.display(description="fetched", ordering="bytes")
    def fetched(self, access: LayerAccess) -> str:
        return size(access.bytes)

    @admin.display(description="first", ordering="first_at")
    def first(self, access: LayerAccess) -> str:
        return ago(access.first_at)

    @admin.display(description="last", ordering="last_at")
    def last(self, access: LayerAccess) -> str:
        return ago(access.last_at)

    @admin.display(description="view")
    def view(self, access: LayerAccess) -> SafeString:
        return link_to(access.session)


def _volume_of(access: Any) -> Any:
    """Return the volume, which the list has read already for each of its rows."""
    if not hasattr(access, "console_volume"):
        access.console_volume = selectors.volumes_named({access.layer}).get(access.layer)
    return access.console_volume


class AccessInline(NotByHand, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """What was fetched for one view."""

    model = LayerAccess
    verbose_name_plural = "What was fetched"
    fields = ("volume", "requests", "fetched", "first_at", "last_at")
    readonly_fields = fields

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @admin.display(description="volume")
    def volume(self, access: LayerAccess) -> SafeString:
        return link_to_volume(_volume_of(access))

    @admin.display(description="fetched")
    def fetched(self, access: LayerAccess) -> str:
        return size(access.bytes)
