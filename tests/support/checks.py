"""Checks of raw data in tests: the real step, in this process, for one sample alone."""

from dataclasses import asdict
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from core_app.models import User
from imaging_app import selectors, workflows
from imaging_app.models import ImagingRequest, RawDelivery
from pipeline.contract import CONTRACT_VERSION, FAILED, SUCCEEDED, StepResult, StepSpec
from pipeline.errors import named_failure
from pipeline.runner import load_step
from pipeline.workspace import Workspace
from processing_app.cluster.ports import Cluster, JobId, JobRequest
from processing_app.cluster.scheduler_memory import memory_cluster
from processing_app.cluster.shell_memory import MemoryShell
from processing_app.cluster.workdir import JobFolder
from processing_app.models import Run
from processing_app.pipelines import CHECK
from processing_app.planning import Try
from processing_app.services import claims, collecting, handing_in, looking, runs, tries
from processing_app.services.demands import Demands
from processing_app.services.guarding import Guard
from processing_app.states import AttemptState, RunState

AT = "2030-01-07T12:00:00.000+00:00"


def do_the_work(job: JobRequest, shell: MemoryShell) -> int:
    """A job that does what its specification says, on the files of the data root."""
    folder = JobFolder(job.folder)
    spec = StepSpec.from_json(shell.files[folder.spec])
    work = Workspace(root=settings.DATA_ROOT, name=spec.name, threads=1)
    blank = StepResult(
        contract=CONTRACT_VERSION, step=spec.step, name=spec.name, status=SUCCEEDED, reason="",
        message="", started_at=AT, finished_at=AT, host="here",
    )  # fmt: skip
    try:
        outputs = load_step(spec.step)(spec, work)
        known = {**asdict(blank), "outputs": outputs, "input_digest": work.input_digest}
    except Exception as mistake:
        failure = named_failure(mistake)
        known = {
            **asdict(blank), "status": FAILED, "reason": failure.reason, "message": str(failure),
            "problems": failure.problems,
        }  # fmt: skip
    result = StepResult(**known)
    shell.write(folder.result, result.to_json().encode())
    return 0 if result.status == SUCCEEDED else 1


def carry_out(run: Run, cluster: Cluster | None = None) -> Run:
    """Bring one run to its end, as the driver does; other runs stay where they are."""
    cluster = cluster or memory_cluster(do_the_work)
    with transaction.atomic():
        runs.begin(run)
    guard = Guard(cluster, [])
    for step in run.steps.order_by("position"):
        with transaction.atomic():
            made = tries.add(step, Try(step.key, 1, timedelta(0)), Demands())
        (attempt,) = claims.take([made.pk])
        handing_in.hand_in_all([attempt], cluster, guard)
        while attempt.state != AttemptState.COLLECTING:
            reports = cluster.scheduler.poll([JobId(attempt.job_id)])
            looking.look_at_all([attempt], reports, cluster, guard)
        collecting.collect_all([attempt], cluster, guard)
        assert guard.troubles == []
        attempt.refresh_from_db()
        if attempt.state != AttemptState.SUCCEEDED:
            with transaction.atomic():
                runs.finish(run, RunState.FAILED, by=None, note=attempt.reason)
            return run
    with transaction.atomic():
        runs.finish(run, RunState.SUCCEEDED, by=None)
    return run


def finish_check(imaging_request: ImagingRequest) -> None:
    """Let the check that was asked for come to its end, and take in what it found."""
    carry_out(Run.objects.get(imaging_request=imaging_request, pipeline=CHECK, finished_at=None))
    workflows.take_in_reports()


def check_delivery(imaging_request: ImagingRequest, *, by: User) -> list[RawDelivery]:
    """Have the sample's raw data checked, to the end; return the verdicts."""
    carry_out(workflows.check_delivery(imaging_request, by=by))
    workflows.take_in_reports()
    return list(selectors.deliveries_of(imaging_request))


def check_and_complete(imaging_request: ImagingRequest, *, by: User) -> Run | None:
    """Check, then complete; return the first run that follows."""
    check_delivery(imaging_request, by=by)
    return next(iter(workflows.complete_imaging(imaging_request, by=by)), None)
