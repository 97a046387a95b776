"""One tube: its printed address, its page at the bench, reception, and the labels."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core_app.errors import Invalid
from core_app.http import person, refusals_as_messages
from requests_app import selectors
from requests_app.forms.clearing import add_refusal
from requests_app.forms.tubes import LabelForm, MoveForm, ReceiveForm
from requests_app.labels import SHEET_OF, SHEETS, Label, pdf_of
from requests_app.models import Request, Sample
from requests_app.services import handoffs, requests
from requests_app.tubes import tube_of
from requests_app.views.requests import address_of

REFUSED = 422


@require_GET
@login_required
def tube(request: HttpRequest, code: str) -> HttpResponse:
    """Lead from a tube's QR code to its page. It tells nothing to whoever may not read it."""
    return redirect(_page_of(_visible(request, code=code)))


@require_GET
@login_required
def sample_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one tube: where it is, what was ordered, and the next thing to do with it."""
    return _show(request, _visible(request, pk=pk), ReceiveForm())


@require_POST
@login_required
@refusals_as_messages
def receive(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that the tube is here, or say on its page what is missing."""
    sample = _visible(request, pk=pk)
    form = ReceiveForm(request.POST)
    if form.is_valid():
        try:
            _receive(request, sample, **form.said())
        except Invalid as refusal:
            add_refusal(form, refusal)
    if form.errors:
        return _show(request, sample, form, status=REFUSED)
    return redirect(_back_to(request, sample))


def _receive(request: HttpRequest, sample: Sample, **said: str) -> None:
    if requests.receive(sample, by=person(request), **said):
        messages.success(request, f"{sample.name} is received.")
    else:
        messages.warning(request, f"{sample.name} was here already: {_who(sample)}.")


def _who(sample: Sample) -> str:
    return f"received by {sample.received_by or 'somebody'}"


@require_POST
@login_required
@refusals_as_messages
def receive_several(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Note that the ticked tubes of a request are here, in good condition."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    chosen = _chosen(found, request.POST.getlist("samples"))
    if not chosen:
        raise Invalid("Tick the tubes that are here; nothing was received.")
    first = [sample for sample in chosen if requests.receive(sample, by=person(request))]
    for sample in chosen:
        if sample not in first:
            messages.warning(request, f"{sample.name} was here already: {_who(sample)}.")
    if first:
        named = first[0].name if len(first) == 1 else f"{len(first)} tubes"
        messages.success(request, f"Received: {named}.")
    return redirect(_back_to(request, chosen[0]))


@require_POST
@login_required
@refusals_as_messages
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo a reception noted by mistake, with the reason."""
    sample = _visible(request, pk=pk)
    reason = request.POST.get("reason", "")
    requests.take_back_reception(sample, by=person(request), reason=reason)
    messages.success(request, f"{sample.name} counts as not received again.")
    return redirect(_page_of(sample))


@require_POST
@login_required
@refusals_as_messages
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand the tube in on another day."""
    sample = _visible(request, pk=pk)
    form = MoveForm(request.POST)
    if not form.is_valid():
        raise Invalid(str(form.errors["day"][0]))
    handoffs.move(sample, form.cleaned_data["day"], by=person(request))
    messages.success(request, f"{sample.name} is expected on {sample.expected_handoff_date}.")
    return redirect(_page_of(sample))


@require_GET
@login_required
def labels(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Let the person choose which labels to print, and on what paper."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    context = {
        "order": found,
        "samples": found.samples.select_related("clearing_batch__protocol"),
        "form": LabelForm(),
        "only": {int(text) for text in _ids(request) if len(text) < 19 and text.isdecimal()},
    }
    return render(request, "requests_app/labels.html", context)


@require_GET
@login_required
def labels_pdf(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Return the labels as a PDF; what the address says wrongly counts as not said."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    samples = _chosen(found, _ids(request) or None)
    if not samples:
        raise Http404("None of these tubes belongs to this request.")
    total = found.samples.count()
    sheet = SHEET_OF.get(request.GET.get("format", ""), SHEETS[0])
    skip = request.GET.get("skip", "")
    pdf = pdf_of(
        [_label(sample, found, total) for sample in samples],
        sheet=sheet,
        title=f"Labels of {found}",
        skip=int(skip) if skip.isascii() and skip.isdigit() and len(skip) < 4 else 0,
    )
    answer = HttpResponse(pdf, content_type="application/pdf")
    file = f"labels-{found.owner.username}-{found.folder.name}.pdf"
    answer["Content-Disposition"] = f'inline; filename="{file}"'
    return answer


def _ids(request: HttpRequest) -> list[str]:
    """Return the samples that the address names: `samples=3&samples=4`, or `samples=3,4`."""
    return [part for text in request.GET.getlist("samples") for part in text.split(",") if part]


def _label(sample: Sample, order: Request, total: int) -> Label:
    day, batch = sample.expected_handoff_date, sample.clearing_batch
    lines = (
        order.name,
        order.owner.username,
        f"Hand-off {day}" if day else "",
        str(batch.protocol) if batch else "",
        f"{sample.position}/{total}",
    )
    address = f"{settings.SITE_URL}{reverse('requests:tube', args=[sample.code])}"
    return Label(address, sample.name, tuple(line for line in lines if line))


def _chosen(order: Request, ids: list[str] | None) -> list[Sample]:
    """Return the samples of the request with these ids, or all of them, in their order."""
    samples = list(order.samples.select_related("clearing_batch__protocol", "received_by"))
    for sample in samples:
        sample.request = order
    return samples if ids is None else [sample for sample in samples if str(sample.pk) in set(ids)]


def _show(
    request: HttpRequest, sample: Sample, form: ReceiveForm, *, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "tube": tube_of(sample, to=person(request)),
        "sample": sample,
        "order": sample.request,
        "receive_form": form,
        "conditions": Sample.Condition.choices,
    }
    return render(request, "requests_app/sample_page.html", context, status=status)


def _back_to(request: HttpRequest, sample: Sample) -> str:
    """Return the page of the tube whose page the button stood on, else the request's."""
    came_from = request.POST.get("back", "")
    if came_from.isdecimal() and len(came_from) < 19:
        rows = selectors.visible_samples(to=person(request)).filter(pk=int(came_from))
        if rows.exists():
            return reverse("requests:sample-page", args=[int(came_from)])
    return f"{address_of(sample.request)}#sample-{sample.pk}"


def _page_of(sample: Sample) -> str:
    return reverse("requests:sample-page", args=[sample.pk])


def _visible(request: HttpRequest, **key: object) -> Sample:
    rows = selectors.visible_samples(to=person(request)).filter(**key)
    found = rows.select_related(
        "request__owner", "clearing_batch__protocol", "clearing_batch__clearer", "received_by"
    ).first()
    if found is None:
        raise Http404("There is no such sample, or it is not yours to see.")
    return found
