"""The third step: what exactly will be made of a draft, and the button that makes it."""

from functools import partial

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core_app.errors import DomainError, Invalid, Taken
from core_app.http import person
from core_app.models import User
from imaging_app.selectors import offered_objectives
from processing_app.services.requests import is_processable
from requests_app import drafts, previews, workflows
from requests_app.forms.requests.about import RETENTION_HELP
from requests_app.forms.requests.judgement import Judgement, judge
from requests_app.models import Request, Species
from requests_app.models.request import folder_of
from requests_app.plans import RequestPlan
from requests_app.views.draft_pages import (
    draft_view,
    link_in_draft,
    problems_with_links,
    revision_in,
    steps_of,
)
from requests_app.views.requests import address_of

CHANGED = (
    "The draft was changed in another window after this review was shown. This is how it is now; "
    "look at it and submit it then."
)


@require_http_methods(["GET", "POST"])
@draft_view
def review(request: HttpRequest, draft: Request) -> HttpResponseBase:
    """Show what will be created; submit it as it was shown."""
    judgement = judge(draft, drafts.opened(draft.draft))
    if request.method != "POST":
        return _page(request, draft, judgement)
    if revision_in(request.POST) not in {None, draft.draft_revision}:
        return _page(request, draft, judgement, status=409, clash=CHANGED)
    if judgement.problems:
        return _page(request, draft, judgement, status=422)
    return _submit(request, draft, judgement)


def _submit(request: HttpRequest, draft: Request, judgement: Judgement) -> HttpResponse:
    try:
        workflows.submit_request(draft, judgement.plan, by=person(request))
    except Invalid as refusal:
        judgement.problems.update(refusal.fields or {"samples": [refusal.message]})
    except Taken as refusal:
        judgement.problems["name"] = [refusal.message]
    except DomainError:
        raise
    else:
        messages.success(request, f"“{draft.name}” is submitted. You can follow every sample here.")
        return redirect(address_of(draft))
    draft.refresh_from_db()
    return _page(request, draft, judgement, status=422)


def _page(
    request: HttpRequest,
    draft: Request,
    judgement: Judgement,
    *,
    status: int = 200,
    clash: str = "",
) -> HttpResponse:
    plan = judgement.plan
    processed = {o.name for o in offered_objectives() if is_processable(o)}
    context = {
        "draft": draft,
        "steps": steps_of(draft, "review"),
        "plan": plan,
        "clash": clash,
        "problems": problems_with_links(
            judgement.problems,
            [row["name"] for row in drafts.opened(draft.draft)["samples"]],
            partial(link_in_draft, draft=draft),
        ),
        "count": judgement.count,
        "warnings": judgement.warnings,
        "clearing": previews.clearing_of(plan),
        "processing": previews.processing_of(plan, processed),
        "folder": f"{draft.owner.username}/{folder_of(plan.name)}",
        "species": Species.objects.filter(name=plan.species).first(),
        "retention": dict(Request.Retention.choices).get(plan.retention, ""),
        "retention_help": RETENTION_HELP,
        "mails": _mails(draft, plan, person(request)),
    }
    return render(request, "requests_app/request_form_review.html", context, status=status)


def _mails(draft: Request, plan: RequestPlan, by: User) -> list[str]:
    """Return who hears of the submission, as requests_app.mails tells them."""
    received = [plan.correspondence_email, str(draft.owner)]
    if by.pk != draft.owner_id:
        received.append("you")
    told = [
        f"{', '.join(dict.fromkeys(received))}: that the request is here, and how to hand it in"
    ]
    if plan.auditor:
        told.append(f"{plan.auditor}: that they may read the request as its auditor")
    if not plan.self_clearing:
        told.append("The clearing staff: that there is something to clear")
    return told
