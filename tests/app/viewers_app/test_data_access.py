"""The data path: who may read which byte, and that nothing else can be read."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.utils import timezone

from core_app.models import LabMembership, User
from processing_app.models import Product
from requests_app.models import Request
from tests.app.viewers_app.conftest import (
    SHARD,
    SHARD_KEY,
    Browser,
    fetched,
    site_client,
    viewer_client,
)
from tests.support.people import a_person
from viewers_app import data_access
from viewers_app.models import DataLayer, ViewerSession
from viewers_app.services import sessions

ViewOf = Callable[..., Browser]


@pytest.fixture
def browser(view_of: ViewOf, researcher: User, layer: DataLayer) -> Browser:
    return view_of(researcher, layer)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock of the verdicts forward."""
    now = [data_access.verdicts.clock()]
    monkeypatch.setattr(data_access.verdicts, "clock", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


# --- who ---


@pytest.mark.parametrize(
    "who", ["researcher", "auditor", "pi", "clearer", "imager", "processor", "manager", "operator"]
)
def test_whoever_may_see_the_volume_gets_its_bytes(
    request: pytest.FixtureRequest, view_of: ViewOf, layer: DataLayer, auditor: User, who: str
) -> None:
    Request.objects.filter(pk=layer.request.pk).update(auditor=auditor)
    layer.refresh_from_db()
    person = request.getfixturevalue(who)
    layer = DataLayer.objects.get(pk=layer.pk)

    answer = view_of(person, layer).data(layer, SHARD_KEY)

    assert answer.status_code == 200
    assert answer.content == SHARD


@pytest.mark.parametrize("who", ["labmate", "stranger"])
def test_a_known_person_without_rights_learns_nothing(
    request: pytest.FixtureRequest,
    view_of: ViewOf,
    layer: DataLayer,
    layer_of: Callable[[User], DataLayer],
    who: str,
) -> None:
    person = request.getfixturevalue(who)
    elsewhere = view_of(person, layer_of(person))

    refused = elsewhere.data(layer)
    absent = elsewhere.client.get("/data/00000000-0000-4000-8000-000000000000/info")

    assert refused.status_code == absent.status_code == 404
    assert refused.content == absent.content


def test_a_labmate_sees_the_volume_if_the_lab_shares(
    view_of: ViewOf, layer: DataLayer, labmate: User
) -> None:
    lab = layer.request.lab
    lab.shares_with_members = True
    lab.save()

    assert view_of(labmate, layer).data(layer).status_code == 200


@pytest.mark.parametrize("key", ["info", SHARD_KEY, "nonsense", "../info"])
def test_nobody_without_a_cookie_gets_anything(layer: DataLayer, key: str) -> None:
    assert viewer_client().get(f"/data/{layer.uuid}/{key}").status_code == 401


def test_a_person_is_decided_about_for_each_volume_not_each_view(
    view_of: ViewOf, researcher: User, layer_of: Callable[[User], DataLayer], browser: Browser
) -> None:
    another = layer_of(researcher)

    assert browser.data(another).status_code == 200


# --- revocation ---


def test_a_revocation_holds_after_thirty_seconds(
    view_of: ViewOf, layer: DataLayer, pi: User, clock: Callable[[float], None]
) -> None:
    theirs = view_of(pi, layer)
    assert theirs.data(layer).status_code == 200
    LabMembership.objects.filter(user=pi).delete()

    clock(30)

    assert theirs.data(layer).status_code == 404


def test_within_thirty_seconds_no_question_is_asked_twice(
    browser: Browser,
    layer: DataLayer,
    clock: Callable[[float], None],
    django_assert_num_queries: Callable[..., object],
) -> None:
    assert browser.data(layer).status_code == 200

    clock(29)
    with django_assert_num_queries(0):  # type: ignore[attr-defined]  # a context manager
        assert browser.data(layer, SHARD_KEY).status_code == 200


def test_a_deactivated_person_is_out_after_thirty_seconds(
    browser: Browser, layer: DataLayer, researcher: User, clock: Callable[[float], None]
) -> None:
    assert browser.data(layer).status_code == 200
    User.objects.filter(pk=researcher.pk).update(is_active=False)

    clock(30)

    assert browser.data(layer).status_code == 401


def test_a_stopped_view_gives_no_data_after_thirty_seconds(
    browser: Browser, layer: DataLayer, operator: User, clock: Callable[[float], None]
) -> None:
    assert browser.data(layer).status_code == 200
    sessions.stop_session(browser.session, by=operator)

    clock(30)

    assert browser.data(layer).status_code == 401


def test_an_overdue_view_gives_no_data_even_if_no_sweep_has_run(
    browser: Browser, layer: DataLayer
) -> None:
    past = timezone.now() - timedelta(seconds=1)
    ViewerSession.objects.filter(pk=browser.session.pk).update(expires_at=past)

    assert browser.data(layer).status_code == 401


def test_a_new_right_works_at_once(
    view_of: ViewOf, layer: DataLayer, labmate: User, layer_of: Callable[[User], DataLayer]
) -> None:
    theirs = view_of(labmate, layer_of(labmate))
    assert theirs.data(layer).status_code == 404

    lab = layer.request.lab
    lab.shares_with_members = True
    lab.save()

    assert theirs.data(layer).status_code == 200


# --- what ---

TRAPS = [
    "../info",
    "..%2finfo",
    "%2e%2e/info",
    "%2e%2e%2finfo",
    "%252e%252e%252finfo",
    "../../../../secret/info",
    "30000_30000_40000/../info",
    "30000_30000_40000/..%2f..%2finfo",
    "//info",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "info%00",
    "info%00.shard",
    "30000_30000_40000%5c0.shard",
    "..%5cinfo",
    "info/",
    "30000_30000_40000",
    "30000_30000_40000/",
    "_product.json",
    "thumbnail.png",
    "%EF%BC%8E%EF%BC%8E/info",
    "..%c0%afinfo",
    "%ff%fe",
    "a" * 3000,
    "30000_30000_40000/" + "0" * 3000 + ".shard",
    "linked_file/0.shard",
    "linked_folder/info",
    "linked_folder/0.shard",
    "scale_of_links/0.shard",
    "scale_of_folders/0.shard",
]


@pytest.fixture
def traps(layer: DataLayer, tmp_path: Path) -> None:
    """Put links and folders where a careless server would follow them."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "info").write_text("secret")
    (secret / "0.shard").write_text("secret")
    folder = layer.folder.under(settings.DATA_ROOT)
    (folder / "linked_folder").symlink_to(secret)
    (folder / "linked_file").symlink_to(secret / "0.shard")
    (folder / "scale_of_links").mkdir()
    (folder / "scale_of_links" / "0.shard").symlink_to(secret / "0.shard")
    (folder / "scale_of_folders" / "0.shard").mkdir(parents=True)


@pytest.mark.parametrize("key", TRAPS)
def test_no_way_leads_out_of_the_volume(
    browser: Browser, layer: DataLayer, traps: None, key: str
) -> None:
    answer = browser.client.get(f"/data/{layer.uuid}/{key}")

    assert answer.status_code == 404
    assert b"secret" not in answer.content


def test_the_volume_itself_may_not_be_a_link(
    browser: Browser, layer: DataLayer, tmp_path: Path
) -> None:
    folder = layer.folder.under(settings.DATA_ROOT)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")

    assert browser.data(layer).status_code == 404


def test_a_product_with_an_escaping_path_serves_nothing(browser: Browser, layer: DataLayer) -> None:
    link = settings.DATA_ROOT / "way-out"
    link.symlink_to("/etc")
    Product.objects.filter(pk=layer.product.pk).update(path="way-out")

    assert browser.data(layer).status_code == 404


@pytest.mark.parametrize("uuid", ["x", "0", "..", "00000000-0000-4000-8000-00000000000g"])
def test_an_address_without_a_volume_is_not_there(browser: Browser, uuid: str) -> None:
    assert browser.client.get(f"/data/{quote(uuid)}/info").status_code == 404


def test_a_missing_chunk_is_not_there(browser: Browser, layer: DataLayer) -> None:
    assert browser.data(layer, "30000_30000_40000/1.shard").status_code == 404


# --- how ---


def test_info_is_json_that_is_asked_for_each_time(browser: Browser, layer: DataLayer) -> None:
    answer = browser.data(layer)

    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "private, no-cache"


def test_chunks_without_a_revision_are_asked_for_each_time(
    browser: Browser, layer: DataLayer
) -> None:
    answer = browser.data(layer, SHARD_KEY)

    assert answer["Cache-Control"] == "private, no-cache"
    assert answer["Content-Type"] == "application/octet-stream"


def test_no_other_origin_is_let_in_and_nothing_is_compressed(
    browser: Browser, layer: DataLayer
) -> None:
    headers = {"Origin": "https://evil.example", "Accept-Encoding": "gzip, br"}

    answer = browser.data(layer, SHARD_KEY, **headers)

    assert "Access-Control-Allow-Origin" not in answer
    assert "Content-Encoding" not in answer
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("asked", "part", "content_range"),
    [
        ("bytes=0-0", slice(0, 1), "bytes 0-0/1024"),
        ("bytes=100-299", slice(100, 300), "bytes 100-299/1024"),
        ("bytes=1000-", slice(1000, None), "bytes 1000-1023/1024"),
        ("bytes=-16", slice(-16, None), "bytes 1008-1023/1024"),
    ],
)
def test_a_range_is_served_exactly(
    browser: Browser, layer: DataLayer, asked: str, part: slice, content_range: str
) -> None:
    answer = browser.data(layer, SHARD_KEY, Range=asked)

    assert answer.status_code == 206
    assert answer["Content-Range"] == content_range
    body = answer.content
    assert body == SHARD[part]
    assert answer["Content-Length"] == str(len(body))


def test_a_range_behind_the_end_names_the_true_size(browser: Browser, layer: DataLayer) -> None:
    answer = browser.data(layer, SHARD_KEY, Range="bytes=1024-")

    assert answer.status_code == 416
    assert answer["Content-Range"] == "bytes */1024"


def test_head_tells_the_size_without_a_body(browser: Browser, layer: DataLayer) -> None:
    answer = browser.client.head(f"/data/{layer.uuid}/{SHARD_KEY}")

    assert answer.status_code == 200
    assert answer["Content-Length"] == "1024"
    assert answer["Accept-Ranges"] == "bytes"
    assert answer.content == b""


def test_a_file_that_the_browser_has_is_not_sent_again(browser: Browser, layer: DataLayer) -> None:
    etag = browser.data(layer, SHARD_KEY)["ETag"]

    answer = browser.data(layer, SHARD_KEY, **{"If-None-Match": etag})

    assert answer.status_code == 304
    assert answer["ETag"] == etag
    assert answer.content == b""


def test_a_file_that_was_made_again_has_another_etag(browser: Browser, layer: DataLayer) -> None:
    before = browser.data(layer, SHARD_KEY)["ETag"]
    shard = layer.folder.under(settings.DATA_ROOT) / SHARD_KEY
    replacement = shard.with_name("new")
    replacement.write_bytes(SHARD)
    os.utime(replacement, ns=(shard.stat().st_atime_ns, shard.stat().st_mtime_ns))
    replacement.rename(shard)

    assert browser.data(layer, SHARD_KEY)["ETag"] != before


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_data_is_only_read(browser: Browser, layer: DataLayer, method: str) -> None:
    answer = getattr(browser.client, method)(f"/data/{layer.uuid}/info")

    assert answer.status_code == 405


def test_a_served_file_is_closed(browser: Browser, layer: DataLayer) -> None:
    browser.data(layer, SHARD_KEY)

    handles = [path.resolve() for path in Path("/proc/self/fd").iterdir()]
    assert layer.folder.under(settings.DATA_ROOT) / SHARD_KEY not in handles


# --- thumbnails, which the application serves ---


@pytest.mark.parametrize(
    ("who", "status"), [("researcher", 200), ("manager", 200), ("stranger", 404)]
)
def test_a_thumbnail_is_for_those_who_may_see_the_volume(
    request: pytest.FixtureRequest, layer: DataLayer, who: str, status: int
) -> None:
    client = site_client(request.getfixturevalue(who))

    assert fetched(client, f"/viewers/thumbnails/{layer.uuid}.png").status_code == status


def test_a_thumbnail_outside_the_volume_is_not_served(layer: DataLayer, researcher: User) -> None:
    Product.objects.filter(pk=layer.product.pk).update(thumbnail="../../secret.png")

    answer = site_client(researcher).get(f"/viewers/thumbnails/{layer.uuid}.png")

    assert answer.status_code == 404


def test_a_superuser_sees_every_volume(
    view_of: ViewOf, layer: DataLayer, admin_person: User
) -> None:
    assert view_of(admin_person, layer).data(layer).status_code == 200


def test_an_auditor_of_another_request_sees_nothing(
    view_of: ViewOf, layer: DataLayer, layer_of: Callable[[User], DataLayer], stranger: User
) -> None:
    somebody = a_person("somebody")
    own = layer_of(stranger)
    Request.objects.filter(pk=own.request.pk).update(auditor=somebody)

    theirs = view_of(somebody, DataLayer.objects.get(pk=own.pk))

    assert theirs.data(layer).status_code == 404
