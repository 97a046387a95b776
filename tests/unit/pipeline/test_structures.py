"""Colours in a tree of structures: a structure without one has that of the nearest above."""

from pipeline.structures import Structure, StructureTree


def test_a_structure_has_its_own_colour_or_the_nearest_above() -> None:
    tree = StructureTree(
        [
            Structure(4, "", "below the below", 3),
            Structure(3, "", "below", 2),
            Structure(1, "", "whole", None),
            Structure(2, "", "part", 1, (1, 2, 3)),
            Structure(5, "", "black", 2, (0, 0, 0)),
        ]
    )

    assert [tree.color(id) for id in (2, 3, 4, 5)] == [(1, 2, 3), (1, 2, 3), (1, 2, 3), (0, 0, 0)]
    assert (tree.has_color(1), tree.has_color(4), tree.has_color(5)) == (False, True, True)
    assert len(set(tree.color(1))) == 1


def test_a_long_chain_is_coloured_in_a_moment() -> None:
    chain = StructureTree(
        Structure(id, "", f"s{id}", id - 1 if id > 1 else None, (9, 9, 9) if id == 1 else None)
        for id in range(1, 50_001)
    )

    assert {chain.color(id) for id in range(1, 50_001)} == {(9, 9, 9)}
