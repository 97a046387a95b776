"""The clusters of this installation. open_cluster() is the one door to them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from processing_app.cluster import scheduler_memory
from processing_app.cluster.direct import Direct
from processing_app.cluster.ports import Cluster
from processing_app.cluster.shell_local import LocalShell


@contextmanager
def open_cluster() -> Iterator[Cluster]:
    """Give the cluster that the settings name; once per tick, so that a connection is used once."""
    yield scheduler_memory.shared() if settings.CLUSTER == "memory" else _local()


def _local() -> Cluster:
    shell, workdir = LocalShell(), str(settings.CLUSTER_WORKDIR)
    return Cluster(
        shell=shell,
        scheduler=Direct(shell, workdir, slots=settings.CLUSTER_SLOTS),
        workdir=workdir,
        data_root=str(settings.CLUSTER_DATA_ROOT),
        python=settings.CLUSTER_PYTHON or sys.executable,
        python_path=str(settings.BASE_DIR),
        threads=settings.CLUSTER_THREADS,
        heartbeat_limit_s=settings.HEARTBEAT_LIMIT_S,
    )
