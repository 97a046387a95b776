"""The bench with two people, with a phone that loses the network, and on paper."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from core_app.models import User
from core_app.roles import Role
from requests_app.models import ClearingBatch
from requests_app.services import clearing
from tests.support.browser import accessibility_problems
from tests.support.people import a_person
from tests.support.scenarios import a_batch_being_cleared, a_waiting_batch

Opened = Callable[..., Page]
SOON = 12_000  # the page asks every five seconds


def address(batch: ClearingBatch) -> str:
    return f"/clearing/batches/{batch.pk}/"


@pytest.fixture
def batch(page: Opened, researcher: User, clearer: User) -> ClearingBatch:
    return a_batch_being_cleared(researcher, by=clearer)


def logged(batch: ClearingBatch) -> list[tuple[str, str]]:
    return [(log.step.slug, log.by.username) for log in batch.log.select_related("step", "by")]


def test_from_the_queue_to_the_first_steps_on_a_phone(
    page: Opened, researcher: User, clearer: User
) -> None:
    batch = a_waiting_batch(researcher)
    phone = page(clearer, viewport="phone", scheme="dark")

    phone.goto("/clearing/")
    phone.get_by_role("link", name="Receive and start").click()
    phone.get_by_role("button", name="The tubes are here: receive them and start").click()
    phone.get_by_role("button", name="Done now").first.click()
    expect(phone.locator("#current-title")).to_have_text("PBS wash 2")
    phone.goto("/clearing/today/")
    phone.get_by_role("button", name=re.compile("Done now: PBS wash 2")).click()
    phone.wait_for_url("**/clearing/today/**")

    assert logged(batch) == [("pbs_wash1", "clearer"), ("pbs_wash2", "clearer")]
    assert accessibility_problems(phone) == []


def test_an_entry_without_network_is_kept_over_a_reload_and_sent_once(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    phone = page(clearer, viewport="phone")
    phone.goto(address(batch))

    phone.context.set_offline(True)
    phone.get_by_role("button", name="Done now").first.click()
    expect(phone.locator("#unsent")).to_contain_text("1 entry is waiting to be sent.")
    nothing_yet = logged(batch)
    phone.context.set_offline(False)
    phone.goto(address(batch))
    expect(phone.locator("#unsent")).to_be_hidden(timeout=SOON)
    expect(phone.locator("#current-title")).to_have_text("PBS wash 2", timeout=SOON)

    assert nothing_yet == []
    assert logged(batch) == [("pbs_wash1", "clearer")]


def test_the_next_person_at_the_computer_neither_sees_nor_sends_what_waits(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    colleague = a_person("colleague", role=Role.CLEARER)
    first = page(clearer)
    first.goto(address(batch))
    first.context.set_offline(True)
    first.get_by_role("button", name="Done now").first.click()
    expect(first.locator("#unsent")).to_be_visible()
    kept = first.evaluate("Object.entries(localStorage).filter(([k]) => k.startsWith('bench:'))")

    second = page(colleague)
    second.goto("/clearing/")
    second.evaluate("kept => kept.forEach(([k, v]) => localStorage.setItem(k, v))", kept)
    second.goto(address(batch))
    expect(second.locator("#current-title")).to_have_text("PBS wash 1")
    second.wait_for_timeout(1500)

    assert len(kept) == 1
    assert second.locator("#unsent").is_hidden()
    assert logged(batch) == []


def test_signing_out_asks_and_leaves_nothing_behind(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    desk = page(clearer)
    desk.goto(address(batch))
    desk.context.set_offline(True)
    desk.get_by_role("button", name="Done now").first.click()
    expect(desk.locator("#unsent")).to_be_visible()
    asked: list[str] = []
    desk.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))

    desk.evaluate("document.querySelector('form[action=\"/accounts/logout/\"]').requestSubmit()")
    desk.wait_for_timeout(500)
    desk.context.set_offline(False)
    desk.goto("/accounts/login/")

    kept = desk.evaluate("Object.keys(localStorage).filter((k) => k.startsWith('bench:'))")
    assert asked == ["1 entry was not sent yet. Sign out and throw them away?"]
    assert kept == []


def test_a_second_person_sees_the_firsts_entry_and_keeps_what_they_type(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    colleague = a_person("colleague", role=Role.CLEARER)
    mine, theirs = page(clearer), page(colleague)
    mine.goto(address(batch))
    theirs.goto(address(batch))
    mine.get_by_text("Note, or another time").first.click()
    mine.locator("#now-pbs_wash1-note").fill("half typed")

    theirs.get_by_role("button", name="Done now").first.click()
    told = mine.locator("#bench-told")
    expect(told).to_contain_text("colleague logged: PBS wash 1", timeout=SOON)
    expect(mine.locator("#all-pbs_wash1-note")).to_have_value("half typed")

    assert logged(batch) == [("pbs_wash1", "colleague")]


def test_what_is_ticked_at_the_end_survives_an_entry(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    bench = page(clearer)
    bench.goto(address(batch))
    bench.locator("#complete-left-out").check()

    bench.get_by_role("button", name="Done now").first.click()
    expect(bench.locator("#current-title")).to_have_text("PBS wash 2")

    expect(bench.locator("#complete-left-out")).to_be_checked()


def test_what_is_typed_while_a_colleague_completes_stays_to_be_copied(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    desk = page(clearer)
    desk.goto(address(batch))
    desk.get_by_text("Note, or another time").first.click()
    desk.locator("#now-pbs_wash1-note").fill("words that cost time")

    clearing.complete(batch, by=a_person("colleague", role=Role.CLEARER), skip_missing=True)
    left = desk.locator("#bench-left")
    expect(left).to_contain_text("words that cost time", timeout=SOON)

    assert "your entry was not saved" in left.inner_text()
    assert logged(batch) == []


def test_a_remark_is_saved_as_it_is_typed_and_a_colleagues_is_shown(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    mine, theirs = page(clearer), page(a_person("colleague", role=Role.CLEARER))
    mine.goto(address(batch))
    theirs.goto(address(batch))

    theirs.locator("#remarks textarea").nth(1).fill("theirs")
    expect(theirs.locator("#remark-unusual_clearing-status")).to_contain_text(
        re.compile(r"Saved \d"), timeout=SOON
    )
    mine.locator("#remarks textarea").nth(1).fill("mine")
    status = mine.locator("#remark-unusual_clearing-status")
    expect(status).to_contain_text("What stands there: theirs", timeout=SOON)
    stood = ClearingBatch.objects.get().unusual_clearing
    mine.get_by_role("button", name="Replace it with mine").click()
    expect(status).to_contain_text(re.compile(r"Saved \d"), timeout=SOON)

    assert (stood, ClearingBatch.objects.get().unusual_clearing) == ("theirs", "mine")


def test_a_double_tap_logs_one_step(page: Opened, batch: ClearingBatch, clearer: User) -> None:
    phone = page(clearer, viewport="phone")
    phone.goto(address(batch))

    phone.get_by_role("button", name="Done now").first.dblclick()
    expect(phone.locator("#current-title")).to_have_text("PBS wash 2")
    phone.wait_for_timeout(1000)

    assert logged(batch) == [("pbs_wash1", "clearer")]


def test_on_paper_the_batch_is_a_sheet_with_lines_to_write_on(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    desk = page(clearer)
    desk.goto(address(batch))

    desk.emulate_media(media="print")

    assert desk.locator(".bench-sheet tbody tr:not(.sheet-phase)").count() == 14
    assert desk.locator(".bench-sheet").is_visible()
    assert not desk.get_by_role("button", name="Done now").first.is_visible()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("viewport", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_every_page_of_clearing_is_accessible_and_fits(
    page: Opened, batch: ClearingBatch, clearer: User, viewport: str, scheme: str
) -> None:
    screen = page(clearer, viewport=viewport, scheme=scheme)
    wrong = []
    for place in ("/clearing/today/", f"{address(batch)}plan/", f"{address(batch)}log/", "/feeds/"):
        screen.goto(place)
        width = screen.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        wrong += [f"{place} is {width} pixels too wide"] if width > 0 else []
        wrong += [f"{place}: {finding}" for finding in accessibility_problems(screen)]

    assert wrong + screen.problems == []  # type: ignore[attr-defined]  # set by the fixture


def test_who_logs_out_of_order_stays_at_that_step(
    page: Opened, batch: ClearingBatch, clearer: User
) -> None:
    phone = page(clearer, viewport="phone")
    phone.goto(address(batch))
    phone.locator("#phase-2 > summary").click()
    row = phone.locator("#all-details-dehydr_dcm_wash1")
    row.locator("summary").first.click()

    row.get_by_role("button", name="Done now").click()
    expect(row.locator("summary").first).to_have_text(re.compile("Change"))

    expect(row.locator("summary").first).to_be_in_viewport()
