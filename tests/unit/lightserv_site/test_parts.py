"""The shared parts of pages, given good values and none."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.template.loader import render_to_string
from django.test import RequestFactory

SITE = Path(settings.BASE_DIR) / "lightserv_site"
TEMPLATES = sorted((SITE / "templates").rglob("*.html"))
INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|javascript:|<script>|<script (?![^>]*(src=|json))"
)


@dataclass
class Stage:
    stage: str
    state: str
    word: str
    when: datetime | None = None
    who: str = ""
    detail: str = ""


@dataclass
class Problem:
    file: str
    what: str
    remedy: str


STRIP = [
    Stage("Received", "done", "Done", datetime(2026, 3, 1, tzinfo=UTC), "Clara"),
    Stage("Imaging", "progress", "In progress", detail="2 of 3 channels"),
    Stage("Viewable", "waiting", "Waiting"),
]


class AgeForm(forms.Form):
    age = forms.IntegerField(label="Age in weeks")


def part(name: str, **context: object) -> str:
    return render_to_string(f"parts/{name}.html", context)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_nothing_is_inline_because_the_policy_refuses_it(path: Path) -> None:
    assert INLINE.search(path.read_text()) is None


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_nothing_comes_from_another_host(path: Path) -> None:
    assert re.search(r"""(src|href)=["']?(https?:)?//""", path.read_text()) is None


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    sprite = (SITE / "static" / "site" / "icons.svg").read_text()
    named = {
        name
        for path in TEMPLATES
        for name in re.findall(r"\{% icon ['\"]([\w-]+)['\"]", path.read_text())
    }

    assert {name for name in named if f'id="{name}"' not in sprite} == set()


def test_a_state_has_its_icon_and_its_word() -> None:
    shown = part("state", state="needs-you")

    assert "icons.svg#needs-you" in shown
    assert "Needs you" in shown


def test_the_strip_says_each_stage_and_its_person() -> None:
    shown = part("strip", strip=STRIP)

    assert all(word in shown for word in ("Received", "by Clara", "2 of 3 channels", "Viewable"))


def test_the_compact_strip_says_where_it_stands() -> None:
    shown = part("strip", strip=STRIP, compact=True)

    assert "<strong>Imaging</strong>" in shown
    assert "2 of 3 channels" in shown


def test_no_stages_show_nothing() -> None:
    assert part("strip", strip=[]).strip() == ""


def test_an_empty_place_without_a_button_has_none() -> None:
    assert "btn" not in part("empty", what="No requests yet")


def test_form_errors_link_to_their_fields() -> None:
    shown = part("errors", form=AgeForm({"age": "old"}))

    assert '<a href="#id_age">Age in weeks</a>: Enter a whole number.' in shown


def test_a_form_without_errors_has_no_summary() -> None:
    assert part("errors", form=AgeForm({"age": "8"})).strip() == ""


def test_a_problem_says_what_to_do() -> None:
    shown = part(
        "problems", problems=[Problem("", "311 of 412 planes.", "Wait, then Check again.")]
    )

    assert "Wait, then Check again." in shown
    assert "none in particular" in shown


def test_no_problems_is_good_news() -> None:
    assert "All 3 channels are complete." in part(
        "problems", problems=[], fine="All 3 channels are complete."
    )


def test_progress_has_a_number_and_an_estimate() -> None:
    shown = part("progress", label="Convert", value=312, total=920, unit="planes", left=250)

    assert "312 of 920 planes" in shown
    assert "about 4 min left" in shown


def test_progress_without_a_total_is_no_lie() -> None:
    assert "value=" not in part("progress", label="Waiting for the cluster")


def test_the_pager_keeps_the_filters_of_the_address() -> None:
    request = RequestFactory().get("/requests/?stage=imaging&page=2")
    page = Paginator(range(60), 25).page(2)

    shown = render_to_string("parts/pager.html", {"page": page}, request=request)

    assert "?stage=imaging&amp;page=3" in shown


def test_one_page_needs_no_pager() -> None:
    assert part("pager", page=Paginator(range(3), 25).page(1)).strip() == ""


def test_a_reason_is_asked_for_before_something_is_withdrawn() -> None:
    shown = part("confirm_reason", address="/requests/1/withdraw/", verb="Withdraw")

    assert 'name="reason"' in shown
    assert "required" in shown


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_error_pages_need_no_context(name: str) -> None:
    shown = render_to_string(name)

    assert "Go to the front page" in shown
    assert settings.SITE_URL in shown
