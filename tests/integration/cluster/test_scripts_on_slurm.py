"""A facility's scripts on a real Slurm: an array per step, and only what failed again."""

from dataclasses import replace

import pytest
from django.conf import settings

from processing_app.cluster.slurm import Slurm
from processing_app.models import Attempt
from processing_app.services import runs
from processing_app.states import RunState
from tests.support import clusters
from tests.support.scenarios import TWO_CHANNELS, a_plan, a_sample_plan
from tests.support.site_scripts import CHANNEL, a_site_pipeline, add_step, script

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cluster(slurm):
    cluster = clusters.real_cluster(heartbeat_limit_s=20.0)
    scheduler = Slurm(cluster.shell, cluster.workdir, environment=slurm.environment)
    yield replace(cluster, scheduler=scheduler)
    slurm.kill(seen.id for seen in scheduler.jobs())


@pytest.fixture
def imaged(researcher, clearer, imager):
    """A sample with two channels in one raw folder."""
    plan = a_plan(samples=[a_sample_plan(resolutions=(TWO_CHANNELS,))])
    imaged = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
    clusters.deliver(imaged)
    return imaged


def test_two_scripts_go_the_whole_way_and_a_failed_task_is_tried_again_alone(
    cluster, imaged, tmp_path
):
    tried = f"{tmp_path}/$1"
    weak = f'echo x >>"{tried}"; echo "$1" >cells; [ "$1" != 647 ] || [ -s "{tmp_path}/again" ] ||'
    first = script(tmp_path, f'{weak} {{ echo x >"{tmp_path}/again"; exit 4; }}', "one")
    second = script(tmp_path, 'cat "$1"/channel_*/cells >all', "two")
    toy = a_site_pipeline()
    add_step(toy, "segment", [first, "{channel}"], unit=CHANNEL)
    add_step(toy, "measure", [second, "{before}"])
    run = runs.start_run(toy.key, imaged, by=None)

    run = clusters.drive_until_over(run, cluster, ticks=400, pause_s=0.1)

    assert run.state == RunState.SUCCEEDED, clusters.states_of(run)
    assert [a.tasks for a in Attempt.objects.filter(step__tasks=2).order_by("number")] == [
        [0, 1], [1],
    ]  # fmt: skip
    assert [len((tmp_path / name).read_text().split()) for name in ("488", "647")] == [1, 2]
    made = settings.DATA_ROOT / run.steps.get(tasks=0).outputs["folder"] / "all"
    assert made.read_text() == "488\n647\n"
