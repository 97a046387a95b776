"""The demo people: accounts, roles, labs. One password, refused outside a demo."""

from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.db import transaction

from core_app.accounts import DEMO_PASSWORD, verified_address
from core_app.errors import NotReady
from core_app.models import Lab, LabMembership, User
from core_app.roles import Role

DEMO_LAB = "Demo lab"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One demo account."""

    username: str
    does: str
    role: Role | None = None
    in_lab: bool = False
    is_admin: bool = False


DEMO_PEOPLE = (
    DemoPerson("researcher", "owns the demo request", in_lab=True),
    DemoPerson("labmate", "works in the same lab", in_lab=True),
    DemoPerson("stranger", "sees nothing of it"),
    DemoPerson("clearer", "clears samples", Role.CLEARER),
    DemoPerson("imager", "takes the images", Role.IMAGER),
    DemoPerson("processor", "looks after runs", Role.PROCESSOR),
    DemoPerson("manager", "runs the facility", Role.MANAGER),
    DemoPerson("operator", "keeps the machines going", Role.OPERATOR),
    DemoPerson("admin", "may do everything", is_admin=True),
)


def seed_people() -> dict[str, User]:
    """Make the demo people, or restore what they should be. Returns {username: person}."""
    lab, _ = Lab.objects.get_or_create(name=DEMO_LAB)
    with transaction.atomic():
        return {wanted.username: _person(wanted, lab) for wanted in DEMO_PEOPLE}


def _person(wanted: DemoPerson, lab: Lab) -> User:
    address = f"{wanted.username}@example.org"
    user, _ = User.objects.get_or_create(username=wanted.username, defaults={"email": address})
    if user.email != address:
        raise NotReady(
            f"There is an account {wanted.username} that the demo did not make, so this is no demo "
            "site. Nothing of it was changed; unset DATABASE_URL to play the demo."
        )
    user.is_staff = wanted.role is not None or wanted.is_admin
    user.is_superuser = wanted.is_admin
    if not user.check_password(DEMO_PASSWORD):
        user.set_password(DEMO_PASSWORD)
    user.save()
    verified_address(user)
    if wanted.role:
        user.groups.add(Group.objects.get(name=wanted.role.value))
    if wanted.in_lab:
        LabMembership.objects.get_or_create(user=user, lab=lab)
    return user
