"""What the driver does with one attempt that it has claimed. Every function is safe to repeat."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core_app.errors import Rejected
from core_app.transitions import advance
from pipeline.contract import CONTRACT_VERSION, Json, StepSpec
from pipeline.registry import SIGNATURES
from processing_app import planning
from processing_app.cluster import workdir
from processing_app.cluster.ports import Cluster, JobId, JobReport, JobRequest
from processing_app.models import Attempt, Step
from processing_app.planning import (
    AttemptFacts,
    Collect,
    Confirm,
    Lose,
    Sighting,
    StepFacts,
    Stop,
    Verdict,
    Wait,
)
from processing_app.services import results
from processing_app.states import AttemptState

A = AttemptState
# Attempts that ended without proof that their job did.
GIVEN_UP = ("LOST", "NO_RESULT", "INTERNAL")
BETWEEN_LOOKS = timedelta(seconds=1)
TROUBLE_LENGTH = 300
MESSAGE_LENGTH = 2000
REASON_LENGTH = 32


def hand_in(attempt: Attempt, cluster: Cluster) -> bool:
    """Bring a new attempt into the queue of the scheduler; return True once it is there."""
    if attempt.cancel_requested_at and attempt.state != A.SUBMITTING:
        end(attempt, A.CANCELLED, reason="CANCELLED")
        return False
    try:
        if attempt.state == A.NEW:
            _stage(attempt, cluster)
        return _submit(attempt, cluster)
    except Rejected as refusal:
        end(attempt, A.FAILED, reason="REJECTED", message=str(refusal))
        return False


def _stage(attempt: Attempt, cluster: Cluster) -> None:
    """Put the specification and the script into the attempt's folder."""
    _stop_earlier(attempt, cluster)
    folder = _folder(attempt, cluster)
    cluster.shell.make_folder(folder.path)
    cluster.shell.write(folder.spec, _spec(attempt, cluster).to_json().encode())
    script = workdir.job_script(
        folder,
        python=cluster.python,
        python_path=cluster.python_path,
        data_root=cluster.data_root,
        beat_s=cluster.beat_s,
    )
    cluster.shell.write(folder.script, script.encode())
    _move(attempt, A.STAGED)


def _stop_earlier(attempt: Attempt, cluster: Cluster) -> None:
    """An attempt that was given up may still be alive, and two must not work at once.

    Those of earlier runs write to the same places.
    """
    run = attempt.step.run
    given_up = Q(state=A.LOST) | Q(reason__in=GIVEN_UP)
    of_this_step = Q(step=attempt.step, number__lt=attempt.number)
    of_earlier_runs = Q(
        given_up, step__run__imaging_request=run.imaging_request_id,
        step__run__pipeline=run.pipeline, step__run__lt=run.pk, step__name=attempt.step.name,
    )  # fmt: skip
    rows = Attempt.objects.filter(of_this_step | of_earlier_runs).exclude(job_id="")
    for job_id in rows.order_by("id").values_list("job_id", flat=True):
        cluster.scheduler.cancel(JobId(job_id))


def _submit(attempt: Attempt, cluster: Cluster) -> bool:
    is_first_time = attempt.state == A.STAGED
    if is_first_time:
        _move(attempt, A.SUBMITTING)
    job_id = attempt.job_id or cluster.scheduler.find(attempt.job_name)
    if not job_id and attempt.cancel_requested_at:
        _ask_to_stop(attempt, cluster)
        return False
    if not job_id and not is_first_time and age_s(attempt) < cluster.submit_grace_s:
        # A driver may have died between handing in and saving the id; absence proves nothing yet.
        look_again(attempt)
        return False
    if not job_id:
        job_id = cluster.scheduler.submit(_job(attempt, cluster))
    _save_job_id(attempt, job_id)
    _move(attempt, A.QUEUED)
    return True


def _save_job_id(attempt: Attempt, job_id: str) -> None:
    """Alone and at once, before anything else can fail."""
    now = timezone.now()
    Attempt.objects.filter(pk=attempt.pk, job_id="").update(
        job_id=job_id, submitted_at=now, last_seen_at=now, trouble=""
    )
    attempt.job_id = job_id


def look(attempt: Attempt, report: JobReport, cluster: Cluster) -> None:
    """Judge the scheduler's report together with what the job's folder shows, and act on it."""
    sighting = _sighting(attempt, report, cluster)
    facts = AttemptFacts(
        state=attempt.state,
        seen_at=attempt.last_seen_at or attempt.state_since,
        beat=str(attempt.progress.get("beat", "")),
        cancel_requested=attempt.cancel_requested_at is not None,
    )
    limit = timedelta(seconds=cluster.heartbeat_limit_s)
    _act(
        attempt, planning.judge(facts, sighting, now=timezone.now(), limit=limit), sighting, cluster
    )


def _sighting(attempt: Attempt, report: JobReport, cluster: Cluster) -> Sighting:
    folder = _folder(attempt, cluster)
    progress = results.read_progress(_peek(cluster, folder.progress, results.PROGRESS_BYTES))
    if progress:
        attempt.progress = {**progress, "beat": attempt.progress.get("beat", "")}
    if planning.is_at_work(report):
        return Sighting(report)
    mark = _peek(cluster, folder.exit_code, results.MARK_BYTES)
    return Sighting(
        report,
        beat=results.beat_of(_peek(cluster, folder.heartbeat, results.MARK_BYTES)),
        has_ended=mark is not None,
        exit_code=results.exit_code_of(mark, report.exit_code),
        outcome=results.status_of(_peek(cluster, folder.result, results.RESULT_BYTES)),
    )


def _peek(cluster: Cluster, path: str, most: int) -> bytes | None:
    """One byte more than allowed shows that it is too long. What cannot be read is not there."""
    try:
        return cluster.shell.read(path, most=most + 1)
    except Rejected:
        return None


def _act(attempt: Attempt, verdict: Verdict, sighting: Sighting, cluster: Cluster) -> None:
    match verdict:
        case Wait():
            _wait(attempt, verdict, sighting, cluster)
            if attempt.state == A.CANCELLING:
                _cancel_job(attempt, cluster)
        case Collect(reason):
            attempt.reason, attempt.exit_code = reason[:REASON_LENGTH], sighting.exit_code
            _move(attempt, A.COLLECTING, "reason", "exit_code", "progress")
        case Stop():
            _ask_to_stop(attempt, cluster)
        case Lose(note):
            end(attempt, A.LOST, reason="LOST", message=note)
        case Confirm():
            end(attempt, A.CANCELLED, reason="CANCELLED")


def _wait(attempt: Attempt, verdict: Wait, sighting: Sighting, cluster: Cluster) -> None:
    now = timezone.now()
    if sighting.beat:
        attempt.progress = {**attempt.progress, "beat": sighting.beat}
    seen = now if verdict.alive else attempt.last_seen_at
    silence = timedelta(0) if verdict.alive else now - (seen or attempt.state_since)
    pause = planning.pause_after(silence) if verdict.trouble else _usual_pause(attempt, cluster)
    Attempt.objects.filter(pk=attempt.pk).update(
        last_seen_at=seen,
        next_look_at=now + pause,
        progress=attempt.progress,
        trouble=results.storable(verdict.trouble, most=TROUBLE_LENGTH),
    )
    if verdict.to and verdict.to != attempt.state:
        attempt.started_at = attempt.started_at or now
        _move(attempt, verdict.to, "started_at")


def _usual_pause(attempt: Attempt, cluster: Cluster) -> timedelta:
    age = timezone.now() - (attempt.submitted_at or attempt.created_at)
    return planning.next_look(age, usual=timedelta(seconds=cluster.between_looks_s))


def _ask_to_stop(attempt: Attempt, cluster: Cluster) -> None:
    if attempt.state != A.CANCELLING:
        _move(attempt, A.CANCELLING)
    call_off(attempt, cluster)
    look_again(attempt)


def call_off(attempt: Attempt, cluster: Cluster) -> None:
    """Leave the mark first: a job that has not begun finds it and does not begin."""
    try:
        cluster.shell.write(_folder(attempt, cluster).cancel, b"")
    finally:
        # Also if the folder is gone: the job may go on without it.
        _cancel_job(attempt, cluster)


def _cancel_job(attempt: Attempt, cluster: Cluster) -> None:
    """Also a job whose id was never saved, because a driver died just then."""
    job_id = attempt.job_id or cluster.scheduler.find(attempt.job_name)
    if job_id:
        _save_job_id(attempt, job_id)
        cluster.scheduler.cancel(JobId(job_id))


def pause(attempt: Attempt, trouble: str) -> None:
    """Leave the attempt as it is and say why; the longer the silence, the later the next look."""
    now = timezone.now()
    silence = now - (attempt.last_seen_at or attempt.state_since)
    Attempt.objects.filter(pk=attempt.pk).update(
        trouble=results.storable(trouble, most=TROUBLE_LENGTH),
        next_look_at=now + planning.pause_after(silence),
    )


def step_facts(step: Step, *, since: datetime) -> StepFacts:
    """Return what planning needs of a step; attempts before `since` are not counted as tries."""
    tried = sorted(step.attempts.all(), key=lambda attempt: attempt.number)
    recent = [attempt for attempt in tried if attempt.created_at >= since]
    latest = tried[-1] if tried else None
    return StepFacts(
        key=step.key,
        needs=tuple(step.needs),
        state=latest.state if latest else "",
        reason=latest.reason if latest else "",
        last_number=latest.number if latest else 0,
        tries=len(recent),
        cancel_requested=any(attempt.cancel_requested_at for attempt in recent),
    )


def end(attempt: Attempt, state: str, *, reason: str, message: str = "") -> None:
    """End an attempt whose job left no result to take in."""
    message = results.storable(message, most=MESSAGE_LENGTH)
    attempt.reason, attempt.message, attempt.finished_at = reason, message, timezone.now()
    _move(attempt, state, "reason", "message", "finished_at", note=message)


def _move(attempt: Attempt, to: str, *saved: str, note: str = "") -> None:
    """Advance, and save the named fields in the same transaction; the attempt is due at once."""
    with transaction.atomic():
        advance(attempt, to, by=None, note=note)
        attempt.trouble, attempt.next_look_at = "", timezone.now()
        attempt.save(update_fields=["trouble", "next_look_at", *saved])


def look_again(attempt: Attempt) -> None:
    """Leave the attempt as it is until the next usual look."""
    next_look = timezone.now() + BETWEEN_LOOKS
    Attempt.objects.filter(pk=attempt.pk).update(next_look_at=next_look)


def age_s(attempt: Attempt) -> float:
    """Return how long the attempt has been in its state."""
    return (timezone.now() - attempt.state_since).total_seconds()


def _folder(attempt: Attempt, cluster: Cluster) -> workdir.JobFolder:
    return workdir.folder_of(cluster.workdir, attempt.job_name)


def _job(attempt: Attempt, cluster: Cluster) -> JobRequest:
    folder = _folder(attempt, cluster)
    return JobRequest(attempt.job_name, folder.path, folder.script, cluster.threads)


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
        threads=cluster.threads,
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
