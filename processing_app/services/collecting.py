"""Take in what jobs left behind: results, products, logs, and what the scheduler measured."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from core_app.changes import changed
from core_app.errors import OutsideError, Rejected
from core_app.transitions import advance
from pipeline.contract import SUCCEEDED, JsonDict, StepResult
from processing_app.cluster import workdir
from processing_app.cluster.ports import Cluster, JobId, JobUsage, Peek
from processing_app.cluster.workdir import PRELUDE_FAILED, JobFolder
from processing_app.models import Artifact, Attempt, AttemptLog, Product, Step, StepReport
from processing_app.pipelines import OF_DELIVERIES
from processing_app.services import attempts, claims, products, quality, results, tasks
from processing_app.services.findings import read_findings
from processing_app.services.guarding import Guard
from processing_app.services.results import BadResult, VolumeFacts
from processing_app.states import AttemptState

# Of each log; of a long one the end, which says why it stopped.
LOG_BYTES = 512 * 1024

Files = Mapping[str, bytes | None]


@dataclass(slots=True)
class Ending:
    """How an attempt ended, in the words of its row."""

    state: str
    fields: dict[str, Any] = field(default_factory=dict)
    volume: VolumeFacts | None = None
    artifact: JsonDict | None = None
    findings: JsonDict | None = None


def collect_all(held: Sequence[Attempt], cluster: Cluster, guard: Guard) -> int:
    """End claimed attempts whose jobs are over; return how many have ended."""
    if not held:
        return 0
    files = _read_all(held, cluster)
    used = _usage(held, cluster)
    work = partial(collect, cluster=cluster, files=files, used=used)
    return len(guard.those(filter(claims.is_ours, held), work))


def collect(
    attempt: Attempt, *, cluster: Cluster, files: Files, used: Mapping[JobId, JobUsage]
) -> bool:
    """End an attempt whose job is over. The result file decides; the product comes with success."""
    folder = attempts.folder_of(attempt, cluster)
    contents = [files.get(part.result) for part in tasks.folders(attempt, folder)]
    # A shared file system may show it late.
    if None in contents and attempts.age_s(attempt) < cluster.result_grace_s:
        attempts.look_again(attempt)
        return False
    ending = _refused(attempt, folder, cluster, contents) or _ending(attempt, contents)
    _add_usage(ending, used.get(JobId(attempt.job_id)))
    with transaction.atomic():
        _save(attempt, ending, _log(attempt, folder, files))
        if ending.volume is not None:
            _publish(attempt.step, ending.volume)
        if ending.artifact is not None:
            _record(attempt.step, ending.artifact)
        if ending.findings is not None:
            StepReport.objects.create(attempt=attempt, outputs=ending.findings)
    return True


def _read_all(held: Sequence[Attempt], cluster: Cluster) -> dict[str, bytes | None]:
    """Read the results and logs of all in one go."""
    wanted = []
    for attempt in held:
        folder = attempts.folder_of(attempt, cluster)
        most = LOG_BYTES // max(len(attempt.tasks), 1)
        wanted += [
            Peek(path, most, from_end=True) for path in tasks.scheduler_logs(attempt, folder)
        ]
        for part in tasks.folders(attempt, folder):
            wanted += [
                Peek(part.result, results.RESULT_BYTES + 1),
                Peek(part.stderr, most, from_end=True),
                Peek(part.stdout, most, from_end=True),
            ]
    found = cluster.shell.read_many(wanted)
    return {peek.path: content for peek, content in zip(wanted, found, strict=True)}


def _refused(
    attempt: Attempt, folder: JobFolder, cluster: Cluster, contents: Sequence[bytes | None]
) -> Ending | None:
    """Tell a result that cannot be read from one that is not there."""
    if attempt.tasks or contents != [None]:
        return None
    try:
        cluster.shell.read(folder.result, most=1)
    except Rejected as refusal:
        return _bad_result(str(refusal))
    return None


def _usage(held: Sequence[Attempt], cluster: Cluster) -> Mapping[JobId, JobUsage]:
    """What the scheduler measured is a help and no evidence."""
    try:
        return cluster.scheduler.usage([JobId(one.job_id) for one in held if one.job_id])
    except OutsideError:
        return {}


def _add_usage(ending: Ending, used: JobUsage | None) -> None:
    """The step itself knows better; the scheduler speaks for one that was killed."""
    if used is None:
        return
    if ending.fields.get("peak_memory_bytes") is None:
        ending.fields["peak_memory_bytes"] = used.peak_memory_bytes
    took = used.elapsed_s
    if ending.fields.get("elapsed_s") is None and took is not None and took < results.LONGEST_S:
        ending.fields["elapsed_s"] = took
    ending.fields["node"] = results.storable(used.node, most=200)


def _ending(attempt: Attempt, contents: Sequence[bytes | None]) -> Ending:
    if attempt.tasks:
        return _ending_of_tasks(attempt, contents)
    if contents[0] is None:
        return _without_result(attempt)
    try:
        result = results.read_result(contents[0], name=attempt.job_name)
        volume, facts = _volume(attempt.step, result), _facts(result)
        findings = _findings(attempt.step, result)
    except BadResult as problem:
        return _bad_result(str(problem))
    if result.status == SUCCEEDED:
        made = result.outputs if attempt.step.artifact else None
        return Ending(AttemptState.SUCCEEDED, {**facts, "reason": ""}, volume, made, findings)
    # The scheduler knows better why it stopped: a time limit looks like a cancel from inside.
    return Ending(AttemptState.FAILED, {**facts, "reason": attempt.reason or result.reason})


def _ending_of_tasks(attempt: Attempt, contents: Sequence[bytes | None]) -> Ending:
    try:
        pooled = tasks.pool(attempt, contents)
    except BadResult as problem:
        return _bad_result(str(problem))
    state = AttemptState.SUCCEEDED if pooled.is_success else AttemptState.FAILED
    reason = "" if pooled.is_success else attempt.reason or pooled.reason
    return Ending(state, {**pooled.fields, "reason": reason})


def _without_result(attempt: Attempt) -> Ending:
    reason = attempt.reason
    if attempt.exit_code == PRELUDE_FAILED and not reason:
        reason = "PRELUDE_FAILED"
    reason, message = results.missing_result(reason, attempt.exit_code)
    return Ending(AttemptState.FAILED, {"reason": reason, "message": message})


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


def _log(attempt: Attempt, folder: JobFolder, files: Files) -> str:
    """Put what the job wrote into one text, with a line before each part; empty if it is silent."""
    parts = [("the scheduler", path) for path in tasks.scheduler_logs(attempt, folder)]
    for part in tasks.folders(attempt, folder):
        name = f" of {part.path.rpartition('/')[2]}" if attempt.tasks else ""
        parts += [(f"standard output{name}", part.stdout), (f"standard error{name}", part.stderr)]
    texts = [(words, _text(files.get(path))) for words, path in parts]
    return "".join(f"--- {words}\n{text.rstrip()}\n" for words, text in texts if text.strip())


def _text(content: bytes | None) -> str:
    text = (content or b"").decode(errors="replace")
    return results.storable(text, most=LOG_BYTES)


def _tail(log: str) -> str:
    """Return the end for the page: of the standard error, if there is any."""
    last = log.rpartition("--- standard error")[2]
    tail = last.partition("\n")[2] if last != log else log
    return tail[-workdir.LOG_TAIL_BYTES :]


def _save(attempt: Attempt, ending: Ending, log: str) -> None:
    message = str(ending.fields.get("message", ""))
    advance(attempt, ending.state, by=None, note=message)
    for name, value in ending.fields.items():
        setattr(attempt, name, value)
    attempt.log_tail, attempt.trouble, attempt.finished_at = _tail(log), "", timezone.now()
    attempt.save(update_fields=["log_tail", "trouble", "finished_at", *ending.fields])
    if log:
        packed = gzip.compress(log.encode(), mtime=0)
        is_cut = len(log) >= LOG_BYTES
        AttemptLog.objects.update_or_create(
            attempt=attempt, defaults={"packed": packed, "is_cut": is_cut}
        )


def _publish(step: Step, volume: VolumeFacts) -> None:
    """The path is the product's identity: a re-run replaces it."""
    product, _ = Product.objects.update_or_create(
        path=products.path_of(step, step.product),
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
            "facts": {**volume.facts, **_lies(step)},
            "made_at": timezone.now(),
            "retired_at": None,
        },
    )
    changed(product)


def _lies(step: Step) -> JsonDict:
    """The plan knows how a volume lies; the step only sees rows and columns."""
    orientation = step.product.get("orientation")
    return {"orientation": orientation} if orientation else {}


def _record(step: Step, outputs: JsonDict) -> None:
    """Keep what no viewer shows: where it lies and what the step said of it."""
    artifact, _ = Artifact.objects.update_or_create(
        path=products.path_of(step, step.artifact),
        defaults={
            "step": step,
            "kind": step.artifact["kind"],
            "channel_id": step.artifact["channel"],
            "facts": outputs,
            "made_at": timezone.now(),
            "retired_at": None,
        },
    )
    changed(artifact)
    quality.take_in(artifact)
