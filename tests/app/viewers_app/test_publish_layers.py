"""A finished product becomes viewable once."""

import threading

import pytest
from django.db import connection

from imaging_app.models import ImagingRequest
from tests.app.viewers_app.conftest import a_product, channels_of
from viewers_app import tasks
from viewers_app.models import DataLayer
from viewers_app.services import layers


def test_each_new_product_gets_one_layer(imaging_request: ImagingRequest) -> None:
    products = [a_product(channel) for channel in channels_of(imaging_request)]

    assert layers.publish_new_products() == 2

    assert {layer.product for layer in DataLayer.objects.all()} == set(products)


def test_publishing_again_changes_nothing(imaging_request: ImagingRequest) -> None:
    product = a_product(channels_of(imaging_request)[0])
    layers.publish_new_products()
    address = product.layer.uuid

    assert layers.publish_new_products() == 0

    assert DataLayer.objects.get().uuid == address


def test_the_task_says_what_it_did(imaging_request: ImagingRequest) -> None:
    a_product(channels_of(imaging_request)[0])

    assert tasks.publish_layers() == "1 volumes and 0 of atlases published"


def test_a_sweep_that_comes_second_loses_quietly(imaging_request: ImagingRequest) -> None:
    product = a_product(channels_of(imaging_request)[0])
    waiting = list(layers.Product.objects.all())
    DataLayer.objects.create(product=product)

    assert [layers._publish(each) for each in waiting] == [False]

    assert DataLayer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_make_one_layer(imaging_request: ImagingRequest) -> None:
    a_product(channels_of(imaging_request)[0])
    together = threading.Barrier(2)
    made: list[int] = []

    def sweep() -> None:
        together.wait()
        try:
            made.append(layers.publish_new_products())
        finally:
            connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [0, 1]
    assert DataLayer.objects.count() == 1
