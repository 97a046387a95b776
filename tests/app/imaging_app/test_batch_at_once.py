"""Two imagers at one batch at the same instant, on SQLite and on MariaDB."""

import pytest

from imaging_app import selectors, workflows
from imaging_app.rules import Setting
from imaging_app.services import imaging
from imaging_app.services.batches import apply_settings
from imaging_app.services.channels import Acquisition, set_channels
from processing_app.models import ProcessingRequest
from tests.app.imaging_app.batch_help import (
    ONLY_LOOKED_AT,
    a_batch,
    adding,
    changing,
    channel,
    channels,
    place,
    removing,
    sample,
    seen,
    twin_of,
)
from tests.support.races import at_once, refusals

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def batch(researcher, clearer, imager):
    return a_batch(researcher, clearer, imager)


def test_of_two_who_apply_at_once_one_is_told(batch, imager, manager):
    shown = seen("s1", "s2")
    mine = {place("488 at 1.3x"): Setting(z_step_um=5.0)}
    theirs = {place("488 at 1.3x"): Setting(z_step_um=8.0)}

    found = at_once(
        lambda: apply_settings(batch, mine, by=imager, seen=shown),
        lambda: apply_settings(batch, theirs, by=manager, seen=shown),
    )

    assert len(refusals(found)) == 1
    steps = {channel(name, "488 at 1.3x").z_step_um for name in ("s1", "s2")}
    assert steps in ({5.0}, {8.0})


def test_of_batch_and_sample_entered_at_once_one_is_told(batch, imager, manager):
    shown_of_batch, shown_of_sample = seen("s1", "s2"), seen("s1")
    given = {channel("s1", "488 at 1.3x").pk: Acquisition("run_1", 657, 10.0)}
    one = sample("s1")

    found = at_once(
        lambda: apply_settings(
            batch, {place("488 at 1.3x"): Setting(z_step_um=5.0)}, by=imager, seen=shown_of_batch
        ),
        lambda: set_channels(one, given, by=manager, seen=shown_of_sample),
    )

    assert len(refusals(found)) == 1


@pytest.mark.parametrize(
    "edit",
    [adding, removing, twin_of],
    ids=["add", "remove", "ventral"],
)
def test_the_same_button_pressed_by_two_at_once_works_once(batch, imager, manager, edit):
    press = edit("790 at 1.3x") if edit is adding else edit("555 at 1.3x")
    shown = seen("s1", "s2")

    found = at_once(
        lambda: workflows.edit_batch(batch, press, by=imager, seen=shown),
        lambda: workflows.edit_batch(batch, press, by=manager, seen=shown),
    )

    assert refusals(found) == []
    assert sorted(len(outcome.changed) for outcome in found) == [0, 2]
    assert channels("s1") == channels("s2")


def test_two_objectives_chosen_at_once_leave_one(batch, imager, manager):
    shown = seen("s1", "s2")
    edits = [changing("1.3x", "1.1x"), changing("1.3x", "4x")]

    found = at_once(
        lambda: workflows.edit_batch(batch, edits[0], by=imager, seen=shown),
        lambda: workflows.edit_batch(batch, edits[1], by=manager, seen=shown),
    )

    refusals(found)
    assert channels("s1") == channels("s2")
    assert channels("s1")[0] in {"488 at 1.1x", "488 at 4x"}


def test_processing_is_opened_once(researcher, clearer, imager, manager):
    batch = a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])

    at_once(
        lambda: workflows.edit_batch(batch, changing("2x", "1.3x"), by=imager),
        lambda: workflows.edit_batch(batch, changing("2x", "1.3x"), by=manager),
    )

    assert ProcessingRequest.objects.count() == 2


def test_a_sample_that_is_skipped_meanwhile_is_changed_before_or_not_at_all(batch, imager, manager):
    found = at_once(
        lambda: workflows.skip_sample(sample("s1"), by=manager, reason="It broke."),
        lambda: workflows.edit_batch(batch, adding("790 at 1.3x"), by=imager),
    )

    assert refusals(found) == []
    assert "790 at 1.3x" in channels("s2")
    assert selectors.get_batch(batch.pk, to=imager).state == "in progress"


def test_starting_and_changing_at_once_do_not_block_each_other(batch, imager, manager):
    found = at_once(
        lambda: imaging.start(batch, by=imager),
        lambda: workflows.edit_batch(batch, changing("1.3x", "2x"), by=manager),
    )

    assert refusals(found) == []
    assert channels("s1") == ["488 at 2x", "555 at 2x"]
