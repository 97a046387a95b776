"""Each event of a request tells the right people the right thing, once it has happened."""

from dataclasses import replace
from datetime import date

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from core_app.errors import DomainError, NotAllowed, Taken
from core_app.models import Mail, User
from core_app.roles import Role
from imaging_app.models import ImagingBatch
from imaging_app.services import imaging
from requests_app.models import Request, Sample
from requests_app.services import clearing, requests, steps
from requests_app.workflows import (
    complete_clearing,
    reopen_clearing,
    submit_request,
    withdraw_request,
)
from tests.support.mailing import addresses_of, mails_of
from tests.support.people import a_person
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_plan,
    a_sample_plan,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db

IMMUNO = "iDISCO+_immuno"
HOSTILE = '</p><script>alert("x")</script>\n-- \nBcc: all@example.org \u202egpj.exe'
OTHER_OBJECTIVE = replace(a_sample_plan().resolutions[0], objective="4x")


@pytest.fixture
def two_batches():
    """Two samples of one chemistry, one of another."""
    return a_plan(
        samples=(
            a_sample_plan("first-a"),
            a_sample_plan("first-b"),
            a_sample_plan("second-a", protocol=IMMUNO, antibody1="goat <anti> GFP", antibody2="x"),
        )
    )


def submitted_by(by, owner, **plan):
    draft = requests.create_draft(owner=owner, by=by)
    return submit_request(draft, a_plan(**plan), by=by)


def cleared(request, number, *, by):
    batch = request.clearing_batches.select_related("request__owner").get(number=number)
    clearing.receive_and_start(batch, by=by)
    complete_clearing(batch, by=by, skip_missing=True)
    return batch


def the_mail_of(event):
    (mail,) = mails_of(event)
    return mail


def parts_of(event):
    mail = the_mail_of(event)
    return mail.text, mail.html


# E1: request received.


def test_the_correspondence_address_is_told_that_the_request_is_received(researcher, settings):
    request = a_submitted_request(researcher)

    mail = the_mail_of("request-received")
    assert (mail.to, mail.root_id) == ("researcher@example.org", request.pk)
    assert mail.subject == "[lightserv] Request “first brains” received"
    assert "brain-001, to be handed in on 2030-01-07" in mail.text
    assert f"{settings.SITE_URL}/handoffs/" in mail.text
    assert f"{settings.SITE_URL}/requests/researcher/first_brains/" in mail.html
    assert "clearing staff clear them" in mail.text


def test_owner_and_submitter_are_told_besides_another_correspondence_address(researcher, clearer):
    submitted_by(clearer, researcher, correspondence_email="desk@example.org")

    assert addresses_of("request-received") == ["clearer", "desk", "researcher"]
    mail = Mail.objects.get(event="request-received", to="clearer@example.org")
    assert "because you submitted this request for researcher." in mail.text


def test_the_owner_is_told_once_if_the_address_differs_in_case_only(researcher):
    a_submitted_request(researcher, a_plan(correspondence_email="Researcher@Example.org"))

    assert len(mails_of("request-received")) == 1


def test_the_auditor_is_told_that_they_were_named(researcher, auditor):
    a_submitted_request(researcher, a_plan(auditor="auditor"))

    assert addresses_of("auditor-named") == ["auditor"]
    assert "researcher named you as auditor" in the_mail_of("auditor-named").text


def test_self_serving_owners_are_told_that_the_work_is_theirs(researcher):
    a_submitted_request(researcher, a_plan(self_clearing=True, self_imaging=True))

    text, _ = parts_of("request-received")
    assert "The owner clears the samples" in text
    assert "The owner takes the images" in text


# E2: new clearing request.


def test_clearers_are_told_of_new_work(researcher, clearer, imager, manager, admin_person):
    a_person("colleague", role=Role.CLEARER)

    a_submitted_request(researcher)

    assert addresses_of("clearing-requested") == ["clearer", "colleague"]
    mail = mails_of("clearing-requested")[0]
    assert mail.subject.endswith("New request to clear: “first brains” of researcher")
    assert "Batch 1: iDISCO abbreviated clearing; 1 sample; first hand-off 2030-01-07" in mail.text
    assert "/clearing/" in mail.html


def test_clearers_are_not_told_of_what_the_owner_clears(researcher, clearer):
    a_submitted_request(researcher, a_plan(self_clearing=True))

    assert mails_of("clearing-requested") == []


def test_notes_for_the_clearer_are_quoted_and_harmless(researcher, clearer):
    sample = a_sample_plan(notes_for_clearer=HOSTILE)

    a_submitted_request(researcher, a_plan(samples=(sample,)))

    text, html = parts_of("clearing-requested")
    assert "<script" not in html
    assert "> Bcc: all@example.org" in text
    assert not {"\u202e"} & set(text + html)
    assert text.count("\n-- \n") == 1


# E3: the reminder about the storage group.


@pytest.fixture
def reminding(settings):
    settings.STORAGE_GROUP_REMINDER = True
    settings.DATA_GROUP = "lightsheet"


def test_nobody_is_reminded_of_the_storage_group_unless_the_site_wants_it(
    researcher, imager, operator
):
    a_submitted_request(researcher)

    assert mails_of("storage-group") == []


def test_staff_are_reminded_at_the_first_request_of_a_person(
    reminding, researcher, clearer, imager, operator
):
    a_submitted_request(researcher)

    assert addresses_of("storage-group") == ["imager", "operator"]
    mail = mails_of("storage-group")[0]
    assert mail.subject == "[lightserv] Add researcher to the group lightsheet"
    assert "User name: researcher" in mail.text


def test_a_second_request_reminds_nobody(reminding, researcher, imager):
    a_submitted_request(researcher)

    a_submitted_request(researcher, a_plan("second brains"))

    assert len(mails_of("storage-group")) == 1


# E4: withdrawn.


def test_clearers_are_told_that_the_owner_withdrew(researcher, clearer, imager):
    request = a_submitted_request(researcher)

    withdraw_request(request, by=researcher, reason=HOSTILE)

    assert addresses_of("request-withdrawn") == ["clearer"]
    text, html = parts_of("request-withdrawn")
    assert "researcher withdrew the request “first brains”" in text
    assert "> </p><script>" in text
    assert "<script" not in html


def test_owner_and_correspondence_address_are_told_why_somebody_else_withdrew(
    researcher, clearer, manager
):
    request = a_submitted_request(researcher, a_plan(correspondence_email="desk@example.org"))

    withdraw_request(request, by=manager, reason="The animals were ill.")

    assert addresses_of("request-withdrawn") == ["clearer", "desk", "researcher"]
    mail = Mail.objects.get(event="request-withdrawn", to="desk@example.org")
    assert "> The animals were ill." in mail.text


def test_imagers_are_told_once_they_were_asked_to_image(researcher, clearer, imager, manager):
    request = a_submitted_request(researcher)
    cleared(request, 1, by=clearer)

    withdraw_request(request, by=manager, reason="x")

    assert "imager" in addresses_of("request-withdrawn")


def test_nobody_tells_clearers_about_a_request_they_never_heard_of(researcher, clearer, imager):
    request = a_submitted_request(researcher, a_plan(self_clearing=True, self_imaging=True))

    withdraw_request(request, by=researcher, reason="x")

    assert mails_of("request-withdrawn") == []


def test_who_withdraws_needs_no_mail_about_it(researcher, clearer, manager):
    manager.groups.add(clearer.groups.get())
    request = a_submitted_request(researcher)

    withdraw_request(request, by=manager, reason="x")

    assert addresses_of("request-withdrawn") == ["clearer", "researcher"]


# E5: clearing complete.


def test_the_samples_of_this_batch_and_no_others_are_told_cleared(researcher, clearer, two_batches):
    request = a_submitted_request(researcher, two_batches)

    cleared(request, 1, by=clearer)

    mail = the_mail_of("clearing-complete")
    assert (mail.to, mail.root_id) == ("researcher@example.org", request.pk)
    assert mail.subject == "[lightserv] Clearing complete: “first brains” batch 1"
    assert "first-a" in mail.text
    assert "first-b" in mail.text
    assert "second-a" not in mail.text + mail.html
    assert "Protocol: iDISCO abbreviated clearing" in mail.text
    assert "Antibodies: none" in mail.text
    assert "Stages: ● Received · ● Clearing · ○ Imaging · ○ Processing" in mail.text


def test_protocol_antibodies_and_left_out_steps_are_those_of_the_batch(
    researcher, clearer, two_batches
):
    request = a_submitted_request(researcher, two_batches)
    batch = request.clearing_batches.select_related("request").get(number=2)
    clearing.receive_and_start(batch, by=clearer)
    wanted = list(batch.protocol.steps.all())
    for step in wanted[1:]:
        steps.record_step(batch, step.slug, performed_at=timezone.now(), by=clearer)

    complete_clearing(batch, by=clearer, skip_missing=True)

    text, html = parts_of("clearing-complete")
    assert f"Steps left out:\n- {wanted[0].label}" in text
    assert wanted[1].label not in text
    assert "Antibodies: goat <anti> GFP, x" in text
    assert "goat &lt;anti&gt; GFP" in html
    assert f"Protocol: {IMMUNO}" in text


def test_the_next_step_is_named_for_who_does_it(researcher, clearer):
    request = a_submitted_request(researcher)
    cleared(request, 1, by=clearer)

    text, html = parts_of("clearing-complete")
    assert "Imaging staff take the images next" in text
    assert "/imaging/" not in html


def test_who_images_the_samples_themselves_is_led_there(researcher, clearer, settings):
    request = a_submitted_request(researcher, a_plan(self_imaging=True))

    cleared(request, 1, by=clearer)

    text, _ = parts_of("clearing-complete")
    assert "The next step is yours" in text
    assert f"{settings.SITE_URL}/imaging/" in text


def test_a_batch_completed_again_is_told_again_and_says_so(researcher, clearer, imager):
    batch = cleared(a_submitted_request(researcher), 1, by=clearer)
    reopen_clearing(batch, by=clearer, reason="A step is missing.")

    complete_clearing(batch, by=clearer, skip_missing=True)

    mails = Mail.objects.filter(event="clearing-complete").order_by("id")
    assert [mail.subject for mail in mails] == [
        "[lightserv] Clearing complete: “first brains” batch 1",
        "[lightserv] Clearing complete again: “first brains” batch 1",
    ]
    assert len(mails_of("imaging-ready")) == 2


# E6: ready for imaging.


def test_imagers_are_told_what_they_can_image(researcher, clearer, imager, two_batches):
    a_person("technician", role=Role.IMAGER)
    request = a_submitted_request(researcher, two_batches)

    cleared(request, 1, by=clearer)

    assert addresses_of("imaging-ready") == ["imager", "technician"]
    mail = mails_of("imaging-ready")[0]
    assert mail.subject.endswith("Ready for imaging: “first brains” of researcher, batch 1")
    assert "- first-a (1.3x)" in mail.text
    assert "second-a" not in mail.text
    waiting = ImagingBatch.objects.get(clearing_batch__number=1)
    assert f"/imaging/batches/{waiting.pk}/" in mail.html


def test_imagers_are_not_told_of_what_the_owner_images(researcher, clearer, imager):
    request = a_submitted_request(researcher, a_plan(self_imaging=True))

    cleared(request, 1, by=clearer)

    assert mails_of("imaging-ready") == []


def test_each_imaging_batch_is_judged_by_itself(researcher, clearer, imager):
    """One is begun already; only the other waits for imaging staff."""
    plan = a_plan(
        samples=(a_sample_plan("one"), a_sample_plan("two", resolutions=(OTHER_OBJECTIVE,)))
    )
    batch = cleared(a_submitted_request(researcher, plan), 1, by=clearer)
    first = ImagingBatch.objects.get(clearing_batch=batch, number=1)
    imaging.start(first, by=imager)
    reopen_clearing(batch, by=clearer, reason="A step is missing.")
    Mail.objects.all().delete()

    complete_clearing(batch, by=clearer, skip_missing=True)

    text, _ = parts_of("imaging-ready")
    assert "- two (4x)" in text
    assert "- one" not in text


# Re-opened batches, and tubes that arrive in a bad condition.


def test_the_owner_is_told_that_a_batch_is_open_again(researcher, clearer):
    batch = cleared(a_submitted_request(researcher), 1, by=clearer)

    reopen_clearing(batch, by=clearer, reason="The label was wrong.")

    assert addresses_of("clearing-reopened") == ["researcher"]
    assert "> The label was wrong." in the_mail_of("clearing-reopened").text


def test_the_owner_is_told_of_a_tube_in_a_bad_condition(researcher, clearer):
    sample = a_submitted_request(researcher).samples.get()

    requests.receive(sample, by=clearer, condition="leaking", note=HOSTILE)

    assert addresses_of("sample-condition") == ["researcher"]
    mail = the_mail_of("sample-condition")
    assert mail.subject == "[lightserv] Sample brain-001 arrived: Leaking or dry"
    assert "> </p><script>" in mail.text
    assert "<script" not in mail.html


def test_a_good_tube_is_no_news(researcher, clearer):
    sample = a_submitted_request(researcher).samples.get()

    requests.receive(sample, by=clearer)

    assert mails_of("sample-condition") == []


def test_a_second_scan_tells_nothing_more(researcher, clearer):
    sample = a_submitted_request(researcher).samples.get()
    requests.receive(sample, by=clearer, condition="leaking", note="Dry.")

    requests.receive(sample, by=clearer, condition="leaking", note="Dry.")

    assert len(mails_of("sample-condition")) == 1


# Only what happened is told.


class Undone(Exception):
    pass


def test_a_completion_that_is_rolled_back_tells_nobody(researcher, clearer, imager):
    batch = a_batch_being_cleared(researcher, by=clearer)
    Mail.objects.all().delete()
    OrmQ.objects.all().delete()

    with pytest.raises(Undone), transaction.atomic():
        complete_clearing(batch, by=clearer, skip_missing=True)
        raise Undone

    assert not Mail.objects.exists()
    assert not OrmQ.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_submission_that_is_refused_tells_nobody(researcher, clearer):
    a_submitted_request(researcher)
    Mail.objects.all().delete()

    with pytest.raises(Taken):
        a_submitted_request(researcher)

    assert not Mail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_withdrawal_that_is_refused_tells_nobody(researcher, clearer, stranger):
    request = a_submitted_request(researcher)
    Mail.objects.all().delete()

    with pytest.raises(NotAllowed):
        withdraw_request(request, by=stranger, reason="x")

    assert not Mail.objects.exists()


def test_a_late_completion_tells_nobody_again(researcher, clearer):
    batch = cleared(a_submitted_request(researcher), 1, by=clearer)

    with pytest.raises(DomainError):
        complete_clearing(batch, by=clearer, skip_missing=True)

    assert len(mails_of("clearing-complete")) == 1


def test_people_who_left_get_nothing(researcher, clearer):
    User.objects.filter(pk=clearer.pk).update(is_active=False)

    a_submitted_request(researcher)

    assert mails_of("clearing-requested") == []


def test_telling_of_many_samples_takes_no_more_queries_than_of_one(
    researcher, clearer, imager, django_assert_max_num_queries
):
    many = tuple(a_sample_plan(f"brain-{n}") for n in range(20))
    one = a_batch_being_cleared(researcher, by=clearer)
    other = a_batch_being_cleared(researcher, by=clearer, plan=a_plan("many", samples=many))
    with django_assert_max_num_queries(100) as few:
        complete_clearing(one, by=clearer, skip_missing=True)

    with django_assert_max_num_queries(len(few)):
        complete_clearing(other, by=clearer, skip_missing=True)


def test_names_of_any_length_fit(clearer):
    owner = a_person("long")
    User.objects.filter(pk=owner.pk).update(first_name="F" * 150, last_name="L" * 150)
    sample = a_sample_plan("s" * 64, expected_handoff_date=date(2030, 1, 7))

    a_submitted_request(User.objects.get(pk=owner.pk), a_plan("r" * 64, samples=(sample,)))

    assert all(len(mail.subject) <= 200 for mail in Mail.objects.all())
    assert Request.objects.count() == Sample.objects.count() == 1


def test_the_owner_is_told_of_each_bad_condition(researcher, clearer):
    sample = a_submitted_request(researcher).samples.get()
    requests.receive(sample, by=clearer, condition="unlabeled", note="whose is it?")
    requests.take_back_reception(sample, by=clearer, reason="The wrong tube.")

    requests.receive(sample, by=clearer, condition="leaking", note="it is dry")

    texts = (
        Mail.objects.filter(event="sample-condition").order_by("pk").values_list("text", flat=True)
    )
    assert [("whose is it" in t, "it is dry" in t) for t in texts] == [(True, False), (False, True)]
