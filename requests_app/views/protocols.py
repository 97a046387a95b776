"""A protocol as the bench will show it, for who drafts it."""

from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from core_app import roles
from core_app.http import person
from requests_app.models import ClearingProtocol
from requests_app.selectors import BenchStep


@require_GET
@login_required
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the steps of one version in their phases, with what each of them asks for."""
    found = ClearingProtocol.objects.filter(pk=pk).prefetch_related("species", "steps").first()
    if found is None or not roles.roles_of(person(request)):
        raise Http404("There is no such protocol, or it is not yours to see.")
    steps = list(found.steps.all())
    groups = groupby(steps, key=lambda step: (step.phase, step.phase_title))
    phases = [
        (title or phase, [BenchStep(step, None, starts_phase=False) for step in group])
        for (phase, title), group in groups
    ]
    context = {"protocol": found, "phases": phases, "total": len(steps)}
    return render(request, "requests_app/protocol_preview.html", context)
