"""Which recipes can be opened of a sample, with what, and why not the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings

from viewers_app.described import described
from viewers_app.models import AtlasLayer, DataLayer
from viewers_app.recipes import ANNOTATION_PART, SEEDED, Recipe, offer
from viewers_app.selectors import atlas_layers
from viewers_app.specs import LayerSpec


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: a recipe with its volumes of one place, which `label` names."""

    label: str
    uuids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """One recipe on the page of a sample."""

    recipe: Recipe
    choices: tuple[Choice, ...]
    why_not: str = ""


def possible_recipes(*, of_atlas: bool) -> list[Recipe]:
    """Return the recipes for samples, or for atlases, that this site can show."""
    has_processes = settings.LAUNCHER != "static"
    return [
        recipe
        for recipe in SEEDED
        if recipe.is_of_atlas == of_atlas and (has_processes or not recipe.needs_python)
    ]


def offers_of(layers: Sequence[DataLayer]) -> list[Offered]:
    """Return every recipe for samples, those that can be opened first.

    Of several objectives, orientations and rounds of imaging each has a button of its own.
    """
    specs = described([*layers, *_annotations()])
    labels = {str(layer.uuid): layer for layer in layers}
    offered = [_offered(recipe, specs, labels) for recipe in possible_recipes(of_atlas=False)]
    return sorted(offered, key=lambda one: not one.choices)


def _annotations() -> Iterable[AtlasLayer]:
    return atlas_layers().filter(part=ANNOTATION_PART)


def _offered(recipe: Recipe, specs: Sequence[LayerSpec], rows: dict[str, DataLayer]) -> Offered:
    everywhere = [spec for spec in specs if spec.kind == ANNOTATION_PART]
    found = [
        offer(recipe, [*there, *everywhere]) for there in _places(specs, recipe.joins_orientations)
    ]
    choices = tuple(
        Choice(_label(rows[one.layers[0].uuid], recipe), tuple(x.uuid for x in one.layers))
        for one in found
        if one.layers
    )
    why_not = offer(recipe, []).why_not if not found else found[0].why_not
    return Offered(recipe, choices, "" if choices else why_not)


def _places(specs: Sequence[LayerSpec], joined: bool) -> list[list[LayerSpec]]:  # noqa: FBT001
    groups: dict[str, list[LayerSpec]] = {}
    for spec in specs:
        if spec.place:
            groups.setdefault(spec.objective if joined else spec.place, []).append(spec)
    return list(groups.values())


def _label(layer: DataLayer, recipe: Recipe) -> str:
    resolution = layer.channel.resolution
    up = "ventral up" if layer.channel.ventral_up else "dorsal up"
    sides = "" if recipe.joins_orientations else f", {up}"
    number = resolution.imaging_request.number
    again = f", imaging round {number}" if number > 1 else ""
    return f"{resolution.objective.name}{sides}{again}"
