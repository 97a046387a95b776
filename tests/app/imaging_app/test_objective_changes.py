"""Samples that are imaged with another objective than was ordered, and what follows from it."""

import pytest

from core_app.errors import Invalid, NotReady, StaleState
from core_app.models import Event, OutboxRow
from imaging_app import selectors, workflows
from imaging_app.models import (
    ImagingChannel,
    ImagingResolution,
    Objective,
    RawDelivery,
    Wavelength,
)
from imaging_app.selectors import batches
from processing_app.models import Atlas, ProcessingRequest, ProcessingResolution, Run
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.workflows import reopen_imaging
from tests.app.imaging_app.batch_help import (
    ONLY_LOOKED_AT,
    TWO_LINES,
    a_batch,
    adding,
    changing,
    channel,
    channels,
    entered,
    sample,
    seen,
    skipped,
    twin_of,
)
from tests.support import clusters, stacks
from tests.support.checks import check_and_complete
from tests.support.scenarios import ONE_CHANNEL

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(researcher, clearer, imager):
    return a_batch(researcher, clearer, imager)


def round_of(name):
    """State and processor of the first round of processing of a sample."""
    found = ProcessingRequest.objects.filter(imaging_request=sample(name), number=1).first()
    return found and (found.state, found.processor.username)


def wanted_of(name):
    rows = ProcessingResolution.objects.filter(processing_request__imaging_request=sample(name))
    rows = rows.order_by("resolution__objective__position", "ventral_up")
    return [(row.resolution.objective.name, row.ventral_up) for row in rows]


def microscopes(batch):
    found = batches.channels_by_sample(batches.samples_of(batch))
    return sorted(microscope.name for microscope in batches.microscopes_of(found))


def imaged(name, imager, settings):
    """Complete imaging of a sample with one channel."""
    entered(name, "488 at 1.3x", by=imager, z_planes=4, right_sheet=False)
    resolution = sample(name).resolutions.get()
    folder = settings.DATA_ROOT / str(resolution.raw_folder(ventral_up=False)) / "run_1"
    stacks.lavision_delivery(folder)
    check_and_complete(sample(name), by=imager)


# --- one sample


def test_one_sample_moves_with_its_channels_and_its_processing(batch, imager):
    workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    assert channels("s1") == ["488 at 1.1x", "555 at 1.1x"]
    assert channels("s2") == ["488 at 1.3x", "555 at 1.3x"]
    assert (wanted_of("s1"), wanted_of("s2")) == ([("1.1x", False)], [("1.3x", False)])


def test_purposes_notes_and_settings_stay(batch, imager):
    entered("s1", "488 at 1.3x", by=imager, z_step_um=5.0, tile_columns=2)

    workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    moved = channel("s1", "488 at 1.1x")
    assert (moved.purposes, moved.z_step_um, moved.tile_columns) == (("registration",), 5.0, 2)
    assert sample("s1").resolutions.get().notes_for_imager == "mind the bubble"


def test_what_was_entered_of_the_other_objectives_data_is_cleared(batch, imager):
    entered("s1", "488 at 1.3x", by=imager)
    resolution = sample("s1").resolutions.get()
    RawDelivery.objects.create(resolution=resolution, subfolder="run_1", is_right=True)

    done = workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    moved = channel("s1", "488 at 1.1x")
    assert (moved.raw_subfolder, moved.z_planes, moved.filter_index) == ("", None, None)
    assert not RawDelivery.objects.exists()
    assert done == "1.3x → 1.1x; raw folders and planes cleared"


def test_a_ventral_channel_moves_along(batch, imager):
    workflows.edit_sample(sample("s1"), twin_of("488 at 1.3x"), by=imager)

    workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    assert channels("s1") == ["488 at 1.1x", "555 at 1.1x", "488 ventral up at 1.1x"]
    assert wanted_of("s1") == [("1.1x", False), ("1.1x", True)]


def test_pressed_twice_is_once(batch, imager):
    shown = seen("s1")
    workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager, seen=shown)
    before = Event.objects.count()

    done = workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager, seen=shown)

    assert (done, Event.objects.count()) == ("", before)


def test_what_a_colleague_changed_meanwhile_is_not_built_upon(batch, imager, manager):
    shown = seen("s1")
    entered("s1", "488 at 1.3x", by=manager)

    with pytest.raises(StaleState, match="acquisition entered, by manager"):
        workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager, seen=shown)


def test_an_objective_that_the_sample_has_already_is_refused(researcher, clearer, imager):
    wanted = [TWO_LINES, ResolutionPlan("4x", (ChannelPlan("488", ("generic_imaging",)),))]
    a_batch(researcher, clearer, imager, wanted=wanted)

    with pytest.raises(NotReady, match="is imaged at 4x already"):
        workflows.edit_sample(sample("s1"), changing("1.3x", "4x"), by=imager)


def test_an_objective_that_is_not_offered_is_refused(batch, imager):
    Objective.objects.filter(name="1.1x").update(is_offered=False)

    with pytest.raises(Invalid, match="Choose an objective of the list"):
        workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)


def test_a_line_without_counterpart_is_named(batch, imager):
    Wavelength.objects.get(microscope__name="lavision", name="555").equivalents.clear()

    with pytest.raises(NotReady, match="no line that stands for 555"):
        workflows.edit_sample(sample("s1"), changing("1.3x", "3.6x"), by=imager)

    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x"]


def test_without_an_equivalent_the_line_of_the_same_name_counts(batch, imager):
    Wavelength.objects.get(microscope__name="lavision", name="488").equivalents.clear()

    workflows.edit_sample(sample("s1"), changing("1.3x", "3.6x"), by=imager)

    assert channels("s1") == ["488 at 3.6x", "561 at 3.6x"]


def test_two_lines_do_not_become_one(batch, imager):
    lines = Wavelength.objects.filter(microscope__name="lavision")
    lines.get(name="488").equivalents.set(
        Wavelength.objects.filter(microscope__name="smartspim", name="561")
    )

    with pytest.raises(NotReady, match="Two channels would become 561"):
        workflows.edit_sample(sample("s1"), changing("1.3x", "3.6x"), by=imager)


def test_more_tiles_than_the_objective_takes_are_reset_and_said(researcher, clearer, imager):
    a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])
    entered("s1", "488 at 2x", by=imager, tile_columns=4, tile_rows=3, zoom=2.0)

    done = workflows.edit_sample(sample("s1"), changing("2x", "1.3x"), by=imager)

    moved = channel("s1", "488 at 1.3x")
    assert (moved.tile_columns, moved.tile_rows, moved.zoom) == (1, 1, 1.0)
    assert "tiles set to 1 x 1, because 1.3x takes at most 2 per side" in done
    assert "zoom set to 1, because 1.3x has no zoom body" in done


def test_an_objective_for_looking_only_leaves_generic_imaging(batch, imager):
    done = workflows.edit_sample(sample("s1"), changing("1.3x", "2x"), by=imager)

    assert {c.purposes for c in selectors.channels_of(sample("s1"))} == {("generic_imaging",)}
    assert "2x is for generic imaging only" in done


def test_a_sample_with_volumes_keeps_its_objective(researcher, clearer, imager, settings):
    a_batch(researcher, clearer, imager, wanted=[ONE_CHANNEL])
    imaged("s1", imager, settings)
    clusters.drive_until_over(Run.objects.get(pipeline="raw"), clusters.memory_cluster())
    reopen_imaging(sample("s1"), by=imager, reason="a wrong folder")

    with pytest.raises(NotReady, match="there are volumes of 488"):
        workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    assert channels("s1") == ["488 at 1.3x"]


def test_a_sample_with_a_run_at_work_keeps_its_objective(researcher, clearer, imager, settings):
    a_batch(researcher, clearer, imager, wanted=[ONE_CHANNEL])
    imaged("s1", imager, settings)
    reopen_imaging(sample("s1"), by=imager, reason="a wrong folder")

    with pytest.raises(NotReady, match="is at work"):
        workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)


# --- a batch


def test_a_batch_changes_to_another_microscope_and_one_sample_back(batch, imager):
    workflows.edit_batch(batch, changing("1.3x", "3.6x"), by=imager)
    at_first = (channels("s1"), channels("s2"), microscopes(batch))
    workflows.edit_sample(sample("s1"), changing("3.6x", "1.1x"), by=imager)

    renamed = ["488 at 3.6x", "561 at 3.6x"]
    assert at_first == (renamed, renamed, ["smartspim"])
    assert channels("s1") == ["488 at 1.1x", "555 at 1.1x"]
    assert microscopes(batch) == ["lavision", "smartspim"]


def test_a_batch_that_is_only_looked_at_is_not_processed_until_it_is_again(batch, imager):
    workflows.edit_batch(batch, changing("1.3x", "2x"), by=imager)
    without = (round_of("s1"), round_of("s2"))
    workflows.edit_batch(batch, changing("2x", "1.3x"), by=imager)

    assert without == (("cancelled", "researcher"), ("cancelled", "researcher"))
    assert round_of("s1") == round_of("s2") == ("waiting", "researcher")
    assert wanted_of("s1") == [("1.3x", False)]


def test_what_was_wanted_of_processing_is_there_again(batch, imager):
    atlas = Atlas.objects.create(
        name="an atlas", label="An atlas", voxel_x_um=25, voxel_y_um=25, voxel_z_um=25
    )
    ProcessingResolution.objects.update(
        atlas=atlas, final_orientation="coronal", notes_for_processor="gently"
    )

    workflows.edit_batch(batch, changing("1.3x", "2x"), by=imager)
    workflows.edit_batch(batch, changing("2x", "1.1x"), by=imager)

    row = ProcessingResolution.objects.get(processing_request__imaging_request=sample("s1"))
    assert (row.atlas, row.final_orientation, row.notes_for_processor) == (
        atlas, "coronal", "gently",
    )  # fmt: skip


def test_a_batch_that_was_only_looked_at_gets_processing(researcher, clearer, imager):
    batch = a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])
    before = round_of("s1")

    outcome = workflows.edit_batch(batch, changing("2x", "1.3x"), by=imager)

    assert before is None
    assert round_of("s1") == round_of("s2") == ("waiting", "researcher")
    assert wanted_of("s2") == [("1.3x", False)]
    assert outcome.done == ["2x → 1.3x; processing waits for the images now"]


def test_of_two_objectives_only_the_one_that_can_be_processed_is_wanted(
    researcher, clearer, imager
):
    four = ResolutionPlan("4x", (ChannelPlan("488", ("generic_imaging",)),))
    batch = a_batch(researcher, clearer, imager, wanted=[TWO_LINES, four])

    workflows.edit_batch(batch, changing("4x", "2x"), by=imager)

    assert wanted_of("s1") == [("1.3x", False)]
    assert round_of("s1") == ("waiting", "researcher")


def test_another_objective_is_for_all_samples_or_for_none(batch, imager):
    workflows.edit_sample(sample("s2"), adding("647 at 1.3x"), by=imager)
    Wavelength.objects.get(microscope__name="lavision", name="647").equivalents.clear()

    with pytest.raises(NotReady, match=r"No sample was changed\. s2: .* stands for 647"):
        workflows.edit_batch(batch, changing("1.3x", "3.6x"), by=imager)

    assert channels("s1") == ["488 at 1.3x", "555 at 1.3x"]


def test_samples_that_are_finished_or_have_another_objective_are_left_alone(batch, imager):
    workflows.edit_sample(sample("s1"), changing("1.3x", "4x"), by=imager)

    outcome = workflows.edit_batch(batch, changing("1.3x", "1.1x"), by=imager)
    skipped("s1", by=imager)
    second = workflows.edit_batch(batch, changing("1.1x", "1.3x"), by=imager)

    assert (outcome.changed, outcome.left[0][0]) == ([sample("s2")], sample("s1"))
    assert second.left == [(sample("s1"), "is skipped")]
    assert channels("s1") == ["488 at 4x", "555 at 4x"]


def test_samples_that_differ_now_stay_in_their_batch(batch, imager):
    workflows.edit_sample(sample("s1"), changing("1.3x", "4x"), by=imager)

    assert sample("s1").batch == sample("s2").batch == batch
    assert ImagingResolution.objects.count() == 2
    assert ImagingChannel.objects.count() == 4


def test_the_mirror_hears_of_everything_that_has_another_key_now(batch, imager, settings):
    settings.DATAJOINT_ENABLED = True

    workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    told = {
        (r.kind, (r.removed_key or {}).get("image_resolution")) for r in OutboxRow.objects.all()
    }
    assert told >= {
        ("imagingresolution", "1.3x"), ("imagingresolution", None),
        ("imagingchannel", "1.3x"), ("imagingchannel", None),
        ("processingresolution", "1.3x"), ("processingresolution", None),
    }  # fmt: skip


def test_an_objective_with_one_light_sheet_leaves_the_left_one(batch, imager):
    Objective.objects.filter(name="1.1x").update(light_sheets=1)

    said = workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    assert "the left sheet alone, because 1.1x has one" in said
    assert channel("s1", "488 at 1.1x").sides == ("left",)
