"""What attempts write: the end of it while they work, the whole of it afterwards."""

import gzip
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404

from core_app.models import User
from processing_app.models import Attempt, AttemptLog
from processing_app.selectors.attempts import AttemptView
from processing_app.selectors.clusters import ClusterTrouble, troubles
from processing_app.selectors.runs import get_run

CUT = "This log was too long to be kept whole: its beginning, or that of a part of it, is missing."

_NOTHING_KEPT = "The job is over. Nothing of its log was kept."


@dataclass(frozen=True, slots=True)
class FollowedLog:
    """The end of a log as it was fetched last, and why there is no newer one."""

    view: AttemptView
    troubles: list[ClusterTrouble]

    @property
    def attempt(self) -> Attempt:
        return self.view.attempt

    @property
    def read_at(self) -> datetime | None:
        """Return when what is shown was written at the latest."""
        return self.attempt.finished_at if self.view.is_over else self.attempt.log_read_at

    @property
    def note(self) -> str:
        """Return why there is nothing to show, or nothing new; empty if there is."""
        if self.view.is_over:
            return "The job is over." if self.view.has_log else _NOTHING_KEPT
        if self.view.attempt.tasks:
            return "Each task of this job writes a log of its own. They come when all have ended."
        if self.attempt.started_at is None:
            return "The job has not begun, so it has written nothing yet."
        if self.read_at is None:
            return (
                "The log is asked for. It comes with the next look at the cluster, which may take "
                "half a minute."
            )
        return "" if self.view.log.strip() else "The job has written nothing yet."

    @property
    def stamp(self) -> str:
        """Return a word that differs when there is something else to show."""
        words = [str(self.read_at and self.read_at.timestamp()), self.attempt.state]
        return "-".join([*words, *(trouble.what for trouble in self.troubles)])


def attempt_of_run(pk: int, *, run: int, to: User) -> Attempt:
    """Return an attempt of a run that this person may read, or 404."""
    found = get_run(run, to=to)
    attempt = Attempt.objects.filter(pk=pk, step__run=found).select_related("step").first()
    if attempt is None:
        raise Http404("The run has no such attempt.")
    attempt.step.run = found
    return attempt


def followed_log(attempt: Attempt) -> FollowedLog:
    """Return what can be shown of a log now."""
    kept = AttemptLog.objects.filter(attempt=attempt).exists()
    view = AttemptView(attempt, has_log=kept)
    return FollowedLog(view, [] if view.is_over else troubles([attempt.step.run.cluster]))


def log_of(attempt: Attempt) -> str:
    """Return everything that was kept of what an attempt wrote, or 404 if nothing was."""
    kept = AttemptLog.objects.filter(attempt=attempt).first()
    if kept is None:
        raise Http404("Nothing of this log was kept.")
    text = gzip.decompress(kept.packed).decode(errors="replace")
    return f"{CUT}\n\n{text}" if kept.is_cut else text
