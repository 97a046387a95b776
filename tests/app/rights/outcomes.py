"""What a person gets from an address, read off the answer and off what changed."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.messages import constants
from django.contrib.messages.storage.cookie import MessageDecoder
from django.db import connection, models
from django.http import HttpResponse
from django.test import Client


class Outcome(StrEnum):
    """The words of the table."""

    OPEN = "open"  # 200, and nothing changed
    MOVED = "moved"  # redirected to a page, and nothing changed
    DONE = "done"  # something changed
    REFUSED = "refused"  # nothing changed, and the person is told why
    SILENT = "nothing, without a word"  # never right
    SIGN_IN = "sign in"
    HIDDEN = "hidden"  # 404
    FORBIDDEN = "forbidden"  # 403
    NO_COOKIE = "no cookie"  # 401
    METHOD = "not this method"  # 405
    GONE = "gone"  # 410


BY_STATUS = {
    401: Outcome.NO_COOKIE,
    404: Outcome.HIDDEN,
    405: Outcome.METHOD,
    409: Outcome.REFUSED,
    410: Outcome.GONE,
    422: Outcome.REFUSED,
}
OURS = {"core_app", "requests_app", "imaging_app", "processing_app", "viewers_app", "datajoint_app"}
# A page may note that somebody is looking, and a ticket is there to be used up.
ASIDE = {"Ticket"}
ASIDE_COLUMNS = {"last_activity_at", "last_used_at"}
WRITING = re.compile(r"(?:INSERT(?: IGNORE)? INTO|UPDATE|DELETE FROM|REPLACE INTO) [`\"]?(\w+)")


def outcome_of(answer: HttpResponse, client: Client, *, changed: bool) -> Outcome:
    """Return what happened, whatever was expected."""
    if changed:
        return Outcome.DONE
    if answer.status_code in BY_STATUS:
        return BY_STATUS[answer.status_code]
    if answer.status_code == 403:
        return Outcome.FORBIDDEN
    if answer.status_code in {301, 302, 303}:
        return _of_redirect(answer, client)
    assert answer.status_code == 200, f"status {answer.status_code}"
    return Outcome.OPEN


def _of_redirect(answer: HttpResponse, client: Client) -> Outcome:
    if "/login/" in answer["Location"]:
        return Outcome.SIGN_IN
    if any(level >= constants.WARNING for level in _messages(client)):
        return Outcome.REFUSED
    if answer.wsgi_request.method == "GET":
        return Outcome.MOVED
    # What a ticket is exchanged for is no row.
    return Outcome.DONE if settings.VIEWER_COOKIE_NAME in answer.cookies else Outcome.SILENT


def _messages(client: Client) -> list[int]:
    kept = client.session.get("_messages", "[]")
    return [message.level for message in json.loads(kept, cls=MessageDecoder)]


@dataclass(slots=True)
class Writes:
    """Whether rows of ours may have been written while it watched."""

    seen: bool = False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001  # Django's signature
        found = WRITING.match(sql)
        self.seen = self.seen or bool(found and found[1].startswith(tuple(OURS)))
        return execute(sql, params, many, context)


@contextmanager
def watched() -> Iterator[Writes]:
    writes = Writes()
    with connection.execute_wrapper(writes):
        yield writes


def fingerprint() -> str:
    """Return a word that differs if any row of ours does."""
    found = hashlib.sha256()
    for model in apps.get_models(include_auto_created=True):
        if model._meta.app_label in OURS and model.__name__ not in ASIDE:
            found.update(f"{model._meta.label}{list(_values(model))}".encode())
    return found.hexdigest()


def _values(model: type[models.Model]) -> models.QuerySet[models.Model, tuple[object, ...]]:
    names = [f.attname for f in model._meta.concrete_fields if f.name not in ASIDE_COLUMNS]
    return model._base_manager.order_by("pk").values_list(*names)


@dataclass(frozen=True, slots=True)
class Before:
    """Rows and files as they were."""

    root: Path
    rows: str
    files: frozenset[Path]

    @classmethod
    def now(cls, root: Path) -> "Before":
        return cls(root, fingerprint(), frozenset(root.rglob("*")))

    def files_since(self) -> set[Path]:
        return set(self.root.rglob("*")) ^ self.files
