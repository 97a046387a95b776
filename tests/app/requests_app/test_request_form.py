"""The new-request form: three steps, drafts that are kept, and what of it becomes a request.

Tests that carry a number stand for that scenario of the specification.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core_app.models import User
from imaging_app.models import ImagingBatch, ImagingChannel, ImagingRequest, ImagingResolution
from processing_app.models import ProcessingResolution
from requests_app import selectors
from requests_app.models import AntibodyTrial, ClearingBatch, Request, Sample
from requests_app.services import requests
from tests.app.requests_app.typed import (
    BACKEND,
    HOSTILE,
    JSON,
    about,
    begin,
    objective,
    press_submit,
    problems,
    row,
    save_samples,
    submitted,
    text_of,
    typed,
)
from tests.support.scenarios import PROTOCOL, a_plan, a_submitted_request

IMMUNO = "iDISCO+_immuno"


@pytest.fixture
def signed_in(client: Client, researcher: User) -> Client:
    client.force_login(researcher, backend=BACKEND)
    return client


def test_01_the_form_begins_with_the_first_step_and_no_samples(signed_in: Client) -> None:
    page = text_of(signed_in.get("/requests/new/"))

    assert 'name="about-name"' in page
    assert "grid-data" not in page


def test_looking_at_the_form_makes_nothing(signed_in: Client) -> None:
    assert signed_in.get("/requests/new/").status_code == 200
    assert not Request.objects.exists()


def test_02_two_samples_get_two_rows_with_their_usual_names(signed_in: Client) -> None:
    draft = begin(signed_in, name="My brains", number_of_samples="2")

    rows = selectors.drafts_of(draft.owner).get().draft["samples"]  # type: ignore[index]  # a mapping
    assert [r["name"] for r in rows] == ["My_brains-001", "My_brains-002"]
    assert rows[0]["protocol"] == PROTOCOL


@pytest.mark.parametrize("species", ["mouse", "rat"])
def test_03_the_grid_offers_every_objective_for(signed_in: Client, species: str) -> None:
    draft = begin(signed_in, species=species)

    page = text_of(signed_in.get(f"/drafts/{draft.pk}/samples/"))
    assert '"name": "1.3x"' in page
    assert "5.0 \\u00b5m pixels, can be registered" in page
    assert "0.41 \\u00b5m pixels, for viewing only" in page


@pytest.mark.parametrize("number", ["52", "51", "0", "-1", "1000000", "9" * 400, "abc", "2.5"])
def test_07_a_number_of_samples_that_cannot_be_makes_no_rows(
    signed_in: Client, number: str
) -> None:
    draft = begin(signed_in, number_of_samples=number)

    assert selectors.samples_in_draft(draft) == 0
    page = text_of(signed_in.get(f"/drafts/{draft.pk}/?check=1"))
    assert "whole number from 1 to 50" in page or "at most 50 samples" in page


@pytest.mark.parametrize("name", ["1.3x", "4x"])
def test_08_a_filled_form_becomes_a_request_with_batches_and_channels(
    signed_in: Client, lab: object, name: str
) -> None:
    request = submitted(signed_in, [row(imaging=[objective(name)])])

    assert (request.state, request.lab, request.draft) == ("submitted", lab, None)
    assert ClearingBatch.objects.get().protocol.name == PROTOCOL
    channel = ImagingChannel.objects.get()
    assert channel.resolution.objective.name == name
    assert (channel.wavelength.name, channel.purposes) == ("488", ("registration",))
    assert "New brains" in text_of(signed_in.get("/requests/"))


@pytest.mark.parametrize("antibody", ["", "   "])
def test_09_immunostaining_without_a_primary_antibody_is_refused(
    signed_in: Client, antibody: str
) -> None:
    draft = typed(signed_in, [row(protocol=IMMUNO, antibody1=antibody)])

    assert press_submit(signed_in, draft).status_code == 422
    assert "needs a primary antibody" in problems(signed_in, draft)["samples.0.antibody1"][0]


def test_10_a_request_without_samples_is_refused(signed_in: Client) -> None:
    draft = typed(signed_in, [])

    answer = press_submit(signed_in, draft)

    assert answer.status_code == 422
    assert "Add at least one sample" in text_of(answer)


@pytest.mark.parametrize(
    ("species", "protocol"), [("mouse", "uDISCO (rat)"), ("rat", IMMUNO), ("rat", "uDISCO")]
)
def test_11_a_protocol_of_another_species_is_refused_and_kept(
    signed_in: Client, species: str, protocol: str
) -> None:
    draft = typed(signed_in, [row(protocol=protocol, antibody1="x")], species=species)

    found = problems(signed_in, draft)

    assert f"not offered for {species}" in found["samples.0.protocol"][0]
    draft.refresh_from_db()
    assert draft.draft["samples"][0]["protocol"] == protocol  # type: ignore[index]  # a mapping


@pytest.mark.parametrize("name", ["First brains", "first_BRAINS", "  first   brains "])
def test_12_a_name_in_use_is_said_on_the_first_step_already(
    signed_in: Client, researcher: User, name: str
) -> None:
    a_submitted_request(researcher, a_plan("First brains"))

    answer = signed_in.post("/requests/new/", about(name=name) | {"action": "continue"})

    assert answer.status_code == 422
    assert "choose another name" in text_of(answer)


def test_a_name_taken_by_somebody_else_is_free_for_oneself(
    signed_in: Client, labmate: User
) -> None:
    a_submitted_request(labmate, a_plan("First brains"))

    assert submitted(signed_in, name="First brains").name == "First brains"


def test_a_name_taken_meanwhile_is_said_at_the_submission(
    signed_in: Client, researcher: User
) -> None:
    draft = typed(signed_in, name="First brains")
    a_submitted_request(researcher, a_plan("First brains"))

    answer = press_submit(signed_in, draft)

    assert answer.status_code == 422
    assert "choose another name" in text_of(answer)


def test_13_a_sample_without_an_objective_is_refused(signed_in: Client) -> None:
    draft = typed(signed_in, [row(), row("brain-002", imaging=[])])

    found = problems(signed_in, draft)

    assert list(found) == ["samples.1.resolutions"]


@pytest.mark.parametrize("second", ["brain-001", "BRAIN-001", "brain-001 "])
def test_14_sample_names_are_unique_whatever_their_case_or_blanks(
    signed_in: Client, second: str
) -> None:
    draft = typed(signed_in, [row(), row(second)])

    assert "has this name already" in problems(signed_in, draft)["samples.1.name"][0]


@pytest.mark.parametrize(
    ("number", "imaging", "words"),
    [
        (15, [objective(channels={})], "Tick at least one channel at 1.3x"),
        (16, [objective(), objective()], "chosen twice"),
        (17, [objective(final_orientation="coronal")], "choose sagittal"),
        (18, [objective(channels={"647": ["cell_detection"]})], "needs a registration channel"),
        (
            19,
            [objective(channels={"488": ["registration"], "555": ["registration"]})],
            "only one registration channel",
        ),
        (61, [objective("2x")], "generic imaging only"),
        (61, [objective(channels={"647": ["registration"]})], "too little autofluorescence"),
        (61, [objective("3.6x", channels={"647": ["generic_imaging"]})], "has no channel 647"),
        (61, [objective("99x")], "not an objective of this facility"),
        (61, [objective(channels={"488": ["admiration"]})], "no purpose admiration"),
        (61, [objective(f"{n}x") for n in range(6)], "5 objectives at most"),
        (61, [objective(atlas="moon")], "not an atlas"),
        (61, [objective(final_orientation="upside down")], "Choose one of: sagittal"),
        (61, [objective(notes_for_imager="x" * 1025)], "at most 1024"),
    ],
)
def test_15_to_19_and_61_what_a_sample_cannot_be_imaged_with_is_refused_on_the_server(
    signed_in: Client, number: int, imaging: list[dict[str, Any]], words: str
) -> None:
    draft = typed(signed_in, [row(imaging=imaging)])

    answer = press_submit(signed_in, draft)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert "Sample 1 (brain-001), imaging" in text_of(answer)
    assert not Sample.objects.exists()


def test_20_21_samples_of_equal_chemistry_share_a_batch_despite_blanks(signed_in: Client) -> None:
    rows = [row("a", antibody1="anti-cFos\n"), row("b", antibody1=" anti-cFos")]

    request = submitted(signed_in, [r | {"protocol": IMMUNO} for r in rows])

    assert request.clearing_batches.get().samples.count() == 2


def test_22_five_objectives_at_once_are_accepted(signed_in: Client) -> None:
    imaging = [objective(name) for name in ("1.3x", "1.1x", "3.6x", "4x")]
    imaging.append(objective("2x", channels={"488": ["generic_imaging"]}))

    submitted(signed_in, [row(imaging=imaging)])

    assert ImagingResolution.objects.count() == 5


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".hidden", 'q"uote', "it's", "semi;colon", "col:on", "‮evil", "🧠", "___"]
)
def test_23_names_that_no_folder_should_have_are_refused(signed_in: Client, name: str) -> None:
    draft = typed(signed_in, [row(name)], name=name)

    found = problems(signed_in, draft)

    assert "Use letters, digits" in found["name"][0]
    assert "Use letters, digits" in found["samples.0.name"][0]


def test_23_blanks_are_allowed_in_a_request_name_and_not_in_a_sample_name(
    signed_in: Client,
) -> None:
    draft = typed(signed_in, [row("two words")], name="two words")

    assert list(problems(signed_in, draft)) == ["samples.0.name"]


def test_24_a_staining_batch_is_noted_once_in_the_history_of_antibodies(signed_in: Client) -> None:
    rows = [row(n, protocol=IMMUNO, antibody1="anti-cFos 1:500") for n in ("a", "b")]

    submitted(signed_in, [*rows, row("c")])

    trial = AntibodyTrial.objects.get()
    assert (trial.primary_antibody, trial.protocol) == ("anti-cFos 1:500", IMMUNO)


@pytest.mark.parametrize(
    "purpose", ["registration", "injection_detection", "probe_detection", "cell_detection"]
)
def test_25_a_rat_is_neither_registered_nor_searched(signed_in: Client, purpose: str) -> None:
    imaging = [objective(channels={"488": [purpose]})]
    draft = typed(signed_in, [row(protocol="uDISCO (rat)", imaging=imaging)], species="rat")

    found = problems(signed_in, draft)

    assert "only generic imaging" in found["samples.0.resolutions.0.channels"][0]


@pytest.mark.parametrize("protocol", ["uDISCO (rat)", "iDISCO abbreviated clearing (rat)"])
def test_25_a_rat_is_imaged_generically(signed_in: Client, protocol: str) -> None:
    imaging = [objective(channels={"488": ["generic_imaging"]})]

    request = submitted(signed_in, [row(protocol=protocol, imaging=imaging)], species="rat")

    assert request.species is not None
    assert request.species.name == "rat"


def test_26_who_clears_and_images_alone_needs_no_hand_off_and_is_named(
    signed_in: Client, researcher: User
) -> None:
    rows = [row(expected_handoff_date="")]

    request = submitted(signed_in, rows, self_clearing="on", self_imaging="on")

    assert request.clearing_batches.get().clearer == researcher
    assert ImagingBatch.objects.get().imager == researcher


def test_27_a_missing_hand_off_is_said_for_each_sample(signed_in: Client) -> None:
    rows = [row("a", expected_handoff_date=""), row("b"), row("c", expected_handoff_date="")]
    draft = typed(signed_in, rows)

    page = text_of(press_submit(signed_in, draft))

    assert "2 samples, hand-off" in page
    assert [f"#cell-{n}-expected_handoff_date" in page for n in range(3)] == [True, False, True]


def test_29_an_auditor_is_stored_and_sees_the_request(signed_in: Client, auditor: User) -> None:
    request = submitted(signed_in, auditor=" Auditor ")

    reader = Client()
    reader.force_login(auditor, backend=BACKEND)
    assert request.auditor == auditor
    assert "New brains" in text_of(reader.get("/requests/"))


@pytest.mark.parametrize(
    ("name", "words"), [("nobody", "Nobody here"), ("researcher", "owner sees the request anyway")]
)
def test_29_an_auditor_has_to_exist_and_be_somebody_else(
    signed_in: Client, name: str, words: str
) -> None:
    draft = typed(signed_in, auditor=name)

    assert words in problems(signed_in, draft)["auditor"][0]
    assert words in text_of(signed_in.get(f"/drafts/{draft.pk}/?check=1"))


@pytest.mark.parametrize("name", ["3.6x", "15x"])
def test_30_the_objectives_of_the_smartspim_belong_to_it(signed_in: Client, name: str) -> None:
    submitted(signed_in, [row(imaging=[objective(name)])])

    assert ImagingResolution.objects.get().objective.microscope.name == "smartspim"


def test_31_the_chosen_atlas_is_kept_for_processing(signed_in: Client) -> None:
    submitted(signed_in, [row(imaging=[objective(atlas="paxinos")])])

    wanted = ProcessingResolution.objects.get()
    assert wanted.atlas is not None
    assert (wanted.atlas.name, wanted.final_orientation) == ("paxinos", "sagittal")


def test_32_samples_with_different_channels_are_accepted(signed_in: Client) -> None:
    rows = [
        row(n, imaging=[objective(channels={"488": ["registration"], other: ["cell_detection"]})])
        for n, other in (("a", "555"), ("b", "647"), ("c", "790"))
    ]

    submitted(signed_in, rows)

    assert ImagingChannel.objects.count() == 6
    assert ImagingBatch.objects.count() == 3


def test_33_batches_are_reviewed_as_they_will_be_made(signed_in: Client) -> None:
    two = objective(channels={"488": ["registration"], "647": ["cell_detection"]})
    rows = [row("s1"), row("s2"), row("s3", imaging=[two]), row("s4", protocol="uDISCO")]
    draft = typed(signed_in, rows)

    page = text_of(signed_in.get(f"/drafts/{draft.pk}/review/"))

    assert [f"Imaging batch {n}" in page for n in ("1.1", "1.2", "2.1", "2.2", "3.1")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert press_submit(signed_in, draft).status_code == 302
    made = ImagingRequest.objects.values_list(
        "sample__name", "batch__clearing_batch__number", "batch__number"
    )
    assert sorted(made) == [("s1", 1, 1), ("s2", 1, 1), ("s3", 1, 2), ("s4", 2, 1)]


@pytest.mark.parametrize("species", ["primate", "marsupial"])
def test_57_primates_and_marsupials_are_imaged_generically(signed_in: Client, species: str) -> None:
    generic = objective(channels={"488": ["generic_imaging"]})
    rows = [row(protocol="experimental", imaging=[generic])]

    request = submitted(signed_in, rows, species=species)

    assert request.species is not None
    assert request.species.name == species


def test_60_every_sample_keeps_its_own_dates(signed_in: Client) -> None:
    rows = [
        row("a", perfusion_date="2029-12-01"),
        row("b", expected_handoff_date="2030-02-01"),
    ]

    submitted(signed_in, rows)

    dates = Sample.objects.order_by("position").values_list(
        "perfusion_date", "expected_handoff_date"
    )
    assert [tuple(map(str, pair)) for pair in dates] == [
        ("2029-12-01", "2030-01-07"),
        ("None", "2030-02-01"),
    ]


def test_submission_freezes_the_username(signed_in: Client, researcher: User) -> None:
    submitted(signed_in)

    researcher.refresh_from_db()
    assert researcher.username_frozen_at is not None


def test_everything_wrong_is_said_at_once(signed_in: Client) -> None:
    bad = row("two words", protocol=IMMUNO, expected_handoff_date="07.01.2030", imaging=[])
    draft = typed(signed_in, [bad], name="a/b", correspondence_email="nobody", lab="")

    found = problems(signed_in, draft)

    assert set(found) == {
        "name", "correspondence_email", "lab", "samples.0.name", "samples.0.antibody1",
        "samples.0.expected_handoff_date", "samples.0.resolutions",
    }  # fmt: skip
    assert "no date" in found["samples.0.expected_handoff_date"][0]
    page = text_of(press_submit(signed_in, draft))
    assert f"/drafts/{draft.pk}/samples/?check=1#cell-0-imaging" in page
    assert f"/drafts/{draft.pk}/?check=1#id_about-correspondence_email" in page


def test_a_refused_submission_loses_nothing(signed_in: Client) -> None:
    draft = typed(signed_in, [row("two words", notes_for_clearer="gently")])
    before = draft.draft

    press_submit(signed_in, draft)

    draft.refresh_from_db()
    assert (draft.state, draft.draft) == ("draft", before)


def test_an_unusual_wish_is_a_warning_and_no_refusal(signed_in: Client) -> None:
    draft = typed(signed_in, [row(antibody1="anti-cFos")])

    assert "does not stain" in text_of(signed_in.get(f"/drafts/{draft.pk}/review/"))
    assert press_submit(signed_in, draft).status_code == 302


def test_submitting_twice_leads_to_the_one_request(signed_in: Client) -> None:
    draft = typed(signed_in)

    first = press_submit(signed_in, draft)
    second = press_submit(signed_in, draft)

    assert first.headers["Location"] == "/requests/researcher/New_brains/"
    assert second.headers["Location"] == first.headers["Location"]
    assert "was submitted already" in text_of(signed_in.get(second.headers["Location"]))
    assert (Request.objects.count(), Sample.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_submissions_at_the_same_moment_make_one_request(researcher: User) -> None:
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(researcher, backend=BACKEND)
    draft = typed(clients[0])
    barrier, answers = threading.Barrier(2), []

    def press(client: Client) -> None:
        barrier.wait(10)
        try:
            answers.append(press_submit(client, draft).headers.get("Location"))
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers == ["/requests/researcher/New_brains/"] * 2
    assert (Sample.objects.count(), ClearingBatch.objects.count()) == (1, 1)


def test_hostile_text_is_inert_on_every_step_and_page(signed_in: Client) -> None:
    hostile = row(
        antibody1=HOSTILE, antibody2=HOSTILE, notes_for_clearer=HOSTILE,
        imaging=[objective(notes_for_imager=HOSTILE, notes_for_processor=HOSTILE)],
    )  # fmt: skip
    typed_in = {"description": HOSTILE, "lab": HOSTILE[:50]}
    draft = typed(signed_in, [hostile], **typed_in)
    wrong = begin(signed_in, name=HOSTILE, auditor=HOSTILE[:20], species=HOSTILE, **typed_in)
    save_samples(
        signed_in, wrong, [row(HOSTILE, subject=HOSTILE, protocol=HOSTILE, imaging_text=HOSTILE)]
    )

    addresses = ["/requests/", "/"]
    for pk in (draft.pk, wrong.pk):
        addresses += [f"/drafts/{pk}/?check=1", f"/drafts/{pk}/samples/?check=1"]
        addresses += [f"/drafts/{pk}/review/"]
    pages = [text_of(signed_in.get(address)) for address in addresses]
    pages.append(text_of(press_submit(signed_in, wrong)))
    pages.append(text_of(signed_in.get(press_submit(signed_in, draft).headers["Location"])))

    for page in pages:
        assert "<script>alert" not in page
        assert "<b x-data" not in page


@pytest.mark.parametrize("step", ["", "samples/", "samples/?check=1", "review/"])
def test_a_draft_of_fifty_samples_costs_as_few_queries_as_one(signed_in: Client, step: str) -> None:
    small = typed(signed_in, [row()], name="small")
    large = typed(signed_in, [row(f"brain-{n:03d}") for n in range(50)], name="large")

    counts = []
    for draft in (small, large):
        with CaptureQueriesContext(connection) as queries:
            signed_in.get(f"/drafts/{draft.pk}/{step}")
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 32


def test_saving_fifty_samples_costs_few_queries(
    signed_in: Client, django_assert_max_num_queries: Callable[..., object]
) -> None:
    draft = begin(signed_in)

    with django_assert_max_num_queries(8):
        save_samples(signed_in, draft, [row(f"brain-{n:03d}") for n in range(50)])


def test_closed_and_full_days_are_in_the_grid(signed_in: Client) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from requests_app.models import HandoffDay

    day = timezone.localdate() + timedelta(days=10)
    HandoffDay.objects.create(day=day, capacity=0, note="Maintenance")
    draft = begin(signed_in)

    page = text_of(signed_in.get(f"/drafts/{draft.pk}/samples/"))

    assert f'"{day}": {{"left": 0, "note": "Maintenance"}}' in page


def test_drafts_in_lists_say_how_much_is_in_them(signed_in: Client) -> None:
    draft = typed(signed_in, [row("a"), row("b")])

    assert selectors.samples_in_draft(draft) == 2
    assert "2 samples" in text_of(signed_in.get("/requests/new/"))


def test_a_draft_can_be_deleted(signed_in: Client) -> None:
    draft = typed(signed_in)

    signed_in.post(f"/drafts/{draft.pk}/delete/")

    assert not Request.objects.filter(pk=draft.pk).exists()
    assert signed_in.get(f"/drafts/{draft.pk}/").status_code == 404


def test_another_persons_draft_does_not_exist(
    signed_in: Client, client: Client, labmate: User
) -> None:
    draft = typed(signed_in)
    client.force_login(labmate, backend=BACKEND)

    for step in ("", "samples/", "samples.csv", "subjects/", "review/"):
        assert client.get(f"/drafts/{draft.pk}/{step}").status_code == 404
    for step in ("", "samples/", "samples/upload/", "samples/upload/end/", "review/", "copy/"):
        assert client.post(f"/drafts/{draft.pk}/{step}").status_code == 404


def test_a_review_that_shows_an_older_draft_submits_nothing(signed_in: Client) -> None:
    draft = typed(signed_in)
    seen = draft.draft_revision
    save_samples(signed_in, draft, [row(), row("brain-002")])

    answer = press_submit(signed_in, draft, revision=str(seen))

    assert answer.status_code == 409
    assert "changed in another window" in text_of(answer)
    assert not Sample.objects.exists()


def test_what_is_saved_after_the_submission_changes_nothing(signed_in: Client) -> None:
    draft = typed(signed_in)
    press_submit(signed_in, draft)

    answer = save_samples(signed_in, draft, [row("late")])

    assert answer.status_code == 409
    assert answer.json()["location"] == "/requests/researcher/New_brains/"
    assert Sample.objects.get().name == "brain-001"


def test_services_and_form_keep_the_revision_alike(signed_in: Client, researcher: User) -> None:
    draft = begin(signed_in)
    before = draft.draft_revision

    requests.edit_draft(draft, {"about": {"name": "x"}}, by=researcher)

    assert (draft.draft_revision, draft.name) == (before + 1, "x")
    assert signed_in.post(f"/drafts/{draft.pk}/", about(), headers=JSON).status_code == 200
