"""Runs of the site, driven over a real Slurm to their end."""

from dataclasses import replace

import pytest

from processing_app.cluster.slurm import Slurm
from processing_app.models import Attempt, Product
from processing_app.states import AttemptState, RunState
from tests.support import clusters, slurm

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=slurm.BOTH)
def slurm_in_use(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def cluster(slurm_in_use):
    cluster = clusters.real_cluster(heartbeat_limit_s=20.0)
    scheduler = Slurm(cluster.shell, cluster.workdir, environment=slurm_in_use.environment)
    yield replace(cluster, scheduler=scheduler)
    slurm_in_use.kill(seen.id for seen in scheduler.jobs())


@pytest.fixture
def run(researcher, clearer, imager):
    imaged = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)
    clusters.deliver(imaged)
    return clusters.a_planned_run(imaged)


def test_a_run_goes_the_whole_way(run, cluster):
    over = clusters.drive_until_over(run, cluster, ticks=300, pause_s=0.1)

    assert over.state == RunState.SUCCEEDED
    assert Product.objects.filter(step__run=run).exists()
    assert {attempt.number for attempt in Attempt.objects.all()} == {1}


def test_a_job_whose_id_was_not_saved_is_found_and_followed(run, cluster):
    attempt = clusters.drive_to(run, cluster, AttemptState.QUEUED)
    job_id = attempt.job_id
    Attempt.objects.filter(pk=attempt.pk).update(job_id="", state=AttemptState.SUBMITTING)

    over = clusters.drive_until_over(run, cluster, ticks=300, pause_s=0.1)

    assert over.state == RunState.SUCCEEDED
    attempt.refresh_from_db()
    assert attempt.job_id == job_id
