"""What pages of other parts show of the instruments."""

from django import template
from django.utils import timezone

from imaging_app.selectors.instruments import troubled

register = template.Library()


@register.inclusion_tag("imaging_app/instrument_banner.html")
def instrument_banner() -> dict[str, object]:
    """Show what does not work now or within a week; nothing when all is well."""
    return {"standings": troubled(timezone.now())}
