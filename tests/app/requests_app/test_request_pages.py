"""The researcher's pages: lists, one request, withdrawal, and what a submission makes."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from core_app.models import Event, User
from imaging_app.models import ImagingBatch
from requests_app.services import clearing
from tests.support.scenarios import a_plan, a_sample_plan, a_submitted_request

HOSTILE = '"><script>alert(1)</script><b x-data="{a:1}">{{ 7*7 }}'


@pytest.fixture
def signed_in(client: Client, researcher: User) -> Client:
    client.force_login(researcher, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def test_samples_of_equal_chemistry_share_a_batch_and_keep_their_dates(researcher: User) -> None:
    samples = (
        a_sample_plan("s1", antibody1="anti-cFos\n", notes_for_clearer="gently"),
        a_sample_plan("s2", antibody1=" anti-cFos", notes_for_clearer="the small one"),
        a_sample_plan("s3", protocol="uDISCO"),
    )

    request = a_submitted_request(researcher, a_plan(samples=samples))

    batches = list(request.clearing_batches.order_by("number"))
    assert [b.samples.count() for b in batches] == [2, 1]
    assert batches[0].notes_for_clearer == "gently (s1)\nthe small one (s2)"


def test_imaging_batches_follow_channels_and_start_anew_in_each_clearing_batch(
    researcher: User,
) -> None:
    from tests.support.scenarios import ONE_CHANNEL, TWO_CHANNELS

    samples = (
        a_sample_plan("s1"),
        a_sample_plan("s2"),
        a_sample_plan("s3", resolutions=(TWO_CHANNELS,)),
        a_sample_plan("s4", protocol="uDISCO", resolutions=(ONE_CHANNEL,)),
    )

    request = a_submitted_request(researcher, a_plan(samples=samples))

    batches = ImagingBatch.objects.filter(clearing_batch__request=request)
    found = [
        (b.clearing_batch.number, b.number, sorted(r.sample.name for r in b.imaging_requests.all()))
        for b in batches
    ]
    assert found == [(1, 1, ["s1", "s2"]), (1, 2, ["s3"]), (2, 1, ["s4"])]


def test_the_list_finds_by_sample_and_shows_what_comes_next(
    signed_in: Client, researcher: User
) -> None:
    a_submitted_request(researcher)

    page = text_of(signed_in.get("/requests/?q=brain-001"))

    assert "first brains" in page
    assert "Hand the sample in" in page
    assert "first brains" not in text_of(signed_in.get("/requests/?q=nothing-like-it"))


def test_lists_ask_the_database_equally_often_for_one_request_and_for_twenty(
    signed_in: Client, researcher: User, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(20):
        a_submitted_request(researcher, a_plan(f"request {number}"))

    with django_assert_max_num_queries(16):
        signed_in.get("/requests/")
    with django_assert_max_num_queries(16):
        signed_in.get("/samples/")
    with django_assert_max_num_queries(32):
        signed_in.get("/")


def test_the_owner_withdraws_until_clearing_starts(
    signed_in: Client, researcher: User, clearer: User
) -> None:
    request = a_submitted_request(researcher)

    signed_in.post("/requests/researcher/first_brains/withdraw/", {"reason": "Wrong animals"})

    request.refresh_from_db()
    assert request.state == "withdrawn"
    assert request.clearing_batches.get().state == "cancelled"
    assert Event.objects.filter(
        kind="request", to="withdrawn", note="Wrong animals", by=researcher
    ).exists()


def test_the_owner_cannot_withdraw_what_is_being_cleared(
    signed_in: Client, researcher: User, clearer: User
) -> None:
    request = a_submitted_request(researcher)
    clearing.receive_and_start(request.clearing_batches.get(), by=clearer)

    answer = signed_in.post(
        "/requests/researcher/first_brains/withdraw/", {"reason": "x"}, follow=True
    )

    request.refresh_from_db()
    assert request.state == "submitted"
    assert "Ask a manager" in text_of(answer)


def test_withdrawing_needs_a_reason_and_a_post(signed_in: Client, researcher: User) -> None:
    request = a_submitted_request(researcher)

    assert signed_in.get("/requests/researcher/first_brains/withdraw/").status_code == 405
    signed_in.post("/requests/researcher/first_brains/withdraw/", {"reason": "  "})

    request.refresh_from_db()
    assert request.state == "submitted"


def test_hostile_text_is_inert_on_every_page(signed_in: Client, researcher: User) -> None:
    samples = (a_sample_plan(notes_for_clearer=HOSTILE, antibody1=HOSTILE),)
    a_submitted_request(researcher, a_plan(description=HOSTILE, lab=HOSTILE[:50], samples=samples))

    for address in ("/", "/requests/", "/requests/researcher/first_brains/", "/samples/"):
        page = text_of(signed_in.get(address))
        assert "<script>alert" not in page
        assert "<b x-data" not in page


def test_a_tubes_code_leads_to_its_page(signed_in: Client, researcher: User) -> None:
    sample = a_submitted_request(researcher).samples.get()

    answer = signed_in.get(f"/q/{sample.code}")

    assert answer.headers["Location"] == f"/samples/{sample.pk}/"
    assert sample.name not in sample.code
