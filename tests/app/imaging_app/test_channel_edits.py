"""Channels that are added, taken out, imaged ventral up: for one sample, and for a batch."""

import pytest

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState, Taken
from core_app.models import Event, OutboxRow
from imaging_app import workflows
from imaging_app.edits import SetPurposes
from imaging_app.models import RawDelivery, Wavelength
from processing_app.models import ProcessingResolution
from tests.app.imaging_app.batch_help import (
    ONLY_LOOKED_AT,
    TWO_LINES,
    a_batch,
    adding,
    channel,
    channels,
    entered,
    place,
    removing,
    sample,
    seen,
    skipped,
    twin_of,
)
from tests.support.scenarios import a_cleared_request, a_plan, a_sample_plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(researcher, clearer, imager):
    return a_batch(researcher, clearer, imager)


def wanted_of(name):
    """The rows of processing of a sample: objective and side."""
    rows = ProcessingResolution.objects.filter(
        processing_request__imaging_request=sample(name)
    ).order_by("resolution__objective__position", "ventral_up")
    return [(row.resolution.objective.name, row.ventral_up) for row in rows]


# --- one sample


def test_a_channel_is_added_to_one_sample_only(batch, imager):
    done = workflows.edit_sample(sample("s1"), adding("790 at 1.3x", "cell_detection"), by=imager)

    assert done == "790 at 1.3x is added"
    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x", "790 at 1.3x"]
    assert channels("s2") == ["488 at 1.3x", "555 at 1.3x"]
    added = channel("s1", "790 at 1.3x")
    assert (added.purposes, added.is_requested) == (("cell_detection",), False)
    assert Event.objects.latest("id").verb == "channel added"


def test_a_channel_is_taken_out_of_one_sample_only(batch, imager):
    workflows.edit_batch(batch, adding("790 at 1.3x"), by=imager)

    workflows.edit_sample(sample("s1"), removing("790 at 1.3x"), by=imager)

    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x"]
    assert channels("s2") == ["488 at 1.3x", "555 at 1.3x", "790 at 1.3x"]


def test_a_channel_that_the_researcher_ordered_is_remembered_when_it_is_removed(batch, imager):
    workflows.edit_sample(sample("s1"), removing("555 at 1.3x"), by=imager)

    event = Event.objects.latest("id")
    assert (event.verb, event.by) == ("requested channel removed", imager)
    assert event.note == "555 at 1.3x, requested for cell detection"


def test_as_many_channels_as_the_microscope_has_lines_can_be_added(batch, imager):
    for name in ("647", "790"):
        workflows.edit_sample(sample("s1"), adding(f"{name} at 1.3x"), by=imager)
        workflows.edit_sample(sample("s1"), twin_of(f"{name} at 1.3x"), by=imager)
    for name in ("488", "555"):
        workflows.edit_sample(sample("s1"), twin_of(f"{name} at 1.3x"), by=imager)

    assert len(channels("s1")) == 8


def test_the_last_channel_of_an_objective_stays(researcher, clearer, imager):
    a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])

    with pytest.raises(NotReady, match="last channel there"):
        workflows.edit_sample(sample("s1"), removing("488 at 2x"), by=imager)

    assert channels("s1") == ["488 at 2x"]


def test_the_registration_channel_stays_as_long_as_something_is_detected(batch, imager):
    with pytest.raises(Invalid, match="Detection needs a registration channel"):
        workflows.edit_sample(sample("s1"), removing("488 at 1.3x"), by=imager)


@pytest.mark.parametrize("press", [adding, removing])
def test_pressed_twice_is_once(batch, imager, press):
    edit = press("790 at 1.3x") if press is adding else press("555 at 1.3x")
    shown = seen("s1")
    workflows.edit_sample(sample("s1"), edit, by=imager, seen=shown)
    before = Event.objects.count()

    done = workflows.edit_sample(sample("s1"), edit, by=imager, seen=shown)

    assert done == ""
    assert Event.objects.count() == before


def test_a_channel_that_is_there_for_something_else_is_not_added(batch, imager):
    with pytest.raises(Taken, match="there already"):
        workflows.edit_sample(sample("s1"), adding("555 at 1.3x", "generic_imaging"), by=imager)


def test_a_second_registration_channel_is_refused(batch, imager):
    with pytest.raises(Invalid, match="has a registration channel already"):
        workflows.edit_sample(
            sample("s1"), SetPurposes(place("555 at 1.3x"), ("registration",)), by=imager
        )


def test_a_line_that_may_not_register_does_not(batch, imager):
    workflows.edit_sample(sample("s1"), removing("555 at 1.3x"), by=imager)
    workflows.edit_sample(sample("s1"), adding("647 at 1.3x"), by=imager)

    with pytest.raises(Invalid, match="647 has too little"):
        workflows.edit_sample(
            sample("s1"), SetPurposes(place("647 at 1.3x"), ("registration",)), by=imager
        )


def test_an_objective_for_generic_imaging_only_takes_no_other_purpose(researcher, clearer, imager):
    a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])

    with pytest.raises(Invalid, match="2x is for generic imaging only"):
        workflows.edit_sample(sample("s1"), adding("555 at 2x", "cell_detection"), by=imager)


def test_a_line_of_another_microscope_is_refused(batch, imager):
    strange = Wavelength.objects.get(microscope__name="smartspim", name="642")
    edit = adding("647 at 1.3x")

    with pytest.raises(Invalid, match="Choose a line"):
        workflows.edit_sample(
            sample("s1"),
            type(edit)(edit.place._replace(wavelength=strange.pk), edit.purposes),
            by=imager,
        )


def test_the_purposes_of_a_channel_are_changed(batch, imager):
    workflows.edit_sample(
        sample("s1"), SetPurposes(place("555 at 1.3x"), ("probe_detection",)), by=imager
    )

    assert channel("s1", "555 at 1.3x").purposes == ("probe_detection",)
    assert Event.objects.latest("id").note == "555 at 1.3x: cell detection → probe detection"


def test_a_ventral_twin_copies_how_it_is_acquired_and_nothing_else(batch, imager):
    entered("s1", "488 at 1.3x", by=imager, z_step_um=5.0, tile_columns=2, tile_overlap=0.1)

    workflows.edit_sample(sample("s1"), twin_of("488 at 1.3x"), by=imager)

    twin = channel("s1", "488 ventral up at 1.3x")
    assert (twin.z_step_um, twin.tile_columns, twin.tile_overlap) == (5.0, 2, 0.1)
    assert (twin.raw_subfolder, twin.z_planes, twin.filter_index) == ("", None, None)
    assert (twin.purposes, twin.is_requested) == (("registration",), False)


def test_processing_of_the_ventral_side_is_wanted_as_that_of_the_dorsal_one(batch, imager):
    ProcessingResolution.objects.update(final_orientation="coronal", notes_for_processor="gently")

    workflows.edit_sample(sample("s1"), twin_of("488 at 1.3x"), by=imager)

    assert wanted_of("s1") == [("1.3x", False), ("1.3x", True)]
    ventral = ProcessingResolution.objects.get(ventral_up=True)
    assert (ventral.final_orientation, ventral.notes_for_processor) == ("coronal", "gently")
    assert wanted_of("s2") == [("1.3x", False)]


def test_processing_of_the_ventral_side_goes_with_its_last_channel(batch, imager):
    workflows.edit_sample(sample("s1"), twin_of("488 at 1.3x"), by=imager)
    workflows.edit_sample(sample("s1"), twin_of("555 at 1.3x"), by=imager)

    workflows.edit_sample(sample("s1"), removing("488 ventral up at 1.3x"), by=imager)
    with_one_left = wanted_of("s1")
    workflows.edit_sample(sample("s1"), removing("555 ventral up at 1.3x"), by=imager)

    assert with_one_left == [("1.3x", False), ("1.3x", True)]
    assert wanted_of("s1") == [("1.3x", False)]
    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x"]


def test_an_objective_that_is_only_looked_at_gets_a_twin_without_processing(
    researcher, clearer, imager
):
    a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])

    workflows.edit_sample(sample("s1"), twin_of("488 at 2x"), by=imager)

    assert wanted_of("s1") == []


def test_only_a_horizontal_channel_is_imaged_ventral_up_as_well(batch, imager):
    entered("s1", "488 at 1.3x", by=imager, orientation="sagittal")

    with pytest.raises(NotReady, match="imaged sagittal"):
        workflows.edit_sample(sample("s1"), twin_of("488 at 1.3x"), by=imager)

    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x"]


def test_who_does_not_image_changes_no_channel(batch, researcher):
    with pytest.raises(NotAllowed):
        workflows.edit_sample(sample("s1"), adding("790 at 1.3x"), by=researcher)


def test_staff_change_channels_before_imaging_starts(researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan("s1", resolutions=(TWO_LINES,))])
    a_cleared_request(researcher, clearer=clearer, plan=plan)

    workflows.edit_sample(sample("s1"), adding("790 at 1.3x"), by=imager)

    assert "790 at 1.3x" in channels("s1")


def test_a_self_imaging_owner_starts_before_changing_channels(researcher, clearer):
    plan = a_plan(samples=[a_sample_plan("s1", resolutions=(TWO_LINES,))], self_imaging=True)
    a_cleared_request(researcher, clearer=clearer, plan=plan)

    with pytest.raises(NotAllowed, match="Start imaging first"):
        workflows.edit_sample(sample("s1"), adding("790 at 1.3x"), by=researcher)


def test_a_finished_sample_keeps_its_channels(batch, imager):
    skipped("s1", by=imager)

    with pytest.raises(StaleState, match="s1 is skipped"):
        workflows.edit_sample(sample("s1"), adding("790 at 1.3x"), by=imager)


def test_what_a_colleague_changed_meanwhile_is_not_built_upon(batch, imager, manager):
    shown = seen("s1")
    workflows.edit_sample(sample("s1"), adding("647 at 1.3x"), by=manager)

    with pytest.raises(StaleState, match=r"s1 \(channel added, by manager: 647 at 1.3x") as refusal:
        workflows.edit_sample(sample("s1"), adding("790 at 1.3x"), by=imager, seen=shown)

    assert "Nothing was overwritten" in refusal.value.message
    assert "790 at 1.3x" not in channels("s1")


def test_the_mirror_hears_of_a_channel_that_is_gone(batch, imager, settings):
    settings.DATAJOINT_ENABLED = True

    workflows.edit_sample(sample("s1"), removing("555 at 1.3x"), by=imager)

    row = OutboxRow.objects.exclude(removed_key=None).get()
    assert (row.kind, row.removed_key["channel_name"]) == ("imagingchannel", "555")


# --- a batch


def test_a_channel_is_added_to_every_sample_of_a_batch_and_removed_again(batch, imager):
    workflows.edit_batch(batch, adding("647 at 1.3x", "cell_detection"), by=imager)
    with_it = (channels("s1"), channels("s2"))
    workflows.edit_batch(batch, removing("647 at 1.3x"), by=imager)

    three = ["488 at 1.3x", "555 at 1.3x", "647 at 1.3x"]
    assert with_it == (three, three)
    assert channels("s1") == channels("s2") == ["488 at 1.3x", "555 at 1.3x"]


def test_where_one_sample_cannot_take_a_channel_the_others_do(batch, imager):
    workflows.edit_sample(sample("s1"), adding("647 at 1.3x", "probe_detection"), by=imager)

    outcome = workflows.edit_batch(batch, adding("647 at 1.3x", "cell_detection"), by=imager)

    assert outcome.changed == [sample("s2")]
    (left,) = outcome.left
    assert left[0] == sample("s1")
    assert "there already" in left[1]


def test_finished_samples_are_left_alone_and_named(batch, imager):
    skipped("s1", by=imager)

    outcome = workflows.edit_batch(batch, adding("647 at 1.3x"), by=imager)

    assert outcome.left == [(sample("s1"), "is skipped")]
    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x"]
    assert "647 at 1.3x" in channels("s2")


def test_a_batch_gets_ventral_twins_with_processing(batch, imager):
    workflows.edit_batch(batch, twin_of("488 at 1.3x"), by=imager)

    assert channels("s1") == channels("s2")
    assert "488 ventral up at 1.3x" in channels("s1")
    assert wanted_of("s1") == wanted_of("s2") == [("1.3x", False), ("1.3x", True)]


def test_a_sample_whose_channel_is_not_horizontal_gets_no_twin(batch, imager):
    entered("s1", "488 at 1.3x", by=imager, orientation="sagittal")

    outcome = workflows.edit_batch(batch, twin_of("488 at 1.3x"), by=imager)

    assert outcome.changed == [sample("s2")]
    assert "s1: channel 488 at 1.3x is imaged sagittal" in outcome.left[0][1]


def test_pressed_twice_for_a_batch_is_once(batch, imager):
    shown = seen("s1", "s2")
    workflows.edit_batch(batch, adding("647 at 1.3x"), by=imager, seen=shown)
    before = Event.objects.count()

    outcome = workflows.edit_batch(batch, adding("647 at 1.3x"), by=imager, seen=shown)

    assert (outcome.changed, len(outcome.same)) == ([], 2)
    assert Event.objects.count() == before


def test_a_batch_is_not_changed_in_part_when_a_colleague_was_faster(batch, imager, manager):
    shown = seen("s1", "s2")
    entered("s2", "488 at 1.3x", by=manager)

    with pytest.raises(StaleState, match="s2"):
        workflows.edit_batch(batch, adding("647 at 1.3x"), by=imager, seen=shown)

    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x"]


def test_who_does_not_image_changes_no_batch(batch, researcher):
    with pytest.raises(NotAllowed):
        workflows.edit_batch(batch, adding("647 at 1.3x"), by=researcher)


def test_a_removed_channel_takes_the_verdict_of_its_folder_with_it(batch, imager):
    entered("s1", "555 at 1.3x", by=imager)
    resolution = sample("s1").resolutions.get()
    RawDelivery.objects.create(resolution=resolution, subfolder="run_1", is_right=True)
    RawDelivery.objects.create(resolution=resolution, subfolder="run_2", is_right=True)

    workflows.edit_sample(sample("s1"), removing("555 at 1.3x"), by=imager)

    assert list(RawDelivery.objects.values_list("subfolder", flat=True)) == ["run_2"]
