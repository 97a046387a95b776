"""Signing in and out, sign-up, and who may change whose account."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from pytest_django import Settings

from core_app.accounts import DEMO_PASSWORD
from core_app.models import Lab, User
from tests.support.people import PASSWORD

SIGNED_IN = "_auth_user_id"


def enter(client: Client, user: User) -> None:
    """Be signed in without the form."""
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")


def sign_in(client: Client, login: str, password: str = PASSWORD) -> str:
    """Send the form and return the page that answers, empty after a redirect."""
    return client.post("/accounts/login/", {"login": login, "password": password}).content.decode()


def person_form(user: User, **changes: object) -> dict[str, object]:
    """Return what the console's form of a person sends."""
    return {
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_active": "on",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
        **changes,
    }


@pytest.mark.parametrize(
    "login", ["researcher", "researcher@example.org", "RESEARCHER@example.org"]
)
def test_one_signs_in_by_name_or_address(client: Client, researcher: User, login: str) -> None:
    sign_in(client, login)

    assert client.session[SIGNED_IN] == str(researcher.pk)


def test_a_wrong_password_says_what_did_not_fit(client: Client, researcher: User) -> None:
    page = sign_in(client, "researcher", "something else")

    assert "You are not signed in" in page
    assert 'value="researcher"' in page
    assert SIGNED_IN not in client.session


def test_the_demo_password_opens_nothing_outside_a_demo(client: Client, researcher: User) -> None:
    researcher.set_password(DEMO_PASSWORD)
    researcher.save()

    sign_in(client, "researcher", DEMO_PASSWORD)

    assert SIGNED_IN not in client.session


def test_the_demo_password_opens_the_demo(
    client: Client, researcher: User, settings: Settings
) -> None:
    settings.DEBUG = True
    researcher.set_password(DEMO_PASSWORD)
    researcher.save()

    sign_in(client, "researcher", DEMO_PASSWORD)

    assert SIGNED_IN in client.session


def test_a_switched_off_account_opens_nothing(client: Client, researcher: User) -> None:
    User.objects.filter(pk=researcher.pk).update(is_active=False)

    sign_in(client, "researcher")

    assert SIGNED_IN not in client.session


@pytest.mark.django_db
def test_the_sign_in_page_is_silent_about_demos(client: Client) -> None:
    page = client.get("/accounts/login/").content.decode()

    assert "demo" not in page.lower()
    assert DEMO_PASSWORD not in page


@pytest.mark.django_db
def test_sign_up_is_closed_and_says_who_makes_accounts(client: Client) -> None:
    assert "Accounts are made by the facility" in client.get("/accounts/signup/").content.decode()


@pytest.mark.django_db
def test_sign_up_can_be_opened(client: Client, settings: Settings) -> None:
    settings.SIGN_UP = True

    assert 'name="password1"' in client.get("/accounts/signup/").content.decode()


def test_signing_out_needs_a_press(client: Client, researcher: User) -> None:
    enter(client, researcher)

    client.get("/accounts/logout/")
    assert SIGNED_IN in client.session

    client.post("/accounts/logout/")
    assert SIGNED_IN not in client.session


def test_a_forgotten_password_is_reset_by_mail(client: Client, researcher: User) -> None:
    client.post("/accounts/password/reset/", {"email": researcher.email})

    assert mail.outbox[0].to == [researcher.email]


def test_an_unknown_address_is_answered_alike(client: Client, researcher: User) -> None:
    known = client.post("/accounts/password/reset/", {"email": researcher.email})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.org"})

    assert known.headers["Location"] == unknown.headers["Location"]


def test_nobody_confirms_the_confirmed_address_of_another(
    client: Client, researcher: User, labmate: User
) -> None:
    enter(client, labmate)
    # The page takes it without a word: it must not tell who has which address.
    client.post("/accounts/email/", {"email": researcher.email, "action_add": ""})

    claimed = EmailAddress.objects.get(user=labmate, email=researcher.email)

    assert not claimed.set_verified()
    verified = EmailAddress.objects.filter(email=researcher.email, verified=True)
    assert [address.user for address in verified] == [researcher]


def test_a_manager_gives_a_role(client: Client, manager: User, researcher: User) -> None:
    enter(client, manager)
    role = Group.objects.get(name="clearer")

    client.post(
        f"/admin/core_app/user/{researcher.pk}/change/", person_form(researcher, groups=[role.pk])
    )

    assert list(researcher.groups.all()) == [role]


def test_a_manager_makes_no_superuser(client: Client, manager: User, researcher: User) -> None:
    enter(client, manager)

    client.post(
        f"/admin/core_app/user/{researcher.pk}/change/",
        person_form(researcher, is_superuser="on", first_name="Rosa"),
    )

    researcher.refresh_from_db()
    assert researcher.first_name == "Rosa"
    assert not researcher.is_superuser


@pytest.mark.parametrize("page", ["change", "password"])
def test_a_manager_takes_no_superuser_over(
    client: Client, manager: User, admin_person: User, page: str
) -> None:
    enter(client, manager)

    answer = client.post(
        f"/admin/core_app/user/{admin_person.pk}/{page}/",
        person_form(admin_person, email="mine@example.org", password1=PASSWORD, password2=PASSWORD),
    )

    assert answer.status_code == 403


def test_an_address_belongs_to_one_person(
    client: Client, manager: User, researcher: User, labmate: User
) -> None:
    enter(client, manager)

    page = client.post(
        f"/admin/core_app/user/{labmate.pk}/change/",
        person_form(labmate, email=researcher.email.upper()),
    ).content.decode()

    assert "Another account has this address" in page


def test_a_frozen_username_is_not_changed(
    client: Client, admin_person: User, researcher: User
) -> None:
    User.objects.filter(pk=researcher.pk).update(username_frozen_at="2026-01-01T00:00Z")
    enter(client, admin_person)

    client.post(
        f"/admin/core_app/user/{researcher.pk}/change/", person_form(researcher, username="other")
    )

    researcher.refresh_from_db()
    assert researcher.username == "researcher"


def test_a_new_person_comes_with_a_lab(client: Client, manager: User, lab: Lab) -> None:
    enter(client, manager)

    client.post(
        "/admin/core_app/user/add/",
        {
            "username": "newcomer",
            "email": "newcomer@example.org",
            "usable_password": "true",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "memberships-TOTAL_FORMS": 1,
            "memberships-INITIAL_FORMS": 0,
            "memberships-0-lab": lab.pk,
            "memberships-0-role": "member",
        },
    )

    newcomer = User.objects.get(username="newcomer")
    assert newcomer.email == "newcomer@example.org"
    assert newcomer.memberships.get().lab == lab


def test_staff_sign_in_where_everybody_does(client: Client, manager: User) -> None:
    page = client.get("/admin/login/?next=/admin/")
    tried = client.post("/admin/login/", {"username": manager.username, "password": PASSWORD})

    assert page.headers["Location"].startswith("/accounts/login/")
    assert tried.headers["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session
