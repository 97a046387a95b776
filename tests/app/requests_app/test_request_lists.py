"""The lists of requests and of samples: columns, filters, search, order, paging, files."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core_app.models import Lab, User
from core_app.roles import Role
from imaging_app.models import ImagingBatch
from imaging_app.services import imaging
from requests_app import overview
from requests_app.models import Request, Sample, Subject
from requests_app.overview.places import Place, samples_at
from requests_app.services import requests
from requests_app.workflows import withdraw_request
from tests.support import world as worlds
from tests.support.orders import Hands, a_request_of_three_batches, a_second_round
from tests.support.people import a_person
from tests.support.scenarios import (
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

BACKEND = "django.contrib.auth.backends.ModelBackend"
HOSTILE = '=HYPERLINK("http://evil.example","x")<script>alert(1)</script>'


@pytest.fixture
def browser(client: Client) -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client.force_login(user, backend=BACKEND)
        return client

    return signed_in


@pytest.fixture
def hands(clearer: User, imager: User) -> Hands:
    return Hands(clearer, a_person("colleague", role=Role.CLEARER), imager)


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def shown(answer: HttpResponse) -> list[str]:
    """Return the names of the requests on the page, in their order."""
    return [row.request.name for row in answer.context["rows"]]


def lines_of(answer: HttpResponse) -> list[dict[str, str]]:
    return list(csv.DictReader(answer.getvalue().decode("utf-8-sig").splitlines()))


@contextmanager
def queries() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as captured:
        yield captured


# --- who sees what (scenarios 34, 35, 74) ---


@pytest.mark.parametrize(
    "address", ["/requests/", "/samples/", "/requests/export.csv", "/samples/export.csv"]
)
def test_nobody_is_sent_to_sign_in_and_back(address: str, client: Client, researcher: User) -> None:
    answer = client.get(address)

    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next={address}"
    assert client.get(address, follow=True).status_code == 200


def test_staff_see_everybodys_requests_and_others_their_own(
    browser: Callable[[User], Client], researcher: User, stranger: User, clearer: User
) -> None:
    a_submitted_request(researcher, a_plan("river brains"))
    a_submitted_request(stranger, a_plan("hill brains", lab="Hill lab"))

    assert set(shown(browser(clearer).get("/requests/"))) == {"river brains", "hill brains"}
    assert shown(browser(stranger).get("/requests/")) == ["hill brains"]
    samples = browser(stranger).get("/samples/").context["rows"]
    assert [row.sample.request.name for row in samples] == ["hill brains"]


@pytest.mark.parametrize("address", ["/requests/", "/samples/", "/"])
def test_a_person_without_requests_gets_pages_that_say_how_things_come(
    address: str, browser: Callable[[User], Client], stranger: User
) -> None:
    answer = browser(stranger).get(address)

    assert answer.status_code == 200
    assert "empty-what" in text_of(answer)


@pytest.mark.parametrize("name", ["requests", "samples"])
def test_an_empty_list_is_an_empty_file(
    name: str, browser: Callable[[User], Client], stranger: User
) -> None:
    answer = browser(stranger).get(f"/{name}/export.csv")

    assert lines_of(answer) == []
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith(f'attachment; filename="{name}-')


def test_an_exhausted_search_says_so_and_offers_everything(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)

    page = text_of(browser(researcher).get("/requests/?q=nothing-like-it"))

    assert "No request fits." in page
    assert "Clear filters" in page


# --- several batches, rounds and protocols (scenario 67, D13) ---


def test_each_sample_shows_its_own_batch_protocol_and_clearer(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    a_request_of_three_batches(researcher, hands)

    rows = {
        row.sample.name: (
            row.sample.clearing_batch.number,
            row.sample.clearing_batch.protocol.name,
            row.sample.clearing_batch.state,
            str(row.sample.clearing_batch.clearer or ""),
        )
        for row in browser(researcher).get("/samples/").context["rows"]
    }

    assert rows == {
        "plain": (1, "iDISCO abbreviated clearing", "complete", "clearer"),
        "stained": (2, "iDISCO+_immuno", "in progress", "colleague"),
        "shrunk": (3, "uDISCO", "waiting", ""),
    }


def test_a_sample_shows_every_round_of_imaging(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    request = a_request_of_three_batches(researcher, hands)
    (first, *_) = ImagingBatch.objects.filter(clearing_batch__request=request).order_by("pk")
    imaging.start(first, by=hands.imager)
    a_second_round(request, by=researcher)

    rows = browser(researcher).get("/samples/?sort=name").context["rows"]
    rounds = {row.sample.name: [(r.number, r.state, r.imager) for r in row.rounds] for row in rows}

    assert rounds == {
        "plain": [(1, "in progress", "imager"), (2, "waiting", "")],
        "shrunk": [(1, "waiting", ""), (2, "waiting", "")],
        "stained": [(1, "waiting", ""), (2, "waiting", "")],
    }


def test_fractions_count_samples_and_rounds(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    request = a_request_of_three_batches(researcher, hands)
    (first, *_) = ImagingBatch.objects.filter(clearing_batch__request=request).order_by("pk")
    imaging.start(first, by=hands.imager)
    imaging.skip(first.imaging_requests.get(), by=hands.imager, reason="The brain broke.")
    a_second_round(request, by=researcher)

    (row,) = browser(researcher).get("/requests/").context["rows"]

    assert (row.counts.cleared, row.counts.samples) == (1, 3)
    assert (row.counts.imaged, row.counts.rounds) == (0, 5)  # the skipped round is not wanted
    assert (row.counts.processed, row.counts.to_process) == (0, 5)


def test_what_went_through_counts_as_imaged_and_processed(
    browser: Callable[[User], Client], db: None, settings: object
) -> None:
    world = worlds.build()
    owner = world.accounts["researcher"]

    found = browser(owner).get("/requests/?q=otter").context["rows"]
    counts = {
        row.request.name: (row.counts.cleared, row.counts.imaged, row.counts.processed)
        for row in found
    }

    assert counts["otter waiting"] == (0, 0, 0)
    assert counts["otter cleared"] == (1, 0, 0)
    assert counts["otter failed"] == (1, 1, 0)
    assert counts["otter imaged"] == (1, 1, 1)


def test_a_cleared_request_of_one_sample_is_cleared_one_of_one(
    browser: Callable[[User], Client], researcher: User, clearer: User
) -> None:
    a_cleared_request(researcher, clearer=clearer)

    page = text_of(browser(researcher).get("/requests/"))

    assert 'data-label="Cleared" class="number">1/1<' in page


def test_an_archival_request_is_marked_in_both_lists(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)
    Request.objects.update(is_archival=True)

    assert ">archival</span>" in text_of(browser(researcher).get("/requests/"))
    assert ">archival</span>" in text_of(browser(researcher).get("/samples/"))


# --- where samples are ---


def test_the_filter_and_the_strip_say_the_same_of_every_sample(db: None) -> None:
    world = worlds.build()
    hands = Hands(world.accounts["clearer"], world.accounts["colleague"], world.accounts["imager"])
    mixed = a_request_of_three_batches(world.accounts["researcher"], hands)
    a_second_round(mixed, by=world.accounts["researcher"])
    a_second_round(world.main.imaged, by=world.accounts["researcher"])
    samples = Sample.objects.select_related("request", "clearing_batch__protocol", "received_by")

    seen = {pk: str(sight.place) for pk, sight in overview.sights_of(samples).items()}
    asked = {
        pk: place for place in Place.values for pk in samples_at(place).values_list("pk", flat=True)
    }

    assert asked == seen
    assert sum(samples_at(place).count() for place in Place.values) == len(seen)
    assert {"on-the-way", "clearing", "imaging", "processing", "failed", "skipped"} <= {
        *seen.values()
    }


def test_each_place_lists_the_requests_that_have_a_sample_there(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    a_request_of_three_batches(researcher, hands)
    a_submitted_request(researcher, a_plan("untouched"))
    client = browser(researcher)

    found = {
        place: sorted(shown(client.get("/requests/", {"stage": place}))) for place in Place.values
    }

    assert {place: names for place, names in found.items() if names} == {
        "on-the-way": ["mixed brains", "untouched"],
        "clearing": ["mixed brains"],
        "imaging": ["mixed brains"],
    }


def test_samples_are_filtered_one_by_one(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    a_request_of_three_batches(researcher, hands)
    client = browser(researcher)

    def names(**query: str) -> list[str]:
        rows = client.get("/samples/", {**query, "sort": "name"}).context["rows"]
        return [row.sample.name for row in rows]

    assert names(stage="clearing") == ["stained"]
    assert names(stage="imaging") == ["plain"]
    assert names(protocol="uDISCO") == ["shrunk"]
    assert names(received="no") == ["shrunk"]
    assert names(received="yes") == ["plain", "stained"]
    assert names(state="withdrawn") == []
    assert names(lab="River lab", q="STAIN") == ["stained"]


# --- filters and search ---


@pytest.fixture
def several(researcher: User, stranger: User, lab: Lab) -> None:
    """Five requests that differ in everything the filters ask for."""
    animal = Subject.objects.create(name="M-2041", lab=lab)
    rats = a_sample_plan("rat-1", protocol="uDISCO (rat)", resolutions=_generic())
    a_submitted_request(researcher, a_plan("alpha", samples=(a_sample_plan(subject=animal.name),)))
    a_submitted_request(
        researcher, a_plan("Beta", species="rat", samples=(rats,), description="Whiskers of rats.")
    )
    a_submitted_request(researcher, a_plan("gamma", self_clearing=True, testing=True))
    withdraw_request(
        a_submitted_request(researcher, a_plan("delta")), by=researcher, reason="Too late."
    )
    a_submitted_request(stranger, a_plan("epsilon", lab="A lab nobody made"))
    requests.create_draft(owner=researcher, by=researcher)


def _generic() -> tuple[object, ...]:
    from requests_app.plans import ChannelPlan, ResolutionPlan

    return (ResolutionPlan("1.3x", (ChannelPlan("488", ("generic_imaging",)),)),)


FILTERED = [
    ({"state": "draft"}, {""}),
    ({"state": "submitted"}, {"alpha", "Beta", "gamma", "epsilon"}),
    ({"state": "withdrawn"}, {"delta"}),
    ({"species": "rat"}, {"Beta"}),
    ({"self": "clearing"}, {"gamma"}),
    ({"kind": "testing"}, {"gamma"}),
    ({"kind": "archival"}, set()),
    ({"lab": "River lab"}, {"alpha", "Beta", "gamma", "delta"}),
    ({"lab": "A lab nobody made"}, {"epsilon"}),
    ({"lab": "-"}, {"epsilon"}),
    ({"lab": "no such lab"}, set()),
    ({"q": "BET"}, {"Beta"}),
    ({"q": "whiskers"}, {"Beta"}),
    ({"q": "rat-1"}, {"Beta"}),
    ({"q": "m-2041"}, {"alpha"}),
    ({"q": "stranger"}, {"epsilon"}),
    ({"q": "river"}, {"alpha", "Beta", "gamma", "delta"}),
    ({"q": "alpha", "species": "rat"}, set()),
]


@pytest.mark.parametrize(("query", "names"), FILTERED, ids=[str(query) for query, _ in FILTERED])
def test_the_address_filters_the_list_and_its_file_alike(
    query: dict[str, str], names: set[str], several: None, manager: User,
    browser: Callable[[User], Client],
) -> None:  # fmt: skip
    client = browser(manager)

    page, file = client.get("/requests/", query), client.get("/requests/export.csv", query)

    assert set(shown(page)) == names
    assert {line["request"] for line in lines_of(file)} == names


def test_a_tubes_code_finds_its_request(
    several: None, researcher: User, browser: Callable[[User], Client]
) -> None:
    code = Sample.objects.get(request__name="gamma").code

    assert shown(browser(researcher).get("/requests/", {"q": code})) == ["gamma"]
    (row,) = browser(researcher).get("/samples/", {"q": code}).context["rows"]
    assert row.sample.code == code


def test_mine_are_those_that_i_own_or_handed_in(
    several: None, stranger: User, manager: User, browser: Callable[[User], Client]
) -> None:
    assert shown(browser(stranger).get("/requests/?owner=me")) == ["epsilon"]
    assert shown(browser(manager).get("/requests/?owner=me")) == []


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "password", "dir": "asc"},
        {"sort": "owner__password"},
        {"sort": "name", "dir": "sideways"},
        {"stage": "nowhere", "state": "lost", "owner": "you", "self": "x", "kind": "y"},
        {"page": "-1"},
        {"page": "x" * 500},
        {"q": "\0'\"%_\\;--", "lab": "\0", "species": "' OR 1=1"},
        {"q": "🧠" * 100},
        {"received": "maybe", "protocol": "\N{RIGHT-TO-LEFT OVERRIDE}x"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "address", ["/requests/", "/samples/", "/requests/export.csv", "/samples/export.csv"]
)
def test_no_address_of_a_list_is_wrong(
    address: str, query: dict[str, str], several: None, researcher: User,
    browser: Callable[[User], Client],
) -> None:  # fmt: skip
    answer = browser(researcher).get(address, query)

    assert answer.status_code == 200
    assert answer.getvalue()


# --- order (scenario 36, D32) ---


@pytest.fixture
def ordered(researcher: User, hands: Hands) -> None:
    """Three requests, each further than the one before, named against their order."""
    a_submitted_request(researcher, a_plan("c", description="z", lab="Zebra lab"))
    a_request_of_three_batches(researcher, hands, "b")
    a_cleared_request(researcher, clearer=hands.first, plan=a_plan("a", description="a"))


ORDERS = {
    "name": ["a", "b", "c"],
    "description": ["a", "b", "c"],
    "lab": ["a", "b", "c"],
    "submitted": ["c", "b", "a"],
    "samples": ["a", "c", "b"],
    "cleared": ["c", "b", "a"],
    "stage": ["c", "b", "a"],
}


@pytest.mark.parametrize(("key", "names"), ORDERS.items())
def test_the_list_sorts_by_a_column_in_both_directions(
    key: str, names: list[str], ordered: None, researcher: User, browser: Callable[[User], Client]
) -> None:
    client = browser(researcher)

    up = shown(client.get("/requests/", {"sort": key, "dir": "asc"}))
    down = shown(client.get("/requests/", {"sort": key, "dir": "desc"}))

    # Equals keep the newest first in both directions.
    if key in {"samples", "lab"}:
        assert (up[-1], down[0]) == (names[-1], names[-1])
    else:
        assert (up, down) == (names, names[::-1])


@pytest.mark.parametrize("key", ["owner", "species", "kind", "state", "imaged", "processed"])
def test_what_is_equal_everywhere_sorts_newest_first(
    key: str, ordered: None, researcher: User, browser: Callable[[User], Client]
) -> None:
    answer = browser(researcher).get("/requests/", {"sort": key, "dir": "asc"})

    assert shown(answer) == ["a", "b", "c"]


@pytest.mark.parametrize("key", overview.lists.SAMPLE_ORDER)
def test_samples_sort_by_every_column_in_both_directions(
    key: str, ordered: None, researcher: User, browser: Callable[[User], Client]
) -> None:
    client = browser(researcher)

    pages = [client.get("/samples/", {"sort": key, "dir": way}) for way in ("asc", "desc")]
    up, down = ([row.sample.pk for row in page.context["rows"]] for page in pages)

    assert sorted(up) == sorted(down)
    assert len(up) == 5


def test_samples_sort_by_name_and_by_batch(
    ordered: None, researcher: User, browser: Callable[[User], Client]
) -> None:
    client = browser(researcher)

    def names(query: str) -> list[str]:
        rows = client.get(f"/samples/?q=b&{query}").context["rows"]
        return [row.sample.name for row in rows if row.sample.request.name == "b"]

    assert names("sort=name&dir=asc") == ["plain", "shrunk", "stained"]
    assert names("sort=name&dir=desc") == ["stained", "shrunk", "plain"]
    assert names("sort=batch&dir=asc") == ["plain", "stained", "shrunk"]


def test_the_heading_says_the_order_and_turns_it_round(
    ordered: None, researcher: User, browser: Callable[[User], Client]
) -> None:
    page = text_of(browser(researcher).get("/requests/?sort=name&dir=asc&page=1"))

    assert 'aria-sort="ascending"' in page
    assert 'href="?sort=name&amp;dir=desc"' in page


# --- pages, drafts, text ---


def test_a_long_list_comes_in_pages_that_keep_the_filter(
    researcher: User, browser: Callable[[User], Client]
) -> None:
    for number in range(27):
        a_submitted_request(researcher, a_plan(f"request {number}"))

    first = browser(researcher).get("/requests/?state=submitted&sort=name&dir=asc")
    second = browser(researcher).get("/requests/?state=submitted&sort=name&dir=asc&page=2")

    assert (len(shown(first)), len(shown(second))) == (25, 2)
    assert "27\n" in text_of(first)
    assert "state=submitted&amp;sort=name&amp;dir=asc&amp;page=2" in text_of(first)


def test_a_file_has_all_pages(researcher: User, browser: Callable[[User], Client]) -> None:
    for number in range(27):
        a_submitted_request(researcher, a_plan(f"request {number}"))

    lines = lines_of(browser(researcher).get("/requests/export.csv?page=2&sort=name&dir=asc"))

    assert len(lines) == 27
    assert lines[0]["request"] == "request 0"


def test_a_draft_says_how_many_samples_it_holds(
    researcher: User, browser: Callable[[User], Client]
) -> None:
    draft = requests.create_draft(owner=researcher, by=researcher)
    requests.edit_draft(draft, {"name": "half", "samples-TOTAL_FORMS": "3"}, by=researcher)

    (row,) = browser(researcher).get("/requests/?state=draft").context["rows"]

    assert (row.summary, row.next_action) == ("3 samples so far", "Finish and submit it")


@pytest.mark.parametrize("total", ["", "abc", "-1", "9" * 400, None, 3.5])
def test_a_forged_draft_breaks_no_list(
    total: object, researcher: User, browser: Callable[[User], Client]
) -> None:
    draft = requests.create_draft(owner=researcher, by=researcher)
    requests.edit_draft(draft, {"samples-TOTAL_FORMS": total}, by=researcher)

    assert browser(researcher).get("/requests/").status_code == 200


def test_text_of_people_stays_text_in_the_file(
    researcher: User, browser: Callable[[User], Client]
) -> None:
    samples = (a_sample_plan(antibody1="=1+1"),)
    a_submitted_request(researcher, a_plan(description=HOSTILE, lab="+49 lab", samples=samples))
    client = browser(researcher)

    (request,) = lines_of(client.get("/requests/export.csv"))
    (sample,) = lines_of(client.get("/samples/export.csv"))

    assert request["description"] == f"'{HOSTILE}"
    assert (request["lab"], sample["lab"], sample["antibody1"]) == ("'+49 lab", "'+49 lab", "'=1+1")


def test_the_file_of_samples_has_batch_and_rounds_of_each(
    researcher: User, hands: Hands, browser: Callable[[User], Client]
) -> None:
    a_second_round(a_request_of_three_batches(researcher, hands), by=researcher)

    lines = {
        line["sample"]: line for line in lines_of(browser(researcher).get("/samples/export.csv"))
    }

    assert {name: line["clearing_batch"] for name, line in lines.items()} == {
        "plain": "1",
        "stained": "2",
        "shrunk": "3",
    }
    assert lines["stained"]["clearer"] == "colleague"
    assert lines["plain"]["imaging"] == "waiting; waiting"
    assert lines["plain"]["imaging_rounds"] == "2"


# --- cost (scenario 72) ---

ADDRESSES = (
    "/requests/",
    "/requests/?sort=processed&dir=desc&stage=on-the-way",
    "/samples/",
    "/samples/?stage=on-the-way",
    "/",
    "/requests/export.csv",
    "/samples/export.csv",
)


@pytest.mark.parametrize("who", ["researcher", "manager"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_many_rows_cost_as_many_queries_as_few(
    address: str, who: str, researcher: User, manager: User, browser: Callable[[User], Client]
) -> None:
    client = browser({"researcher": researcher, "manager": manager}[who])
    a_submitted_request(researcher, a_plan("first"))
    client.get(address).getvalue()
    with queries() as few:
        client.get(address).getvalue()
    for number in range(20):
        samples = tuple(a_sample_plan(f"s{i}") for i in range(3))
        a_submitted_request(researcher, a_plan(f"request {number}", samples=samples))

    with queries() as many:
        client.get(address).getvalue()

    assert len(many) == len(few)
    assert len(many) <= 35


def test_being_imaged_is_seen_in_both_lists(
    researcher: User, clearer: User, imager: User, browser: Callable[[User], Client]
) -> None:
    a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    (row,) = browser(researcher).get("/requests/?stage=imaging").context["rows"]

    assert row.next_action == "Imaging is under way by imager"
    assert row.summary == "1 sample: 1 imaging"
