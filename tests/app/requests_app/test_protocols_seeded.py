"""The seven protocols of the facility, step by step, against a copy of their description."""

from itertools import groupby
from pathlib import Path

import pytest

from requests_app.models import ClearingProtocol
from requests_app.selectors import offered_protocols

pytestmark = pytest.mark.django_db
DESCRIBED = Path(__file__).with_name("protocol_steps.tsv").read_text().splitlines()
COUNTS = {
    "iDISCO+_immuno": 51,
    "iDISCO abbreviated clearing": 14,
    "iDISCO abbreviated clearing (rat)": 14,
    "uDISCO": 10,
    "uDISCO (rat)": 10,
    "iDISCO_EdU": 42,
    "experimental": 0,
}
DATED = {
    "iDISCO+_immuno": [
        "dehydr", "rehydr", "blocking", "antibody1", "wash1", "antibody2", "wash2", "clearing"
    ],
    "iDISCO abbreviated clearing": ["pbs", "dehydr"],
    "iDISCO abbreviated clearing (rat)": ["pbs", "dehydr"],
    "uDISCO": ["dehydr", "clearing"],
    "uDISCO (rat)": ["dehydr", "clearing"],
    "iDISCO_EdU": ["dehydr", "rehydr", "wash1", "edu", "wash2", "clearing"],
    "experimental": [],
}  # fmt: skip


def described():
    """Return {protocol: [(phase, slug, longest note, label)]}."""
    found, name = {}, ""
    for line in DESCRIBED:
        if line.startswith("# "):
            name = line.removeprefix("# ")
            found[name] = []
        else:
            phase, slug, most, label = line.split("\t")
            found[name].append((phase, slug, int(most), label))
    return found


def seeded(name):
    return ClearingProtocol.objects.get(name=name, version=1)


def test_the_copy_has_all_141_steps():
    assert {name: len(steps) for name, steps in described().items()} == COUNTS
    assert sum(COUNTS.values()) == 141


@pytest.mark.parametrize("name", COUNTS)
def test_a_protocol_has_exactly_its_steps(name):
    rows = seeded(name).steps.values_list("phase", "slug", "note_max", "label")

    assert list(rows) == described()[name]


@pytest.mark.parametrize("name", COUNTS)
def test_steps_are_numbered_from_one(name):
    positions = list(seeded(name).steps.values_list("position", flat=True))

    assert positions == list(range(1, COUNTS[name] + 1))


@pytest.mark.parametrize("name", COUNTS)
def test_a_date_is_planned_for_the_first_step_of_the_phases_that_have_one(name):
    steps = list(seeded(name).steps.all())
    firsts = [next(group) for _, group in groupby(steps, key=lambda step: step.phase)]

    assert [step.phase for step in steps if step.plans_date] == DATED[name]
    assert [step.phase for step in firsts if step.plans_date] == DATED[name]


def test_click_chemistry_stands_between_the_two_washes():
    slugs = list(seeded("iDISCO_EdU").steps.values_list("slug", flat=True))

    at = slugs.index("edu_click_chemistry")
    assert slugs[at - 1 : at + 2] == ["wash1_ptwh_wash5", "edu_click_chemistry", "wash2_ptwh_wash1"]
    assert at == 25


def test_lots_are_asked_for_where_the_antibodies_are_added():
    rows = seeded("iDISCO+_immuno").steps.filter(asks_lot=True)

    assert list(rows.values_list("slug", flat=True)) == ["antibody1_added", "antibody2_added"]


def test_only_experimental_asks_for_a_link():
    rows = ClearingProtocol.objects.filter(needs_link=True)

    assert list(rows.values_list("name", flat=True)) == ["experimental"]


@pytest.mark.parametrize(
    ("species", "names"),
    [
        ("primate", {"experimental"}),
        ("marsupial", {"experimental"}),
        ("rat", {"iDISCO abbreviated clearing (rat)", "uDISCO (rat)", "experimental"}),
        (
            "mouse",
            {"iDISCO+_immuno", "iDISCO abbreviated clearing", "uDISCO", "iDISCO_EdU",
             "experimental"},
        ),
    ],
)  # fmt: skip
def test_a_species_is_offered_its_protocols(species, names):
    rows = offered_protocols().filter(species__name=species)

    assert set(rows.values_list("name", flat=True)) == names
