"""From the button to a Python viewer on the site's own pages: its keys change what is drawn."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from playwright.sync_api import Frame, Page
from pytest_django import Settings

from core_app.models import User
from tests.browser.test_recipes import panels
from tests.support import volumes
from viewers_app import selectors
from viewers_app.launcher import open_launcher
from viewers_app.models import ViewerSession
from viewers_app.revisions import revision_of
from viewers_app.services import processes

Opened = Callable[..., Page]
MERGED = "(viewer.state.toJSON().layers.at(-1).equivalences || []).flat().length"


@pytest.fixture
def looking(page: Opened, researcher: User, settings: Settings, tmp_path: Path) -> Iterator[Page]:
    """The researcher's browser on a site that starts viewers as plain processes."""
    settings.LAUNCHER, settings.DEBUG = "process", True
    settings.LAUNCHER_FOLDER = tmp_path / "processes"
    volumes.the_phantom_atlas()
    yield page(researcher)
    for running in open_launcher().running():
        open_launcher().remove(running.view)


def opened(page: Page) -> Frame:
    page.goto("/viewers/atlases/")
    page.get_by_role("button", name="Atlas by keys").click()
    page.wait_for_url("**/view/**")
    return drawn(page)


def drawn(page: Page) -> Frame:
    page.locator(".presets button:not([disabled])").first.wait_for(timeout=60_000)
    frame = next(frame for frame in page.frames if "/py/" in frame.url)
    frame.wait_for_function("window.viewer && viewer.isReady()", timeout=90_000)
    return frame


def point_at_the_brain(page: Page, frame: Frame) -> None:
    """Bring the pointer over the middle of the first panel, where a region is."""
    box = frame.locator(".neuroglancer-rendered-data-panel").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.45
    page.mouse.move(x + 15, y)
    page.mouse.move(x, y)
    frame.wait_for_function("viewer.mouseState.active")
    page.wait_for_timeout(500)


def colors(frame: Frame) -> int:
    """Return how many clearly different colors the first panel has."""
    pixels = panels(frame)[0].reshape(-1, 3)
    clear = pixels[pixels.max(axis=1) - pixels.min(axis=1) > 25]
    return len(np.unique((clear // 32).astype(int), axis=0))


@pytest.mark.timeout(300)
def test_p_draws_the_structure_above_as_one_and_c_takes_it_apart(looking: Page) -> None:
    frame = opened(looking)
    frame.get_by_text("p shows the one above it").wait_for()
    looking.wait_for_timeout(1000)
    before = colors(frame)

    for _ in range(6):  # up to the whole
        point_at_the_brain(looking, frame)
        looking.keyboard.press("p")
        looking.wait_for_timeout(700)
        if frame.get_by_text("No parent found").count():
            break
    looking.wait_for_timeout(1000)
    as_one = colors(frame)
    point_at_the_brain(looking, frame)
    looking.keyboard.press("c")
    frame.get_by_text("Expanding").wait_for()
    frame.wait_for_function(f"{MERGED} == 0")

    assert before > as_one
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.timeout(300)
def test_what_was_done_outlives_a_reload_and_saving_keeps_it(looking: Page) -> None:
    frame = opened(looking)
    point_at_the_brain(looking, frame)
    looking.keyboard.press("p")
    frame.wait_for_function(f"{MERGED} > 0")

    looking.reload()
    again = drawn(looking)
    again.wait_for_function(f"{MERGED} > 0")
    looking.get_by_role("button", name="Save view").click()
    looking.get_by_role("dialog").get_by_role("button", name="Save").click()
    looking.get_by_text("Its page").wait_for()

    assert ViewerSession.objects.filter(mode="python").count() == 1


@pytest.mark.timeout(300)
def test_reload_goes_back_to_the_first_view(looking: Page) -> None:
    frame = opened(looking)
    point_at_the_brain(looking, frame)
    looking.keyboard.press("p")
    frame.wait_for_function(f"{MERGED} > 0")

    looking.get_by_role("button", name="Reload", exact=True).click()

    frame.wait_for_function(f"{MERGED} == 0")


@pytest.mark.timeout(300)
def test_a_volume_that_is_made_anew_is_shown_with_what_was_done(
    looking: Page, settings: Settings
) -> None:
    settings.VIEWER_COOKIE_AGE_S = 30  # so that the page asks every ten seconds
    frame = opened(looking)
    point_at_the_brain(looking, frame)
    looking.keyboard.press("p")
    frame.wait_for_function(f"{MERGED} > 0")
    layer = selectors.atlas_layers().get(part="annotation")
    os.utime(layer.folder.under(settings.DATA_ROOT) / "info", ns=(1, 1))
    now = revision_of(layer.folder, made=layer.made)

    looking.get_by_role("button", name="Show the new one").click(timeout=30_000)

    frame.wait_for_function(f"JSON.stringify(viewer.state.toJSON()).includes('{now}')")
    assert frame.evaluate(MERGED) > 0


@pytest.mark.timeout(300)
def test_a_process_that_is_killed_is_said_and_can_be_opened_again(looking: Page) -> None:
    opened(looking)
    session = ViewerSession.objects.get(mode="python")
    kill(session)
    while not processes.tend()[0]:
        time.sleep(0.1)  # it takes a moment to die

    looking.reload()
    looking.get_by_text("Its process ended").wait_for()
    looking.get_by_role("link", name="open again").click()
    looking.get_by_role("button", name="Open again").click()
    looking.wait_for_url("**/view/**")
    drawn(looking)

    assert str(session.uuid) not in looking.url


def kill(session: ViewerSession) -> None:
    document = json.loads((settings.LAUNCHER_FOLDER / f"{session.uuid}.json").read_text())
    os.killpg(document["pid"], signal.SIGKILL)


@pytest.mark.timeout(120)
def test_closing_it_ends_the_process(looking: Page) -> None:
    opened(looking)

    looking.goto("/viewers/")
    looking.get_by_role("button", name="Close").click()
    looking.get_by_text("is closed").wait_for()
    processes.tend()

    assert not open_launcher().running()
    assert not ViewerSession.objects.filter(state="ready", mode="python").exists()
