"""Every implementation of a port, one after the other."""

import pytest

from processing_app.cluster.ports import CommandResult
from processing_app.cluster.shell_local import LocalShell
from processing_app.cluster.shell_memory import MemoryShell
from tests.support import launchers, slurm
from tests.support.clusters import DirectJobs, MemoryJobs, SlurmJobs


@pytest.fixture(params=["local", "memory", pytest.param("ssh", marks=pytest.mark.ssh)])
def shell(request, tmp_path):
    if request.param == "ssh":
        return request.getfixturevalue("ssh_shell")
    if request.param == "local":
        return LocalShell()
    commands = {
        "echo": lambda argv, cwd: CommandResult(0, " ".join(argv[1:]) + "\n", ""),
        "false": lambda argv, cwd: CommandResult(1, "", ""),
        "pwd": lambda argv, cwd: CommandResult(0, cwd + "\n", ""),
    }
    above = {str(folder) for folder in (tmp_path, *tmp_path.parents)}
    return MemoryShell(folders=above, commands=commands)


@pytest.fixture(params=["direct", "memory", *slurm.BOTH])
def jobs(request, tmp_path):
    if request.param == "memory":
        yield MemoryJobs()
        return
    if request.param == "direct":
        jobs = DirectJobs(tmp_path)
    else:
        jobs = SlurmJobs(request.getfixturevalue(request.param), tmp_path)
    yield jobs
    jobs.stop_all()


@pytest.fixture(params=slurm.BOTH)
def slurm_jobs(request, tmp_path):
    """What plain processes cannot do, such as arrays."""
    jobs = SlurmJobs(request.getfixturevalue(request.param), tmp_path)
    yield jobs
    jobs.stop_all()


@pytest.fixture(
    params=["memory", "process", "http", pytest.param("docker", marks=pytest.mark.docker)]
)
def launched(request, tmp_path):
    """Every launcher, with one layer below its data root."""
    data_root = tmp_path / "data"
    launchers.make_layer(data_root)
    if request.param == "memory":
        yield launchers.memory(data_root)
    elif request.param == "process":
        with launchers.processes(data_root, tmp_path / "processes") as launched:
            yield launched
    elif request.param == "http":
        with launchers.http_to_memory(data_root) as launched:
            yield launched
    else:
        yield request.getfixturevalue("docker_site").launched
