"""Requests in the console: found, understood at a glance, corrected, withdrawn, exported."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from core_app.errors import Invalid
from core_app.models import Event, Lab
from requests_app.models import Request, Sample
from requests_app.services import clearing, corrections
from tests.support.console import HOSTILE, answer, browser_of, page_of, press, words_of
from tests.support.people import a_person
from tests.support.scenarios import (
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db
LIST = page_of(Request, "changelist")


@pytest.fixture
def console(manager):
    return browser_of(manager)


def names_of(client, query):
    return {row.name for row in client.get(f"{LIST}?{query}").context["cl"].result_list}


def fields_of(request, **other):
    return {
        "lab": request.lab_id or "", "auditor": request.auditor_id or "",
        "description": request.description, "retention": request.retention,
        "correspondence_email": request.correspondence_email, **other,
    }  # fmt: skip


# --- The list ---


def test_a_line_says_what_comes_next(console, researcher):
    a_submitted_request(researcher, a_plan(samples=[a_sample_plan("a"), a_sample_plan("b")]))

    words = words_of(console.get(LIST))

    assert "2 on the way" in words
    assert "hands the 2 samples in" in words
    assert "0 days" in words


def test_a_lab_that_was_typed_is_marked(console, researcher):
    a_submitted_request(researcher, a_plan(lab="Otter lab"))

    assert "Otter lab (free text)" in words_of(console.get(LIST))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state__exact=submitted", {"first", "second"}),
        ("state__exact=withdrawn", set()),
        ("lab_text=yes", {"second"}),
        ("lab_text=no", {"first"}),
        ("lab_text=none", set()),
        ("overdue=yes", {"second"}),
        ("overdue=no", {"first"}),
        ("testing__exact=1", {"second"}),
        ("is_archival__exact=1", set()),
        ("self_clearing__exact=0", {"first", "second"}),
        ("q=otter", {"second"}),
        ("q=tube-two", {"second"}),
        ("q=river", {"first"}),
        ("q=researcher", {"first", "second"}),
        ("q=a+special+brain", {"second"}),
        ("q=nothing+like+it", set()),
    ],
)
def test_the_list_finds_requests(query, names, console, researcher):
    a_submitted_request(researcher, a_plan("first"))
    second = a_plan(
        "second", lab="Otter lab", testing=True, description="A special brain.",
        samples=[a_sample_plan("tube-two")],
    )  # fmt: skip
    late = a_submitted_request(researcher, second).samples.get()
    yesterday = timezone.localdate() - timedelta(days=1)
    Sample.objects.filter(pk=late.pk).update(expected_handoff_date=yesterday)

    assert names_of(console, query) == names


def test_the_code_of_a_tube_finds_its_request(console, researcher):
    request = a_submitted_request(researcher, a_plan("wanted"))
    a_submitted_request(researcher, a_plan("other"))

    assert names_of(console, f"q={request.samples.get().code}") == {"wanted"}


def test_the_list_costs_as_much_for_thirty_as_for_one(
    console, researcher, django_assert_max_num_queries
):
    a_submitted_request(researcher, a_plan("first"))
    console.get(LIST)
    with django_assert_max_num_queries(60) as one:
        console.get(LIST)
    for i in range(29):
        a_submitted_request(researcher, a_plan(f"more {i}"))

    with django_assert_max_num_queries(len(one)):
        page = console.get(LIST)

    assert len(page.context["cl"].result_list) == 30


# --- The page of one request ---


def test_the_page_shows_the_work_with_links(console, researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan("a", protocol="iDISCO+_immuno", antibody1="c-Fos 1:500")])
    imaging = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    request = imaging.sample.request

    page = console.get(page_of(Request, "change", request.pk))

    words = words_of(page)
    titles = ["Samples (1)", "Clearing batches (1)", "Imaging rounds (1)", "Antibody trials (1)"]
    assert not [title for title in titles if title not in words]
    assert "c-Fos 1:500" in words
    assert page_of(Sample, "change", imaging.sample.pk) in page.content.decode()
    assert page_of(type(imaging), "change", imaging.pk) in page.content.decode()
    assert "/requests/researcher/first%20brains/" in page.content.decode()


def test_the_page_costs_as_much_for_fifty_samples_as_for_five(
    console, researcher, django_assert_max_num_queries
):
    five = [a_sample_plan(f"few-{i}") for i in range(5)]
    fifty = [a_sample_plan(f"many-{i}") for i in range(50)]
    few = a_submitted_request(researcher, a_plan("few", samples=five))
    many = a_submitted_request(researcher, a_plan("many", samples=fifty))
    console.get(page_of(Request, "change", few.pk))
    with django_assert_max_num_queries(80) as counted:
        console.get(page_of(Request, "change", few.pk))

    with django_assert_max_num_queries(len(counted)):
        page = console.get(page_of(Request, "change", many.pk))

    assert "Samples (50)" in words_of(page)


# --- Correcting ---


def test_a_correction_says_what_it_was_and_what_it_is(console, researcher, manager):
    request = a_submitted_request(researcher)
    new = {"description": "Corrected.", "retention": "not sure"}

    console.post(page_of(Request, "change", request.pk), fields_of(request, **new))

    event = Event.objects.get(kind="request", verb="corrected")
    assert event.by == manager
    assert "description: A test of the facility. → Corrected." in event.note
    assert "retention: Important → Not sure" in event.note


def test_a_lab_takes_the_place_of_the_free_text(console, researcher, lab):
    request = a_submitted_request(researcher, a_plan(lab="Rivre lab"))

    console.post(page_of(Request, "change", request.pk), fields_of(request, lab=lab.pk))

    request.refresh_from_db()
    assert (request.lab, request.lab_text) == (lab, "")


def test_keys_and_state_cannot_be_typed_in(console, researcher, stranger):
    request = a_submitted_request(researcher)
    forged = {"name": "other", "owner": stranger.pk, "state": "closed", "lab_text": "x"}

    console.post(page_of(Request, "change", request.pk), fields_of(request, **forged))

    request.refresh_from_db()
    assert (request.name, request.owner, request.state) == ("first brains", researcher, "submitted")
    assert request.lab_text == ""


def test_the_owner_is_no_auditor(console, researcher):
    request = a_submitted_request(researcher)

    page = console.post(
        page_of(Request, "change", request.pk), fields_of(request, auditor=researcher.pk),
        follow=True,
    )  # fmt: skip

    request.refresh_from_db()
    assert request.auditor is None
    assert "The owner sees the request anyway" in words_of(page)


def test_nobody_writes_over_a_colleague(console, researcher, admin_person):
    request = a_submitted_request(researcher)
    address = page_of(Request, "change", request.pk)
    seen = console.get(address).context["seen"]
    corrections.correct_request(request, {"description": "Theirs."}, by=admin_person)

    page = console.post(address, fields_of(request, description="Mine.", seen=seen), follow=True)

    request.refresh_from_db()
    assert request.description == "Theirs."
    assert "changed this while your page was open" in words_of(page)


def test_only_named_fields_are_corrected_whoever_asks(researcher, manager):
    request = a_submitted_request(researcher)

    with pytest.raises(Invalid, match="name cannot be corrected"):
        corrections.correct_request(request, {"name": "other"}, by=manager)


def test_the_same_page_saves_twice_in_a_row(console, researcher):
    request = a_submitted_request(researcher)
    address = page_of(Request, "change", request.pk)
    for text in ("One.", "Two."):
        seen = console.get(address).context["seen"]
        console.post(address, fields_of(request, description=text, seen=seen))

    request.refresh_from_db()
    assert request.description == "Two."


def test_a_correction_is_no_work(console, researcher, admin_person):
    request = a_submitted_request(researcher)
    corrections.correct_request(request, {"description": "Theirs."}, by=admin_person)

    browser_of(admin_person).post(page_of(Request, "delete", request.pk), {"post": "yes"})

    assert not Request.objects.filter(pk=request.pk).exists()


def test_a_clearer_corrects_no_request(researcher, clearer):
    request = a_submitted_request(researcher)

    refused = browser_of(clearer).post(
        page_of(Request, "change", request.pk), fields_of(request, description="x")
    )

    assert refused.status_code == 403


@pytest.mark.parametrize("page", ["history", "change"])
def test_the_history_is_not_written_by_hand(page, console, researcher):
    request = a_submitted_request(researcher)
    before = list(Event.objects.values_list())

    console.post(page_of(Request, page, request.pk), {"note": "x", "history-0-note": "x"})

    assert list(Event.objects.values_list()) == before


# --- Withdrawing ---


def test_requests_are_withdrawn_with_a_reason(console, researcher):
    request = a_submitted_request(researcher)

    asked = press(console, "withdraw", request)
    before = Request.objects.get(pk=request.pk).state
    answer(console, "withdraw", request, reason="The animals are ill.")

    assert "Withdraw these requests?" in words_of(asked)
    assert before == "submitted"
    assert Request.objects.get(pk=request.pk).state == "withdrawn"
    assert Event.objects.filter(to="withdrawn", note="The animals are ill.").exists()


def test_each_request_is_refused_by_itself(console, researcher):
    gone, there = a_submitted_request(researcher, a_plan("gone")), a_submitted_request(researcher)
    answer(console, "withdraw", gone, reason="Twice.")

    page = answer(console, "withdraw", gone, there, reason="Both.")

    assert "researcher/gone is withdrawn and cannot become withdrawn" in words_of(page)
    assert Request.objects.get(pk=there.pk).state == "withdrawn"


@pytest.mark.parametrize("role", ["clearer", "imager", "operator"])
@pytest.mark.parametrize("action", ["withdraw", "make_lab"])
def test_other_staff_are_refused_what_they_post(action, role, researcher, request):
    mine = a_submitted_request(researcher)

    refused = answer(browser_of(request.getfixturevalue(role)), action, mine, reason="x")

    assert refused.status_code == 403
    assert Request.objects.get(pk=mine.pk).state == "submitted"


def test_the_question_needs_the_token(researcher, manager):
    request = a_submitted_request(researcher)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser_of(manager).cookies

    refused = answer(strict, "withdraw", request, reason="x")

    assert refused.status_code == 403
    assert Request.objects.get(pk=request.pk).state == "submitted"


def test_a_draft_is_no_object_of_the_list(console, researcher):
    from requests_app.services import requests

    draft = requests.create_draft(owner=researcher, by=researcher)

    page = answer(console, "withdraw", draft, reason="x")

    assert "1 of the 1 chosen are not in this list" in words_of(page)
    assert Request.objects.get(pk=draft.pk).state == "draft"


# --- Labs that were typed ---


def test_a_free_text_becomes_a_new_lab_for_all_that_say_the_same(console, researcher, stranger):
    one = a_submitted_request(researcher, a_plan("one", lab="Otter lab"))
    two = a_submitted_request(stranger, a_plan("two", lab="otter LAB"))
    other = a_submitted_request(stranger, a_plan("other", lab="Heron lab"))

    asked = press(console, "make_lab", one)
    answer(console, "make_lab", one, new_name="Otter lab", also=[two.pk])

    assert "stranger/two" in words_of(asked)
    assert "stranger/other" not in words_of(asked)
    made = Lab.objects.get(name="Otter lab")
    assert set(made.requests.all()) == {one, two}
    assert Request.objects.get(pk=other.pk).lab_text == "Heron lab"
    assert Event.objects.filter(kind="lab", object_id=made.pk, verb="created").exists()


def test_requests_that_say_something_else_cannot_be_smuggled_in(console, researcher, stranger, lab):
    one = a_submitted_request(researcher, a_plan("one", lab="Otter lab"))
    a_submitted_request(stranger, a_plan("same", lab="Otter lab"))
    other = a_submitted_request(stranger, a_plan("other", lab="Heron lab"))

    answer(console, "make_lab", one, lab=lab.pk, also=[other.pk])

    assert Request.objects.get(pk=other.pk).lab is None


@pytest.mark.parametrize("given", [{}, {"lab": "1", "new_name": "x"}, {"lab": "999"}])
def test_one_lab_has_to_be_named(given, console, researcher, lab):
    one = a_submitted_request(researcher, a_plan("one", lab="Otter lab"))
    named = {**given, **({"lab": lab.pk} if given.get("lab") == "1" else {})}

    answer(console, "make_lab", one, **named)

    assert Request.objects.get(pk=one.pk).lab is None


def test_a_lab_is_not_made_twice(console, researcher, lab):
    one = a_submitted_request(researcher, a_plan("one", lab="Otter lab"))

    page = answer(console, "make_lab", one, new_name="RIVER LAB")

    assert "There is a lab “RIVER LAB” already" in words_of(page)
    assert Request.objects.get(pk=one.pk).lab is None


def test_a_request_that_has_a_lab_keeps_it(console, researcher, stranger):
    settled = a_submitted_request(researcher)
    hill = Lab.objects.get(name="Hill lab")

    page = answer(console, "make_lab", settled, lab=hill.pk)

    assert "The request names River lab already" in words_of(page)
    assert Request.objects.get(pk=settled.pk).lab.name == "River lab"


# --- Export ---


def table_of(answered):
    return list(csv.DictReader(io.StringIO(answered.getvalue().decode("utf-8-sig"))))


def test_requests_are_exported(console, researcher):
    request = a_submitted_request(researcher)

    row = table_of(press(console, "export_requests", request))[0]

    assert (row["owner"], row["request"], row["lab"]) == ("researcher", "first brains", "River lab")
    assert (row["samples"], row["stages"]) == ("1", "1 sample: 1 on the way")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t="])
def test_an_export_computes_nothing(begin, console, researcher, manager):
    request = a_submitted_request(researcher)
    corrections.correct_request(request, {"description": f"{begin}1+1"}, by=manager)

    row = table_of(press(console, "export_requests", request))[0]

    assert row["description"] == f"'{begin}1+1"


# --- Hostile text ---


def test_text_that_people_typed_is_inert(console, researcher, manager):
    plan = a_plan(description=HOSTILE, lab=HOSTILE[:50])
    request = a_submitted_request(researcher, plan)
    a_submitted_request(a_person("other"), a_plan(lab=HOSTILE[:50]))

    pages = [
        console.get(LIST),
        console.get(page_of(Request, "change", request.pk)),
        press(console, "withdraw", request),
        press(console, "make_lab", request),
        answer(console, "make_lab", request, new_name="<img src=x>"),
        answer(console, "withdraw", request, reason=HOSTILE),
        console.get(page_of(Request, "change", request.pk)),
    ]

    texts = [page.content.decode() for page in pages]
    assert not [t for t in texts if "<script>alert('x" in t or "<img src=x" in t]


def test_work_that_began_is_counted_as_stages(console, researcher, clearer):
    request = a_submitted_request(researcher)
    clearing.receive_and_start(request.clearing_batches.get(), by=clearer)

    assert "1 clearing" in words_of(console.get(LIST))


@pytest.mark.parametrize(
    "query",
    [
        "submitted_at__gte=9999-12-31T23%3A59%3A59-10%3A00",
        "submitted_at__year=" + "9" * 25,
        "submitted_at__gte=0001-01-01T00%3A00%3A00%2B10%3A00",
    ],
)
def test_a_date_of_no_calendar_shows_the_list_without_it(query, manager, researcher):
    a_submitted_request(researcher)

    answered = browser_of(manager).get(f"{page_of(Request, 'changelist')}?{query}", follow=True)

    assert answered.status_code == 200
