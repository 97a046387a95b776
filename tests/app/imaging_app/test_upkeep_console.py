"""Instruments in the staff console: the same services as the pages, with results for each."""

import pytest

from core_app.models import Event
from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    Microscope,
    Outage,
    Wavelength,
)
from tests.app.rights.test_console import form_of
from tests.support.console import answer, browser_of, page_of, press, words_of
from tests.support.instruments import (
    a_built_in_part,
    a_calibration,
    a_maintenance,
    a_part,
    an_outage,
    days_ago,
    scope,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(imager):
    return browser_of(imager)


def test_the_status_of_several_is_set_with_a_reason_and_a_result_for_each(console):
    first, second = scope(), scope("smartspim")

    asked = press(console, "set_status", first, second)
    answered = answer(console, "set_status", first, second, status="down", reason="Water damage")

    assert "Set the status of these microscopes?" in words_of(asked)
    assert "2 now down." in words_of(answered)
    assert {m.status_note for m in Microscope.objects.all()} == {"Water damage"}
    assert Event.objects.filter(kind="microscope", verb="status").count() == 2


def test_a_status_without_a_reason_is_asked_again(console):
    answered = answer(console, "set_status", scope(), status="down", reason="")

    assert "Say why" in words_of(answered)
    assert scope().status == "operational"


def test_a_status_that_holds_already_is_refused_by_itself(console):
    answer(console, "set_status", scope(), status="limited", reason="One arm")

    answered = answer(
        console, "set_status", scope(), scope("smartspim"), status="limited", reason="One arm"
    )

    assert "is limited already" in words_of(answered)
    assert scope("smartspim").status == "limited"


def test_outages_are_ended_together_and_those_that_are_over_are_refused(console, imager):
    over = an_outage(by=imager, begins_in=-2, reason="Old")
    press(console, "end_outages", over)
    running = an_outage(by=imager, begins_in=-1, reason="New")

    answered = press(console, "end_outages", over, running)

    assert "is over since" in words_of(answered)
    assert not Outage.objects.filter(ends_at=None).exists()


def test_an_outage_is_reported_in_the_console(console, imager):
    console.post(
        page_of(Outage, "add"),
        {
            "microscope": scope().pk, "severity": "down", "reason": "No laser",
            "starts_at_0": "2026-03-24", "starts_at_1": "09:00",
        },
    )  # fmt: skip

    assert Outage.objects.get().reported_by == imager
    assert Event.objects.get(kind="outage").verb == "reported"


def test_a_double_in_the_console_is_refused_in_words_and_keeps_what_was_typed(console, imager):
    a_part(by=imager, name="Laser 488", serial="L-1")
    typed = {
        "kind": "laser", "name": "Laser 488", "serial": "L-1", "brand": "A brand",
        "installations-TOTAL_FORMS": 0, "installations-INITIAL_FORMS": 0,
    }  # fmt: skip

    answered = console.post(page_of(Component, "add"), typed)

    assert answered.status_code == 200
    assert "“Laser 488” with serial number L-1 already" in words_of(answered)
    assert "A brand" in answered.content.decode()


def test_a_part_that_is_built_in_elsewhere_is_refused_with_the_place(console, imager):
    part = a_built_in_part(by=imager).component

    answered = console.post(
        page_of(ComponentInstallation, "add"),
        {
            "component": part.pk, "microscope": scope("smartspim").pk,
            "installed_on": str(days_ago(0)),
        },
    )  # fmt: skip

    assert "built into LaVision light sheet (left arm)" in words_of(answered)
    assert ComponentInstallation.objects.count() == 1


def test_a_correction_keeps_what_was_in_the_history(console, imager):
    row = a_calibration(by=imager, value=61.0)
    address = page_of(Calibration, "change", row.pk)

    seen = Event.objects.latest("id").pk
    console.post(address, {**form_of(console, address), "value": "6.1", "seen": seen})

    assert Calibration.objects.get().value == 6.1
    assert "value: 61.0 → 6.1" in words_of(console.get(address))


def test_who_measured_and_where_is_not_changed_afterwards(console, imager):
    row = a_calibration(by=imager)
    address = page_of(Calibration, "change", row.pk)

    console.post(address, {**form_of(console, address), "microscope": scope("smartspim").pk})

    assert Calibration.objects.get().microscope == scope()


def test_items_are_lines_of_text_and_an_untouched_list_stays(console, imager):
    row = a_maintenance(by=imager, checklist=[["windows wiped", True], ["pump checked", False]])
    address = page_of(MaintenanceEntry, "change", row.pk)
    before = form_of(console, address)

    console.post(address, {**before, "checklist": f"{before['checklist']}\nlid closed"})

    row.refresh_from_db()
    assert before["checklist"] == "windows wiped\n- pump checked"
    assert row.checklist == [["windows wiped", True], ["pump checked", False], ["lid closed", True]]


def test_parts_are_removed_and_retired_from_their_lists(console, imager):
    installation = a_built_in_part(by=imager)

    refused = words_of(press(console, "retire_components", installation.component))
    press(console, "remove_today", installation)
    press(console, "retire_components", installation.component)

    assert "Remove it there first" in refused
    assert Component.objects.get().retired_on is not None


@pytest.mark.parametrize(
    ("due", "expected"), [("overdue", 1), ("week", 2), ("any", 3), ("nonsense", 4)]
)
def test_maintenance_is_filtered_by_what_is_due(console, imager, due, expected):
    a_maintenance(by=imager, kind="A", due_in=-1)
    a_maintenance(by=imager, kind="B", due_in=3)
    a_maintenance(by=imager, kind="C", due_in=60)
    a_maintenance(by=imager, kind="D")

    answered = console.get(page_of(MaintenanceEntry, "changelist"), {"due": due})

    assert answered.context["cl"].result_count == expected


@pytest.mark.parametrize(
    "model", [Component, ComponentInstallation, MaintenanceEntry, Calibration, Outage]
)
def test_lists_are_searched_and_filtered(console, imager, model):
    a_maintenance(by=imager, component=a_built_in_part(by=imager).component)
    a_calibration(by=imager)
    an_outage(by=imager)

    answered = console.get(page_of(model, "changelist"), {"q": "laser"})

    assert answered.status_code == 200


def test_equal_lines_of_other_microscopes_only_are_offered(console):
    page = console.get(page_of(Microscope, "change", scope().pk))

    form = page.context["inline_admin_formsets"][0].formset.forms[0]
    offered = {line.microscope.name for line in form.fields["equivalents"].queryset}
    assert offered == {"smartspim"}


def test_equal_lines_are_saved_for_both(console):
    address = page_of(Microscope, "change", scope().pk)
    red = Wavelength.objects.get(name="642")
    typed = form_of(console, address)
    first = next(name for name in typed if name.endswith("-name") and typed[name] == "488")

    console.post(address, {**typed, first.replace("-name", "-equivalents"): [red.pk]})

    assert Wavelength.objects.get(microscope=scope(), name="488") in red.equivalents.all()
    assert "line 488 nm (642 nm)" in Event.objects.latest("id").note


@pytest.mark.parametrize("name", ["two words", "a/b", ""])
def test_a_name_that_cannot_stand_in_an_address_is_refused(console, name):
    address = page_of(Microscope, "change", scope().pk)

    answered = console.post(address, {**form_of(console, address), "name": name})

    assert answered.status_code == 200
    assert Microscope.objects.filter(name="lavision").exists()


def test_a_line_twice_is_refused_beside_the_line(console):
    address = page_of(Microscope, "change", scope().pk)
    typed = form_of(console, address)
    second = next(name for name in typed if name.endswith("-name") and typed[name] == "555")

    answered = console.post(address, {**typed, second: "488"})

    assert answered.status_code == 200
    assert Wavelength.objects.filter(microscope=scope(), name="488").count() == 1


def test_the_pixel_and_its_formula_are_shown(console):
    page = words_of(console.get(page_of(Microscope, "change", scope().pk)))

    assert "5.909" in page
    assert "Camera pixel / (magnification × zoom)" in page
