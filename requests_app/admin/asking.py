"""Actions of the console that ask something first: a page between choosing objects and acting."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

MOST = 500
SHOWN = 20
LONGEST_ID = 18


@dataclass(frozen=True, slots=True)
class Question:
    """What the page says and asks; `button` is a verb."""

    title: str
    button: str
    form: forms.Form
    explanation: str = ""
    line_of: Callable[[Any], str] = str


class AskingAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Base of consoles with such actions. Whatever is posted is looked at anew each time."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Refuse actions that this person does not have, and ids that are none."""
        if request.method == "POST":
            wanted = {name for name in request.POST.getlist("action") if name}
            if wanted - set(self.get_actions(request)):
                raise PermissionDenied
            if refusal := _refusal_of(request.POST.getlist(ACTION_CHECKBOX_NAME)):
                messages.error(request, refusal)
                return HttpResponseRedirect(request.get_full_path())
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def ask(
        self, request: HttpRequest, objects: Sequence[Model], question: Question
    ) -> HttpResponse | None:
        """Return the page with the question, or None once it is answered well."""
        if len(objects) > MOST:
            messages.error(request, f"At most {MOST} objects go at once. Choose fewer.")
            return HttpResponseRedirect(request.get_full_path())
        if is_answered(request):
            warn_of_missing(request, objects)
            if question.form.is_valid():
                return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": question.title,
            "question": question,
            "form": question.form,
            "media": self.media + question.form.media,
            "action": request.POST.get("action", ""),
            "checkbox": ACTION_CHECKBOX_NAME,
            "objects": objects,
            "lines": [question.line_of(obj) for obj in objects[:SHOWN]],
            "more": max(0, len(objects) - SHOWN),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/ask_first.html", context)


def is_answered(request: HttpRequest) -> bool:
    """Return True for the second step, when the page's own button was pressed."""
    return request.method == "POST" and "answered" in request.POST


def answers_of(request: HttpRequest) -> Any:
    """Return what to bind the form to: nothing on the first step."""
    return request.POST if is_answered(request) else None


def warn_of_missing(request: HttpRequest, objects: Iterable[Model]) -> None:
    """Say if some of what was chosen is not in the list, or not any more."""
    chosen = set(request.POST.getlist(ACTION_CHECKBOX_NAME))
    missing = len(chosen - {str(obj.pk) for obj in objects})
    if missing:
        messages.warning(
            request,
            f"{missing} of the {len(chosen)} chosen are not in this list (any more); "
            "nothing was done with them.",
        )


def chosen(queryset: QuerySet[Any], *related: str) -> list[Any]:
    """Read the chosen objects once, with what the services look at."""
    return list(queryset.select_related(*related)[: MOST + 1])


def _refusal_of(ids: Sequence[str]) -> str:
    if len(ids) > MOST:
        return f"{len(ids)} objects are chosen; at most {MOST} go at once. Choose fewer."
    if any(not (i.isascii() and i.isdigit() and len(i) <= LONGEST_ID) for i in ids):
        return "What was chosen is no object of this list; nothing was changed."
    return ""
