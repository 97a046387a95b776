"""From a planned run to products."""

import pytest

from processing_app.models import Product
from processing_app.states import RunState
from tests.support import clusters

pytestmark = pytest.mark.django_db


def test_a_run_in_memory_ends_with_its_product(run, cluster):
    clusters.drive_until_over(run, cluster)

    assert run.state == RunState.SUCCEEDED
    product = Product.objects.get()
    assert product.path.endswith("imaging_request_1/viz/resolution_1.3x/raw/channel_488_left")
    assert product.window_high == 900


@pytest.mark.alone
def test_real_processes_make_a_real_volume(imaged, settings):
    clusters.deliver(imaged)
    run = clusters.a_planned_run(imaged)

    clusters.drive_until_over(run, clusters.real_cluster(), ticks=200, pause_s=0.1)

    assert run.state == RunState.SUCCEEDED
    product = Product.objects.get()
    assert product.shape_xyz == list(reversed(clusters.TINY_ZYX))
    assert (product.folder.under(settings.DATA_ROOT) / "info").is_file()
    assert (product.folder.under(settings.DATA_ROOT) / product.thumbnail).is_file()
