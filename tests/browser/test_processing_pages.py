"""The pages of processing: accessible, free of script errors, no wider than the phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from core_app.models import User
from tests.browser.test_screens import look
from tests.support import processing_pages

Opened = Callable[..., Page]


@pytest.mark.timeout(900)
def test_every_page_of_processing_is_fit_for_its_people(
    page: Opened, researcher: User, clearer: User, imager: User, processor: User
) -> None:
    pages = processing_pages.build(researcher, clearer=clearer, imager=imager, processor=processor)
    desk = page(processor)
    phone = page(researcher, viewport="phone", scheme="dark")

    wrong = [
        finding
        for opened in (desk, phone)
        for address in pages.of.values()
        for finding in look(opened, address)
    ]

    assert wrong == []
