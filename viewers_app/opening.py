"""From what was ticked or pressed to what is opened: volumes, atlases over them, and a recipe."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.http import Http404, QueryDict

from core_app.errors import Invalid
from core_app.models import User
from requests_app.models import Sample
from viewers_app.cuts import chosen_cut
from viewers_app.described import atlases_of, described
from viewers_app.models import AtlasLayer, DataLayer, Layer, ViewerSession
from viewers_app.recipes import RECIPES, fits
from viewers_app.selectors import atlas_layers, visible_layers
from viewers_app.services.sessions import Wanted
from viewers_app.specs import ARRANGEMENTS, OVERLAY

MOST_NAMED = 3
_PRESS = re.compile(r"[A-Za-z0-9_-]{16,64}")
NO_SUCH = "There is no such volume, or it is not yours to see."
ATLAS_ALONE = (
    "An atlas is laid over a registered volume. Tick that volume as well, then press Open."
)
CHANGED = "The volumes of this kind of view have changed. Choose it again on this page."


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a person ticked last on the page of a sample."""

    layers: frozenset[str] = frozenset()
    overlaid: frozenset[str] = frozenset()
    arrangement: str = OVERLAY


def wanted_of(posted: QueryDict, person: User) -> Wanted:
    """Return what the form asks for.

    Raises Http404 for volumes that are not there for this person, and Invalid with what to do for
    an atlas without its volume, or a recipe whose volumes have changed.
    """
    layers = _found(_uuids(posted.getlist("layer")), person)
    recipe, once = posted.get("recipe", ""), posted.get("once", "")
    wanted = _of_recipe(recipe, layers) if recipe else _of_ticks(posted, layers)
    cut = chosen_cut(posted.get("level", ""), posted.getlist("cut"))
    if cut:
        wanted = replace(wanted, options={**wanted.options, "cut": str(cut)})
    return replace(wanted, once=once if _PRESS.fullmatch(once) else "")


def new_press() -> str:
    """Return what a button sends along, so that pressing it twice opens one view."""
    return secrets.token_urlsafe(16)


def _of_ticks(posted: QueryDict, layers: list[Layer]) -> Wanted:
    overlaid = _uuids(posted.getlist("atlas"))
    if not {*overlaid} <= {layer.uuid for layer in layers}:
        raise Invalid(ATLAS_ALONE)
    annotations = _annotations([x for x in layers if x.uuid in overlaid])
    options = {
        "arrangement": _arrangement(posted.get("arrangement", "")),
        "overlaid": [str(uuid) for uuid in overlaid],
        **_of_sample(posted.get("sample", ""), layers),
    }
    return Wanted([*dict.fromkeys([*layers, *annotations])], title_of(layers), options=options)


def remembered(person: User, sample: Sample) -> Remembered:
    """Return what this person ticked last of the sample; nothing the first time."""
    rows = ViewerSession.objects.filter(owner=person, spec__options__sample=sample.pk)
    last = rows.order_by("-pk").first()
    if last is None:
        return Remembered()
    overlaid = last.options.get("overlaid")
    return Remembered(
        frozenset(last.layer_uuids),
        frozenset(map(str, overlaid)) if isinstance(overlaid, list) else frozenset(),
        _arrangement(str(last.options.get("arrangement", ""))),
    )


def title_of(layers: Sequence[Layer], what: str = "") -> str:
    """Return "brain-001 · Raw", or what else names these volumes shortly."""
    of_samples = [layer for layer in layers if isinstance(layer, DataLayer)]
    samples = list(dict.fromkeys(layer.sample.name for layer in of_samples))
    kinds = list(dict.fromkeys(layer.product.get_kind_display() for layer in of_samples))
    names = samples or list(dict.fromkeys(str(layer.atlas) for layer in _atlases(layers)))
    shown = [what] if what else kinds
    return " · ".join(_some(part) for part in (names, shown) if part)


def _of_recipe(key: str, layers: list[Layer]) -> Wanted:
    recipe = RECIPES.get(key)
    if recipe is None:
        raise Http404("There is no such kind of view.")
    if not fits(recipe, described(layers)):
        raise Invalid(CHANGED)
    return Wanted(layers, title_of(layers, recipe.label), recipe=key)


def _found(uuids: Sequence[UUID], person: User) -> list[Layer]:
    """Return these volumes in this order; all of them, or Http404."""
    rows: list[Layer] = [
        *visible_layers(to=person).filter(uuid__in=uuids),
        *atlas_layers().filter(uuid__in=uuids),
    ]
    if len(rows) != len(uuids):
        raise Http404(NO_SUCH)
    return sorted(rows, key=lambda layer: uuids.index(layer.uuid))


def _annotations(layers: Sequence[Layer]) -> list[AtlasLayer]:
    """Return the atlas of each of these registered volumes, and of no other."""
    products = [layer.product for layer in layers if isinstance(layer, DataLayer)]
    atlases = atlases_of(products)
    rows = atlas_layers().filter(part=AtlasLayer.Part.ANNOTATION, atlas__in=set(atlases.values()))
    found = {row.atlas_id: row for row in rows}
    if any(atlases.get(x.pk) is None or atlases[x.pk].pk not in found for x in products):
        raise Invalid(
            "The atlas of one of these volumes is not installed any more, or was replaced. "
            "Open them without an atlas, or process the sample again."
        )
    return list(found.values())


def _of_sample(text: str, layers: Sequence[Layer]) -> Mapping[str, object]:
    """Return the sample on whose page all of these were ticked, to remember it."""
    samples = {layer.sample.pk for layer in layers if isinstance(layer, DataLayer)}
    return {"sample": samples.pop()} if {*map(str, samples)} == {text} else {}


def _atlases(layers: Sequence[Layer]) -> list[AtlasLayer]:
    return [layer for layer in layers if isinstance(layer, AtlasLayer)]


def _arrangement(text: str) -> str:
    return text if text in ARRANGEMENTS else OVERLAY


def _uuids(texts: Sequence[str]) -> list[UUID]:
    try:
        return list(dict.fromkeys(UUID(text) for text in texts))
    except ValueError:
        raise Http404(NO_SUCH) from None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
