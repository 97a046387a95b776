"""A missing service is named: on a laptop by a skip, where it is required by a failure."""

import pytest

from tests.support import services


def test_a_missing_service_skips_the_test(monkeypatch):
    monkeypatch.delenv("LIGHTSERV_REQUIRE", raising=False)

    with pytest.raises(pytest.skip.Exception, match="slurm: sbatch is not installed"):
        services.missing("slurm", "sbatch is not installed")


@pytest.mark.parametrize("required", ["all", "slurm", "mariadb, slurm"])
def test_a_missing_service_that_is_required_fails_the_test(monkeypatch, required):
    monkeypatch.setenv("LIGHTSERV_REQUIRE", required)

    with pytest.raises(pytest.fail.Exception, match="sbatch is not installed"):
        services.missing("slurm", "sbatch is not installed")


def test_another_service_that_is_required_fails_nothing(monkeypatch):
    monkeypatch.setenv("LIGHTSERV_REQUIRE", "mariadb")

    with pytest.raises(pytest.skip.Exception):
        services.missing("slurm", "sbatch is not installed")


def test_a_missing_program_names_its_package(monkeypatch):
    monkeypatch.delenv("LIGHTSERV_REQUIRE", raising=False)

    with pytest.raises(pytest.skip.Exception, match="apt-get install nothing-like-it"):
        services.program("no-such-program", service="nginx", package="nothing-like-it")
