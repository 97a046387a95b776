"""Up and back in a tree of structures: groups that are merged, and taken apart again."""

import random
from itertools import combinations

import pytest

from tests.support.viewer_programs import program

ontology = program("viewer/ontology")

# 1 whole: 2 forebrain: 3 cortex: (4 layer1, 5 layer2), 6 thalamus; 7 hindbrain
PARENTS = {1: None, 2: 1, 3: 2, 4: 3, 5: 3, 6: 2, 7: 1}
NAMES = ("whole", "forebrain", "cortex", "layer 1", "layer 2", "thalamus", "hindbrain")


def a_tree(ids=range(1, 8)):
    """Return the tree, its structures with these ids instead of 1 to 7."""
    as_id = dict(zip(range(1, 8), ids, strict=True))
    as_id[None] = None
    rows = zip(PARENTS.items(), NAMES, strict=True)
    return ontology.parse_tree(
        {str(as_id[each]): [as_id[above], name] for (each, above), name in rows}
    )


TREE = a_tree()
NONE = frozenset()


def groups(*members):
    return frozenset(frozenset(group) for group in members)


def shown(state, region):
    """Return the id that Neuroglancer shows for a region: the smallest of its group."""
    return min(next((group for group in state if region in group), {region}))


def test_up_merges_a_structure_with_all_that_shares_its_parent():
    change = ontology.up(TREE, NONE, 4)

    assert change.groups == groups({3, 4, 5})
    assert shown(change.groups, 5) == 3


def test_up_again_goes_on_from_what_is_shown():
    first = ontology.up(TREE, NONE, 4).groups
    second = ontology.up(TREE, first, shown(first, 4)).groups
    third = ontology.up(TREE, second, shown(second, 4)).groups

    assert second == groups({2, 3, 4, 5, 6})
    assert third == groups({1, 2, 3, 4, 5, 6, 7})


def test_up_leaves_other_groups_alone():
    elsewhere = groups({100, 101})

    assert ontology.up(TREE, elsewhere, 4).groups == groups({100, 101}, {3, 4, 5})


def test_up_takes_along_what_was_merged_by_hand_with_one_of_them():
    assert ontology.up(TREE, groups({5, 7}), 4).groups == groups({3, 4, 5, 7})


def test_there_is_nothing_above_the_whole():
    change = ontology.up(TREE, NONE, 1)

    assert (change.groups, change.selected) == (None, None)
    assert change.message.startswith("No parent found")


@pytest.mark.parametrize("region", [0, 99])
def test_background_and_what_the_tree_does_not_know_change_nothing(region):
    up, back = ontology.up(TREE, NONE, region), ontology.back(TREE, NONE, region)

    assert up.groups is back.groups is None
    assert up.message and back.message


@pytest.mark.parametrize("region", [2, 3, 4, 5, 6, 7])
def test_back_restores_exactly_what_was_before(region):
    merged = NONE
    while (change := ontology.up(TREE, merged, shown(merged, region))).groups is not None:
        merged = change.groups

    assert ontology.back(TREE, merged, shown(merged, region)).groups == NONE


def test_back_at_the_finest_level_says_so():
    assert ontology.back(TREE, NONE, 4).message == "This is the lowest level already."


def test_back_leaves_other_groups_alone():
    state = groups({3, 4, 5}, {100, 101})

    assert ontology.back(TREE, state, 3).groups == groups({100, 101})


def test_back_selects_what_was_inside_a_selected_group():
    change = ontology.back(TREE, groups({3, 4, 5}), 3, selected=[3, 7])

    assert change.selected == {4, 5, 7}


def test_back_selects_nothing_where_nothing_was_selected():
    assert ontology.back(TREE, groups({3, 4, 5}), 3, selected=[7]).selected is None


def test_groups_never_overlap():
    state = NONE
    for region in (4, 6, 7, 5, 3):
        state = ontology.up(TREE, state, shown(state, region)).groups or state
        assert not any(one & other for one, other in combinations(state, 2))


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"1": 2},
        {"1": [2, "missing above"]},
        {"2": [2, "its own"]},
        {"2": [3, "one"], "3": [2, "two"]},
        {"0": [None, "background"]},
        {"x": [None, "no number"]},
        {"-1": [None, "negative"]},
    ],
)
def test_what_is_no_tree_is_refused(document):
    with pytest.raises(ontology.WrongTree):
        ontology.parse_tree(document)


@pytest.mark.parametrize("seed", range(40))
def test_ids_may_have_any_order(seed):
    """Atlases number their structures as they like: a child may have a smaller id."""
    chance = random.Random(seed)
    ids = chance.sample(range(1, 8), 7)
    pressed = chance.choices(range(7), k=chance.randrange(8))
    tree, state = a_tree(ids), NONE
    plain, expected = TREE, NONE
    to_plain = dict(zip(ids, range(1, 8), strict=True))
    for index in pressed:
        region = ids[index]
        state = ontology.up(tree, state, shown(state, region)).groups or state
        expected = ontology.up(plain, expected, shown(expected, index + 1)).groups or expected
    assert {frozenset(to_plain[id] for id in group) for group in state} == set(expected)
    for group in state:
        assert to_plain[tree.top_of(group)] == min(to_plain[id] for id in group)


def test_the_words_name_what_is_shown():
    assert ontology.up(TREE, NONE, 4).message == "Contracting: cortex"
    assert ontology.back(TREE, groups({3, 4, 5}), 3).message == "Expanding: cortex"
