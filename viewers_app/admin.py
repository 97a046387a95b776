"""Layers and views in the staff console: to look at; a view can be stopped."""

from datetime import timedelta

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from core_app.errors import DomainError
from core_app.http import person
from viewers_app.models import DataLayer, ShareLink, ViewerSession
from viewers_app.services import sessions, sharing


class LookOnly(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Nothing is added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


@admin.register(DataLayer)
class DataLayerAdmin(LookOnly):
    """Volumes that can be opened."""

    list_display = ["sample", "name", "kind", "owner", "created_at"]
    list_filter = ["product__kind"]
    list_select_related = [
        "product__channel__wavelength",
        "product__channel__resolution__imaging_request__sample__request__owner",
    ]
    search_fields = [
        "product__path",
        "product__channel__resolution__imaging_request__sample__name",
        "uuid",
    ]

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @admin.display(description="product", ordering="product__kind")
    def kind(self, layer: DataLayer) -> str:
        return layer.product.get_kind_display()

    @admin.display(description="owner")
    def owner(self, layer: DataLayer) -> str:
        return str(layer.request.owner)


@admin.register(ViewerSession)
class ViewerSessionAdmin(LookOnly):
    """Views that people have open, or had."""

    list_display = ["title", "owner", "state", "age", "last_activity_at", "expires_at"]
    list_filter = ["state", "mode"]
    list_select_related = ["owner"]
    search_fields = ["title", "owner__username", "uuid"]
    date_hierarchy = "created_at"
    actions = ["stop"]

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        shown = super().get_readonly_fields(request, obj)
        return [name for name in shown if name not in {"sign_in", "password_stamp"}]

    @admin.display(description="age", ordering="created_at")
    def age(self, session: ViewerSession) -> str:
        minutes = (timezone.now() - session.created_at) // timedelta(minutes=1)
        return f"{minutes // 60} h {minutes % 60} min"

    @admin.action(description="Stop these views", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: QuerySet[ViewerSession]) -> None:
        """End each view by itself and say what became of it."""
        stopped = 0
        for session in queryset:
            try:
                sessions.stop_session(session, by=person(request))
                stopped += 1
            except DomainError as refusal:
                messages.error(request, f"{session}: {refusal.message}")
        messages.success(
            request, f"{stopped} views stopped. Their owners lose the data within 30 s."
        )


@admin.register(ShareLink)
class ShareLinkAdmin(LookOnly):
    """Links by which others open views, to look at and to end. No token is kept."""

    list_display = ["hint", "view", "created_by", "scope", "expires_at", "uses", "last_used_at"]
    list_filter = ["scope"]
    list_select_related = ["view", "created_by"]
    search_fields = ["view__name", "created_by__username", "note", "people__username"]
    date_hierarchy = "created_at"
    actions = ["revoke"]

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        shown = super().get_readonly_fields(request, obj)
        return [*(name for name in shown if name != "digest"), "people"]

    @admin.action(description="Revoke these links", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ShareLink]) -> None:
        """End each link for good."""
        links = list(queryset)
        for link in links:
            sharing.revoke(link)
        messages.success(request, f"{len(links)} links revoked. Their data ends within 30 s.")
