"""What pages of a batch say about who images it."""

from django import template
from django.contrib.auth.models import AnonymousUser

from core_app.models import User
from imaging_app.models import ImagingBatch
from imaging_app.selectors.queue import Hands, hands_of

register = template.Library()


@register.simple_tag
def hands(batch: ImagingBatch, person: User | AnonymousUser) -> Hands:
    """Return whether a colleague has the batch, and what this person may press about that."""
    return hands_of(batch, person) if isinstance(person, User) else Hands()
