"""Which steps the raw pipeline has."""

from dataclasses import replace

import pytest

from pipeline.registry import STEPS
from processing_app.pipelines import (
    BY_ITSELF,
    LONGEST_KEY,
    PLANNERS,
    Channel,
    Delivery,
    check_steps,
    raw_steps,
    verify_steps,
)

FOLDER = "researcher/first_brains/brain-001/imaging_request_1"
C488 = Channel(
    id=7, name="488", color="#00ff00", filter_index=0, left=True, right=True, columns=1, rows=1,
    planes=12, voxel_um=(5.0, 5.0, 10.0),
)  # fmt: skip
DELIVERY = Delivery("resolution_1.3x", "brain_488", "lavision", (C488,))


def keys_of(*deliveries):
    return [step.key for step in raw_steps(FOLDER, deliveries)]


def one_channel(**changes):
    return replace(DELIVERY, channels=(replace(C488, **changes),))


def test_a_folder_is_checked_and_then_a_volume_is_made_of_each_sheet():
    assert keys_of(DELIVERY) == ["inspect-brain_488", "precompute-488-left", "precompute-488-right"]


def test_a_volume_waits_for_the_check_of_its_folder():
    inspect, *volumes = raw_steps(FOLDER, [DELIVERY])

    assert inspect.needs == ()
    assert [volume.needs for volume in volumes] == [("inspect-brain_488",)] * 2


def test_only_the_sheets_that_were_used_get_a_volume():
    assert keys_of(one_channel(right=False)) == ["inspect-brain_488", "precompute-488-left"]


@pytest.mark.parametrize(
    ("left", "right", "codes"), [(True, True, [0, 1]), (True, False, [0]), (False, True, [0])]
)
def test_a_sheet_used_alone_is_always_the_first_in_file_names(left, right, codes):
    _, *volumes = raw_steps(FOLDER, [one_channel(left=left, right=right)])

    assert [volume.inputs["sheet_code"] for volume in volumes] == codes


def test_tiled_channels_are_checked_only():
    assert keys_of(one_channel(columns=2)) == ["inspect-brain_488"]


def test_layouts_that_no_step_reads_are_left_out():
    assert keys_of(replace(DELIVERY, layout="confocal")) == []


def test_a_microscope_that_merges_its_sheets_gets_one_volume_per_channel():
    inspect, volume = raw_steps(FOLDER, [replace(DELIVERY, layout="smartspim")])

    assert (inspect.parameters["layout"], volume.key) == ("smartspim", "precompute-488")
    assert volume.outputs["volume"].endswith("/channel_488")
    assert volume.product["side"] == ""


def test_planes_that_somebody_accepted_as_missing_are_named_to_the_step_of_their_sheet():
    gaps = one_channel(absent={"right": (3, 4)})

    _, left, right = raw_steps(FOLDER, [gaps])

    assert "absent" not in left.inputs
    assert right.inputs["absent"] == [3, 4]


def test_a_check_says_what_is_wrong_where_processing_stops():
    (check,) = check_steps(FOLDER, [DELIVERY])
    inspect, *_ = raw_steps(FOLDER, [DELIVERY])

    assert (check.name, inspect.name) == ("inspect_raw", "inspect_raw")
    assert (check.parameters["on_problem"], inspect.parameters["on_problem"]) == ("report", "fail")
    assert check.outputs == inspect.outputs


def test_only_what_was_listed_can_be_read_again():
    listed = replace(DELIVERY, subfolder="other", manifest_digest="0" * 32)

    (verify,) = verify_steps(FOLDER, [DELIVERY, listed])

    assert verify.inputs["folder"].endswith("/other")
    assert verify.inputs["manifest"].endswith("/manifests/resolution_1.3x/other.jsonl")


def test_what_begins_by_itself_has_steps_that_the_pipeline_knows():
    planned = [step for name in BY_ITSELF for step in PLANNERS[name](FOLDER, [DELIVERY])]

    assert {step.name for step in planned} <= set(STEPS)


def test_two_channels_of_one_folder_share_its_check():
    both = replace(
        DELIVERY, channels=(C488, replace(C488, id=8, name="647", filter_index=1, right=False))
    )

    assert keys_of(both) == [
        "inspect-brain_488", "precompute-488-left", "precompute-488-right", "precompute-647-left",
    ]  # fmt: skip


def test_inputs_and_products_stand_in_the_folder_tree():
    inspect, left, _ = raw_steps(
        FOLDER, [replace(DELIVERY, resolution="resolution_1.3x_ventral_up")]
    )

    assert inspect.inputs["folder"] == f"{FOLDER}/rawdata/resolution_1.3x_ventral_up/brain_488"
    assert inspect.outputs["manifest"] == (
        f"{FOLDER}/output/manifests/resolution_1.3x_ventral_up/brain_488.jsonl"
    )
    assert left.outputs["volume"] == f"{FOLDER}/viz/resolution_1.3x_ventral_up/raw/channel_488_left"


def test_a_product_says_of_which_channel_and_sheet_it_is():
    _, left, right = raw_steps(FOLDER, [DELIVERY])

    assert left.product == {"kind": "raw", "channel": 7, "side": "left"}
    assert right.product["side"] == "right"


def test_the_same_folder_name_on_both_sides_gives_different_keys():
    ventral = replace(DELIVERY, resolution="resolution_1.3x_ventral_up")

    found = keys_of(DELIVERY, ventral)

    assert len(set(found)) == 6
    assert "precompute-488-left-1.3x_ventral_up" in found


@pytest.mark.parametrize("subfolder", ["brain 488", "hirn_ü", "x" * 200, "a;b"])
def test_a_key_is_fit_for_job_names_whatever_the_folder_is_called(subfolder):
    key = keys_of(replace(DELIVERY, subfolder=subfolder))[0]

    assert len(key) <= LONGEST_KEY
    assert key.replace("-", "").replace("_", "").replace(".", "").isascii()
    assert " " not in key
    assert ";" not in key


def test_folders_that_differ_in_case_only_get_keys_that_differ_in_more():
    found = keys_of(DELIVERY, replace(DELIVERY, subfolder="Brain_488", channels=()))

    assert len({key.casefold() for key in found}) == len(found)


def test_processing_takes_exactly_the_files_that_were_judged():
    judged = replace(DELIVERY, manifest_digest="0" * 32)

    inspect, volume, *_ = raw_steps(FOLDER, [judged])

    assert inspect.inputs["manifest_digest"] == volume.inputs["manifest_digest"] == "0" * 32
    assert volume.inputs["manifest"] == inspect.outputs["manifest"]


def test_a_check_looks_at_whatever_is_there():
    (check,) = check_steps(FOLDER, [replace(DELIVERY, manifest_digest="0" * 32)])

    assert "manifest_digest" not in check.inputs
