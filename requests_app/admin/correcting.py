"""Change pages that correct through a service: what changed is said, and nobody is overwritten."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from core_app.admin import HistoryMixin
from core_app.errors import DomainError
from core_app.http import person
from core_app.models import User
from requests_app.services.corrections import newest_event

LONGEST_ID = 18


class CorrectingAdmin(HistoryMixin):
    """Base of such pages. Subclasses say which service corrects, in `correct`."""

    change_form_before_template = "admin/seen.html"

    def correct(self, obj: Any, values: Mapping[str, Any], *, by: User, seen: int | None) -> None:
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a refusal of the service as a message on the page as it is now."""
        extra = {**(extra_context or {}), "seen": self._seen(request, object_id)}
        try:
            return super().change_view(request, object_id, form_url, extra)
        except DomainError as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.get_full_path())

    def _seen(self, request: HttpRequest, object_id: str) -> int | None:
        if request.method == "POST":
            return seen_by(request)
        obj = self.get_object(request, unquote(object_id))
        return newest_event(obj) if obj else None

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        self.correct(obj, values, by=person(request), seen=seen_by(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a refusal of the service as a message; somebody may have been quicker."""
        try:
            response: HttpResponse = super().delete_view(request, object_id, extra_context)
        except DomainError as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect("../change/")
        return response


def seen_by(request: HttpRequest) -> int | None:
    """Return the newest event that the page showed, as the page sends it back."""
    text = request.POST.get("seen", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= LONGEST_ID
    return int(text) if is_number else None
