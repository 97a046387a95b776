"""A list contains what the person may see, and nothing else by name."""

import pytest
from django.urls import reverse

from core_app import roles
from core_app.models import User
from core_app.roles import Action
from requests_app.models import Request
from requests_app.selectors import visible_requests
from tests.app.rights.table import BOSSES, EDITORS, NOBODY, READERS, SIGNED_IN, STAFF, P
from tests.support.world import HERON, OTTER, PEBBLE, Person, World

pytestmark = pytest.mark.django_db

# Whose requests each list names: those that staff work on, those that the owner works on alone.
OWNER = {P.OWNER, P.SELF_OWNER}
PROCESSING, OWNERS = BOSSES | {P.PROCESSOR, P.OPERATOR}, OWNER | {P.SUBMITTER}
LISTS = {
    "requests:home": (READERS, READERS),
    "requests:request-list": (READERS, READERS),
    "requests:request-export": (READERS, READERS),
    "requests:sample-list": (READERS, READERS),
    "requests:sample-export": (READERS, READERS),
    "clearing:queue": (BOSSES | {P.CLEARER}, BOSSES | {P.CLEARER} | OWNER),
    "imaging:queue": (BOSSES | {P.IMAGER}, BOSSES | {P.IMAGER} | OWNER),
    "imaging:log": (READERS, READERS),
    "imaging:log-csv": (READERS, READERS),
    "processing:queue": (PROCESSING | OWNERS, PROCESSING | OWNERS),
    "processing:run-list": (READERS, READERS),
    "viewers:volume-list": (READERS, READERS),
}
SOMEBODY = sorted(SIGNED_IN)


def names_on(name: str, person: Person, world: World) -> set[str]:
    """Return which animals the list mentions anywhere in its HTML, or in its file."""
    world.turn(person)
    text = world.browser(person).get(reverse(name)).getvalue().decode().lower()
    return {animal for animal in (OTTER, HERON) if animal in text}


@pytest.mark.parametrize("person", SOMEBODY)
@pytest.mark.parametrize("name", LISTS)
def test_a_list_names_what_the_person_may_see(name: str, person: Person, world: World) -> None:
    main, own = LISTS[name]

    expected = {animal for animal, group in ((OTTER, main), (HERON, own)) if person in group}

    assert names_on(name, person, world) == expected


@pytest.mark.parametrize("person", sorted({P.STRANGER, P.LABMATE}))
def test_an_outsider_sees_what_is_theirs_all_the_same(person: Person, world: World) -> None:
    text = world.browser(person).get(reverse("viewers:volume-list")).content.decode()

    assert PEBBLE in text


@pytest.mark.parametrize("words", [OTTER, "researcher"])
def test_a_search_finds_nothing_for_a_stranger(words: str, world: World) -> None:
    names = ["request-list", "request-export", "sample-list", "sample-export"]
    lists = [reverse(f"requests:{name}") for name in names]

    pages = [world.browser(P.STRANGER).get(address, {"q": words}) for address in lists]

    assert not any(f"{OTTER} " in page.getvalue().decode() for page in pages)


# Which requests are read by whom.
KINDS = {
    "draft": EDITORS,
    "submitted": READERS,
    "withdrawn": READERS,
    "finished": READERS,
    "of another lab": STAFF,
    "of a lab that everybody is in and that shares": SIGNED_IN,
    "without lab": STAFF,
}


def request_of(kind: str, world: World) -> Request:
    rows = {
        "draft": world.main.draft,
        "submitted": world.main.waiting,
        "withdrawn": world.main.withdrawn,
        "finished": world.main.imaged,
        "of another lab": world.elsewhere,
        "of a lab that everybody is in and that shares": world.commons,
        "without lab": world.labless,
    }
    return Request.objects.get(pk=rows[kind].pk)


def user_of(person: Person, world: World) -> User:
    world.turn(person)
    user = world.user(person)
    assert user is not None
    return user


@pytest.mark.parametrize("person", sorted(set(Person) - {P.ANONYMOUS}))
@pytest.mark.parametrize("kind", KINDS)
def test_the_predicate_says_who_reads_a_request(kind: str, person: Person, world: World) -> None:
    user, found = user_of(person, world), request_of(kind, world)

    assert roles.can(user, Action.READ, found) is (person in KINDS[kind] - NOBODY)


@pytest.mark.parametrize("person", sorted(set(Person) - {P.ANONYMOUS}))
@pytest.mark.parametrize("kind", KINDS)
def test_the_query_says_the_same(kind: str, person: Person, world: World) -> None:
    user, found = user_of(person, world), request_of(kind, world)

    seen = visible_requests(to=user).filter(pk=found.pk).exists()

    assert seen is (person in KINDS[kind] - NOBODY)


def test_nobody_reads_anything(world: World) -> None:
    from django.contrib.auth.models import AnonymousUser

    assert not roles.actions_on(AnonymousUser(), world.main.imaged)


def test_who_hands_in_for_a_self_serving_owner_does_not_work_on_it(world: World) -> None:
    allowed = roles.actions_on(user_of(P.SUBMITTER, world), world.own.waiting)

    assert not allowed & {Action.CLEAR, Action.IMAGE, Action.PROCESS}


def test_who_clears_alone_does_not_image_for_that(world: World) -> None:
    found = Request(owner_id=world.accounts["researcher"].pk, self_clearing=True)

    allowed = roles.actions_on(user_of(P.OWNER, world), found)

    assert allowed & {Action.CLEAR, Action.IMAGE} == {Action.CLEAR}
