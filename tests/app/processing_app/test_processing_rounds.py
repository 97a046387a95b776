"""One round of processing: who starts it with what, and what its page says of it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core_app.models import Mail
from processing_app import workflows
from processing_app.models import ProcessingRequest, Run, Step
from processing_app.selectors import rounds as reads
from processing_app.services import requests
from processing_app.states import ProcessingState
from requests_app.models import Request
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.states import RequestState
from requests_app.workflows import close_finished_requests
from tests.support import clusters, processed, scenarios

pytestmark = pytest.mark.django_db
S = ProcessingState


@pytest.fixture
def ready(researcher, clearer, imager):
    return processed.a_ready_round(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def signed_in(client):
    def sign_in(person):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def address(name, one):
    return reverse(f"processing:{name}", args=[one.pk])


def typed(one, *, action="start", **values):
    row = one.resolutions.get()
    fields = {"final_orientation": "sagittal", "notes": "", "atlas": "", **values}
    return {"action": action, **{f"place-{row.pk}-{name}": v for name, v in fields.items()}}


def state_of(one):
    return ProcessingRequest.objects.get(pk=one.pk).state


def text_of(answer):
    return " ".join(answer.content.decode().split())


def test_47_the_owner_and_processing_staff_get_the_form(
    ready, researcher, processor, manager, signed_in
):
    people = (researcher, processor, manager)

    pages = [text_of(signed_in(person).get(address("round", ready))) for person in people]

    assert all("Start processing" in page for page in pages)


def test_others_who_may_read_it_get_no_form(ready, imager, operator, pi, signed_in):
    pages = [text_of(signed_in(p).get(address("round", ready))) for p in (imager, operator, pi)]

    assert not any("Start processing" in page for page in pages)


def test_a_stranger_finds_no_page_of_a_round(ready, stranger, signed_in):
    desk = signed_in(stranger)
    names = ("round", "round-log")
    buttons = ("round-enter", "round-set-aside", "round-want-again")

    found = [desk.get(address(name, ready)).status_code for name in names]
    found += [desk.post(address(name, ready)).status_code for name in buttons]

    assert found == [404] * 5
    assert state_of(ready) == S.WAITING


def test_48_starting_moves_it_on_and_the_page_is_read_only_then(ready, researcher, signed_in):
    atlas, desk = processed.an_installed_atlas(), signed_in(researcher)
    values = {"atlas": atlas.pk, "final_orientation": "coronal", "notes": "all well"}

    answer = desk.post(address("round-enter", ready), typed(ready, **values), follow=True)

    row = ready.resolutions.get()
    assert state_of(ready) == S.RUNNING
    assert (row.atlas, row.final_orientation, row.notes_from_processing) == (
        atlas, "coronal", "all well"
    )  # fmt: skip
    assert "is started" in text_of(answer)
    assert "Start processing" not in text_of(answer)


def test_48_a_second_start_is_refused_in_words(ready, researcher, signed_in):
    desk = signed_in(researcher)
    desk.post(address("round-enter", ready), typed(ready))

    answer = desk.post(address("round-enter", ready), typed(ready))

    assert answer.status_code == 422
    assert "It is running." in text_of(answer)
    assert Run.objects.filter(processing_request=ready).count() == 1


def test_who_may_only_read_is_refused_in_words(ready, imager, signed_in):
    answer = signed_in(imager).post(address("round-enter", ready), typed(ready))

    assert answer.status_code == 422
    assert "Only the owner and processing staff" in text_of(answer)
    assert state_of(ready) == S.WAITING


def test_what_the_page_promises_is_what_the_run_makes(ready, researcher):
    atlas = processed.an_installed_atlas()
    ready.resolutions.update(atlas=atlas)
    (place,) = reads.planned(ready).places

    (run,) = processed.started(ready, by=researcher, atlas=atlas)

    labels = {made.label for made in place.made}
    made = [step.product or step.artifact for step in Step.objects.filter(run=run)]
    kinds = {str(one["kind"]) for one in made if one}
    assert len(labels) == len(kinds)
    assert {"Blended", "Downsized", "Registered", "Atlas on the sample"} <= labels


def test_an_atlas_that_is_not_installed_is_named_before_and_at_the_start(
    ready, researcher, signed_in
):
    from processing_app.models import Atlas

    missing, desk = Atlas.objects.get(name="allen_2017"), signed_in(researcher)
    desk.post(address("round-enter", ready), typed(ready, action="keep", atlas=missing.pk))

    page = text_of(desk.get(address("round", ready)))
    answer = desk.post(address("round-enter", ready), typed(ready, atlas=missing.pk))

    assert "The atlas Allen 2017 is not installed here" in page
    assert "The atlas Allen 2017 is not installed here" in text_of(answer)
    assert answer.status_code == 422
    assert state_of(ready) == S.WAITING


@pytest.mark.parametrize(
    "values",
    [{"final_orientation": "upside down"}, {"final_orientation": ""}, {"atlas": "999999"},
     {"atlas": "x' OR 1=1"}, {"notes": "n" * 1025}],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_what_cannot_be_is_marked_and_starts_nothing(values, ready, researcher, signed_in):
    answer = signed_in(researcher).post(address("round-enter", ready), typed(ready, **values))

    assert answer.status_code == 422
    assert "Correct what is marked" in text_of(answer)
    assert state_of(ready) == S.WAITING


def test_notes_are_shown_to_the_processor_as_text(researcher, clearer, imager, signed_in):
    wanted = ResolutionPlan(
        "1.3x", (ChannelPlan("488", ("registration",)),), notes_for_processor="<b>mind</b> the tear"
    )
    plan = scenarios.a_plan(samples=(scenarios.a_sample_plan(resolutions=(wanted,)),))
    sample = scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)

    page = text_of(signed_in(researcher).get(address("round", processed.a_round(sample))))

    assert "&lt;b&gt;mind&lt;/b&gt; the tear" in page
    assert "Imaging of this sample is not complete" in page


def test_a_get_of_a_button_changes_nothing(ready, researcher, signed_in):
    names = ("round-enter", "round-set-aside", "round-want-again")

    found = [signed_in(researcher).get(address(name, ready)).status_code for name in names]

    assert found == [405] * 3


# --- not wanted


def test_what_is_not_wanted_closes_the_request(ready, researcher, signed_in):
    answer = signed_in(researcher).post(
        address("round-set-aside", ready), {"reason": "only looked at"}, follow=True
    )

    assert state_of(ready) == S.CANCELLED
    assert Request.objects.get(pk=ready.root_id).state == RequestState.CLOSED
    assert "Not wanted: only looked at" in text_of(answer)


def test_not_wanted_needs_a_reason(ready, researcher, signed_in):
    answer = signed_in(researcher).post(
        address("round-set-aside", ready), {"reason": "  "}, follow=True
    )

    assert "Say why it is not wanted." in text_of(answer)
    assert state_of(ready) == S.WAITING


def test_it_is_wanted_after_all_and_the_request_is_open_again(ready, researcher, signed_in):
    workflows.set_aside(ready, by=researcher, reason="only looked at")

    signed_in(researcher).post(address("round-want-again", ready))

    assert state_of(ready) == S.WAITING
    assert Request.objects.get(pk=ready.root_id).state == RequestState.SUBMITTED


def test_what_is_at_work_is_not_set_aside(ready, researcher, signed_in):
    processed.started(ready, by=researcher)

    answer = signed_in(researcher).post(
        address("round-set-aside", ready), {"reason": "no"}, follow=True
    )

    assert state_of(ready) == S.RUNNING
    assert "cancelled on the page of its run" in text_of(answer)


def test_what_a_person_did_not_want_is_not_opened_again_by_its_images(ready, researcher, imager):
    from django.db import transaction

    workflows.set_aside(ready, by=researcher, reason="only looked at")

    with transaction.atomic():
        said = requests.follow_imaging(ready.imaging_request, by=imager)

    assert (said, state_of(ready)) == ("", S.CANCELLED)


# --- failed, complete, again


def test_a_failure_is_retried_by_staff_or_started_again(ready, processor, researcher, signed_in):
    processed.processed(ready, by=processor, work=clusters.fail_with("BAD_INPUT"))
    run = Run.objects.get(processing_request=ready)

    of_staff = text_of(signed_in(processor).get(address("round", ready)))
    of_owner = text_of(signed_in(researcher).get(address("round", ready)))
    signed_in(researcher).post(address("round-enter", ready), typed(ready))

    assert reverse("processing:run-retry", args=[run.pk]) in of_staff
    assert reverse("processing:run-retry", args=[run.pk]) not in of_owner
    assert "Start it again" in of_owner
    assert state_of(ready) == S.RUNNING
    assert Run.objects.filter(processing_request=ready).count() == 2


def test_a_round_that_is_complete_is_told_once_with_its_log(ready, researcher):
    done = processed.processed(ready, by=researcher)

    (mail,) = Mail.objects.filter(event="processing-complete")
    assert done.state == S.COMPLETE
    assert address("round-log", ready) in mail.text
    assert f"/viewers/samples/{ready.imaging_request.sample_id}/" in mail.text
    assert close_finished_requests() == 1


def test_starting_a_round_of_a_closed_request_opens_it(ready, researcher):
    done = processed.processed(ready, by=researcher)
    close_finished_requests()

    again = workflows.ask_for_processing(done.imaging_request, {}, by=researcher, after=1)

    assert again.number == 2
    assert Request.objects.get(pk=ready.root_id).state == RequestState.SUBMITTED


def test_the_log_says_what_was_entered_run_and_made(ready, processor, imager, signed_in):
    atlas = processed.an_installed_atlas()
    processed.processed(ready, by=processor, atlas=atlas)
    run = Run.objects.get(processing_request=ready)

    page = text_of(signed_in(imager).get(address("round-log", ready)))

    words = [str(atlas), str(run), "Blended", "Registered", "Download CSV", "score 0.8731",
             run.pipeline_version, "voxel_um", "Quality figures", str(processor)]  # fmt: skip
    assert [word for word in words if word not in page] == []


def test_the_log_of_a_round_that_waits_says_so(ready, researcher, signed_in):
    page = text_of(signed_in(researcher).get(address("round-log", ready)))

    assert "No volume is made yet." in page
    assert "No run was begun." in page


# --- one more round


def further(one, **values):
    row = one.resolutions.get()
    fields = {"final_orientation": "horizontal", "notes": "", "atlas": "", **values}
    prefix = f"place-{row.resolution_id}-dorsal"
    return {"after": "1", **{f"{prefix}-{name}": value for name, value in fields.items()}}


def new(one):
    return reverse("processing:round-new", args=[one.imaging_request_id])


def test_another_atlas_is_a_round_of_its_own(ready, researcher, signed_in):
    atlas = processed.an_installed_atlas()
    values = {"atlas": atlas.pk, "notes": "with the small one"}

    answer = signed_in(researcher).post(new(ready), further(ready, **values))

    second = processed.a_round(ready.imaging_request, 2)
    row = second.resolutions.get()
    assert answer["Location"] == address("round", second)
    assert (row.atlas, row.final_orientation, row.notes_for_processor) == (
        atlas, "horizontal", "with the small one"
    )  # fmt: skip


def test_the_page_lists_the_rounds_so_far(ready, researcher, signed_in):
    page = text_of(signed_in(researcher).get(new(ready)))

    assert "Round 1" in page
    assert "no atlas, sagittal" in page


def test_who_may_not_ask_finds_no_page(ready, imager, stranger, operator, signed_in):
    people = (imager, stranger, operator)

    found = [signed_in(person).get(new(ready)).status_code for person in people]
    found += [signed_in(person).post(new(ready), further(ready)).status_code for person in people]

    assert found == [404] * 6


def test_a_form_that_is_sent_twice_asks_once(ready, researcher, signed_in):
    desk = signed_in(researcher)
    desk.post(new(ready), further(ready))

    answer = desk.post(new(ready), further(ready))

    assert answer.status_code == 422
    assert "Processing round 2 was asked for since" in text_of(answer)
    assert ready.imaging_request.processing_requests.count() == 2


@pytest.mark.parametrize(
    "values", [{"final_orientation": "x"}, {"atlas": "-1"}, {"notes": "n" * 1025}],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_a_wish_that_cannot_be_is_marked(values, ready, researcher, signed_in):
    answer = signed_in(researcher).post(new(ready), further(ready, **values))

    assert answer.status_code == 422
    assert ready.imaging_request.processing_requests.count() == 1


def test_before_imaging_is_complete_nothing_is_asked(researcher, clearer, imager, signed_in):
    sample = scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    one = processed.a_round(sample)

    page = text_of(signed_in(researcher).get(new(one)))
    answer = signed_in(researcher).post(new(one), further(one))

    assert "Imaging of this sample is not complete" in page
    assert answer.status_code == 422
    assert sample.processing_requests.count() == 1


def test_the_pages_cost_the_same_with_more_runs(ready, researcher, signed_in):
    processed.processed(ready, by=researcher, work=clusters.fail_with("BAD_INPUT"))
    desk = signed_in(researcher)

    def cost(name):
        desk.get(address(name, ready))
        with CaptureQueriesContext(connection) as queries:
            desk.get(address(name, ready))
        return len(queries)

    before = cost("round"), cost("round-log")
    processed.processed(ready, by=researcher, work=clusters.fail_with("BAD_INPUT"))

    assert (cost("round"), cost("round-log")) == before
