"""The launcher's addresses: strict about what comes in, plain about what goes out."""

import json

import pytest

from launcher.errors import EngineRefused, ImageMissing, TimedOut, Unavailable
from launcher.orders import LARGEST_BODY
from launcher.sessions import Limits
from tests.support.launcher_requests import PLACE, SESSION, a_caller

OTHER = PLACE.replace("0b6b", "0b6c")


def test_an_order_is_started_once_and_answered_alike(caller, order):
    first, second = caller.ask("PUT", PLACE, order), caller.ask("PUT", PLACE, order)

    assert (first.status, second.status) == (201, 200)
    assert len(caller.backend.started) == 1
    assert second.content == {**first.content, "condition": "ready"}
    assert set(first.content) == {
        "session", "kind", "condition", "address", "owner", "started_at", "ends_at", "detail",
    }  # fmt: skip


def test_another_order_for_the_session_conflicts(caller, order):
    caller.ask("PUT", PLACE, order)

    answer = caller.ask("PUT", PLACE, {**order, "owner": "somebody"})

    assert (answer.status, answer.code) == (409, "conflict")


def test_a_container_of_somebody_else_conflicts(caller, order):
    caller.backend.strangers.add(SESSION)

    assert caller.ask("PUT", PLACE, order).status == 409


def test_sessions_are_found_listed_and_removed(caller, order):
    started = caller.ask("PUT", PLACE, order).content
    ready = {**started, "condition": "ready"}

    assert caller.ask("GET", PLACE).content == ready
    assert caller.ask("GET", "/v1/sessions").content == {"sessions": [ready]}
    assert caller.ask("GET", "/v1/capacity").content == {"running": 1, "most": 40}
    assert caller.ask("GET", f"{PLACE}/logs?lines=5").content == {"text": "READY 8080\n"}
    assert caller.ask("DELETE", PLACE).status == 204
    assert caller.ask("DELETE", PLACE).status == 204
    assert caller.ask("GET", PLACE).status == 404


def test_what_the_program_is_given_is_the_order_and_the_launchers_own_limits(caller, order):
    caller.ask("PUT", PLACE, order)

    given = json.loads(caller.backend.started[0].given)

    assert given["values"] == order["values"]
    assert given["idle_s"] == 10_800


@pytest.mark.parametrize(
    "name", ["image", "mounts", "env", "command", "ports", "network", "user", "limits", "labels"]
)
def test_nothing_but_the_four_fields_is_taken(caller, order, name):
    answer = caller.ask("PUT", PLACE, {**order, name: "x"})

    assert (answer.status, answer.code) == (400, "invalid")
    assert caller.backend.started == []


@pytest.mark.parametrize("name", ["kind", "owner", "ends_at", "values"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, "", "a b", "x" * 100])
def test_fields_of_another_type_are_refused(caller, order, name, value):
    assert caller.ask("PUT", PLACE, {**order, name: value}).status == 400
    assert caller.backend.started == []


@pytest.mark.parametrize("name", ["kind", "owner", "ends_at", "values"])
def test_each_field_is_needed(caller, order, name):
    del order[name]

    assert caller.ask("PUT", PLACE, order).status == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_object_is_refused(caller, body):
    answer = caller.send("PUT", PLACE, body, caller.headers("PUT", PLACE, body))

    assert (answer.status, answer.code) == (400, "invalid")


def test_a_kind_that_the_catalogue_lacks_is_refused(caller, order):
    assert caller.ask("PUT", PLACE, {**order, "kind": "shell"}).status == 400


@pytest.mark.parametrize(
    "session", ["x", "..", SESSION.upper(), SESSION.replace("-", ""), f"{{{SESSION}}}", "%2e%2e"]
)
def test_a_session_is_named_in_one_way_only(caller, order, session):
    assert caller.ask("PUT", f"/v1/sessions/{session}", order).status == 400
    assert caller.backend.started == []


def test_a_time_without_a_zone_is_refused(caller, order):
    assert caller.ask("PUT", PLACE, {**order, "ends_at": "2990-01-01T00:00:00"}).status == 400


@pytest.mark.parametrize("end", ["2000-01-01T00:00:00+00:00", "2990-01-01T00:00:00+00:00"])
def test_an_end_that_is_over_or_too_far_away_is_not_allowed(caller, order, end):
    assert caller.ask("PUT", PLACE, {**order, "ends_at": end}).status == 403


def test_a_layer_is_missing_or_not_allowed(caller, order):
    missing, outside = (
        caller.ask("PUT", PLACE, {**order, "values": {**order["values"], "layer": layer}})
        for layer in ("no/such", "../../etc")
    )

    assert (missing.status, outside.status) == (404, 403)


def test_a_body_that_is_too_large_is_not_read(caller):
    headers = caller.headers("PUT", PLACE)

    answer = caller.send("PUT", PLACE, b"", headers, CONTENT_LENGTH=str(LARGEST_BODY + 1))

    assert (answer.status, answer.code) == (400, "invalid")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999999999999"])
def test_a_length_that_is_none_is_refused(caller, length):
    headers = caller.headers("PUT", PLACE)

    assert caller.send("PUT", PLACE, b"", headers, CONTENT_LENGTH=length).status == 400


def test_a_body_without_a_length_is_refused(caller):
    answer = caller.send(
        "PUT", PLACE, b"{}", caller.headers("PUT", PLACE), HTTP_TRANSFER_ENCODING="chunked"
    )

    assert answer.status == 400


def test_a_body_that_breaks_off_is_refused(caller):
    body = b"{}"

    answer = caller.send("PUT", PLACE, body, caller.headers("PUT", PLACE, body), CONTENT_LENGTH="9")

    assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v2/sessions", 404),
        ("GET", f"{PLACE}/exec", 404),
        ("POST", PLACE, 405),
        ("DELETE", "/v1/sessions", 405),
        ("GET", "/v1/reap", 405),
        ("GET", "/v1/sessions?all=1", 400),
        ("GET", f"{PLACE}/logs?lines=0", 400),
        ("GET", f"{PLACE}/logs?lines=9999", 400),
        ("GET", f"{PLACE}/logs?lines=x", 400),
        ("GET", f"{PLACE}/logs?follow=1", 400),
    ],
)
def test_other_addresses_verbs_and_queries_are_refused(caller, method, path, status):
    assert caller.ask(method, path).status == status


def test_verbs_without_a_body_take_none(caller):
    assert caller.ask("DELETE", PLACE, {}).status == 400
    assert caller.ask("POST", "/v1/reap", {"all": True}).status == 400


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Unavailable("away"), 503, "unavailable"),
        (ImageMissing("Kind volume: no image x here."), 503, "image-missing"),
        (EngineRefused("no space left on device"), 503, "engine-refused"),
        (TimedOut("20 s"), 504, "timed-out"),
        (RuntimeError("secret detail"), 500, "failed"),
    ],
    ids=lambda value: str(value),
)
def test_failures_of_the_engine_are_told_apart(caller, order, failure, status, code):
    caller.backend.fail("start", failure)

    answer = caller.ask("PUT", PLACE, order)

    assert (answer.status, answer.code) == (status, code)
    assert "secret detail" not in json.dumps(answer.content)
    assert caller.ask("PUT", PLACE, order).status == 201


def test_limits_are_for_owners_and_for_all(data_root, order):
    caller = a_caller(data_root, limits=Limits(total=2, per_owner=1))
    caller.ask("PUT", PLACE, order)

    own = caller.ask("PUT", OTHER, order)
    caller.ask("PUT", OTHER, {**order, "owner": "somebody"})
    all_ = caller.ask("PUT", PLACE.replace("0b6b", "0b6d"), {**order, "owner": "third"})

    assert (own.status, own.code, all_.status) == (429, "full", 429)
    assert caller.ask("PUT", PLACE, order).status == 200


def test_a_failed_start_gives_its_place_back(data_root, order):
    caller = a_caller(data_root, limits=Limits(total=1, per_owner=1))
    caller.backend.fail("start", EngineRefused("no"))
    caller.ask("PUT", PLACE, order)

    assert caller.ask("PUT", OTHER, order).status == 201
