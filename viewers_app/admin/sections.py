"""What the pages of viewers in the staff console share."""

from django.contrib.admin.options import BaseModelAdmin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from core_app.admin import ListMixin
from requests_app.admin.outcomes import link_to
from viewers_app.models import AtlasLayer, DataLayer, Layer, ViewerSession

GONE = "a volume that is gone"


class NotByHand(BaseModelAdmin):  # type: ignore[type-arg]  # generic for the checker only
    """Nothing is added, changed or deleted by hand."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class LookOnly(NotByHand, ListMixin):
    """A list whose rows are written by services; who may change them has actions only."""

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


def link_to_volume(layer: Layer | None) -> SafeString:
    """Return the volume's name with its sample, and a link where the console has its page."""
    if layer is None:
        return format_html("{}", GONE)
    if isinstance(layer, AtlasLayer):
        return format_html("{}", layer.name)
    return link_to(layer, f"{layer} ({layer.channel.resolution.objective.name})")


def sample_of(layer: Layer | None) -> str:
    """Return the name of the volume's sample; "" for an atlas."""
    return layer.sample.name if isinstance(layer, DataLayer) else ""


def list_of(lines: list[SafeString]) -> SafeString:
    """Return one line below the other."""
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", [(x,) for x in lines]))


def filtered(page: str, words: str, **chosen: str | int) -> SafeString:
    """Return a link to a list of the console, filtered."""
    address = f"{reverse(f'admin:viewers_app_{page}_changelist')}?{urlencode(chosen)}"
    return format_html('<a class="underline" href="{}">{}</a>', address, words)


def visitor_of(session: ViewerSession) -> str:
    """Return who looks: a person, or the visitor of a link."""
    if session.owner is not None:
        return str(session.owner)
    return f"visitor of link …{session.share.hint}" if session.share else "nobody"
