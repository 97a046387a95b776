"""Structures shown as one, in a real browser: the color is the upper one's, and so is the name."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page

from core_app.models import User
from pipeline.structures import StructureTree
from tests.browser.test_recipes import drawn, panels
from tests.support import volumes
from tests.support.browser import accessibility_problems
from viewers_app import regions, selectors

Opened = Callable[..., Page]


def color_of(tree: StructureTree, id: int) -> tuple[int, int, int]:
    return tree.color(id)


def order(color: tuple[int, int, int]) -> tuple[int, int]:
    """Return which of red, green and blue is the strongest and the weakest: kept over gray."""
    return int(np.argmax(color)), int(np.argmin(color))


def orders_in(pixels: np.ndarray) -> Counter[tuple[int, int]]:
    """Return how many clearly colored pixels there are of each order."""
    flat = pixels.reshape(-1, 3)
    colored = flat[flat.max(axis=1) - flat.min(axis=1) > 12]
    return Counter(
        zip(colored.argmax(axis=1).tolist(), colored.argmin(axis=1).tolist(), strict=True)
    )


@pytest.mark.timeout(300)
def test_a_ticked_structure_is_drawn_and_named_as_one(page: Opened, stranger: User) -> None:
    volumes.the_phantom_atlas()
    tree = regions.tree_in(selectors.atlas_layers().filter(part="annotation"))
    assert tree is not None
    branches = [each for each in tree if each.parent is not None and tree.children(each.id)]
    part = max(branches, key=lambda each: len(tree.descendants(each.id)))
    looking = page(stranger)
    looking.goto("/viewers/atlases/")
    looking.get_by_role("link", name="Structures").click()
    assert not accessibility_problems(looking)

    looking.get_by_label(f"Show {part.name} as one").check()
    looking.get_by_role("button", name="Open").click()
    frame = drawn(looking)

    colors = [color_of(tree, id) for id in tree.descendants(part.id)]
    own, below = colors[0], [color for color in colors[1:] if order(color) != order(colors[0])]
    drawn_orders = orders_in(panels(frame)[0])
    assert drawn_orders[order(own)] > 1500
    assert below
    assert all(drawn_orders[order(color)] < 500 for color in below)  # the lines of axes are green
    names = frame.locator(".neuroglancer-segment-list-entry-name").all_inner_texts()
    assert part.label in names
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.parametrize(("viewport", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_tree_can_be_searched_and_fits_the_screen(
    page: Opened, stranger: User, viewport: str, scheme: str
) -> None:
    volumes.the_phantom_atlas()
    looking = page(stranger, viewport=viewport, scheme=scheme)
    looking.goto("/viewers/atlases/")
    looking.get_by_role("link", name="Structures").click()

    looking.get_by_label("Search").fill("no such thing")
    looking.get_by_role("button", name="Search").click()
    looking.get_by_text("No structure has").wait_for()
    looking.get_by_role("link", name="Whole tree").click()
    looking.locator(".tree").wait_for()

    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert looking.evaluate(wide)
    assert not accessibility_problems(looking)
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture
