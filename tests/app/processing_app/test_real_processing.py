"""Tiled brains go the whole way by real processes, long stacks in parts."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from django.conf import settings

from imaging_app import selectors as imaging
from imaging_app.models import ImagingRequest
from imaging_app.services.channels import Acquisition, set_channels
from processing_app.models import Artifact, Attempt, Product, QualitySheet, Run
from processing_app.pipelines import plan as planning
from processing_app.states import AttemptState, RunState
from requests_app.plans import ChannelPlan, ResolutionPlan
from tests.support import clusters, processed, scenarios, tilings
from tests.support.checks import check_and_complete

pytestmark = [pytest.mark.django_db, pytest.mark.alone, pytest.mark.timeout(900)]
PLANES = 12
TILE_ZYX = (PLANES, 160, 160)
SMARTSPIM = ResolutionPlan(
    "3.6x", (ChannelPlan("488", ("registration",)), ChannelPlan("642", ("generic_imaging",)))
)
LAVISION = ResolutionPlan("1.3x", (ChannelPlan("488", ("registration",)),))


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch):
    monkeypatch.setattr(planning, "PLANES_OF_A_TASK", 5)


@pytest.fixture
def tiling():
    return tilings.jittered(columns=2, rows=2, tile_zyx=TILE_ZYX, jitter_xyz=(2, 2, 0))


@pytest.fixture
def tiles(tiling):
    rng = np.random.default_rng(2)
    whole = tilings.texture(tilings.needed_zyx(tiling), seed=5)
    return {place: tilings.exposed(tile, rng) for place, tile in tilings.cut(whole, tiling).items()}


def imaged(resolution, people, **acquired):
    """Return a sample whose acquisition is entered, and the raw folder of each channel."""
    owner, clearer, imager = people
    plan = scenarios.a_plan("tiles", samples=(scenarios.a_sample_plan(resolutions=(resolution,)),))
    sample = scenarios.a_request_being_imaged(owner, clearer=clearer, imager=imager, plan=plan)
    folders = {}
    for channel in imaging.channels_of(sample):
        name = processed.FOLDERS[channel.wavelength.name] if resolution is not LAVISION else "brain"
        acquisition = Acquisition(
            name, z_planes=PLANES, tile_columns=2, tile_rows=2, tile_overlap=0.1, **acquired
        )
        set_channels(sample, {channel.pk: acquisition}, by=imager)
        found = imaging.channels_of(sample).get(pk=channel.pk)
        folders[channel.wavelength.name] = settings.DATA_ROOT / str(found.raw_folder)
    return ImagingRequest.objects.get(pk=sample.pk), folders


def drive(sample):
    """Let every run of the sample come to its end by real processes."""
    for run in Run.objects.processing().filter(imaging_request=sample):
        clusters.drive_until_over(run, clusters.real_cluster(), pause_s=0.05)
        assert run.state == RunState.SUCCEEDED, failures(run)


def failures(run):
    rows = Attempt.objects.filter(step__run=run, state=AttemptState.FAILED)
    return list(rows.values_list("step__key", "reason", "message"))


def kinds():
    return sorted(Product.objects.values_list("kind", "channel__wavelength__name", "side"))


def parts_done():
    rows = Attempt.objects.filter(step__key__contains="-parts", state=AttemptState.SUCCEEDED)
    return sorted(rows.values_list("step__key", flat=True))


def left_overs():
    return [path for path in Path(settings.DATA_ROOT).rglob("*.partial-*")]


def test_a_smartspim_scan_is_stitched_corrected_and_judged(
    researcher, clearer, imager, processor, tiles
):
    people = (researcher, clearer, imager)
    sample, folders = imaged(SMARTSPIM, people, z_step_um=2.0)
    for folder in folders.values():
        tilings.write_smartspim(folder, tiles)

    check_and_complete(sample, by=imager)
    drive(sample)
    processed.started(processed.a_round(sample), by=processor)
    drive(sample)

    assert kinds() == [
        ("corrected", "488", ""), ("corrected", "642", ""),
        ("downsized", "488", ""), ("downsized", "642", ""),
        ("stitched", "488", ""), ("stitched", "642", ""),
    ]  # fmt: skip
    assert parts_done() == ["correct-488-parts", "correct-642-parts", "merge-488-parts",
                            "merge-642-parts"]  # fmt: skip
    assert left_overs() == []
    assert QualitySheet.objects.count() == 1
    assert Artifact.objects.get(kind="placements").facts["residual_um"]


def test_tiles_of_two_light_sheets_are_merged_and_blended(
    researcher, clearer, imager, processor, tiling, tiles
):
    sample, folders = imaged(LAVISION, (researcher, clearer, imager), z_step_um=10.0)
    for sheet in (0, 1):
        tilings.write_lavision(folders["488"], tiles, sheet_code=sheet)

    check_and_complete(sample, by=imager)
    drive(sample)
    processed.started(processed.a_round(sample), by=processor)
    drive(sample)

    assert kinds() == [
        ("blended", "488", ""), ("downsized", "488", ""),
        ("stitched", "488", "left"), ("stitched", "488", "right"),
    ]  # fmt: skip
    assert parts_done() == ["blend-488-parts", "merge-488-left-parts", "merge-488-right-parts"]
    assert left_overs() == []
    (planes,) = Path(settings.DATA_ROOT).rglob("full_sizedatafld/*_ch00")
    blended = np.stack([tifffile.imread(path) for path in sorted(planes.glob("*.tif"))])
    (merged,) = Path(settings.DATA_ROOT).rglob("*_left_lightsheet_ts_out")
    left = np.stack([tifffile.imread(path) for path in sorted(merged.glob("*.tif"))])
    assert np.array_equal(blended, left)  # both sheets show the same
