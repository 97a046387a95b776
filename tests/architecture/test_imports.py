"""Who may import whom: the contracts in pyproject.toml, and that they cover every package."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture import source


def test_every_import_contract_is_kept():
    command = Path(sys.executable).with_name("lint-imports")

    answer = subprocess.run(
        [command, "--no-logo"], cwd=source.ROOT, capture_output=True, text=True, check=False
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_package_stands_under_the_contracts():
    settings = tomllib.loads((source.ROOT / "pyproject.toml").read_text())

    covered = settings["tool"]["importlinter"]["root_packages"]

    assert sorted(covered) == source.packages()
