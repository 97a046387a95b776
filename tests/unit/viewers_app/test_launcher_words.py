"""Between the site's words and the launcher's."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from core_app.errors import Misconfigured, Rejected, Unreachable
from launcher.errors import Refusal
from launcher.orders import parse_order
from viewers_app.launcher import translate
from viewers_app.launcher.ports import Kind, Order


def an_order(**values):
    return Order(uuid4(), Kind.PYTHON, "researcher", datetime(2030, 1, 1, tzinfo=UTC), values)


def test_an_order_arrives_as_it_was_given():
    order = an_order(state="{}", token="t" * 32)

    read = parse_order(str(order.view), translate.order_body(order))

    assert (read.session, read.kind, read.owner) == (str(order.view), "python", "researcher")
    assert (read.ends_at, read.values) == (order.ends_at, order.values)


def test_equal_orders_have_one_digest_and_others_have_others():
    order = an_order(state="{}", token="t" * 32)
    turned = replace(order, values=dict(reversed(order.values.items())))
    other = an_order(state="{} ", token="t" * 32)

    one, same, another = (
        parse_order(str(order.view), translate.order_body(each)).digest
        for each in (order, turned, other)
    )

    assert one == same != another


@pytest.mark.parametrize("refusal", Refusal.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_refusal_has_a_meaning_here(refusal):
    failure = translate.failure_of(refusal.code, "the words")

    assert "the words" in str(failure)
    assert refusal.code in translate._MEANS


def test_what_may_be_repeated_is_told_from_what_may_not():
    meanings = {
        code: type(translate.failure_of(code, "")) for code in ("full", "unavailable", "unsigned")
    }

    assert meanings == {
        "full": Rejected,
        "unavailable": Unreachable,
        "unsigned": Misconfigured,
    }


def test_a_refusal_that_nobody_knows_proves_nothing():
    assert isinstance(translate.failure_of("new", ""), Unreachable)
