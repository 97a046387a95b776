"""The clearing queue and the bench page, as each person meets them."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.models import Event
from core_app.roles import Role
from requests_app.models import ClearingBatch
from requests_app.services import clearing
from tests.support.people import a_person
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_cleared_request,
    a_plan,
    a_received_batch,
    a_sample_plan,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db
STEP = "pbs_wash1"
BACKEND = "django.contrib.auth.backends.ModelBackend"
QUEUE = "/clearing/"
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}"


@pytest.fixture
def batch(researcher, clearer):
    return a_batch_being_cleared(researcher, by=clearer)


@pytest.fixture
def bench(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    return client


def a_colleague():
    return a_person("colleague", role=Role.CLEARER)


def address(batch, page="batch", *more):
    return reverse(f"clearing:{page}", args=[batch.pk, *more])


def log_step(client, batch, *, slug=STEP, htmx=False, **typed):
    headers = {"HX-Request": "true"} if htmx else {}
    data = {"when": "now", "replaces": 0, **typed}
    return client.post(address(batch, "step-record", slug), data, headers=headers)


def state_of(batch):
    return ClearingBatch.objects.get(pk=batch.pk).state


def test_an_anonymous_visitor_is_sent_to_sign_in(client, batch):
    assert client.get(address(batch)).url.startswith("/accounts/login/")
    assert client.get(QUEUE).url.startswith("/accounts/login/")


@pytest.mark.parametrize(
    "page", ["start", "put-back", "take-over", "complete", "reopen", "receive"]
)
def test_a_get_changes_nothing(bench, batch, page):
    response = bench.get(address(batch, f"batch-{page}"))

    assert response.status_code == 405


def test_opening_the_pages_assigns_nobody(bench, researcher):
    batch = a_waiting_batch(researcher)
    before = Event.objects.count()

    bench.get(QUEUE)
    bench.get(address(batch))
    bench.get(address(batch, "batch-steps"))

    assert (state_of(batch), Event.objects.count()) == ("waiting", before)


def test_a_stranger_is_not_told_that_the_batch_exists(client, batch, stranger):
    client.force_login(stranger, backend=BACKEND)

    assert client.get(address(batch)).status_code == 404
    assert client.get(address(batch, "batch-steps")).status_code == 404
    assert log_step(client, batch).status_code == 404
    assert client.post(address(batch, "batch-start")).status_code == 404
    assert "first brains" not in client.get(QUEUE).content.decode()


def test_the_owner_reads_the_bench_page_but_works_nothing_there(client, batch, researcher):
    client.force_login(researcher, backend=BACKEND)

    page = client.get(address(batch)).content.decode()

    assert "PBS wash 1" in page
    assert "Done now" not in page
    assert "Complete clearing" not in page


def test_an_owner_who_posts_anyway_is_refused(client, batch, researcher):
    client.force_login(researcher, backend=BACKEND)

    response = log_step(client, batch)

    assert response.status_code == 422
    assert not batch.log.exists()


def test_the_queue_shows_each_batch_in_its_section(bench, researcher, clearer):
    a_waiting_batch(researcher, a_plan("waiting one"))
    a_batch_being_cleared(researcher, by=clearer, plan=a_plan("running one"))
    a_cleared_request(researcher, clearer=clearer, plan=a_plan("finished one"))

    sections = {s.state: s for s in bench.get(QUEUE).context["sections"]}

    names = {state: [line.batch.request.name for line in s.lines] for state, s in sections.items()}
    assert names == {
        "in progress": ["running one"],
        "waiting": ["waiting one"],
        "complete": ["finished one"],
    }
    assert sections["in progress"].lines[0].next_step == "PBS wash 1"


def test_an_empty_queue_says_how_batches_get_there(bench):
    page = bench.get(QUEUE).content.decode()

    assert "Batches come here when a researcher submits a request." in page


def test_filters_of_the_queue_are_in_the_address(bench, researcher, clearer):
    a_waiting_batch(researcher, a_plan("waiting one"))
    a_batch_being_cleared(researcher, by=clearer, plan=a_plan("running one"))

    assert "waiting one" not in bench.get(QUEUE, {"mine": "1"}).content.decode()
    assert "running one" not in bench.get(QUEUE, {"state": "waiting"}).content.decode()
    assert "running one" not in bench.get(QUEUE, {"protocol": "uDISCO"}).content.decode()


def test_the_number_of_queries_of_the_queue_does_not_grow(
    bench, researcher, clearer, django_assert_max_num_queries
):
    for number in range(6):
        a_waiting_batch(researcher, a_plan(f"waiting {number}"))
        a_batch_being_cleared(researcher, by=clearer, plan=a_plan(f"running {number}"))

    with django_assert_max_num_queries(16):
        bench.get(QUEUE)


def test_a_button_starts_clearing(bench, researcher, clearer):
    batch = a_received_batch(researcher, by=clearer)

    response = bench.post(address(batch, "batch-start"))

    assert response.url == address(batch)
    assert ClearingBatch.objects.get(pk=batch.pk).clearer == clearer


def test_starting_without_the_tubes_is_refused_with_the_way_out(bench, researcher):
    batch = a_waiting_batch(researcher)

    page = bench.post(
        address(batch, "batch-start"),
        follow=True,
        headers={"Referer": f"http://testserver{address(batch)}"},
    ).content.decode()

    assert "1 of 1 tubes of this batch are not received yet" in page
    assert "The tubes are here: receive them and start</button>" in page
    assert state_of(batch) == "waiting"


def test_one_button_receives_the_tubes_and_starts(bench, researcher, clearer):
    batch = a_waiting_batch(researcher)

    bench.post(address(batch, "batch-start"), {"receive": "missing"})

    assert state_of(batch) == "in progress"
    assert batch.samples.get().received_by == clearer


def test_who_comes_second_reads_who_was_first(client, batch):
    client.force_login(a_colleague(), backend=BACKEND)

    response = client.post(
        address(batch, "batch-start"),
        follow=True,
        headers={"Referer": f"http://testserver{QUEUE}"},
    )

    assert "clearer has started this batch already." in response.content.decode()


def test_done_now_logs_the_step_at_the_servers_time(bench, batch, clearer):
    response = log_step(bench, batch)

    log = batch.log.get()
    assert response.url == f"{address(batch)}#bench-steps"
    assert abs(timezone.now() - log.performed_at) < timedelta(seconds=10)
    assert log.by == clearer


def test_a_double_tap_logs_one_step_once(bench, batch):
    log_step(bench, batch)
    before = Event.objects.count()

    response = log_step(bench, batch)

    assert response.status_code == 302
    assert (batch.log.count(), Event.objects.count()) == (1, before)


def test_the_script_gets_only_the_steps(bench, batch):
    response = log_step(bench, batch, htmx=True)

    page = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in page
    assert 'data-current="pbs_wash2"' in page


def test_an_entry_that_waited_for_the_network_keeps_its_time(bench, batch):
    log_step(bench, batch, seconds_ago=3600)

    waited = timezone.now() - batch.log.get().performed_at
    assert timedelta(minutes=59) < waited < timedelta(minutes=61)


def test_a_typed_time_is_in_the_facilitys_zone(bench, batch, settings):
    settings.TIME_ZONE = "Europe/Berlin"

    log_step(bench, batch, when="typed", performed_at="2024-07-01T12:00")

    assert batch.log.get().performed_at.isoformat() == "2024-07-01T10:00:00+00:00"


@pytest.mark.parametrize(
    "typed", ["yesterday", "2999-01-01T00:00", "0001-01-01T00:00", "9999-12-31T23:59"]
)
def test_a_time_that_cannot_be_is_refused_beside_its_field(bench, batch, typed):
    response = log_step(bench, batch, when="typed", performed_at=typed, note="kept")

    page = response.content.decode()
    assert response.status_code == 422
    assert 'value="kept"' in page
    assert response.context["refusal"].form.errors["performed_at"]
    assert not batch.log.exists()


def test_a_stale_correction_keeps_the_typed_text_and_shows_the_colleagues(bench, batch):
    colleague = a_colleague()
    log_step(bench, batch)
    clearing.record_step(
        batch, STEP, performed_at=timezone.now(), by=colleague, note="theirs", replaces=1
    )

    response = log_step(bench, batch, note="mine", replaces=1, htmx=True)

    page = response.content.decode()
    assert response.status_code == 422
    assert "colleague logged this step" in page
    assert 'value="mine"' in page
    assert "note “theirs”" in page
    assert batch.log.get().note == "theirs"


def test_after_reading_the_colleagues_entry_mine_can_replace_it(bench, batch):
    log_step(bench, batch)
    clearing.record_step(
        batch, STEP, performed_at=timezone.now(), by=a_colleague(), note="theirs", replaces=1
    )

    response = log_step(bench, batch, note="mine", replaces=2)

    assert response.status_code == 302
    assert batch.log.get().note == "mine"


def test_a_changed_note_leaves_the_seconds_of_the_time_alone(bench, batch):
    log_step(bench, batch)
    shown = timezone.localtime(batch.log.get().performed_at)

    log_step(
        bench, batch, when="typed", performed_at=f"{shown:%Y-%m-%dT%H:%M}", note="n", replaces=1
    )

    assert batch.log.get().performed_at == shown
    assert batch.log.get().note == "n"


def test_an_entry_made_by_mistake_is_taken_back(bench, batch):
    log_step(bench, batch)

    bench.post(address(batch, "step-take-back", STEP), {"replaces": 1})

    assert not batch.log.exists()


def test_a_step_of_no_protocol_does_not_exist(bench, batch):
    assert log_step(bench, batch, slug="no_such_step").status_code == 404


def test_polling_answers_nothing_while_nothing_changed(bench, batch):
    seen = bench.get(address(batch)).context["seen"]

    response = bench.get(address(batch, "batch-steps"), {"seen": seen})

    assert (response.status_code, response.content) == (204, b"")


def test_polling_brings_a_colleagues_entry(bench, batch):
    seen = bench.get(address(batch)).context["seen"]
    clearing.record_step(batch, STEP, performed_at=timezone.now(), by=a_colleague())

    response = bench.get(address(batch, "batch-steps"), {"seen": seen})

    assert response.status_code == 200
    assert "colleague" in response.content.decode()
    assert "HX-Trigger-After-Swap" not in response


def test_polling_tells_the_script_when_the_batch_is_finished(bench, batch, clearer):
    seen = bench.get(address(batch)).context["seen"]
    clearing.complete(batch, by=clearer, skip_missing=True)

    response = bench.get(address(batch, "batch-steps"), {"seen": seen})

    assert response["HX-Trigger-After-Swap"] == "bench-moved"


def test_completing_too_early_names_the_steps(bench, batch):
    response = bench.post(address(batch, "batch-complete"))

    assert response.status_code == 422
    assert "14 of 14 steps are not logged" in response.content.decode()
    assert state_of(batch) == "in progress"


def test_steps_can_be_left_out_on_purpose(bench, batch):
    bench.post(address(batch, "batch-complete"), {"left_out": "on"})

    assert state_of(batch) == "complete"


def test_pressing_complete_twice_is_harmless(bench, batch):
    bench.post(address(batch, "batch-complete"), {"left_out": "on"})

    response = bench.post(address(batch, "batch-complete"), {"left_out": "on"})

    assert response.url == address(batch)


def test_the_experimental_protocol_says_what_its_link_must_be(bench, researcher, clearer):
    plan = a_plan(samples=[a_sample_plan(protocol="experimental")])
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)

    response = bench.post(address(batch, "batch-complete"), {"link": "my sheet"})

    page = response.content.decode()
    assert "Begin with https://" in page
    assert 'value="my sheet"' in page


def test_a_batch_goes_back_to_the_queue(bench, batch):
    response = bench.post(address(batch, "batch-put-back"))

    assert response.url == QUEUE
    assert state_of(batch) == "waiting"


def test_a_finished_batch_is_opened_again_with_a_reason(bench, batch):
    bench.post(address(batch, "batch-complete"), {"left_out": "on"})

    bench.post(address(batch, "batch-reopen"), {"reason": "wrong lot"})

    assert state_of(batch) == "in progress"


def test_opening_again_without_a_reason_is_refused_in_words(bench, batch):
    bench.post(address(batch, "batch-complete"), {"left_out": "on"})

    page = bench.post(
        address(batch, "batch-reopen"),
        {"reason": ""},
        follow=True,
        headers={"Referer": f"http://testserver{address(batch)}"},
    )

    assert "Say why the batch is opened again." in page.content.decode()


def test_one_tube_or_all_of_a_batch_are_received(bench, researcher):
    plan = a_plan(samples=[a_sample_plan(f"s{n}") for n in range(3)])
    batch = a_waiting_batch(researcher, plan)
    first = batch.samples.first()

    bench.post(address(batch, "batch-receive"), {"sample": first.pk})
    received_after_one = batch.samples.filter(received_at__isnull=False).count()
    bench.post(address(batch, "batch-receive"), {"sample": "all"})

    assert received_after_one == 1
    assert not batch.samples.filter(received_at=None).exists()


def test_a_tube_of_another_batch_is_not_received_from_here(bench, researcher):
    here, there = a_waiting_batch(researcher), a_waiting_batch(researcher, a_plan("other"))

    bench.post(address(here, "batch-receive"), {"sample": there.samples.get().pk})

    assert there.samples.get().received_at is None


def test_fifty_samples_and_fifty_one_steps_fit_on_one_page(bench, researcher, clearer):
    samples = [
        a_sample_plan(f"s{n}", protocol="iDISCO+_immuno", antibody1="anti-cFos 1:1000")
        for n in range(50)
    ]
    batch = a_batch_being_cleared(researcher, by=clearer, plan=a_plan(samples=samples))

    response = bench.get(address(batch))

    assert response.context["total"] == 51
    assert len(response.context["samples"]) == 50
    assert [p.title for p in response.context["phases"]][:3] == [
        "Dehydration", "Rehydration", "Blocking",
    ]  # fmt: skip


def test_hostile_text_is_shown_as_text(bench, researcher, clearer):
    plan = a_plan(
        samples=[
            a_sample_plan(protocol="iDISCO+_immuno", antibody1=HOSTILE, notes_for_clearer=HOSTILE)
        ]
    )
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)
    log_step(bench, batch, slug="dehydr_pbs_wash1", note=HOSTILE)

    page = bench.get(address(batch)).content.decode()

    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "{{ 7*7 }}" in page


def test_a_time_that_was_typed_counts_also_with_done_now(client, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    client.force_login(clearer, backend=BACKEND)
    slug = batch.protocol.steps.get(position=1).slug

    client.post(
        f"/clearing/batches/{batch.pk}/steps/{slug}/",
        {"when": "now", "performed_at": "2026-01-05T09:30", "replaces": "0"},
    )

    performed = timezone.localtime(batch.log.get().performed_at)
    assert f"{performed:%Y-%m-%d %H:%M}" == "2026-01-05 09:30"
