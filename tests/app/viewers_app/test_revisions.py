"""A volume that is made again is another volume to browsers: nothing of the two is mixed."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.http import HttpResponse

from core_app.models import User
from processing_app.models import Product
from tests.app.viewers_app.conftest import SHARD, SHARD_KEY, Browser, fetched, write_volume
from viewers_app.models import DataLayer
from viewers_app.revisions import revision_of

ViewOf = Callable[..., Browser]


@pytest.fixture
def browser(view_of: ViewOf, researcher: User, layer: DataLayer) -> Browser:
    return view_of(researcher, layer)


def replace_files(layer: DataLayer) -> None:
    """Publish other files under the same path, as a re-run's last step does."""
    folder = layer.folder.under(settings.DATA_ROOT)
    shutil.rmtree(folder)
    write_volume(folder)


def note_the_new_product(layer: DataLayer) -> None:
    """Update the row, as the site does once it sees that the job is over."""
    made_at = layer.product.made_at + timedelta(hours=1)
    Product.objects.filter(pk=layer.product.pk).update(made_at=made_at)


def make_again(layer: DataLayer) -> None:
    replace_files(layer)
    note_the_new_product(layer)


def address_in_state(browser: Browser) -> str:
    """Return the path of the volume's data as the client is told it."""
    state = json.loads(browser.client.get(f"/states/{browser.session.uuid}").content)
    return state["layers"][0]["source"].removeprefix(f"precomputed://{settings.VIEWER_URL}")


def renewed(browser: Browser, layer: DataLayer, revision: str) -> HttpResponse:
    return browser.client.post(
        f"/view/{browser.session.uuid}/renew",
        {"showing": [f"{layer.uuid}@{revision}"]},
        headers={"Origin": settings.VIEWER_URL},
    )


def current(layer: DataLayer) -> str:
    fresh = DataLayer.objects.get(pk=layer.pk)
    return revision_of(fresh.folder, made=fresh.made)


# --- addresses ---


def test_the_client_is_told_an_address_of_this_revision(browser: Browser, layer: DataLayer) -> None:
    assert address_in_state(browser) == f"/data/{layer.uuid}/@{current(layer)}"


def test_chunks_of_a_revision_are_kept_for_ever_but_by_nobody_else(
    browser: Browser, layer: DataLayer
) -> None:
    answer = browser.data(layer, f"@{current(layer)}/{SHARD_KEY}", Range="bytes=0-9")

    assert (answer.status_code, answer.content) == (206, SHARD[:10])
    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"


def test_info_of_a_revision_is_asked_for_each_time_so_that_a_lost_right_is_noticed(
    browser: Browser, layer: DataLayer
) -> None:
    answer = browser.data(layer, f"@{current(layer)}/info")

    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-cache")


def test_an_address_from_before_gives_nothing_of_the_new_volume(
    browser: Browser, layer: DataLayer
) -> None:
    before = current(layer)
    assert browser.data(layer, f"@{before}/{SHARD_KEY}").status_code == 200

    make_again(layer)

    for key in ("info", SHARD_KEY):
        answer = browser.data(layer, f"@{before}/{key}")
        assert (answer.status_code, answer["Cache-Control"]) == (410, "no-store")


def test_the_new_address_works_at_once_though_verdicts_are_remembered(
    browser: Browser, layer: DataLayer
) -> None:
    assert browser.data(layer).status_code == 200

    make_again(layer)

    assert fetched(browser.client, f"{address_in_state(browser)}/{SHARD_KEY}").status_code == 200


def test_files_that_were_replaced_before_the_site_knows_are_not_served_as_the_old_ones(
    browser: Browser, layer: DataLayer
) -> None:
    before = current(layer)

    replace_files(layer)

    assert browser.data(layer, f"@{before}/{SHARD_KEY}").status_code == 410


def test_a_new_row_for_the_same_files_is_a_new_revision(layer: DataLayer) -> None:
    before = current(layer)

    note_the_new_product(layer)

    assert current(layer) != before


def test_a_volume_that_is_left_alone_keeps_its_address(layer: DataLayer) -> None:
    assert current(layer) == current(layer)


def test_a_volume_without_files_has_an_address_without_revision(
    browser: Browser, layer: DataLayer
) -> None:
    shutil.rmtree(layer.folder.under(settings.DATA_ROOT))

    assert address_in_state(browser) == f"/data/{layer.uuid}"
    assert browser.data(layer).status_code == 404


@pytest.mark.parametrize("key", ["@0123456789abcdef/info", "@0123456789abcdef/../info", "@/info"])
def test_an_invented_revision_gives_nothing(browser: Browser, layer: DataLayer, key: str) -> None:
    assert browser.data(layer, key).status_code in {404, 410}


def test_a_revision_tells_a_stranger_nothing(
    view_of: ViewOf, layer: DataLayer, layer_of: Callable[[User], DataLayer], stranger: User
) -> None:
    theirs = view_of(stranger, layer_of(stranger))

    assert theirs.data(layer, f"@{current(layer)}/info").status_code == 404
    assert theirs.data(layer, "@0123456789abcdef/info").status_code == 404


# --- the open page ---


def test_the_open_page_is_told_when_a_volume_was_made_again(
    browser: Browser, layer: DataLayer
) -> None:
    shown = current(layer)
    assert renewed(browser, layer, shown).json()["outdated"] is False

    make_again(layer)

    assert renewed(browser, layer, shown).json()["outdated"] is True


def test_the_page_knows_what_it_shows(browser: Browser, layer: DataLayer) -> None:
    html = browser.client.get(f"/view/{browser.session.uuid}/").content.decode()

    assert f'data-showing="{layer.uuid}@{current(layer)}"' in html


def test_a_volume_that_is_away_for_a_moment_is_not_called_new(
    browser: Browser, layer: DataLayer
) -> None:
    shown = current(layer)
    shutil.rmtree(layer.folder.under(settings.DATA_ROOT))

    assert renewed(browser, layer, shown).json()["outdated"] is False


@pytest.mark.parametrize("nonsense", ["", "x", "@", "00000000-0000-4000-8000-000000000000@1"])
def test_nonsense_is_not_outdated(browser: Browser, nonsense: str) -> None:
    address = f"/view/{browser.session.uuid}/renew"
    sent = {"Origin": settings.VIEWER_URL}

    answer = browser.client.post(address, {"showing": [nonsense]}, headers=sent)

    assert (answer.status_code, answer.json()["outdated"]) == (200, False)
