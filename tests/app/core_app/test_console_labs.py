"""Labs and people in the console: who belongs where, and merging labs that are one."""

import pytest
from django.test import Client

from core_app.errors import StaleState
from core_app.models import Event, Lab, LabMembership, User
from core_app.roles import Role
from requests_app.models import Request, Subject
from requests_app.workflows import merge_labs
from tests.support.console import answer, browser_of, page_of, press, words_of
from tests.support.people import a_person
from tests.support.scenarios import a_plan, a_submitted_request

pytestmark = pytest.mark.django_db
LIST = page_of(Lab, "changelist")


@pytest.fixture
def console(manager):
    return browser_of(manager)


@pytest.fixture
def double(db):
    """The same lab, made a second time."""
    return Lab.objects.create(name="The River lab")


def fields_of(lab, **other):
    rows = list(lab.memberships.order_by("pk"))
    fields = {
        "name": lab.name,
        "memberships-TOTAL_FORMS": len(rows),
        "memberships-INITIAL_FORMS": len(rows),
    }
    for i, row in enumerate(rows):
        values = {"id": row.pk, "lab": lab.pk, "user": row.user_id, "role": row.role}
        fields |= {f"memberships-{i}-{name}": value for name, value in values.items()}
    return {**fields, **other}


def test_the_list_leads_to_the_requests_of_a_lab(console, researcher, lab):
    a_submitted_request(researcher)

    page = console.get(LIST).content.decode()

    assert f'href="/admin/requests_app/request/?lab__id__exact={lab.pk}">1</a>' in page


def test_what_sharing_means_is_said(console, lab):
    page = console.get(page_of(Lab, "change", lab.pk))

    assert "every member reads all requests of the lab" in words_of(page)


def test_merging_moves_people_requests_and_animals(console, researcher, pi, double, manager):
    a_submitted_request(a_person("other", lab=double, pi=True), a_plan(lab="The River lab"))
    Subject.objects.create(name="m-1", lab=double)
    river = Lab.objects.get(name="River lab")

    page = answer(console, "merge", double, keep=river.pk)

    assert not Lab.objects.filter(pk=double.pk).exists()
    assert Request.objects.get().lab == Subject.objects.get().lab == river
    assert river.memberships.get(user__username="other").role == LabMembership.Role.PI
    assert "The River lab: merged into River lab." in words_of(page)
    assert Event.objects.get(kind="lab", verb="merged").note.startswith("The River lab: 1 people")
    assert Event.objects.get(kind="request", verb="corrected").by == manager


def test_who_leads_one_of_them_leads_the_lab_that_stays(console, researcher, lab, double):
    LabMembership.objects.create(user=researcher, lab=double, role=LabMembership.Role.PI)

    answer(console, "merge", double, keep=lab.pk)

    assert researcher.memberships.get().role == LabMembership.Role.PI


def test_the_question_says_what_merging_does(console, lab, double):
    page = press(console, "merge", double)

    assert "This cannot be undone" in words_of(page)
    assert Lab.objects.filter(pk=double.pk).exists()


def test_a_lab_is_not_merged_with_itself(console, lab, double):
    page = answer(console, "merge", lab, double, keep=lab.pk)

    assert "River lab: This is the lab that stays." in words_of(page)
    assert list(Lab.objects.filter(name__contains="River")) == [lab]


def test_a_lab_that_somebody_merged_meanwhile_is_said_to_be_gone(manager, lab, double):
    seen = Lab.objects.get(pk=double.pk)
    merge_labs(double, lab, by=manager)

    with pytest.raises(StaleState, match="is gone"):
        merge_labs(seen, lab, by=manager)


@pytest.mark.parametrize("role", ["clearer", "imager", "operator"])
def test_only_managers_merge(role, lab, double, request):
    refused = answer(browser_of(request.getfixturevalue(role)), "merge", double, keep=lab.pk)

    assert refused.status_code == 403
    assert Lab.objects.filter(pk=double.pk).exists()


def test_merging_needs_the_token(lab, double, manager):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser_of(manager).cookies

    assert answer(strict, "merge", double, keep=lab.pk).status_code == 403
    assert Lab.objects.filter(pk=double.pk).exists()


def test_a_lab_that_stays_has_to_be_one(console, lab, double):
    page = answer(console, "merge", double, keep=999)

    assert "Select a valid choice" in words_of(page)
    assert Lab.objects.filter(pk=double.pk).exists()


def test_who_joins_and_who_leaves_is_remembered(console, researcher, stranger, lab, manager):
    row = lab.memberships.get()
    new = {
        "memberships-1-user": stranger.pk,
        "memberships-1-role": "pi",
        "memberships-1-lab": lab.pk,
    }
    fields = {**fields_of(lab), **new, "memberships-TOTAL_FORMS": 2, "memberships-0-DELETE": "on"}

    console.post(page_of(Lab, "change", lab.pk), fields)

    assert not LabMembership.objects.filter(pk=row.pk).exists()
    event = Event.objects.get(kind="lab")
    assert (event.by, event.verb) == (manager, "corrected")
    assert event.note == "added principal investigator stranger; removed member researcher"


def test_sharing_is_remembered(console, lab):
    console.post(page_of(Lab, "change", lab.pk), fields_of(lab, shares_with_members="on"))

    note = Event.objects.get(kind="lab").note
    assert note == "added sharing with members; removed no sharing with members"


def test_saving_without_a_change_leaves_no_event(console, researcher, lab):
    console.post(page_of(Lab, "change", lab.pk), fields_of(lab))

    assert not Event.objects.filter(kind="lab").exists()


def test_a_role_that_is_given_is_remembered(console, stranger, manager):
    address = page_of(User, "change", stranger.pk)
    form = console.get(address).context["adminform"].form
    group = form.fields["groups"].queryset.get(name=Role.IMAGER)
    row = stranger.memberships.get()
    fields = {
        "username": stranger.username, "email": stranger.email, "is_active": "on",
        "is_staff": "on", "groups": [group.pk], "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 1, "memberships-0-id": row.pk,
        "memberships-0-user": stranger.pk, "memberships-0-lab": row.lab_id,
        "memberships-0-role": row.role,
    }  # fmt: skip

    console.post(address, fields)

    event = Event.objects.get(kind="user")
    assert (event.by, event.note) == (manager, "added role imager, staff")
    assert "added role imager, staff" in words_of(console.get(address))


def test_names_that_people_typed_are_inert(console, researcher, lab, double):
    Lab.objects.filter(pk=double.pk).update(name="<img src=x onerror=alert(1)>")
    double.refresh_from_db()

    pages = [
        console.get(LIST),
        console.get(page_of(Lab, "change", double.pk)),
        press(console, "merge", double),
        answer(console, "merge", double, keep=lab.pk),
        console.get(page_of(Lab, "change", lab.pk)),
    ]

    assert not [page for page in pages if "<img src=x" in page.content.decode()]


def test_the_list_costs_as_much_for_thirty_as_for_one(
    console, researcher, lab, django_assert_max_num_queries
):
    console.get(LIST)
    with django_assert_max_num_queries(60) as one:
        console.get(LIST)
    for i in range(29):
        LabMembership.objects.create(user=researcher, lab=Lab.objects.create(name=f"lab {i}"))

    with django_assert_max_num_queries(len(one)):
        page = console.get(LIST)

    assert len(page.context["cl"].result_list) == 30
