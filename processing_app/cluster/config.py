"""Pure: what is known of one cluster before anybody connects to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SLURM_SSH: Final = "slurm-ssh"
SLURM_LOCAL: Final = "slurm-local"
LOCAL: Final = "local"
MEMORY: Final = "memory"
SLURM: Final = frozenset({SLURM_SSH, SLURM_LOCAL})


@dataclass(frozen=True, slots=True)
class Host:
    """One machine that is entered by SSH. `key_file` is a path on this host."""

    name: str
    user: str
    key_file: str
    port: int = 22

    def __str__(self) -> str:
        return f"{self.user}@{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One cluster: how it is reached, where things are, how patiently it is asked.

    `python_path` is where the pipeline package is, if the cluster sees the site's own; empty: it
    has to be deployed. `environment` is put before each command of the scheduler.
    """

    name: str
    kind: str
    workdir: str
    data_root: str
    python: str
    python_path: str = ""
    host: Host | None = None
    jump: Host | None = None
    known_hosts_file: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    prelude: str = ""
    threads: int = 1
    slots: int = 1
    poll_interval_s: float = 1.0
    heartbeat_limit_s: float = 120.0
    builds_environment: bool = True

    @property
    def is_slurm(self) -> bool:
        return self.kind in SLURM
