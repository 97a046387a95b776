"""A sample whose raw data can be processed."""

import pytest

from processing_app.models import Cluster
from processing_app.services import clusters as services
from tests.support import clusters


@pytest.fixture
def imaged(researcher, clearer, imager):
    return clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def run(imaged, imager):
    """The run that completing the sample's imaging began."""
    clusters.deliver(imaged)
    return clusters.image_again(imaged, by=imager)


@pytest.fixture
def cluster():
    return clusters.memory_cluster()


@pytest.fixture
def endless():
    """A cluster whose jobs never end by themselves."""
    return clusters.memory_cluster(clusters.goes_on)


@pytest.fixture
def default(db):
    """The row of the cluster that the settings describe."""
    return Cluster.objects.get(name="default")


@pytest.fixture
def other(db):
    """A further cluster, as an operator would enter it."""
    row = Cluster.objects.create(
        name="other", kind="slurm-ssh", host="login.example.org", user="light",
        key_file="/etc/lightserv/key", known_hosts_file="/etc/lightserv/hosts",
        workdir="/scratch/light", data_root="/data",
    )  # fmt: skip
    services.created(row)
    return row
