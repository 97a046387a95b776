"""Kinds of views in a real browser: what each draws, judged by its pixels."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from playwright.sync_api import Frame, Page
from pytest_django import Settings

from core_app.models import User
from imaging_app.models import ImagingChannel
from processing_app.models import Atlas, Product
from tests.app.viewers_app.conftest import channels_of, imaged
from tests.support import volumes
from viewers_app.coordinates import SHAPE_XYZ as SHAPE_XYZ_OF_ALLEN
from viewers_app.coordinates import millimeters

Opened = Callable[..., Page]
LEFT, RIGHT = 800, 400
SHAPE_XYZ = (60, 50, 40)


@pytest.fixture
def channel(page: Opened, researcher: User, clearer: User, imager: User) -> ImagingChannel:
    """The first channel of the researcher's imaged sample; with the site running."""
    return channels_of(imaged(researcher, clearer=clearer, imager=imager))[0]


def a_block(brightness: int) -> np.ndarray:
    """A bright block in the middle of a dark volume."""
    x, y, z = SHAPE_XYZ
    voxels = np.zeros((z, y, x), np.uint16)
    voxels[10:30, 10:40, 10:50] = brightness
    return voxels


def opened(page: Page, channel: ImagingChannel, recipe: str) -> Frame:
    """Press the button of a recipe on the sample's page; return the client once it has drawn."""
    sample = channel.resolution.imaging_request.sample
    page.goto(f"/viewers/samples/{sample.pk}/")
    page.get_by_role("button", name=f"Open {recipe}").click()
    return drawn(page)


def drawn(page: Page) -> Frame:
    page.wait_for_url("**/view/**", timeout=20_000)
    page.wait_for_function("!document.querySelector('.presets button').disabled", timeout=60_000)
    frame = next(f for f in page.frames if "/neuroglancer/v/" in f.url)
    frame.wait_for_function("window.viewer && viewer.isReady()", timeout=90_000)
    page.wait_for_timeout(1500)
    assert "Cannot" not in frame.evaluate("document.body.innerText")
    return frame


def panels(frame: Frame) -> list[np.ndarray]:
    """Return the pixels (row, column, rgb) of each panel."""
    found = frame.locator(".neuroglancer-rendered-data-panel").all()
    pictures = [Image.open(io.BytesIO(panel.screenshot())).convert("RGB") for panel in found]
    return [np.asarray(picture, dtype=float) for picture in pictures]


def middle(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of a panel, without lines of axes, scale bar and names."""
    height, width, _ = pixels.shape
    return pixels[int(height * 0.3) : int(height * 0.45), int(width * 0.3) : int(width * 0.45)]


def colorfulness(pixels: np.ndarray) -> float:
    """Return the part of the pixels that are clearly not gray."""
    return float((pixels.max(axis=2) - pixels.min(axis=2) > 25).mean())


def is_yellow(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels, 2, 0)
    return (red > 180) & (green > 180) & (blue < 80)


def a_registered(channel: ImagingChannel, settings: Settings) -> Atlas:
    """Publish an even brain on the grid of the atlas, as registered with it."""
    atlas = volumes.the_phantom_atlas()
    labels = tifffile.imread(settings.DATA_ROOT / atlas.annotation_path)
    voxels = np.where(labels > 0, 900, 0).astype(np.uint16)
    wanted = volumes.registered_with(atlas, channel)
    volumes.a_volume(channel, voxels, kind="registered", processing=wanted)
    return atlas


@pytest.mark.timeout(300)
def test_raw_light_sheets_are_drawn_beside_each_other(
    page: Opened, channel: ImagingChannel, researcher: User
) -> None:
    volumes.a_volume(channel, a_block(LEFT), side="left")
    volumes.a_volume(channel, a_block(RIGHT), side="right")
    looking = page(researcher)

    left, right = panels(opened(looking, channel, "Raw light sheets"))

    assert 190 < np.median(middle(left)) < 220
    assert 90 < np.median(middle(right)) < 115
    assert colorfulness(middle(left)) < 0.02
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.timeout(300)
def test_turning_to_a_plane_keeps_the_panels_of_a_recipe(
    page: Opened, channel: ImagingChannel, researcher: User
) -> None:
    volumes.a_volume(channel, a_block(LEFT), side="left")
    volumes.a_volume(channel, a_block(RIGHT), side="right")
    looking = page(researcher)
    frame = opened(looking, channel, "Raw light sheets")

    looking.get_by_role("button", name="Sagittal").click()
    frame.wait_for_function("viewer.isReady()", timeout=60_000)
    looking.wait_for_timeout(1000)

    left, right = panels(frame)
    assert np.median(middle(left)) > np.median(middle(right)) > 80
    # The block is 20 of 40 voxels deep: turned, it takes half the width of its volume.
    lit = (left[left.shape[0] // 3].max(axis=1) > 150).mean()
    assert lit < 0.55


@pytest.mark.timeout(300)
def test_regions_lie_in_color_over_a_registered_channel(
    page: Opened, channel: ImagingChannel, researcher: User, settings: Settings
) -> None:
    a_registered(channel, settings)
    looking = page(researcher)

    drawn_panels = panels(opened(looking, channel, "Registered"))

    colored = drawn_panels[0].max(axis=2) - drawn_panels[0].min(axis=2) > 15
    assert colored.mean() > 0.08
    assert np.median(drawn_panels[0][colored].max(axis=1)) > 150
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.timeout(300)
def test_cells_are_yellow_points_on_the_sample(
    page: Opened, channel: ImagingChannel, researcher: User
) -> None:
    x, y, z = SHAPE_XYZ
    volumes.a_volume(channel, a_block(LEFT), kind="blended")
    labels = np.zeros((z, y, x), np.uint32)
    labels[10:30, 10:40, 10:50] = 5
    volumes.a_volume(channel, labels, kind="raw_atlas")
    places = np.array([[15 + 5 * i, 15 + 5 * j, z / 2] for i in range(6) for j in range(4)])
    volumes.cells_at(channel, places, SHAPE_XYZ)
    looking = page(researcher)

    drawn_panels = panels(opened(looking, channel, "Cells"))

    assert is_yellow(drawn_panels[0]).sum() > 200
    assert colorfulness(middle(drawn_panels[0])) > 0.5
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.timeout(300)
def test_placement_is_dark_on_light_with_borders_of_regions(
    page: Opened, channel: ImagingChannel, researcher: User, settings: Settings
) -> None:
    a_registered(channel, settings)
    looking = page(researcher)

    frame = opened(looking, channel, "Probe and fiber placement")

    (panel,) = panels(frame)
    gray = panel.mean(axis=2)
    frame.evaluate(
        """() => {
            const state = viewer.state.toJSON();
            const borders = state.layers.find((layer) => layer.name.endsWith("borders"));
            borders.visible = false;
            viewer.state.restoreState(state);
        }"""
    )
    frame.wait_for_function("viewer.isReady()")
    looking.wait_for_timeout(1000)
    (without,) = panels(frame)
    assert np.median(gray[:, :40]) > 240
    assert (gray < 60).mean() > 0.05
    drawn_white = (without.mean(axis=2) < 60) & (gray > 200)
    assert drawn_white.sum() > 200
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.timeout(300)
def test_anybody_opens_an_atlas_from_the_list(page: Opened, stranger: User) -> None:
    looking = page(stranger)
    volumes.the_phantom_atlas()

    looking.goto("/viewers/atlases/")
    looking.get_by_role("button", name="Open").click()
    drawn_panels = panels(drawn(looking))

    assert colorfulness(drawn_panels[0]) > 0.05
    assert not looking.problems  # type: ignore[attr-defined]  # set by the fixture


def a_part_of_the_allen_grid(folder: Path, voxels: np.ndarray) -> None:
    """Write a volume of that grid of which only the chunk from voxel (128, 256, 192) is there."""
    volumes.write_volume(folder, voxels)
    info = json.loads((folder / "info").read_text())
    info["scales"][0] |= {
        "size": [*SHAPE_XYZ_OF_ALLEN], "resolution": [25_000] * 3, "chunk_sizes": [[64, 64, 64]],
    }  # fmt: skip
    (folder / "info").write_text(json.dumps(info))
    (folder / "full" / "0-64_0-64_0-64").rename(folder / "full" / "128-192_256-320_192-256")


def darkness_at(frame: Frame, dv_um: float, ap_um: float, ml_um: float) -> float:
    """Return how dark the middle of the view is, 0 to 255, at this place from bregma."""
    frame.evaluate(
        """(position) => {
            const state = viewer.state.toJSON();
            Object.assign(state, { position, crossSectionScale: 5, showAxisLines: false });
            viewer.state.restoreState(state);
        }""",
        [dv_um, ap_um, ml_um],
    )
    frame.wait_for_function("viewer.isReady()", timeout=60_000)
    frame.page.wait_for_timeout(1000)
    (panel,) = panels(frame)
    row, column = panel.shape[0] // 2, panel.shape[1] // 2
    return 255 - float(np.median(panel[row - 20 : row + 20, column - 20 : column + 20]))


@pytest.mark.timeout(300)
def test_placement_counts_from_bregma_on_the_allen_atlas(
    page: Opened, channel: ImagingChannel, researcher: User, settings: Settings
) -> None:
    parts = volumes.an_atlas_with_pictures("like_allen")
    atlas = parts["annotation"].atlas
    x, y, z = SHAPE_XYZ_OF_ALLEN
    Atlas.objects.filter(pk=atlas.pk).update(size_x=x, size_y=y, size_z=z)
    a_part_of_the_allen_grid(
        settings.DATA_ROOT / str(parts["annotation"].folder), np.zeros((64, 64, 64), np.uint32)
    )
    wanted = volumes.registered_with(atlas, channel)
    bright = np.full((64, 64, 64), 1000, np.uint16)
    layer = volumes.a_volume(channel, bright, kind="registered", processing=wanted)
    shutil.rmtree(settings.DATA_ROOT / str(layer.folder))
    a_part_of_the_allen_grid(settings.DATA_ROOT / str(layer.folder), bright)
    Product.objects.update(shape_xyz=[x, y, z], voxel_nm_xyz=[25_000] * 3)

    frame = opened(page(researcher), channel, "Probe and fiber placement")

    middle_of_chunk = millimeters((160, 288, 224))
    dv, ap, ml = (middle_of_chunk[name] * 1000 for name in ("DV", "AP", "ML"))
    assert darkness_at(frame, dv, ap, ml) > 200
    assert darkness_at(frame, dv, ap + 1700, ml) < 20
    assert darkness_at(frame, dv, ap, -ml - 1700) < 20
