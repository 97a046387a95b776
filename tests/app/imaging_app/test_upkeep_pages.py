"""The forms of an instrument's page: what is typed is taken, or shown again with what is wrong."""

import pytest

from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    ObjectiveSwap,
    Outage,
    Wavelength,
)
from tests.support.console import HOSTILE, browser_of, words_of
from tests.support.instruments import a_built_in_part, a_part, an_outage, days_ago, scope

pytestmark = pytest.mark.django_db
PAGE = "/imaging/instruments/lavision/"


@pytest.fixture
def keeper(imager):
    return browser_of(imager)


def enter(browser, entry, **typed):
    data = {name.replace("__", "-"): value for name, value in typed.items()}
    prefixed = {k if k.startswith("new-") else f"{entry}-{k}": v for k, v in data.items()}
    return browser.post(f"{PAGE}enter/{entry}/", prefixed, follow=True)


def test_an_outage_begins_now_unless_a_time_is_given(keeper, imager):
    page = words_of(enter(keeper, "outage", severity="down", reason="No laser"))

    outage = Outage.objects.get()
    assert (outage.reported_by, outage.ends_at) == (imager, None)
    assert "Down No laser" in page


def test_times_are_those_of_the_facility(keeper, settings):
    settings.TIME_ZONE = "UTC"
    enter(
        keeper, "outage", severity="limited", reason="Service", starts_at="2090-03-24T09:00",
        ends_at="2090-03-24T12:00",
    )  # fmt: skip

    assert Outage.objects.get().starts_at.isoformat().startswith("2090-03-24T09:00")


def test_what_was_typed_survives_a_refusal(keeper):
    answer = enter(keeper, "outage", severity="down", reason=f"{HOSTILE} broken", ends_at="2020")

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Give date and time, such as 2026-03-24 09:00." in words_of(answer)
    assert "broken" in text
    assert "<script>alert" not in text
    assert not Outage.objects.exists()


def test_an_outage_without_a_reason_is_refused_beside_the_field(keeper):
    answer = enter(keeper, "outage", severity="down", reason=" ")

    assert "reason" in answer.context["entries"]["outage"]["form"].errors


def test_one_button_ends_an_outage(keeper, imager):
    outage = an_outage(by=imager, begins_in=-1)

    keeper.post(f"/imaging/instruments/outages/{outage.pk}/end/")

    outage.refresh_from_db()
    assert outage.ends_at is not None


def test_the_status_is_set_with_its_reason(keeper):
    enter(keeper, "status", status="limited", reason="One arm")

    assert (scope().status, scope().status_note) == ("limited", "One arm")


def test_a_status_without_a_reason_keeps_what_was_chosen(keeper):
    answer = enter(keeper, "status", status="down", reason="")

    assert answer.status_code == 422
    assert answer.context["entries"]["status"]["form"]["status"].value() == "down"


def test_laser_service_is_logged_with_its_list_and_other_items(keeper, imager):
    installation = a_built_in_part(by=imager)

    enter(
        keeper, "maintenance", listed_kind="Laser service", component=installation.component_id,
        done=["Laser service: coolant changed", "Cleaning: windows wiped"], others="fan replaced",
        performed_on=str(days_ago(0)), downtime_minutes="30", next_due_on=str(days_ago(-90)),
    )  # fmt: skip

    entry = MaintenanceEntry.objects.get()
    assert (entry.kind, entry.component, entry.performed_by) == (
        "Laser service", installation.component, imager
    )  # fmt: skip
    assert ["coolant changed", True] in entry.checklist
    assert ["laser filter cleaned", False] in entry.checklist
    assert entry.checklist[-1] == ["fan replaced", True]
    assert len(entry.checklist) == 7


def test_other_maintenance_is_named_in_words(keeper):
    refused = enter(keeper, "maintenance", listed_kind="other", performed_on=str(days_ago(0)))
    enter(
        keeper, "maintenance", listed_kind="other", kind="New  door", performed_on=str(days_ago(0))
    )

    assert "Say what was done" in words_of(refused)
    assert MaintenanceEntry.objects.get().kind == "New door"


def test_maintenance_logged_twice_says_which_entry_is_there(keeper):
    typed = {"listed_kind": "Cleaning", "performed_on": str(days_ago(1)), "notes": "Twice"}
    enter(keeper, "maintenance", **typed)

    answer = enter(keeper, "maintenance", **typed)

    assert answer.status_code == 422
    assert "imager entered this already: Cleaning of LaVision" in words_of(answer)
    assert "Twice" in answer.content.decode()


def test_a_new_part_is_described_and_built_in_at_once(keeper):
    enter(
        keeper, "part", component="", position="slot 3", installed_on=str(days_ago(2)),
        new__kind="filter", new__name="Band pass", new__serial="F-1",
    )  # fmt: skip

    found = ComponentInstallation.objects.get()
    assert (found.component.name, found.position) == ("Band pass", "slot 3")
    assert found.active_key == f"component:{found.component_id}"


def test_a_new_part_that_is_known_names_the_row_and_keeps_what_was_typed(keeper, imager):
    a_part(by=imager, name="Laser 488", serial="L-1")

    answer = enter(
        keeper, "part", component="", position="slot 3", installed_on=str(days_ago(2)),
        new__kind="laser", new__name="Laser 488", new__serial="L-1",
    )  # fmt: skip

    assert answer.status_code == 422
    assert "“Laser 488” with serial number L-1 already" in words_of(answer)
    assert 'value="slot 3"' in answer.content.decode()
    assert Component.objects.count() == 1


def test_a_part_that_somebody_built_in_meanwhile_says_where(keeper, imager):
    part = a_built_in_part(by=imager, on="smartspim").component

    answer = enter(keeper, "part", component=part.pk, installed_on=str(days_ago(0)))

    assert answer.status_code == 422
    assert "is built into SmartSPIM (left arm)" in words_of(answer)


def test_a_part_is_removed_on_the_day_that_is_given(keeper, imager):
    installation = a_built_in_part(by=imager, ago=9)

    keeper.post(
        f"/imaging/instruments/parts/{installation.pk}/remove/", {"removed_on": str(days_ago(3))}
    )

    installation.refresh_from_db()
    assert (installation.removed_on, installation.active_key) == (days_ago(3), None)


def test_a_day_that_is_none_removes_nothing(keeper, imager):
    installation = a_built_in_part(by=imager)

    answer = keeper.post(
        f"/imaging/instruments/parts/{installation.pk}/remove/", {"removed_on": "soon"}, follow=True
    )

    installation.refresh_from_db()
    assert "Give a day, such as" in words_of(answer)
    assert installation.removed_on is None


def test_a_change_of_objective_is_noted(keeper, imager):
    new = scope().objectives.get(name="2x")

    enter(keeper, "swap", new=new.pk, swapped_on=str(days_ago(0)), calibration="Beads")

    swap = ObjectiveSwap.objects.get()
    assert (swap.new, swap.old, swap.swapped_by) == (new, None, imager)


def test_a_measurement_is_entered(keeper):
    line = Wavelength.objects.get(microscope=scope(), name="488")

    enter(
        keeper, "calibration", kind="laser power", value="92.5", wavelength=line.pk,
        measured_on=str(days_ago(0)),
    )  # fmt: skip

    assert Calibration.objects.get().value == 92.5


def test_a_line_of_another_microscope_is_not_offered(keeper):
    foreign = Wavelength.objects.get(microscope=scope("smartspim"), name="488")

    answer = enter(
        keeper, "calibration", kind="laser power", value="92.5", wavelength=foreign.pk,
        measured_on=str(days_ago(0)),
    )  # fmt: skip

    assert answer.status_code == 422
    assert not Calibration.objects.exists()


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "much"])
def test_a_value_that_is_no_number_is_refused(keeper, value):
    answer = enter(
        keeper, "calibration", kind="laser power", value=value, measured_on=str(days_ago(0))
    )

    assert answer.status_code == 422


@pytest.mark.parametrize(
    "entry", ["outage", "maintenance", "part", "swap", "calibration", "status"]
)
def test_nothing_typed_is_refused_and_breaks_nothing(keeper, entry):
    assert enter(keeper, entry).status_code == 422


def test_an_entry_of_no_kind_is_not_found(keeper):
    assert keeper.post(f"{PAGE}enter/nothing/").status_code == 404


def test_who_does_not_keep_instruments_is_told_so(clearer):
    answer = enter(browser_of(clearer), "outage", severity="down", reason="x")

    assert "Only imaging staff and managers look after the instruments." in words_of(answer)
    assert not Outage.objects.exists()


@pytest.mark.parametrize(
    ("entry", "typed", "words"),
    [
        ("outage", {"severity": "down", "reason": "x", "ends_at": "9999-12-31T23:59"}, "too far"),
        ("outage", {"severity": "down", "reason": "x", "starts_at": "9999-12-31T23:59"}, "too far"),
        ("calibration", {"kind": "laser power", "value": "1e308"}, "Give a number"),
        ("calibration", {"kind": "laser power", "value": "5e-324"}, "Give a number"),
        ("maintenance", {"listed_kind": "Cleaning", "downtime_minutes": "9" * 25}, "a year"),
    ],
)
def test_figures_beyond_all_measure_are_refused_in_words(keeper, settings, entry, typed, words):
    settings.TIME_ZONE = "America/New_York"
    days = {"measured_on": days_ago(1), "performed_on": days_ago(1)}

    answer = enter(keeper, entry, **days, **typed)

    assert answer.status_code == 422
    assert words in words_of(answer)
