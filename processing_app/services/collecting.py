"""Take in what a job left behind: its result, its product, the end of its log."""

from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from core_app.changes import changed
from core_app.errors import OutsideError, Rejected
from core_app.transitions import advance
from pipeline.contract import SUCCEEDED, JsonDict, StepResult
from processing_app.cluster import workdir
from processing_app.cluster.ports import Cluster
from processing_app.models import Attempt, Product, Step, StepReport
from processing_app.pipelines import OF_DELIVERIES
from processing_app.services import attempts, results
from processing_app.services.findings import read_findings
from processing_app.services.results import BadResult, VolumeFacts
from processing_app.states import AttemptState

LOG_TIMEOUT_S = 20.0


@dataclass(slots=True)
class Ending:
    """How an attempt ended, in the words of its row."""

    state: str
    fields: dict[str, Any] = field(default_factory=dict)
    volume: VolumeFacts | None = None
    findings: JsonDict | None = None


def collect(attempt: Attempt, cluster: Cluster) -> bool:
    """End an attempt whose job is over. The result file decides; the product comes with success."""
    folder = workdir.folder_of(cluster.workdir, attempt.job_name)
    try:
        content = cluster.shell.read(folder.result, most=results.RESULT_BYTES + 1)
    except Rejected as refusal:
        ending = _bad_result(str(refusal))
    else:
        if content is None and attempts.age_s(attempt) < cluster.result_grace_s:
            attempts.look_again(attempt)
            return False
        ending = _ending(attempt, content)
    log = _log_tail(cluster, folder)
    with transaction.atomic():
        _save(attempt, ending, log)
        if ending.volume is not None:
            _publish(attempt.step, ending.volume)
        if ending.findings is not None:
            StepReport.objects.create(attempt=attempt, outputs=ending.findings)
    return True


def _log_tail(cluster: Cluster, folder: workdir.JobFolder) -> str:
    """A log is a help and no evidence: without it, the attempt ends all the same."""
    argv = ["tail", "-c", str(workdir.LOG_TAIL_BYTES), folder.stderr]
    try:
        done = cluster.shell.run(argv, cwd=cluster.workdir, timeout=LOG_TIMEOUT_S)
    except OutsideError:
        return ""
    log = done.stdout if done.exit_code == 0 else ""
    return results.storable(log, most=workdir.LOG_TAIL_BYTES)


def _ending(attempt: Attempt, content: bytes | None) -> Ending:
    if content is None:
        reason, message = results.missing_result(attempt.reason, attempt.exit_code)
        return Ending(AttemptState.FAILED, {"reason": reason, "message": message})
    try:
        result = results.read_result(content, name=attempt.job_name)
        volume, facts = _volume(attempt.step, result), _facts(result)
        findings = _findings(attempt.step, result)
    except BadResult as problem:
        return _bad_result(str(problem))
    if result.status == SUCCEEDED:
        return Ending(AttemptState.SUCCEEDED, {**facts, "reason": ""}, volume, findings)
    # The scheduler knows better why it stopped: a time limit looks like a cancel from inside.
    return Ending(AttemptState.FAILED, {**facts, "reason": attempt.reason or result.reason})


def _bad_result(message: str) -> Ending:
    return Ending(AttemptState.FAILED, {"reason": "BAD_RESULT", "message": message})


def _volume(step: Step, result: StepResult) -> VolumeFacts | None:
    if not step.product or result.status != SUCCEEDED:
        return None
    return results.volume_facts(result.outputs)


def _findings(step: Step, result: StepResult) -> JsonDict | None:
    """Return what a look at raw data found; another app takes it in."""
    if result.status != SUCCEEDED or step.run.pipeline not in OF_DELIVERIES:
        return None
    return read_findings(step.name, result.outputs)


def _facts(result: StepResult) -> dict[str, Any]:
    peak = results.metric(result, "peak_memory_bytes")
    return {
        "message": results.message_of(result),
        "problems": [asdict(problem) for problem in result.problems],
        "peak_memory_bytes": None if peak is None else round(peak),
        "elapsed_s": results.metric(result, "seconds"),
        "input_digest": result.input_digest[:64],
    }


def _save(attempt: Attempt, ending: Ending, log: str) -> None:
    message = str(ending.fields.get("message", ""))
    advance(attempt, ending.state, by=None, note=message)
    for name, value in ending.fields.items():
        setattr(attempt, name, value)
    attempt.log_tail, attempt.trouble, attempt.finished_at = log, "", timezone.now()
    attempt.save(update_fields=["log_tail", "trouble", "finished_at", *ending.fields])


def _publish(step: Step, volume: VolumeFacts) -> None:
    """The path is the product's identity: a re-run replaces it."""
    product, _ = Product.objects.update_or_create(
        path=step.outputs["volume"],
        defaults={
            "step": step,
            "kind": step.product["kind"],
            "channel_id": step.product["channel"],
            "side": step.product["side"],
            "shape_xyz": volume.shape,
            "voxel_nm_xyz": volume.voxel_nm,
            "dtype": volume.dtype,
            "window_low": volume.window[0],
            "window_high": volume.window[1],
            "bytes": volume.bytes,
            "info_digest": volume.info_digest,
            "thumbnail": volume.thumbnail,
            "facts": volume.facts,
            "made_at": timezone.now(),
            "retired_at": None,
        },
    )
    changed(product)
