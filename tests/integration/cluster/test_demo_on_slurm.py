"""`make demo CLUSTER=slurm-ssh` plays the whole main job on the Slurm that the settings name."""

import os
import subprocess

import pytest

from tests.soak.site import Place
from tests.support.clusters import ROOT
from tests.support.environment import FOREIGN

pytestmark = [pytest.mark.timeout(700)]


def test_the_demo_ends_with_volumes_that_can_be_looked_at(slurm, another_sshd, tmp_path):
    conf = slurm.environment["SLURM_CONF"]
    sshd = another_sshd(options=f"SetEnv SLURM_CONF={conf}")
    place = Place(tmp_path / "demo")
    place.make()
    url = f"sqlite:///{tmp_path / 'demo.sqlite3'}"
    # SITE_URL and the like are those of the tests' own server.
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment = {**own, **place.environment(url, sshd), "DEBUG": "1"}

    done = subprocess.run(
        ["make", "demo", "SERVE=0", "CLUSTER=slurm-ssh"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=680,
    )  # fmt: skip

    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-2000:]}"
    assert "12 viewable volumes" in done.stdout
    assert "ls-r" in slurm.call("sacct", "-X", "-n", "-o", "JobName%40")
