"""An imager at the page of a batch: parameters, channels, the other objective; on a phone too."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from core_app.models import User
from imaging_app.models import ImagingBatch
from tests.app.imaging_app.batch_help import a_batch, channel, channels, entered, place
from tests.support.browser import accessibility_problems

Opened = Callable[..., Page]


@pytest.fixture
def batch(page: Opened, researcher: User, clearer: User, imager: User) -> ImagingBatch:
    return a_batch(researcher, clearer, imager)


def address(batch: ImagingBatch) -> str:
    return f"/imaging/batches/{batch.pk}/"


def test_parameters_are_applied_and_a_channel_is_added_and_imaged_ventral_up(
    page: Opened, batch: ImagingBatch, imager: User
) -> None:
    desk = page(imager)
    desk.goto(address(batch))
    row = desk.locator(f"#{place('488 at 1.3x').key}")

    row.get_by_label("z step (µm)").fill("5.5")
    desk.get_by_role("button", name="Apply to all samples").click()
    expect(desk.get_by_text("The parameters are applied: s1, s2.")).to_be_visible()
    desk.get_by_text("Add a channel…").click()
    desk.get_by_label("Channel", exact=True).select_option(label="647")
    desk.get_by_label("cell detection").locator("visible=true").check()
    desk.get_by_role("button", name="Add a channel").click()
    expect(desk.get_by_text("647 at 1.3x is added: s1, s2.")).to_be_visible()
    row.get_by_text("Image ventral up too…").click()
    row.get_by_role("button", name="Image ventral up too").click()
    expect(desk.get_by_text("488 ventral up at 1.3x is added: s1, s2.")).to_be_visible()

    assert channel("s2", "488 at 1.3x").z_step_um == 5.5
    assert channel("s1", "647 at 1.3x").purposes == ("cell_detection",)
    assert channels("s1") == channels("s2")
    assert accessibility_problems(desk) == []
    assert desk.problems == []  # type: ignore[attr-defined]  # set by the fixture


def test_what_is_typed_survives_another_button(
    page: Opened, batch: ImagingBatch, imager: User
) -> None:
    desk = page(imager)
    desk.goto(address(batch))
    row = desk.locator(f"#{place('488 at 1.3x').key}")

    row.get_by_label("z step (µm)").fill("7.5")
    desk.locator(f"#{place('555 at 1.3x').key}").get_by_text("Remove…").click()
    desk.locator(f"#{place('555 at 1.3x').key}").get_by_role("button", name="Remove").click()

    expect(desk.get_by_text("What you typed before is here again.")).to_be_visible()
    expect(row.get_by_label("z step (µm)")).to_have_value("7.5")
    assert channel("s1", "488 at 1.3x").z_step_um == 10.0


def test_the_objective_is_changed_on_a_phone_by_keyboard(
    page: Opened, batch: ImagingBatch, imager: User
) -> None:
    entered("s1", "488 at 1.3x", by=imager, z_step_um=5.0)
    phone = page(imager, viewport="phone", scheme="dark")
    phone.goto(address(batch))

    width = phone.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    before = accessibility_problems(phone)
    phone.get_by_text("Change the objective…").press("Enter")
    phone.get_by_label("New objective").select_option(label="3.6x (SmartSPIM)")
    phone.get_by_role("button", name="Change the objective").press("Enter")
    expect(phone.get_by_role("heading", name="3.6x")).to_be_visible()

    assert (width, before) == (0, [])
    assert channels("s1") == channels("s2") == ["488 at 3.6x", "561 at 3.6x"]
