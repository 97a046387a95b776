"""Links by which others open views, in the staff console: to look at and to end."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from lightserv_site.templatetags.display import ago
from requests_app.admin.outcomes import for_each
from viewers_app.admin.sections import LookOnly, filtered
from viewers_app.models import ShareLink
from viewers_app.services import sharing


class LinkList(ChangeList):  # type: ignore[misc]  # unfold has no type hints
    """The page of the list, each link with its state: rights are asked once for all of them."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for link, standing in sharing.standings(self.result_list):
            link.console_standing = standing  # type: ignore[attr-defined]  # for the column


class StandingFilter(admin.SimpleListFilter):
    """What the rows say; that the creator lost access is asked for each link that is shown."""

    title = "state"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("lasting", "Not ended"), ("over", "Over"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ShareLink]) -> QuerySet[ShareLink]:
        used_up = Q(most_uses__isnull=False, uses__gte=F("most_uses"))
        ended = Q(expires_at__lte=timezone.now()) | Q(view__removed_at__isnull=False) | used_up
        found = {
            "lasting": queryset.filter(revoked_at=None).exclude(ended),
            "over": queryset.filter(ended, revoked_at=None),
            "revoked": queryset.exclude(revoked_at=None),
        }
        return found.get(self.value() or "", queryset)


@admin.register(ShareLink)
class ShareLinkAdmin(LookOnly):
    """Links by which others open views, to look at and to end. No token is kept."""

    list_display: ClassVar = [
        "hint", "view", "created_by", "scope", "standing", "used", "last_use", "expires_at",
        "opened",
    ]  # fmt: skip
    list_filter: ClassVar = [StandingFilter, "scope"]
    list_select_related: ClassVar = ["view", "created_by"]
    search_fields: ClassVar = [
        "hint", "view__name", "created_by__username", "note", "people__username",
    ]  # fmt: skip
    date_hierarchy = "created_at"
    actions: ClassVar = ["revoke"]

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[LinkList]:
        return LinkList

    def get_list_display(self, request: HttpRequest) -> list[str]:
        may_see_views = request.user.has_perm("viewers_app.view_viewersession")
        return [name for name in self.list_display if name != "opened" or may_see_views]

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        shown = super().get_readonly_fields(request, obj)
        more = ["opened"] if request.user.has_perm("viewers_app.view_viewersession") else []
        return ["standing", *(name for name in shown if name != "digest"), "people", *more]

    @admin.display(description="state")
    def standing(self, link: Any) -> str:
        if not hasattr(link, "console_standing"):
            (_, link.console_standing), *_ = sharing.standings([link])
        return str(link.console_standing)

    @admin.display(description="uses", ordering="uses")
    def used(self, link: ShareLink) -> str:
        return f"{link.uses} of {link.most_uses}" if link.most_uses else str(link.uses)

    @admin.display(description="last use", ordering="last_used_at")
    def last_use(self, link: ShareLink) -> str:
        return ago(link.last_used_at) if link.last_used_at else "never"

    @admin.display(description="views")
    def opened(self, link: ShareLink) -> SafeString:
        return filtered("viewersession", "Views that it opened", share__exact=link.pk)

    @admin.action(description="Revoke these links", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ShareLink]) -> None:
        """End each link for good."""
        for_each(request, queryset, sharing.revoke, "revoked; the data ends within 30 s")
