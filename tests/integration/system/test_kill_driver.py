"""kill -9 of the process that drives, at every stage: the next goes on as if nothing had been."""

import subprocess
import sys

import pytest

from processing_app.models import Attempt, Product
from processing_app.states import AttemptState, RunState
from tests.support import clusters

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone]

MOMENTS = [
    ("after", "processing_app.services.runs.begin", 1),
    ("before", "processing_app.cluster.shell_local.LocalShell.make_folder", 1),
    ("before", "processing_app.cluster.shell_local.LocalShell.write", 1),
    ("after", "processing_app.cluster.shell_local.LocalShell.write", 2),
    ("before", "processing_app.services.handing_in._submit", 1),
    ("before", "processing_app.cluster.direct.Direct.submit", 1),
    ("after", "processing_app.cluster.direct.Direct.submit", 1),
    ("after", "processing_app.services.attempts.save_job_id", 1),
    ("before", "processing_app.cluster.direct.Direct.poll", 1),
    ("after", "processing_app.cluster.direct.Direct.poll", 1),
    ("before", "processing_app.services.looking._act", 1),
    ("before", "processing_app.services.collecting._save", 1),
    ("after", "processing_app.services.collecting._save", 1),
    ("after", "processing_app.services.collecting.collect", 1),
    ("after", "processing_app.services.collecting._publish", 1),
    ("before", "processing_app.services.runs.finish", 1),
    ("after", "processing_app.services.runs.finish", 1),
]


@pytest.fixture
def imaged(researcher, clearer, imager):
    imaged = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)
    clusters.deliver(imaged)
    yield imaged
    clusters.stop_all_jobs()


def a_driver_that_dies(moment, target, nth):
    code = (
        "import django; django.setup(); from tests.support import clusters; "
        f"clusters.drive_and_die({moment!r}, {target!r}, {nth})"
    )
    environment = clusters.environment_of_site()
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=clusters.ROOT, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("moment", "target", "nth"), MOMENTS, ids=lambda value: str(value).rpartition(".")[2]
)
def test_a_killed_driver_leaves_no_trace_in_the_end(imaged, settings, moment, target, nth):
    run = clusters.a_planned_run(imaged)

    died = a_driver_that_dies(moment, target, nth)
    clusters.drive_until_over(run, clusters.real_cluster(), ticks=300, pause_s=0.05)

    assert died.returncode == -9
    assert run.state == RunState.SUCCEEDED
    assert set(map(tuple, clusters.states_of(run).values())) == {(AttemptState.SUCCEEDED,)}
    assert [len(clusters.folders(name)) for name in ("attempt.lock", "result.json")] == [2, 2]
    assert Attempt.objects.get(step__name="precompute").peak_memory_bytes > 0
    product = Product.objects.get()
    assert product.shape_xyz == list(reversed(clusters.TINY_ZYX))
    assert (product.folder.under(settings.DATA_ROOT) / "info").is_file()
