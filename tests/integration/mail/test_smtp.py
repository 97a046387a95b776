"""Mails through a real SMTP server: it takes, refuses, hesitates, falls silent, or is not there."""

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from core_app import notices
from core_app.models import Mail
from core_app.notices import Letter, at_address, tell
from core_app.notices.sending import BACK_OFF_MIN
from core_app.tasks import send_mails
from tests.support.mailing import free_port, running_server

pytestmark = pytest.mark.django_db
ONE, TWO = "one@example.org", "two@example.org"
LETTER = Letter(subject="Größe <b>", opening="Something happened: µm & <b>.")


@pytest.fixture
def port(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_TIMEOUT = 5
    return settings.EMAIL_PORT


@pytest.fixture
def server(port):
    with running_server(port) as server:
        yield server


def told(*addresses):
    with transaction.atomic():
        to = [at_address(address, why="of a test") for address in addresses]
        tell("test", LETTER, to, root_id=None)
    return [Mail.objects.get(to=address) for address in addresses]


def tick_when_due():
    """Let the back-off pass, then do what the schedule does."""
    Mail.objects.update(due_at=timezone.now())
    return send_mails()


def test_a_mail_arrives_whole(server):
    told(ONE)

    assert send_mails() == "1 sent, 0 put off, 0 given up"

    (mail,) = server.received
    text, html = mail.get_body(["plain"]).get_content(), mail.get_body(["html"]).get_content()
    assert (mail["To"], mail["Subject"]) == (ONE, "[lightserv] Größe <b>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "µm & <b>." in text
    assert "µm &amp; &lt;b&gt;." in html


def test_mails_of_one_tick_use_one_connection(server):
    told(*(f"person{n}@example.org" for n in range(10)))

    assert send_mails().startswith("10 sent")
    assert len({mail["Message-ID"] for mail in server.received}) == 10


def test_no_server_means_later(port):
    (mail,) = told(ONE)
    before = timezone.now()

    assert send_mails() == "0 sent, 1 put off, 0 given up"

    mail.refresh_from_db()
    assert (mail.attempts, mail.leased_until, mail.sent_at) == (1, None, None)
    assert "cannot be reached" in mail.error
    assert timedelta(seconds=59) < mail.due_at - before < timedelta(seconds=90)


def test_no_server_costs_one_attempt_for_all_mails(port):
    told(ONE, TWO)

    send_mails()

    assert sorted(Mail.objects.values_list("attempts", flat=True)) == [0, 1]


def test_a_mail_goes_out_when_the_server_is_back(port):
    (mail,) = told(ONE)
    send_mails()

    with running_server(port) as server:
        answer = tick_when_due()

    mail.refresh_from_db()
    assert answer.startswith("1 sent")
    assert (mail.attempts, mail.error, len(server.received)) == (2, "", 1)


def test_a_connection_dropped_in_the_data_is_tried_again_with_the_same_id(server):
    (mail,) = told(ONE)
    server.drops = 1

    first, second = send_mails(), tick_when_due()

    assert (first, second) == ("0 sent, 1 put off, 0 given up", "1 sent, 0 put off, 0 given up")
    assert f".{mail.pk}@" in server.received[0]["Message-ID"]


def test_a_dropped_connection_keeps_no_other_mail(server):
    told(ONE, TWO)
    server.drops = 1

    assert send_mails() == "1 sent, 1 put off, 0 given up"


@pytest.mark.parametrize("reply", ["450 mailbox busy", "421 closing down", "452 full"])
def test_a_passing_refusal_is_tried_again(server, reply):
    (mail,) = told(ONE)
    server.answers[ONE] = [reply]

    first = send_mails()
    mail.refresh_from_db()

    assert first == "0 sent, 1 put off, 0 given up"
    assert reply in mail.error
    assert tick_when_due().startswith("1 sent")


def test_an_unknown_recipient_is_given_up_and_the_other_served(server):
    mail, other = told(ONE, TWO)
    server.answers[ONE] = ["550 no such user here"]

    answer = send_mails()

    mail.refresh_from_db()
    other.refresh_from_db()
    assert answer == "1 sent, 0 put off, 1 given up"
    assert (mail.given_up_at is not None, mail.sent_at, mail.attempts) == (True, None, 1)
    assert "550 no such user here" in mail.error
    assert other.sent_at is not None


def test_a_refused_message_is_given_up(server):
    told(ONE)
    server.final = "554 looks like spam"

    assert send_mails() == "0 sent, 0 put off, 1 given up"


def test_a_silent_server_holds_up_a_tick_no_longer_than_its_limit(server, settings):
    settings.EMAIL_TIMEOUT = 0.5
    (mail,) = told(ONE)
    server.delay_s = 3
    begun = time.monotonic()

    answer = send_mails()

    mail.refresh_from_db()
    assert answer == "0 sent, 1 put off, 0 given up"
    assert time.monotonic() - begun < 2.5
    assert "timed out" in mail.error


def test_a_tick_ends_when_its_time_is_over(server):
    told(ONE, TWO)

    outcome = notices.send_due(timedelta(0))

    assert str(outcome) == "0 sent, 0 put off, 0 given up"
    assert not Mail.objects.exclude(leased_until=None).exists()


def test_the_pauses_grow_and_end_after_a_day(port):
    (mail,) = told(ONE)
    pauses = []

    while mail.given_up_at is None:
        before = timezone.now()
        tick_when_due()
        mail.refresh_from_db()
        pauses.append(round((mail.due_at - before).total_seconds() / 60))

    assert pauses[:-1] == list(BACK_OFF_MIN)
    assert mail.attempts == len(BACK_OFF_MIN) + 1
    assert 24 <= sum(BACK_OFF_MIN) / 60 <= 26
