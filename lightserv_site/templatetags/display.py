"""How values look: times, sizes, lengths, long names, states and icons."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86_400

STATE_WORDS = {
    "waiting": "Waiting",
    "progress": "In progress",
    "needs-you": "Needs you",
    "done": "Done",
    "failed": "Failed",
    "skipped": "Skipped",
}
TOKENS = {
    "progress": "in progress|running|starting|staged|submitting|queued|collecting|cancelling"
    "|stopping|submitted",
    "done": "complete|succeeded|ready|closed|accepted|created",
    "failed": "failed|lost",
    "skipped": "skipped|cancelled|withdrawn|stopped|expired",
}
TOKEN_OF = {state: token for token, states in TOKENS.items() for state in states.split("|")}

# The level tag of Django's messages: what it looks like, and its word.
MESSAGES = {
    "success": ("done", "Done."),
    "info": ("note", "Note."),
    "debug": ("note", "Note."),
    "warning": ("needs-you", "Look here."),
    "error": ("failed", "Not done."),
}


class StripStage(Protocol):
    """What a stage strip needs to know of one stage."""

    state: str


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw one icon of the sprite; the word beside it is the caller's."""
    address = static("site/icons.svg")
    return format_html(
        '<svg class="icon icon-{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        name, address, name,
    )  # fmt: skip


@register.filter
def state_token(state: object) -> str:
    """Return the display token of a state of any machine: "succeeded" is shown as done."""
    text = str(state)
    return text if text in STATE_WORDS else TOKEN_OF.get(text, "waiting")


@register.filter
def state_word(token: str) -> str:
    """Return the word that always stands beside the icon."""
    return STATE_WORDS.get(token, token)


@register.filter
def current_stage(strip: Iterable[StripStage]) -> StripStage | None:
    """Return the stage a person asks about: needs you, failed, running, next, or the last."""
    stages = list(strip)
    for wanted in ("needs-you", "failed", "progress", "waiting"):
        for stage in stages:
            if stage.state == wanted:
                return stage
    return stages[-1] if stages else None


@register.filter
def message_state(level: str) -> str:
    """Return the look of a message's level."""
    return MESSAGES.get(level, MESSAGES["info"])[0]


@register.filter
def message_word(level: str) -> str:
    """Return the word of a message's level."""
    return MESSAGES.get(level, MESSAGES["info"])[1]


@register.filter
def iso(moment: datetime | None) -> str:
    """Return date and time in the facility's zone, named: 2025-11-03 14:05 CET."""
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M %Z") if moment else ""


@register.filter
def ago_words(moment: datetime | None) -> str:
    """Return how long ago, or in how long, as plain text."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    if abs(seconds) < MINUTE:
        return "just now" if seconds >= 0 else "in a moment"
    span = _coarse(abs(seconds))
    return f"{span} ago" if seconds > 0 else f"in {span}"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Return `<time>`: relative to read, absolute on hover and for programs."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        timezone.localtime(moment).isoformat(timespec="seconds"), iso(moment), ago_words(moment),
    )  # fmt: skip


def _coarse(seconds: float) -> str:
    """Return one number and one unit, cut off, as people say it."""
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h"
    days = int(seconds // DAY)
    for length, word in ((365, "year"), (30, "month"), (14, "week"), (1, "day")):
        if days >= length:
            count = days // (7 if word == "week" else length)
            return f"{count} {word}{'s' if count != 1 else ''}"
    raise AssertionError(days)


@register.filter
def duration(span: timedelta | float | None) -> str:
    """Return a length of time in its two largest units: 1 h 20 min."""
    if span is None:
        return ""
    seconds = round(span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < MINUTE:
        return f"{seconds} s"
    minutes, hours, days = seconds // MINUTE, seconds // HOUR, seconds // DAY
    if not hours:
        return f"{minutes} min"
    large, small = (
        (f"{days} d", f"{hours % 24} h") if days else (f"{hours} h", f"{minutes % 60} min")
    )
    return large if small.startswith("0 ") else f"{large} {small}"


@register.filter
def size(count: int | None) -> str:
    """Return bytes as TB or GB with one decimal, as MB below (1 GB is 1,000,000,000 bytes)."""
    if count is None:
        return ""
    # From the value that would be shown as 1000.0 on, the next unit reads better.
    for unit, power in (("TB", 12), ("GB", 9)):
        if count >= 0.9995 * 10**power:
            return f"{count / 10**power:,.1f} {unit}"
    megabytes = count / 10**6
    return (
        f"{megabytes:.0f} MB" if megabytes >= 10 or not count else f"{max(megabytes, 0.1):.1f} MB"
    )


@register.filter
def um(length: float | Decimal | str | None) -> str:
    """Return a length in micrometers with at least one decimal and no more than it has: 5.0 µm."""
    if length is None or length == "":
        return ""
    text = f"{float(length):.3f}".rstrip("0")
    return f"{text}0 µm" if text.endswith(".") else f"{text} µm"


@register.filter
def middle(name: object, longest: int = 32) -> SafeString | str:
    """Shorten a long name in its middle: both ends tell names apart. The whole is on hover."""
    text = str(name)
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    shown = f"{text[: longest - 1 - tail]}…{text[-tail:]}"
    return format_html('<span class="middle" title="{}">{}</span>', text, shown)
