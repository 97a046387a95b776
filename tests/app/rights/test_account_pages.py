"""The pages of accounts are public, or about one's own account; they tell nothing of others."""

import pytest
from django.conf import settings
from django.urls import reverse

from core_app.models import User
from tests.app.rights import walk
from tests.app.rights.outcomes import fingerprint
from tests.app.rights.table import APPLICATION, P
from tests.support.world import LAB, OTTER, Person, World, signed_in

pytestmark = pytest.mark.django_db

PAGES = sorted(walk.family(APPLICATION, "accounts/"))
# What an address asks for, where it asks for something: never the person's own.
GUESSED = {
    "account_confirm_email": ["guessed"],
    "account_reset_password_from_key": ["1", "guessed"],
}
OF_A_KEY = {"mfa_edit_webauthn", "mfa_remove_webauthn"}


def address_of(name: str, world: World) -> str:
    key = world.accounts["researcher"].authenticator_set.get().pk
    return reverse(name, args=[key] if name in OF_A_KEY else GUESSED.get(name, []))


@pytest.mark.parametrize("person", [P.ANONYMOUS, P.STRANGER, P.DEACTIVATED])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_accounts_tells_nothing_of_others(
    name: str, person: Person, world: World
) -> None:
    address = address_of(name, world)
    world.turn(person)
    before = fingerprint()

    page = world.browser(person).get(address, follow=True)

    text = page.content.decode()
    assert not [word for word in (OTTER, LAB, "researcher@example.org") if word in text]
    assert fingerprint() == before


@pytest.mark.parametrize("name", sorted(OF_A_KEY))
def test_a_key_is_not_changed_by_a_stranger(name: str, world: World) -> None:
    owner = world.accounts["researcher"]
    address = address_of(name, world)

    with signed_in(User.objects.get(username="stranger")) as client:
        client.post(address, {"name": "mine now"})

    assert owner.authenticator_set.get().data == {"name": f"{OTTER} key"}


def test_nobody_signs_up_where_the_facility_makes_accounts(world: World) -> None:
    given = {"username": "newcomer", "email": "new@example.org", "password1": "a-long-password-1"}

    world.browser(P.ANONYMOUS).post(
        reverse("account_signup"), {**given, "password2": given["password1"]}
    )

    assert not settings.SIGN_UP
    assert not User.objects.filter(username="newcomer").exists()


def test_a_deactivated_person_does_not_sign_in(world: World) -> None:
    from tests.support.people import PASSWORD

    world.turn(P.DEACTIVATED)
    client = world.browser(P.ANONYMOUS)

    client.post(reverse("account_login"), {"login": "researcher", "password": PASSWORD})

    assert "_auth_user_id" not in client.session
