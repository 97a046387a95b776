"""Every implementation of a port, one after the other."""

import pytest

from processing_app.cluster.ports import CommandResult
from processing_app.cluster.shell_local import LocalShell
from processing_app.cluster.shell_memory import MemoryShell
from tests.support.clusters import DirectJobs, MemoryJobs


@pytest.fixture(params=["local", "memory"])
def shell(request, tmp_path):
    if request.param == "local":
        return LocalShell()
    commands = {
        "echo": lambda argv, cwd: CommandResult(0, " ".join(argv[1:]) + "\n", ""),
        "false": lambda argv, cwd: CommandResult(1, "", ""),
        "pwd": lambda argv, cwd: CommandResult(0, cwd + "\n", ""),
    }
    above = {str(folder) for folder in (tmp_path, *tmp_path.parents)}
    return MemoryShell(folders=above, commands=commands)


@pytest.fixture(params=["direct", "memory"])
def jobs(request, tmp_path):
    if request.param == "memory":
        yield MemoryJobs()
        return
    direct = DirectJobs(tmp_path)
    yield direct
    direct.stop_all()
