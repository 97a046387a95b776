"""What people do on lists and on the page of a request: keys, unfolding, filters."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.support import world as worlds
from tests.support.orders import Hands, a_request_of_three_batches
from tests.support.world import Person

Opened = Callable[..., Page]


@pytest.mark.timeout(300)
def test_lists_and_the_request_page_work_by_keyboard_and_stay_as_they_are(page: Opened) -> None:
    world = worlds.build()
    owner = world.user(Person.OWNER)
    assert owner is not None
    hands = Hands(world.accounts["clearer"], world.accounts["colleague"], world.accounts["imager"])
    a_request_of_three_batches(owner, hands)
    seen = page(owner, viewport="desktop", scheme="light")

    seen.goto("/requests/")
    seen.keyboard.press("/")
    seen.keyboard.type("otter")
    seen.keyboard.press("Enter")
    seen.wait_for_url("**q=otter**")
    assert "heron" not in seen.inner_text("main")
    seen.select_option("select[name=stage]", "failed")
    seen.wait_for_url("**stage=failed**")
    assert seen.locator("tbody tr").count() == 1

    seen.goto("/requests/researcher/mixed_brains/")
    seen.click("#unfold")
    assert seen.locator("details[data-sample][open]").count() == 3
    assert seen.inner_text("#unfold") == "Fold all"

    seen.goto(f"/requests/{world.main.planned.folder}/")
    sample = worlds.sample_of(world.main.planned)
    seen.focus(f"#sum-{sample.pk}")
    seen.evaluate("document.getElementById('request-live').setAttribute('data-old', '1')")
    seen.evaluate(
        "open => htmx.ajax('GET', `${location.pathname}live/?open=${open}`,"
        " {target: '#request-live', swap: 'outerHTML'})",
        f"s-{sample.pk}",
    )
    seen.wait_for_selector("#request-live:not([data-old])")

    assert seen.locator(f"#s-{sample.pk}[open]").count() == 1
    assert seen.evaluate("document.activeElement.id") == f"sum-{sample.pk}"
    assert seen.problems == []  # type: ignore[attr-defined]  # set by the fixture
