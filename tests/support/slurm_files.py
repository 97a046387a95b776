"""The configuration files of a private Slurm: one node that claims more than the machine has."""

from dataclasses import dataclass
from pathlib import Path

# As licenses, so that a test can say how many jobs run at a time, with accounting or without.
SLOTS, ALL_SLOTS = "slots", 64
ACCOUNT, TIGHT_QOS = "imaging", "tight"
PARTITION, SHORT_PARTITION = "normal", "short"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the daemons of one cluster listen, all on loopback."""

    slurmctld: int
    slurmd: int
    slurmdbd: int


def slurm_conf(folder: Path, *, host: str, ports: Ports, first_id: int, accounting: bool) -> str:
    """Return slurm.conf: quick to notice things, and quick to forget jobs that are over."""
    return f"""\
ClusterName=lightserv
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports.slurmctld}
SlurmdPort={ports.slurmd}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
PlugStackConfig=/dev/null
MpiDefault=none
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=1000,batch_sched_delay=0,bf_interval=2
FirstJobId={first_id}
MaxJobCount=30000
MaxArraySize=10001
MinJobAge=5
GetEnvTimeout=0
KillWait=2
CompleteWait=0
InactiveLimit=0
ReturnToService=2
SlurmdTimeout=60
MessageTimeout=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
SlurmdParameters=config_overrides
Licenses={SLOTS}:{ALL_SLOTS}
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=8000 State=UNKNOWN
PartitionName={PARTITION} Nodes=node Default=YES MaxTime=INFINITE DefMemPerNode=400 State=UP
PartitionName={SHORT_PARTITION} Nodes=node MaxTime=1 DefMemPerNode=400 State=UP
{_ACCOUNTING.format(port=ports.slurmdbd, folder=folder) if accounting else _NO_ACCOUNTING}"""


_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge/socket
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
"""

_NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none\n"


def login_environment(account: str, home: str) -> str:
    """Return what a login of the account would give jobs, however slow its own profile is."""
    return f"PATH=/usr/local/bin:/usr/bin:/bin\nHOME={home}\nUSER={account}\nLOGNAME={account}\n"


def slurmdbd_conf(folder: Path, *, host: str, port: int, database: dict[str, str]) -> str:
    """Return slurmdbd.conf, which Slurm wants to be readable by nobody else."""
    return f"""\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost={database["host"]}
StoragePort={database["port"]}
StorageUser={database["user"]}
StoragePass={database["password"]}
StorageLoc=slurm_accounts
"""


def cgroup_conf() -> str:
    """Return cgroup.conf: only a limit of the kernel makes a job end as OUT_OF_MEMORY."""
    plugin = "cgroup/v1" if Path("/sys/fs/cgroup/memory").is_dir() else "cgroup/v2"
    return f"""\
CgroupPlugin={plugin}
CgroupAutomount=no
ConstrainRAMSpace=yes
"""
