"""Which steps the pipelines have that process what was imaged."""

from dataclasses import replace

import pytest

from pipeline.orientation import HORIZONTAL, SAGITTAL, axes_of
from processing_app.pipelines import (
    Channel,
    Correction,
    Corrections,
    Delivery,
    Reference,
    Wanted,
    Wish,
    correction_steps,
    lightsheet_steps,
    stitching_steps,
)

FOLDER = "researcher/first_brains/brain-001/imaging_request_1"
OUTPUT = f"{FOLDER}/output/processing_request_2/resolution_1.3x"
VIZ = f"{FOLDER}/viz/resolution_1.3x"
ATLAS = Reference(
    "atlas", "atlases/a/template.tif", "atlases/a/annotation.tif", "atlases/a/structures.json",
    (25.0, 25.0, 25.0), SAGITTAL,
)  # fmt: skip
C488 = Channel(
    id=7, name="488", color="#00ff00", filter_index=0, left=True, right=True, columns=1, rows=1,
    planes=12, voxel_um=(5.0, 5.0, 10.0), purposes=frozenset({"registration"}),
)  # fmt: skip
C647 = replace(C488, id=8, name="647", filter_index=1, purposes=frozenset({"cell_detection"}))
DELIVERY = Delivery("resolution_1.3x", "brain", "lavision", (C488, C647), manifest_digest="0" * 32)
WANTED = Wanted(2, {"resolution_1.3x": Wish(ATLAS, SAGITTAL)})
S488 = replace(C488, id=11, name="488", columns=3, rows=4, overlap=0.1)
S642 = replace(S488, id=12, name="642", purposes=frozenset())
SCAN = [
    Delivery("resolution_3.6x", "Ex_488_Em_0", "smartspim", (S488,)),
    Delivery("resolution_3.6x", "Ex_642_Em_2", "smartspim", (S642,)),
]


def planned(*deliveries, wanted=WANTED):
    return {step.key: step for step in lightsheet_steps(FOLDER, deliveries, wanted)}


def with_channels(*channels):
    return replace(DELIVERY, channels=channels)


def tiled(*channels):
    return with_channels(*(replace(one, columns=2, rows=2, overlap=0.2) for one in channels))


def test_a_brain_goes_the_whole_way():
    assert list(planned(DELIVERY)) == [
        "blend-488", "view-blended-488", "blend-647", "view-blended-647",
        "view-downsized-488", "view-downsized-647", "cells-647",
        "register", "view-registered-488", "transform-647", "view-registered-647",
        "register-back", "labels", "view-labels", "regions", "assess",
    ]  # fmt: skip


def test_every_step_waits_for_steps_before_it_only():
    for deliveries in ([DELIVERY], [tiled(C488, C647)]):
        done = set()
        for step in planned(*deliveries).values():
            assert set(step.needs) <= done, step.key
            done.add(step.key)


def test_no_two_steps_write_to_one_place():
    for deliveries in (
        [DELIVERY],
        [tiled(C488, C647)],
        [with_channels(C488), replace(with_channels(C647), subfolder="b")],
    ):
        outputs = [out for step in planned(*deliveries).values() for out in step.outputs.values()]
        assert len(set(outputs)) == len(outputs)


def test_whatever_a_step_reads_is_raw_or_made_by_a_step_it_waits_for():
    steps = planned(tiled(C488, C647))
    makers = {out: key for key, step in steps.items() for out in step.outputs.values()}

    def waits_for(key):
        found = {key}
        for need in steps[key].needs:
            found |= waits_for(need)
        return found

    for key, step in steps.items():
        for path in paths_in(step.inputs):
            made = [
                maker for out, maker in makers.items() if path == out or path.startswith(f"{out}/")
            ]
            assert not made or set(made) & waits_for(key), (key, path)


def paths_in(value):
    if isinstance(value, str):
        return [value] if value.startswith(FOLDER) else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [path for part in parts for path in paths_in(part)]


def test_names_are_those_that_other_tools_look_for():
    steps = planned(DELIVERY)

    assert steps["blend-647"].outputs == {
        "planes": f"{OUTPUT}/full_sizedatafld/brain_ch01",
        "downsized": f"{OUTPUT}/brain_resized_ch01.tif",
    }
    assert steps["blend-647"].parameters["name"] == "brain_C01"
    assert steps["register"].outputs == {"folder": f"{OUTPUT}/elastix"}
    assert steps["transform-647"].outputs == {"folder": f"{OUTPUT}/elastix/brain_resized_ch01"}
    assert steps["view-registered-488"].inputs["folder"] == f"{OUTPUT}/elastix/result.1.tif"


def test_products_have_resolution_side_and_round_in_their_path():
    up = Delivery("resolution_1.3x_ventral_up", "up", "lavision", (C488,))
    wanted = Wanted(3, {up.resolution: Wish(None, SAGITTAL)})

    steps = planned(up, wanted=wanted)

    assert steps["view-blended-488"].outputs["volume"] == (
        f"{FOLDER}/viz/resolution_1.3x_ventral_up/blended/processing_request_3/channel_488"
    )


def test_two_sheets_are_blended_from_the_raw_planes():
    left, right = planned(DELIVERY)["blend-488"].inputs["sheets"]

    assert (left["side"], left["sheet_code"], right["side"], right["sheet_code"]) == (
        "left", 0, "right", 1,
    )  # fmt: skip
    assert left["folder"] == f"{FOLDER}/rawdata/resolution_1.3x/brain"
    assert left["manifest_digest"] == "0" * 32


def test_tiles_are_placed_once_and_every_channel_and_sheet_follows():
    steps = planned(tiled(C647, C488))

    merged = [step for step in steps.values() if step.name == "merge_tiles"]
    assert steps["place-brain"].inputs["channel_index"] == 0  # the registration channel
    assert steps["place-brain"].inputs["sheet_codes"] == [0, 1]
    assert len(merged) == 4
    assert {step.inputs["placements"] for step in merged} == {
        steps["place-brain"].outputs["placements"]
    }
    assert all(sheet["layout"] == "planes" for sheet in steps["blend-647"].inputs["sheets"])
    assert "view-stitched-647-right" in steps


def test_the_raw_folder_is_never_written_to():
    raw = f"{FOLDER}/rawdata/resolution_1.3x/brain/"

    for step in planned(tiled(C488, C647)).values():
        assert not [out for out in step.outputs.values() if out.startswith(raw)]


def test_small_voxels_follow_the_atlas_axis_by_axis():
    flat = replace(ATLAS, voxel_um=(10.0, 100.0, 10.0))
    steps = planned(DELIVERY, wanted=Wanted(2, {"resolution_1.3x": Wish(flat, SAGITTAL)}))

    assert steps["blend-488"].parameters["downsized"]["voxel_um"] == [7.6923, 76.9231, 7.6923]


@pytest.mark.parametrize("ventral_up", [False, True])
def test_a_sample_is_turned_to_the_axes_of_the_atlas(ventral_up):
    axes = axes_of("horizontal", ventral_up=ventral_up)
    steps = planned(with_channels(replace(C488, axes=axes)))

    asked = steps["blend-488"].parameters["downsized"]
    assert (asked["axes"], asked["to_axes"]) == (list(axes), list(SAGITTAL))


def test_without_a_registration_channel_results_lie_as_wanted():
    steps = planned(
        with_channels(C647), wanted=Wanted(2, {"resolution_1.3x": Wish(ATLAS, HORIZONTAL)})
    )

    assert steps["blend-647"].parameters["downsized"]["to_axes"] == list(HORIZONTAL)
    assert steps["blend-647"].parameters["downsized"]["voxel_um"] == [20.0, 20.0, 20.0]
    assert not {step.name for step in steps.values()} & {"register", "transform", "warp_labels"}


def test_without_an_atlas_nothing_is_registered():
    steps = planned(DELIVERY, wanted=Wanted(2, {"resolution_1.3x": Wish(None, SAGITTAL)}))

    assert [key for key in steps if "regist" in key or "labels" in key] == []
    assert "cells-647" in steps


def test_an_objective_that_is_not_of_the_round_is_left_alone():
    other = replace(DELIVERY, resolution="resolution_2x")

    assert planned(other) == {}


def test_the_quality_sheet_does_not_wait_for_the_registration():
    steps = planned(DELIVERY)

    assert set(steps["assess"].needs) == {"blend-488", "blend-647"}


def test_cells_are_counted_where_they_were_found():
    regions = planned(DELIVERY)["regions"]

    assert [one["channel"] for one in regions.inputs["cells"]] == ["647"]
    assert "cells-647" in regions.needs


def test_a_copy_for_other_programs_is_made_of_what_is_largest_if_it_is_chosen():
    usual = lightsheet_steps(FOLDER, [DELIVERY], WANTED)
    chosen = {
        step.key: step
        for step in lightsheet_steps(FOLDER, [DELIVERY], WANTED, {"export": "ome-zarr"})
    }

    assert set(chosen) - {step.key for step in usual} == {"export-488", "export-647"}
    export = chosen["export-647"]
    assert export.needs == ("view-blended-647",)
    assert export.inputs == {"volume": chosen["view-blended-647"].outputs["volume"]}
    assert export.outputs == {"zarr": f"{OUTPUT}/brain_ch01.ome.zarr"}
    assert export.artifact == {"kind": "export", "channel": 8, "output": "zarr"}


def test_what_is_corrected_can_be_copied_too():
    steps = correction_steps(FOLDER, SCAN, WANTED, Corrections(), {"export": "ome-zarr"})

    assert [step.key for step in steps if step.name == "export_zarr"] == [
        "export-488", "export-642",
    ]  # fmt: skip


def test_long_stacks_are_made_in_parts_and_the_whole_waits_for_them():
    long = replace(C647, planes=1_700)
    steps = planned(tiled(long))

    parts, whole = steps["merge-647-left-parts"], steps["merge-647-left"]
    assert (parts.tasks, whole.tasks) == (3, 0)
    assert whole.needs == ("place-brain", "merge-647-left-parts")
    assert (parts.name, parts.inputs, parts.parameters, parts.outputs) == (
        whole.name, whole.inputs, whole.parameters, whole.outputs,
    )  # fmt: skip
    assert steps["blend-647-parts"].needs == ("merge-647-left", "merge-647-right")
    assert "blend-647-parts" in steps["blend-647"].needs


@pytest.mark.parametrize(("planes", "tasks"), [(999, []), (1_000, [2]), (90_000, [64])])
def test_an_array_has_as_many_tasks_as_are_worth_while(planes, tasks):
    steps = planned(with_channels(replace(C647, planes=planes)))

    assert [step.tasks for step in steps.values() if step.tasks] == tasks


def test_what_is_corrected_is_made_in_parts_too():
    long = replace(SCAN[0], channels=(replace(S488, planes=1_000),))

    steps = {step.key: step for step in correction_steps(FOLDER, [long], WANTED, Corrections())}

    assert steps["correct-488-parts"].tasks == 2


def test_planes_tell_how_large_they_are_and_after_stitching_how_large_at_most():
    steps = planned(replace(tiled(C488), plane_yx=(100, 200)))

    assert steps["merge-488-left"].plane_yx == (100, 200)
    assert steps["blend-488"].plane_yx == steps["assess"].plane_yx == (200, 400)


# SmartSPIM.


def test_the_longest_wavelength_is_aligned_and_the_others_follow():
    steps = {step.key: step for step in stitching_steps(FOLDER, SCAN)}

    assert list(steps) == [
        "place-Ex_642_Em_2", "merge-642", "view-stitched-642", "merge-488", "view-stitched-488",
    ]  # fmt: skip
    assert steps["merge-488"].needs == ("place-Ex_642_Em_2",)
    assert steps["merge-488"].outputs["planes"].endswith("resolution_3.6x/Ex_488_Em_0_stitched")


def test_a_channel_that_was_scanned_otherwise_is_aligned_alone():
    odd = replace(SCAN[0], channels=(replace(S488, planes=7),))

    steps = stitching_steps(FOLDER, [odd, SCAN[1]])

    assert [step.key for step in steps if step.name == "place_tiles"] == [
        "place-Ex_642_Em_2", "place-Ex_488_Em_0",
    ]  # fmt: skip


def test_the_quality_of_what_is_corrected_has_that_of_its_stitching():
    odd = replace(SCAN[0], channels=(replace(S488, planes=7),))
    for scan in (SCAN, [odd, SCAN[1]]):
        placed = [s.outputs for s in stitching_steps(FOLDER, scan) if s.name == "place_tiles"]

        *_, assess = correction_steps(FOLDER, scan, WANTED, Corrections())

        assert assess.inputs["placements"] == [outputs["placements"] for outputs in placed]


def test_a_scan_of_one_tile_needs_no_stitching():
    one = replace(SCAN[0], channels=(replace(S488, columns=1, rows=1),))

    assert stitching_steps(FOLDER, [one]) == []


def test_what_was_stitched_is_corrected_as_was_entered():
    corrections = Corrections({11: Correction("file", "flat.tiff", (128.0, 256.0))})
    wanted = Wanted(1, {"resolution_3.6x": Wish(ATLAS, SAGITTAL)})

    steps = {step.key: step for step in correction_steps(FOLDER, SCAN, wanted, corrections)}

    stitched = f"{FOLDER}/rawdata/resolution_3.6x/Ex_488_Em_0_stitched"
    first = steps["correct-488"]
    assert first.inputs == {"folder": stitched, "flat": f"{stitched}/flat.tiff"}
    assert first.parameters["sigma"] == [128.0, 256.0]
    assert first.outputs["planes"].endswith("/full_sizedatafld/Ex_488_Em_0_corrected")
    assert steps["correct-642"].parameters["flat_from"] == "estimated"
    assert steps["view-corrected-488"].product["kind"] == "corrected"
    assert steps["register"].inputs["volume"] == steps["downsize-488"].outputs["volume"]


def test_lavision_and_smartspim_do_not_get_into_each_others_way():
    wanted = Wanted(1, {"resolution_3.6x": Wish(ATLAS, SAGITTAL), **WANTED.wishes})
    everything = [DELIVERY, *SCAN]

    assert all(
        "resolution_3.6x" not in step.key and "Ex_" not in step.key
        for step in lightsheet_steps(FOLDER, everything, wanted)
    )
    assert all("brain" not in step.key for step in stitching_steps(FOLDER, everything))


def test_rounds_with_other_corrections_never_share_a_folder():
    planes = [
        step.outputs["planes"]
        for number in (1, 2)
        for step in correction_steps(FOLDER, SCAN, Wanted(number), Corrections())
        if step.name == "correct"
    ]

    assert len(planes) == len(set(planes)) == 4
    assert all("/output/processing_request_" in place for place in planes)
