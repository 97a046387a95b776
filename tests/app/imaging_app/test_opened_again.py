"""Opening imaging again: a sample goes back as far as its batch had come, and no further."""

import pytest

from core_app.errors import NotReady
from imaging_app import workflows
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.services import imaging
from requests_app.workflows import reopen_imaging, withdraw_request
from tests.app.imaging_app.batch_help import TWO_LINES, sample, skipped
from tests.support.races import at_once, refusals
from tests.support.scenarios import (
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db

TWO_SAMPLES = a_plan(samples=[a_sample_plan("s1"), a_sample_plan("s2")])
TWO_BATCHES = a_plan(samples=[a_sample_plan("s1"), a_sample_plan("s2", resolutions=(TWO_LINES,))])


def states():
    return sample("s1").state, sample("s2").state, ImagingBatch.objects.get().state


def test_a_sample_skipped_before_its_batch_is_started_waits_again(researcher, clearer, imager):
    a_cleared_request(researcher, clearer=clearer, plan=TWO_SAMPLES)
    skipped("s1", by=imager)

    reopen_imaging(sample("s1"), by=imager, reason="It was found.")

    assert states() == ("waiting", "waiting", "waiting")


def test_it_is_started_with_the_others_of_its_batch(researcher, clearer, imager):
    a_cleared_request(researcher, clearer=clearer, plan=TWO_SAMPLES)
    skipped("s1", by=imager)
    reopen_imaging(sample("s1"), by=imager, reason="It was found.")

    workflows.start_imaging(ImagingBatch.objects.get(), by=imager)

    assert states() == ("in progress", "in progress", "in progress")


def test_a_batch_that_was_skipped_as_a_whole_waits_again(researcher, imager):
    a_submitted_request(researcher, TWO_SAMPLES)
    skipped("s1", by=imager)
    skipped("s2", by=imager)

    reopen_imaging(sample("s1"), by=imager, reason="It was found.")

    assert states() == ("waiting", "skipped", "waiting")


def test_what_is_not_cleared_is_not_begun_by_opening_it_again(researcher, imager):
    a_submitted_request(researcher, TWO_SAMPLES)
    skipped("s1", by=imager)
    reopen_imaging(sample("s1"), by=imager, reason="It was found.")

    with pytest.raises(NotReady, match="still being cleared"):
        imaging.start(ImagingBatch.objects.get(), by=imager)


def test_a_sample_of_a_batch_at_work_is_at_work_again(researcher, clearer, imager):
    a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=TWO_SAMPLES)
    skipped("s1", by=imager)
    skipped("s2", by=imager)

    reopen_imaging(sample("s1"), by=imager, reason="It was found.")

    assert states() == ("in progress", "skipped", "in progress")


def test_nothing_is_opened_of_what_was_withdrawn_since_the_page_was_read(
    researcher, clearer, imager, manager
):
    a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=TWO_BATCHES)
    skipped("s1", by=imager)
    rows = ImagingRequest.objects.select_related("sample__request", "batch")
    as_read = rows.get(sample__name="s1")
    withdraw_request(sample("s2").sample.request, by=manager, reason="Not needed.")

    with pytest.raises(NotReady, match="withdrawn"):
        reopen_imaging(as_read, by=imager, reason="It was found.")

    assert (sample("s1").state, sample("s1").batch.state) == ("skipped", "complete")


@pytest.mark.django_db(transaction=True)
def test_opening_again_and_skipping_the_last_at_once_leave_one_truth(
    researcher, clearer, imager, manager
):
    a_cleared_request(researcher, clearer=clearer, plan=TWO_SAMPLES)
    skipped("s1", by=imager)
    first, second = sample("s1"), sample("s2")

    found = at_once(
        lambda: reopen_imaging(first, by=manager, reason="It was found."),
        lambda: workflows.skip_sample(second, by=imager, reason="It broke."),
    )

    assert refusals(found) == []
    assert states() == ("waiting", "skipped", "waiting")
