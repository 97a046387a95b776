"""The people of the tests: one for each kind of relation to a request."""

import pytest
from django.contrib.auth.models import Group

from core_app.accounts import verified_address
from core_app.models import Lab, LabMembership, User
from core_app.roles import Role

PASSWORD = "a-long-test-password"  # of people who exist in tests only


def a_person(
    name: str, *, role: Role | None = None, lab: Lab | None = None, pi: bool = False
) -> User:
    """Make a person with a verified address; with a role, a member of staff."""
    user = User.objects.create_user(name, email=f"{name}@example.org", password=PASSWORD)
    if role is not None:
        user.groups.add(Group.objects.get(name=role.value))
        User.objects.filter(pk=user.pk).update(is_staff=True)
        user.is_staff = True
    if lab is not None:
        kind = LabMembership.Role.PI if pi else LabMembership.Role.MEMBER
        LabMembership.objects.create(user=user, lab=lab, role=kind)
    verified_address(user)
    return user


@pytest.fixture
def lab(db: None) -> Lab:
    return Lab.objects.create(name="River lab")


@pytest.fixture
def researcher(lab: Lab) -> User:
    return a_person("researcher", lab=lab)


@pytest.fixture
def labmate(lab: Lab) -> User:
    return a_person("labmate", lab=lab)


@pytest.fixture
def pi(lab: Lab) -> User:
    return a_person("leader", lab=lab, pi=True)


@pytest.fixture
def stranger(db: None) -> User:
    return a_person("stranger", lab=Lab.objects.create(name="Hill lab"))


@pytest.fixture
def auditor(db: None) -> User:
    return a_person("auditor")


@pytest.fixture
def clearer(db: None) -> User:
    return a_person("clearer", role=Role.CLEARER)


@pytest.fixture
def imager(db: None) -> User:
    return a_person("imager", role=Role.IMAGER)


@pytest.fixture
def processor(db: None) -> User:
    return a_person("processor", role=Role.PROCESSOR)


@pytest.fixture
def manager(db: None) -> User:
    return a_person("manager", role=Role.MANAGER)


@pytest.fixture
def operator(db: None) -> User:
    return a_person("operator", role=Role.OPERATOR)


@pytest.fixture
def admin_person(db: None) -> User:
    user = a_person("admin")
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    user.refresh_from_db()
    return user
