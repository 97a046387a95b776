"""Mails from the command line, by the schedule, and what the demo and seeded requests do."""

import json
from io import StringIO

import pytest
from django.core import mail as django_mail
from django.core.management import call_command
from django_q.models import Schedule

from core_app.models import Mail
from core_app.notices.queue import SEND
from requests_app.models import Request
from tests.support.scenarios import a_submitted_request

pytestmark = pytest.mark.django_db


def said(name, *arguments):
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_the_command_sends_what_is_due(researcher):
    a_submitted_request(researcher)

    assert said("send_notifications") == "1 sent, 0 put off, 0 given up\n"
    assert len(django_mail.outbox) == 1


def test_a_dry_run_lists_and_sends_nothing(researcher):
    a_submitted_request(researcher)

    answer = said("send_notifications", "--dry-run")

    assert "request-received to researcher@example.org: [lightserv] Request" in answer
    assert "1 due, none sent." in answer
    assert (django_mail.outbox, Mail.objects.get().attempts) == ([], 0)


def test_json_is_one_document(researcher):
    a_submitted_request(researcher)

    due = json.loads(said("send_notifications", "--dry-run", "--format", "json"))
    outcome = json.loads(said("send_notifications", "--format", "json"))

    assert [mail["to"] for mail in due["due"]] == ["researcher@example.org"]
    assert outcome == {"sent": 1, "postponed": 0, "given_up": 0}


def test_the_schedule_rings_each_minute():
    said("setup_schedules")

    schedule = Schedule.objects.get(func=SEND)
    assert (schedule.minutes, schedule.repeats) == (1, -1)


@pytest.mark.django_db(transaction=True)
def test_seeded_requests_tell_nobody(settings):
    settings.DEBUG = True

    said("seed_demo", "--requests", "2", "--samples", "1")

    assert Request.objects.count() == 2
    assert not Mail.objects.exists()
