"""Between HTTP and the domain: typed requests, refusals as messages, the two origins."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.shortcuts import redirect

from core_app.errors import DomainError, OutsideError
from core_app.models.people import User

logger = logging.getLogger(__name__)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def person(request: HttpRequest) -> User:
    """Return the signed-in person; for views behind login_required only."""
    return cast("User", request.user)


def host_of(request: HttpRequest) -> str:
    """Return the name the request came to: small letters, no port, no dot at its end.

    Browsers take `View.example.org.` for another name than `view.example.org`; it is one host.
    """
    return split_domain_port(request.get_host())[0].strip("[]")


def is_viewer_origin(request: HttpRequest) -> bool:
    """Return True if the request came to the viewers' host name."""
    return host_of(request) == settings.VIEWER_HOST


def refusals_as_messages(view: View[P]) -> View[P]:
    """Show a DomainError as a message on the page the person came from. For POST buttons."""

    @wraps(view)
    def shown(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except DomainError as refusal:
            messages.error(request, refusal.message)
        except OutsideError as failure:
            logger.error("%s: %s", failure.reason, failure.detail)
            messages.error(
                request, f"{failure.reason}. Nothing was changed; tell an operator if it stays so."
            )
        return redirect(_back(request))

    return shown


def _back(request: HttpRequest) -> str:
    """Return the referring page if it is ours, else the front page."""
    from django.utils.http import url_has_allowed_host_and_scheme

    referer = request.headers.get("referer", "")
    ours = url_has_allowed_host_and_scheme(referer, {request.get_host()}, request.is_secure())
    return referer if ours else "/"
