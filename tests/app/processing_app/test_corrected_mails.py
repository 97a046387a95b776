"""The owner hears of corrected SmartSPIM volumes, and the mail leads to where they open."""

import re

import pytest
from django.conf import settings
from django.test import Client

from processing_app.models import Run
from processing_app.states import RunState
from tests.support import clusters, processed
from tests.support.mailing import mails_of
from viewers_app.models import DataLayer
from viewers_app.services.layers import publish_new_products
from viewers_app.workflows import tell_what_became_viewable

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(researcher, clearer, imager, processor):
    """A run of two channels that corrects and goes on to register."""
    sample = processed.a_stitched_sample(researcher, clearer=clearer, imager=imager)
    atlas = processed.an_installed_atlas()
    (run,) = processed.started(processed.a_round(sample), by=processor, atlas=atlas)
    return run


def is_corrected(run, count=2):
    return (
        DataLayer.objects.filter(product__step__run=run, product__kind="corrected").count() >= count
    )


def drive_until(run, so):
    """Let the run come so far that `so` holds, and no further."""
    cluster = clusters.memory_cluster(processed.work)
    for _ in range(60):
        if so(run):
            return Run.objects.get(pk=run.pk)
        clusters.tick(cluster)
        clusters.make_due()
        publish_new_products()
    raise AssertionError("it never came so far")


def page_behind(mail, reader):
    address = re.search(rf"{settings.SITE_URL}(/viewers/samples/\d+/)", mail.text)[1]
    client = Client(SERVER_NAME=settings.SITE_HOST)
    client.force_login(reader, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(address)


def test_once_all_are_corrected_the_owner_is_told_where_they_open(run, researcher):
    going_on = drive_until(run, is_corrected)

    told = [tell_what_became_viewable(), tell_what_became_viewable()]

    mail = mails_of("corrected-ready")[0]
    page = page_behind(mail, researcher).content.decode()
    assert going_on.state == RunState.RUNNING
    assert told == [1, 0]
    assert mail.to == "researcher@example.org"
    assert "3.6x, channel 488" in mail.text
    assert "Processing goes on" in mail.text
    for layer in DataLayer.objects.filter(product__kind="corrected"):
        assert str(layer.uuid) in page


def test_one_channel_alone_is_not_told_of(run):
    drive_until(run, lambda run: is_corrected(run, 1))
    if is_corrected(run):
        DataLayer.objects.filter(product__kind="corrected")[0].delete()

    tell_what_became_viewable()

    assert mails_of("corrected-ready") == []


def test_the_mail_of_a_round_that_is_complete_leads_to_the_same_page(run, researcher):
    clusters.drive_until_over(run, clusters.memory_cluster(processed.work))
    publish_new_products()

    tell_what_became_viewable()

    assert mails_of("corrected-ready") == []
    page = page_behind(mails_of("processing-complete")[0], researcher)
    corrected = DataLayer.objects.filter(product__kind="corrected")
    assert corrected.count() == 2
    assert all(str(layer.uuid) in page.content.decode() for layer in corrected)
