"""Telling people: mails are written with what they tell of, once for each address, harmless."""

import threading
from datetime import timedelta

import pytest
from django.core import mail as django_mail
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from core_app import notices
from core_app.models import Mail, User
from core_app.notices import Letter, at_address, of_person, staff, tell
from core_app.notices.queue import SEND
from core_app.roles import Role
from core_app.tasks import send_mails
from tests.support.mailing import WATCHFUL, Watchful
from tests.support.people import a_person

pytestmark = pytest.mark.django_db
HELLO = Letter(subject="Hello", opening="Something happened.")
HOSTILE = '<img src=x onerror="alert(1)">\r\nBcc: all@example.org\r\n\r\n\u202egnp.exe \x1b[31m'


def told(letter=HELLO, *addresses, once="", event="test"):
    with transaction.atomic():
        to = [at_address(a, why="of a test") for a in addresses or ["one@example.org"]]
        tell(event, letter, to, root_id=7, once=once)
    return list(Mail.objects.order_by("id"))


class Undone(Exception):
    pass


def test_nothing_is_told_of_what_was_rolled_back():
    with pytest.raises(Undone), transaction.atomic():
        tell("test", HELLO, [at_address("one@example.org", why="of a test")], root_id=None)
        raise Undone

    assert not Mail.objects.exists()
    assert not OrmQ.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_telling_outside_a_transaction_is_a_mistake_of_the_program():
    with pytest.raises(RuntimeError):
        tell("test", HELLO, [at_address("one@example.org", why="of a test")], root_id=None)


def test_the_bell_is_rung_with_the_mail():
    told()

    assert [queued.func() for queued in OrmQ.objects.all()] == [SEND]


def test_an_address_gets_one_mail_whatever_its_case():
    mails = told(HELLO, "One@example.org", "one@EXAMPLE.org", "two@example.org")

    assert [mail.to for mail in mails] == ["One@example.org", "two@example.org"]


def test_what_happens_once_is_told_once():
    told(once="request 1")

    told(HELLO, "ONE@example.org", "two@example.org", once="request 1")

    assert [mail.to for mail in Mail.objects.order_by("to")] == [
        "one@example.org", "two@example.org",
    ]  # fmt: skip


def test_the_same_event_of_another_object_is_told():
    told(once="request 1")

    assert len(told(once="request 2")) == 2


def test_what_may_happen_again_is_told_again():
    told()

    assert len(told()) == 2


def test_nothing_is_sent_to_a_closed_account_or_its_address(stranger):
    User.objects.filter(pk=stranger.pk).update(is_active=False)
    stranger.refresh_from_db()

    with transaction.atomic():
        to = [of_person(stranger, why="of a test"), at_address("Stranger@example.org", why="x")]
        tell("test", HELLO, to, root_id=None)

    assert not Mail.objects.exists()


def test_the_mail_knows_whose_account_has_the_address(stranger):
    (mail,) = told(HELLO, "STRANGER@example.org")

    assert mail.person == stranger


@pytest.mark.parametrize(
    "address",
    ["", "  ", "nobody", "a@b\nBcc: all@example.org", "a@example.org,b@example.org",
     f"{'a' * 60}@{'b' * 60}.example.org"],
)  # fmt: skip
def test_what_is_no_address_gets_no_mail(address):
    assert told(HELLO, address) == []


def test_a_person_without_address_holds_up_no_other(clearer):
    a_person("other", role=Role.CLEARER)
    User.objects.filter(pk=clearer.pk).update(email="")

    with transaction.atomic():
        tell("test", HELLO, staff(Role.CLEARER, why="x"), root_id=None)

    assert [mail.to for mail in Mail.objects.all()] == ["other@example.org"]


def test_staff_are_the_active_members_of_the_role(clearer, imager, admin_person):
    gone = a_person("gone", role=Role.CLEARER)
    User.objects.filter(pk=gone.pk).update(is_active=False)

    assert [r.address for r in staff(Role.CLEARER, why="x")] == ["clearer@example.org"]


def test_who_has_two_roles_is_named_once(clearer, imager):
    imager.groups.add(clearer.groups.get())

    assert len(staff(Role.CLEARER, Role.IMAGER, why="x")) == 2


def test_silence_tells_nobody_and_ends():
    with notices.silenced():
        told()
    assert not Mail.objects.exists()

    assert len(told()) == 1


# Words.


def test_a_subject_is_one_line_with_the_prefix(settings):
    settings.MAIL_PREFIX = "[core]"

    (mail,) = told(Letter(subject=f"About {HOSTILE}", opening="x"))

    assert mail.subject.startswith("[core] About <img")
    assert not set("\r\n\x1b\u202e") & set(mail.subject)


def test_a_long_subject_is_shortened_in_its_middle():
    (mail,) = told(Letter(subject=f"begin {'x' * 500} end", opening="x"))

    assert len(mail.subject) == 200
    assert mail.subject.startswith("[lightserv] begin x")
    assert mail.subject.endswith("x end")


def test_what_people_typed_is_inert_in_both_parts():
    letter = Letter(
        subject="x", opening=HOSTILE, facts=((HOSTILE, HOSTILE),), lists=(("y", (HOSTILE,)),),
        quote_title="z", quote=HOSTILE, closing=(HOSTILE,),
    )  # fmt: skip

    (mail,) = told(letter)

    assert "<img" not in mail.html
    assert mail.html.count("&lt;img") == 7
    assert not set("\x1b\u202e\r") & set(mail.text + mail.html)
    assert [line for line in mail.text.splitlines() if line.startswith("Bcc")] == []


def test_ten_kilobytes_are_cut():
    (mail,) = told(Letter(subject="x", opening="y", quote_title="Reason", quote="ä" * 10_000))

    assert len(mail.text) < 2500


def test_every_mail_says_why_it_comes_and_where_from(settings):
    (mail,) = told()

    for part in (mail.text, mail.html):
        assert "You get this mail because of a test." in part
        assert settings.SITE_URL in part


def test_links_are_absolute_in_both_parts(settings):
    (mail,) = told(Letter(subject="x", opening="y", links=(("Here", "/here/?a=1&b=2"),)))

    assert f"{settings.SITE_URL}/here/?a=1&b=2" in mail.text.splitlines()
    assert f'href="{settings.SITE_URL}/here/?a=1&amp;b=2"' in mail.html


def test_lines_of_the_text_are_short_but_addresses_whole(settings):
    words, path = "many words " * 40, f"/{'x' * 120}"

    (mail,) = told(Letter(subject="x", opening=words, closing=(words,), links=(("Here", path),)))

    long = [line for line in mail.text.splitlines() if len(line) > 76]
    assert long == [f"{settings.SITE_URL}{path}"]


# Sending, with Django's backend in memory; a real server is in tests/integration/mail.


def test_a_due_mail_is_sent_with_both_parts():
    (mail,) = told()

    answer = send_mails()

    mail.refresh_from_db()
    (message,) = django_mail.outbox
    assert answer == "1 sent, 0 put off, 0 given up"
    assert (message.to, message.subject) == (["one@example.org"], "[lightserv] Hello")
    assert (message.body, message.alternatives[0].content) == (mail.text, mail.html)
    assert (mail.attempts, mail.leased_until, mail.sent_at is not None) == (1, None, True)


def test_a_sent_mail_is_not_sent_twice():
    told()
    send_mails()

    assert send_mails() == "0 sent, 0 put off, 0 given up"
    assert len(django_mail.outbox) == 1


def test_a_mail_for_later_waits():
    told()
    Mail.objects.update(due_at=timezone.now() + timedelta(hours=1))

    assert send_mails().startswith("0 sent")


def test_a_mail_that_another_worker_holds_is_left_to_it():
    told()
    Mail.objects.update(leased_until=timezone.now() + timedelta(minutes=1))

    assert send_mails().startswith("0 sent")


def test_what_a_killed_worker_held_is_sent_when_its_lease_ends():
    told()
    Mail.objects.update(leased_until=timezone.now() - timedelta(seconds=1))

    assert send_mails().startswith("1 sent")


def test_mail_programs_recognize_a_repeat_and_answer_nothing(settings):
    (mail,) = told()

    send_mails()

    headers = django_mail.outbox[0].message()
    assert headers["Message-ID"].endswith(f".{mail.pk}@{settings.SITE_HOST}>")
    assert headers["Auto-Submitted"] == "auto-generated"


def test_a_header_that_cannot_be_is_given_up_and_stops_no_other():
    bad, _ = told(HELLO, "one@example.org", "two@example.org")
    Mail.objects.filter(pk=bad.pk).update(subject="a\nBcc: all@example.org")

    answer = send_mails()

    bad.refresh_from_db()
    assert answer == "1 sent, 0 put off, 1 given up"
    assert "cannot be written as a mail" in bad.error
    assert [message.to for message in django_mail.outbox] == [["two@example.org"]]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction(settings):
    settings.EMAIL_BACKEND = WATCHFUL
    Watchful.taken.clear()
    told()

    send_mails()

    assert Watchful.taken == [("one@example.org", False)]


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_each_mail_once(settings):
    settings.EMAIL_BACKEND = WATCHFUL
    Watchful.taken.clear()
    told(HELLO, *[f"person{n}@example.org" for n in range(20)])
    gate = threading.Barrier(6)

    def work():
        gate.wait()
        notices.send_due(timedelta(seconds=30))
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(to for to, _ in Watchful.taken) == sorted(
        f"person{n}@example.org" for n in range(20)
    )
    assert not Mail.objects.filter(sent_at=None).exists()


def test_a_mail_that_waits_is_not_sent_to_an_account_closed_meanwhile(stranger, mailoutbox):
    with transaction.atomic():
        tell("tested", HELLO, [of_person(stranger, why="of a test")], root_id=None)
    User.objects.filter(pk=stranger.pk).update(is_active=False)

    outcome = notices.send_due(timedelta(seconds=5))

    mail = Mail.objects.get()
    assert (mailoutbox, outcome.given_up) == ([], 1)
    assert mail.given_up_at and "closed" in mail.error
