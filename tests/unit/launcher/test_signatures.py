"""Who may ask the launcher: whoever signed just this, just now, for the first time."""

import pytest

from launcher import signing
from launcher.auth import MOST_NONCES, WINDOW_S
from tests.support.launcher_requests import PLACE

PATH = "/v1/sessions"


def test_a_signed_request_is_answered(caller):
    assert caller.ask("GET", PATH).status == 200


def test_every_known_key_may_sign_so_that_keys_can_be_changed(caller):
    assert caller.ask("GET", PATH, key="next", secret=b"n" * 32).status == 200


def test_the_state_of_health_needs_no_signature_and_tells_nothing(caller):
    answer = caller.send("GET", "/healthz", b"", {})

    assert (answer.status, answer.content) == (200, {"ok": True})


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": b"x" * 32},
        {"key": "next"},
        {"key": "stranger"},
        {"key": "stranger", "secret": b"-"},
        {"key": ""},
    ],
    ids=str,
)
def test_another_key_is_refused(caller, changes):
    assert caller.ask("GET", PATH, **changes).status == 401


@pytest.mark.parametrize("header", list(signing.sign("GET", PATH, b"", key="", secret=b"", at=0)))
@pytest.mark.parametrize("value", [None, "", "é", "0" * 500])
def test_a_header_that_is_missing_or_nonsense_is_refused(caller, header, value):
    headers = caller.headers("GET", PATH)
    headers[header] = value
    if value is None:
        del headers[header]

    assert caller.send("GET", PATH, b"", headers).status == 401


@pytest.mark.parametrize("seconds", [-WINDOW_S - 2, WINDOW_S + 2, -86_400, 86_400])
def test_another_time_is_refused(caller, seconds):
    assert caller.ask("GET", PATH, at=caller.clock[0] + seconds).status == 401


@pytest.mark.parametrize("seconds", [-WINDOW_S + 1, WINDOW_S - 1])
def test_clocks_may_differ_a_little(caller, seconds):
    assert caller.ask("GET", PATH, at=caller.clock[0] + seconds).status == 200


def test_a_request_is_answered_once(caller):
    headers = caller.headers("GET", PATH)

    first, second = (caller.send("GET", PATH, b"", headers) for _ in range(2))

    assert (first.status, second.status) == (200, 401)


def test_a_request_is_not_answered_again_while_its_time_would_be_right(caller):
    headers = caller.headers("GET", PATH, at=caller.clock[0] + WINDOW_S)
    caller.send("GET", PATH, b"", headers)

    caller.clock[0] += 2 * WINDOW_S

    assert caller.send("GET", PATH, b"", headers).status == 401


def test_what_is_signed_cannot_be_changed(caller, order):
    body = b'{"a": 1}'
    headers = caller.headers("PUT", PLACE, body)

    assert caller.send("PUT", PLACE, b'{"a": 2}', headers).status == 401
    assert caller.send("DELETE", PLACE, body, headers).status == 401
    assert caller.send("PUT", PLACE.replace("0b6b", "0b6c"), body, headers).status == 401
    assert caller.send("PUT", f"{PLACE}?x=1", body, headers).status == 401
    assert caller.send("PUT", PLACE, body, headers).status == 400  # signed, but no order


def test_wrong_signatures_do_not_use_up_the_memory_for_nonces(caller):
    for _ in range(300):
        caller.ask("GET", PATH, secret=b"x" * 32)

    assert caller.ask("GET", PATH).status == 200


def test_where_the_memory_for_nonces_is_full_nothing_is_forgotten_early(caller):
    headers = caller.headers("GET", PATH)
    caller.send("GET", PATH, b"", headers)
    for _ in range(99):
        caller.ask("GET", PATH)

    assert caller.ask("GET", PATH).status == 503
    assert caller.send("GET", PATH, b"", headers).status == 401
    caller.clock[0] += 3 * WINDOW_S
    assert caller.ask("GET", PATH).status == 200
    assert MOST_NONCES > 100


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "no key"),
        ("secret-without-an-id-that-is-long-enough", "id:secret"),
        ("a:short", "'a' is shorter"),
        (f"a:{'x' * 32} a:{'y' * 32}", "Two keys"),
        (f"a b:{'x' * 32}", "Key 1"),
    ],
)
def test_keys_that_cannot_be_used_are_named_and_not_shown(text, trouble):
    with pytest.raises(signing.WrongKeys, match=trouble) as raised:
        signing.parse_keys(text)

    assert "x" * 32 not in str(raised.value)
    assert "short " not in str(raised.value)


def test_keys_stand_in_their_order():
    assert list(signing.parse_keys(f"b:{'x' * 32},a:{'y' * 32}\n")) == ["b", "a"]
