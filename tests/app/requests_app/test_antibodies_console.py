"""Trials in the staff console: the same services, one result per object."""

import pytest

from requests_app.models import AntibodyTrial
from requests_app.services import antibodies
from tests.support.console import HOSTILE, browser_of, page_of, press, words_of
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def trial(researcher):
    sample = a_sample_plan(protocol="iDISCO+_immuno", antibody1="anti-NeuN", antibody2="AF647")
    return a_submitted_request(researcher, a_plan(samples=[sample])).trials.get()


@pytest.fixture
def console(clearer):
    return browser_of(clearer)


def now(trial):
    return AntibodyTrial.objects.get(pk=trial.pk)


def form_of(client, trial):
    context = client.get(page_of(AntibodyTrial, "change", trial.pk)).context
    form = context["adminform"].form
    shown = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    typed = {name: value for name, value in shown.items() if value is not False}
    return {**typed, "seen": context["seen"]}


@pytest.mark.parametrize(
    ("action", "outcome"), [("rate_good", "good"), ("rate_partly", "partly"), ("rate_none", "none")]
)
def test_a_trial_is_rated_from_the_list(action, outcome, console, trial):
    page = words_of(press(console, action, trial))

    assert "rated: " in page
    assert now(trial).outcome == outcome


def test_a_trial_is_recommended_and_not_any_more(console, trial):
    press(console, "recommend", trial)
    after = now(trial).is_recommended
    press(console, "do_not_recommend", trial)

    assert (after, now(trial).is_recommended) == (True, False)


def test_each_trial_has_its_own_result(console, trial, clearer):
    AntibodyTrial.objects.filter(pk=trial.pk).update(
        primary_antibody="", secondary_antibody=""
    )  # as it came from elsewhere
    other = AntibodyTrial.objects.create(tried_on="2026-03-24", primary_antibody="anti-GFP")

    page = words_of(press(console, "rate_good", trial, other))

    assert "Name the primary or the secondary antibody" in page
    assert (now(trial).outcome, now(other).outcome) == ("", "good")


def test_a_correction_is_remembered_with_what_it_was(console, trial):
    sent = {**form_of(console, trial), "primary_lot": "L-9"}

    console.post(page_of(AntibodyTrial, "change", trial.pk), sent)
    page = words_of(console.get(page_of(AntibodyTrial, "change", trial.pk)))

    assert now(trial).primary_lot == "L-9"
    assert "primary lot: – → L-9" in page


def test_keys_cannot_be_typed_in(console, trial, manager):
    sent = {**form_of(console, trial), "request": "", "batch": "", "by": manager.pk,
            "revision": 9, "notes": "seen"}  # fmt: skip

    console.post(page_of(AntibodyTrial, "change", trial.pk), sent)

    kept = now(trial)
    assert (kept.notes, kept.revision) == ("seen", 2)
    assert (kept.request, kept.batch, kept.by) == (trial.request, trial.batch, trial.by)


def test_the_second_of_two_is_told(console, trial, researcher):
    stale = {**form_of(console, trial), "notes": "mine"}
    antibodies.rate(trial, "good", by=researcher, seen=1)

    page = console.post(page_of(AntibodyTrial, "change", trial.pk), stale, follow=True)

    assert "Somebody else changed this trial" in words_of(page)
    assert now(trial).notes == ""


def test_a_day_to_come_is_refused_in_words(console, trial):
    sent = {**form_of(console, trial), "tried_on": "2099-01-01"}

    page = console.post(page_of(AntibodyTrial, "change", trial.pk), sent, follow=True)

    assert "Give a day from 2000 to today" in words_of(page)


def test_a_trial_is_found_by_its_words_and_shown_inert(console, trial, clearer):
    antibodies.edit_trial(trial, {"primary_antibody": HOSTILE}, by=clearer, seen=1)

    page = console.get(page_of(AntibodyTrial, "changelist"), {"q": "onerror"})

    assert list(page.context["cl"].queryset) == [trial]
    assert HOSTILE not in page.content.decode()
