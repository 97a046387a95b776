"""Every rule of a request, on plain values."""

from dataclasses import replace
from datetime import date

import pytest

from requests_app.plans import (
    MOST_SAMPLES,
    ChannelPlan,
    RequestPlan,
    ResolutionPlan,
    Rules,
    SamplePlan,
    problems_of,
)

RULES = Rules(
    species_generic_only={"mouse": False, "rat": True},
    protocols_of_species={
        "mouse": frozenset({"uDISCO", "iDISCO+_immuno"}),
        "rat": frozenset({"uDISCO (rat)"}),
    },
    protocols_needing_antibody=frozenset({"iDISCO+_immuno"}),
    objectives_generic_only={"1.3x": False, "2x": True},
    wavelengths_of_objective={"1.3x": ("488", "647"), "2x": ("488", "647")},
    atlases=frozenset({"allen_2017"}),
)
REGISTER = ResolutionPlan("1.3x", (ChannelPlan("488", ("registration",)),))
SAMPLE = SamplePlan("b1", "uDISCO", expected_handoff_date=date(2030, 1, 2), resolutions=(REGISTER,))
PLAN = RequestPlan("r", "d", "mouse", "a@example.org", "lab", (SAMPLE,))


def with_sample(**changes: object) -> RequestPlan:
    return replace(PLAN, samples=(replace(SAMPLE, **changes),))  # type: ignore[arg-type]  # names of SamplePlan


def with_channels(
    *channels: ChannelPlan, objective: str = "1.3x", **changes: object
) -> RequestPlan:
    wanted = ResolutionPlan(objective, channels, **changes)  # type: ignore[arg-type]  # names of ResolutionPlan
    return with_sample(resolutions=(wanted,))


def test_a_complete_plan_has_no_problems() -> None:
    assert problems_of(PLAN, RULES) == {}


@pytest.mark.parametrize(
    ("plan", "address", "words"),
    [
        (replace(PLAN, species="dragon"), "species", "Choose one"),
        (replace(PLAN, samples=()), "samples", "at least one"),
        (replace(PLAN, samples=(SAMPLE,) * (MOST_SAMPLES + 1)), "samples", "at most 50"),
        (replace(PLAN, samples=(SAMPLE, replace(SAMPLE, name="B1"))),
         "samples.1.name", "Sample 1 has this name"),
        (with_sample(protocol="uDISCO (rat)"), "samples.0.protocol", "not offered for mouse"),
        (with_sample(protocol="iDISCO+_immuno", antibody1="  "),
         "samples.0.antibody1", "primary antibody"),
        (with_sample(expected_handoff_date=None),
         "samples.0.expected_handoff_date", "hand this sample in"),
        (with_sample(perfusion_date=date(2030, 2, 1)),
         "samples.0.perfusion_date", "after the hand-off"),
        (with_sample(resolutions=()), "samples.0.resolutions", "at least one objective"),
        (with_sample(resolutions=(REGISTER, REGISTER)),
         "samples.0.resolutions.1.objective", "chosen twice"),
        (with_channels(objective="99x"), "samples.0.resolutions.0.objective", "not an objective"),
        (with_channels(ChannelPlan("555", ("generic_imaging",))),
         "samples.0.resolutions.0.channels", "has no channel 555"),
        (with_channels(ChannelPlan("488", ())),
         "samples.0.resolutions.0.channels", "Tick at least one"),
        (with_channels(ChannelPlan("488", ("registration",)), atlas="none"),
         "samples.0.resolutions.0.atlas", "not an atlas"),
        (with_channels(
            ChannelPlan("488", ("registration",)), ChannelPlan("647", ("registration",))),
         "samples.0.resolutions.0.channels", "only one registration"),
        (with_channels(ChannelPlan("488", ("registration",)), final_orientation="coronal"),
         "samples.0.resolutions.0.final_orientation", "sagittal"),
        (with_channels(ChannelPlan("488", ("registration",)), objective="2x"),
         "samples.0.resolutions.0.channels", "generic imaging only"),
        (with_channels(ChannelPlan("488", ("cell_detection",))),
         "samples.0.resolutions.0.channels", "needs a registration"),
        (replace(with_sample(protocol="uDISCO (rat)"), species="rat"),
         "samples.0.resolutions.0.channels", "only generic imaging"),
    ],
)  # fmt: skip
def test_each_rule_names_its_field_and_says_what_to_do(
    plan: RequestPlan, address: str, words: str
) -> None:
    problems = problems_of(plan, RULES)

    assert words in " ".join(problems[address])


def test_every_problem_is_told_at_once() -> None:
    broken = replace(
        PLAN,
        species="dragon",
        samples=(replace(SAMPLE, resolutions=(), expected_handoff_date=None),),
    )

    assert {"species", "samples.0.resolutions", "samples.0.expected_handoff_date"} <= set(
        problems_of(broken, RULES)
    )


def test_who_clears_alone_needs_no_hand_off_date() -> None:
    plan = replace(with_sample(expected_handoff_date=None), self_clearing=True)

    assert problems_of(plan, RULES) == {}


def test_blanks_around_an_antibody_do_not_split_a_batch() -> None:
    assert (
        replace(SAMPLE, antibody1="anti-cFos \n").chemistry
        == replace(SAMPLE, antibody1=" anti-cFos").chemistry
    )


def test_the_order_of_objectives_does_not_split_an_imaging_batch() -> None:
    other = ResolutionPlan("2x", (ChannelPlan("488", ("generic_imaging",)),))

    assert (
        replace(SAMPLE, resolutions=(REGISTER, other)).imaging
        == replace(SAMPLE, resolutions=(other, REGISTER)).imaging
    )
