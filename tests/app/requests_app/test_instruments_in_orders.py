"""Orders obey the instruments: what is down without an end is refused, all else is said."""

import json

import pytest
from django.contrib.messages import get_messages

from core_app.errors import Invalid
from imaging_app.models import Objective
from imaging_app.services import upkeep
from requests_app.forms.requests.options import options
from requests_app.models import Request
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.services import requests
from tests.support.console import browser_of, words_of
from tests.support.instruments import an_outage
from tests.support.scenarios import (
    a_plan,
    a_sample_plan,
    a_submitted_request,
    a_typed_draft,
)

pytestmark = pytest.mark.django_db
GENERIC = (ChannelPlan("488", ("generic_imaging",)),)


@pytest.fixture
def draft(researcher):
    typed = a_typed_draft("brains of today")
    return requests.create_draft(owner=researcher, by=researcher, draft=typed)


def review(draft, person):
    return words_of(browser_of(person).get(f"/drafts/{draft.pk}/review/"))


def scope_in_grid(label="LaVision light sheet"):
    return next(one for one in options()["microscopes"] if one["label"] == label)


def test_down_without_an_end_is_refused_with_what_to_do(researcher, imager):
    an_outage(by=imager, reason="The laser is broken")

    with pytest.raises(Invalid) as refusal:
        a_submitted_request(researcher)

    words = refusal.value.fields["samples.0.resolutions.0.objective"][0]
    assert "1.3x cannot be ordered now" in words
    assert "The laser is broken" in words
    assert "Choose another objective, such as 3.6x, or write to the facility" in words


def test_an_objective_of_another_microscope_can_still_be_ordered(researcher, imager):
    an_outage(by=imager)
    sample = a_sample_plan(resolutions=(ResolutionPlan("3.6x", GENERIC),))

    assert a_submitted_request(researcher, a_plan(samples=[sample])).pk


@pytest.mark.parametrize(
    "outage",
    [
        {"ends_in": 48},
        {"severity": "limited"},
        {"begins_in": 48},
        {"begins_in": 48, "ends_in": 72},
    ],
)
def test_everything_else_is_allowed_and_said_in_the_review(researcher, imager, draft, outage):
    an_outage(by=imager, reason="Service of the laser", **outage)

    page = review(draft, researcher)

    assert "Service of the laser (1.3x). You can order it; imaging may take longer." in page
    assert a_submitted_request(researcher).pk


def test_a_draft_made_before_is_kept(researcher, imager, draft):
    an_outage(by=imager)

    page = review(draft, researcher)

    assert "the draft is kept" in page
    assert Request.objects.get(pk=draft.pk).draft == draft.draft


def test_a_draft_can_be_submitted_when_the_outage_is_over(researcher, imager, draft):
    outage = an_outage(by=imager, begins_in=-1)
    upkeep.end_outage(outage, by=imager)

    assert "cannot be ordered" not in review(draft, researcher)


def test_the_dialog_says_it_beside_the_choice(imager):
    an_outage(by=imager, reason="The laser is broken")

    here, there = scope_in_grid(), scope_in_grid("SmartSPIM")

    assert here["is_stopped"]
    assert "The laser is broken" in here["notice"]
    assert (there["is_stopped"], there["notice"]) == (False, "")


def test_an_objective_that_is_not_offered_is_hidden(db):
    Objective.objects.filter(name="1.3x").update(is_offered=False)

    assert "1.3x" not in {o["name"] for o in scope_in_grid()["objectives"]}


@pytest.mark.parametrize(
    ("outage", "words"),
    [({}, "It cannot be ordered now"), ({"severity": "limited"}, "imaging may take longer")],
)
def test_ordering_again_warns_at_once(researcher, imager, outage, words):
    placed = a_submitted_request(researcher)
    an_outage(by=imager, **outage)

    answer = browser_of(researcher).post(f"/requests/{placed.folder}/again/")

    said = [str(message) for message in get_messages(answer.wsgi_request)]
    assert any(words in one for one in said), json.dumps(said)


def test_ordering_again_says_nothing_while_all_is_well(researcher):
    placed = a_submitted_request(researcher)

    answer = browser_of(researcher).post(f"/requests/{placed.folder}/again/")

    assert len(list(get_messages(answer.wsgi_request))) == 1
