"""Which steps a facility's own scripts become."""

from dataclasses import replace

import pytest

from processing_app.pipelines import Channel, Delivery
from processing_app.site_pipelines import Script, site_steps

FOLDER = "researcher/first_brains/brain-001/imaging_request_1"
C488 = Channel(
    id=7, name="488", color="#00ff00", filter_index=0, left=True, right=True, columns=1, rows=1,
    planes=12, voxel_um=(5.0, 5.0, 10.0),
)  # fmt: skip
C647 = replace(C488, id=8, name="647", filter_index=1, right=False)
DELIVERY = Delivery(
    "resolution_1.3x", "brain", "lavision", (C488, C647), place=(4, False, "brain"),
    manifest_digest="0" * 32,
)  # fmt: skip
SEGMENT = Script(
    key="segment", label="Segment", command=("/opt/run.sh", "{folder}"), by_channel=True,
    values={"limit": 3}, cpus=4, memory_mb=8000, minutes=90,
)  # fmt: skip
MEASURE = replace(SEGMENT, key="measure", label="Measure", by_channel=False)


def steps_of(*deliveries, scripts=(SEGMENT, MEASURE)):
    return site_steps("toy", "1.4", scripts, FOLDER, deliveries)


def test_the_scripts_follow_one_another():
    first, second = steps_of(DELIVERY)

    assert (first.key, first.needs) == ("segment-brain", ())
    assert (second.key, second.needs) == ("measure-brain", ("segment-brain",))
    assert second.inputs["before"] == first.outputs["folder"]
    assert "before" not in first.inputs


def test_a_script_for_each_channel_has_as_many_tasks():
    first, second = steps_of(DELIVERY)

    assert (first.tasks, first.parameters["unit"]) == (2, "channel")
    assert (second.tasks, second.parameters["unit"]) == (0, "sample")


def test_the_step_says_where_things_are_and_what_was_set_up():
    first, _ = steps_of(DELIVERY)

    assert first.name == "script"
    assert first.inputs["folder"] == f"{FOLDER}/rawdata/resolution_1.3x/brain"
    assert first.inputs["manifest_digest"] == "0" * 32
    assert first.outputs == {"folder": f"{FOLDER}/output/site/toy/resolution_1.3x/segment-brain"}
    assert first.parameters["command"] == ["/opt/run.sh", "{folder}"]
    assert (first.parameters["values"], first.parameters["version"]) == ({"limit": 3}, "1.4")
    assert first.resources == {"cpus": 4, "memory_mb": 8000, "minutes": 90}
    assert first.place == (4, False, "brain")


def test_the_script_is_told_of_each_channel():
    first, _ = steps_of(DELIVERY)

    assert [(c["name"], c["filter_index"], c["sides"]) for c in first.inputs["channels"]] == [
        ("488", 0, ["left", "right"]), ("647", 1, ["left"]),
    ]  # fmt: skip
    assert first.inputs["channels"][0]["voxel_um"] == [5.0, 5.0, 10.0]


def test_what_was_never_checked_names_no_manifest():
    (step,) = steps_of(replace(DELIVERY, manifest_digest=""), scripts=(MEASURE,))

    assert not {"manifest", "manifest_digest"} & set(step.inputs)


def test_each_raw_folder_goes_through_all_scripts_by_itself():
    other = replace(DELIVERY, subfolder="other brain", resolution="resolution_4x")

    steps = steps_of(DELIVERY, other)

    assert [step.needs for step in steps] == [
        (), (steps[0].key,), (), (steps[2].key,),
    ]  # fmt: skip
    assert len({step.outputs["folder"] for step in steps}) == 4


def test_any_layout_goes_through_scripts():
    assert len(steps_of(replace(DELIVERY, layout="unheard of"))) == 2


@pytest.mark.parametrize("other", ["488", "4/8", "a b"])
def test_channels_become_folders_with_names_of_their_own(other):
    twice = replace(DELIVERY, channels=(C488, replace(C647, name=other)))

    names = [channel["name"] for channel in steps_of(twice)[0].inputs["channels"]]

    assert len(set(names)) == 2
    assert not any(set(name) & set("/ ") for name in names)


def test_no_scripts_are_no_steps():
    assert steps_of(DELIVERY, scripts=()) == []
