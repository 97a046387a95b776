"""The server of one volume, over the wire: HTTP/1.1, HEAD, ranges, and nobody else's pages."""

import gzip
import http.client
from contextlib import closing

import pytest

from tests.support.launchers import LAYER, an_order, make_layer, processes

CHUNK = "64_64_64/0-64_0-64_0-64"
PACKED = "64_64_64/64-128_0-64_0-64"
PLAIN = bytes(range(200))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    layer = make_layer(folder / "data")
    (layer / f"{PACKED}.gz").write_bytes(gzip.compress(PLAIN))
    (layer / "secret").write_text("x")
    with processes(folder / "data", folder / "processes") as launched:
        order = an_order()
        running = launched.ready(order)
        yield running.address, f"/v/{order.values['token']}/"


@pytest.fixture
def connection(served):
    host, port = served[0].split(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        yield connection


@pytest.fixture
def ask(connection, served):
    def ask(method, key, *, prefix=served[1], **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, prefix + key, headers=named)
        response = connection.getresponse()
        return response, response.read()

    return ask


def test_one_connection_answers_many_requests(ask, connection):
    first, _ = ask("GET", "info")
    socket = connection.sock
    missing, _ = ask("GET", "no-such-key")
    second, body = ask("GET", "info")

    assert (first.version, first.status, missing.status, second.status) == (11, 200, 404, 200)
    assert body == b'{"type": "image"}'
    assert connection.sock is socket


def test_head_tells_the_true_length_and_sends_nothing(ask):
    response, body = ask("HEAD", CHUNK)

    assert (response.status, response.headers["Content-Length"], body) == (200, "200", b"")


def test_head_of_a_compressed_chunk_tells_the_length_that_get_sends(ask):
    head, _ = ask("HEAD", PACKED)
    get, body = ask("GET", PACKED)

    assert body == PLAIN
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == "200"


def test_a_compressed_chunk_goes_as_it_is_to_who_takes_it(ask):
    response, body = ask("GET", PACKED, Accept_Encoding="gzip, deflate")

    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == PLAIN


@pytest.mark.parametrize(
    ("asked", "status", "sent", "told"),
    [
        ("bytes=0-0", 206, PLAIN[:1], "bytes 0-0/200"),
        ("bytes=10-19", 206, PLAIN[10:20], "bytes 10-19/200"),
        ("bytes=190-", 206, PLAIN[190:], "bytes 190-199/200"),
        ("bytes=-5", 206, PLAIN[-5:], "bytes 195-199/200"),
        ("bytes=150-999", 206, PLAIN[150:], "bytes 150-199/200"),
        ("bytes=200-", 416, b"", "bytes */200"),
        ("bytes=0-1,5-6", 200, PLAIN, None),
        ("bytes=9-1", 200, PLAIN, None),
        ("lines=1-2", 200, PLAIN, None),
    ],
)
def test_a_range_is_answered(ask, asked, status, sent, told):
    response, body = ask("GET", CHUNK, Range=asked)

    assert (response.status, body, response.headers["Content-Range"]) == (status, sent, told)


def test_a_range_of_a_compressed_chunk_is_the_whole(ask):
    response, body = ask("GET", PACKED, Range="bytes=0-9")

    assert (response.status, body) == (200, PLAIN)
    assert "Accept-Ranges" not in response.headers


def test_what_is_known_is_not_sent_again(ask):
    first, _ = ask("GET", CHUNK)

    again, body = ask("GET", CHUNK, If_None_Match=first.headers["ETag"])
    other, _ = ask("GET", CHUNK, Range="bytes=0-1", If_Range='"another"')

    assert (again.status, body, other.status) == (304, b"", 200)


def test_no_page_of_another_origin_may_read_it(ask):
    response, _ = ask("GET", "info", Origin="https://elsewhere.example")
    preflight, _ = ask("OPTIONS", "info", Origin="https://elsewhere.example")

    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert preflight.status in {405, 501}


@pytest.mark.parametrize(
    "key", ["", "secret", "../info", "..%2finfo", "%2e%2e/info", "/info", "64_64_64/", "x" * 5000]
)
def test_nothing_but_the_keys_of_a_volume_is_there(ask, key):
    assert ask("GET", key)[0].status in {404, 414}


@pytest.mark.parametrize("prefix", ["/", "/v/", f"/v/{'x' * 43}/", f"/{LAYER}/"])
def test_without_the_token_nothing_is_there(ask, prefix):
    assert ask("GET", "info", prefix=prefix)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(ask, method):
    assert ask(method, "info")[0].status == 501
