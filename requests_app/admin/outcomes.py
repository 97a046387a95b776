"""Actions of the console: one object after the other, and what became of each, in two messages."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core_app.errors import DomainError

M = TypeVar("M", bound=Model)
SHOWN = 10


def for_each(
    request: HttpRequest, objects: Iterable[M], act: Callable[[M], object], done: str
) -> None:
    """Do `act` to each object by itself, so that one refusal holds up no other, and report it.

    What was done is one line; the refusals are one list, each with its object and its reason.
    """
    succeeded: list[M] = []
    refused: list[tuple[M, str]] = []
    for obj in objects:
        try:
            act(obj)
        except DomainError as refusal:
            refused.append((obj, refusal.message))
        else:
            succeeded.append(obj)
    if succeeded:
        messages.success(request, _sum_of(succeeded, done))
    if refused:
        messages.error(request, _list_of(refused))


def link_to(obj: Model, text: object = None) -> SafeString:
    """Return a link to the object's page of the console, or its bare name if it has none."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
    shown = str(obj if text is None else text)
    try:
        address = reverse(name, args=[obj.pk])
    except NoReverseMatch:
        return format_html("{}", shown)
    return format_html('<a class="underline" href="{}">{}</a>', address, shown)


def _sum_of(objects: Sequence[Model], done: str) -> str:
    return f"{objects[0]}: {done}." if len(objects) == 1 else f"{len(objects)} {done}."


def _list_of(refused: Sequence[tuple[Model, str]]) -> SafeString:
    lines = [(link_to(obj), reason) for obj, reason in refused]
    if len(lines) == 1:
        return _line(*lines[0])
    shown = format_html_join("", "<li>{}</li>", [(_line(*line),) for line in lines[:SHOWN]])
    rest = format_html_join("", "<li>{}</li>", [(_line(*line),) for line in lines[SHOWN:]])
    hidden = (
        format_html(
            "<details><summary>and {} more</summary><ul>{}</ul></details>",
            len(lines) - SHOWN, rest,
        )
        if rest
        else ""
    )  # fmt: skip
    return format_html("{} refused:<ul>{}</ul>{}", len(lines), shown, hidden)


def _line(link: SafeString, reason: str) -> SafeString:
    return format_html("{}: {}", link, reason)
