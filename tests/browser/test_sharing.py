"""A view is saved, shared with anyone, opened without an account, and ends when it is revoked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page, expect
from pytest_django import Settings

from core_app.models import User
from tests.app.viewers_app.conftest import a_product, channels_of, imaged
from tests.support.browser import accessibility_problems
from tests.support.drawable import write_bright_volume
from tests.support.saved import a_saved_view, share
from viewers_app.models import DataLayer, SavedView
from viewers_app.revisions import revision_of
from viewers_app.services import layers, saving

Opened = Callable[..., Page]


@pytest.fixture
def layer(researcher: User, clearer: User, imager: User, settings: Settings) -> DataLayer:
    """A volume that the client can draw."""
    product = a_product(channels_of(imaged(researcher, clearer=clearer, imager=imager))[0])
    write_bright_volume(product.folder.under(settings.DATA_ROOT), product)
    layers.publish_new_products()
    return product.layer


def client_of(page: Page) -> Frame:
    """Return the Neuroglancer frame once it has drawn everything."""
    page.wait_for_url("**/view/**")
    expect(page.get_by_role("button", name="Save view")).to_be_enabled(timeout=60_000)
    frame = next(frame for frame in page.frames if "/neuroglancer/v/" in frame.url)
    drawn = "viewer.isReady() && viewer.state.toJSON().layers?.length"
    frame.wait_for_function(drawn, timeout=60_000)
    return frame


@pytest.mark.timeout(300)
def test_a_view_is_saved_shared_opened_by_a_guest_and_revoked(
    page: Opened, researcher: User, layer: DataLayer, settings: Settings
) -> None:
    settings.VIEWER_COOKIE_AGE_S = 30  # so that the page asks every ten seconds
    owner = page(researcher)
    owner.goto(f"/viewers/layers/{layer.uuid}/")
    owner.get_by_role("button", name="Open", exact=True).click()
    client_of(owner).evaluate("viewer.position.value = new Float32Array([3, 4, 5])")

    owner.get_by_role("button", name="Share").click()
    owner.get_by_label("Name").fill("My tracts")
    owner.get_by_role("button", name="Save and go on").click()
    owner.wait_for_url("**/viewers/saved/**")
    owner.get_by_label("Anyone with the link").check()
    owner.get_by_role("button", name="Make a link").click()
    address = owner.locator("[data-copy-text]").first.inner_text()

    guest = page()
    guest.goto(address)
    guest.get_by_role("button", name="Open").click()
    guest.wait_for_url(f"{settings.VIEWER_URL}/view/**")
    frame = client_of(guest)
    place = frame.evaluate("viewer.state.toJSON().position.map(Math.round)")
    expect(guest.locator("h1")).to_have_text("My tracts")

    # Moving around changes nothing for others.
    frame.evaluate("viewer.position.value = new Float32Array([1, 1, 1])")
    owner.get_by_role("button", name="Revoke").click()
    expect(owner.get_by_text("The link is revoked")).to_be_visible()
    expect(guest.get_by_text("This view has ended")).to_be_visible(timeout=30_000)

    assert place == [3, 4, 5]
    assert [round(n) for n in SavedView.objects.get().newest.document["position"]] == [3, 4, 5]
    assert guest.request.get(address).status == 410
    assert not owner.problems  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.timeout(300)
def test_annotations_are_kept_and_a_snapshot_is_named_after_the_view(
    page: Opened, researcher: User, layer: DataLayer, tmp_path: Path
) -> None:
    owner = page(researcher)
    owner.goto(f"/viewers/layers/{layer.uuid}/")
    owner.get_by_role("button", name="Open", exact=True).click()
    client_of(owner).evaluate(
        """() => {
            const state = viewer.state.toJSON();
            const transform = { outputDimensions: state.dimensions };
            const source = { url: "local://annotations", transform };
            state.layers.push({
                type: "annotation", name: "marks", source,
                annotations: [{ type: "point", id: "a", point: [1, 2, 3], description: "here" }],
            });
            viewer.state.restoreState(state);
        }"""
    )

    owner.get_by_role("button", name="Save view").click()
    owner.get_by_label("Name").fill("Marks")
    owner.get_by_role("button", name="Save", exact=True).click()
    expect(owner.get_by_text("Saved as version 1")).to_be_visible()
    expect(owner.get_by_label("As a new version of Marks")).to_be_checked()
    owner.get_by_role("button", name="Save", exact=True).click()
    expect(owner.get_by_text("Saved as version 2")).to_be_visible()
    found = accessibility_problems(owner)
    owner.get_by_role("button", name="Close").click()
    # What a table adds is drawn as well: the client takes its coordinates.
    view = SavedView.objects.get()
    table = [
        {"type": "axis_aligned_bounding_box", "id": "b", "pointA": [1, 1, 1], "pointB": [2, 3, 4]}
    ]
    saving.add_annotations(view, table, by=researcher)
    with owner.expect_download(timeout=60_000) as download:
        owner.get_by_role("button", name="Snapshot").click()
    download.value.save_as(tmp_path / "snapshot.png")

    owner.goto(f"/viewers/saved/{view.uuid}/")
    owner.get_by_role("button", name="Open", exact=True).first.click()
    drawn = client_of(owner).evaluate(
        "viewer.state.toJSON().layers.map((each) => each.annotations)"
    )

    marks = SavedView.objects.get().newest.document["layers"][1]
    assert marks["annotations"][0]["point"] == [1, 2, 3]
    assert [each[0]["type"] for each in drawn[1:]] == ["point", "axis_aligned_bounding_box"]
    assert download.value.suggested_filename == "Marks.png"
    assert (tmp_path / "snapshot.png").read_bytes().startswith(b"\x89PNG")
    assert found == []


MARKS = """() => {
    const state = viewer.state.toJSON();
    const transform = { outputDimensions: state.dimensions };
    const source = { url: "local://annotations", transform };
    const annotations = [{ type: "point", id: "a", point: [1, 2, 3], description: "unsaved" }];
    state.layers.push({ type: "annotation", name: "marks", source, annotations });
    state.position = [3, 4, 5];
    viewer.state.restoreState(state);
}"""


@pytest.mark.timeout(300)
def test_what_was_drawn_stays_when_a_volume_is_made_anew(
    page: Opened, researcher: User, layer: DataLayer, settings: Settings
) -> None:
    settings.VIEWER_COOKIE_AGE_S = 30  # so that the page asks every ten seconds
    owner = page(researcher)
    owner.goto(f"/viewers/layers/{layer.uuid}/")
    owner.get_by_role("button", name="Open", exact=True).click()
    frame = client_of(owner)
    frame.evaluate(MARKS)
    first = revision_of(layer.folder, made=layer.made)

    write_bright_volume(layer.folder.under(settings.DATA_ROOT), layer.product)
    second = revision_of(layer.folder, made=layer.made)
    drawn_at = frame.evaluate("viewer.state.toJSON().position.map(Math.round)")
    banner = owner.get_by_text("A volume of this view was made anew")
    expect(banner).to_be_visible(timeout=30_000)
    found = accessibility_problems(owner)
    with owner.expect_response(lambda a: f"{second}/info" in a.url, timeout=30_000) as answer:
        owner.get_by_role("button", name="Show the new one").click()

    expect(banner).to_be_hidden(timeout=30_000)
    state = frame.evaluate("viewer.state.toJSON()")
    frame.wait_for_function("viewer.isReady()", timeout=60_000)
    assert answer.value.ok
    assert first != second
    assert drawn_at == [3, 4, 5]
    assert second in str(state["layers"][0]["source"])
    assert state["layers"][1]["annotations"][0]["description"] == "unsaved"
    assert [round(n) for n in state["position"]] == [3, 4, 5]
    assert found == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("viewport", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_pages_are_fit_for_their_people(
    page: Opened, researcher: User, stranger: User, layer: DataLayer, viewport: str, scheme: str
) -> None:
    view = a_saved_view(researcher, layer)
    made = share(view, stranger)
    opened = page(researcher, viewport=viewport, scheme=scheme)
    shared = page(stranger, viewport=viewport, scheme=scheme)

    found = []
    for who, address in (
        (opened, "/viewers/saved/"),
        (opened, f"/viewers/saved/{view.uuid}/"),
        (opened, f"/viewers/layers/{layer.uuid}/"),
        (shared, "/viewers/shared/"),
        (shared, f"/s/{made.token}"),
    ):
        who.goto(address)
        for details in who.locator("details.copy-as").all():
            details.locator("summary").click()
        width = who.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found += [f"{address} is {width} pixels too wide"] if width > 0 else []
        found += [f"{address}: {problem}" for problem in accessibility_problems(who)]

    assert found + opened.problems + shared.problems == []  # type: ignore[attr-defined]
