"""What a Slurm is like, for whoever sets the site up: version, accounts, partitions."""

from dataclasses import dataclass
from typing import Final

from core_app.errors import Unreachable
from processing_app.cluster import slurm_words
from processing_app.cluster.slurm_calls import Calls
from processing_app.cluster.slurm_lines import table

_COLUMNS: Final = "%P|%a|%l|%D|"


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition that this login may see. `time_limit` is in Slurm's form: `1-00:00:00`."""

    name: str
    is_default: bool
    is_up: bool
    time_limit: str
    nodes: int


@dataclass(frozen=True, slots=True)
class SlurmFacts:
    """`accounting_trouble` says why accounting, which is kept, does not answer at present."""

    version: str
    has_accounting: bool
    accounting_trouble: str
    partitions: tuple[Partition, ...]


def facts_of(calls: Calls, *, cluster: str = "") -> SlurmFacts:
    """Ask Slurm what it is like. Raises Unreachable or Misconfigured if it cannot be asked."""
    version = calls.run("sinfo", "--version").stdout.split()
    partitions = _partitions(calls, cluster)
    kept = calls.accounts(
        "--allocations", "--starttime=now-1minutes", fields=("JobID",), cluster=cluster
    )
    return SlurmFacts(
        version[-1] if version else "", kept is not None, kept.trouble if kept else "", partitions
    )


def _partitions(calls: Calls, cluster: str) -> tuple[Partition, ...]:
    done = calls.run("sinfo", f"--format={_COLUMNS}", cluster=cluster)
    if done.exit_code != 0:
        raise slurm_words.refusal(f"{done.stderr}\n{done.stdout}", of="sinfo")
    found = table(done.stdout, 4, heading="PARTITION")
    if not found.is_whole:
        raise Unreachable("no answer of Slurm", "The answer of sinfo was not complete.")
    partitions: dict[str, Partition] = {}
    for name, available, limit, nodes in found.rows:
        before = partitions[name].nodes if name in partitions else 0
        count = before + (int(nodes) if nodes.isdecimal() else 0)
        partitions[name] = Partition(
            name.rstrip("*"), name.endswith("*"), available == "up", limit, count
        )
    return tuple(partitions.values())
