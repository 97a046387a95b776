"""Imaging that is corrected after, or while, its images are processed."""

import pytest

from processing_app import selectors
from processing_app.models import Product, Run
from processing_app.states import ProcessingState, RunState
from tests.support import clusters, processed

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(researcher, clearer, imager):
    return processed.a_ready_round(researcher, clearer=clearer, imager=imager)


def current_kinds():
    return set(selectors.current_products().values_list("kind", flat=True))


def test_what_was_processed_with_the_old_voxels_is_out_of_date(ready, processor, imager):
    processed.processed(ready, by=processor)

    clusters.image_again(ready.imaging_request, by=imager, z_step_um=5.0)

    assert "blended" not in current_kinds()
    assert Product.objects.exclude(retired_at=None).filter(kind="blended").exists()


def test_the_same_values_again_leave_it_as_it_was(ready, processor, imager):
    processed.processed(ready, by=processor)

    clusters.image_again(ready.imaging_request, by=imager)

    assert "blended" in current_kinds()


def test_a_run_at_work_begins_anew_with_the_corrected_values(ready, processor, imager):
    (old,) = processed.started(ready, by=processor)

    clusters.image_again(ready.imaging_request, by=imager, z_step_um=5.0)

    new = Run.objects.filter(processing_request=ready).latest("pk")
    voxels = new.steps.get(name="blend_sheets").parameters["voxel_um"]
    ready.refresh_from_db()
    assert (Run.objects.get(pk=old.pk).state, voxels[2]) == (RunState.CANCELLED, 5.0)
    assert ready.state == ProcessingState.RUNNING


def test_a_run_at_work_with_the_same_values_goes_on(ready, processor, imager):
    (run,) = processed.started(ready, by=processor)

    clusters.image_again(ready.imaging_request, by=imager)

    assert list(Run.objects.filter(processing_request=ready)) == [run]
    assert Run.objects.get(pk=run.pk).state in {RunState.PLANNED, RunState.RUNNING}
