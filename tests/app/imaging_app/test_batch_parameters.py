"""Parameters of a batch, written into its samples."""

from dataclasses import replace

import pytest

from core_app.errors import Invalid, NotAllowed, StaleState
from core_app.models import Event
from imaging_app import workflows
from imaging_app.models import RawDelivery
from imaging_app.rules import Setting
from imaging_app.selectors import batches
from imaging_app.services.batches import apply_settings
from imaging_app.services.channels import Acquisition, set_channels
from requests_app.plans import ChannelPlan, ResolutionPlan
from tests.app.imaging_app.batch_help import (
    ONLY_LOOKED_AT,
    a_batch,
    adding,
    changing,
    channel,
    entered,
    place,
    removing,
    sample,
    seen,
    skipped,
    twin_of,
)

pytestmark = pytest.mark.django_db
SETTING = Setting(z_step_um=10.0)
FIVE = replace(SETTING, z_step_um=5.5)
SEVEN = replace(SETTING, z_step_um=7.5)


@pytest.fixture
def batch(researcher, clearer, imager):
    return a_batch(researcher, clearer, imager)


def rows(**settings):
    """Settings by line at 1.3x: rows(n488=…)."""
    return {place(f"{name[1:]} at 1.3x"): given for name, given in settings.items()}


def steps(name):
    return {
        batches.words_of(c): c.z_step_um
        for c in batches.channels_by_sample([sample(name)])[sample(name).pk]
    }


def test_each_sample_gets_the_right_value_for_each_channel(batch, imager):
    outcome = apply_settings(batch, rows(n488=FIVE, n555=SEVEN), by=imager)

    assert steps("s1") == steps("s2") == {"488 at 1.3x": 5.5, "555 at 1.3x": 7.5}
    assert outcome.changed == [sample("s1"), sample("s2")]
    assert channel("s1", "488 at 1.3x").purposes == ("registration",)
    assert channel("s2", "555 at 1.3x").purposes == ("cell_detection",)


def test_what_belongs_to_one_sample_stays(batch, imager):
    entered("s1", "488 at 1.3x", by=imager)

    apply_settings(batch, rows(n488=FIVE), by=imager)

    kept = channel("s1", "488 at 1.3x")
    assert (kept.raw_subfolder, kept.z_planes, kept.filter_index) == ("run_1", 657, 0)


def test_every_value_is_stored_orientation_and_zoom_included(researcher, clearer, imager):
    batch = a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])
    given = Setting(
        z_step_um=3.25, left_sheet=False, tile_columns=4, tile_rows=3, tile_overlap=0.15,
        orientation="sagittal", zoom=1.6,
    )  # fmt: skip

    apply_settings(batch, {place("488 at 2x"): given}, by=imager)

    assert batches.setting_of(channel("s1", "488 at 2x")) == given
    assert batches.setting_of(channel("s2", "488 at 2x")) == given


def test_dorsal_and_ventral_get_their_own_values(batch, imager):
    workflows.edit_batch(batch, twin_of("488 at 1.3x"), by=imager)
    settings = {
        place("488 at 1.3x"): replace(SETTING, z_step_um=3.0),
        place("488 ventral up at 1.3x"): replace(SETTING, z_step_um=4.0),
    }

    apply_settings(batch, settings, by=imager)

    assert steps("s1")["488 at 1.3x"] == 3.0
    assert steps("s1")["488 ventral up at 1.3x"] == 4.0


def test_one_row_alone_can_be_applied(batch, imager):
    apply_settings(batch, rows(n488=FIVE), by=imager)

    assert steps("s1") == {"488 at 1.3x": 5.5, "555 at 1.3x": 10.0}


def test_only_rows_that_changed_lose_the_verdict_of_their_folder(batch, imager):
    entered("s1", "488 at 1.3x", by=imager)
    entered("s1", "555 at 1.3x", by=imager, raw_subfolder="run_2")
    resolution = sample("s1").resolutions.get()
    for name in ("run_1", "run_2"):
        RawDelivery.objects.create(resolution=resolution, subfolder=name, is_right=True)

    apply_settings(batch, rows(n488=FIVE, n555=SETTING), by=imager)

    assert list(RawDelivery.objects.values_list("subfolder", flat=True)) == ["run_2"]


def test_applied_twice_is_once(batch, imager):
    shown = seen("s1", "s2")
    apply_settings(batch, rows(n488=FIVE), by=imager, seen=shown)
    before = Event.objects.count()

    outcome = apply_settings(batch, rows(n488=FIVE), by=imager, seen=shown)

    assert (outcome.changed, len(outcome.same)) == ([], 2)
    assert Event.objects.count() == before


def test_the_history_says_what_was_applied(batch, imager):
    apply_settings(batch, rows(n488=FIVE), by=imager)

    event = Event.objects.filter(object_id=sample("s1").pk).latest("id")
    assert event.verb == "batch parameters applied"
    assert event.note == "488 at 1.3x: z step 5.5 µm instead of 10 µm"


def test_finished_samples_are_left_alone_and_named(batch, imager):
    skipped("s1", by=imager)

    outcome = apply_settings(batch, rows(n488=FIVE), by=imager)

    assert outcome.left == [(sample("s1"), "is skipped")]
    assert (steps("s1")["488 at 1.3x"], steps("s2")["488 at 1.3x"]) == (10.0, 5.5)


def test_a_sample_with_another_objective_is_left_alone_and_named(batch, imager):
    workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    outcome = apply_settings(batch, rows(n488=FIVE), by=imager)

    assert outcome.left == [(sample("s1"), "has no 488 at 1.3x")]
    assert outcome.changed == [sample("s2")]
    assert steps("s1") == {"488 at 1.1x": 10.0, "555 at 1.1x": 10.0}


def test_a_sample_without_the_channel_gets_the_other_rows(batch, imager):
    workflows.edit_sample(sample("s1"), removing("555 at 1.3x"), by=imager)

    outcome = apply_settings(batch, rows(n488=FIVE, n555=SEVEN), by=imager)

    assert outcome.left == [(sample("s1"), "has no 555 at 1.3x")]
    assert steps("s1") == {"488 at 1.3x": 5.5}


def test_a_sample_whose_folder_would_contradict_itself_is_left_alone(batch, imager):
    both = {
        channel("s1", words).pk: Acquisition("run_1", z_planes=657, z_step_um=10.0)
        for words in ("488 at 1.3x", "555 at 1.3x")
    }
    set_channels(sample("s1"), both, by=imager)

    outcome = apply_settings(batch, rows(n488=FIVE), by=imager)

    assert outcome.changed == [sample("s2")]
    assert "shares the folder run_1" in outcome.left[0][1]
    assert steps("s1")["488 at 1.3x"] == 10.0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tile_rows": 8}, "1.3x allows 1 to 2 tiles per side"),
        ({"tile_overlap": 10.0}, "fraction"),
        ({"z_step_um": float("nan")}, "between 2 and 1000"),
        ({"left_sheet": False, "right_sheet": False}, "at least one light sheet"),
        ({"orientation": "upside down"}, "orientation"),
        ({"zoom": 2.0}, "no zoom body"),
    ],
)
def test_one_row_that_cannot_be_right_keeps_all_back(batch, imager, wrong, words):
    settings = rows(n488=FIVE, n555=replace(SETTING, **wrong))

    with pytest.raises(Invalid, match=words) as refusal:
        apply_settings(batch, settings, by=imager)

    assert list(refusal.value.fields) == [place("555 at 1.3x").key]
    assert set(steps("s1").values()) == set(steps("s2").values()) == {10.0}


@pytest.mark.parametrize("name", ["3.6x", "15x"])
def test_the_limit_of_tiles_is_that_of_each_objective(researcher, clearer, imager, name):
    wanted = ResolutionPlan(name, (ChannelPlan("488", ("generic_imaging",)),))
    batch = a_batch(researcher, clearer, imager, wanted=[wanted])
    most = replace(SETTING, tile_columns=10, tile_rows=10)
    too_many = replace(SETTING, tile_columns=9, tile_rows=11, tile_overlap=10.0, z_step_um=0.0)

    apply_settings(batch, {place(f"488 at {name}"): most}, by=imager)
    with pytest.raises(Invalid) as refusal:
        apply_settings(batch, {place(f"488 at {name}"): too_many}, by=imager)

    assert channel("s2", f"488 at {name}").tile_rows == 10
    assert len(refusal.value.fields[place(f"488 at {name}").key]) == 3


def test_rows_of_one_objective_have_the_same_tiles(batch, imager):
    settings = rows(n488=SETTING, n555=replace(SETTING, tile_columns=2))

    with pytest.raises(Invalid, match="the same tiles and overlap"):
        apply_settings(batch, settings, by=imager)


def test_dorsal_and_ventral_have_the_same_tiles(batch, imager):
    workflows.edit_batch(batch, twin_of("488 at 1.3x"), by=imager)
    tiled = replace(SETTING, tile_columns=2)
    settings = {place("488 at 1.3x"): SETTING, place("488 ventral up at 1.3x"): tiled}

    with pytest.raises(Invalid, match="dorsal and ventral, have the same tiles"):
        apply_settings(batch, settings, by=imager)


def test_nothing_ticked_is_nothing_to_apply(batch, imager):
    with pytest.raises(Invalid, match="Tick at least one channel"):
        apply_settings(batch, {}, by=imager)


def test_who_does_not_image_applies_nothing(batch, researcher):
    with pytest.raises(NotAllowed):
        apply_settings(batch, rows(n488=FIVE), by=researcher)


def test_what_a_colleague_entered_meanwhile_is_not_overwritten(batch, imager, manager):
    shown = seen("s1", "s2")
    entered("s2", "488 at 1.3x", by=manager, z_step_um=8.0)

    with pytest.raises(StaleState, match=r"s2 \(acquisition entered, by manager"):
        apply_settings(batch, rows(n488=FIVE), by=imager, seen=shown)

    assert (steps("s1")["488 at 1.3x"], steps("s2")["488 at 1.3x"]) == (10.0, 8.0)


def test_a_sample_form_refuses_what_a_colleague_changed_too(batch, imager, manager):
    shown = seen("s1")
    apply_settings(batch, rows(n488=FIVE), by=manager)
    given = {channel("s1", "488 at 1.3x").pk: Acquisition("run_1", 657, 10.0)}

    with pytest.raises(StaleState, match="batch parameters applied, by manager"):
        set_channels(sample("s1"), given, by=imager, seen=shown)

    assert steps("s1")["488 at 1.3x"] == 5.5


def test_a_sample_form_that_is_sent_twice_is_stored_once(batch, imager):
    shown = seen("s1")
    given = {channel("s1", "488 at 1.3x").pk: Acquisition("run_1", 657, 10.0)}
    set_channels(sample("s1"), given, by=imager, seen=shown)
    before = Event.objects.count()

    set_channels(sample("s1"), given, by=imager, seen=shown)

    assert Event.objects.count() == before


def test_tiles_of_one_sample_agree_over_folders_and_sides(batch, imager):
    workflows.edit_sample(sample("s1"), twin_of("488 at 1.3x"), by=imager)
    entered("s1", "488 at 1.3x", by=imager)

    with pytest.raises(Invalid, match="the same tiles and overlap"):
        entered("s1", "488 ventral up at 1.3x", by=imager, tile_columns=2)


def test_rows_say_what_most_samples_have_and_in_what_they_differ(researcher, clearer, imager):
    batch = a_batch(researcher, clearer, imager, names=("s1", "s2", "s3"))
    entered("s1", "488 at 1.3x", by=imager, z_step_um=5.0)

    found = batches.channels_by_sample(batches.samples_of(batch))
    row = batches.blocks_of(found)[0].rows[0]

    assert (row.usual.z_step_um, row.differing) == (10.0, ("z step",))


def test_only_what_differs_is_said_of_a_sample(researcher, clearer, imager):
    batch = a_batch(researcher, clearer, imager, names=("s1", "s2", "s3"))
    entered("s1", "488 at 1.3x", by=imager, z_step_um=5.0, right_sheet=False)
    workflows.edit_sample(sample("s2"), removing("555 at 1.3x"), by=imager)
    workflows.edit_sample(sample("s2"), adding("790 at 1.3x"), by=imager)

    samples = batches.samples_of(batch)
    found = batches.channels_by_sample(samples)
    lines = [row for block in batches.blocks_of(found) for row in block.rows]
    words = {
        d.imaging_request.sample.name: d.words for d in batches.deviations_of(samples, found, lines)
    }

    assert words == {
        "s1": ["488 at 1.3x: sheets left instead of both, z step 5 µm instead of 10 µm"],
        "s2": ["no 555 at 1.3x", "also 790 at 1.3x"],
    }
