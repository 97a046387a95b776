"""The clusters of this installation. open_cluster() is the one door to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from processing_app.cluster import scheduler_memory
from processing_app.cluster.config import MEMORY, SLURM_SSH, ClusterConfig
from processing_app.cluster.direct import Direct
from processing_app.cluster.ports import Cluster, Scheduler, Shell
from processing_app.cluster.shell_local import LocalShell
from processing_app.cluster.shell_ssh import SshShell
from processing_app.cluster.slurm import Slurm
from processing_app.cluster.ssh_access import SshAccess

# Slurm shows a new job at once to some questions and after seconds to others.
SUBMIT_GRACE_S = 60.0
# Shared file systems show what another computer wrote late.
RESULT_GRACE_S = 60.0


@contextmanager
def open_cluster(config: ClusterConfig) -> Iterator[Cluster]:
    """Give the cluster for one tick, so that one connection serves it all; closed in the end."""
    if config.kind == MEMORY:
        yield scheduler_memory.shared()
        return
    with open_shell(config) as shell:
        yield cluster_of(config, shell)


@contextmanager
def open_shell(config: ClusterConfig) -> Iterator[Shell]:
    """Give a way to run commands there, closed in the end."""
    if config.kind != SLURM_SSH or config.host is None:
        yield LocalShell()
        return
    shell = SshShell(
        SshAccess(config.host, config.known_hosts_file, jump=config.jump, python=config.python)
    )
    try:
        yield shell
    finally:
        shell.close()


def cluster_of(config: ClusterConfig, shell: Shell) -> Cluster:
    """Return the cluster as the driver uses it, reached by this shell."""
    return Cluster(
        name=config.name,
        shell=shell,
        scheduler=_scheduler(config, shell),
        workdir=config.workdir,
        data_root=config.data_root,
        python=config.python,
        python_path=config.python_path,
        prelude=config.prelude,
        threads=config.threads,
        heartbeat_limit_s=config.heartbeat_limit_s,
        between_looks_s=config.poll_interval_s,
        submit_grace_s=SUBMIT_GRACE_S if config.is_slurm else 0.0,
        result_grace_s=RESULT_GRACE_S if config.is_slurm else 0.0,
    )


def _scheduler(config: ClusterConfig, shell: Shell) -> Scheduler:
    if config.is_slurm:
        return Slurm(shell, config.workdir, environment=config.environment)
    return Direct(shell, config.workdir, slots=config.slots)
