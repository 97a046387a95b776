"""Trials are added by staff, corrected by staff and by who ordered them, and by nobody else."""

from datetime import date, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, StaleState
from core_app.models import Event
from core_app.models.history import OutboxRow
from requests_app.models import AntibodyTrial, ClearingProtocol, Species
from requests_app.services import antibodies, clearing
from requests_app.workflows import complete_clearing, reopen_clearing
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
NEW = reverse("clearing:antibody-new")
STAINED = a_sample_plan(
    protocol="iDISCO+_immuno", antibody1="Rabbit anti-NeuN", antibody2="Donkey AF647"
)
VALUES = {
    "tried_on": "2026-03-24",
    "description": "a spare brain",
    "species": "mouse",
    "primary_antibody": "Rabbit anti-NeuN",
    "primary_concentration": "1:500",
    "secondary_antibody": "Donkey AF647",
    "secondary_concentration": "1:1000",
}
TYPED = {**VALUES, "tried_on": date(2026, 3, 24)}
LIMITS = {
    "description": 128, "species": 128, "protocol": 64, "primary_antibody": 128,
    "primary_concentration": 128, "primary_lot": 64, "primary_order_info": 128,
    "secondary_antibody": 128, "secondary_concentration": 128, "secondary_lot": 64,
    "secondary_order_info": 128, "notes": 512,
}  # fmt: skip


@pytest.fixture
def batch(researcher):
    return a_submitted_request(researcher, a_plan(samples=[STAINED])).clearing_batches.get()


@pytest.fixture
def trial(batch):
    return batch.trial


def signed_in(client, person):
    client.force_login(person, backend=BACKEND)
    return client


def address(trial, page="edit"):
    return reverse(f"clearing:antibody-{page}", args=[trial.pk])


def now(trial):
    return AntibodyTrial.objects.get(pk=trial.pk)


def said_of(trial):
    return list(
        Event.objects.filter(kind="antibodytrial", object_id=trial.pk)
        .order_by("pk")
        .values_list("verb", "by__username", "note")
    )


def test_clearing_staff_add_a_trial(client, clearer):
    signed_in(client, clearer).post(NEW, VALUES)

    trial = AntibodyTrial.objects.get()
    assert (trial.description, trial.by, trial.request) == ("a spare brain", clearer, None)
    assert [verb for verb, _, _ in said_of(trial)] == ["added"]


def test_identical_entries_are_two_trials(client, clearer):
    for _ in range(2):
        signed_in(client, clearer).post(NEW, VALUES)

    assert AntibodyTrial.objects.count() == 2


def test_the_form_of_a_new_trial_has_today(client, clearer):
    text = signed_in(client, clearer).get(NEW).content.decode()

    assert f'value="{timezone.localdate():%Y-%m-%d}"' in text


@pytest.mark.parametrize("name", VALUES)
def test_what_is_needed_is_asked_for(name, client, clearer):
    answer = signed_in(client, clearer).post(NEW, {**VALUES, name: ""})

    assert (answer.status_code, AntibodyTrial.objects.count()) == (422, 0)
    assert answer.context["form"].errors[name]


@pytest.mark.parametrize(("name", "most"), LIMITS.items())
def test_the_longest_text_fits_and_a_longer_one_is_refused(name, most, client, clearer):
    longer = signed_in(client, clearer).post(NEW, {**VALUES, name: "x" * (most + 1)})
    client.post(NEW, {**VALUES, name: "x" * most})

    assert longer.context["form"].errors[name]
    assert getattr(AntibodyTrial.objects.get(), name) == "x" * most


@pytest.mark.parametrize("days", [1, -40_000])
def test_a_trial_is_of_a_day_that_was(days, client, clearer):
    day = timezone.localdate() + timedelta(days=days)

    answer = signed_in(client, clearer).post(NEW, {**VALUES, "tried_on": day})

    assert answer.context["form"].errors["tried_on"]


def test_others_add_no_trial(client, researcher):
    page = signed_in(client, researcher).post(NEW, VALUES, follow=True).content.decode()

    assert "Only clearing staff add trials" in page
    assert not AntibodyTrial.objects.exists()


def test_the_service_refuses_others_too(researcher):
    with pytest.raises(NotAllowed):
        antibodies.add_trial(TYPED, by=researcher)


@pytest.mark.parametrize("name", ["description", "primary_concentration"])
def test_the_service_refuses_what_is_missing_or_too_long(name, clearer):
    for wrong in ("", "x" * 129):
        with pytest.raises(Invalid) as refusal:
            antibodies.add_trial({**TYPED, name: wrong}, by=clearer)
        assert name in refusal.value.fields


def test_the_owner_corrects_the_notes_of_an_own_trial(client, researcher, trial):
    sent = {"seen": trial.revision, "notes": "works at 1:500", "primary_concentration": "1:500"}

    signed_in(client, researcher).post(address(trial), sent)

    kept = now(trial)
    assert (kept.notes, kept.primary_concentration, kept.revision) == ("works at 1:500", "1:500", 2)
    assert said_of(trial) == [
        ("corrected", "researcher",
         "primary concentration: – → 1:500; notes: – → works at 1:500")
    ]  # fmt: skip


def test_who_handed_it_in_corrects_it_too(client, researcher, clearer):
    from requests_app.services import requests
    from requests_app.workflows import submit_request

    draft = requests.create_draft(owner=researcher, by=clearer)
    trial = submit_request(draft, a_plan(samples=[STAINED]), by=clearer).trials.get()
    clearer.groups.clear()
    helper = type(clearer).objects.get(pk=clearer.pk)

    antibodies.edit_trial(trial, {"notes": "as seen"}, by=helper, seen=1)

    assert now(trial).notes == "as seen"


@pytest.mark.parametrize("name", ["primary_antibody", "description", "tried_on", "is_recommended"])
def test_the_owner_does_not_change_what_was_ordered(name, client, researcher, trial):
    before = getattr(trial, name)

    signed_in(client, researcher).post(address(trial), {"seen": 1, name: "2020-01-01"})

    assert getattr(now(trial), name) == before
    with pytest.raises(NotAllowed):
        antibodies.edit_trial(trial, {name: "x"}, by=researcher, seen=1)


@pytest.mark.parametrize("person", ["stranger", "labmate", "pi", "imager", "operator"])
def test_another_person_corrects_nothing(person, client, trial, request):
    user = request.getfixturevalue(person)
    sent = {"seen": 1, "notes": "mine now", "username": user.username}

    page = signed_in(client, user).get(address(trial))
    answer = client.post(address(trial), sent)
    rated = client.post(address(trial, "rate"), {"seen": 1, "outcome": "good"}, follow=True)

    assert (page.status_code, answer.status_code) == (404, 404)
    assert "Only clearing staff and who ordered it" in rated.content.decode()
    assert (now(trial).notes, now(trial).outcome, now(trial).revision) == ("", "", 1)


def test_clearing_staff_correct_everything(client, clearer, trial):
    sent = {**VALUES, "seen": 1, "primary_antibody": "Rabbit anti-NeuN (ab1)", "outcome": "partly",
            "is_recommended": "on", "notes": "weak"}  # fmt: skip

    signed_in(client, clearer).post(address(trial), sent)

    kept = now(trial)
    assert (kept.primary_antibody, kept.outcome) == ("Rabbit anti-NeuN (ab1)", "partly")
    assert (kept.is_recommended, kept.tried_on) == (True, date(2026, 3, 24))


def test_the_second_of_two_people_is_told_and_sees_what_stands_there(
    client, clearer, manager, trial
):
    antibodies.edit_trial(trial, {"notes": "theirs"}, by=manager, seen=1)
    sent = {**VALUES, "seen": 1, "notes": "mine"}

    answer = signed_in(client, clearer).post(address(trial), sent)

    text = answer.content.decode()
    assert (answer.status_code, now(trial).notes) == (422, "theirs")
    assert "Somebody else changed this trial" in text
    assert "<bdi>theirs</bdi>" in text
    assert ">\nmine</textarea>" in text


def test_having_seen_it_the_second_may_save_over_it(client, clearer, trial):
    antibodies.edit_trial(trial, {"notes": "theirs"}, by=clearer, seen=1)
    refused = signed_in(client, clearer).post(
        address(trial), {**VALUES, "seen": 1, "notes": "mine"}
    )

    again = {**VALUES, "notes": "mine", "seen": refused.context["form"]["seen"].value()}
    client.post(address(trial), again)

    assert now(trial).notes == "mine"


def test_a_form_without_the_revision_changes_nothing(client, clearer, trial):
    signed_in(client, clearer).post(address(trial), {**VALUES, "notes": "mine"})

    assert now(trial).revision == 1


def test_the_same_form_twice_is_one_correction(researcher, trial):
    for _ in range(2):
        antibodies.edit_trial(trial, {"notes": "once"}, by=researcher, seen=1)

    assert len(said_of(trial)) == 1


def test_lots_of_the_bench_make_an_open_form_old(clearer, batch):
    clearing.receive_and_start(batch, by=clearer)
    at = timezone.now()
    clearing.record_step(batch, "antibody1_added", performed_at=at, by=clearer, lot="L-7")
    complete_clearing(batch, by=clearer, skip_missing=True)

    with pytest.raises(StaleState):
        antibodies.edit_trial(batch.trial, {"primary_lot": "guess"}, by=clearer, seen=1)

    assert now(batch.trial).primary_lot == "L-7"


def test_lots_of_a_protocol_of_the_facility_s_own_reach_the_trial(researcher, clearer):
    own = ClearingProtocol.objects.create(
        name="own staining", title="Own staining", needs_antibody=True, is_offered=True
    )
    own.species.set(Species.objects.filter(name="mouse"))
    for position, slug in enumerate(("first_stain", "second_stain"), start=1):
        own.steps.create(position=position, phase="s", slug=slug, label=slug, asks_lot=True)
    sample = a_sample_plan(protocol=own.name, antibody1="anti-A", antibody2="anti-B")
    batch = a_submitted_request(researcher, a_plan(samples=(sample,))).clearing_batches.get()
    clearing.receive_and_start(batch, by=clearer)
    for slug, lot in (("first_stain", "P-1"), ("second_stain", "S-2")):
        clearing.record_step(batch, slug, performed_at=timezone.now(), by=clearer, lot=lot)

    complete_clearing(batch, by=clearer)

    trial = now(batch.trial)
    assert (trial.primary_lot, trial.secondary_lot) == ("P-1", "S-2")


def test_a_correction_cannot_take_both_antibodies_away(clearer, trial):
    with pytest.raises(Invalid):
        antibodies.edit_trial(
            trial, {"primary_antibody": "", "secondary_antibody": ""}, by=clearer, seen=1
        )


@pytest.mark.parametrize("outcome", ["good", "partly", "none"])
def test_one_tap_says_how_it_went(outcome, client, researcher, trial):
    sent = {"seen": 1, "outcome": outcome, "note": "cortex only"}

    signed_in(client, researcher).post(address(trial, "rate"), sent)

    assert (now(trial).outcome, now(trial).notes) == (outcome, "cortex only")
    assert said_of(trial)[0][0] == "rated"


def test_a_note_is_added_to_what_stands_there(researcher, trial):
    antibodies.edit_trial(trial, {"notes": "first"}, by=researcher, seen=1)

    antibodies.rate(trial, "good", by=researcher, seen=2, note="second")

    assert now(trial).notes == "first\nsecond"


def test_notes_that_would_not_fit_are_refused(researcher, trial):
    antibodies.edit_trial(trial, {"notes": "x" * 500}, by=researcher, seen=1)

    with pytest.raises(Invalid):
        antibodies.rate(trial, "good", by=researcher, seen=2, note="y" * 20)


@pytest.mark.parametrize("sent", [{"outcome": "great", "seen": 1}, {"outcome": "good"}])
def test_an_outcome_that_does_not_exist_is_refused(sent, client, researcher, trial):
    page = signed_in(client, researcher).post(address(trial, "rate"), sent, follow=True)

    assert "That is no outcome" in page.content.decode()
    assert now(trial).outcome == ""


def test_a_late_tap_is_told_that_somebody_was_first(client, researcher, clearer, trial):
    antibodies.rate(trial, "none", by=clearer, seen=1)

    sent = {"seen": 1, "outcome": "good"}
    page = signed_in(client, researcher).post(address(trial, "rate"), sent, follow=True)

    assert "Somebody else changed this trial" in page.content.decode()
    assert now(trial).outcome == "none"


def test_the_finished_batch_asks_how_the_antibodies_did(client, clearer, batch):
    clearing.receive_and_start(batch, by=clearer)
    complete_clearing(batch, by=clearer, skip_missing=True)
    place = reverse("clearing:batch", args=[batch.pk])

    text = signed_in(client, clearer).get(place).content.decode()
    sent = {"seen": now(batch.trial).revision, "outcome": "good", "from": "batch"}
    answer = client.post(address(batch.trial, "rate"), sent)

    assert "Did the antibodies work?" in text
    assert (answer["Location"], now(batch.trial).outcome) == (place, "good")


def test_an_unfinished_batch_does_not_ask(client, clearer, batch):
    text = signed_in(client, clearer).get(reverse("clearing:batch", args=[batch.pk]))

    assert "Did the antibodies work?" not in text.content.decode()


def test_a_finished_batch_without_antibodies_does_not_ask(client, clearer, researcher):
    plain = a_submitted_request(researcher, a_plan("plain")).clearing_batches.get()
    clearing.receive_and_start(plain, by=clearer)
    complete_clearing(plain, by=clearer, skip_missing=True)

    text = signed_in(client, clearer).get(reverse("clearing:batch", args=[plain.pk]))

    assert text.status_code == 200
    assert "Did the antibodies work?" not in text.content.decode()


def test_who_may_read_but_not_rate_has_no_buttons(client, operator, clearer, batch):
    clearing.receive_and_start(batch, by=clearer)
    complete_clearing(batch, by=clearer, skip_missing=True)

    text = signed_in(client, operator).get(address(batch.trial, "trial")).content.decode()

    assert "Did the antibodies work?" in text
    assert 'name="outcome"' not in text


def test_every_change_is_told_to_the_mirror(settings, clearer, trial):
    settings.DATAJOINT_ENABLED = True

    antibodies.rate(trial, "good", by=clearer, seen=1)
    added = antibodies.add_trial(TYPED, by=clearer)

    told = OutboxRow.objects.filter(kind="antibodytrial").values_list("object_id", flat=True)
    assert list(told.order_by("pk")) == [trial.pk, added.pk]


def test_the_request_page_tells_what_became_of_its_antibodies(client, researcher, trial):
    antibodies.rate(trial, "good", by=researcher, seen=1)

    events = Event.objects.filter(root_id=trial.request_id, kind="antibodytrial")
    page = signed_in(client, researcher).get(
        reverse("requests:request-page", args=["researcher", "first_brains"])
    )

    assert (events.count(), page.status_code) == (1, 200)


def completed_with(batch, lot, *, by):
    """Log the primary antibody with this lot, or take the step back, and complete."""
    log = batch.log.filter(step__slug="antibody1_added").first()
    if lot is None:
        clearing.take_back_step(batch, "antibody1_added", by=by, replaces=log.revision)
    else:
        clearing.record_step(
            batch, "antibody1_added", performed_at=timezone.now(), by=by, lot=lot,
            replaces=log.revision if log else 0,
        )  # fmt: skip
    complete_clearing(batch, by=by, skip_missing=True)


def opened_again(batch, *, by):
    reopen_clearing(batch, by=by, reason="A lot is wrong.")
    return type(batch).objects.select_related("request", "protocol").get(pk=batch.pk)


def test_a_lot_that_staff_corrected_stays_when_the_batch_is_completed_again(clearer, batch):
    clearing.receive_and_start(batch, by=clearer)
    completed_with(batch, "L1", by=clearer)
    trial = now(batch.trial)
    antibodies.edit_trial(trial, {"primary_lot": "L1-corrected"}, by=clearer, seen=trial.revision)

    complete_clearing(opened_again(batch, by=clearer), by=clearer, skip_missing=True)

    assert now(trial).primary_lot == "L1-corrected"


@pytest.mark.parametrize(("lot", "kept"), [("L2", "L2"), ("", ""), (None, "")])
def test_a_lot_corrected_at_the_bench_is_corrected_in_the_history(lot, kept, clearer, batch):
    clearing.receive_and_start(batch, by=clearer)
    completed_with(batch, "WRONG", by=clearer)

    completed_with(opened_again(batch, by=clearer), lot, by=clearer)

    assert now(batch.trial).primary_lot == kept
    assert [note for verb, _, note in said_of(batch.trial) if verb == "lots logged"][-1].startswith(
        "primary lot: WRONG → "
    )


def test_staining_batches_of_before_get_their_trial(batch):
    AntibodyTrial.objects.all().delete()
    migration = import_module("requests_app.migrations.0008_trials_of_earlier_batches")

    for _ in range(2):
        migration.forwards(apps, None)

    trial = AntibodyTrial.objects.get()
    assert (trial.batch, trial.request) == (batch, batch.request)
    assert (trial.primary_antibody, trial.protocol) == ("Rabbit anti-NeuN", "iDISCO+_immuno")


def test_a_lot_is_in_the_history_as_soon_as_it_is_logged(clearer, batch):
    clearing.receive_and_start(batch, by=clearer)
    clearing.record_step(
        batch, "antibody1_added", performed_at=timezone.now(), by=clearer, lot="L-9"
    )
    at_once = now(batch.trial).primary_lot

    clearing.take_back_step(batch, "antibody1_added", by=clearer, replaces=1)

    assert (at_once, now(batch.trial).primary_lot) == ("L-9", "")
