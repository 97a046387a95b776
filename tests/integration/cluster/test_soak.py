"""A minute of the soak; `make soak` does ten, with many more jobs."""

import subprocess
import sys

import pytest

from tests.support import services
from tests.support.clusters import ROOT

pytestmark = [pytest.mark.ssh, pytest.mark.slurm, pytest.mark.mariadb, pytest.mark.timeout(600)]


def test_nothing_is_lost_and_nothing_doubled_while_things_break():
    services.program("sshd", service="ssh", package="openssh-server")
    services.program("slurmctld", service="slurm", package="slurm-wlm")
    command = [sys.executable, "-m", "tests.soak", "--jobs", "50", "--seconds", "60"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    assert "nothing lost, nothing doubled" in done.stdout
