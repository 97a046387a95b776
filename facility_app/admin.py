"""Mails in the staff console: what was told to whom, what became of it, and another try.

They hang on requests by number, and the console of requests is above the kernel, so they are here.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import linebreaksbr
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from core_app import notices, roles
from core_app.admin import HistoryMixin
from core_app.http import person
from core_app.models import Mail
from core_app.roles import Role
from requests_app.admin.outcomes import for_each

NOT_SENT = {"sent_at": None}
STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "not-sent": ("Not sent", NOT_SENT),
    "waiting": ("Waiting", {**NOT_SENT, "given_up_at": None, "attempts": 0}),
    "failing": ("Failed, tried again", {**NOT_SENT, "given_up_at": None, "attempts__gt": 0}),
    "given-up": ("Given up", {"given_up_at__isnull": False}),
    "sent": ("Sent", {"sent_at__isnull": False}),
}


class MailState(admin.SimpleListFilter):
    """What became of a mail."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(name, label) for name, (label, _) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mail]) -> QuerySet[Mail]:
        chosen = STATES.get(self.value() or "")
        return queryset.filter(**chosen[1]) if chosen else queryset


@admin.register(Mail)
class MailAdmin(HistoryMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Nothing of a mail is typed here. It is read, sent again, or given up."""

    list_display = ("when", "event", "to", "subject", "state", "error", "request_link")
    list_display_links = ("when", "subject")
    list_filter = (MailState, "event", "created_at")
    list_select_related = ("person",)
    search_fields = ("subject", "to", "person__username", "=root_id")
    search_help_text = "Subject, address, user name, or number of a request"
    date_hierarchy = "created_at"
    show_full_result_count = False
    fields = readonly_fields = (
        "subject", "to", "person", "event", "request_link", "state", "created_at", "due_at",
        "attempts", "error", "sent_at", "given_up_at", "words",
    )  # fmt: skip
    actions: ClassVar = ["send_again", "give_up"]

    @admin.display(description="when", ordering="created_at")
    def when(self, mail: Mail) -> str:
        return f"{timezone.localtime(mail.created_at):%Y-%m-%d %H:%M}"

    @admin.display(description="state")
    def state(self, mail: Mail) -> str:
        return mail.outcome

    @admin.display(description="request", ordering="root_id")
    def request_link(self, mail: Mail) -> SafeString | str:
        if not mail.root_id:
            return "–"
        address = reverse("admin:requests_app_request_change", args=[mail.root_id])
        return format_html('<a class="underline" href="{}">request {}</a>', address, mail.root_id)

    @admin.display(description="text")
    def words(self, mail: Mail) -> str:
        """Show the text part as text. The HTML part says the same and is not let into this page."""
        return linebreaksbr(mail.text)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Mail | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Mail | None = None) -> bool:
        return False

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return roles.has_role(request.user, Role.MANAGER, Role.OPERATOR)

    @admin.action(description="Send again", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Mail]) -> None:
        me = person(request)
        for_each(request, queryset, lambda mail: notices.send_again(mail, by=me), "due again")

    @admin.action(description="Give up", permissions=["resend"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[Mail]) -> None:
        me = person(request)
        for_each(request, queryset, lambda mail: notices.give_up(mail, by=me), "given up")
