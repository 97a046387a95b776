"""Every rule of a request, on plain values."""

from dataclasses import replace
from datetime import date

import pytest

from requests_app.cautions import warnings_of
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
    registrable={"1.3x": frozenset({"488"})},
    handoff_left={
        date(2030, 1, 2): None, date(2030, 1, 3): 1, date(2030, 1, 5): 0, date(2029, 12, 31): None
    },
    handoff_notes={date(2030, 1, 5): "holiday"},
    next_open_days=(date(2030, 1, 2), date(2030, 1, 3)),
    closed_days={date(2030, 1, 5)},
    today=date(2030, 1, 1),
    usernames=frozenset({"auditor", "owner"}),
    subjects=frozenset({"m-1"}),
    owner="owner",
)  # fmt: skip
LIMITED = "LaVision: limited until 2030-01-09 17:00: one arm"
REGISTER = ResolutionPlan("1.3x", (ChannelPlan("488", ("registration",)),), atlas="allen_2017")
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
        (with_channels(ChannelPlan("647", ("registration",))),
         "samples.0.resolutions.0.channels", "use 488"),
        (with_channels(*[ChannelPlan("488", ("registration",))] * 2),
         "samples.0.resolutions.0.channels", "given twice"),
        (with_channels(ChannelPlan("488", ("teleportation",))),
         "samples.0.resolutions.0.channels", "no purpose teleportation"),
        (with_channels(ChannelPlan("488", ("generic_imaging",)), final_orientation="oblique"),
         "samples.0.resolutions.0.final_orientation", "Choose one of"),
        (with_channels(ChannelPlan("488", ("generic_imaging",)), notes_for_imager="x" * 1025),
         "samples.0.resolutions.0.notes_for_imager", "at most 1024"),
        (with_sample(notes_for_clearer="x" * 401),
         "samples.0.notes_for_clearer", "401 characters"),
        (with_sample(antibody2="x" * 101), "samples.0.antibody2", "at most 100"),
        (with_sample(resolutions=(REGISTER,) * 6), "samples.0.resolutions", "5 objectives at most"),
        (with_sample(expected_handoff_date=date(2029, 12, 31)),
         "samples.0.expected_handoff_date", "is over"),
        (with_sample(expected_handoff_date=date(9999, 12, 31)),
         "samples.0.expected_handoff_date", "too far ahead"),
        (with_sample(perfusion_date=date(1930, 1, 1)),
         "samples.0.perfusion_date", "check the year"),
        (with_sample(subject="m-999"), "samples.0.subject", "not in the list"),
        (replace(PLAN, auditor="nobody"), "auditor", "Nobody here"),
        (replace(PLAN, auditor="owner"), "auditor", "The owner sees"),
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


def test_a_known_auditor_and_a_known_animal_are_fine() -> None:
    plan = replace(with_sample(subject="m-1"), auditor="auditor")

    assert problems_of(plan, RULES) == {}


def test_a_day_takes_as_many_samples_as_it_has_places() -> None:
    samples = tuple(
        replace(SAMPLE, name=f"b{i}", expected_handoff_date=date(2030, 1, 3)) for i in range(3)
    )

    problems = problems_of(replace(PLAN, samples=samples), RULES)

    assert set(problems) == {
        "samples.1.expected_handoff_date", "samples.2.expected_handoff_date"
    }  # fmt: skip
    assert "2030-01-03 takes 1 more" in problems["samples.1.expected_handoff_date"][0]
    assert "such as 2030-01-02" in problems["samples.1.expected_handoff_date"][0]


def test_a_closed_day_says_why() -> None:
    problems = problems_of(with_sample(expected_handoff_date=date(2030, 1, 5)), RULES)

    assert "is closed (holiday)" in problems["samples.0.expected_handoff_date"][0]


def test_who_clears_alone_takes_no_place_of_the_calendar() -> None:
    plan = replace(with_sample(expected_handoff_date=date(2030, 1, 5)), self_clearing=True)

    assert problems_of(plan, RULES) == {}


def test_the_order_of_channels_and_what_they_are_for_do_not_split_an_imaging_batch() -> None:
    first = ResolutionPlan(
        "1.3x", (ChannelPlan("488", ("registration",)), ChannelPlan("647", ("cell_detection",)))
    )
    second = ResolutionPlan(
        "1.3x",
        (
            ChannelPlan("647", ("generic_imaging",)),
            ChannelPlan("488", ("generic_imaging",)),
            ChannelPlan("790", ()),
        ),
    )

    assert (
        replace(SAMPLE, resolutions=(first,)).imaging
        == replace(SAMPLE, resolutions=(second,)).imaging
    )


def test_antibodies_with_a_protocol_that_does_not_stain_are_pointed_out() -> None:
    odd = with_sample(antibody1="anti-cFos")

    assert problems_of(odd, RULES) == {}
    assert "does not stain" in warnings_of(odd, RULES)[0]
    assert warnings_of(PLAN, RULES) == []


def test_registration_without_an_atlas_is_pointed_out() -> None:
    blind = with_sample(resolutions=(replace(REGISTER, atlas=""),))

    assert problems_of(blind, RULES) == {}
    assert "registered without an atlas" in warnings_of(blind, RULES)[0]


def test_white_space_within_an_antibody_does_not_split_a_batch() -> None:
    assert (
        replace(SAMPLE, antibody1="anti-cFos\r\n1:500").chemistry
        == replace(SAMPLE, antibody1="anti-cFos  1:500").chemistry
    )


def test_an_objective_whose_microscope_is_down_is_refused_with_another():
    rules = replace(RULES, objectives_stopped={"1.3x": "LaVision: down: laser"})

    found = problems_of(PLAN, rules)["samples.0.resolutions.0.objective"]

    assert found == [
        "1.3x cannot be ordered now. LaVision: down: laser. Choose another objective, such as 2x, "
        "or write to the facility; the draft is kept."
    ]


def test_what_is_limited_is_said_once_with_its_objectives():
    again = replace(SAMPLE, name="b2")
    rules = replace(RULES, objectives_limited={"1.3x": LIMITED, "2x": LIMITED})

    found = warnings_of(replace(PLAN, samples=(SAMPLE, again)), rules)

    assert found == [f"{LIMITED} (1.3x). You can order it; imaging may take longer."]


def test_objectives_of_others_are_not_warned_of():
    assert warnings_of(PLAN, replace(RULES, objectives_limited={"2x": LIMITED})) == []
