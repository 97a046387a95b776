"""Which recipe is offered for what, with which layers, and the words where it is not."""

from dataclasses import replace

import pytest

from viewers_app.recipes import RECIPES, SEEDED, fits, offer, template_of
from viewers_app.specs import ANNOTATION, OVERLAY, PANELS, SEGMENTATION, LayerSpec

SAMPLE, ATLAS = "1 dorsal horizontal", "atlas 4"


def a_layer(name: str, kind: str = "raw", **other: object) -> LayerSpec:
    layer = LayerSpec(
        uuid=name, name=name, kind=kind, channel="7", shape_xyz=(80, 90, 70),
        voxel_nm_xyz=(25_000.0, 25_000.0, 25_000.0), window=(100, 900), color="#00ff00",
        space=SAMPLE, place="1 dorsal", objective="1",
    )  # fmt: skip
    return replace(layer, **other)  # type: ignore[arg-type]  # the names are those of LayerSpec


def registered(name: str, atlas: str = "small", **other: object) -> LayerSpec:
    return a_layer(name, "registered", space=ATLAS, atlas=atlas, **other)


def annotation(atlas: str = "small") -> LayerSpec:
    return a_layer(
        f"{atlas} regions", "annotation", type=SEGMENTATION, atlas=atlas, space=ATLAS, place=""
    )


def names(key: str, *layers: LayerSpec) -> list[str]:
    return [layer.name for layer in offer(RECIPES[key], layers).layers]


REGIONS = a_layer("regions", "raw_atlas", type=SEGMENTATION)
CELLS = a_layer("cells", "cells", type=ANNOTATION)


def test_every_recipe_says_what_is_missing_where_nothing_is_there() -> None:
    found = [offer(recipe, []) for recipe in SEEDED]

    assert all(one.why_not.endswith(".") and not one.layers for one in found)


def test_keys_and_labels_tell_recipes_apart() -> None:
    assert len(RECIPES) == len(SEEDED) == len({recipe.label for recipe in SEEDED})


@pytest.mark.parametrize("kind", ["raw", "stitched", "blended", "downsized", "corrected"])
def test_a_product_has_its_recipe(kind: str) -> None:
    assert names(kind, a_layer("488", kind), a_layer("other", "registered")) == ["488"]


def test_registered_volumes_come_with_the_atlas_they_were_registered_with() -> None:
    found = names("registered", annotation("other"), registered("488"), annotation("small"))

    assert found == ["488", "small regions"]


def test_a_registered_volume_whose_atlas_is_away_is_not_shown_with_another() -> None:
    found = offer(RECIPES["registered"], [registered("488"), annotation("other")])

    assert not found.layers
    assert "not installed" in found.why_not


def test_cells_come_with_the_best_images_and_the_regions_of_their_space() -> None:
    elsewhere = a_layer("regions of the ventral scan", "raw_atlas", type=SEGMENTATION, space="2")
    found = names(
        "cells", CELLS, elsewhere, REGIONS, a_layer("raw"), a_layer("corrected", "corrected")
    )

    assert found == ["corrected", "cells", "regions"]


@pytest.mark.parametrize(
    ("there", "missing"),
    [([REGIONS, a_layer("488")], "cells"), ([CELLS, REGIONS], "images"), ([CELLS], "images")],
)
def test_cells_say_which_part_is_missing(there: list[LayerSpec], missing: str) -> None:
    assert missing in offer(RECIPES["cells"], there).why_not


def test_a_recipe_fits_only_just_what_it_would_show() -> None:
    layers = [registered("488"), annotation()]

    assert fits(RECIPES["registered"], layers)
    assert not fits(RECIPES["registered"], layers[:1])
    assert not fits(RECIPES["registered"], [*layers, a_layer("raw")])
    assert not fits(RECIPES["raw"], [])


def test_ticked_volumes_are_shown_as_they_are_arranged() -> None:
    assert template_of("").arrangement == OVERLAY
    assert template_of("", PANELS).arrangement == PANELS
    assert template_of("registered", OVERLAY) == RECIPES["registered"].template
