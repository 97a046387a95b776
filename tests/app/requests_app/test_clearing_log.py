"""The log of a batch: for everybody who may read the request, as it was made, for ever."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from requests_app.models import AntibodyTrial, ClearingBatch, ClearingProtocol
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.services import clearing
from requests_app.services.protocols import copy_as_new_version
from requests_app.workflows import complete_clearing, reopen_clearing
from tests.support.scenarios import a_batch_being_cleared, a_plan, a_sample_plan, a_waiting_batch

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
GENERIC = (ResolutionPlan("1.3x", (ChannelPlan("488", ("generic_imaging",)),)),)
# Every protocol, with its species and its number of steps.
PROTOCOLS = {
    "iDISCO+_immuno": ("mouse", 51),
    "iDISCO abbreviated clearing": ("mouse", 14),
    "iDISCO abbreviated clearing (rat)": ("rat", 14),
    "uDISCO": ("mouse", 10),
    "uDISCO (rat)": ("rat", 10),
    "iDISCO_EdU": ("mouse", 42),
    "experimental": ("mouse", 0),
}


@pytest.fixture
def bench(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    return client


def a_batch_of(protocol, owner, clearer):
    species, _ = PROTOCOLS[protocol]
    antibodies = {"antibody1": "anti-cFos 1:1000", "antibody2": "goat 647"}
    sample = a_sample_plan(
        protocol=protocol, resolutions=GENERIC, **(antibodies if "immuno" in protocol else {})
    )
    plan = a_plan(species=species, samples=[sample])
    return a_batch_being_cleared(owner, by=clearer, plan=plan)


def at(batch, page="batch-log", *more):
    return reverse(f"clearing:{page}", args=[batch.pk, *more])


def log(batch, slug, by, **other):
    return clearing.record_step(batch, slug, performed_at=timezone.now(), by=by, **other)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bench_and_log_open_for_every_protocol(bench, researcher, clearer, protocol):
    batch = a_batch_of(protocol, researcher, clearer)
    steps = list(batch.protocol.steps.all())
    for step in steps[:1]:
        log(batch, step.slug, clearer, note="turbid")

    page, entry = bench.get(at(batch)), bench.get(at(batch, "batch"))

    assert len(page.context["lines"]) == PROTOCOLS[protocol][1]
    assert all(step.label in page.content.decode() for step in steps if "+" not in step.label)
    assert ("turbid" in page.content.decode()) is bool(steps)
    assert entry.status_code == 200


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_is_logged_completed_and_listed(bench, researcher, clearer, protocol):
    batch = a_batch_of(protocol, researcher, clearer)
    for step in batch.protocol.steps.all():
        bench.post(at(batch, "step-record", step.slug), {"when": "now", "replaces": 0})

    bench.post(at(batch, "batch-complete"), {"link": "https://example.org/sheet"})

    section = bench.get("/clearing/").context["sections"][2]
    assert [line.batch.pk for line in section.lines] == [batch.pk]
    assert section.lines[0].batch.protocol.name == protocol


def test_the_overnight_washes_and_lots_are_in_the_log(bench, researcher, clearer):
    batch = a_batch_of("iDISCO+_immuno", researcher, clearer)
    log(batch, "wash1_ptwh_wash6", clearer, note="until nine")
    log(batch, "antibody1_added", clearer, lot="LOT-4711")

    page = bench.get(at(batch)).content.decode()

    assert "until nine" in page
    assert "LOT-4711" in page


def test_edu_click_chemistry_is_logged(bench, researcher, clearer):
    batch = a_batch_of("iDISCO_EdU", researcher, clearer)

    bench.post(
        at(batch, "step-record", "edu_click_chemistry"),
        {"when": "now", "replaces": 0, "note": "fresh copper"},
    )

    assert "fresh copper" in bench.get(at(batch)).content.decode()


def test_the_spreadsheet_of_an_experimental_batch_is_reachable(bench, researcher, clearer):
    batch = a_batch_of("experimental", researcher, clearer)
    complete_clearing(batch, by=clearer, link="https://example.org/sheet")

    assert "https://example.org/sheet" in bench.get(at(batch)).content.decode()
    assert "https://example.org/sheet" in bench.get(at(batch, "batch")).content.decode()


def test_an_old_log_shows_the_version_it_was_made_with(bench, researcher, clearer):
    batch = a_batch_of("uDISCO", researcher, clearer)
    first = batch.protocol.steps.first()
    log(batch, first.slug, clearer)
    before = _without_token(bench.get(at(batch)).content.decode())

    copy = copy_as_new_version(batch.protocol, by=clearer)
    copy.steps.filter(slug=first.slug).update(label="Something else", usual_minutes=7)
    copy.steps.last().delete()
    ClearingProtocol.objects.filter(pk=copy.pk).update(is_offered=True, title="Changed")

    assert _without_token(bench.get(at(batch)).content.decode()) == before
    assert any("uDISCO, version 1" in line for line in before)


def _without_token(page):
    return [
        line for line in page.splitlines() if "csrf" not in line.lower() and "<time" not in line
    ]


def test_the_owner_and_the_auditor_read_the_log(client, researcher, clearer, auditor, stranger):
    plan = a_plan(auditor="auditor")
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)
    answers = []
    for person in (researcher, auditor, stranger):
        client.force_login(person, backend=BACKEND)
        answers.append(
            [client.get(at(batch, p)).status_code for p in ("batch-log", "batch-log-csv")]
        )

    assert answers == [[200, 200], [200, 200], [404, 404]]


def test_the_log_as_csv_has_the_facilitys_times_and_no_formulas(
    bench, researcher, clearer, settings
):
    settings.TIME_ZONE = "Europe/Berlin"
    batch = a_batch_of("uDISCO", researcher, clearer)
    first = batch.protocol.steps.first()
    done = log(batch, first.slug, clearer, note="=HYPERLINK(1)").performed_at

    answer = bench.get(at(batch, "batch-log-csv"))

    text = answer.getvalue().decode().lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 10
    local = timezone.localtime(done)
    assert rows[0]["done"] == local.isoformat(sep=" ", timespec="minutes")
    assert rows[0]["note"] == "'=HYPERLINK(1)"
    assert "attachment" in answer["Content-Disposition"]


def test_turnaround_counts_from_the_reception_of_the_last_tube(bench, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    received = timezone.now() - timedelta(days=3)
    batch.samples.update(received_at=received)
    clearing.complete(batch, by=clearer, skip_missing=True)

    page = bench.get(at(batch))

    assert page.context["turnaround"].took.days == 3
    assert "3 d after reception" in page.content.decode()


def test_the_log_tells_who_opened_the_batch_again_and_why(bench, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    complete_clearing(batch, by=clearer, skip_missing=True)
    reopen_clearing(ClearingBatch.objects.get(pk=batch.pk), by=clearer, reason="wrong lot")

    page = bench.get(at(batch)).content.decode()

    assert "wrong lot" in page


def test_completing_again_keeps_and_corrects_the_lots_in_the_history_of_antibodies(
    researcher, clearer
):
    batch = a_batch_of("iDISCO+_immuno", researcher, clearer)
    log(batch, "antibody1_added", clearer, lot="A-1")
    log(batch, "antibody2_added", clearer, lot="B-1")
    complete_clearing(batch, by=clearer, skip_missing=True)
    opened = ClearingBatch.objects.select_related("request__owner", "protocol").get(pk=batch.pk)
    reopen_clearing(opened, by=clearer, reason="wrong lot")
    log(opened, "antibody1_added", clearer, lot="A-2", replaces=1)

    complete_clearing(opened, by=clearer, skip_missing=True)

    trial = AntibodyTrial.objects.get(batch=batch)
    assert (trial.primary_lot, trial.secondary_lot) == ("A-2", "B-1")


def test_the_number_of_queries_of_the_log_does_not_grow(
    bench, researcher, clearer, django_assert_max_num_queries
):
    batch = a_batch_of("iDISCO+_immuno", researcher, clearer)
    for step in batch.protocol.steps.all():
        log(batch, step.slug, clearer)

    with django_assert_max_num_queries(16):
        bench.get(at(batch))


def test_a_batch_nobody_began_has_an_empty_log(bench, researcher):
    page = bench.get(at(a_waiting_batch(researcher))).content.decode()

    assert "not yet" in page
    assert "Nothing has happened yet." in page


def test_a_batch_that_does_not_exist_is_not_found(bench):
    assert bench.get("/clearing/batches/4711/log/").status_code == 404
    assert bench.get("/clearing/batches/4711/").status_code == 404


def test_a_finished_batch_has_no_controls_and_changes_no_more(bench, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    log(batch, "pbs_wash1", clearer, note="first")
    complete_clearing(batch, by=clearer, skip_missing=True)

    page = bench.get(at(batch, "batch")).content.decode()
    late = bench.post(
        at(batch, "step-record", "pbs_wash2"), {"when": "now", "replaces": 0, "note": "late words"}
    )
    again = bench.post(at(batch, "batch-complete"), {})

    assert "The log is read-only." in page
    assert "Re-open" in page
    assert not [word for word in ("Done now", "data-entry", 'name="note"') if word in page]
    assert (late.status_code, again.status_code) == (422, 302)
    assert "clearer completed this batch" in late.content.decode()
    assert "late words" in late.content.decode()
    assert [entry.note for entry in batch.log.all()] == ["first"]


def test_looking_at_the_page_while_a_colleague_completes_opens_nothing_again(
    bench, researcher, clearer
):
    batch = a_batch_being_cleared(researcher, by=clearer)
    seen = bench.get(at(batch, "batch")).context["seen"]
    complete_clearing(batch, by=clearer, skip_missing=True)

    for page in ("batch", "batch-log", "batch-plan"):
        bench.get(at(batch, page))
    bench.get(at(batch, "batch-steps"), {"seen": seen})

    assert ClearingBatch.objects.get(pk=batch.pk).state == "complete"


def test_the_request_page_leads_its_readers_to_the_log(client, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    client.force_login(researcher, backend=BACKEND)

    page = client.get(f"/requests/{batch.request.folder}/").content.decode()

    assert at(batch) in page
