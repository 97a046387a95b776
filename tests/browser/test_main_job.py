"""The main job in a real browser: a brain goes from the request form to the viewer."""

import io
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Frame, Page, expect
from pytest_django import Settings

from core_app.models import User
from imaging_app.models import ImagingChannel
from imaging_app.selectors import channels_of
from pipeline import phantom
from processing_app import workflows as processing
from processing_app.models import Run
from requests_app.models import Request
from tests.support.people import PASSWORD

SHAPE_ZYX = (48, 132, 114)
PIXELS_PER_VOXEL = 4
Opened = Callable[..., Page]


def sign_in(page: Page, person: User) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Login").or_(page.locator("[name=login]")).first.fill(person.username)
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Hello, {person.username}")).to_be_visible()


def ask_for_a_brain(page: Page) -> None:
    page.get_by_role("link", name="New request").first.click()
    page.get_by_label("Request name").fill("Journey brains")
    page.get_by_label("What is it for?").fill("To see the whole way.")
    page.get_by_role("button", name="Continue to the samples").click()
    page.get_by_label("Sample 1, sample").fill("brain-001")
    page.get_by_label("Sample 1, hand-off").fill("2030-01-07")
    page.get_by_label("Sample 1, imaging").click()
    page.locator(".imaging-head", has_text="1.3x").get_by_role("checkbox").check()
    expect(page.get_by_label("1.3x 488 Register")).to_be_checked()
    page.get_by_role("button", name="Apply to this sample").click()
    page.get_by_role("link", name="Continue to the review").click()
    page.get_by_role("button", name="Submit the request").click()
    page.wait_for_url("**/requests/researcher/**")
    expect(page.get_by_role("heading", name="Journey brains")).to_be_visible()


def clear_it(page: Page) -> None:
    page.goto("/clearing/")
    page.get_by_role("link", name="Receive and start").first.click()
    page.get_by_role("button", name="The tubes are here: receive them and start").click()
    page.get_by_role("button", name="Done now").first.click()
    expect(page.get_by_text("by clearer").first).to_be_visible()
    page.locator("#complete-left-out").check()
    page.get_by_role("button", name="Complete clearing").click()
    expect(page.get_by_text("Complete", exact=True).first).to_be_visible()


def copy_the_delivery(channel: ImagingChannel, data_root: Path) -> None:
    parent = channel.resolution.raw_folder(ventral_up=False).under(data_root)
    voxel_um = channel.voxel_um[::-1]
    phantom.write_delivery(
        parent / "brain_488", shape_zyx=SHAPE_ZYX, voxel_um_zyx=voxel_um, channels=("488",)
    )


def image_it(page: Page, channel: ImagingChannel, data_root: Path) -> None:
    page.goto("/imaging/")
    page.get_by_role("button", name="Start imaging").first.click()
    copy_the_delivery(channel, data_root)
    page.goto(f"/imaging/requests/{channel.resolution.imaging_request_id}/")
    page.get_by_label("Raw folder").select_option("brain_488")
    page.get_by_label("Planes").fill(str(SHAPE_ZYX[0]))
    page.get_by_role("button", name="Check the delivery").click()
    expect(page.get_by_role("button", name="Stop the check")).to_be_visible()
    drive_until_over(Run.objects.get())
    # The verdict comes by itself.
    page.get_by_role("button", name="Complete imaging").click(timeout=15_000)
    expect(page.get_by_role("link", name="Run").first).to_be_visible()


def drive_until_over(run: Run) -> None:
    deadline = time.monotonic() + 120
    while run.state in {"planned", "running"} and time.monotonic() < deadline:
        processing.drive(timedelta(seconds=1))
        run.refresh_from_db()
        time.sleep(0.2)


def client_of(page: Page) -> Frame:
    """Return the Neuroglancer frame once it has drawn everything."""
    frame = next(f for f in page.frames if "/neuroglancer/v/" in f.url)
    frame.wait_for_function("window.viewer && viewer.isReady()", timeout=60_000)
    return frame


def look_at(frame: Frame, z: float) -> None:
    """Show one horizontal plane, centered, with a known number of pixels per voxel."""
    frame.evaluate(
        """([x, y, z, scale]) => {
            const state = viewer.state.toJSON();
            state.layout = "xy";
            state.position = [x, y, z];
            state.crossSectionScale = scale;
            delete state.crossSectionOrientation;
            state.showAxisLines = false;
            viewer.state.reset();
            viewer.state.restoreState(state);
        }""",
        [SHAPE_ZYX[2] / 2, SHAPE_ZYX[1] / 2, z, 1 / PIXELS_PER_VOXEL],
    )
    frame.wait_for_function("viewer.isReady()", timeout=60_000)
    frame.page.wait_for_timeout(1000)


def picture(frame: Frame) -> np.ndarray:
    """Return the brightness of the drawn panel, (row, column), 0 to 255."""
    panel = frame.locator(".neuroglancer-rendered-data-panel").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(panel)).convert("L"), dtype=float)


def center_of_brightest(image: np.ndarray, size: int) -> tuple[float, float]:
    """Return (row, column) of the brightest square of `size` pixels."""
    sums = np.pad(image, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    boxes = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    row, column = np.unravel_index(boxes.argmax(), boxes.shape)
    return row + size / 2, column + size / 2


@pytest.mark.timeout(300)
def test_a_brain_goes_from_the_form_to_the_viewer(
    page: Opened, researcher: User, clearer: User, imager: User, settings: Settings
) -> None:
    asking = page()
    sign_in(asking, researcher)
    ask_for_a_brain(asking)
    request = Request.objects.get(name="Journey brains")

    clear_it(page(clearer, viewport="phone"))
    sample = request.samples.get()
    channel = channels_of(sample.imaging_requests.get())[0]
    imaging = page(imager)
    image_it(imaging, channel, settings.DATA_ROOT)

    asking.reload()
    expect(asking.get_by_role("link", name="Look at the volumes")).to_have_count(0)
    drive_until_over(Run.objects.processing().get())
    # The page moves by itself: nobody reloads it.
    asking.get_by_role("link", name="Look at the volumes").click(timeout=15_000)
    asking.get_by_role("button", name="Open", exact=True).click()
    asking.wait_for_url(f"{settings.VIEWER_URL}/view/**", timeout=15_000)

    frame = client_of(asking)
    mark = phantom.mark_position(SHAPE_ZYX)
    look_at(frame, mark.center_zyx[0])
    drawn = picture(frame)

    middle = np.array(drawn.shape) / 2
    from_center = (np.array(mark.center_zyx[1:]) - np.array(SHAPE_ZYX[1:]) / 2) * PIXELS_PER_VOXEL
    found = center_of_brightest(drawn, 2 * int(mark.radius_zyx[1] * PIXELS_PER_VOXEL)) - middle
    assert found[1] < 0, "the mark is on the animal's left, which is the left of the screen"
    assert np.abs(found - from_center).max() <= 2 * PIXELS_PER_VOXEL
    # Labels and scale bar lie above and below the middle rows.
    rows = slice(int(drawn.shape[0] * 0.3), int(drawn.shape[0] * 0.7))
    lit_columns = np.flatnonzero((drawn[rows] > 40).sum(axis=0) > 20)
    width_in_voxels = (lit_columns[-1] - lit_columns[0]) / PIXELS_PER_VOXEL
    assert 0.5 * SHAPE_ZYX[2] < width_in_voxels <= SHAPE_ZYX[2] + 2
    assert not asking.problems  # type: ignore[attr-defined]  # set by the fixture
    assert not imaging.problems  # type: ignore[attr-defined]  # set by the fixture
