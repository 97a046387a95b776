"""Actions of the console: one object after the other, and what became of each."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest

from core_app.errors import DomainError

M = TypeVar("M", bound=Model)


def for_each(
    request: HttpRequest, objects: Iterable[M], act: Callable[[M], object], done: str
) -> None:
    """Do `act` to each object by itself, so that one refusal holds up no other, and report it."""
    for obj in objects:
        try:
            act(obj)
        except DomainError as refusal:
            messages.error(request, f"{obj}: {refusal.message}")
        else:
            messages.success(request, f"{obj}: {done}.")
