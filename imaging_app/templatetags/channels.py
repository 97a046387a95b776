"""How channels look: what they are for, and what can be chosen for them."""

from collections.abc import Iterable

from django import template

from imaging_app.models import ImagingResolution, Objective, Wavelength
from imaging_app.selectors import batches
from requests_app.plans import PURPOSES

register = template.Library()


@register.simple_tag
def purpose_choices(objective: Objective) -> list[tuple[str, str]]:
    """Return what a channel of the objective can be for: value and words."""
    allowed = ["generic_imaging"] if objective.only_generic_imaging else PURPOSES
    return [(purpose, batches.purposes_in_words([purpose])) for purpose in allowed]


@register.filter
def purpose_words(purposes: Iterable[str]) -> str:
    """Return purposes as people say them."""
    return batches.purposes_in_words(purposes) or "nothing"


@register.filter
def registrable(lines: Iterable[Wavelength] | None) -> str:
    """Return the lines that may be registered, as a list in words."""
    return ", ".join(line.name for line in lines or () if line.may_register)


@register.filter
def channels_with_twins(resolution: ImagingResolution) -> list[tuple[object, bool]]:
    """Return the channels of a sample at one objective, and whether each has a ventral-up twin."""
    rows = list(
        resolution.channels.select_related("wavelength").order_by(
            "ventral_up", "wavelength__position"
        )
    )
    twins = {channel.wavelength_id for channel in rows if channel.ventral_up}
    return [(c, not c.ventral_up and c.wavelength_id in twins) for c in rows]
