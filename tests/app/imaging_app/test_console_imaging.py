"""Imaging in the console: batches and samples found, handed out, skipped, re-opened, corrected."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core_app.models import Event
from core_app.roles import Role
from imaging_app.models import (
    DeliveryWaiver,
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
    Microscope,
    RawDelivery,
)
from imaging_app.services import corrections, imaging
from imaging_app.workflows import skip_sample
from requests_app.plans import ChannelPlan, ResolutionPlan
from tests.support.console import HOSTILE, answer, browser_of, page_of, press, words_of
from tests.support.mailing import mails_of
from tests.support.people import a_person
from tests.support.scenarios import (
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db
BATCHES, ROUNDS = page_of(ImagingBatch, "changelist"), page_of(ImagingRequest, "changelist")
SMARTSPIM = ResolutionPlan("3.6x", (ChannelPlan("488", ("generic_imaging",)),))
MODELS = (ImagingBatch, ImagingRequest, ImagingResolution, ImagingChannel, RawDelivery,
          DeliveryWaiver)  # fmt: skip


@pytest.fixture
def console(imager):
    return browser_of(imager)


@pytest.fixture
def sample(researcher, clearer, imager):
    return a_request_being_imaged(researcher, clearer=clearer, imager=imager)


def now(row):
    return type(row).objects.get(pk=row.pk)


def a_ready_batch(owner, clearer, name="ready", **plan):
    request = a_cleared_request(owner, clearer=clearer, plan=a_plan(name, **plan))
    return ImagingBatch.objects.get(clearing_batch__request=request)


# Lists


@pytest.mark.parametrize("model", MODELS)
def test_every_list_is_searched(console, sample, model):
    found = console.get(page_of(model, "changelist"), {"q": "researcher brain"})

    assert found.status_code == 200


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("imager=none", {"ready"}),
        ("imager=me", {"begun"}),
        ("imager=nonsense", set()),
        ("state__exact=waiting", {"ready"}),
        ("imaging_request_number=1", {"ready", "begun"}),
        ("q=blob-9", {"ready"}),
        ("q=river", {"ready", "begun"}),
        ("q=nowhere", set()),
    ],
)
def test_the_list_finds_batches(query, names, console, researcher, clearer, imager):
    smart = [a_sample_plan("blob-9", resolutions=(SMARTSPIM,))]
    a_ready_batch(researcher, clearer, samples=smart)
    a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=a_plan("begun"))

    rows = console.get(f"{BATCHES}?{query}").context["cl"].result_list
    assert {batch.clearing_batch.request.name for batch in rows} == names


def test_batches_are_found_by_microscope(console, researcher, clearer, imager):
    smart = [a_sample_plan("blob-9", resolutions=(SMARTSPIM,))]
    a_ready_batch(researcher, clearer, samples=smart)
    a_ready_batch(researcher, clearer, "other")
    key = "imaging_requests__resolutions__objective__microscope__id__exact"
    found = {key: Microscope.objects.get(name="smartspim").pk}

    rows = console.get(BATCHES, found).context["cl"].result_list

    assert [batch.clearing_batch.request.name for batch in rows] == ["ready"]


def test_the_list_shows_progress_and_objectives(console, researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan("s-1"), a_sample_plan("s-2")])
    first = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    skip_sample(first, by=imager, reason="It broke.")

    words = words_of(console.get(BATCHES))

    assert "1 of 2 done" in words
    assert "1.3x" in words


def test_lists_take_few_queries_however_long(
    console, researcher, clearer, django_assert_max_num_queries
):
    for number in range(4):
        a_ready_batch(researcher, clearer, f"brain {number}")

    with django_assert_max_num_queries(24):
        console.get(BATCHES)
    with django_assert_max_num_queries(24):
        console.get(ROUNDS)


# Hands


def test_batches_are_assigned_to_me_and_released(console, imager, researcher, clearer):
    batch = a_ready_batch(researcher, clearer)

    press(console, "assign_to_me", batch)
    mine = now(batch).imager
    press(console, "release_batches", batch)

    assert (mine, now(batch).imager) == (imager, None)


def test_assigning_asks_to_whom_and_reports_each(console, researcher, clearer, imager):
    colleague = a_person("colleague", role=Role.IMAGER)
    open_one, over = (
        a_ready_batch(researcher, clearer, "open"),
        a_ready_batch(researcher, clearer, "over"),
    )
    skip_sample(over.imaging_requests.get(), by=imager, reason="It broke.")

    asked = press(console, "assign_to", open_one, over)
    done = answer(console, "assign_to", open_one, over, imager=colleague.pk)

    assert "Who images these batches?" in words_of(asked)
    assert now(open_one).imager == colleague
    assert "assigned to colleague" in words_of(done)
    assert "The batch is skipped, so it is given to nobody." in words_of(done)


def test_only_imaging_staff_can_be_chosen(console, researcher, clearer):
    batch = a_ready_batch(researcher, clearer)

    page = answer(console, "assign_to", batch, imager=clearer.pk)

    assert now(batch).imager is None
    assert "Select a valid choice" in words_of(page)


def test_what_a_colleague_claimed_is_not_started(console, researcher, clearer):
    batch = a_ready_batch(researcher, clearer)
    imaging.claim(batch, by=a_person("colleague", role=Role.IMAGER))

    page = press(console, "start_batches", batch)

    assert now(batch).state == "waiting"
    assert "colleague has claimed this batch" in words_of(page)


def test_batches_that_are_started_have_their_folders(console, researcher, clearer, settings):
    batch = a_ready_batch(researcher, clearer)

    press(console, "start_batches", batch)

    resolution = ImagingResolution.objects.get(imaging_request__batch=batch)
    assert (settings.DATA_ROOT / str(resolution.raw_folder(ventral_up=False))).is_dir()


# Samples


def test_folders_are_made_for_what_is_being_imaged_only(
    console, researcher, clearer, imager, settings
):
    begun = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=a_plan("a"))
    waiting = a_submitted_request(researcher, a_plan("b"))
    other = ImagingRequest.objects.get(sample__request=waiting)

    page = press(console, "make_raw_folders", begun, other)

    folder = begun.resolutions.get().raw_folder(ventral_up=False)
    assert (settings.DATA_ROOT / str(folder)).is_dir()
    assert "Start its batch first." in words_of(page)


def test_skipping_asks_for_a_reason_and_tells_it(console, sample):
    asked = press(console, "skip_samples", sample)
    refused = answer(console, "skip_samples", sample, reason=" ")
    open_still = now(sample).state
    answer(console, "skip_samples", sample, reason="It broke.")

    assert "Skip these samples?" in words_of(asked)
    assert "Say why" in words_of(refused)
    assert (open_still, now(sample).state) == ("in progress", "skipped")
    assert "not imaged: It broke." in mails_of("imaging-complete")[0].text


def test_reopening_asks_for_a_reason_and_reports_each(console, sample, researcher, clearer, imager):
    skip_sample(sample, by=imager, reason="It broke.")
    other = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=a_plan("other"))

    page = answer(console, "reopen_samples", sample, other, reason="Wrong tube.")

    assert now(sample).state == "in progress"
    assert Event.objects.filter(note="Wrong tube.", object_id=sample.pk).exists()
    assert "opened again" in words_of(page)
    assert "cannot become in progress" in words_of(page)


# Corrections


def corrected(client, row, text, **other):
    data = {"notes_from_imaging": text, "resolutions-TOTAL_FORMS": 0,
            "resolutions-INITIAL_FORMS": 0, **other}  # fmt: skip
    return client.post(page_of(ImagingRequest, "change", row.pk), data, follow=True)


def test_notes_are_corrected_with_what_they_were(console, sample):
    corrected(console, sample, "Stripes at the left.")
    corrected(console, sample, "Stripes at the right.")

    notes = Event.objects.filter(verb="corrected").order_by("pk").values_list("note", flat=True)
    assert now(sample).notes_from_imaging == "Stripes at the right."
    assert list(notes) == [
        "notes from imaging: nothing → Stripes at the left.",
        "notes from imaging: Stripes at the left. → Stripes at the right.",
    ]


def test_a_colleagues_correction_is_not_written_over(console, sample, imager):
    address = page_of(ImagingRequest, "change", sample.pk)
    seen = console.get(address).context["seen"]
    corrections.correct_imaging(now(sample), {"notes_from_imaging": "Theirs."}, by=imager)

    page = corrected(console, sample, "Mine.", seen=seen)

    assert now(sample).notes_from_imaging == "Theirs."
    assert "while your page was open" in words_of(page)


def test_only_imaging_staff_correct_and_nothing_else_is_corrected(sample, clearer, imager):
    with pytest.raises(Exception, match="Only imaging staff"):
        corrections.correct_imaging(sample, {"notes_from_imaging": "x"}, by=clearer)
    with pytest.raises(Exception, match="cannot be corrected"):
        corrections.correct_imaging(sample, {"number": 2}, by=imager)


def test_the_pages_of_a_batch_and_a_sample_show_what_happened(console, sample):
    batch = words_of(console.get(page_of(ImagingBatch, "change", sample.batch.pk)))
    round_ = words_of(console.get(page_of(ImagingRequest, "change", sample.pk)))

    assert "waiting → in progress" in batch
    assert "waiting → in progress" in round_


def test_what_people_typed_is_harmless_in_the_console(console, sample, imager):
    corrections.correct_imaging(sample, {"notes_from_imaging": HOSTILE}, by=imager)
    resolution = sample.resolutions.get()
    waiver = DeliveryWaiver.objects.create(
        resolution=resolution, subfolder="run_1", key="k", what=HOSTILE, reason=HOSTILE, by=imager
    )

    pages = [
        console.get(page_of(ImagingRequest, "change", sample.pk)),
        console.get(page_of(ImagingBatch, "change", sample.batch.pk)),
        console.get(page_of(DeliveryWaiver, "changelist")),
        console.get(page_of(DeliveryWaiver, "change", waiver.pk)),
        console.get(page_of(ImagingResolution, "change", resolution.pk)),
    ]

    assert {page.status_code for page in pages} == {200}
    assert not [page for page in pages if "<script>alert('x')" in page.content.decode()]


def test_the_page_of_a_batch_takes_as_many_queries_for_eight_samples_as_for_two(
    console, researcher, clearer
):
    few = a_ready_batch(researcher, clearer, samples=[a_sample_plan(f"s{i}") for i in range(2)])
    many = a_ready_batch(
        researcher, clearer, "many", samples=[a_sample_plan(f"s{i}") for i in range(8)]
    )
    pages = [page_of(ImagingBatch, "change", batch.pk) for batch in (few, many)]
    console.get(pages[0])  # what is read once for all

    with CaptureQueriesContext(connection) as of_few:
        console.get(pages[0])
    with CaptureQueriesContext(connection) as of_many:
        console.get(pages[1])

    assert len(of_many) == len(of_few)
