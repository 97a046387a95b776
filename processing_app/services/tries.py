"""Make the next attempt at a step, and say why it is made."""

from django.utils import timezone

from core_app.transitions import born
from processing_app import demands
from processing_app.cluster.ports import Resources
from processing_app.failures import failure_of
from processing_app.models import Attempt, Step
from processing_app.planning import Try
from processing_app.services.demands import Demands
from processing_app.states import AttemptState


def add(step: Step, act: Try, amounts: Demands) -> Attempt:
    """Make the attempt that was planned. The caller holds the run's lock."""
    last = step.attempts.order_by("-number").first() if act.reason else None
    resources, now = amounts.of(step, step.run), timezone.now()
    note = ""
    if last is not None:
        resources, note = _again(last, act, resources)
    attempt = Attempt.objects.create(
        step=step,
        number=act.number,
        # The clock that began the run may be ahead of this one; tries are told by this time.
        created_at=max(now, step.run.state_since),
        next_look_at=now + act.after,
        resources=demands.stored(resources),
        tasks=_tasks(step),
    )
    born(attempt, by=None, note=note)
    return attempt


def _again(last: Attempt, act: Try, usual: Resources) -> tuple[Resources, str]:
    """Return what the next try asks for, and the sentence for its history."""
    grows = failure_of(act.reason).grows
    if not grows or not act.more:
        return usual, f"tried again by itself after {act.reason}"
    before = demands.read(last.resources)
    unit = "MB of memory" if grows == demands.MEMORY else "minutes"
    note = (
        f"tried again by itself after {act.reason}: {act.more} instead of "
        f"{getattr(before, grows)} {unit}"
    )
    return demands.with_more(before, grows, act.more), note


def _tasks(step: Step) -> list[int]:
    """Return the tasks of an array that have not succeeded in an earlier attempt."""
    done: set[int] = set()
    for attempt in step.attempts.exclude(state=AttemptState.SUCCEEDED):
        done.update(attempt.tasks_done)
    return [number for number in range(step.tasks) if number not in done]
