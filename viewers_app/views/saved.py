"""Pages of a person's saved views: the list, one view with its versions, annotations as a table."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core_app.errors import Invalid
from core_app.http import person, refusals_as_messages
from viewers_app import annotations, regions, rights, saved_selectors, selectors, snippets
from viewers_app.forms import DaysForm, ShareForm
from viewers_app.label_lookup import regions_at
from viewers_app.models import SavedVersion, SavedView
from viewers_app.services import saving, sharing
from viewers_app.showing import names_missing

PER_PAGE = 50
LISTED_VERSIONS = 50


@login_required
@require_safe
def saved_list(request: HttpRequest) -> HttpResponse:
    """Show the person's own saved views; one that was just removed can be brought back."""
    user = person(request)
    rows = saved_selectors.with_counts(saved_selectors.saved_views(owner=user))
    context = {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "removed": _removed(request),
        "tab": "saved",
    }
    return render(request, "viewers_app/saved_list.html", context)


@login_required
@require_safe
def shared_with_me(request: HttpRequest) -> HttpResponse:
    """Show the views that others share with this person by name."""
    context = {"links": list(saved_selectors.views_shared_with(person(request))), "tab": "shared"}
    return render(request, "viewers_app/shared_with_me.html", context)


@login_required
@require_safe
def saved_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show one saved view: its volumes, versions and links."""
    return page_of(request, own_view(request, uuid), ShareForm())


def own_view(request: HttpRequest, uuid: UUID) -> SavedView:
    """Return the person's own view at this address, or 404."""
    return get_object_or_404(saved_selectors.saved_views(owner=person(request)), uuid=uuid)


def page_of(request: HttpRequest, view: SavedView, form: ShareForm, **more: Any) -> HttpResponse:
    """Return the page of one saved view, with the form as it was filled in."""
    user, newest = person(request), view.newest
    layers = [row for row in selectors.find_layers(newest.layers) if rights.may_see(user, row)]
    context = {
        "view": view,
        "newest": newest,
        "versions": view.versions.select_related("by").defer("document")[:LISTED_VERSIONS],
        "layers": layers,
        "not_shown": names_missing(newest, layers),
        "not_shareable": sharing.not_shareable(newest, user),
        "links": sharing.with_reasons(view, user),
        "opened": saved_selectors.opened_by(view),
        "copied": snippets.of_layers(layers, to=user),
        "form": form,
        "extension": DaysForm(auto_id=False),
        "address": f"{settings.SITE_URL}/states/{view.uuid}",
        **more,
    }
    answer = render(request, "viewers_app/saved_page.html", context)
    answer["Cache-Control"] = "private, no-store"
    return answer


@login_required
@require_POST
@refusals_as_messages
def open_version(request: HttpRequest, uuid: UUID, number: int) -> HttpResponse:
    """Open one version, with those of its volumes that the person may still see."""
    version = _version(own_view(request, uuid), number)
    key = request.session.session_key or ""
    return redirect(sharing.open_saved(version, person(request), sign_in=key).url)


@login_required
@require_POST
@refusals_as_messages
def rename(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Give the view another name."""
    view = own_view(request, uuid)
    saving.rename(view, request.POST.get("name", ""))
    messages.success(request, "The view has its new name; its address is the same.")
    return redirect("viewers:saved-page", uuid=view.uuid)


@login_required
@require_POST
@refusals_as_messages
def remove(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Remove the view; the list offers to undo it."""
    view = own_view(request, uuid)
    saving.remove(view)
    answer = redirect("viewers:saved-list")
    answer["Location"] += f"?removed={view.uuid}"
    return answer


@login_required
@require_POST
@refusals_as_messages
def restore(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Bring back a view that was removed."""
    rows = saved_selectors.removable_views(owner=person(request))
    view = get_object_or_404(rows, uuid=uuid)
    saving.restore(view)
    messages.success(request, f"“{view.name}” is back, with its versions and links.")
    return redirect("viewers:saved-page", uuid=view.uuid)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@refusals_as_messages
def annotation_table(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """GET: what was drawn in the newest version, as CSV. POST: add such a table as a layer."""
    view = own_view(request, uuid)
    if request.method == "POST":
        return _add_annotations(request, view)
    version = view.newest
    names = regions.names_in(version, to=person(request))
    places = filter(None, map(annotations.first_place, annotations.drawn(version.document)))
    at = regions_at(version, places, to=person(request))
    answer = HttpResponse(
        annotations.written(version.document, names, at), content_type="text/csv; charset=utf-8"
    )
    name = slugify(view.name) or "view"
    answer["Content-Disposition"] = f'attachment; filename="{name}-annotations.csv"'
    answer["Cache-Control"] = "private, no-store"
    return answer


def _add_annotations(request: HttpRequest, view: SavedView) -> HttpResponse:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid("Choose a CSV file, then press Add.")
    if (file.size or 0) > settings.VIEWER_STATE_MAX_BYTES:
        raise Invalid(f"The file is larger than {settings.VIEWER_STATE_MAX_BYTES:,} bytes.")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(
            f"The file is not UTF-8 (byte {error.start}). Save it as CSV UTF-8 and try again."
        ) from None
    found = annotations.read(text)
    version = saving.add_annotations(view, found, by=person(request))
    messages.success(
        request, f"{len(found)} annotations are in version {version.number}. Open it to see them."
    )
    return redirect("viewers:saved-page", uuid=view.uuid)


def _version(view: SavedView, number: int) -> SavedVersion:
    return get_object_or_404(view.versions.select_related("view__owner"), number=number)


def _removed(request: HttpRequest) -> SavedView | None:
    try:
        uuid = UUID(request.GET.get("removed", ""))
    except ValueError:
        return None
    rows = saved_selectors.removable_views(owner=person(request)).exclude(removed_at=None)
    return rows.filter(uuid=uuid).first()
