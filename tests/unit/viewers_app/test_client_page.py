"""What the client's page loads is read from the wheel, so a new wheel needs no change here."""

import pytest
from django.conf import settings

from viewers_app.client_page import client_files, parse_index


def test_scripts_keep_their_order_and_styles_are_found() -> None:
    scripts = '<script defer src="822.a.js"></script><script defer src="main.b.js"></script>'
    html = f'<head>{scripts}<link href="m.c.css" rel="stylesheet"></head>'

    files = parse_index(html)

    assert files.scripts == ("822.a.js", "main.b.js")
    assert files.styles == ("m.c.css",)


def test_every_file_that_the_installed_client_refers_to_is_there() -> None:
    files = client_files(settings.NEUROGLANCER_CLIENT)

    missing = [
        n
        for n in (*files.scripts, *files.styles)
        if not (settings.NEUROGLANCER_CLIENT / n).is_file()
    ]
    assert files.scripts
    assert missing == []


def test_a_page_that_refers_to_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no script"):
        parse_index("<!doctype html><body></body>")
