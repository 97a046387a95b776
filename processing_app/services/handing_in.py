"""Bring new attempts into the queue of the scheduler."""

from collections.abc import Sequence
from functools import partial

from django.db.models import Q

from core_app.errors import Rejected
from pipeline.contract import CONTRACT_VERSION, Json, StepSpec
from pipeline.registry import SIGNATURES
from processing_app import demands
from processing_app.cluster import workdir
from processing_app.cluster.ports import Cluster, JobId, JobRequest
from processing_app.models import Attempt, Deployment, Profile, Step
from processing_app.services import attempts, claims, deployments
from processing_app.services.demands import Demands
from processing_app.services.guarding import Guard
from processing_app.states import AttemptState

A = AttemptState
GIVEN_UP = ("LOST", "NO_RESULT", "INTERNAL")


def given_up() -> Q:
    """Return the condition for attempts that ended without proof that their job did."""
    return Q(state=A.LOST) | Q(reason__in=GIVEN_UP)


def end_cancelled(guard: Guard, pks: Sequence[int]) -> None:
    """End what was cancelled before it was handed in. No cluster is asked: no job can be there."""
    with claims.held(pks) as held:
        guard.those(filter(_is_cancelled, held), _end_cancelled)


def adopt_all(held: Sequence[Attempt], cluster: Cluster, guard: Guard) -> None:
    """Find the jobs whose ids were not saved, and hand in nothing: the cluster is frozen."""
    guard.those(held, partial(_adopt, cluster=cluster))


def _adopt(attempt: Attempt, *, cluster: Cluster) -> bool:
    if not _submit(attempt, cluster=cluster, is_first_time=False, may_hand_in=False):
        return False
    attempts.move(attempt, A.QUEUED)
    return True


def hand_in_all(held: Sequence[Attempt], cluster: Cluster, guard: Guard) -> int:
    """Bring claimed attempts into the queue; return how many are there now.

    Their states are moved together, so that many cost few queries. Only the id of each job is saved
    alone and at once.
    """
    cancelled = [attempt for attempt in held if _is_cancelled(attempt)]
    guard.those(cancelled, _end_cancelled)
    going = [attempt for attempt in held if attempt not in cancelled]
    staged = guard.those(_in(going, A.NEW), partial(_stage, cluster=cluster, amounts=Demands()))
    attempts.move_all(staged, A.STAGED, "deployment")
    repeated = _in(going, A.SUBMITTING)
    fresh = _in(going, A.STAGED)
    attempts.move_all(fresh, A.SUBMITTING)
    waiting, handed = [*repeated, *_in(fresh, A.SUBMITTING)], list[Attempt]()
    try:
        while waiting and claims.is_ours(waiting[0]):
            attempt = waiting.pop(0)
            submit = partial(_submit, cluster=cluster, is_first_time=attempt not in repeated)
            if guard.run(attempt, submit):
                handed.append(attempt)
    finally:
        attempts.move_all(handed, A.QUEUED)
        # Nothing of these can be there, so nobody has to look for them first.
        attempts.move_all([one for one in waiting if one not in repeated], A.STAGED)
    return len(handed)


def _in(held: Sequence[Attempt], state: str) -> list[Attempt]:
    return [attempt for attempt in held if attempt.state == state]


def _is_cancelled(attempt: Attempt) -> bool:
    """Return True if it was cancelled before anything of it can have been handed in."""
    return attempt.cancel_requested_at is not None and attempt.state != A.SUBMITTING


def _end_cancelled(attempt: Attempt) -> bool:
    attempts.end(attempt, A.CANCELLED, reason="CANCELLED")
    return True


def _stage(attempt: Attempt, *, cluster: Cluster, amounts: Demands) -> bool:
    """Put the specification and the script into the attempt's folder."""
    try:
        return _put(attempt, cluster, amounts)
    except Rejected as refusal:
        attempts.end(attempt, A.FAILED, reason="REJECTED", message=str(refusal))
        return False


def _put(attempt: Attempt, cluster: Cluster, amounts: Demands) -> bool:
    deployment = None
    if not cluster.python_path:
        deployment = deployments.there(attempt.step.run, cluster)
        if deployment is None:
            message = deployments.missing(attempt.step.run)
            attempts.end(attempt, A.FAILED, reason="VERSION_MISMATCH", message=message)
            return False
    attempt.deployment = deployment
    _stop_earlier(attempt, cluster)
    folder = attempts.folder_of(attempt, cluster)
    cluster.shell.make_folder(folder.path)
    cluster.shell.write(folder.spec, _spec(attempt, cluster).to_json().encode())
    profile = amounts.profile_of(attempt.step, attempt.step.run)
    for path, text in _files(attempt, cluster, deployment, profile).items():
        cluster.shell.write(path, text.encode())
    return True


def _files(
    attempt: Attempt, cluster: Cluster, deployment: Deployment | None, profile: Profile | None
) -> dict[str, str]:
    return workdir.job_files(
        attempts.folder_of(attempt, cluster),
        python=deployment.python if deployment else cluster.python,
        python_path=deployment.folder if deployment else cluster.python_path,
        data_root=cluster.data_root,
        beat_s=cluster.beat_s,
        preludes=(cluster.prelude, profile.prelude if profile else ""),
        tasks=tuple(attempt.tasks),
    )


def _stop_earlier(attempt: Attempt, cluster: Cluster) -> None:
    """An attempt that was given up may still be alive, and two must not work at once.

    Those of earlier runs write to the same places. A job that surely ended is left out: its id may
    belong to somebody else's job by now.
    """
    run = attempt.step.run
    of_this_step = Q(step=attempt.step, number__lt=attempt.number)
    of_earlier_runs = Q(
        step__run__imaging_request=run.imaging_request_id,
        step__run__pipeline=run.pipeline, step__run__lt=run.pk, step__name=attempt.step.name,
    )  # fmt: skip
    here = Attempt.objects.filter(step__run__cluster=run.cluster_id).exclude(job_id="")
    rows = here.filter(given_up()).filter(of_this_step | of_earlier_runs)
    for job_id in rows.order_by("id").values_list("job_id", flat=True):
        cluster.scheduler.cancel(JobId(job_id))


def _submit(
    attempt: Attempt, *, cluster: Cluster, is_first_time: bool, may_hand_in: bool = True
) -> bool:
    """Hand in the job, or find the one that was handed in before; True if there is one."""
    job_id: str = attempt.job_id
    if not job_id and not is_first_time:
        # A driver may have died between handing in and saving the id.
        job_id = cluster.scheduler.find(attempt.job_name) or ""
    if not job_id and attempt.cancel_requested_at:
        attempts.ask_to_stop(attempt, cluster)
        return False
    # Soon after a first time, absence proves nothing yet.
    is_early = not is_first_time and attempts.age_s(attempt) < cluster.submit_grace_s
    if not job_id and (is_early or not may_hand_in):
        attempts.look_again(attempt, after_s=cluster.between_looks_s)
        return False
    try:
        job_id = job_id or cluster.scheduler.submit(_job(attempt, cluster))
    except Rejected as refusal:
        attempts.end(attempt, A.FAILED, reason="REJECTED", message=str(refusal))
        return False
    attempts.save_job_id(attempt, job_id)
    return True


def _job(attempt: Attempt, cluster: Cluster) -> JobRequest:
    folder = attempts.folder_of(attempt, cluster)
    return JobRequest(
        attempt.job_name,
        folder.path,
        folder.script,
        demands.read(attempt.resources),
        tasks=tuple(attempt.tasks),
    )


def _spec(attempt: Attempt, cluster: Cluster) -> StepSpec:
    step = attempt.step
    return StepSpec(
        contract=CONTRACT_VERSION,
        step=step.name,
        name=attempt.job_name,
        version=step.run.pipeline_version,
        inputs={**step.inputs, **_checked_content(step)},
        parameters=step.parameters,
        outputs=step.outputs,
        threads=demands.read(attempt.resources).cpus,
        tasks=step.tasks,
    )


def _checked_content(step: Step) -> dict[str, Json]:
    """Tie what is made to what was checked: the digest of the manifest that inspect_raw wrote."""
    signature = SIGNATURES.get(step.name)
    if signature is None or "manifest_digest" not in signature.optional_inputs:
        return {}
    checks = Attempt.objects.filter(
        step__run=step.run_id, step__key__in=step.needs, step__name="inspect_raw", state=A.SUCCEEDED
    )
    check = checks.order_by("-id").first()
    return {"manifest_digest": check.input_digest} if check and check.input_digest else {}
