"""Every address gives every person what the table says, and there is no other address."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.app.rights import walk
from tests.app.rights.outcomes import Before, Outcome, fingerprint, outcome_of, watched
from tests.app.rights.table import APPLICATION, ROWS, VIEWERS, Asked, Row
from tests.support.world import Person, World

pytestmark = pytest.mark.django_db
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def address_of(row: Row, asked: Asked) -> str:
    known = walk.addresses(row.urlconf)
    if known[row.name] == row.name:  # without arguments, and nameless
        return f"/{row.name}"
    return reverse(row.name, args=asked.args, urlconf=row.urlconf)


def host_of(urlconf: str) -> dict[str, str]:
    origin = settings.VIEWER_URL if urlconf == VIEWERS else settings.SITE_URL
    return {"host": origin.partition("://")[2]}


@dataclass(frozen=True, slots=True)
class Visit:
    """One person before one address."""

    world: World
    before: Before
    row: Row
    person: Person

    def gets(self) -> Outcome:
        """Ask as the row says, and return what came of it. A GET that writes is never "open"."""
        with watched() as prepared:
            asked = self.row.ready(self.world, self.person)
            self.world.turn(self.person)
        rows = fingerprint() if prepared.seen else self.before.rows
        files = self.before.files_since()
        client = self.world.browser(self.person)
        with watched() as writes:
            answer = self._send(client, self.row.method, asked)
        changed = writes.seen and fingerprint() != rows
        moved = self.before.files_since() != files
        return outcome_of(answer, client, changed=changed or moved)

    def gets_with(self, methods: Sequence[str]) -> dict[str, Outcome]:
        """Ask with methods that the table does not know."""
        asked, client = self.row.ready(self.world, self.person), self.world.browser(self.person)
        answers = {method: self._send(client, method, asked) for method in methods}
        return {m: outcome_of(answer, client, changed=False) for m, answer in answers.items()}

    def _send(self, client: Client, method: str, asked: Asked) -> HttpResponse:
        data = asked.data if method in {"GET", "POST"} else None
        headers = {**host_of(self.row.urlconf), **asked.headers}
        answer = getattr(client, method.lower())(address_of(self.row, asked), data, headers=headers)
        if answer.streaming:
            answer.getvalue()
        return answer


@pytest.mark.parametrize("urlconf", [APPLICATION, VIEWERS])
def test_every_address_is_in_the_table(urlconf: str) -> None:
    known = {row.name for row in ROWS if row.urlconf == urlconf}

    forgotten = [
        f"/{route}" for name, route in walk.addresses(urlconf).items() if name not in known
    ]

    assert not forgotten, f"not in tests/app/rights/table.py: {', '.join(forgotten)}"


@pytest.mark.parametrize("urlconf", [APPLICATION, VIEWERS])
def test_every_row_of_the_table_has_its_address(urlconf: str) -> None:
    known = {row.name for row in ROWS if row.urlconf == urlconf}

    assert not known - set(walk.addresses(urlconf))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_speaks_of_every_person(row: Row) -> None:
    assert set(row.gets) == set(Person)


@pytest.mark.parametrize("person", list(Person))
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_everybody_gets_what_the_table_says(
    row: Row, person: Person, world: World, before: Before
) -> None:
    got = Visit(world, before, row, person).gets()

    assert got is row.gets[person], f"{person}, {row}: {got}; the table says {row.gets[person]}"


OTHER_METHODS = {
    row: [m for m in METHODS if (row.urlconf, row.name, m) not in declared]
    for declared in [{(r.urlconf, r.name, r.method) for r in ROWS}]
    for row in {(row.urlconf, row.name): row for row in ROWS}.values()
}


@pytest.mark.parametrize("row", OTHER_METHODS, ids=str)
def test_an_address_answers_no_other_method(row: Row, world: World, before: Before) -> None:
    got = Visit(world, before, row, Person.SUPERUSER).gets_with(OTHER_METHODS[row])

    assert set(got.values()) == {Outcome.METHOD}, got


@pytest.mark.parametrize("row", OTHER_METHODS, ids=str)
def test_no_other_method_opens_it_to_nobody(row: Row, world: World, before: Before) -> None:
    got = Visit(world, before, row, Person.ANONYMOUS).gets_with(OTHER_METHODS[row])

    assert set(got.values()) <= {Outcome.METHOD, Outcome.SIGN_IN}, got


def test_data_needs_a_cookie_that_is_young(
    world: World, before: Before, settings: Settings
) -> None:
    (row,) = (row for row in ROWS if row.name == "data")
    settings.VIEWER_COOKIE_AGE_S = -1

    assert Visit(world, before, row, Person.OWNER).gets() is Outcome.NO_COOKIE


def test_a_view_that_is_somebody_elses_is_answered_by_a_page_that_says_so(
    world: World, before: Before
) -> None:
    (row,) = (row for row in ROWS if row.name == "view")

    got = Visit(world, before, row, Person.LABMATE).gets()

    assert got is Outcome.FORBIDDEN


@pytest.mark.parametrize("row", [r for r in ROWS if r.name != "healthz"], ids=str)
def test_the_other_origin_does_not_know_the_address(row: Row, world: World) -> None:
    other = VIEWERS if row.urlconf == APPLICATION else APPLICATION
    address = address_of(row, row.ready(world, Person.SUPERUSER))
    client = world.browser(Person.SUPERUSER)

    answer = client.get(address, headers=host_of(other))

    assert answer.status_code == 404
