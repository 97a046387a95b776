"""Which links the header has, and which is marked."""

import pytest
from django.contrib.auth.models import AnonymousUser

from lightserv_site.templatetags.navigation import ENTRIES, current_of, entries_for


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/", "Home"),
        ("/requests/", "Requests"),
        ("/requests/rosa/cfos/", "Requests"),
        ("/clearing/7/", "Clearing"),
        ("/requests/new/2/", None),
        ("/elsewhere/", None),
    ],
)
def test_the_entry_of_the_page_is_marked(path: str, word: str | None) -> None:
    current = current_of(list(ENTRIES), path)

    assert (current.word if current else None) == word


def test_nobody_signed_in_has_no_entries() -> None:
    assert entries_for(AnonymousUser()) == []
