"""Everybody reads what was tried; people, requests and their words only who may."""

import csv
import io
from datetime import date

import pytest
from django.urls import reverse

from requests_app.models import AntibodyTrial
from requests_app.services.requests import delete_untouched
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
HISTORY, CSV = reverse("clearing:antibody-history"), reverse("clearing:antibody-csv")
OVERVIEW = reverse("clearing:antibody-overview")
SECRETS = ("researcher", "quiet brains", "an unpublished aim", "a private remark")
STAINED = a_sample_plan(
    protocol="iDISCO+_immuno", antibody1="Rabbit anti-NeuN", antibody2="Donkey AF647"
)
HOSTILE = [
    'a "quoted" one', "it's", "<script>alert(1)</script>", "&amp; &lt;", "נוגדן ‮ abc", "100%_\\",
    "😀 x", "'; DROP TABLE x; --",
]  # fmt: skip


def a_trial(primary="Rabbit anti-NeuN", **other):
    values = {"tried_on": date(2026, 1, 5), "species": "mouse", "protocol": "iDISCO+_immuno"}
    return AntibodyTrial.objects.create(primary_antibody=primary, **{**values, **other})


@pytest.fixture
def stained(researcher):
    plan = a_plan("quiet brains", samples=[STAINED], description="an unpublished aim")
    request = a_submitted_request(researcher, plan)
    AntibodyTrial.objects.filter(request=request).update(notes="a private remark")
    return request


def seen_by(person, client, address=HISTORY, **query):
    client.force_login(person, backend=BACKEND)
    answer = client.get(address, query)
    return (answer.getvalue() if answer.streaming else answer.content).decode()


def table(text):
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_a_request_with_antibodies_adds_exactly_one_trial(stained):
    trial = AntibodyTrial.objects.get()

    assert (trial.request, trial.primary_antibody) == (stained, "Rabbit anti-NeuN")
    assert (trial.secondary_antibody, trial.species) == ("Donkey AF647", "mouse")
    assert (trial.protocol, trial.description) == ("iDISCO+_immuno", "an unpublished aim")


def test_a_request_without_antibodies_adds_none(researcher):
    a_submitted_request(researcher)

    assert not AntibodyTrial.objects.exists()


def test_a_second_request_with_the_same_words_on_the_same_day_adds_another(stained, researcher):
    a_submitted_request(
        researcher, a_plan("again", samples=[STAINED], description="an unpublished aim")
    )

    assert AntibodyTrial.objects.count() == 2


@pytest.mark.parametrize("person", ["researcher", "stranger", "clearer", "manager"])
def test_everybody_sees_what_was_tried(person, stained, client, request):
    text = seen_by(request.getfixturevalue(person), client)

    assert "Rabbit anti-NeuN" in text
    assert "Donkey AF647" in text


@pytest.mark.parametrize("person", ["researcher", "pi", "clearer", "operator"])
def test_who_may_read_the_request_sees_whose_it_was(person, stained, client, request):
    text = seen_by(request.getfixturevalue(person), client)

    assert all(secret in text for secret in SECRETS)
    assert reverse("requests:request-page", args=["researcher", "quiet_brains"]) in text


@pytest.mark.parametrize("address", [HISTORY, CSV, OVERVIEW, "trial"])
@pytest.mark.parametrize("person", ["stranger", "labmate"])
def test_the_others_see_neither_name_nor_words(person, address, stained, client, request):
    trial = AntibodyTrial.objects.get()
    place = reverse("clearing:antibody-trial", args=[trial.pk]) if address == "trial" else address

    text = seen_by(request.getfixturevalue(person), client, place)

    assert "Rabbit anti-NeuN" in text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("word", ["quiet", "unpublished", "private", "researcher"])
def test_a_search_does_not_probe_hidden_words(word, stained, stranger, client):
    assert "No trial fits" in seen_by(stranger, client, q=word)


@pytest.mark.parametrize("column", ["for", "notes", "owner", "request"])
def test_an_order_does_not_tell_hidden_words(column, researcher, stranger, client):
    for number, word in enumerate(["b", "a", "c"]):
        sample = a_sample_plan(protocol="iDISCO+_immuno", antibody1=f"{number}-anti")
        a_submitted_request(researcher, a_plan(word, samples=[sample], description=word))
        AntibodyTrial.objects.filter(request__name=word).update(notes=word)

    lines = table(seen_by(stranger, client, CSV, sort=column))

    assert [line["Primary antibody"] for line in lines] == ["2-anti", "1-anti", "0-anti"]


def test_who_may_read_orders_by_what_the_request_was_for(researcher, clearer, client):
    for word in ["b", "a", "c"]:
        sample = a_sample_plan(protocol="iDISCO+_immuno", antibody1=f"{word}-anti")
        a_submitted_request(researcher, a_plan(word, samples=[sample], description=word))

    lines = table(seen_by(clearer, client, CSV, sort="for"))

    assert [line["What for"] for line in lines] == ["a", "b", "c"]


def test_the_trial_of_a_deleted_request_leaves_no_words_behind(stained, admin_person):
    delete_untouched(stained, by=admin_person)

    assert not AntibodyTrial.objects.exists()


def test_the_newest_comes_first(stranger, client):
    for day in (3, 9, 6):
        a_trial(tried_on=date(2026, 3, day))

    dates = [line["Date"] for line in table(seen_by(stranger, client, CSV))]

    assert dates == ["2026-03-09", "2026-03-06", "2026-03-03"]


COLUMNS = {
    "date": "tried_on", "primary": "primary_antibody",
    "primary-concentration": "primary_concentration", "secondary": "secondary_antibody",
    "secondary-concentration": "secondary_concentration", "species": "species",
    "protocol": "protocol", "outcome": "outcome", "for": "description", "notes": "notes",
}  # fmt: skip


@pytest.mark.parametrize(("column", "field"), COLUMNS.items())
def test_every_column_orders_the_lines_both_ways(column, field, stranger, client):
    values = [date(2026, 3, 1), date(2026, 3, 2)] if field == "tried_on" else ["good", "none"]
    lots = {value: str(number) for number, value in enumerate(values)}
    for value in reversed(values):
        a_trial(**{"primary": "x", field: value} if field != "primary_antibody" else
                {"primary": value}, primary_lot=lots[value])  # fmt: skip

    up = [line["Primary lot"] for line in table(seen_by(stranger, client, CSV, sort=column))]
    down = [
        line["Primary lot"] for line in table(seen_by(stranger, client, CSV, sort=f"-{column}"))
    ]

    assert (up, down) == (["0", "1"], ["1", "0"])


@pytest.mark.parametrize(
    "query",
    [{"sort": "password"}, {"sort": "--date"}, {"outcome": "x"}, {"page": "x"}, {"page": "99"}],
)
def test_an_address_that_means_nothing_shows_everything(query, stranger, client):
    a_trial()

    assert "Rabbit anti-NeuN" in seen_by(stranger, client, **query)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "neun"}, {"Rabbit anti-NeuN"}),
        ({"q": "AF647"}, {"Chicken anti-GFP"}),
        ({"q": "%"}, set()),
        ({"species": "rat"}, {"Chicken anti-GFP"}),
        ({"protocol": "uDISCO"}, {"Chicken anti-GFP"}),
        ({"outcome": "good"}, {"Rabbit anti-NeuN"}),
        ({"outcome": "unrated"}, {"Chicken anti-GFP"}),
        ({"recommended": "1"}, {"Rabbit anti-NeuN"}),
    ],
)
def test_filters_narrow_the_history(query, found, stranger, client):
    a_trial(outcome="good", is_recommended=True)
    a_trial("Chicken anti-GFP", secondary_antibody="Donkey AF647", species="rat", protocol="uDISCO")

    lines = table(seen_by(stranger, client, CSV, **query))

    assert {line["Primary antibody"] for line in lines} == found


def test_a_long_history_comes_in_pages(stranger, client):
    for number in range(51):
        a_trial(f"anti-{number:02}", tried_on=date(2026, 1, 1))

    first, second = seen_by(stranger, client), seen_by(stranger, client, page=2)

    assert " ".join(first.split()).count("1–50 of 51 trials") == 1
    assert ("anti-00" in first, "anti-00" in second) == (False, True)


def test_an_empty_history_says_how_trials_come(stranger, client):
    assert "No antibody was tried yet" in seen_by(stranger, client)
    assert "Nothing is known of any antibody yet" in seen_by(stranger, client, OVERVIEW)


@pytest.mark.parametrize("address", [HISTORY, OVERVIEW])
def test_many_trials_cost_no_more_queries_than_one(
    address, stranger, researcher, client, django_assert_max_num_queries
):
    for number in range(12):
        sample = a_sample_plan(protocol="iDISCO+_immuno", antibody1=f"anti-{number}")
        a_submitted_request(researcher, a_plan(f"brains {number}", samples=[sample]))
    client.force_login(researcher, backend=BACKEND)

    with django_assert_max_num_queries(12):
        answer = client.get(address)

    assert answer.content.decode().count("anti-11") >= 1


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_shown_inert_and_found_again(text, clearer, client):
    trial = a_trial(text, secondary_antibody=text, description=text, notes=text, species=text,
                    protocol=text, primary_lot=text, primary_order_info=text)  # fmt: skip

    pages = [
        seen_by(clearer, client, address, q=text)
        for address in (HISTORY, OVERVIEW, reverse("clearing:antibody-trial", args=[trial.pk]))
    ]

    assert not [page for page in pages if "<script>alert" in page]
    assert not [page for page in pages if "fits." in page]


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_goes_through_a_request_to_the_bench_and_the_history(
    text, researcher, clearer, client
):
    sample = a_sample_plan(protocol="iDISCO+_immuno", antibody1=text, antibody2=text)
    batch = a_submitted_request(researcher, a_plan(samples=[sample])).clearing_batches.get()

    bench = seen_by(clearer, client, reverse("clearing:batch", args=[batch.pk]))
    (line,) = table(seen_by(clearer, client, CSV, q=text))

    assert "<script>alert" not in bench
    assert line["Primary antibody"].removeprefix("'") == text.removeprefix("'")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(text, stranger, client):
    a_trial(text)

    (line,) = table(seen_by(stranger, client, CSV))

    assert line["Primary antibody"] == f"'{text}"


def test_what_works_counts_each_combination(stranger, client):
    a_trial(outcome="good", primary_concentration="1:500", primary_lot="A1")
    a_trial(outcome="partly", primary_concentration="1:200", primary_order_info="maker 1")
    a_trial("rabbit anti-neun", outcome="none")
    a_trial(protocol="uDISCO")

    text = seen_by(stranger, client, OVERVIEW)

    assert text.count("1 worked") == text.count("1 in part") == text.count("1 did not") == 1
    assert text.count("1 not rated") == 1
    assert all(word in text for word in ("1:500", "1:200", "A1", "maker 1"))


def test_what_staff_recommend_stands_on_top(stranger, client):
    a_trial("anti-best", is_recommended=True)
    a_trial("anti-often", outcome="good", tried_on=date(2026, 9, 1))

    text = seen_by(stranger, client, OVERVIEW)

    assert text.index("anti-best") < text.index("anti-often")
