"""Today at the bench: what is due, for whom, with the button to log it."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from core_app import roles
from core_app.errors import DomainError, Invalid
from core_app.http import person, refusals_as_messages
from core_app.roles import Role
from requests_app import selectors
from requests_app.selectors import bench, today
from requests_app.selectors.today import ALL, ME, NOBODY
from requests_app.services import clearing
from requests_app.states import ClearingState
from requests_app.views.clearing import chosen_person

LONGEST_NUMBER = 18


@require_GET
@login_required
def board(request: HttpRequest) -> HttpResponse:
    """Show what is due: for me, for everybody, for nobody yet, or for one colleague."""
    user, who = person(request), request.GET.get("who", ME) or ME
    batches = today.scope(user, who)
    columns = today.cards(batches, now=timezone.now())
    everybody = today.scope(user, ALL)
    is_staff = roles.has_role(user, Role.CLEARER, Role.MANAGER)
    context = {
        "columns": [(column, cards) for column, cards in columns.items()],
        "is_empty": not any(columns.values()),
        "who": who,
        "chips": [(ME, "Mine"), (ALL, "Everybody"), (NOBODY, "Unassigned")],
        "people": today.people_of(everybody),
        "without_plan": today.without_plan(batches),
        "may_reassign": is_staff,
        "staff": bench.clearing_staff() if is_staff else [],
        "may_clear": is_staff,
        "in_progress": ClearingState.IN_PROGRESS,
        "now": timezone.now(),
    }
    return render(request, "requests_app/clearing_today.html", context)


@require_POST
@login_required
@refusals_as_messages
def reassign(request: HttpRequest) -> HttpResponse:
    """Give the chosen batches to one colleague, each with its own outcome."""
    user = person(request)
    posted = request.POST.getlist("batch")
    chosen = [int(pk) for pk in posted if pk.isdecimal() and len(pk) <= LONGEST_NUMBER]
    if not chosen:
        raise Invalid("Tick the batches first, then choose who takes them.")
    batches = [selectors.get_batch(pk, to=user) for pk in dict.fromkeys(chosen)]
    clearer = chosen_person(request.POST.get("clearer", ""))
    given = 0
    for batch in batches:
        try:
            clearing.assign(batch, clearer=clearer, by=user)
            given += 1
        except DomainError as refusal:
            messages.error(request, f"{batch}: {refusal.message}")
    if given:
        plural = "es are" if given > 1 else " is"
        messages.success(request, f"{given} batch{plural} with {clearer} now.")
    return redirect(address_of(request.POST.get("who", ME)))


def address_of(who: str) -> str:
    """Return the address of the board as this person had it."""
    return f"{reverse('clearing:today')}?{urlencode({'who': who})}"
