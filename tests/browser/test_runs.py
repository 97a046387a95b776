"""Runs in a real browser: a log that grows while it is looked at, a run made again."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from core_app.models import User
from processing_app.models import Run
from processing_app.states import AttemptState
from tests.support import clusters, jobs
from tests.support.browser import accessibility_problems

Opened = Callable[..., Page]


@pytest.fixture
def run(site: object, researcher: User, clearer: User, imager: User) -> Run:
    sample = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)
    clusters.deliver(sample)
    return clusters.image_again(sample, by=imager)


def test_a_log_grows_on_the_page_while_it_is_followed(
    page: Opened, run: Run, researcher: User
) -> None:
    cluster = clusters.memory_cluster(clusters.goes_on)
    attempt = clusters.drive_to(run, cluster, AttemptState.RUNNING)
    opened = page(researcher, viewport="phone")
    opened.goto(f"/processing/runs/{run.pk}/")

    opened.get_by_role("button", name="Follow the log").click()
    log = opened.locator("#log-tail")
    expect(log).to_contain_text("It comes with the next look at the cluster")
    attempt.refresh_from_db()
    assert attempt.log_wanted_until is not None

    jobs.noted(attempt, log_tail="plane 3 <script>x</script>", log_read_at=timezone.now())
    expect(log.locator("pre")).to_have_text("plane 3 <script>x</script>")
    jobs.noted(attempt, log_tail="plane 3\nplane 4", log_read_at=timezone.now())
    expect(log.locator("pre")).to_contain_text("plane 4")
    assert accessibility_problems(opened) == []

    cluster.scheduler.work = clusters.fail_with("BAD_INPUT")
    clusters.drive_until_over(run, cluster)
    expect(log).to_contain_text("The job is over.")
    expect(log.get_by_role("link", name="Download the log")).to_be_visible()
    assert opened.problems == []  # type: ignore[attr-defined]  # set by the fixture


def test_a_refused_wish_stands_beside_its_field_and_can_be_corrected(
    page: Opened, run: Run, processor: User
) -> None:
    opened = page(processor, viewport="phone", scheme="dark")
    opened.goto(f"/processing/runs/{run.pk}/")
    opened.get_by_role("link", name="Run again with other parameters").click()

    memory = opened.get_by_label("Memory of each job (MB)")
    memory.fill("-1")
    opened.get_by_role("button", name="Run again").click()
    expect(memory).to_have_value("-1")
    expect(opened.locator(".invalid-feedback")).to_be_visible()
    assert accessibility_problems(opened) == []

    memory.fill("16000")
    opened.get_by_label("Compression of the volumes").select_option("none")
    opened.get_by_role("button", name="Run again").click()
    expect(opened.get_by_text("Compression of the volumes: none")).to_be_visible()
    assert {step.resources["memory_mb"] for step in Run.objects.latest("pk").steps.all()} == {16000}
