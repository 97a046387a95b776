"""What the site plans is what the pipeline takes: names of steps, inputs, parameters, outputs."""

from dataclasses import replace

import pytest

from pipeline import registry
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, REASONS, StepSpec
from pipeline.io.codec import choose_codec
from pipeline.raw.delivery import Expected, ExpectedChannel
from pipeline.raw.layouts import sheet_code
from processing_app.failures import FAILURES
from processing_app.pipelines import (
    COMPRESSION,
    Channel,
    Delivery,
    check_steps,
    raw_steps,
    verify_steps,
)

CHANNEL = Channel(
    id=7, name="488", color="#00ff00", filter_index=0, left=True, right=True, columns=1, rows=1,
    planes=12, voxel_um=(5.0, 5.0, 10.0),
)  # fmt: skip
EXPECTED = ExpectedChannel("488", 0, left=True, right=True, columns=1, rows=1, planes=12)
DELIVERY = Delivery(
    "resolution_1.3x", "brain", "lavision", (CHANNEL,),
    expected=tuple(Expected((EXPECTED,)).to_json()), waived=("missing-1",),
    manifest_digest="0" * 32,
)  # fmt: skip
GAPS = replace(DELIVERY, channels=(replace(CHANNEL, absent={"left": (3,)}),))
STEPS = [
    *raw_steps("a/b", [GAPS]), *check_steps("a/b", [DELIVERY]), *verify_steps("a/b", [DELIVERY]),
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
    assert set(step.outputs) == wanted.outputs


def test_a_specification_survives_the_way_to_the_cluster(step):
    spec = StepSpec(
        contract=CONTRACT_VERSION, step=step.name, name=f"ls-r1-{step.key}-a1",
        version=PIPELINE_VERSION, inputs=step.inputs, parameters=step.parameters,
        outputs=step.outputs, threads=1,
    )  # fmt: skip

    assert StepSpec.from_json(spec.to_json()) == spec


def test_the_expected_channels_are_understood():
    (channel,) = Expected.from_json(STEPS[0].parameters["channels"]).channels

    assert (channel.name, channel.planes) == ("488", 12)


@pytest.mark.parametrize(("left", "right"), [(True, True), (True, False), (False, True)])
def test_both_sides_number_the_sheets_alike(left, right):
    channel = replace(CHANNEL, left=left, right=right)

    for side in channel.sides:
        assert channel.sheet_code(side) == sheet_code(side, left=left, right=right)


def test_the_compression_is_one_the_pipeline_has():
    assert choose_codec(COMPRESSION)


def test_every_failure_of_the_pipeline_has_a_policy_and_an_advice():
    assert REASONS - {""} <= set(FAILURES)
