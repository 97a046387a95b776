"""Put the folders of attempts that are long over into archives, and remove those in the end.

What people look at is in the database by then: results, problems, logs.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.batches import batched
from core_app.errors import OutsideError, Rejected
from core_app.transitions import record_on
from processing_app.cluster import ports, workdir
from processing_app.job_folders import inside
from processing_app.models import Attempt, Cluster
from processing_app.planning import OVER
from processing_app.services import access

BUDGET_S = 50.0
# So many folders in one command.
AT_ONCE = 100
# For the command itself, beside what it is told to take.
GRACE_S = 10.0

Folder = Attempt.Folder
COMPRESS, REMOVE = "compress", "remove"
_BECOMES = {"compressed": Folder.COMPRESSED, "removed": Folder.REMOVED, "gone": Folder.REMOVED}
_SCRIPT = Path(workdir.__file__).with_name("tidy.sh")


@dataclass(frozen=True, slots=True)
class Ages:
    """After how many days a folder is packed and removed; 0 is never."""

    compress: int
    remove: int


@dataclass(slots=True)
class Tidied:
    """What became of the folders of one cluster. `left`: due, and the time was over."""

    cluster: str
    compressed: int = 0
    removed: int = 0
    failed: list[str] = field(default_factory=list)
    left: int = 0
    trouble: str = ""

    def __str__(self) -> str:
        words = f"{self.cluster}: {self.compressed} folders compressed, {self.removed} removed"
        more = [f"{self.left} left for the next time"] if self.left else []
        more += [f"failed: {line}" for line in self.failed]
        return "; ".join([words, *more, *([self.trouble] if self.trouble else [])])


def usual_ages() -> Ages:
    """Return what the settings say."""
    return Ages(settings.JOB_FOLDERS_COMPRESS_AFTER, settings.JOB_FOLDERS_REMOVE_AFTER)


def tidy_all(
    rows: Iterable[Cluster], ages: Ages, *, dry_run: bool = False, budget_s: float = BUDGET_S
) -> Iterator[Tidied]:
    """Tidy cluster after cluster, as far as the time allows; the rest is due next time.

    A cluster that gives no answer keeps its folders until then.
    """
    end = time.monotonic() + budget_s
    for row in rows:
        done = Tidied(row.name)
        try:
            if dry_run:
                _count(row, ages, done)
            else:
                with access.entered(row) as cluster:
                    tidy(row, cluster, ages, done, end=end)
        except OutsideError as trouble:
            done.trouble = str(trouble)
        yield done


def tidy(row: Cluster, cluster: ports.Cluster, ages: Ages, done: Tidied, *, end: float) -> None:
    """Tidy one cluster until the time `end` (monotonic). Raises OutsideError if it is silent."""
    try:
        for verb in (REMOVE, COMPRESS):
            _each(verb, row, cluster, ages, done, end=end)
    finally:
        if done.compressed or done.removed:
            with transaction.atomic():
                record_on(row, "job folders tidied", by=None, note=str(done)[:250])


def _each(
    verb: str, row: Cluster, cluster: ports.Cluster, ages: Ages, done: Tidied, *, end: float
) -> None:
    due = _due(verb, row, ages)
    for number, some in enumerate(batched(due, AT_ONCE)):
        if time.monotonic() >= end:
            done.left += len(due) - number * AT_ONCE
            return
        _carry_out(verb, some, cluster, done, seconds=end - time.monotonic())


def _due(verb: str, row: Cluster, ages: Ages) -> list[Attempt]:
    """Return the attempts whose folders are due, the oldest first."""
    days = ages.compress if verb == COMPRESS else ages.remove
    if not days:
        return []
    before: datetime = timezone.now() - timedelta(days=days)
    states = [Folder.KEPT] if verb == COMPRESS else [Folder.KEPT, Folder.COMPRESSED]
    rows = Attempt.objects.filter(
        step__run__cluster=row, state__in=OVER, finished_at__lt=before, folder_state__in=states
    )
    columns = ("number", "folder_state", "step__key", "step__run__created_at")
    return list(rows.select_related("step__run").only(*columns).order_by("finished_at", "pk"))


def _carry_out(
    verb: str, some: list[Attempt], cluster: ports.Cluster, done: Tidied, *, seconds: float
) -> None:
    names = {attempt.job_name: attempt for attempt in some}
    for name in names:
        inside(cluster.workdir, name)  # nothing else is ever named to `rm`
    limit = max(1, int(seconds))
    argv = ["sh", "-c", _script(), "tidy", verb, cluster.workdir, str(limit), *names]
    answer = cluster.shell.run(argv, cwd="/", timeout=limit + GRACE_S)
    if answer.exit_code != 0:
        raise Rejected("the work folder cannot be tidied", answer.stderr.strip()[:300])
    became: dict[Folder, list[Attempt]] = {}
    told = 0
    for name, word, why in _answers(answer.stdout):
        if name not in names:
            continue
        told += 1
        if word in _BECOMES:
            became.setdefault(_BECOMES[word], []).append(names[name])
        else:
            done.failed.append(f"{name} {why}".strip())
    done.left += len(names) - told
    done.compressed += _note(became.get(Folder.COMPRESSED, []), Folder.COMPRESSED)
    done.removed += _note(became.get(Folder.REMOVED, []), Folder.REMOVED)


def _answers(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        word, _, why = rest.partition(" ")
        yield name, word, why


def _note(some: list[Attempt], state: Folder) -> int:
    """Note it on the rows that do not say so already; return on how many."""
    rows = Attempt.objects.filter(pk__in=[attempt.pk for attempt in some], state__in=OVER)
    return rows.exclude(folder_state__in=[state, Folder.REMOVED]).update(folder_state=state)


def _count(row: Cluster, ages: Ages, done: Tidied) -> None:
    removed = {attempt.pk for attempt in _due(REMOVE, row, ages)}
    done.removed = len(removed)
    done.compressed = len({one.pk for one in _due(COMPRESS, row, ages)} - removed)


@cache
def _script() -> str:
    return _SCRIPT.read_text(encoding="utf-8")
