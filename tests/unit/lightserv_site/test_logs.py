"""Secret addresses do not get into the log."""

import logging

import pytest

from lightserv_site.logs import WithoutSecrets

TOKEN = "Zm9vYmFyLWJhei1xdXV4LTAxMjM0NTY3ODkwMTIzNDU"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (f'"GET /s/{TOKEN} HTTP/1.1" 200', "/s/… HTTP"),
        (f"Gone: /s/{TOKEN}", "Gone: /s/…"),
        (f"/accounts/login/?next=/s/{TOKEN}", "next=/s/…"),
        (f"/accounts/login/?next=%2Fs%2F{TOKEN}", "next=%2Fs%2F…"),
        (f"/feeds/{TOKEN}.ics", "/feeds/….ics"),
        (f"/open?ticket={TOKEN}", "ticket=…"),
    ],
)
def test_the_secret_of_an_address_is_not_written(words: str, kept: str) -> None:
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "%s", (words,), None)

    line = WithoutSecrets("%(message)s").format(record)

    assert TOKEN not in line
    assert kept in line


def test_other_addresses_are_written_as_they_are() -> None:
    words = "Not Found: /viewers/saved/0f2f3a52-52f2-4f47-9d4c-3b9f3a2ad5a1/"
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, words, (), None)

    assert WithoutSecrets("%(message)s").format(record) == words
