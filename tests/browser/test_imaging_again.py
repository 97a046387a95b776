"""Asking for imaging again in a real browser: the dialog, many samples at once, keys, the phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from core_app.models import User
from imaging_app.models import ImagingRequest, ImagingResolution
from processing_app.models import ProcessingResolution
from requests_app import again
from requests_app.models import Request
from tests.support.browser import accessibility_problems
from tests.support.scenarios import a_cleared_request, a_plan, a_sample_plan

Opened = Callable[..., Page]
NAMES = ("sample-001", "sample-002", "sample-003")


@pytest.fixture
def cleared(site: object, researcher: User, clearer: User) -> Request:
    samples = tuple(a_sample_plan(name) for name in NAMES)
    return a_cleared_request(researcher, clearer=clearer, plan=a_plan(samples=samples))


@pytest.fixture
def form(page: Opened, cleared: Request, researcher: User) -> Page:
    opened = page(researcher)
    opened.goto(again.address_of(cleared))
    return opened


def choose(page: Page, place: int, objective: str) -> None:
    page.locator(f"#imaging-{place}").click()
    head = page.locator(".imaging-head").filter(
        has=page.locator("strong", has_text=objective).first
    )
    head.filter(has_text=objective).get_by_role("checkbox").first.check()


def apply(page: Page, words: str = "Apply to this sample") -> None:
    page.get_by_role("button", name=words, exact=True).click()


@pytest.mark.timeout(180)
def test_three_samples_are_asked_for_in_the_dialog(form: Page, cleared: Request) -> None:
    choose(form, 0, "1.3x")
    expect(form.get_by_label("1.3x 488 Register")).to_be_checked()
    form.get_by_label("1.3x 647 Cells").check()
    apply(form)
    form.locator("#tick-1").check()
    form.get_by_role("button", name="Same for all ticked samples").click()
    choose(form, 2, "15x")
    expect(form.get_by_label("Notes for the processor")).to_have_count(0)
    form.get_by_label("15x 642 Just image").check()
    apply(form)
    expect(form.locator("#again-count")).to_have_text("3 samples ticked.")
    assert accessibility_problems(form) == []

    form.get_by_role("button", name="Ask for imaging").click()
    form.wait_for_url(f"**/requests/{cleared.folder}/")

    rows = ImagingResolution.objects.filter(imaging_request__number=2)
    found = rows.order_by("imaging_request__sample__position").values_list(
        "imaging_request__sample__name", "objective__name"
    )
    assert list(found) == [(NAMES[0], "1.3x"), (NAMES[1], "1.3x"), (NAMES[2], "15x")]
    expect(form.get_by_text("Imaging round 2 of 3 samples is asked for.")).to_be_visible()
    assert not form.problems  # type: ignore[attr-defined]  # set by the fixture


def test_the_same_for_all_replaces_and_copies_every_field(form: Page) -> None:
    choose(form, 1, "1.3x")
    apply(form)
    choose(form, 0, "4x")
    form.get_by_label("4x 488 Just image").check()
    form.get_by_label("Notes for the imager").fill("cortex only")
    form.get_by_label("Notes for the processor").fill("mind the tear")
    form.get_by_label("Atlas").select_option("paxinos")
    form.get_by_label("Orientation").select_option("coronal")
    apply(form)

    form.get_by_role("button", name="Same for all ticked samples").click()

    expect(form.locator("#imaging-1")).to_have_text("4x: 488 image")
    form.get_by_role("button", name="Ask for imaging").click()
    expect(form.get_by_text("Imaging round 2 of 2 samples is asked for.")).to_be_visible()
    rows = ProcessingResolution.objects.filter(processing_request__imaging_request__number=2)
    found = rows.values_list(
        "resolution__objective__name", "resolution__notes_for_imager", "notes_for_processor",
        "atlas__name", "final_orientation",
    )  # fmt: skip
    assert list(found) == [("4x", "cortex only", "mind the tear", "paxinos", "coronal")] * 2


def test_41_registration_is_ticked_at_once_at_both_objectives_for_it(form: Page) -> None:
    choose(form, 0, "1.1x")

    expect(form.get_by_label("1.1x 488 Register")).to_be_checked()
    expect(form.get_by_label("1.1x 647 Register")).to_be_disabled()


def test_what_was_imaged_before_is_taken_over(form: Page) -> None:
    form.get_by_role("button", name="Tick all").click()
    form.get_by_role("button", name="As before, for all ticked samples").click()

    expect(form.locator("#imaging-2")).to_have_text("1.3x: 488 reg")


def test_a_refusal_keeps_everything_and_leads_to_its_place(form: Page) -> None:
    choose(form, 1, "2x")
    form.get_by_label("Notes for the imager").fill("cortex only")
    apply(form)
    form.locator("#tick-0").check()
    form.get_by_role("button", name="Ask for imaging").click()

    expect(form.get_by_text("2 things to correct")).to_be_visible()
    form.get_by_role("link", name="Sample 2 (sample-002), imaging").click()
    expect(form.locator("#imaging-1")).to_be_focused()
    form.keyboard.press("Enter")
    expect(form.get_by_label("Notes for the imager")).to_have_value("cortex only")
    assert not ImagingRequest.objects.filter(number=2).exists()


def test_it_is_done_by_keyboard_alone(form: Page, cleared: Request) -> None:
    form.locator("#imaging-0").focus()
    form.keyboard.press("Enter")
    form.locator(".imaging-head", has_text="1.3x").get_by_role("checkbox").focus()
    form.keyboard.press("Space")
    form.get_by_role("button", name="Apply to this sample").focus()
    form.keyboard.press("Enter")
    expect(form.locator("#imaging-0")).to_be_focused()
    expect(form.locator("#tick-0")).to_be_checked()
    form.get_by_role("button", name="Ask for imaging").focus()
    form.keyboard.press("Enter")
    form.wait_for_url(f"**/requests/{cleared.folder}/")

    assert again.last_number(cleared) == 2


def test_it_fits_the_phone_in_the_dark(page: Opened, cleared: Request, researcher: User) -> None:
    phone = page(researcher, viewport="phone", scheme="dark")
    phone.goto(again.address_of(cleared))

    choose(phone, 0, "1.3x")

    width = "document.documentElement.scrollWidth - window.innerWidth"
    assert phone.evaluate(width) <= 0
    assert accessibility_problems(phone) == []
    apply(phone, "Apply to all 3")
    expect(phone.locator("#again-count")).to_have_text("3 samples ticked.")
    assert phone.evaluate(width) <= 0
    assert accessibility_problems(phone) == []
