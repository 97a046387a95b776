"""Between the site's words and the launcher's: orders there, containers and refusals back. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from core_app.errors import Misconfigured, OutsideError, Rejected, Unreachable
from viewers_app.launcher.ports import Condition, Kind, Order, Running

# What a refusal means here, by the launcher's word for it.
_MEANS: Final[Mapping[str, type[OutsideError]]] = {
    "invalid": Rejected,
    "not-allowed": Rejected,
    "missing": Rejected,
    "conflict": Rejected,
    "full": Rejected,
    "unsigned": Misconfigured,
    "wrong-method": Misconfigured,
    "image-missing": Misconfigured,
    "engine-refused": Unreachable,
    "unavailable": Unreachable,
    "timed-out": Unreachable,
    "failed": Unreachable,
}


def order_body(order: Order) -> bytes:
    """Return the order as the launcher reads it; equal orders have equal bodies."""
    document = {
        "kind": order.kind.value,
        "owner": order.owner,
        "ends_at": order.ends_at.isoformat(),
        "values": dict(order.values),
    }
    return json.dumps(document, sort_keys=True).encode()


def running_of(document: Mapping[str, Any]) -> Running:
    """Return what the launcher describes. Raises Unreachable for what it would never say."""
    try:
        return Running(
            view=UUID(document["session"]),
            kind=Kind(document["kind"]),
            condition=Condition(document["condition"]),
            address=str(document["address"]),
            started_at=datetime.fromisoformat(document["started_at"]),
            ends_at=datetime.fromisoformat(document["ends_at"]),
            owner=str(document["owner"]),
            detail=str(document["detail"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise Unreachable("The launcher's answer makes no sense", repr(problem)) from problem


def failure_of(code: str, message: str) -> OutsideError:
    """Return the refusal in the site's words."""
    return _MEANS.get(code, Unreachable)("The launcher refused", f"{message} ({code})")
