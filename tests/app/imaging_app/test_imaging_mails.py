"""What people are told of imaging, of volumes and of runs that gave up: once, and only if so."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from core_app.models import Event, Mail
from core_app.roles import Role
from imaging_app.models import ImagingRequest
from imaging_app.workflows import skip_sample
from processing_app import workflows as processing
from processing_app.models import ProcessingRequest, Run
from processing_app.services import reminders
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.workflows import reopen_imaging, withdraw_request
from tests.support import clusters
from tests.support.checks import check_and_complete
from tests.support.instruments import a_maintenance
from tests.support.mailing import addresses_of, mails_of
from tests.support.people import a_person
from tests.support.races import at_once
from tests.support.scenarios import a_plan, a_request_being_imaged, a_sample_plan
from viewers_app.services.layers import publish_new_products
from viewers_app.workflows import tell_what_became_viewable

pytestmark = pytest.mark.django_db
HOSTILE = '</p><script>alert("x")</script>\n-- \nBcc: all@example.org'
ONLY_LOOKED_AT = ResolutionPlan("2x", (ChannelPlan("488", ("generic_imaging",)),))


@pytest.fixture
def sample(researcher, clearer, imager):
    """One sample whose acquisition is entered and whose data is there."""
    found = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)
    clusters.deliver(found)
    return found


@pytest.fixture
def pair(researcher, clearer, imager):
    """Two samples in one batch, being imaged; the data of the first is there."""
    plan = a_plan(samples=[a_sample_plan("s-1"), a_sample_plan("s-2")])
    first = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
    clusters.deliver(first)
    second = ImagingRequest.objects.get(sample__name="s-2")
    return first, second


def now(row):
    return type(row).objects.get(pk=row.pk)


def the_mail_of(event):
    (mail,) = mails_of(event)
    return mail


# Imaging complete


def test_nobody_is_told_while_a_sample_of_the_batch_is_open(pair, imager):
    check_and_complete(pair[0], by=imager)

    assert mails_of("imaging-complete") == []


def test_the_correspondents_read_where_each_channel_lies_and_which_sample_has_none(pair, imager):
    check_and_complete(pair[0], by=imager)

    skip_sample(pair[1], by=imager, reason="It broke in the chamber.")

    mail = the_mail_of("imaging-complete")
    text = " ".join(mail.text.split())
    folder = "researcher/first_brains/s-1/imaging_request_1/rawdata/resolution_1.3x/brain_488"
    assert mail.to == "researcher@example.org"
    assert mail.subject == "[lightserv] Imaging complete: “first brains” batch 1.1"
    assert f"1.3x, channel 488: {folder}" in text
    assert "not imaged: It broke in the chamber." in text
    assert "1 of 2 samples imaged" in text
    assert "Volumes of the raw data are made by themselves" in text


def test_what_no_pipeline_here_takes_comes_with_the_way_there(
    sample, imager, settings, monkeypatch
):
    monkeypatch.setattr("processing_app.services.requests.processing_pipeline_for", lambda o: None)

    check_and_complete(sample, by=imager)

    mail = the_mail_of("imaging-complete")
    assert f"{settings.SITE_URL}/processing/" in mail.text
    assert "What was imaged at 1.3x is fit for processing" in " ".join(mail.text.split())


def test_what_a_pipeline_here_takes_can_be_processed_at_once(sample, imager):
    check_and_complete(sample, by=imager)

    words = " ".join(the_mail_of("imaging-complete").text.split())
    assert "Processing of what was imaged at 1.3x can be started now." in words


def test_what_is_only_looked_at_leads_nowhere_else(researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan(resolutions=(ONLY_LOOKED_AT,))])
    sample = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
    clusters.deliver(sample)

    check_and_complete(sample, by=imager)

    assert "/processing/" not in the_mail_of("imaging-complete").text


def test_ventral_channels_are_marked(sample, imager):
    channel = sample.resolutions.get().channels.get()
    type(channel).objects.filter(pk=channel.pk).update(ventral_up=True)
    dorsal = clusters.deliver(sample).parent
    dorsal.rename(dorsal.with_name("resolution_1.3x_ventral_up"))

    check_and_complete(sample, by=imager)

    words = " ".join(the_mail_of("imaging-complete").text.split())
    assert "1.3x, channel 488, ventral side up: " in words
    assert "resolution_1.3x_ventral_up/brain_488" in words


def test_the_owner_is_told_besides_another_correspondence_address(researcher, clearer, imager):
    plan = a_plan(correspondence_email="desk@example.org")
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)

    skip_sample(sample, by=imager, reason="It broke.")

    assert addresses_of("imaging-complete") == ["desk", "researcher"]


def test_owners_who_image_themselves_are_not_told_twice_what_they_did(researcher, clearer):
    plan = a_plan(correspondence_email="desk@example.org", self_imaging=True)
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=researcher, plan=plan)

    skip_sample(sample, by=researcher, reason="It broke.")

    assert addresses_of("imaging-complete") == ["desk"]


def test_a_batch_without_any_image_says_so_and_promises_nothing(sample, imager):
    skip_sample(sample, by=imager, reason="It broke.")

    words = " ".join(the_mail_of("imaging-complete").text.split())
    assert "0 of 1 sample imaged" in words
    assert "No volumes come of these samples" in words
    assert "/processing/" not in words


def test_what_is_complete_again_after_a_reopening_is_told_again_and_says_so(sample, imager):
    check_and_complete(sample, by=imager)
    reopen_imaging(now(sample), by=imager, reason="Wrong z step.")

    check_and_complete(now(sample), by=imager)

    first, again = Mail.objects.filter(event="imaging-complete").order_by("pk")
    assert "Imaging complete again: " in again.subject
    assert "complete again, after it had been re-opened" in " ".join(again.text.split())
    assert "again" not in first.subject


def test_a_reason_is_harmless_in_the_mail(sample, imager):
    skip_sample(sample, by=imager, reason=HOSTILE)

    mail = the_mail_of("imaging-complete")
    assert "<script" not in mail.html
    assert mail.text.count("\n-- \n") == 1
    assert "\nBcc:" not in mail.text


def test_nobody_is_told_of_what_was_refused(sample, imager):
    with pytest.raises(Exception, match="Say why"):
        skip_sample(sample, by=imager, reason=" ")

    assert mails_of("imaging-complete") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_the_last_two_samples_finished_at_once_one_mail_comes(turn, pair, imager):
    at_once(*[lambda s=s: skip_sample(now(s), by=imager, reason="Broken.") for s in pair])

    mail = the_mail_of("imaging-complete")
    assert mail.text.count("not imaged: Broken.") == 2


# Re-opened


def test_the_owner_reads_why_imaging_is_open_again(sample, imager):
    check_and_complete(sample, by=imager)

    reopen_imaging(now(sample), by=imager, reason="Wrong z step.")

    mail = the_mail_of("imaging-reopened")
    assert (mail.to, mail.root_id) == ("researcher@example.org", sample.sample.request_id)
    assert "> Wrong z step." in mail.text


def test_an_owner_who_is_staff_is_not_told_of_their_own_reopening(clearer):
    owner = a_person("both", role=Role.IMAGER)
    sample = a_request_being_imaged(owner, clearer=clearer, imager=owner)
    skip_sample(sample, by=owner, reason="Broken.")

    reopen_imaging(now(sample), by=owner, reason="It was not.")

    assert mails_of("imaging-reopened") == []


# Volumes and failures


@pytest.fixture
def run(sample, imager):
    return check_and_complete(sample, by=imager)


def test_the_correspondents_are_told_once_that_the_volumes_can_be_viewed(run, sample, settings):
    clusters.drive_until_over(run, clusters.memory_cluster())
    before = tell_what_became_viewable()
    publish_new_products()

    told = [tell_what_became_viewable(), tell_what_became_viewable()]

    mail = the_mail_of("volumes-ready")
    assert (before, told) == (0, [1, 0])
    assert f"{settings.SITE_URL}/viewers/samples/{sample.sample_id}/" in mail.text
    assert "1.3x, channel 488, left light sheet" in mail.text
    assert Event.objects.filter(verb="volumes viewable", object_id=sample.pk).count() == 1


def test_old_volumes_are_told_of_no_more(run):
    clusters.drive_until_over(run, clusters.memory_cluster())
    publish_new_products()
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=3))

    assert tell_what_became_viewable() == 0


def test_volumes_of_imaging_that_is_open_again_are_not_told_of(run, sample, imager):
    clusters.drive_until_over(run, clusters.memory_cluster())
    publish_new_products()
    reopen_imaging(now(sample), by=imager, reason="Wrong z step.")

    assert tell_what_became_viewable() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_two_drivers_tell_of_volumes_once(turn, run):
    clusters.drive_until_over(run, clusters.memory_cluster())
    publish_new_products()

    at_once(tell_what_became_viewable, tell_what_became_viewable)

    assert len(mails_of("volumes-ready")) == 1
    assert Event.objects.filter(verb="volumes viewable").count() == 1


def test_staff_are_told_of_a_run_that_gave_up_with_what_failed(run, processor, manager):
    clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))

    assert addresses_of("run-failed") == ["imager", "processor"]
    mail = mails_of("run-failed")[0]
    words = " ".join(mail.text.split())
    assert f"Run {run.pk} failed: brain-001 of “first brains” of researcher" in mail.subject
    assert "Check the raw data in brain_488: The input is not right" in words
    assert "Correct what is listed, then retry the run." in words
    assert f"/processing/runs/{run.pk}/" in words


def test_a_run_that_fails_again_after_a_retry_is_told_again(run, processor):
    broken = clusters.memory_cluster(clusters.fail_with("BAD_INPUT"))
    clusters.drive_until_over(run, broken)

    processing.retry_run(now(run), by=processor)
    clusters.drive_until_over(now(run), clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))

    assert addresses_of("run-failed") == ["imager", "imager", "processor", "processor"]


def test_nobody_is_told_of_a_failure_that_was_cancelled(run, sample, imager):
    withdraw_request(sample.sample.request, by=a_person("boss", role=Role.MANAGER), reason="Over.")

    assert mails_of("run-failed") == []


# Reminders


@pytest.fixture
def waiting(sample, imager, monkeypatch):
    """Processing that a pipeline here takes, of imaging completed five days ago."""
    for module in ("requests", "reminders"):
        monkeypatch.setattr(f"processing_app.services.{module}.processing_pipeline_for", _takes)
    check_and_complete(sample, by=imager)
    past = timezone.now() - timedelta(days=5)
    ImagingRequest.objects.filter(pk=sample.pk).update(state_since=past)
    return ProcessingRequest.objects.get(imaging_request=sample)


def _takes(objective):
    return "lightsheet" if objective.name == "1.3x" else None


def said(*arguments):
    out = StringIO()
    call_command("send_reminders", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_processing_that_nobody_starts_is_reminded_of_once(waiting):
    first, second = said(), said()

    assert first == ["processing not started: researcher/first brains (brain-001)",
                     "1 reminder sent."]  # fmt: skip
    assert second == ["0 reminders sent."]
    mail = the_mail_of("processing-reminder")
    assert mail.to == "researcher@example.org"
    assert "nobody has started their processing yet" in " ".join(mail.text.split())


def test_maintenance_that_is_due_is_reminded_of_by_the_same_command(imager):
    a_maintenance(by=imager, due_in=3)

    first, second = said(), said()

    assert (first[-1], second) == ("1 reminder sent.", ["0 reminders sent."])
    assert addresses_of("maintenance-due") == ["imager"]


def test_a_dry_run_lists_and_tells_nobody(waiting):
    lines = [said("--dry-run"), said("--dry-run")]

    assert lines[0] == lines[1]
    assert lines[0][-1] == "1 reminder due, none sent."
    assert mails_of("processing-reminder") == []


def test_nobody_is_reminded_before_four_days_are_over(waiting):
    recent = timezone.now() - timedelta(days=3, hours=23)
    ImagingRequest.objects.filter(pk=waiting.imaging_request_id).update(state_since=recent)

    assert said() == ["0 reminders sent."]


def test_nobody_is_reminded_of_what_no_pipeline_here_takes(waiting, monkeypatch):
    monkeypatch.setattr(
        "processing_app.services.reminders.processing_pipeline_for", lambda objective: None
    )

    assert said() == ["0 reminders sent."]


def test_nobody_is_reminded_of_a_withdrawn_request(waiting, manager):
    withdraw_request(waiting.imaging_request.sample.request, by=manager, reason="Over.")

    assert said() == ["0 reminders sent."]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(2))
def test_two_that_remind_at_once_send_one_mail(turn, waiting):
    def remind():
        return reminders.remind_of_processing(now=timezone.now())

    found = at_once(remind, remind)

    assert sorted(map(len, found)) == [0, 1]
    assert len(mails_of("processing-reminder")) == 1


def test_reminders_are_scheduled_once_a_day():
    from django_q.models import Schedule

    call_command("setup_schedules", stdout=StringIO())

    schedule = Schedule.objects.get(name="send reminders")
    assert (schedule.func, schedule.minutes) == ("facility_app.tasks.send_reminders", 1440)
