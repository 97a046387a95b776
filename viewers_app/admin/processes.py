"""What the console knows of processes behind views: how full it is, drift, and a view's log."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action

from core_app.errors import OutsideError
from viewers_app.services import processes

LOG_LINES = 500
VIEWS = "admin:viewers_app_viewersession"


class ProcessesMixin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Two more pages for views: of all processes, and of what one of them wrote."""

    actions_list = ("python_viewers",)
    actions_detail = ("log",)

    @action(description="Python viewers", permissions=["change"], url_path="processes")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def python_viewers(self, request: HttpRequest) -> HttpResponse:
        """Show how full the launcher is and where views and processes differ; POST mends that."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            _mend(request)
            return redirect(f"{VIEWS}_python_viewers")
        back = reverse(f"{VIEWS}_changelist")
        return self._page(
            request, "admin/viewer_processes.html", "Python viewers", **_state(), back=back
        )

    @action(description="Log of its process", permissions=["change"], url_path="log")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def log(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what the view's process wrote last."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        session = self.get_object(request, str(object_id))
        if session is None:
            raise Http404("There is no such view.")
        try:
            text = processes.logs_of(session, lines=LOG_LINES)
            trouble = "" if text else "It has no process now, or that wrote nothing yet."
        except OutsideError as problem:
            text, trouble = "", f"{problem}."
        back = reverse(f"{VIEWS}_change", args=[session.pk])
        return self._page(
            request, "admin/viewer_log.html", f"Log of {session}",
            text=text, trouble=trouble, failure=session.failure, back=back,
        )  # fmt: skip

    def _page(
        self, request: HttpRequest, template: str, title: str, **context: Any
    ) -> TemplateResponse:
        every_page = self.admin_site.each_context(request)
        shown = {**every_page, "opts": self.model._meta, "title": title, **context}
        return TemplateResponse(request, template, shown)


def _state() -> dict[str, Any]:
    if settings.LAUNCHER == "static":
        return {"is_used": False}
    try:
        rows = [[str(one.view), one.words] for one in processes.drift()]
        capacity = processes.capacity()
    except OutsideError as problem:
        return {"is_used": True, "trouble": str(problem)}
    table = {"headers": ["View", "What differs"], "rows": rows}
    return {"is_used": True, "capacity": capacity, "table": table}


def _mend(request: HttpRequest) -> None:
    try:
        mended, failed = processes.tend()
    except OutsideError as problem:
        messages.error(request, f"{problem}. Nothing was changed.")
        return
    messages.success(request, f"{mended} mended.")
    if failed:
        messages.error(request, f"{failed} could not be mended; the log of the site says why.")
