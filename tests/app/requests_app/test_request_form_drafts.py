"""Drafts of the form: kept as typed, never overwritten unasked, for oneself or on behalf, again."""

import json
import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core_app.errors import Invalid
from core_app.models import Event, Lab, User
from requests_app import selectors
from requests_app.models import Request, Subject
from requests_app.services import people, requests
from requests_app.services.requests import Outdated
from requests_app.workflows import submit_request
from tests.app.requests_app.typed import (
    BACKEND,
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
from tests.support.people import a_person
from tests.support.scenarios import a_plan


@pytest.fixture
def signed_in(client: Client, researcher: User) -> Client:
    client.force_login(researcher, backend=BACKEND)
    return client


def as_(person: User) -> Client:
    client = Client()
    client.force_login(person, backend=BACKEND)
    return client


def contents(draft: Request) -> dict[str, Any]:
    draft.refresh_from_db()
    assert draft.draft is not None
    return draft.draft


def names(draft: Request) -> list[str]:
    return [sample["name"] for sample in contents(draft)["samples"]]


def test_a_saved_draft_is_found_again_as_it_was_typed(signed_in: Client) -> None:
    draft = typed(signed_in, [row("half", expected_handoff_date="soon")], name="a/b")

    assert 'value="a/b"' in text_of(signed_in.get(f"/drafts/{draft.pk}/"))
    page = text_of(signed_in.get(f"/drafts/{draft.pk}/samples/"))
    assert '"expected_handoff_date": "soon"' in page
    assert "is-invalid" not in page


def test_a_draft_of_the_former_form_still_opens_and_can_be_submitted(
    signed_in: Client, researcher: User
) -> None:
    old = about() | {
        "samples-TOTAL_FORMS": "1",
        "samples-0-name": "brain-001",
        "samples-0-protocol": "uDISCO",
        "samples-0-expected_handoff_date": "2030-01-07",
        "image-1.3x-488-registration": "on",
        "notes-1.3x": "gently",
        "name": "New brains",
    }
    draft = requests.create_draft(owner=researcher, by=researcher, draft=old)

    for step in ("", "samples/", "review/"):
        assert signed_in.get(f"/drafts/{draft.pk}/{step}").status_code == 200
    assert press_submit(signed_in, draft).status_code == 302


def test_a_save_says_when_and_on_which_revision_the_next_one_is_based(signed_in: Client) -> None:
    draft = begin(signed_in)

    answer = save_samples(signed_in, draft, [row()], revision=str(draft.draft_revision)).json()

    assert answer["revision"] == draft.draft_revision + 1
    assert answer["saved_at"].count(":") == 2


@pytest.mark.parametrize("step", ["", "samples/"])
def test_a_save_on_an_older_version_overwrites_nothing(signed_in: Client, step: str) -> None:
    draft = begin(signed_in)
    seen = str(draft.draft_revision)
    save_samples(signed_in, draft, [row("newer")], revision=seen)
    data = about(name="older") | {"payload": json.dumps([row("older")]), "revision": seen}

    answer = signed_in.post(f"/drafts/{draft.pk}/{step}", data, headers=JSON)

    assert answer.status_code == 409
    assert answer.json()["is_outdated"] is True
    assert "Take the newer version, or keep yours" in answer.json()["message"]
    assert (names(draft), draft.name) == (["newer"], "New brains")


def test_keeping_mine_is_a_save_on_the_newer_revision(signed_in: Client) -> None:
    draft = begin(signed_in)
    seen = str(draft.draft_revision)
    save_samples(signed_in, draft, [row("newer")], revision=seen)
    refusal = save_samples(signed_in, draft, [row("mine")], revision=seen).json()

    save_samples(signed_in, draft, [row("mine")], revision=str(refusal["revision"]))

    assert names(draft) == ["mine"]


def test_without_script_an_older_version_is_shown_again_with_the_choice(signed_in: Client) -> None:
    draft = begin(signed_in)
    seen = str(draft.draft_revision)
    save_samples(signed_in, draft, [row("newer")], revision=seen)

    answer = signed_in.post(f"/drafts/{draft.pk}/", about(name="older") | {"revision": seen})

    assert answer.status_code == 409
    assert "take the newer version" in text_of(answer)
    assert 'value="older"' in text_of(answer)
    assert draft.name == "New brains"


def test_a_submission_loses_nothing_that_was_saved_meanwhile(
    signed_in: Client, researcher: User
) -> None:
    draft = typed(signed_in)
    read_before = Request.objects.get(pk=draft.pk)
    save_samples(signed_in, draft, [row("newer")])

    with pytest.raises(Outdated):
        submit_request(read_before, a_plan(), by=researcher)

    assert names(draft) == ["newer"]


def test_fewer_samples_than_are_filled_in_is_answered_in_words(signed_in: Client) -> None:
    draft = typed(signed_in, [row("a"), row("b")])

    answer = signed_in.post(f"/drafts/{draft.pk}/", about(number_of_samples="1"), headers=JSON)

    assert "2 samples stay" in answer.json()["notes"][0]
    assert names(draft) == ["a", "b"]


def test_without_script_the_samples_come_by_upload(signed_in: Client) -> None:
    draft = begin(signed_in)

    page = text_of(signed_in.get(f"/drafts/{draft.pk}/samples/"))

    assert "needs JavaScript" in page.partition("<noscript>")[2].partition("</noscript>")[0]
    assert f'action="/drafts/{draft.pk}/samples/upload/"' in page


@pytest.mark.parametrize(
    "payload", ["", "{}", "7", "nonsense", "[" * 100_000, '{"samples": []}', "null"]
)
def test_what_is_no_table_is_refused_and_changes_nothing(signed_in: Client, payload: str) -> None:
    draft = typed(signed_in, [row("kept")])

    answer = signed_in.post(f"/drafts/{draft.pk}/samples/", {"payload": payload}, headers=JSON)

    assert answer.status_code == 422
    assert names(draft) == ["kept"]


def test_too_much_is_cut_and_said(signed_in: Client) -> None:
    draft = begin(signed_in)
    rows = [row(f"b{n}", notes_for_clearer="x" * 10_000) for n in range(51)]

    answer = save_samples(signed_in, draft, rows)

    assert answer.status_code == 200
    notes = " ".join(answer.json()["notes"])
    assert "1 more were left out" in notes
    assert "had 10000 characters and was cut to 2000" in notes
    assert "at most 400" in problems(signed_in, draft)["samples.0.notes_for_clearer"][0]


@pytest.mark.parametrize(
    "rows",
    [
        [None, 3, "x", [[]]],
        [{"name": {"a": 1}, "imaging": "x"}],
        [{"name": "\ud800\x00", "imaging": [{"channels": {"488": [[]]}}]}],
        [row(imaging=[objective("x" * 500, channels={"y" * 500: ["z" * 500]})])],
        [row(expected_handoff_date="9999-99-99", perfusion_date="0000-00-00")],
        [row(expected_handoff_date="0001-01-01", perfusion_date="9999-12-31")],
        [row(subject="x" * 500, protocol="y" * 500)],
    ],
)
def test_strange_samples_are_answered_in_words_on_every_step(
    signed_in: Client, rows: list[Any]
) -> None:
    draft = begin(signed_in)

    assert save_samples(signed_in, draft, rows, check="1").status_code == 200

    for step in ("", "samples/?check=1", "samples.csv", "review/"):
        assert signed_in.get(f"/drafts/{draft.pk}/{step}").status_code == 200
    assert press_submit(signed_in, draft).status_code == 422


def test_pasted_imaging_becomes_choices(signed_in: Client) -> None:
    draft = begin(signed_in)

    answer = save_samples(
        signed_in,
        draft,
        [row(imaging=[], imaging_text="1.3x: 488 reg"), row("b", imaging_text="?")],
    )

    assert answer.json()["imaging"]["0"][0]["channels"] == {"488": ["registration"]}
    assert contents(draft)["samples"][1]["imaging_text"] == "?"


# --- in another person's name ---


def test_28_only_staff_are_offered_to_hand_in_for_somebody_else(
    signed_in: Client, clearer: User, imager: User, manager: User, admin_person: User
) -> None:
    words = "Hand it in for another person"

    assert words not in text_of(signed_in.get("/requests/new/"))
    assert words not in text_of(as_(imager).get("/requests/new/"))
    for person in (clearer, manager, admin_person):
        assert words in text_of(as_(person).get("/requests/new/"))


def test_28_staff_submit_for_a_person_who_gets_an_account(clearer: User) -> None:
    staff = as_(clearer)
    draft = begin(staff, correspondence_email=clearer.email)
    save_samples(staff, draft, [row()])

    staff.post(
        f"/drafts/{draft.pk}/",
        about(correspondence_email=clearer.email)
        | {"action": "owner", "other-username": "Newcomer", "other-email": "new@example.org"},
    )
    answer = press_submit(staff, draft)

    draft.refresh_from_db()
    assert answer.headers["Location"] == "/requests/newcomer/New_brains/"
    assert (draft.owner.username, draft.requested_by) == ("newcomer", clearer)
    assert draft.correspondence_email == "new@example.org"
    assert not draft.owner.has_usable_password()
    assert EmailAddress.objects.get(user=draft.owner).verified is False
    event = Event.objects.get(verb="handed over to", root_id=draft.pk)
    assert (event.by, event.note) == (clearer, "newcomer, whose account was made for it")


def test_staff_submit_for_a_person_of_the_site_by_username(clearer: User, researcher: User) -> None:
    answer = as_(clearer).post(
        "/requests/new/", about() | {"action": "owner", "other-username": " RESEARCHER "}
    )

    draft = Request.objects.get()
    assert answer.status_code == 302
    assert (draft.owner, draft.requested_by) == (researcher, clearer)
    assert as_(researcher).get(f"/drafts/{draft.pk}/").status_code == 200


@pytest.mark.parametrize(
    ("username", "email", "words"),
    [
        ("nobody", "", "Nobody here has the username"),
        ("No Body", "new@example.org", "Use 1 to 20 characters"),
        ("../etc", "new@example.org", "Use 1 to 20 characters"),
        ("x" * 21, "new@example.org", "Use 1 to 20 characters"),
        ("newcomer", "not an address", "valid email"),
        ("newcomer", "RESEARCHER@example.org", "belongs to another account"),
        ("researcher", "other@example.org", "belongs to somebody with another address"),
        ("", "new@example.org", "Use 1 to 20 characters"),
    ],
)
def test_an_account_that_cannot_be_is_refused_and_the_draft_stays(
    clearer: User, researcher: User, username: str, email: str, words: str
) -> None:
    before = User.objects.count()

    answer = as_(clearer).post(
        "/requests/new/",
        about() | {"action": "continue", "other-username": username, "other-email": email},
    )

    assert answer.status_code == 422
    assert words in text_of(answer).replace("&#x27;", "'")
    assert User.objects.count() == before
    assert Request.objects.get().owner == clearer


@pytest.mark.parametrize("headers", [{}, JSON])
@pytest.mark.parametrize("field", ["other-username", "other-email"])
def test_58_a_forged_post_in_another_persons_name_is_refused(
    signed_in: Client, researcher: User, labmate: User, field: str, headers: dict[str, str]
) -> None:
    draft = begin(signed_in)
    forged = about(name="stolen") | {"action": "owner", field: "labmate"}

    for address in ("/requests/new/", f"/drafts/{draft.pk}/"):
        answer = signed_in.post(address, forged, headers=headers)
        assert answer.status_code == (403 if headers else 302)

    draft.refresh_from_db()
    assert (draft.owner, draft.name, Request.objects.count()) == (researcher, "New brains", 1)


def test_58_the_service_refuses_as_well(researcher: User, imager: User) -> None:
    from core_app.errors import NotAllowed

    for person in (researcher, imager):
        with pytest.raises(NotAllowed):
            people.account_for("newcomer", "new@example.org", by=person)
    assert not User.objects.filter(username="newcomer").exists()


def test_saving_as_one_types_makes_no_account(clearer: User) -> None:
    as_(clearer).post(
        "/requests/new/",
        about() | {"action": "save", "other-username": "newco", "other-email": "n@example.org"},
        headers=JSON,
    )

    assert not User.objects.filter(username="newco").exists()


def test_a_person_without_a_password_gets_one_by_mail(
    clearer: User, client: Client, mailoutbox: list[Any]
) -> None:
    person, _ = people.account_for("newcomer", "new@example.org", by=clearer)

    client.post("/accounts/password/reset/", {"email": "new@example.org"})
    link = re.search(r"/accounts/password/reset/key/\S+", mailoutbox[0].body)
    assert link is not None
    form = client.get(link[0], follow=True).redirect_chain[-1][0]
    secret = "an-unusual-passphrase"
    client.post(form, {"password1": secret, "password2": secret})

    person.refresh_from_db()
    assert person.check_password(secret)


def test_handing_over_is_no_work_on_the_request(clearer: User, researcher: User) -> None:
    staff = as_(clearer)
    draft = typed(staff, [row()])
    requests.hand_over_draft(draft, researcher, by=clearer)

    press_submit(staff, draft)

    draft.refresh_from_db()
    assert (draft.state, draft.owner) == ("submitted", researcher)
    assert not selectors.has_history(draft)


# --- animals ---


def test_animals_are_those_of_the_owners_labs_also_when_staff_type(
    signed_in: Client, clearer: User, researcher: User, lab: Lab
) -> None:
    Subject.objects.create(name="mouse-river", lab=lab)
    Subject.objects.create(name="mouse-hill", lab=Lab.objects.create(name="Hill lab"))
    Subject.objects.create(name="mouse-free")
    Subject.objects.create(name="mouse-gone", is_offered=False)
    draft = begin(signed_in)

    found = signed_in.get(f"/drafts/{draft.pk}/subjects/?q=MOUSE").json()["subjects"]

    assert found == ["mouse-free", "mouse-river"]
    save_samples(signed_in, draft, [row(subject="mouse-hill")])
    assert "not in the list" in problems(signed_in, draft)["samples.0.subject"][0]


# --- tables ---


def upload(client: Client, draft: Request, text: str, **more: object) -> Any:
    file = SimpleUploadedFile("samples.csv", text.encode())
    return client.post(f"/drafts/{draft.pk}/samples/upload/", {"file": file, **more}, follow=True)


TABLE = "sample,protocol,imaging\nu1,uDISCO,1.3x: 488 reg\nu2,uDISCO,wrong\n"


def test_an_uploaded_table_replaces_the_samples_and_says_what_it_did_not_understand(
    signed_in: Client,
) -> None:
    draft = typed(signed_in, [row("before")])

    page = text_of(upload(signed_in, draft, TABLE, mode="replace"))

    assert names(draft) == ["u1", "u2"]
    assert "Row 3, imaging" in page
    assert contents(draft)["samples"][1]["imaging_text"] == "wrong"
    assert "could not be read" in problems(signed_in, draft)["samples.1.resolutions"][0]


def test_an_uploaded_table_can_be_added(signed_in: Client) -> None:
    draft = typed(signed_in, [row("before")])

    upload(signed_in, draft, TABLE, mode="append")

    assert names(draft) == ["before", "u1", "u2"]


def test_what_does_not_fit_any_more_is_said(signed_in: Client) -> None:
    draft = typed(signed_in, [row(f"b{n}") for n in range(49)])

    page = text_of(upload(signed_in, draft, TABLE, mode="append"))

    assert len(names(draft)) == 50
    assert "1 more were left out" in page


@pytest.mark.parametrize(("action", "left"), [("undo", ["before"]), ("keep", ["u1", "u2"])])
def test_an_upload_can_be_undone(signed_in: Client, action: str, left: list[str]) -> None:
    draft = typed(signed_in, [row("before")])
    upload(signed_in, draft, TABLE)

    signed_in.post(f"/drafts/{draft.pk}/samples/upload/end/", {"action": action})

    assert names(draft) == left
    again = signed_in.post(f"/drafts/{draft.pk}/samples/upload/end/", follow=True)
    assert "no upload to undo" in text_of(again)


def test_a_pasted_table_is_taken_like_a_file(signed_in: Client) -> None:
    draft = begin(signed_in)

    signed_in.post(f"/drafts/{draft.pk}/samples/upload/", {"text": "sample\tnotes\na\tb\n"})

    assert names(draft) == ["a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Choose a file, or paste"),
        ("color\nred", "No column is named"),
        ("x" * 2_100_000, "MB"),
    ],
)
def test_a_useless_upload_changes_nothing(signed_in: Client, text: str, words: str) -> None:
    draft = typed(signed_in, [row("kept")])
    data = {"file": SimpleUploadedFile("a.csv", text.encode())} if text else {}

    answer = signed_in.post(f"/drafts/{draft.pk}/samples/upload/", data, follow=True)

    assert words in text_of(answer)
    assert names(draft) == ["kept"]


def test_a_table_goes_out_and_comes_back_as_it_was(signed_in: Client) -> None:
    draft = typed(signed_in, [row("a", antibody1="=1+1", notes_for_clearer='"x",\ny'), row("b")])
    before = contents(draft)["samples"]

    table = signed_in.get(f"/drafts/{draft.pk}/samples.csv")
    upload(signed_in, draft, table.content.decode("utf-8-sig"))

    assert "'=1+1" in text_of(table)
    assert contents(draft)["samples"] == before


# --- the same again ---


def test_a_request_is_ordered_again_without_its_dates(signed_in: Client, lab: Lab) -> None:
    Subject.objects.create(name="m1", lab=lab)
    rows = [
        row("New_brains-001", subject="m1", protocol="iDISCO+_immuno", antibody1="anti-cFos"),
        row("mine", imaging=[objective(notes_for_imager="gently", atlas="paxinos")]),
    ]
    first = submitted(signed_in, rows, retention="not important")

    signed_in.post(f"/requests/{first.folder}/again/")

    draft = Request.objects.get(state="draft")
    again = contents(draft)
    assert (draft.name, again["about"]["retention"]) == ("New brains 2", "not important")
    assert names(draft) == ["New_brains_2-001", "mine"]
    sample, other = again["samples"]
    assert (sample["subject"], sample["antibody1"]) == ("m1", "anti-cFos")
    assert sample["expected_handoff_date"] == ""
    assert (other["imaging"][0]["notes_for_imager"], other["imaging"][0]["atlas"]) == (
        "gently", "paxinos",
    )  # fmt: skip
    assert set(problems(signed_in, draft)) == {
        "samples.0.expected_handoff_date", "samples.1.expected_handoff_date",
    }  # fmt: skip


def test_who_may_read_a_request_orders_it_for_themselves(
    signed_in: Client, auditor: User, lab: Lab
) -> None:
    Subject.objects.create(name="m1", lab=lab)
    first = submitted(signed_in, [row(subject="m1")], auditor="auditor")

    as_(auditor).post(f"/requests/{first.folder}/again/")

    draft = Request.objects.get(state="draft")
    typed_in = contents(draft)["about"]
    assert draft.owner == auditor
    assert contents(draft)["samples"][0]["subject"] == ""
    assert (typed_in["correspondence_email"], typed_in["auditor"]) == ("auditor@example.org", "")


def test_strangers_order_nothing_again(signed_in: Client, stranger: User) -> None:
    first = submitted(signed_in)

    assert as_(stranger).post(f"/requests/{first.folder}/again/").status_code == 404
    assert signed_in.get(f"/requests/{first.folder}/again/").status_code == 405


def test_a_draft_is_copied_with_the_next_free_name(signed_in: Client) -> None:
    draft = typed(signed_in, [row("a")], name="brains 2")

    signed_in.post(f"/drafts/{draft.pk}/copy/")

    copy = Request.objects.order_by("-id")[0]
    assert (copy.name, names(copy)) == ("brains 3", ["a"])


@pytest.mark.django_db
def test_the_form_knows_its_persons_labs() -> None:
    labs = [Lab.objects.create(name=name) for name in ("One lab", "Other lab")]
    person = a_person("member", lab=labs[0])
    person.memberships.create(lab=labs[1])

    page = text_of(as_(person).get("/requests/new/"))

    assert 'value="One lab"' in page
    assert '<option value="Other lab">' in page
    assert 'value="member@example.org"' in page


def test_an_account_made_by_staff_has_its_address_in_small_letters(clearer):
    made, _ = people.account_for("newcomer", "New.Comer@Example.org", by=clearer)

    assert made.email == "new.comer@example.org"


def test_another_letter_is_another_person(clearer):
    a_person("muller")

    with pytest.raises(Invalid):
        people.account_for("müller", "", by=clearer)


def test_an_address_too_long_for_an_account_is_refused_in_words(clearer):
    with pytest.raises(Invalid):
        people.account_for("newcomer", f"{'x' * 60}@{'y' * 60}.example.org", by=clearer)


@pytest.mark.parametrize("step", ["upload/", "upload/end/"])
def test_an_upload_and_its_undo_never_overwrite_another_window(
    signed_in: Client, step: str
) -> None:
    draft = typed(signed_in, [row("before")])
    upload(signed_in, draft, TABLE, mode="replace")
    draft.refresh_from_db()
    before, seen = draft.draft, draft.draft_revision - 1

    data = {"text": "sample\tnotes\na\tb\n", "revision": str(seen)}
    answer = signed_in.post(f"/drafts/{draft.pk}/samples/{step}", data, follow=True)

    assert "changed in another window" in text_of(answer)
    draft.refresh_from_db()
    assert draft.draft == before
