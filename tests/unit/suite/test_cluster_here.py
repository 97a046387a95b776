"""The private cluster for trying things out."""

import subprocess
import sys


def test_help_is_printed_and_no_cluster_is_started():
    command = [sys.executable, "-m", "tests.support.cluster_here", "--help"]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)

    assert "a private Slurm behind a private sshd" in done.stdout
    assert "export CLUSTER" not in done.stdout
