"""Entries about instruments: what is taken, what is refused in words, what the history keeps."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event
from imaging_app.models import (
    Calibration,
    ComponentInstallation,
    MaintenanceEntry,
    ObjectiveSwap,
    Outage,
)
from imaging_app.selectors import instruments
from imaging_app.services import upkeep
from tests.support.instruments import (
    a_built_in_part,
    a_calibration,
    a_maintenance,
    a_part,
    a_swap,
    an_outage,
    days_ago,
    scope,
)
from tests.support.races import at_once, refusals

pytestmark = pytest.mark.django_db


def test_a_part_is_in_one_place_at_a_time(imager):
    first = a_built_in_part(by=imager)

    with pytest.raises(Invalid, match=r"built into LaVision light sheet \(left arm\) since"):
        a_built_in_part(by=imager, part=first.component, on="smartspim")

    assert ComponentInstallation.objects.count() == 1


def test_a_part_that_was_removed_can_be_built_in_elsewhere(imager):
    first = a_built_in_part(by=imager, ago=30)
    upkeep.remove(first, by=imager, on=days_ago(10))

    moved = a_built_in_part(by=imager, part=first.component, on="smartspim", ago=10)

    assert list(instruments.built_in(scope("smartspim"))) == [moved.component]
    assert not instruments.built_in(scope()).exists()


def test_a_part_was_not_in_two_places_in_the_past_either(imager):
    first = a_built_in_part(by=imager, ago=30)
    upkeep.remove(first, by=imager, on=days_ago(10))

    with pytest.raises(Invalid, match="one place at a time") as refusal:
        a_built_in_part(by=imager, part=first.component, on="smartspim", ago=20)

    assert set(refusal.value.fields) == {"installed_on"}


def test_a_part_is_removed_once(imager):
    first = a_built_in_part(by=imager)
    same = ComponentInstallation.objects.get(pk=first.pk)
    upkeep.remove(first, by=imager)

    with pytest.raises(StaleState, match="removed by somebody else already"):
        upkeep.remove(same, by=imager)


def test_a_part_is_not_removed_before_it_came(imager):
    installation = a_built_in_part(by=imager, ago=5)

    with pytest.raises(Invalid, match="not before"):
        upkeep.remove(installation, by=imager, on=days_ago(6))


def test_the_same_part_twice_is_refused_with_field_and_row(imager):
    a_part(by=imager, name="Laser 488", serial="L-1")

    with pytest.raises(
        Invalid, match="laser “Laser 488” with serial number L-1 already"
    ) as refusal:
        a_part(by=imager, name="Laser 488", serial="L-1")

    assert set(refusal.value.fields) == {"serial"}


def test_a_retired_part_is_not_built_in(imager):
    part = a_part(by=imager)
    upkeep.retire(part, by=imager)

    with pytest.raises(Invalid, match="is retired since"):
        a_built_in_part(by=imager, part=part)


def test_a_part_that_is_built_in_is_not_retired(imager):
    installation = a_built_in_part(by=imager)

    with pytest.raises(NotReady, match="Remove it there first"):
        upkeep.retire(installation.component, by=imager)


def test_the_newest_swap_says_what_was_mounted_before(imager):
    a_swap(by=imager, to="1.3x", ago=9)
    a_swap(by=imager, to="2x", ago=5)

    swap = a_swap(by=imager, to="1.1x", ago=1)

    assert swap.old.name == "2x"
    assert instruments.mounted_objective(scope()).name == "1.1x"


def test_a_swap_entered_late_follows_what_was_mounted_then(imager):
    a_swap(by=imager, to="1.3x", ago=9)
    a_swap(by=imager, to="2x", ago=2)

    late = a_swap(by=imager, to="1.1x", ago=5)

    assert late.old.name == "1.3x"


def test_what_is_mounted_is_not_mounted_again(imager):
    a_swap(by=imager, to="1.3x")

    with pytest.raises(Invalid, match="mounted already, by imager"):
        a_swap(by=imager, to="1.3x")


def test_an_objective_of_another_microscope_is_refused(imager):
    foreign = scope("smartspim").objectives.first()
    swap = ObjectiveSwap(microscope=scope(), new=foreign, swapped_on=days_ago(1))

    with pytest.raises(Invalid, match="belongs to SmartSPIM"):
        upkeep.note_swap(swap, by=imager)


def test_maintenance_entered_twice_is_refused_with_field_and_row(imager):
    a_maintenance(by=imager, ago=1)

    with pytest.raises(Invalid, match="imager entered this already: Cleaning of") as refusal:
        a_maintenance(by=imager, ago=1)

    assert set(refusal.value.fields) == {"performed_on"}
    assert MaintenanceEntry.objects.count() == 1


def test_a_day_to_come_is_no_maintenance_done(imager):
    with pytest.raises(Invalid, match="This day is to come"):
        a_maintenance(by=imager, ago=-1)


def test_the_laser_list_has_the_items_of_a_laser(imager):
    items = upkeep.checklist_of("Laser service", {"coolant changed"}, ["mirror", " mirror "])

    entry = a_maintenance(by=imager, kind="Laser service", checklist=[list(i) for i in items])

    assert len(upkeep.CHECKLISTS["Laser service"]) == 6
    assert ["coolant changed", True] in entry.checklist
    assert ["PZT checked", False] in entry.checklist
    assert entry.checklist[-1] == ["mirror", True]


@pytest.mark.parametrize("wrong", ["text", [["a", "b"]], [["", True]], [[1, True]], [["a"]], {}])
def test_a_checklist_that_is_none_is_refused(imager, wrong):
    with pytest.raises(Invalid, match="at most 30 items"):
        a_maintenance(by=imager, checklist=wrong or {"a": 1})


def test_maintenance_of_a_part_that_was_never_here_is_refused(imager):
    with pytest.raises(Invalid, match="was never built into"):
        a_maintenance(by=imager, component=a_part(by=imager))


def test_a_measurement_entered_twice_is_refused(imager):
    a_calibration(by=imager, value=6.1)

    with pytest.raises(Invalid, match="entered this already"):
        a_calibration(by=imager, value=6.1)

    assert Calibration.objects.count() == 1


def test_a_figure_that_is_no_number_is_refused(imager):
    with pytest.raises(Invalid, match="Give a number"):
        a_calibration(by=imager, value=float("nan"))


def test_a_file_outside_the_data_root_is_refused(imager):
    with pytest.raises(Invalid, match="not a path below the data root"):
        a_calibration(by=imager, file="../etc/passwd")


def test_an_outage_that_is_reported_already_is_named(imager):
    an_outage(by=imager, reason="No laser")

    with pytest.raises(Invalid, match="imager reported this already"):
        an_outage(by=imager, reason=" No laser ")


def test_an_outage_ends_at_once(imager):
    outage = an_outage(by=imager, begins_in=-1)

    upkeep.end_outage(outage, by=imager)

    assert instruments.status_of(scope(), timezone.now()).is_fine


def test_an_outage_ends_once(imager):
    outage = an_outage(by=imager, begins_in=-1)
    same = Outage.objects.get(pk=outage.pk)
    upkeep.end_outage(outage, by=imager)

    with pytest.raises(StaleState, match="ended this outage a moment ago"):
        upkeep.end_outage(same, by=imager)


def test_a_planned_outage_is_called_off_and_its_trace_stays(imager):
    outage = an_outage(by=imager, begins_in=24, reason="Service")

    upkeep.end_outage(outage, by=imager)

    assert not Outage.objects.exists()
    assert Event.objects.get(kind="microscope").verb == "outage called off"


def test_an_end_before_the_beginning_is_refused(imager):
    now = timezone.now()
    wrong = Outage(
        microscope=scope(), severity="down", reason="x", starts_at=now + timedelta(days=2),
        ends_at=now + timedelta(days=1),
    )  # fmt: skip

    with pytest.raises(Invalid, match="before the beginning"):
        upkeep.report_outage(wrong, by=imager)


def test_a_status_other_than_operational_needs_a_reason(imager):
    with pytest.raises(Invalid, match="Say why"):
        upkeep.set_status(scope(), "down", note=" ", by=imager)


def test_a_manager_keeps_instruments_too(manager):
    assert an_outage(by=manager).reported_by == manager


@pytest.mark.parametrize("act", [an_outage, a_part, a_maintenance, a_calibration])
def test_others_enter_nothing(act, clearer):
    with pytest.raises(NotAllowed, match="Only imaging staff and managers"):
        act(by=clearer)


def test_every_entry_leaves_an_event_with_its_person(imager):
    installation = a_built_in_part(by=imager)
    upkeep.remove(installation, by=imager)
    a_swap(by=imager, to="1.3x")

    verbs = list(Event.objects.filter(by=imager).order_by("id").values_list("kind", "verb"))

    assert verbs == [
        ("component", "created"),
        ("componentinstallation", "installed"),
        ("componentinstallation", "removed"),
        ("objectiveswap", "swapped"),
    ]


def test_a_correction_says_what_it_was(imager):
    entry = a_calibration(by=imager, value=61.0)

    upkeep.correct(entry, {"value": 6.1}, by=imager)

    assert Calibration.objects.get().value == 6.1
    assert Event.objects.latest("id").note == "value: 61.0 → 6.1"


def test_a_correction_does_not_undo_a_colleagues(imager, manager):
    entry = a_calibration(by=imager, value=61.0)
    seen = Event.objects.latest("id").pk
    upkeep.correct(entry, {"value": 6.1}, by=manager, seen=seen)

    with pytest.raises(StaleState, match="changed this while your page was open"):
        upkeep.correct(entry, {"value": 6.2}, by=imager, seen=seen)


def test_a_removal_that_is_taken_back_counts_as_built_in_again(imager):
    installation = a_built_in_part(by=imager)
    upkeep.remove(installation, by=imager)

    upkeep.correct(installation, {"removed_on": None}, by=imager)

    with pytest.raises(Invalid, match="Remove it there first"):
        a_built_in_part(by=imager, part=installation.component, on="smartspim", ago=0)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_people_at_once_build_a_part_into_one_place(imager, manager):
    part = a_part(by=imager)

    found = at_once(
        lambda: a_built_in_part(by=imager, part=part),
        lambda: a_built_in_part(by=manager, part=part, on="smartspim"),
    )

    assert len(refusals(found)) == 1
    assert ComponentInstallation.objects.exclude(active_key=None).count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_button_pressed_twice_at_once_logs_once(imager):
    found = at_once(lambda: a_maintenance(by=imager), lambda: a_maintenance(by=imager))

    assert len(refusals(found)) == 1
    assert MaintenanceEntry.objects.count() == 1
