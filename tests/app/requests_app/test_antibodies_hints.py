"""While somebody types an antibody, the form tells what is known of it."""

from dataclasses import replace
from datetime import date

import pytest
from django.urls import reverse

from requests_app.models import AntibodyTrial
from requests_app.selectors.antibodies import Asked, hints_for
from requests_app.workflows import withdraw_request
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
ADDRESS = reverse("clearing:antibody-hints")
STAINED = a_sample_plan(
    protocol="iDISCO+_immuno", antibody1="Rabbit anti-NeuN", antibody2="Donkey AF647"
)


def a_trial(primary="Rabbit anti-NeuN", **other):
    values = {"tried_on": date(2026, 1, 5), "species": "mouse", "protocol": "iDISCO+_immuno"}
    return AntibodyTrial.objects.create(primary_antibody=primary, **{**values, **other})


def hinted(**asked):
    return [(line.primary, line.species, line.protocol) for line in hints_for(Asked(**asked))]


@pytest.fixture
def browser(client, stranger):
    client.force_login(stranger, backend=BACKEND)
    return client


def test_the_hint_says_how_it_went(browser):
    a_trial(outcome="good", primary_concentration="1:500", primary_lot="A1")
    a_trial(outcome="good", primary_concentration="1:500", tried_on=date(2026, 2, 1),
            primary_lot="B2")  # fmt: skip
    a_trial(outcome="none", primary_concentration="1:100")

    text = browser.get(ADDRESS, {"primary": "rabbit anti-neun"}).content.decode()

    assert "3 trials: 2 worked, 1 did not work" in text
    assert "usually <bdi>1:500</bdi>" in text
    assert "newest lot <bdi>B2</bdi>" in text


def test_an_unknown_antibody_is_said_to_be_new(browser):
    a_trial()

    text = browser.get(ADDRESS, {"primary": "Chicken anti-GFP"}).content.decode()

    assert "No experience yet with <bdi>Chicken anti-GFP</bdi>" in text


@pytest.mark.parametrize("query", [{}, {"primary": "  "}, {"protocol": "uDISCO"}])
def test_without_an_antibody_there_is_nothing_to_say(query, browser):
    a_trial()

    answer = browser.get(ADDRESS, query)

    assert (answer.status_code, answer.content) == (200, b"")


def test_the_same_antibody_comes_before_one_with_the_same_first_word():
    a_trial("Rabbit anti-cFos", tried_on=date(2026, 9, 1))
    a_trial("Rabbit anti-NeuN")

    assert [primary for primary, _, _ in hinted(primary="RABBIT ANTI-NEUN")] == [
        "Rabbit anti-NeuN",
        "Rabbit anti-cFos",
    ]


def test_the_same_protocol_and_species_come_first():
    a_trial(protocol="uDISCO", tried_on=date(2026, 9, 1))
    a_trial(species="rat", tried_on=date(2026, 8, 1))
    a_trial()

    first, *_ = hinted(primary="Rabbit anti-NeuN", species="mouse", protocol="iDISCO+_immuno")

    assert first == ("Rabbit anti-NeuN", "mouse", "iDISCO+_immuno")


def test_a_secondary_alone_is_looked_up_too():
    a_trial(secondary_antibody="Donkey AF647")

    assert len(hinted(secondary="donkey af647")) == 1


def test_capital_letters_make_no_second_line():
    a_trial("Rabbit anti-NeuN")
    a_trial("rabbit ANTI-neun")

    (line,) = hints_for(Asked(primary="Rabbit anti-NeuN"))

    assert line.trials == 2


@pytest.mark.parametrize("text", ["%", "_", "%%%", "100%_x", "\\", "Rabbit%"])
def test_wildcards_mean_themselves(text):
    a_trial("Rabbit anti-NeuN")

    assert hinted(primary=text) == []


@pytest.mark.parametrize("text", ['5" "anti"', "o'anti", "<b>anti</b>", "עכבר anti", "50%_\\anti"])
def test_any_text_is_found_again_and_is_inert(text, browser):
    a_trial(text)

    found = browser.get(ADDRESS, {"primary": text}).content.decode()

    assert "1 trial: 1 not rated yet" in found
    assert "<b>" not in found


def test_a_very_long_query_is_answered(browser):
    assert browser.get(ADDRESS, {"primary": "x" * 10_000}).status_code == 200


def test_at_most_five_lines_in_the_same_number_of_queries(django_assert_max_num_queries):
    for number in range(9):
        a_trial(f"Rabbit anti-{number}", primary_concentration="1:500")

    with django_assert_max_num_queries(2):
        lines = hints_for(Asked(primary="Rabbit anti-1"))

    assert len(lines) == 5


def test_a_submitted_request_is_hinted_at_without_its_people(browser, researcher):
    plan = a_plan("secret brains", samples=[STAINED], description="a secret aim")
    a_submitted_request(researcher, replace(plan))

    text = browser.get(ADDRESS, {"primary": "Rabbit anti-NeuN"}).content.decode()

    assert "Rabbit anti-NeuN" in text
    assert not {w for w in ("secret", "researcher", "River") if w in text}


def test_what_was_withdrawn_was_never_tried(researcher):
    request = a_submitted_request(researcher, a_plan(samples=[STAINED]))
    withdraw_request(request, by=researcher, reason="changed my mind")

    assert hinted(primary="Rabbit anti-NeuN") == []
