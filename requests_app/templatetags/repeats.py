"""The link to another round of imaging, for every page that shows a request or a sample of it."""

from typing import Any

from django import template

from core_app.models import User
from requests_app import again
from requests_app.models import Request, Sample

register = template.Library()


@register.inclusion_tag("requests_app/parts/image_again.html", takes_context=True)
def image_again(
    context: dict[str, Any], request: Request, sample: Sample | None = None, look: str = ""
) -> dict[str, str]:
    """Show the link if this person may ask; with a sample, it is ticked there."""
    user = context["user"]
    if not isinstance(user, User) or not again.may_ask(request, user):
        return {}
    if sample is not None and again.hindrance_of(sample):
        return {}
    ticked = f"?sample={sample.pk}" if sample else ""
    words = "Image this sample again" if sample else "Image samples again"
    return {"address": f"{again.address_of(request)}{ticked}", "words": words, "look": look}
