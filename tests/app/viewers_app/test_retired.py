"""Volumes of an earlier acquisition that the newest one does not have are offered no more."""

import json
from collections.abc import Callable

import pytest
from django.utils import timezone

from core_app.models import User
from imaging_app.models import ImagingRequest
from processing_app.models import Product
from tests.app.viewers_app.conftest import Browser, a_product, channels_of, site_client
from viewers_app import chooser, data_access, selectors
from viewers_app.models import DataLayer
from viewers_app.services import layers

ViewOf = Callable[..., Browser]


def retire(layer: DataLayer) -> None:
    Product.objects.filter(pk=layer.product.pk).update(retired_at=timezone.now())
    data_access.verdicts.forget()


def test_a_retired_volume_gives_no_data(
    view_of: ViewOf, researcher: User, layer: DataLayer
) -> None:
    browser = view_of(researcher, layer)

    retire(layer)

    assert browser.data(layer).status_code == 404


def test_a_volume_that_is_made_again_is_back_at_its_address(
    view_of: ViewOf, researcher: User, layer: DataLayer
) -> None:
    browser = view_of(researcher, layer)
    retire(layer)

    Product.objects.filter(pk=layer.product.pk).update(retired_at=None)

    assert browser.data(layer).status_code == 200


def test_an_open_view_loses_the_retired_volume_only(
    view_of: ViewOf, researcher: User, imaging_request: ImagingRequest
) -> None:
    first, second = (a_product(channel) for channel in channels_of(imaging_request))
    layers.publish_new_products()
    browser = view_of(researcher, first.layer, second.layer)

    retire(first.layer)

    state = json.loads(browser.client.get(f"/states/{browser.session.uuid}").content)
    assert len(state["layers"]) == 1
    assert str(second.layer.uuid) in state["layers"][0]["source"]


@pytest.mark.parametrize("page", ["/viewers/layers/{uuid}/", "/viewers/thumbnails/{uuid}.png"])
def test_its_pages_are_gone(researcher: User, layer: DataLayer, page: str) -> None:
    retire(layer)

    assert site_client(researcher).get(page.format(uuid=layer.uuid)).status_code == 404


def test_it_cannot_be_opened(researcher: User, layer: DataLayer) -> None:
    retire(layer)

    answer = site_client(researcher).post("/viewers/open/", {"layer": [str(layer.uuid)]})

    assert answer.status_code == 404


def test_it_is_in_no_list(researcher: User, layer: DataLayer) -> None:
    assert list(selectors.samples_with_layers(to=researcher)) == [layer.sample]

    retire(layer)

    assert not selectors.visible_layers(to=researcher).exists()
    assert not selectors.samples_with_layers(to=researcher).exists()
    assert str(layer.uuid) not in site_client(researcher).get("/viewers/").content.decode()
    matrices = chooser.matrices_of(layer.sample, to=researcher)
    assert not any(cell.layer for each in matrices for line in each.lines for cell in line.cells)


def test_a_product_that_was_retired_before_it_was_published_gets_no_layer(
    imaging_request: ImagingRequest,
) -> None:
    product = a_product(channels_of(imaging_request)[0])
    Product.objects.filter(pk=product.pk).update(retired_at=timezone.now())

    assert layers.publish_new_products() == 0
