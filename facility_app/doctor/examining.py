"""Carry out all checks, one after the other, each line as soon as it is known."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from core_app.errors import OutsideError
from facility_app.doctor import cluster, job
from facility_app.doctor.findings import Finding, Line, Verdict, examine, warning
from facility_app.doctor.patient import Patient
from facility_app.doctor.site import SITE_CHECKS
from processing_app.cluster.config import LOCAL, MEMORY
from processing_app.models import Cluster
from processing_app.services import access, clusters

SITE: Final = "site"
# For the end of a tiny job: plain processes begin at once, a cluster may be busy.
LOCAL_WAIT_S, BUSY_WAIT_S = 60.0, 300.0
CONNECT: Final = "connection"

CLUSTER_CHECKS: Final[tuple[tuple[str, Callable[[Patient], Finding]], ...]] = (
    ("login scripts", cluster.is_quiet),
    ("clock", cluster.clock),
    ("work folder", cluster.work_folder),
    ("space", cluster.space),
    ("data root", cluster.sees_data),
    ("python", cluster.python),
    ("pipeline", cluster.pipeline),
    ("scheduler", cluster.scheduler),
    ("job", job.runs),
)


def site() -> Iterator[Line]:
    """Check the site itself."""
    for name, look in SITE_CHECKS:
        yield examine(SITE, name, look)


def of_cluster(
    row: Cluster, *, wait_s: float | None = None, is_quick: bool = False
) -> Iterator[Line]:
    """Check one cluster; where it cannot be reached, nothing more can be said of it.

    With `is_quick`, of all profiles the usual one alone is tried.
    """
    yield examine(row.name, "status", partial(cluster.fares, row))
    config = clusters.config_of(row)
    if config.kind == MEMORY:
        yield examine(row.name, CONNECT, _nothing_runs)
        return
    wait = wait_s or (LOCAL_WAIT_S if config.kind == LOCAL else BUSY_WAIT_S)
    try:
        with access.entered(row) as entered:
            yield from _of_entered(Patient(row, config, entered, wait), is_quick=is_quick)
    except OutsideError as trouble:
        yield examine(row.name, CONNECT, partial(_fails, trouble))


def _of_entered(patient: Patient, *, is_quick: bool) -> Iterator[Line]:
    first = examine(patient.row.name, CONNECT, partial(cluster.connects, patient))
    yield first
    if first.verdict == Verdict.FAILED:
        return
    further = [] if is_quick else job.of_profiles(patient.row)
    for name, look in (*CLUSTER_CHECKS, *further):
        yield examine(patient.row.name, name, partial(look, patient))


def _nothing_runs() -> Finding:
    return warning("CLUSTER=memory: nothing runs there.", "Set CLUSTER to local or a Slurm.")


def _fails(trouble: OutsideError) -> Finding:
    raise trouble
