"""Order: what a caller asks for. Read strictly, since the caller parses what everybody sends."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from launcher.catalogue import Entry
from launcher.errors import Invalid, NotAllowed

LARGEST_BODY: Final = 256 * 1024
_FIELDS: Final = frozenset({"kind", "owner", "ends_at", "values"})
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,128}")


@dataclass(frozen=True, slots=True)
class Order:
    """A session, a kind of the catalogue, and the kind's own values."""

    session: str
    kind: str
    owner: str
    ends_at: datetime
    values: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Return what is equal for equal orders only. It gives away none of the values."""
        content = [self.kind, self.owner, self.ends_at.timestamp(), dict(self.values)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def require_shape(self, entry: Entry) -> None:
        """Raise unless the values are those that this kind takes."""
        names, shape = set(self.values), entry.shape
        unknown = names - shape.required - shape.optional
        if unknown:
            raise Invalid(f"Kind {self.kind} takes no {', '.join(sorted(unknown))}.")
        missing = shape.required - names
        if missing:
            raise Invalid(f"Kind {self.kind} needs {', '.join(sorted(missing))}.")
        if not _TOKEN.fullmatch(self.values["token"]):
            raise Invalid("The token must be 32 to 128 characters of base64url.")


def session_of(text: str) -> str:
    """Return the session's id in its one spelling."""
    try:
        session = UUID(text)
    except ValueError:
        raise Invalid(f"{text[:64]!r} is no session id.") from None
    if str(session) != text:
        raise Invalid("A session id is written in lower case with hyphens.")
    return text


def parse_order(session: str, body: bytes) -> Order:
    """Return the order in a body. Raises Invalid for what is missing, unknown or mistyped."""
    document = read_object(body)
    unknown, missing = set(document) - _FIELDS, _FIELDS - set(document)
    if unknown or missing:
        raise Invalid(f"Unknown: {sorted(unknown)}; missing: {sorted(missing)}.")
    kind, owner, values = document["kind"], document["owner"], document["values"]
    if not isinstance(kind, str) or not isinstance(owner, str) or not _OWNER.fullmatch(owner):
        raise Invalid("`kind` and `owner` are short words.")
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise Invalid("`values` is an object of texts.")
    return Order(session, kind, owner, _time_of(document["ends_at"]), values)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, where no name stands twice."""
    try:
        document = json.loads(body, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise Invalid(f"The body is no JSON: {problem}") from None
    if not isinstance(document, dict):
        raise Invalid("The body is no JSON object.")
    return document


def require_lifetime(ends_at: datetime, *, now: datetime, most_s: int) -> None:
    """Raise unless the end lies ahead, and not too far."""
    seconds = (ends_at - now).total_seconds()
    if seconds <= 0:
        raise NotAllowed("The end of the session is over already.")
    if seconds > most_s:
        raise NotAllowed(f"A session ends after {most_s // 3600} hours at the latest.")


def _time_of(text: Any) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Invalid("`ends_at` is no time in ISO 8601.") from None
    if time.tzinfo is None:
        raise Invalid("`ends_at` has no time zone.")
    return time


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")
