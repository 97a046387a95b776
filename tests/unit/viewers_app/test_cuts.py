"""Structures shown as one: groups, their colors and their names, whatever the ids are."""

import random

import pytest

from core_app.errors import Invalid
from pipeline.structures import Structure, StructureTree
from viewers_app import cuts
from viewers_app.cuts import Cut, chosen_cut, groups_of, parse_cut
from viewers_app.tree_markup import tree_markup

# 9 whole: 5 forebrain: (8 cortex: (2 layer 1, 7 layer 2), 3 thalamus); 1 hindbrain
TREE = StructureTree(
    Structure(id, acronym, name, parent, color)
    for id, acronym, name, parent, color in [
        (9, "W", "whole", None, (1, 1, 1)),
        (5, "FB", "forebrain", 9, (2, 2, 2)),
        (8, "CTX", "cortex", 5, (3, 3, 3)),
        (2, "L1", "layer 1", 8, None),
        (7, "L2", "layer 2", 8, (5, 5, 5)),
        (3, "TH", "thalamus", 5, (6, 6, 6)),
        (1, "HB", "hindbrain", 9, (7, 7, 7)),
    ]
)


def ids(cut: Cut) -> list[set[int]]:
    return [set(group.ids) for group in groups_of(TREE, cut)]


def a_tree(chance: random.Random, size: int) -> StructureTree:
    """Return a tree of any shape whose ids have nothing to do with it."""
    numbers = chance.sample(range(1, 10 * size), size)
    return StructureTree(
        Structure(id, "", f"s{id}", numbers[chance.randrange(place)] if place else None)
        for place, id in enumerate(numbers)
    )


def test_a_level_merges_what_lies_below_each_structure_of_it() -> None:
    assert ids(Cut(level=2)) == [{8, 2, 7}]
    assert ids(Cut(level=1)) == [{5, 8, 2, 7, 3}]
    assert ids(Cut(level=0)) == [{9, 5, 8, 2, 7, 3, 1}]
    assert ids(Cut(level=3)) == ids(Cut(level=50)) == []


def test_of_chosen_structures_that_lie_in_each_other_the_upper_one_counts() -> None:
    assert ids(Cut(chosen=frozenset({8, 5}))) == [{5, 8, 2, 7, 3}]


@pytest.mark.parametrize("chosen", [{0}, {99}, {2}, {1, 3}])
def test_background_unknown_ids_and_single_structures_make_no_group(chosen: set[int]) -> None:
    assert ids(Cut(chosen=frozenset(chosen))) == []


def test_a_group_has_the_color_and_the_name_of_its_top_under_its_smallest_id() -> None:
    groups = groups_of(TREE, Cut(chosen=frozenset({8})))
    names = cuts.properties_of(TREE, groups)["inline"]

    assert cuts.equivalences_of(groups) == [["2", "7", "8"]]
    assert next(iter(cuts.colors_of(TREE, groups).items())) == ("2", "#030303")
    assert {"7", "8"}.isdisjoint(cuts.colors_of(TREE, groups))
    assert isinstance(names, dict)
    assert names["ids"] == ["1", "2", "3", "5", "9"]
    label, description, depth = (column["values"] for column in names["properties"])
    assert label[1] == "CTX: cortex"
    assert description[1] == "whole / forebrain"
    assert depth == [1, 2, 2, 1, 0]


@pytest.mark.parametrize("seed", range(60))
def test_groups_never_overlap_and_hold_together(seed: int) -> None:
    chance = random.Random(seed)
    tree = a_tree(chance, chance.randrange(1, 60))
    some = frozenset(chance.sample([each.id for each in tree], chance.randrange(0, len(tree))))
    cut = Cut(chosen=some) if some else Cut(level=chance.randrange(6))

    groups = groups_of(tree, cut)
    together = [id for group in groups for id in group.ids]

    assert len(together) == len(set(together))
    for group in groups:
        assert all(group.top.id in {id, *tree.ancestors(id)} for id in group.ids)
        assert len(group.ids) == len(tree.descendants(group.top.id)) > 1
    shown = cuts.properties_of(tree, groups)["inline"]
    assert isinstance(shown, dict)
    assert len(shown["ids"]) == len(tree) - sum(len(group.ids) - 1 for group in groups)


@pytest.mark.parametrize(
    "cut", [Cut(level=0), Cut(level=12), Cut(chosen=frozenset({4, 12, 3_000_000_000}))]
)
def test_a_cut_is_read_as_it_was_written(cut: Cut) -> None:
    assert parse_cut(str(cut)) == cut
    fields = cut.as_fields()
    level = "".join(value for name, value in fields if name == "level")
    assert chosen_cut(level, [value for name, value in fields if name == "cut"]) == cut


@pytest.mark.parametrize(
    "text", ["", "level-", "level-100", "chosen-", "chosen-1.", "1", "level-1/"]
)
def test_what_is_no_cut_is_none(text: str) -> None:
    assert parse_cut(text) is None


@pytest.mark.parametrize(
    ("level", "ticked"),
    [("x", []), ("-1", []), ("", ["a"]), ("", ["../1"]), ("", [str(n) for n in range(1, 202)])],
)
def test_a_form_that_nobody_filled_in_is_refused(level: str, ticked: list[str]) -> None:
    with pytest.raises(Invalid):
        chosen_cut(level, ticked)


def test_a_form_without_a_choice_cuts_nothing() -> None:
    assert chosen_cut("", []) is None


def test_the_tree_is_markup_that_is_balanced_and_escaped() -> None:
    tree = StructureTree([Structure(1, "<A>", "whole & all", None), Structure(2, "", "<i>", 1)])

    html = tree_markup(tree)

    assert html.count("<li") == html.count("</li>") == 2
    assert html.count("<details") == html.count("</details>") == 1
    assert "<i>" not in html
    assert "&lt;A&gt;" in html


def test_branches_are_open_down_to_what_is_ticked() -> None:
    html = tree_markup(TREE, {7})
    closed = tree_markup(TREE)

    assert html.count("<details open>") == closed.count("<details open>") + 1


def test_a_deep_tree_needs_no_deep_stack() -> None:
    chain = StructureTree(
        Structure(id, "", f"s{id}", id - 1 if id > 1 else None) for id in range(1, 3000)
    )

    assert tree_markup(chain).count("<li") == 2999
