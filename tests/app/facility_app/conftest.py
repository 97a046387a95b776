"""A run, and the cluster that the commands enter."""

from contextlib import nullcontext

import pytest

from processing_app.models import Cluster
from processing_app.services import access
from tests.app.processing_app.conftest import imaged, run
from tests.support import disks

__all__ = ["imaged", "run"]


@pytest.fixture
def row(db):
    return Cluster.objects.get(name="default")


@pytest.fixture
def enter(monkeypatch):
    """Let the commands enter a given cluster."""

    def enter(cluster):
        monkeypatch.setattr(access, "open_cluster", lambda config: nullcontext(cluster))
        return cluster

    return enter


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 256 KiB, as a folder."""
    with disks.small_disk(tmp_path / "tiny", "size=256k") as folder:
        yield folder
