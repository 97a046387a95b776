"""The pages from which labels are printed."""

import pytest
from django.test import Client
from pytest_django import Settings

from core_app.models import User
from requests_app.labels import SHEETS
from requests_app.models import Request
from requests_app.workflows import withdraw_request
from tests.support.pdf import labels_on, pages_of
from tests.support.people import a_person
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

BACKEND = "django.contrib.auth.backends.ModelBackend"
PDF = "/requests/researcher/first_brains/labels.pdf"


@pytest.fixture
def three(researcher: User) -> Request:
    plans = [a_sample_plan(f"brain-{number}") for number in (1, 2, 3)]
    return a_submitted_request(researcher, a_plan(samples=plans))


@pytest.fixture
def browser(client: Client, researcher: User) -> Client:
    client.force_login(researcher, backend=BACKEND)
    return client


def names_on(pdf: bytes) -> list[str]:
    return [label.words[0].text for page in pages_of(pdf) for label in labels_on(page)]


def test_the_owner_prints_a_label_for_each_tube(
    browser: Client, three: Request, settings: Settings
) -> None:
    settings.SITE_URL = "https://lightserv.example.org"

    answer = browser.get(PDF)

    (page,) = pages_of(answer.content)
    codes = three.samples.order_by("position").values_list("code", flat=True)
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'inline; filename="labels-researcher-first_brains.pdf"'
    assert [label.code for label in labels_on(page)] == [
        f"https://lightserv.example.org/q/{code}" for code in codes
    ]
    assert [word.text for word in labels_on(page)[2].words] == [
        "brain-3", "first brains", "researcher", "Hand-off 2030-01-07",
        "iDISCO abbreviated clearing", "3/3",
    ]  # fmt: skip


def test_only_the_chosen_tubes_are_printed(browser: Client, three: Request) -> None:
    first, second, third = three.samples.order_by("position")

    assert names_on(browser.get(PDF, {"samples": [third.pk, first.pk]}).content) == [
        "brain-1",
        "brain-3",
    ]
    assert names_on(browser.get(f"{PDF}?samples={second.pk},{third.pk}").content) == [
        "brain-2",
        "brain-3",
    ]


@pytest.mark.parametrize("wanted", ["0", "x", "99999999999999999999", "' OR 1=1", "²"])
def test_tubes_of_elsewhere_are_not_found(wanted: str, browser: Client, three: Request) -> None:
    assert browser.get(PDF, {"samples": wanted}).status_code == 404


def test_a_tube_of_another_request_is_not_printed(
    browser: Client, three: Request, stranger: User
) -> None:
    foreign = a_submitted_request(stranger, a_plan("theirs")).samples.get()
    own = three.samples.get(position=1)

    assert names_on(browser.get(PDF, {"samples": [foreign.pk, own.pk]}).content) == ["brain-1"]


@pytest.mark.parametrize(
    ("query", "corner"),
    [
        ({}, SHEETS[0].box(0)),
        ({"skip": "4"}, SHEETS[0].box(4)),
        ({"skip": "-1"}, SHEETS[0].box(0)),
        ({"skip": "99999"}, SHEETS[0].box(0)),
        ({"skip": "²"}, SHEETS[0].box(0)),
        ({"format": "letter-3x10", "skip": "1"}, SHEETS[1].box(1)),
        ({"format": "../../etc"}, SHEETS[0].box(0)),
    ],
)
def test_paper_and_place_come_from_the_address(
    query: dict[str, str], corner: tuple[float, float], browser: Client, three: Request
) -> None:
    first = labels_on(pages_of(browser.get(PDF, query).content)[0])[0]

    assert first.corner == pytest.approx(corner, abs=0.01)


def test_fifty_tubes_take_three_a4_pages(browser: Client, researcher: User) -> None:
    plans = [a_sample_plan(f"brain-{number:03d}") for number in range(50)]
    a_submitted_request(researcher, a_plan(samples=plans))

    pages = pages_of(browser.get(PDF).content)

    assert [len(labels_on(page)) for page in pages] == [24, 24, 2]


def test_labels_of_fifty_tubes_ask_the_database_no_more_often(
    browser: Client, researcher: User, django_assert_max_num_queries
) -> None:
    plans = [a_sample_plan(f"brain-{number:03d}") for number in range(50)]
    a_submitted_request(researcher, a_plan(samples=plans))

    with django_assert_max_num_queries(8):
        browser.get(PDF)


def test_the_page_offers_tubes_papers_and_where_to_begin(browser: Client, three: Request) -> None:
    second = three.samples.get(position=2)

    page = browser.get("/requests/researcher/first_brains/labels/", {"samples": second.pk})

    text = page.content.decode()
    assert text.count("checked") == 1
    assert all(sheet.slug in text for sheet in SHEETS)
    assert 'name="skip"' in text


def test_labels_of_a_withdrawn_request_can_still_be_printed(
    browser: Client, three: Request, researcher: User
) -> None:
    withdraw_request(three, by=researcher, reason="A mistake")

    assert browser.get(PDF).status_code == 200


def test_a_stranger_prints_nothing(client: Client, three: Request) -> None:
    client.force_login(a_person("nobody"), backend=BACKEND)

    assert client.get(PDF).status_code == 404
    assert client.get("/requests/researcher/first_brains/labels/").status_code == 404
