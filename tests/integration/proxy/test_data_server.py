"""Real nginx sends the bytes of volumes, to whom the site says, as the site itself would."""

import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from tests.app.viewers_app.conftest import SHARD, SHARD_KEY
from tests.integration.proxy.conftest import Proxied, nginx_before
from tests.support.nginx import free_port
from viewers_app import data_access
from viewers_app.models import LayerAccess, ViewerSession
from viewers_app.revisions import revision_of
from viewers_app.services import activity

pytestmark = pytest.mark.django_db(transaction=True)

CHUNK = "4_4_40/0-64_0-64_0-64"


@pytest.fixture
def browser(browser_of, researcher, layer) -> Proxied:
    return browser_of(researcher, layer)


def folder_of(layer) -> Path:
    return layer.folder.under(settings.DATA_ROOT)


def test_bytes_come_from_nginx_with_ranges_and_validators(browser, layer):
    whole = browser.data(layer, SHARD_KEY)
    part = browser.data(layer, SHARD_KEY, Range="bytes=10-19")
    last = browser.data(layer, SHARD_KEY, Range="bytes=-5")
    beyond = browser.data(layer, SHARD_KEY, Range="bytes=99999-")
    again = browser.data(layer, SHARD_KEY, If_None_Match=whole.headers["ETag"])
    head = browser.data(layer, SHARD_KEY, method="HEAD")

    assert (whole.status, whole.content) == (200, SHARD)
    assert (part.status, part.content) == (206, SHARD[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(SHARD)}"
    assert (last.status, last.content) == (206, SHARD[-5:])
    assert beyond.status == 416
    assert again.status == 304
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(SHARD)))
    assert whole.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in whole.headers


def test_only_what_an_address_with_a_revision_names_is_kept_for_ever(browser, layer):
    revision = revision_of(layer.folder, made=layer.made)

    assert "immutable" in browser.data(layer, f"@{revision}/{SHARD_KEY}").headers["Cache-Control"]
    for key in (SHARD_KEY, "info", f"@{revision}/info"):
        assert browser.data(layer, key).headers["Cache-Control"] == "private, no-cache"


def test_documents_are_json(browser, layer):
    assert browser.data(layer, "info").headers["Content-Type"] == "application/json"


def test_who_has_no_cookie_is_told_so_and_who_has_no_right_learns_nothing(
    browser, browser_of, layer, layer_of, stranger
):
    other = browser_of(stranger, layer_of(stranger))

    nobody = Proxied(browser.port).data(layer, SHARD_KEY)
    refused = other.data(layer, SHARD_KEY)
    absent = other.ask("/data/00000000-0000-4000-8000-000000000000/" + SHARD_KEY)

    assert nobody.status == 401
    assert refused.status == absent.status == 404
    assert refused.content == absent.content
    assert nobody.headers["Cache-Control"] == refused.headers["Cache-Control"] == "no-store"


def test_a_verdict_for_one_volume_opens_no_other(browser, layer, layer_of, stranger):
    others = layer_of(stranger)

    assert browser.data(layer, SHARD_KEY).status == 200
    assert browser.data(others, SHARD_KEY).status == 404


def test_a_verdict_is_not_shared_between_browsers(browser, browser_of, layer, layer_of, stranger):
    assert browser.data(layer, SHARD_KEY).status == 200
    assert browser_of(stranger, layer_of(stranger)).data(layer, SHARD_KEY).status == 404


def test_a_right_that_ends_ends_within_the_age_of_a_verdict(browser, layer):
    assert browser.data(layer, SHARD_KEY).status == 200
    ViewerSession.objects.update(expires_at=timezone.now())

    deadline = time.monotonic() + 4  # the tests keep verdicts for 2 s
    while browser.data(layer, SHARD_KEY).status == 200:
        assert time.monotonic() < deadline, "the data is still there"
        time.sleep(0.1)
    assert browser.data(layer, SHARD_KEY).status == 401


def test_a_new_right_works_at_once(browser_of, layer, layer_of, stranger):
    browser = browser_of(stranger, layer_of(stranger))
    assert browser.data(layer, SHARD_KEY).status == 404

    request = layer.request
    type(request).objects.filter(pk=request.pk).update(owner=stranger)
    assert browser.data(layer, SHARD_KEY).status == 200


def test_hundreds_of_chunks_cost_a_question_for_each_connection(browser, layer, monkeypatch):
    asked = []
    real = data_access._judge
    monkeypatch.setattr(data_access, "_judge", lambda *args: asked.append(1) or real(*args))

    connections = 8
    with ThreadPoolExecutor(connections) as pool:
        answers = list(pool.map(lambda _: browser.data(layer, SHARD_KEY).status, range(200)))

    assert set(answers) == {200}
    assert len(asked) <= 2 * connections  # the yes is two seconds old at most, and made anew once


def test_a_volume_that_was_made_anew_is_gone_under_its_old_address(browser, layer):
    old = revision_of(layer.folder, made=layer.made)
    layer.product.info_digest = "another"
    layer.product.save()

    assert browser.data(layer, f"@{old}/{SHARD_KEY}").status == 410


@pytest.mark.parametrize(
    "key",
    [
        "../other/info", "..%2f..%2fetc/passwd", "%2e%2e/info", "_product.json", "thumbnail.png",
        "30000_30000_40000/../_product.json", "30000_30000_40000", "30000_30000_40000/", "",
        "info/", "30000_30000_40000/0.shard%00", "30000_30000_40000/0.SHARD", "info.gz",
        f"{SHARD_KEY}.gz", "a" * 200 + "/0.shard", "30000_30000_40000/zz.shard", "@123/info",
    ],
)  # fmt: skip
def test_what_no_volume_has_is_not_there(browser, layer, key):
    assert browser.data(layer, key).status in {400, 404}


def test_no_link_is_followed(browser, layer, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    (folder_of(layer) / "30000_30000_40000" / "1.shard").symlink_to(secret)
    (folder_of(layer) / "linked").symlink_to(tmp_path)
    (tmp_path / "2.shard").write_text("hidden")

    for key in ("30000_30000_40000/1.shard", "linked/2.shard"):
        answer = browser.data(layer, key)
        assert answer.status in {403, 404}
        assert b"hidden" not in answer.content


def test_a_chunk_that_is_stored_compressed_is_whole_whatever_is_asked(browser, layer):
    content = bytes(range(256)) * 64
    path = folder_of(layer) / CHUNK
    path.parent.mkdir()
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))

    plain = browser.data(layer, CHUNK)
    packed = browser.data(layer, CHUNK, Accept_Encoding="gzip, br")
    part = browser.data(layer, CHUNK, Range="bytes=0-9")
    head = browser.data(layer, CHUNK, method="HEAD")

    assert (plain.status, plain.content) == (200, content)
    assert (packed.headers["Content-Encoding"], gzip.decompress(packed.content)) == (
        "gzip",
        content,
    )
    assert (part.status, part.content) == (200, content)
    assert head.headers["Content-Length"] == str(len(content))


def test_the_question_itself_is_no_address_of_a_browser(browser, layer):
    for path in ("/authorise", "/_authorise"):
        assert browser.ask(f"{path}?layer={layer.uuid}&revision=").status == 404


def test_nobody_asks_it_by_the_name_of_the_other_server(browser, layer):
    """A request line with a whole address chooses the server; the Host header may say another."""
    line = f"http://{settings.SITE_HOST}/authorise?layer={layer.uuid}&revision="

    answer = browser.ask(line, Host=settings.VIEWER_HOST)

    assert answer.status == 404
    assert "X-Folder" not in answer.headers


@pytest.mark.parametrize("given", ["{name}=junk; {name}={value}", "{name} ={value}", "{name}="])
def test_what_is_asked_is_what_the_answer_is_kept_for(browser, layer, given):
    """nginx and Django read a cookie that is given twice, or oddly, in two ways."""
    value, browser.cookie = browser.cookie, ""
    cookie = given.format(name=settings.VIEWER_COOKIE_NAME, value=value)

    assert browser.data(layer, SHARD_KEY, Cookie=cookie).status == 401
    assert Proxied(browser.port).data(layer, SHARD_KEY).status == 401


@pytest.mark.parametrize(
    "path",
    ["/static/neuroglancer/index.html", "/v/x/..%2f..%2fstatic/neuroglancer/index.html"],
)
@pytest.mark.parametrize("host", ["SITE_HOST", "VIEWER_HOST"])
def test_the_client_s_own_page_which_has_no_policy_is_served_nowhere(browser, nginx, path, host):
    page = nginx.folder / "neuroglancer" / "index.html"
    page.parent.mkdir()
    page.write_text("a page without a policy")
    (page.parent / "main.js").write_text("script")

    assert browser.ask(path, Host=getattr(settings, host)).status == 404
    script = browser.ask("/static/neuroglancer/main.js", Host=settings.VIEWER_HOST)
    assert (script.status, script.content) == (200, b"script")


def test_a_site_with_https_is_told_so_whoever_holds_the_certificate(
    site, browser, layer, tmp_path, settings
):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    upstream = site.viewer_url.removeprefix("http://")
    inner = nginx_before(upstream, tmp_path / "inner", settings.DATA_ROOT, SCHEME="https")
    inner.start()
    browser = Proxied(inner.port, browser.cookie)

    assert browser.data(layer, SHARD_KEY).status == 200
    assert browser.ask("/healthz").status == 200
    inner.stop()


def test_a_secret_address_is_not_written_down_with_a_failure(browser, tmp_path):
    alone = nginx_before(f"127.0.0.1:{free_port()}", tmp_path / "alone", settings.DATA_ROOT)
    alone.start()
    for host, path in (
        (settings.SITE_HOST, "/s/a-secret"),
        (settings.SITE_HOST, "/accounts/login/?next=/s/a-secret"),
        (settings.VIEWER_HOST, "/open?ticket=a-secret"),
        (settings.SITE_HOST, "/requests/"),
    ):
        assert Proxied(alone.port).ask(path, Host=host).status == 502
    alone.stop()

    said = alone.error_log.read_text()
    assert "/requests/" in said
    assert "a-secret" not in said


def test_another_name_of_the_host_is_no_site(browser):
    assert browser.ask("/", Host="elsewhere.example").status == 421


def test_a_site_that_is_away_is_said_so_that_the_client_asks_again(browser, layer, tmp_path):
    nowhere = f"127.0.0.1:{free_port()}"
    alone = nginx_before(nowhere, tmp_path / "alone", settings.DATA_ROOT)
    alone.start()

    answer = Proxied(alone.port, browser.cookie).data(layer, SHARD_KEY)
    alone.stop()

    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"


def test_a_restart_of_nginx_loses_nothing(browser, layer, nginx):
    assert browser.data(layer, SHARD_KEY).status == 200
    nginx.stop()
    nginx.start()

    assert browser.data(layer, SHARD_KEY).content == SHARD


def test_what_nginx_sent_is_counted_once_for_view_and_volume(browser, layer, nginx):
    old = ViewerSession.objects.get()
    ViewerSession.objects.update(last_activity_at=timezone.now() - timedelta(hours=1))
    for _ in range(3):
        browser.data(layer, SHARD_KEY)
    browser.data(layer, "30000_30000_40000/ff.shard")
    nginx.stop()  # what is in its buffer is written

    assert activity.read_log(nginx.access_log) == 3
    assert activity.read_log(nginx.access_log) == 0
    row = LayerAccess.objects.get()
    assert (row.session, row.layer) == (old, layer.uuid)
    assert (row.requests, row.bytes) == (3, 3 * len(SHARD))
    old.refresh_from_db()
    assert timezone.now() - old.last_activity_at < timedelta(minutes=1)
