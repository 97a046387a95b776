"""reconcile repairs whatever it finds while the driver works, and nothing comes to harm."""

import threading

import pytest
from django.db import connection

from processing_app.models import Attempt, Cluster
from processing_app.reconciling import ALL
from processing_app.services.reconciling import reconcile
from processing_app.states import AttemptState, RunState
from tests.support import clusters

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone]


@pytest.fixture
def runs(researcher, clearer, imager):
    found = []
    for name in ("first", "second", "third"):
        plan = clusters.scenarios.a_plan(name)
        imaged = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
        clusters.deliver(imaged)
        found.append(clusters.a_planned_run(imaged))
    yield found
    clusters.stop_all_jobs()


class Reconciling(threading.Thread):
    """Repairs without end until told to stop."""

    def __init__(self):
        super().__init__()
        self.is_over = threading.Event()
        self.reports = []

    def run(self):
        try:
            row = Cluster.objects.get(name="default")
            while not self.is_over.is_set():
                self.reports.append(reconcile(row, repair=ALL))
        finally:
            connection.close()


def test_every_run_succeeds_at_the_first_try_whatever_is_repaired_meanwhile(runs):
    cluster, other = clusters.real_cluster(), Reconciling()
    other.start()
    try:
        for run in runs:
            clusters.drive_until_over(run, cluster, ticks=600, pause_s=0.02)
    finally:
        other.is_over.set()
        other.join(60)

    assert len(other.reports) > 3
    assert [report.trouble for report in other.reports if report.trouble] == []
    assert {run.state for run in map(_again, runs)} == {RunState.SUCCEEDED}
    attempts = Attempt.objects.all()
    assert {(one.number, one.state) for one in attempts} == {(1, AttemptState.SUCCEEDED)}
    assert clusters.folders("direct.cancelled") == []
    assert len(clusters.folders("spec.json")) == attempts.count()


def _again(run):
    run.refresh_from_db()
    return run
