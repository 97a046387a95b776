"""A sample whose raw data can be processed."""

import pytest

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
