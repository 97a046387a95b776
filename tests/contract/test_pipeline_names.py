"""What the site plans is what the pipeline takes: names of steps, inputs, parameters, outputs."""

from dataclasses import replace

import pytest

from pipeline import needs, registry
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, REASONS, StepSpec
from pipeline.io.codec import choose_codec
from pipeline.orientation import SAGITTAL
from pipeline.raw.delivery import Expected, ExpectedChannel
from pipeline.raw.layouts import sheet_code
from processing_app.choices import COMPRESSION
from processing_app.failures import FAILURES
from processing_app.pipelines import (
    Channel,
    Correction,
    Corrections,
    Delivery,
    Reference,
    Wanted,
    Wish,
    check_steps,
    correction_steps,
    lightsheet_steps,
    raw_steps,
    stitching_steps,
    verify_steps,
)
from processing_app.site_pipelines import Script, site_steps

CHANNEL = Channel(
    id=7, name="488", color="#00ff00", filter_index=0, left=True, right=True, columns=1, rows=1,
    planes=12, voxel_um=(5.0, 5.0, 10.0),
)  # fmt: skip
EXPECTED = ExpectedChannel("488", 0, left=True, right=True, columns=1, rows=1, planes=12)
DELIVERY = Delivery(
    "resolution_1.3x", "brain", "lavision", (CHANNEL,),
    expected=tuple(Expected((EXPECTED,)).to_json()), waived=("missing-1",),
    manifest_digest="0" * 32, plane_yx=(2160, 2560),
)  # fmt: skip
GAPS = replace(DELIVERY, channels=(replace(CHANNEL, absent={"left": (3,)}),))
SCRIPT = Script(
    key="segment", label="Segment", command=("/opt/run.sh",), by_channel=True, values={"limit": 3},
    cpus=1, memory_mb=1000, minutes=10,
)  # fmt: skip
ATLAS = Reference(
    "atlas", "atlases/a/template.tif", "atlases/a/annotation.tif", "atlases/a/structures.json",
    (25.0, 25.0, 25.0), SAGITTAL,
)  # fmt: skip
REGISTERED = replace(CHANNEL, purposes=frozenset({"registration", "cell_detection"}))
TILED = replace(REGISTERED, id=8, name="647", filter_index=1, columns=2, rows=2, overlap=0.1)
SCAN = Delivery("resolution_3.6x", "Ex_647_Em_2", "smartspim", (TILED,), plane_yx=(2048, 2048))
WANTED = Wanted(1, dict.fromkeys(("resolution_1.3x", "resolution_3.6x"), Wish(ATLAS, SAGITTAL)))
STEPS = [
    *lightsheet_steps(
        "a/b", [replace(GAPS, channels=(REGISTERED, TILED))], WANTED, {"export": "ome-zarr"}
    ),
    *stitching_steps("a/b", [SCAN]),
    *correction_steps(
        "a/b", [SCAN], WANTED, Corrections({8: Correction("file", "flat.tiff", (1.0, 2.0))})
    ),
    *raw_steps("a/b", [GAPS]), *check_steps("a/b", [DELIVERY]), *verify_steps("a/b", [DELIVERY]),
    *site_steps("toy", "1", [SCRIPT, replace(SCRIPT, key="measure")], "a/b", [DELIVERY]),
]  # fmt: skip


@pytest.fixture(params=STEPS, ids=lambda step: f"{step.key}-{step.name}")
def step(request):
    return request.param


def test_the_pipeline_knows_the_step(step):
    assert step.name in registry.STEPS


def test_everything_the_step_needs_is_given_and_nothing_it_does_not_know(step):
    wanted = registry.SIGNATURES[step.name]

    assert wanted.inputs <= set(step.inputs) <= wanted.inputs | wanted.optional_inputs
    assert wanted.parameters <= set(step.parameters)
    assert set(step.parameters) <= wanted.parameters | wanted.optional_parameters
    assert wanted.outputs <= set(step.outputs) <= wanted.outputs | wanted.optional_outputs


def spec_of(step, threads=1):
    return StepSpec(
        contract=CONTRACT_VERSION, step=step.name, name=f"ls-r1-{step.key}-a1",
        version=PIPELINE_VERSION, inputs=step.inputs, parameters=step.parameters,
        outputs=step.outputs, threads=threads, tasks=step.tasks,
    )  # fmt: skip


def test_a_specification_survives_the_way_to_the_cluster(step):
    spec = spec_of(step)

    assert StepSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize(
    "step", [one for one in STEPS if needs.is_known(one.name)], ids=lambda step: step.key
)
def test_the_memory_of_a_planned_step_is_known_beforehand(step, threads):
    assert step.plane_yx
    assert 100e6 < needs.peak_bytes(spec_of(step, threads), step.plane_yx) < 64e9


def test_only_steps_that_look_or_convert_plane_by_plane_are_not_known_beforehand():
    unknown = {step.name for step in STEPS if not needs.is_known(step.name)}

    assert unknown == {"inspect_raw", "precompute", "script", "verify_raw"}


def test_the_expected_channels_are_understood():
    (channel,) = Expected.from_json(raw_steps("a/b", [GAPS])[0].parameters["channels"]).channels

    assert (channel.name, channel.planes) == ("488", 12)


@pytest.mark.parametrize(("left", "right"), [(True, True), (True, False), (False, True)])
def test_both_sides_number_the_sheets_alike(left, right):
    channel = replace(CHANNEL, left=left, right=right)

    for side in channel.sides:
        assert channel.sheet_code(side) == sheet_code(side, left=left, right=right)


def test_the_compression_is_one_the_pipeline_has():
    assert all(choose_codec(value) for value, _ in COMPRESSION.values)


def test_every_failure_of_the_pipeline_has_a_policy_and_an_advice():
    assert REASONS - {""} <= set(FAILURES)
