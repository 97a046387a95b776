"""Raw data that nobody has read for long is read again, by a command."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from imaging_app.models import ImagingRequest, RawDelivery
from imaging_app.workflows import take_in_reports
from processing_app.models import Run
from processing_app.pipelines import VERIFY
from requests_app.workflows import reopen_imaging
from tests.support import clusters
from tests.support.checks import carry_out, check_and_complete

pytestmark = pytest.mark.django_db


@pytest.fixture
def imaged(researcher, clearer, imager):
    found = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)
    clusters.deliver(found)
    check_and_complete(found, by=imager)
    return ImagingRequest.objects.get(pk=found.pk)


def said(*arguments):
    out = StringIO()
    call_command("verify_raw", *arguments, stdout=out)
    return out.getvalue()


def let_pass(days):
    RawDelivery.objects.update(checked_at=timezone.now() - timedelta(days=days))


def test_what_was_checked_lately_is_left_alone(imaged):
    assert said() == "0 samples being read again.\n"


def test_what_was_not_read_for_long_is_read_again(imaged):
    let_pass(200)

    told = said()

    assert told == f"{imaged}\n1 sample being read again.\n"
    assert Run.objects.get(pipeline=VERIFY).requested_by is None


def test_a_dry_run_names_it_and_starts_nothing(imaged):
    let_pass(200)

    told = said("--dry-run")

    assert told == f"{imaged}\n1 sample to be read again.\n"
    assert not Run.objects.filter(pipeline=VERIFY).exists()


def test_after_it_was_read_it_is_left_alone(imaged):
    let_pass(200)
    said()
    carry_out(Run.objects.get(pipeline=VERIFY))
    take_in_reports()

    assert said() == "0 samples being read again.\n"


def test_twice_is_once(imaged):
    let_pass(200)
    said()

    said()

    assert Run.objects.filter(pipeline=VERIFY).count() == 1


def test_a_sample_that_is_open_again_is_left_alone(imaged, imager):
    let_pass(200)
    reopen_imaging(imaged, by=imager, reason="other values")

    assert said() == "0 samples being read again.\n"


@pytest.mark.parametrize("wrong", [("--days", "-1"), ("--most", "0"), ("--most", "10001")])
def test_numbers_that_mean_nothing_are_refused(wrong):
    with pytest.raises(CommandError, match="--days is 0 or more"):
        said(*wrong)
