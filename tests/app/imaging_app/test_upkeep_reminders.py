"""Maintenance that is due is told to imaging staff: one mail, once for each entry."""

import pytest
from django.utils import timezone

from core_app.models import Mail
from imaging_app.models import MaintenanceEntry
from imaging_app.services import upkeep
from tests.support.instruments import a_built_in_part, a_maintenance, a_part, days_ago, scope

pytestmark = pytest.mark.django_db


def remind(**options):
    return upkeep.remind_of_maintenance(today=timezone.localdate(), **options)


def test_what_is_due_and_overdue_is_one_mail_by_microscope(imager):
    a_maintenance(by=imager, ago=90, due_in=-2, kind="Laser service")
    a_maintenance(by=imager, ago=90, due_in=7, microscope=scope("smartspim"))

    lines = remind()

    mail = Mail.objects.get()
    assert lines[0].startswith(
        "LaVision light sheet: Laser service of LaVision light sheet was due"
    )
    assert len(lines) == 2
    assert mail.person == imager
    assert "Maintenance is due: LaVision light sheet, SmartSPIM" in mail.subject
    assert "Cleaning of SmartSPIM is due on" in mail.text


def test_an_entry_is_told_of_once(imager):
    a_maintenance(by=imager, due_in=3)
    remind()

    assert remind() == []
    assert Mail.objects.count() == 1


def test_a_dry_run_says_the_same_and_writes_nothing(imager):
    a_maintenance(by=imager, due_in=3)

    said = remind(dry_run=True)

    assert not Mail.objects.exists()
    assert MaintenanceEntry.objects.get().reminded_at is None
    assert said == remind()


def test_what_is_due_later_is_not_told_yet(imager):
    a_maintenance(by=imager, due_in=8)

    assert remind() == []


def test_what_was_done_since_is_due_no_more(imager):
    a_maintenance(by=imager, ago=30, due_in=3)
    a_maintenance(by=imager, ago=1)

    assert remind() == []


def test_another_kind_or_another_part_does_not_count_as_done(imager):
    part = a_built_in_part(by=imager).component
    a_maintenance(by=imager, ago=20, due_in=3)
    a_maintenance(by=imager, ago=1, kind="Alignment")
    a_maintenance(by=imager, ago=1, component=part)

    assert len(remind()) == 1


def test_maintenance_of_a_part_counts_wherever_it_is_built_in(imager):
    first = a_built_in_part(by=imager, ago=60)
    a_maintenance(by=imager, ago=50, due_in=2, component=first.component)
    upkeep.remove(first, by=imager, on=days_ago(20))
    a_built_in_part(by=imager, part=first.component, on="smartspim", ago=20)
    a_maintenance(by=imager, ago=5, component=first.component, microscope=scope("smartspim"))

    assert remind() == []


def test_a_retired_part_needs_no_maintenance(imager):
    installation = a_built_in_part(by=imager)
    a_maintenance(by=imager, due_in=2, component=installation.component)
    upkeep.remove(installation, by=imager)
    upkeep.retire(installation.component, by=imager)

    assert remind() == []


def test_another_day_is_told_anew(imager):
    entry = a_maintenance(by=imager, due_in=3)
    remind()

    upkeep.correct(entry, {"next_due_on": days_ago(-5)}, by=imager)

    assert len(remind()) == 1
    assert Mail.objects.count() == 2


def test_without_anybody_to_tell_nothing_counts_as_told(manager):
    a_maintenance(by=manager, due_in=3)

    assert len(remind()) == 1
    assert MaintenanceEntry.objects.get().reminded_at is None


def test_a_part_that_nobody_maintained_is_not_due(imager):
    a_part(by=imager)

    assert remind() == []
