"""The sample grid in a real browser: fifty samples by paste, fill-down and copy, submitted."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from core_app.models import User
from requests_app.models import Request, Sample
from tests.support.browser import accessibility_problems

Opened = Callable[..., Page]


@pytest.fixture
def grid(page: Opened, researcher: User) -> Page:
    """The second step of a new request with three samples."""
    opened = page(researcher)
    begin(opened, count=3)
    return opened


def begin(page: Page, *, count: int, name: str = "Fifty brains") -> None:
    page.goto("/requests/new/")
    page.get_by_label("Request name").fill(name)
    page.get_by_label("What is it for?").fill("To try the grid.")
    page.get_by_label("Number of samples").fill(str(count))
    page.get_by_role("button", name="Continue to the samples").click()
    page.wait_for_url("**/samples/")


def cell(page: Page, row: int, field: str) -> str:
    value: str = page.locator(f"#cell-{row}-{field}").input_value()
    return value


def paste(page: Page, row: int, field: str, text: str) -> None:
    """Paste as a spreadsheet does: a clipboard event with tabs and line ends."""
    page.locator(f"#cell-{row}-{field}").focus()
    page.evaluate(
        """text => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            const how = { clipboardData: data, bubbles: true, cancelable: true };
            document.activeElement.dispatchEvent(new ClipboardEvent("paste", how));
        }""",
        text,
    )


def saved(page: Page) -> None:
    expect(page.locator("#saved")).to_have_text(re.compile(r"Saved \d\d:\d\d"), timeout=10_000)


@contextmanager
def lost_connection(page: Page) -> Iterator[None]:
    def lose(route: Route) -> None:
        if route.request.method == "POST":
            route.abort()
        else:
            route.continue_()

    page.route("**/drafts/**", lose)
    yield
    page.unroute("**/drafts/**")


def rows_of(name: str = "Fifty brains") -> list[dict[str, object]]:
    draft = Request.objects.get(name=name).draft
    assert draft is not None
    rows: list[dict[str, object]] = draft["samples"]
    return rows


@pytest.mark.timeout(180)
def test_fifty_samples_are_pasted_filled_copied_and_submitted(
    page: Opened, researcher: User
) -> None:
    grid = page(researcher)
    begin(grid, count=1)

    names = "\n".join(f"mouse-{n}\t" for n in range(52))
    paste(grid, 0, "name", names + "\n")
    expect(grid.locator("#grid-help")).to_contain_text("Left out: 2 rows beyond 50 samples")
    grid.locator("#cell-0-expected_handoff_date").fill("2030-01-07")
    grid.keyboard.press("Control+d")
    grid.locator("#cell-0-protocol").select_option("iDISCO+_immuno")
    grid.locator("#cell-0-antibody1").fill("anti-cFos 1:500")
    grid.locator("#cell-0-imaging").click()
    grid.locator(".imaging-head", has_text="1.3x").get_by_role("checkbox").check()
    grid.get_by_label("1.3x 647 Cells").check()
    grid.get_by_role("button", name="Apply to this sample").click()
    grid.get_by_role("button", name="Copy sample 1 to all").click()
    grid.get_by_role("link", name="Continue to the review").click()
    expect(grid.get_by_role("heading", name="1 clearing batch, 50 samples")).to_be_visible()
    grid.get_by_role("button", name="Submit the request").click()
    grid.wait_for_url("**/requests/researcher/Fifty_brains/")

    samples = Sample.objects.order_by("position")
    assert [s.name for s in samples] == [f"mouse-{n}" for n in range(50)]
    assert {str(s.expected_handoff_date) for s in samples} == {"2030-01-07"}
    assert {s.clearing_batch.antibody1 for s in samples} == {"anti-cFos 1:500"}  # type: ignore[union-attr]  # every sample has a batch
    channels = samples[49].imaging_requests.get().resolutions.get().channels.all()
    assert {(c.wavelength.name, c.purposes) for c in channels} == {
        ("488", ("registration",)),
        ("647", ("cell_detection",)),
    }
    assert not grid.problems  # type: ignore[attr-defined]  # set by the fixture


def test_a_block_goes_to_the_right_and_below(grid: Page) -> None:
    paste(grid, 1, "antibody1", "a\tb\t2030-02-01\nc\td\t2030-02-02\n")

    saved(grid)
    rows = rows_of()
    assert [r["antibody1"] for r in rows] == ["", "a", "c"]
    assert [r["antibody2"] for r in rows] == ["", "b", "d"]
    assert [r["expected_handoff_date"] for r in rows] == ["", "2030-02-01", "2030-02-02"]


def test_pasted_imaging_is_read_by_the_server(grid: Page) -> None:
    paste(grid, 0, "imaging", "1.3x: 488 registration\n1.3x: 488 nonsense\n")

    expect(grid.locator("#cell-0-imaging")).to_have_text("1.3x: 488 reg")
    expect(grid.locator("#cell-1-imaging")).to_contain_text("nonsense")


def test_fill_down_copy_and_removal_can_be_undone(grid: Page) -> None:
    grid.locator("#cell-0-notes_for_clearer").fill("gently")
    grid.get_by_role("button", name="Fill down notes for the clearer").click()
    assert cell(grid, 2, "notes_for_clearer") == "gently"
    grid.get_by_label("Select sample 2").check()
    grid.get_by_role("button", name="Remove selected").click()
    expect(grid.locator("tbody tr")).to_have_count(2)

    grid.get_by_role("button", name="Undo: remove 1 sample").click()
    grid.get_by_role("button", name="Undo: fill down").click()

    expect(grid.locator("tbody tr")).to_have_count(3)
    assert [cell(grid, n, "notes_for_clearer") for n in range(3)] == ["gently", "", ""]


def test_copying_sample_1_replaces_all_but_name_and_animal(grid: Page) -> None:
    grid.locator("#cell-0-perfusion_date").fill("2029-12-01")
    grid.locator("#cell-0-subject").fill("m1")
    grid.locator("#cell-2-notes_for_clearer").fill("goes")
    grid.get_by_label("Select sample 3").check()

    grid.get_by_role("button", name="Copy sample 1 to selected").click()

    assert [cell(grid, n, "perfusion_date") for n in range(3)] == ["2029-12-01", "", "2029-12-01"]
    assert [cell(grid, 2, f) for f in ("name", "subject", "notes_for_clearer")] == [
        "Fifty_brains-003", "", "",
    ]  # fmt: skip


def test_the_grid_is_worked_by_keyboard(grid: Page) -> None:
    grid.locator("#cell-0-name").focus()
    grid.keyboard.press("Enter")
    grid.keyboard.press("ArrowDown")
    expect(grid.locator("#cell-2-name")).to_be_focused()
    grid.keyboard.press("ArrowUp")
    grid.keyboard.press("Tab")
    expect(grid.locator("#cell-1-protocol")).to_be_focused()


def test_03_the_dialog_follows_the_rules_of_the_form(grid: Page) -> None:
    grid.locator("#cell-0-imaging").click()
    grid.locator(".imaging-head", has_text="1.3x").get_by_role("checkbox").check()

    expect(grid.get_by_label("1.3x 488 Register")).to_be_checked()
    expect(grid.get_by_label("1.3x 647 Register")).to_be_disabled()
    expect(grid.get_by_label("Orientation (registered: sagittal)")).to_be_disabled()
    grid.get_by_label("1.3x 555 Register").check()
    expect(grid.get_by_label("1.3x 488 Register")).not_to_be_checked()
    grid.locator(".imaging-head", has_text="2x").get_by_role("checkbox").check()
    expect(grid.get_by_label("2x 488 Cells")).to_be_disabled()
    expect(grid.get_by_label("2x 488 Just image")).to_be_enabled()
    for name in ("1.1x", "4x", "3.6x"):
        grid.locator(".imaging-head", has_text=name).get_by_role("checkbox").check()
    expect(grid.locator(".imaging-head", has_text="15x").get_by_role("checkbox")).to_be_disabled()
    assert accessibility_problems(grid) == []


def test_05_imaging_is_applied_to_all_and_replaces_what_was_there(grid: Page) -> None:
    for channel in ("488 Register", "555 Register"):
        grid.locator("#cell-0-imaging").click()
        box = grid.locator(".imaging-head", has_text="1.3x").get_by_role("checkbox")
        box.check()
        grid.get_by_label(f"1.3x {channel}").check()
        grid.get_by_role("button", name="Apply to all 3").click()

    for n in range(3):
        expect(grid.locator(f"#cell-{n}-imaging")).to_have_text("1.3x: 555 reg")


def test_04_06_buttons_for_many_need_more_than_one_sample(grid: Page) -> None:
    expect(grid.get_by_role("button", name="Copy sample 1 to all")).to_be_enabled()

    grid.get_by_role("button", name="Remove sample 3").click()
    grid.get_by_role("button", name="Remove sample 2").click()

    expect(grid.get_by_role("button", name="Copy sample 1 to all")).to_be_disabled()


def test_what_is_wrong_is_marked_and_the_summary_leads_there(grid: Page) -> None:
    grid.get_by_role("button", name="Check the samples").click()

    expect(grid.locator("#grid-found")).to_contain_text("6 things to correct, in 3 samples")
    grid.locator("#grid-found").get_by_role("link", name="2").first.click()
    expect(grid.locator("#cell-1-expected_handoff_date")).to_be_focused()
    expect(grid.locator("#grid-help")).to_contain_text("Say when you will hand this sample in")
    grid.locator("#cell-1-expected_handoff_date").fill("2030-01-07")
    expect(grid.locator("#grid-found")).to_contain_text("5 things to correct")


def test_a_lost_connection_is_said_and_what_was_typed_is_sent_later(grid: Page) -> None:
    with lost_connection(grid):
        grid.locator("#cell-0-notes_for_clearer").fill("typed while offline")
        expect(grid.locator("#saved")).to_have_text("Not saved: retrying")

    expect(grid.locator("#saved")).to_contain_text("Saved ", timeout=15_000)
    assert rows_of()[0]["notes_for_clearer"] == "typed while offline"


@pytest.mark.parametrize(("choice", "kept"), [("Keep mine", "mine"), ("Take the newer", "theirs")])
def test_two_windows_never_overwrite_each_other_unasked(
    grid: Page, page: Opened, researcher: User, choice: str, kept: str
) -> None:
    other = page(researcher)
    other.goto(grid.url)
    other.locator("#cell-0-notes_for_clearer").fill("theirs")
    saved(other)

    grid.locator("#cell-0-notes_for_clearer").fill("mine")
    expect(grid.get_by_text("changed in another window")).to_be_visible()
    assert rows_of()[0]["notes_for_clearer"] == "theirs"
    grid.get_by_role("button", name=choice).click()

    expect(grid.locator("#cell-0-notes_for_clearer")).to_have_value(kept)
    expect(grid.get_by_text("changed in another window")).to_be_hidden()
    grid.wait_for_timeout(500)
    assert rows_of()[0]["notes_for_clearer"] == kept


def test_the_first_step_is_saved_as_it_is_typed(page: Opened, researcher: User) -> None:
    about = page(researcher)
    about.goto("/requests/new/")

    about.get_by_label("Request name").fill("a/b")
    about.keyboard.press("Tab")
    expect(about.get_by_text("Use letters, digits").first).to_be_visible()
    about.wait_for_url("**/drafts/*/")
    about.reload()

    expect(about.get_by_label("Request name")).to_have_value("a/b")
    assert Request.objects.count() == 1


def test_the_next_step_waits_for_every_save_of_a_slow_connection(
    page: Opened, researcher: User
) -> None:
    """A save may be under way behind the one that a press waits for."""
    about, asked = page(researcher), []
    about.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    about.goto("/requests/new/")
    held: list[Route] = []

    def slow(route: Route) -> None:
        is_save = "application/json" in route.request.headers.get("accept", "")
        if route.request.method == "POST" and is_save:
            held.append(route)
        else:
            route.continue_()

    about.route("**/*", slow)  # the draft has an address of its own once it is there
    about.get_by_label("Number of samples").fill("3")
    about.get_by_label("Request name").fill("Fifty brains")
    under_way(about, held)
    about.get_by_label("What is it for?").fill("To try the grid.")
    about.get_by_role("button", name="Continue to the samples").click(no_wait_after=True)
    held.pop().continue_()
    under_way(about, held)
    about.wait_for_timeout(300)
    assert not about.url.endswith("/samples/")
    held.pop().continue_()

    about.wait_for_url("**/samples/")
    assert asked == []
    assert "To try the grid." in str(Request.objects.get(name="Fifty brains").draft)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_grid_fits_a_phone(page: Opened, researcher: User, scheme: str) -> None:
    phone = page(researcher, viewport="phone", scheme=scheme)
    begin(phone, count=50)
    phone.get_by_role("button", name="Check the samples").click()
    expect(phone.locator("#grid-found")).to_contain_text("100 things to correct")

    assert phone.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert accessibility_problems(phone) == []
    phone.locator("#cell-0-imaging").click()
    phone.locator(".imaging-head", has_text="1.3x").get_by_role("checkbox").check()
    assert phone.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert accessibility_problems(phone) == []


@contextmanager
def held_save(page: Page) -> Iterator[list[Route]]:
    """Keep the first save under way until the block ends; the others wait for it."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST" and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/samples/", hold)
    yield held
    held[0].continue_()
    page.unroute("**/samples/")


def under_way(page: Page, held: list[Route]) -> None:
    for _ in range(100):
        if held:
            return
        page.wait_for_timeout(50)
    raise AssertionError("nothing was sent")


def test_imaging_read_by_the_server_stays_with_its_row(grid: Page) -> None:
    with held_save(grid) as held:
        paste(grid, 0, "imaging", "1.1x: 488 generic\n1.3x: 488 reg\n2x: 488 generic\n")
        under_way(grid, held)
        grid.get_by_role("button", name="Remove sample 1").click()

    saved(grid)
    expect(grid.locator("#cell-0-imaging")).to_contain_text("1.3x: 488 reg")
    expect(grid.locator("#cell-1-imaging")).not_to_contain_text("1.3x")


def test_undo_keeps_what_was_typed_after_the_act(grid: Page) -> None:
    grid.get_by_role("button", name="Add", exact=True).click()
    grid.locator("#cell-0-notes_for_clearer").fill("gently")
    grid.locator("#cell-1-notes_for_clearer").fill("slowly")

    grid.get_by_role("button", name="Undo: typing").click()

    assert cell(grid, 0, "notes_for_clearer") == "gently"
    assert cell(grid, 1, "notes_for_clearer") == ""
    expect(grid.locator("tbody tr")).to_have_count(4)


def test_another_sign_in_does_not_keep_what_is_typed_from_being_saved(grid: Page) -> None:
    grid.context.clear_cookies(name="csrftoken")
    grid.evaluate(
        """() => document.body.setAttribute("hx-headers", '{"X-CSRFToken": "rotated"}')"""
    )
    grid.locator("#cell-0-notes_for_clearer").fill("typed after it")

    saved(grid)
    assert rows_of()[0]["notes_for_clearer"] == "typed after it"


def test_signing_out_is_not_held_by_what_cannot_be_saved(grid: Page) -> None:
    grid.on("dialog", lambda dialog: dialog.accept())
    with lost_connection(grid):
        grid.locator("#cell-0-notes_for_clearer").fill("lost")
        expect(grid.locator("#saved")).to_contain_text("Not saved")
        grid.evaluate(
            """() => {
                const form = document.createElement("form");
                form.action = "/requests/";
                document.body.append(form);
                form.requestSubmit();
            }"""
        )
        grid.wait_for_url("**/requests/**")


def test_columns_of_a_pasted_block_that_the_grid_has_not_are_named(grid: Page) -> None:
    paste(grid, 0, "name", "sample\tperfusion date\tatlas\nb-1\t2029-01-01\tpaxinos\n")

    expect(grid.locator("#grid-help")).to_contain_text("Left out: “atlas”")
    assert cell(grid, 0, "perfusion_date") == "2029-01-01"


def test_line_ends_of_notes_are_shown_and_kept(grid: Page) -> None:
    paste(grid, 0, "notes_for_clearer", '"first\nsecond"\tmore\n')
    assert cell(grid, 0, "notes_for_clearer") == "first ↵ second"

    grid.locator("#cell-0-notes_for_clearer").fill("first ↵ second, changed")

    saved(grid)
    assert rows_of()[0]["notes_for_clearer"] == "first\nsecond, changed"


def test_a_lost_answer_is_not_taken_for_another_window(grid: Page) -> None:
    lost: list[Route] = []

    def lose_answer(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route)
            route.fetch()
            route.abort()
        else:
            route.continue_()

    grid.route("**/samples/", lose_answer)
    grid.locator("#cell-0-notes_for_clearer").fill("first")
    expect(grid.locator("#saved")).to_contain_text("Not saved")
    grid.locator("#cell-1-notes_for_clearer").fill("more")

    saved(grid)
    assert [r["notes_for_clearer"] for r in rows_of()] == ["first", "more", ""]
