"""Two rounds of processing of one sample: one writes at a time, and neither undoes the other."""

import pytest
from django.urls import reverse

from core_app.errors import NotReady
from processing_app import workflows
from processing_app.models import Run
from processing_app.pipelines import STITCHING
from processing_app.services import runs
from processing_app.services.runs import Wishes
from processing_app.states import ACTIVE, RunState
from tests.support import clusters, processed

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(researcher, clearer, imager):
    return processed.a_ready_round(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def failed(ready, processor):
    """The run of a first round, which failed."""
    processed.processed(ready, by=processor, work=clusters.fail_with("BAD_INPUT"))
    return Run.objects.get(processing_request=ready)


@pytest.fixture
def at_work(failed, processor):
    """The run of a second round, which is at work."""
    images = failed.imaging_request
    second = workflows.ask_for_processing(images, {}, by=processor, after=1)
    (run,) = processed.started(second, by=processor)
    return run


def test_a_run_of_another_round_is_not_retried_meanwhile(failed, at_work, processor, client):
    client.force_login(processor, backend="django.contrib.auth.backends.ModelBackend")

    answer = client.post(reverse("processing:run-retry", args=[failed.pk]), follow=True)

    assert f"{at_work} of another round of the same images is at work" in answer.content.decode()
    assert Run.objects.get(pk=failed.pk).state == RunState.FAILED


def test_running_again_does_not_stop_the_run_of_another_round(failed, at_work, processor):
    with pytest.raises(NotReady, match="another round of the same images is at work"):
        workflows.run_again(failed, Wishes(), by=processor)

    assert Run.objects.get(pk=at_work.pk).state in ACTIVE


def test_it_is_retried_once_the_other_is_over(failed, at_work, processor):
    runs.cancel_run(at_work, by=processor)

    workflows.retry_run(failed, by=processor)

    assert Run.objects.get(pk=failed.pk).state == RunState.RUNNING


@pytest.fixture
def correcting(researcher, clearer, imager, processor):
    """A run that reads the stitched planes."""
    stitched = processed.a_stitched_sample(researcher, clearer=clearer, imager=imager)
    (run,) = processed.started(processed.a_round(stitched), by=processor)
    return run


def test_planes_are_not_stitched_anew_while_they_are_corrected(correcting, processor):
    stitching = Run.objects.get(pipeline=STITCHING)

    with pytest.raises(
        NotReady, match=f"{correcting} reads what it makes".replace("(", r"\(").replace(")", r"\)")
    ):
        workflows.run_again(stitching, Wishes(), by=processor)


def test_stitching_that_begins_by_itself_waits_for_the_correction(correcting, processor):
    anew = runs.start_run(STITCHING, correcting.imaging_request, by=None)

    waits = not runs.is_alone(anew)
    runs.cancel_run(correcting, by=processor)

    assert waits
    assert runs.is_alone(anew)
