"""Animals in the console: who keeps them, and importing a table that was looked at first."""

from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from core_app.models import Event
from requests_app.models import Subject
from requests_app.services import requests
from requests_app.workflows import submit_request
from tests.support.console import HOSTILE, browser_of, page_of, press, words_of
from tests.support.scenarios import a_plan, a_sample_plan

pytestmark = pytest.mark.django_db
LIST = page_of(Subject, "changelist")
IMPORT = reverse("admin:requests_app_subject_import_table")


@pytest.fixture
def console(clearer):
    return browser_of(clearer)


def look_at(client, text, **other):
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(IMPORT, {"file": SimpleUploadedFile("a.csv", content), **other})


def take_over(client, text):
    """Look at the table, then press the button of that page."""
    shown = look_at(client, text)
    return client.post(IMPORT, {"text": shown.context["text"], "confirmed": "yes"})


def outcomes_of(answered):
    return [(row.name, row.outcome) for row in answered.context["results"]]


def a_used_animal(researcher, name="m-1"):
    subject = Subject.objects.create(name=name)
    plan = a_plan(samples=[a_sample_plan(subject=name)])
    submit_request(requests.create_draft(owner=researcher, by=researcher), plan, by=researcher)
    return subject


# --- Importing ---


def test_a_look_writes_nothing(console, lab):
    page = look_at(console, "name,lab\nm-1,River lab\n")

    assert outcomes_of(page) == [("m-1", "new")]
    assert "Nothing is written yet" in words_of(page)
    assert not Subject.objects.exists()


def test_what_was_looked_at_is_imported(console, lab, clearer):
    table = "Name;Lab;Species;Line;Sex;Born\nm-1;river LAB;Mouse;Thy1;F;2026-01-02\n"

    page = take_over(console, table)

    made = Subject.objects.get()
    assert (made.name, made.lab, made.species.name, made.line, made.sex, made.born_on) == (
        "m-1", lab, "mouse", "Thy1", "f", date(2026, 1, 2),
    )  # fmt: skip
    assert "Imported: 1 new." in words_of(page)
    assert Event.objects.get(kind="subject").by == clearer


def test_an_animal_that_is_known_changes_only_where_the_table_speaks(console, lab):
    Subject.objects.create(name="m-1", lab=lab, line="Thy1", sex="f")

    page = take_over(console, "name,lab,line,sex\nM-1,,C57,-\n")

    kept = Subject.objects.get()
    assert (kept.name, kept.lab, kept.line, kept.sex) == ("m-1", lab, "C57", "")
    assert outcomes_of(page) == [("M-1", "changed")]
    assert "line: Thy1 → C57" in Event.objects.get(kind="subject").note


def test_what_says_nothing_new_is_left_alone(console, lab):
    Subject.objects.create(name="m-1", lab=lab)

    page = take_over(console, "name,lab\nm-1,River lab\nm-2,\n")

    assert outcomes_of(page) == [("m-1", "unchanged"), ("m-2", "new")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("m-1,No lab,,,,", "There is no lab “No lab”"),
        ("m-1,,unicorn,,,", "There is no species “unicorn”"),
        ("m-1,,,,x,", "Sex “x” is not f, m or unknown"),
        ("m-1,,,,,tomorrow", "Born “tomorrow” is no date"),
        ("m-1,,,,,2999-01-01", "lies in the future"),
        (",,,,f,", "Give the animal a name"),
        (f"{'m' * 65},,,,,", "at most 64 characters"),
        (f"m-1,,,{'x' * 65},,", "at most 64 characters"),
    ],
)
def test_one_wrong_row_holds_up_no_other(row, said, console):
    page = take_over(console, f"name,lab,species,line,sex,born\n{row}\ngood,,,,,\n")

    assert said in words_of(page)
    assert [subject.name for subject in Subject.objects.all()] == ["good"]


def test_a_name_given_twice_is_refused_the_second_time(console):
    page = take_over(console, "name\nm-1\nM-1\n")

    assert outcomes_of(page) == [("m-1", "new"), ("M-1", "refused")]
    assert "Line 2 has this name already" in words_of(page)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The submitted file is empty"),
        (b"   \n", "Choose a file with at least one animal"),
        (b"lab,line\nx,y\n", "The first row must name the columns"),
        (b"name,password\nx,y\n", "Unknown: password"),
        (b"name,name\nx,y\n", "each at most once"),
        (b"name\n", "The table has 0 animals"),
        (b"name\n" + b"m\n" * 2001, "The table has 2001 animals"),
        (b"name\n\xff\xfe\n", "not UTF-8 text"),
        (b'name\n"open\n', "cannot be read"),
        (b"name\n" + b"x" * 500_001, "too large"),
        (b"name\nm\x00\n", "no table of animals"),
    ],
)
def test_a_file_that_is_no_table_is_refused(content, said, console):
    page = look_at(console, content)

    assert said in words_of(page)
    assert not Subject.objects.exists()


def test_marks_that_spreadsheets_put_first_are_no_part_of_the_table(console):
    assert outcomes_of(look_at(console, b"\xef\xbb\xbfname\tline\r\nm-1\tC57\r\n")) == [
        ("m-1", "new")
    ]


def test_what_is_sent_back_is_checked_again(console):
    page = console.post(IMPORT, {"text": "name,sex\nm-1,x\n", "confirmed": "yes"})

    assert outcomes_of(page) == [("m-1", "refused")]
    assert not Subject.objects.exists()


def test_looking_at_the_page_changes_nothing(console):
    page = console.get(f"{IMPORT}?confirmed=yes&text=name%0Am-1")

    assert page.status_code == 200
    assert not Subject.objects.exists()


@pytest.mark.parametrize("role", ["imager", "processor", "operator"])
def test_other_staff_import_nothing(role, request):
    other = browser_of(request.getfixturevalue(role))

    looked, sent = other.get(IMPORT), take_or_refuse(other)

    assert (looked.status_code, sent.status_code) == (403, 403)
    assert not Subject.objects.exists()


def take_or_refuse(client):
    return client.post(IMPORT, {"text": "name\nm-1\n", "confirmed": "yes"})


def test_a_researcher_is_sent_away(researcher):
    assert take_or_refuse(browser_of(researcher)).status_code == 302
    assert not Subject.objects.exists()


def test_an_import_needs_the_token(clearer):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser_of(clearer).cookies

    assert take_or_refuse(strict).status_code == 403
    assert not Subject.objects.exists()


def test_text_that_people_typed_is_inert(console):
    table = f'name,line\n"{HOSTILE.replace(",", "")}",x\nm-2,"<img src=x>"\n'

    pages = [look_at(console, table), take_over(console, table), console.get(LIST)]
    subject = Subject.objects.get(name="m-2")
    pages.append(console.get(page_of(Subject, "change", subject.pk)))

    texts = [page.content.decode() for page in pages]
    assert not [text for text in texts if "<script>alert" in text or "<img src=x" in text]


# --- Keeping ---


def test_animals_are_found(console, lab):
    Subject.objects.create(name="m-1", lab=lab, line="Thy1")
    Subject.objects.create(name="m-2", is_offered=False)

    def names(query):
        return [row.name for row in console.get(f"{LIST}?{query}").context["cl"].result_list]

    assert (names("q=thy"), names("q=river"), names("is_offered__exact=0")) == (
        ["m-1"], ["m-1"], ["m-2"],
    )  # fmt: skip


def test_animals_are_offered_no_longer_and_again(console):
    subject = Subject.objects.create(name="m-1")

    press(console, "do_not_offer", subject)
    between = Subject.objects.get().is_offered
    again = press(console, "do_not_offer", subject)
    press(console, "offer", subject)

    assert (between, Subject.objects.get().is_offered) == (False, True)
    assert "It is not offered already." in words_of(again)
    assert list(Event.objects.filter(kind="subject").values_list("verb", flat=True)) == [
        "not offered", "offered",
    ]  # fmt: skip


def test_an_animal_that_samples_name_stays(console, researcher):
    subject = a_used_animal(researcher)

    refused = console.post(page_of(Subject, "delete", subject.pk), {"post": "yes"})

    assert refused.status_code == 403
    assert Subject.objects.filter(pk=subject.pk).exists()


def test_an_animal_that_nobody_names_is_deleted_and_remembered(console):
    subject = Subject.objects.create(name="m-1")

    console.post(page_of(Subject, "delete", subject.pk), {"post": "yes"})

    assert not Subject.objects.exists()
    assert Event.objects.get(kind="subject").verb == "deleted"


def test_the_name_that_samples_carry_cannot_be_typed_over(console, researcher):
    subject = a_used_animal(researcher)

    console.post(page_of(Subject, "change", subject.pk), {"name": "other", "line": "C57"})

    subject.refresh_from_db()
    assert (subject.name, subject.line) == ("m-1", "C57")


def test_an_animal_is_added_and_corrected_by_hand(console, clearer):
    console.post(page_of(Subject, "add"), {"name": "m-1", "is_offered": "on"})
    made = Subject.objects.get()
    console.post(
        page_of(Subject, "change", made.pk), {"name": "m-1", "line": "C57", "is_offered": "on"}
    )

    events = Event.objects.filter(kind="subject", by=clearer).values_list("verb", "note")
    assert [verb for verb, _ in events] == ["created", "corrected"]
    assert events[1][1] == "line: nothing → C57"


def test_the_list_costs_as_much_for_thirty_as_for_one(console, lab, django_assert_max_num_queries):
    Subject.objects.create(name="m-0", lab=lab)
    console.get(LIST)
    with django_assert_max_num_queries(60) as one:
        console.get(LIST)
    Subject.objects.bulk_create(Subject(name=f"m-{i}", lab=lab) for i in range(1, 30))

    with django_assert_max_num_queries(len(one)):
        page = console.get(LIST)

    assert len(page.context["cl"].result_list) == 30


def test_what_a_colleague_changed_meanwhile_is_not_written_over(console):
    animal = Subject.objects.create(name="m-9", line="A")
    page = page_of(Subject, "change", animal.pk)
    seen = console.get(page).context["seen"]
    sent = {"name": "m-9", "line": "B", "sex": "", "is_offered": "on", "seen": seen}
    console.post(page, sent)

    answered = console.post(page, {**sent, "line": "C"}, follow=True)

    assert Subject.objects.get().line == "B"
    assert "while your page was open" in words_of(answered)
