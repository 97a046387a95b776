"""Views that people have open, in the staff console: to look at, to stop and to extend."""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import BigIntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core_app.admin import HistoryMixin
from core_app.http import person
from lightserv_site.templatetags.display import ago_words, duration, size
from requests_app.admin.outcomes import for_each, link_to
from viewers_app import selectors
from viewers_app.admin.accesses import AccessInline
from viewers_app.admin.processes import ProcessesMixin
from viewers_app.admin.sections import LookOnly, link_to_volume, list_of, visitor_of
from viewers_app.models import LayerAccess, ViewerSession
from viewers_app.recipes import RECIPES
from viewers_app.services import sessions
from viewers_app.states import OPEN

TICKED = "ticked"
TICKED_WORDS = "Volumes that were ticked"


class RecipeFilter(admin.SimpleListFilter):
    """What was opened."""

    title = "recipe"
    parameter_name = "recipe"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((key, recipe.label) for key, recipe in RECIPES.items()), (TICKED, TICKED_WORDS)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ViewerSession]
    ) -> QuerySet[ViewerSession]:
        chosen = self.value()
        if chosen == TICKED:
            return queryset.filter(Q(spec__recipe="") | Q(spec__recipe=None))
        return queryset.filter(spec__recipe=chosen) if chosen in RECIPES else queryset


class IdleFilter(admin.SimpleListFilter):
    """Open views at which nobody has looked for some time."""

    title = "idle"
    parameter_name = "idle"
    MINUTES: ClassVar = {"10": "10 min or more", "30": "30 min or more", "60": "1 h or more"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.MINUTES.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ViewerSession]
    ) -> QuerySet[ViewerSession]:
        chosen = self.value()
        if chosen not in self.MINUTES:
            return queryset
        since = timezone.now() - timedelta(minutes=int(chosen))
        return queryset.filter(state__in=OPEN, last_activity_at__lte=since)


@admin.register(ViewerSession)
class ViewerSessionAdmin(ProcessesMixin, LookOnly, HistoryMixin):
    """Views that people have open, or had."""

    list_display: ClassVar = [
        "title", "whose", "kind_of_view", "mode", "state", "age", "idle", "expires", "layer_count",
        "served", "opened_by",
    ]  # fmt: skip
    list_filter: ClassVar = ["state", "mode", RecipeFilter, IdleFilter, "created_at"]
    list_select_related: ClassVar = ["owner", "share"]
    search_fields: ClassVar = [
        "title", "owner__username", "owner__first_name", "owner__last_name", "uuid", "share__hint",
    ]  # fmt: skip
    search_help_text = "Title, person, end of a link, or address of a view."
    date_hierarchy = "created_at"
    actions: ClassVar = ["stop", "extend"]
    inlines: ClassVar = [AccessInline]
    HIDDEN: ClassVar = {"sign_in", "password_stamp", "once"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[ViewerSession]:
        rows: QuerySet[ViewerSession] = super().get_queryset(request)
        mine = LayerAccess.objects.filter(session=OuterRef("pk")).order_by().values("session")
        total = Subquery(mine.annotate(n=Sum("bytes")).values("n"), output_field=BigIntegerField())
        return rows.annotate(served_bytes=Coalesce(total, 0))

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        shown = super().get_readonly_fields(request, obj)
        return ["volumes", *(name for name in shown if name not in self.HIDDEN)]

    @admin.display(description="owner", ordering="owner__username")
    def whose(self, session: ViewerSession) -> str:
        return visitor_of(session)

    @admin.display(description="recipe")
    def kind_of_view(self, session: ViewerSession) -> str:
        if session.version_id is not None:
            return "Saved view"
        recipe = RECIPES.get(session.recipe)
        return recipe.label if recipe else session.recipe or TICKED_WORDS

    @admin.display(description="age", ordering="created_at")
    def age(self, session: ViewerSession) -> str:
        return duration(timezone.now() - session.created_at)

    @admin.display(description="idle", ordering="-last_activity_at")
    def idle(self, session: ViewerSession) -> str:
        if session.state not in OPEN:
            return ""
        return duration(max(timedelta(0), timezone.now() - session.last_activity_at))

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, session: ViewerSession) -> str:
        return ago_words(session.expires_at) if session.state in OPEN else ""

    @admin.display(description="layers")
    def layer_count(self, session: ViewerSession) -> int:
        return len(session.layer_uuids)

    @admin.display(description="served", ordering="served_bytes")
    def served(self, session: Any) -> str:
        return size(session.served_bytes)

    @admin.display(description="share", ordering="share__hint")
    def opened_by(self, session: ViewerSession) -> SafeString | str:
        return link_to(session.share, f"…{session.share.hint}") if session.share else ""

    @admin.display(description="volumes")
    def volumes(self, session: ViewerSession) -> SafeString:
        found = selectors.volumes_named(session.layer_uuids)
        lines = [link_to_volume(found.get(UUID(uuid))) for uuid in session.layer_uuids]
        return list_of(lines) if lines else format_html("{}", "none")

    @admin.action(description="Stop these views", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: QuerySet[ViewerSession]) -> None:
        """End each view by itself and say what became of it."""
        by = person(request)
        done = "stopped; the data ends within 30 s"
        for_each(request, queryset, lambda each: sessions.stop_session(each, by=by), done)

    @admin.action(description="Extend these views", permissions=["change"])
    def extend(self, request: HttpRequest, queryset: QuerySet[ViewerSession]) -> None:
        """Give each view its full time once more, from now on."""
        by, open_rows = person(request), queryset.select_related("share__created_by", "share__view")
        for_each(request, open_rows, lambda each: sessions.extend(each, by=by), "extended")
