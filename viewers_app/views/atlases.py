"""Pages of the application origin about atlases, which everybody signed in may look at."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from viewers_app import selectors
from viewers_app.models import AtlasLayer
from viewers_app.offers import possible_recipes
from viewers_app.opening import new_press
from viewers_app.pictures import picture_answer


@login_required
@require_safe
def atlas_list(request: HttpRequest) -> HttpResponse:
    """Show the installed atlases, each with a button that opens it."""
    parts: dict[int, dict[str, AtlasLayer]] = {}
    for layer in selectors.atlas_layers():
        parts.setdefault(layer.atlas_id, {})[layer.part] = layer
    whole = [each for each in parts.values() if len(each) == len(AtlasLayer.Part)]
    recipes = possible_recipes(of_atlas=True)
    context = {"atlases": whole, "recipes": recipes, "once": new_press()}
    return render(request, "viewers_app/atlas_list.html", context)


@login_required
@require_safe
def atlas_picture(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """Serve the picture of the middle plane of a template or an annotation."""
    layer = get_object_or_404(selectors.atlas_layers(), uuid=uuid)
    return picture_answer(request, layer.folder, str(layer.facts.get("thumbnail", "")))
