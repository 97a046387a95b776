"""Which entries the navigation has for this person, and which of them is the current page."""

from dataclasses import dataclass

from django import template
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from core_app.accounts import DEMO_PASSWORD
from core_app.models.people import User
from core_app.roles import Role, has_role

register = template.Library()


@dataclass(frozen=True, slots=True)
class Entry:
    """One link; without roles it is for everybody signed in."""

    word: str
    address: str
    roles: tuple[Role, ...] = ()


ENTRIES = (
    Entry("Home", "/"),
    Entry("Requests", "/requests/"),
    Entry("Hand-offs", "/handoffs/"),
    Entry("Clearing", "/clearing/", (Role.CLEARER, Role.MANAGER)),
    Entry("Imaging", "/imaging/", (Role.IMAGER, Role.MANAGER)),
    Entry("Processing", "/processing/", (Role.PROCESSOR, Role.MANAGER, Role.OPERATOR)),
    Entry("Microscopes", "/imaging/calendar/"),
    Entry("Viewers", "/viewers/"),
    Entry("Antibodies", "/clearing/antibodies/"),
)
NEW_REQUEST = "/requests/new/"
CONSOLE = Entry("Staff console", "/admin/")
OWN_ACCOUNT = (
    Entry("E-mail", "/accounts/email/"),
    Entry("Password", "/accounts/password/change/"),
    Entry("Two-factor sign-in", "/accounts/2fa/"),
    Entry("Sessions", "/accounts/sessions/"),
)

CALENDARS = Entry("Calendars", "/feeds/")


def entries_for(person: User | AnonymousUser) -> list[Entry]:
    """Return what this person may need: the staff queues only with the role for them."""
    if not person.is_authenticated:
        return []
    return [entry for entry in ENTRIES if not entry.roles or has_role(person, *entry.roles)]


def current_of(entries: list[Entry], path: str) -> Entry | None:
    """Return the entry whose address is the longest beginning of the path."""
    if path.startswith(NEW_REQUEST):
        return None
    fitting = [
        e for e in entries if path == e.address or (e.address != "/" and path.startswith(e.address))
    ]
    return max(fitting, key=lambda entry: len(entry.address), default=None)


@register.inclusion_tag("parts/navigation.html")
def navigation(request: HttpRequest) -> dict[str, object]:
    """Show the links of the header."""
    entries = entries_for(request.user)
    return {
        "entries": entries,
        "current": current_of(entries, request.path),
        "new_request": NEW_REQUEST,
        "making_new": request.path.startswith(NEW_REQUEST),
        "signed_in": request.user.is_authenticated,
    }


@register.inclusion_tag("parts/account_menu.html", takes_context=True)
def account_menu(context: template.Context) -> dict[str, object]:
    """Show who is signed in, and what concerns that person's account."""
    person = context["request"].user
    entries = [CALENDARS, *OWN_ACCOUNT]
    if getattr(person, "is_staff", False):
        entries.insert(0, CONSOLE)
    return {
        "user": person,
        "entries": entries,
        "csrf_token": context.get("csrf_token"),
        "sign_in": "/accounts/login/",
        "sign_out": "/accounts/logout/",
    }


@register.inclusion_tag("parts/account_tabs.html")
def account_tabs(request: HttpRequest) -> dict[str, object]:
    """Show the pages of a person's own account as tabs."""
    return {"entries": OWN_ACCOUNT, "current": current_of(list(OWN_ACCOUNT), request.path)}


@register.simple_tag
def sign_up_open() -> bool:
    """Return whether people may make their own account."""
    return bool(settings.SIGN_UP)


@register.simple_tag
def demo_password() -> str:
    """Return the password of the demo's people, and nothing where this is no demo."""
    return DEMO_PASSWORD if settings.DEBUG else ""


@register.simple_tag
def site_url() -> str:
    """Return the application's origin, for links from pages that the viewer origin shows too."""
    return settings.SITE_URL
