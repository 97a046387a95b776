"""Mails in the staff console: seen, sent again, given up; never run as a page."""

from datetime import timedelta

import pytest
from django.core import mail as django_mail
from django.urls import reverse
from django.utils import timezone

from core_app.models import Event, Mail
from core_app.tasks import send_mails
from requests_app.workflows import withdraw_request
from tests.support.mailing import mails_of
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
LIST = "admin:core_app_mail_changelist"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def console(client, operator):
    client.force_login(operator, backend=BACKEND)
    return client


@pytest.fixture
def received(researcher):
    a_submitted_request(researcher)
    return Mail.objects.get(event="request-received")


def press(client, action, *mails):
    data = {"action": action, "_selected_action": [mail.pk for mail in mails]}
    page = client.post(reverse(LIST), data, follow=True)
    for mail in mails:
        mail.refresh_from_db()
    return page.content.decode()


def given_up(mail):
    Mail.objects.filter(pk=mail.pk).update(
        given_up_at=timezone.now(), attempts=11, error="550 no such user"
    )
    mail.refresh_from_db()
    return mail


def shown(client, **query):
    return set(client.get(reverse(LIST), query).context["cl"].result_list)


def test_what_became_of_a_mail_is_in_the_list(console, received):
    given_up(received)

    page = console.get(reverse(LIST)).content.decode()

    assert received.subject in page
    assert "550 no such user" in page
    assert "given up" in page
    assert reverse("admin:requests_app_request_change", args=[received.root_id]) in page


def test_the_list_is_narrowed_by_what_became_of_mails(console, researcher, clearer, auditor):
    a_submitted_request(researcher, a_plan(auditor="auditor"))
    failing, waiting, lost = Mail.objects.order_by("id")
    Mail.objects.filter(pk=failing.pk).update(attempts=2)
    given_up(lost)

    assert shown(console, state="waiting") == {waiting}
    assert shown(console, state="failing") == {failing}
    assert shown(console, state="given-up") == {lost}
    assert shown(console, state="not-sent") == {failing, waiting, lost}
    assert shown(console, state="sent") == set()


def test_the_mails_of_one_request_are_found(console, researcher, received):
    other = a_submitted_request(researcher, a_plan("others"))

    assert shown(console, root_id__exact=received.root_id) == {received}
    assert shown(console, q=str(other.pk)) == set(Mail.objects.filter(root_id=other.pk))
    assert shown(console, q="first brains") == {received}


def test_the_list_takes_no_more_queries_for_many_mails(
    console, researcher, received, django_assert_max_num_queries
):
    with django_assert_max_num_queries(100) as few:
        console.get(reverse(LIST))
    Mail.objects.bulk_create(
        Mail(event="x", to="a@example.org", person=researcher, root_id=1, subject="s", text="t")
        for _ in range(30)
    )

    with django_assert_max_num_queries(len(few)):
        console.get(reverse(LIST))


def test_the_mails_of_a_request_are_on_its_page(client, console, clearer, received):
    page = reverse("admin:requests_app_request_change", args=[received.root_id])
    mail = reverse("admin:core_app_mail_change", args=[received.pk])

    for_operator = console.get(page).content.decode()
    client.force_login(clearer, backend=BACKEND)
    for_clearer = client.get(page).content.decode()

    assert mail in for_operator
    assert mail not in for_clearer


def test_the_text_is_shown_as_text(console, researcher, clearer, manager):
    request = a_submitted_request(
        researcher, a_plan(samples=(a_sample_plan(notes_for_clearer=HOSTILE),))
    )
    withdraw_request(request, by=manager, reason=HOSTILE)

    for mail in [*mails_of("clearing-requested"), *mails_of("request-withdrawn")]:
        page = console.get(reverse("admin:core_app_mail_change", args=[mail.pk]))
        assert HOSTILE not in page.content.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.content.decode()


def test_a_mail_cannot_be_changed(console, received):
    address = reverse("admin:core_app_mail_change", args=[received.pk])

    answer = console.post(address, {"to": "else@example.org", "text": "else"})

    assert answer.status_code == 403
    assert mails_of("request-received") == [received]


def test_what_was_given_up_is_sent_again_with_all_its_attempts(console, received, operator):
    given_up(received)

    page = press(console, "send_again", received)
    send_mails()

    received.refresh_from_db()
    assert "due again" in page
    assert (received.given_up_at, received.attempts, received.error) == (None, 1, "")
    assert len(django_mail.outbox) == 1
    event = Event.objects.get(kind="mail", object_id=received.pk)
    assert (event.verb, event.by, event.root_id) == ("sent again", operator, None)


def test_a_mail_that_waits_is_made_due_at_once(console, received):
    Mail.objects.update(due_at=timezone.now() + timedelta(hours=4), attempts=5)

    press(console, "send_again", received)

    assert send_mails().startswith("1 sent")


def test_a_sent_mail_goes_out_anew_as_a_copy(console, received):
    send_mails()
    first_sent = Mail.objects.get().sent_at

    press(console, "send_again", received)
    send_mails()

    ids = [message.message()["Message-ID"] for message in django_mail.outbox]
    assert received.sent_at == first_sent
    assert len(set(ids)) == 2
    assert Mail.objects.filter(subject=received.subject, to=received.to).count() == 2


def test_giving_up_ends_the_attempts(console, received):
    page = press(console, "give_up", received)

    assert "given up" in page
    assert send_mails().startswith("0 sent")


def test_each_mail_gets_its_own_outcome(console, researcher, clearer, received):
    send_mails()
    withdraw_request(a_submitted_request(researcher, a_plan("others")), by=researcher, reason="x")
    waiting = mails_of("request-withdrawn")[0]

    page = press(console, "give_up", received, waiting)

    assert "It was sent already." in page
    assert (received.given_up_at, waiting.given_up_at is not None) == (None, True)


@pytest.mark.parametrize("action", ["send_again", "give_up"])
def test_what_is_on_its_way_is_left_alone(console, received, action):
    Mail.objects.update(leased_until=timezone.now() + timedelta(minutes=3))

    page = press(console, action, received)

    assert "being sent at this moment" in page
    assert received.given_up_at is None


def test_giving_up_twice_is_said(console, received):
    given_up(received)

    assert "It was given up already." in press(console, "give_up", received)


def test_clearers_do_not_read_the_mails_of_others(client, clearer, received):
    client.force_login(clearer, backend=BACKEND)

    assert client.get(reverse(LIST)).status_code == 403
