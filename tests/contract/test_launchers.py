"""What every launcher promises."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core_app.errors import Rejected
from tests.support.launchers import LAYER, LIMITS, STATE, an_order, make_layer, new_token
from viewers_app.launcher.ports import Capacity, Condition, Kind

# Those behind which something really runs.
SERVING = ["process", pytest.param("docker", marks=pytest.mark.docker)]


def test_an_order_becomes_a_process_that_is_ready(launched):
    order = an_order()

    running = launched.ready(order)

    assert (running.view, running.kind, running.owner) == (order.view, Kind.VOLUME, "researcher")
    assert running.ends_at == order.ends_at
    assert running.address.rpartition(":")[2].isdecimal()


def test_ordering_does_not_wait_until_it_is_ready(launched):
    running = launched.launcher.ensure(an_order())

    assert running.condition in {Condition.STARTING, Condition.READY}


def test_the_same_order_twice_is_the_same_process(launched):
    order = an_order()
    first = launched.ready(order)

    again = launched.launcher.ensure(order)

    assert (again.started_at, again.address) == (first.started_at, first.address)
    assert len(launched.launcher.running()) == 1


def test_fifty_orders_at_once_start_one_process(launched):
    order = an_order()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(launched.launcher.ensure, [order] * 50))

    assert len({answer.started_at for answer in answers}) == 1
    assert len(launched.launcher.running()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "somebody"},
        {"ends_at": datetime.now(UTC) + timedelta(hours=2)},
        {"values": {"layer": LAYER, "token": new_token()}},
        {"kind": Kind.PYTHON, "values": {"state": "{}", "token": new_token()}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_order_of_the_same_view_is_refused(launched, change):
    order = an_order()
    first = launched.ready(order)

    with pytest.raises(Rejected):
        launched.launcher.ensure(replace(order, **change))

    (running,) = launched.launcher.running()
    assert running.started_at == first.started_at


def test_what_is_removed_is_gone_and_may_be_removed_again(launched):
    order = an_order()
    launched.ready(order)

    launched.launcher.remove(order.view)
    launched.launcher.remove(order.view)
    launched.launcher.remove(uuid4())

    assert list(launched.launcher.running()) == []


def test_a_view_can_be_ordered_anew_after_its_removal(launched):
    order = an_order()
    launched.ready(order)
    launched.launcher.remove(order.view)

    again = launched.ready(replace(order, owner="somebody"))

    assert again.owner == "somebody"


def test_what_ends_by_itself_is_told_and_started_again_when_ordered(launched):
    order = an_order()
    first = launched.ready(order)

    launched.lose(order.view)

    assert launched.wait_for(order.view, Condition.GONE).detail
    assert launched.ready(order).started_at > first.started_at


def test_what_ended_by_itself_keeps_its_order(launched):
    order = an_order()
    launched.ready(order)
    launched.lose(order.view)
    launched.wait_for(order.view, Condition.GONE)

    with pytest.raises(Rejected):
        launched.launcher.ensure(replace(order, owner="somebody"))


def test_each_person_has_so_many_places(launched):
    for _ in range(LIMITS.per_owner):
        launched.launcher.ensure(an_order())

    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order())

    assert launched.launcher.ensure(an_order(owner="somebody"))


def test_all_together_have_so_many_places(launched):
    for number in range(LIMITS.total):
        launched.launcher.ensure(an_order(owner=f"person{number}"))

    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order(owner="another"))

    assert launched.launcher.capacity() == Capacity(LIMITS.total, LIMITS.total)


def test_places_are_kept_when_all_order_at_once(launched):
    orders = [an_order() for _ in range(8)]

    def ensure(order):
        try:
            return launched.launcher.ensure(order)
        except Rejected:
            return None

    with ThreadPoolExecutor(8) as pool:
        started = [running for running in pool.map(ensure, orders) if running]

    assert len(started) == len(launched.launcher.running()) == LIMITS.per_owner


def test_what_ended_takes_no_place(launched):
    order = an_order()
    launched.ready(order)
    launched.lose(order.view)
    launched.wait_for(order.view, Condition.GONE)

    assert launched.launcher.capacity().running == 0


def test_its_last_words_can_be_read(launched):
    order = an_order()
    launched.ready(order)

    assert launched.launcher.logs(order.view).startswith("READY")
    assert launched.launcher.logs(uuid4()) == ""


def test_a_view_whose_end_is_over_is_not_started(launched):
    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order(ends_at=datetime.now(UTC) - timedelta(seconds=1)))


@pytest.mark.parametrize(
    "values",
    [
        {"layer": LAYER},
        {"token": new_token()},
        {"layer": LAYER, "token": "short"},
        {"layer": LAYER, "token": new_token(), "image": "another"},
        {"layer": LAYER, "token": new_token(), "command": "sh"},
        {"layer": LAYER, "token": new_token(), "mount": "/etc"},
        {"layer": LAYER, "token": new_token(), "environment": "A=1"},
        {"layer": LAYER, "token": new_token(), "port": "22"},
        {"layer": LAYER, "token": new_token(), "network": "host"},
    ],
    ids=lambda values: "-".join(values),
)
def test_values_that_the_kind_does_not_take_start_nothing(launched, values):
    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order(values=values))

    assert list(launched.launcher.running()) == []


NO_PATHS = ("/etc", "../outside", "someone/../../outside", ".", "", "a:b", "a,b", "a\\b", "a\nb")


@pytest.mark.parametrize("layer", [*NO_PATHS, "x" * 2000])
def test_a_path_that_leaves_the_data_root_starts_nothing(launched, layer):
    make_layer(launched.data_root.parent, "outside")

    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order(values={"layer": layer, "token": new_token()}))

    assert list(launched.launcher.running()) == []


def test_a_link_that_leaves_the_data_root_starts_nothing(launched):
    make_layer(launched.data_root.parent, "outside")
    (launched.data_root / "link").symlink_to(launched.data_root.parent / "outside")

    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order(values={"layer": "link", "token": new_token()}))


def test_a_folder_that_is_not_there_is_refused_and_not_made(launched):
    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order(values={"layer": "no/such", "token": new_token()}))

    assert [path.name for path in launched.data_root.iterdir()] == ["someone"]


def test_a_folder_without_info_is_no_layer(launched):
    with pytest.raises(Rejected):
        launched.launcher.ensure(an_order(values={"layer": "someone", "token": new_token()}))


@pytest.mark.parametrize("launched", SERVING, indirect=True)
def test_a_volume_is_served_to_who_knows_its_token(launched):
    order = an_order()
    running = launched.ready(order)
    place = f"/v/{order.values['token']}"

    info, chunk = (launched.fetch(running, f"{place}/{key}", *options) for key, options in (
        ("info", []), ("64_64_64/0-64_0-64_0-64", ["-r", "65-67"]),
    ))  # fmt: skip

    assert info == (200, '{"type": "image"}')
    assert chunk == (206, "ABC")
    assert launched.fetch(running, f"/v/{new_token()}/info")[0] == 404
    assert launched.fetch(running, "/info")[0] == 404


@pytest.mark.parametrize("launched", SERVING, indirect=True)
def test_a_python_viewer_shows_its_state_to_who_knows_its_token(launched):
    state = json.dumps({**STATE, "title": "A brain" + " " * 200_000})
    order = an_order(Kind.PYTHON, values={"state": state, "token": new_token()})
    running = launched.ready(order)
    token = order.values["token"]

    page = launched.fetch(running, f"/v/{token}/")
    _, events = launched.fetch(running, f"/events/{token}?c=x&gc=&gs=", "--max-time", "2")

    assert page[0] == 200
    assert "A brain" in events
    assert launched.fetch(running, f"/v/{new_token()}/")[0] == 404
    assert launched.fetch(running, f"/credentials/{token}", "-d", "{}")[0] == 403
