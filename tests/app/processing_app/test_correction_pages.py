"""Flat field and stripes of SmartSPIM samples: the list, the entry, and what it stops."""

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core_app.models import Event
from processing_app.models import ChannelCorrection, ProcessingRequest, Run, Step
from processing_app.selectors.corrections import channels_to_correct, planes_folder
from processing_app.states import ProcessingState
from tests.support import clusters, processed
from tests.support.clusters import memory_cluster

pytestmark = pytest.mark.django_db
LIST = reverse("processing:correction-list")


@pytest.fixture
def stitched(researcher, clearer, imager):
    return processed.a_stitched_sample(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def unstitched(researcher, clearer, imager):
    return processed.a_stitched_sample(
        researcher, clearer=clearer, imager=imager, is_stitched=False
    )


@pytest.fixture
def signed_in(client):
    def sign_in(person):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def address(sample):
    return reverse("processing:correction", args=[sample.pk])


def typed(sample, **values):
    """The form with the same for each channel."""
    fields = {
        "flat_from": "estimated", "flat_name": "", "sigma_foreground": "8",
        "sigma_background": "128", **values,
    }  # fmt: skip
    channels = channels_to_correct(sample)
    return {f"{c.pk}-{name}": value for c in channels for name, value in fields.items()}


def parts_of(client):
    sections = client.get(LIST).context["sections"]
    return {str(stage): [line.imaging_request for line in page] for stage, *_, page in sections}


def text_of(answer):
    return " ".join(answer.content.decode().split())


def test_59_a_sample_is_ready_once_every_channel_is_stitched(stitched, processor, signed_in):
    page = signed_in(processor).get(LIST)

    assert parts_of(signed_in(processor))["ready"] == [stitched]
    assert "2 of 2" in text_of(page)


def test_59_before_that_it_is_not_ready(unstitched, processor, signed_in):
    parts = parts_of(signed_in(processor))

    assert (parts["ready"], parts["stitching"]) == ([], [unstitched])


def test_the_list_is_of_the_owner_and_of_processing_staff(
    stitched, researcher, stranger, imager, pi, signed_in
):
    found = {p.username: parts_of(signed_in(p)) for p in (researcher, stranger, imager, pi)}

    assert found.pop("researcher")["ready"] == [stitched]
    assert not any(rows for parts in found.values() for rows in parts.values())


def test_60_what_is_entered_is_kept_with_the_name(stitched, researcher, signed_in):
    signed_in(researcher).post(address(stitched), typed(stitched))

    found = ChannelCorrection.objects.values_list(
        "flat_from", "sigma_foreground", "sigma_background", "set_by__username"
    )
    assert list(found) == [("estimated", 8.0, 128.0, "researcher")] * 2
    assert Event.objects.filter(verb="correction set").count() == 2


def test_the_same_again_is_no_news(stitched, researcher, signed_in):
    signed_in(researcher).post(address(stitched), typed(stitched))
    signed_in(researcher).post(address(stitched), typed(stitched))

    assert Event.objects.filter(verb="correction set").count() == 2


def test_60_a_flat_field_that_is_there_is_taken_and_reaches_the_run(stitched, processor, signed_in):
    for channel in channels_to_correct(stitched):
        processed.a_flat_field(settings.DATA_ROOT / planes_folder(channel))

    signed_in(processor).post(
        address(stitched), typed(stitched, flat_from="file", flat_name="flat.tiff")
    )
    processed.started(processed.a_round(stitched), by=processor)

    steps = Step.objects.filter(run__pipeline="correction", name="correct")
    assert all(step.inputs["flat"].endswith("_stitched/flat.tiff") for step in steps)
    assert len(steps) == 2


def test_60_a_flat_field_that_is_missing_is_named_with_its_path(stitched, processor, signed_in):
    channel = channels_to_correct(stitched)[0]
    (settings.DATA_ROOT / planes_folder(channel)).mkdir(parents=True, exist_ok=True)

    answer = signed_in(processor).post(
        address(stitched), typed(stitched, flat_from="file", flat_name="flat.tiff")
    )

    assert answer.status_code == 422
    assert f"There is no file {planes_folder(channel)}/flat.tiff" in text_of(answer)
    assert not ChannelCorrection.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"flat_from": "file", "flat_name": ""}, "Type the name of the file"),
        ({"flat_from": "file", "flat_name": "f" * 65}, "The name has 65 characters"),
        ({"flat_from": "file", "flat_name": "../flat.tiff"}, "Type the name alone"),
        ({"flat_from": "file", "flat_name": "/etc/passwd"}, "Type the name alone"),
        ({"flat_from": "file", "flat_name": ".."}, "Type the name alone"),
        ({"flat_from": "file", "flat_name": "a\\b"}, "has a character"),
        ({"flat_from": "file", "flat_name": "a\0b"}, "Null characters"),
        ({"flat_from": "magic"}, "magic is not one of the available choices"),
        ({"sigma_foreground": "-1"}, "greater than or equal to 0"),
        ({"sigma_foreground": "1e9"}, "from 0 to 4096"),
        ({"sigma_background": "nan"}, "Enter a number"),
        ({"sigma_background": "inf"}, "Enter a number"),
        ({"sigma_background": ""}, "required"),
    ],
    ids=lambda value: str(list(value.values())[-1])[:12] if isinstance(value, dict) else None,
)
def test_what_cannot_be_is_marked_and_nothing_is_saved(
    values, words, stitched, researcher, signed_in
):
    answer = signed_in(researcher).post(address(stitched), typed(stitched, **values))

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not ChannelCorrection.objects.exists()


def test_a_link_out_of_the_data_root_is_no_flat_field(stitched, researcher, tmp_path, signed_in):
    outside = processed.a_flat_field(tmp_path / "outside")
    for channel in channels_to_correct(stitched):
        folder = settings.DATA_ROOT / planes_folder(channel)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "flat.tiff").symlink_to(outside)

    answer = signed_in(researcher).post(
        address(stitched), typed(stitched, flat_from="file", flat_name="flat.tiff")
    )

    assert "leads out of the data root" in text_of(answer)
    assert not ChannelCorrection.objects.exists()


def test_readers_see_it_and_change_nothing(stitched, imager, signed_in):
    page = text_of(signed_in(imager).get(address(stitched)))
    answer = signed_in(imager).post(address(stitched), typed(stitched))

    assert "Estimated from the planes" in page
    assert "Save" not in page
    assert answer.status_code == 422
    assert "Only the owner and processing staff" in text_of(answer)
    assert not ChannelCorrection.objects.exists()


def test_a_stranger_finds_no_page(stitched, stranger, signed_in):
    desk = signed_in(stranger)

    assert desk.get(address(stitched)).status_code == 404
    assert desk.post(address(stitched), typed(stitched)).status_code == 404


def test_an_anonymous_person_is_sent_to_sign_in(client):
    assert "login" in client.get(LIST)["Location"]


def test_its_processing_is_not_started_before_every_channel_is_stitched(
    unstitched, processor, signed_in
):
    one = processed.a_round(unstitched)
    row = one.resolutions.get()
    form = {f"place-{row.pk}-final_orientation": "sagittal", "action": "start"}

    answer = signed_in(processor).post(reverse("processing:round-enter", args=[one.pk]), form)

    assert answer.status_code == 422
    assert "Not stitched yet: 3.6x 488, 3.6x 642." in text_of(answer)
    assert ProcessingRequest.objects.get(pk=one.pk).state == ProcessingState.WAITING


def test_61_while_it_is_corrected_nothing_changes_and_then_it_is_corrected(
    stitched, processor, signed_in
):
    (run,) = processed.started(processed.a_round(stitched), by=processor)
    desk = signed_in(processor)
    at_work = parts_of(desk)

    refused = desk.post(address(stitched), typed(stitched))
    clusters.drive_until_over(run, memory_cluster(processed.work), ticks=200)

    assert at_work["progress"] == [stitched]
    assert "It is being corrected now" in text_of(refused)
    assert Run.objects.get(pk=run.pk).state == "succeeded"
    assert parts_of(desk)["corrected"] == [stitched]


def test_the_list_costs_the_same_with_more_samples(
    unstitched, researcher, clearer, imager, processor, signed_in
):
    desk = signed_in(processor)

    def cost():
        desk.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            desk.get(LIST)
        return len(queries)

    one = cost()
    processed.a_stitched_sample(
        researcher, clearer=clearer, imager=imager, is_stitched=False, name="another"
    )

    assert cost() == one
