"""Pure: which folders below a work folder are those of our jobs, and where each may lie."""

import re
from typing import Final

from processing_app.cluster.package import DEPLOYED, place_of
from processing_app.cluster.workdir import folder_of

# As Attempt.job_name makes them: run, its time of creation, step, number of the attempt.
_NAME: Final = re.compile(r"ls-r([0-9]{1,18})-[0-9a-f]{1,16}-[A-Za-z0-9._-]{1,128}-a[0-9]{1,5}")
_PIPELINES: Final = place_of("").strip("/")


def run_of(name: str) -> int | None:
    """Return the number of the run whose job has this name; None if it is no name of ours."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def inside(workdir: str, name: str) -> str:
    """Return the folder of the job, directly below the work folder.

    Raises ValueError for a name that is not that of a job of ours, so that nothing else is touched.
    """
    if run_of(name) is None or not workdir.strip("/") or ".." in workdir.split("/"):
        raise ValueError(f"{name!r} is no folder of a job below {workdir!r}.")
    return folder_of(workdir, name).path


def listing(workdir: str) -> list[str]:
    """Return the command that lists the folders of jobs, and those one below any other folder."""
    return [
        "find", workdir, "-mindepth", "1", "-maxdepth", "2", "-type", "d",
        "-name", "ls-*", "-prune", "-printf", "%P\\n", "-o", "-type", "d", "-printf", "%P\\n",
    ]  # fmt: skip


def split(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a listing names: the folders of jobs, and those of deployed pipelines.

    Environments and what is still being made are deploy_pipeline's own affair.
    """
    jobs, deployed = set(), set()
    for line in text.splitlines():
        above, _, name = line.rpartition("/")
        if not above and run_of(name) is not None:
            jobs.add(name)
        elif above == _PIPELINES and DEPLOYED.fullmatch(name):
            deployed.add(name)
    return frozenset(jobs), frozenset(deployed)
