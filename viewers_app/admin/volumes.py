"""Volumes in the staff console: to look at, with who looked at them."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from viewers_app.admin.sections import LookOnly, filtered
from viewers_app.models import DataLayer


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

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        shown = super().get_readonly_fields(request, obj)
        may_know = request.user.has_perm("viewers_app.view_layeraccess")
        return [*shown, "looked_at"] if may_know else shown

    @admin.display(description="product", ordering="product__kind")
    def kind(self, layer: DataLayer) -> str:
        return layer.product.get_kind_display()

    @admin.display(description="owner")
    def owner(self, layer: DataLayer) -> str:
        return str(layer.request.owner)

    @admin.display(description="looked at")
    def looked_at(self, layer: DataLayer) -> SafeString:
        return filtered("layeraccess", "Who looked at it", layer__exact=str(layer.uuid))
