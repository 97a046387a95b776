"""The researcher's pages: the form with its drafts, lists, one request, withdrawal."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from core_app.models import Event, User
from imaging_app.models import ImagingBatch, ImagingChannel
from requests_app.models import ClearingBatch, Request, Sample
from requests_app.services import clearing
from tests.support.scenarios import PROTOCOL, a_plan, a_sample_plan, a_submitted_request

HOSTILE = '"><script>alert(1)</script><b x-data="{a:1}">{{ 7*7 }}'


def filled(**changes: str) -> dict[str, str]:
    return {
        "about-name": "New brains",
        "about-description": "What for.",
        "about-lab": "River lab",
        "about-correspondence_email": "researcher@example.org",
        "about-species": "mouse",
        "about-retention": "important",
        "samples-TOTAL_FORMS": "1",
        "samples-INITIAL_FORMS": "0",
        "samples-0-name": "brain-001",
        "samples-0-protocol": PROTOCOL,
        "samples-0-expected_handoff_date": "2030-01-07",
        "image-1.3x-488-registration": "on",
        "action": "submit",
    } | changes


@pytest.fixture
def signed_in(client: Client, researcher: User) -> Client:
    client.force_login(researcher, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def test_a_filled_form_becomes_a_request_with_batches_and_channels(
    signed_in: Client, lab: object
) -> None:
    answer = signed_in.post("/requests/new/", filled())

    request = Request.objects.get()
    assert answer.headers["Location"] == "/requests/researcher/New_brains/"
    assert (request.state, request.lab, request.draft) == ("submitted", lab, None)
    assert ClearingBatch.objects.get().protocol.name == PROTOCOL
    channel = ImagingChannel.objects.get()
    assert (channel.wavelength.name, channel.purposes) == ("488", ("registration",))


def test_submission_freezes_the_username(signed_in: Client, researcher: User) -> None:
    signed_in.post("/requests/new/", filled())

    researcher.refresh_from_db()
    assert researcher.username_frozen_at is not None


def test_looking_at_the_form_makes_nothing(signed_in: Client) -> None:
    assert signed_in.get("/requests/new/").status_code == 200
    assert not Request.objects.exists()


def test_a_saved_draft_is_found_again_as_it_was_typed(signed_in: Client) -> None:
    answer = signed_in.post("/requests/new/", filled(action="save") | {"about-name": "half"})

    page = text_of(signed_in.get(answer.headers["Location"]))
    assert 'value="half"' in page
    assert 'value="2030-01-07"' in page
    assert "checked" in page
    assert "is-invalid" not in page


def test_typing_is_saved_without_leaving_the_page(signed_in: Client) -> None:
    signed_in.post("/requests/new/", filled(action="save"))
    draft = Request.objects.get()

    typed = filled(**{"about-name": "typed on"})
    del typed["action"]
    answer = signed_in.post(f"/drafts/{draft.pk}/", typed, headers={"hx-request": "true"})

    draft.refresh_from_db()
    assert (draft.name, draft.state) == ("typed on", "draft")
    assert "Saved" in text_of(answer)


def test_another_persons_draft_does_not_exist(
    signed_in: Client, client: Client, labmate: User
) -> None:
    signed_in.post("/requests/new/", filled(action="save"))
    draft = Request.objects.get()
    client.force_login(labmate, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(f"/drafts/{draft.pk}/").status_code == 404
    assert client.post(f"/drafts/{draft.pk}/", filled()).status_code == 404


def test_more_samples_continue_the_names(signed_in: Client) -> None:
    answer = signed_in.post("/requests/new/", filled(action="add", add_count="3"))

    draft = Request.objects.get()
    assert draft.draft is not None
    assert [draft.draft[f"samples-{i}-name"] for i in range(4)] == [
        f"brain-00{i}" for i in range(1, 5)
    ]
    assert (
        text_of(signed_in.get(answer.headers["Location"].partition("#")[0])).count("Remove sample")
        == 4
    )


def test_fifty_samples_are_the_most(signed_in: Client) -> None:
    signed_in.post("/requests/new/", filled(action="add", add_count="999"))

    draft = Request.objects.get()
    assert draft.draft is not None
    assert draft.draft["samples-TOTAL_FORMS"] == "50"


@pytest.mark.parametrize("total", ["0", "51", "1000000", "abc", "-1", ""])
def test_a_forged_number_of_samples_is_answered_in_words(signed_in: Client, total: str) -> None:
    answer = signed_in.post("/requests/new/", filled(**{"samples-TOTAL_FORMS": total}))

    assert answer.status_code == 422
    assert not Sample.objects.exists()


def test_removing_a_sample_moves_the_others_up(signed_in: Client) -> None:
    rows = {"samples-TOTAL_FORMS": "3", "samples-1-name": "b", "samples-2-name": "c"}

    signed_in.post("/requests/new/", filled(**rows, action="remove-1"))

    draft = Request.objects.get().draft
    assert draft is not None
    assert [draft["samples-0-name"], draft["samples-1-name"], draft["samples-TOTAL_FORMS"]] == [
        "brain-001",
        "c",
        "2",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"about-name": ""}, "This field is required"),
        ({"about-name": "a/b"}, "Use letters, digits"),
        ({"about-name": "x" * 65}, "at most 64"),
        ({"about-correspondence_email": "nobody"}, "valid email"),
        ({"samples-0-name": "two words"}, "Use letters, digits"),
        ({"samples-0-name": "‮evil"}, "Use letters, digits"),
        ({"samples-0-expected_handoff_date": ""}, "Say when you will hand this sample in"),
        ({"samples-0-expected_handoff_date": "07.01.2030"}, "Enter a valid date"),
        ({"samples-0-protocol": "uDISCO (rat)"}, "not offered for mouse"),
        ({"samples-0-protocol": "iDISCO+_immuno"}, "needs a primary antibody"),
        ({"samples-0-subject": "nobody-1"}, "not in the list"),
        ({"image-1.3x-488-registration": ""}, "Choose at least one objective"),
        (
            {"image-1.3x-488-registration": "", "image-1.3x-647-cell_detection": "on"},
            "needs a registration channel",
        ),
        ({"about-species": "dragon"}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    signed_in: Client, changes: dict[str, str], words: str
) -> None:
    answer = signed_in.post("/requests/new/", filled(**changes))

    draft = Request.objects.get()
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert draft.state == "draft"
    assert draft.draft is not None
    assert draft.draft["about-description"] == "What for."
    assert not Sample.objects.exists()


def test_a_name_is_taken_whatever_its_case_or_blanks(signed_in: Client, researcher: User) -> None:
    a_submitted_request(researcher, a_plan("First brains"))

    answer = signed_in.post("/requests/new/", filled(**{"about-name": "first_BRAINS"}))

    assert answer.status_code == 422
    assert "choose another name" in text_of(answer)


def test_submitting_a_draft_twice_makes_one_request(signed_in: Client) -> None:
    signed_in.post("/requests/new/", filled(action="save"))
    draft = Request.objects.get()

    first = signed_in.post(f"/drafts/{draft.pk}/", filled())
    second = signed_in.post(f"/drafts/{draft.pk}/", filled())

    assert first.headers["Location"] == "/requests/researcher/New_brains/"
    assert second.status_code == 404
    assert (Request.objects.count(), Sample.objects.count()) == (1, 1)


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
    with django_assert_max_num_queries(30):
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


@pytest.mark.parametrize("action", ["add", "remove-0", "save"])
@pytest.mark.parametrize("total", ["60000", "1000000000", "abc", "-5", "9" * 400])
def test_a_forged_number_of_rows_costs_nothing(signed_in: Client, total: str, action: str) -> None:
    answer = signed_in.post(
        "/requests/new/", filled(**{"samples-TOTAL_FORMS": total}, action=action)
    )

    draft = Request.objects.get().draft
    assert answer.status_code == 302
    assert draft is not None
    assert len(draft) < 500
    assert signed_in.get(answer.headers["Location"].partition("#")[0]).status_code == 200
