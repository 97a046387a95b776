"""Submits requests of 50 samples, and repeats what each wrote as bare INSERTs, in turns.

Runs in its own process: DATABASE_URL names an empty database. Prints one JSON line.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from core_app.models import User
    from requests_app.models import Request

Statement = tuple[str, "Sequence[object]"]
SAMPLES = {"full": 50, "small": 3}
ROUNDS = {"full": 12, "small": 2}
_VALUES = re.compile(r"\((?:%s(?:, )?)+\)")


def main(size: str) -> None:
    _set_up()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    owner, day = _owner(), _day()
    rounds = [_round(owner, n, SAMPLES[size], day) for n in range(ROUNDS[size] + 1)]
    warm = rounds[1:]  # the first one fills caches
    result = {
        "submit": [submit for submit, _, _ in warm],
        "bare": [bare for _, bare, _ in warm],
        "rows": warm[0][2],
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _set_up() -> None:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="lightserv_site.settings", SECRET_KEY="for the benchmark", DEBUG="0"
    )
    import django

    django.setup()


def _owner() -> User:
    from core_app.models import User

    return User.objects.create(username="researcher", email="researcher@example.org")


def _day() -> date:
    from django.utils import timezone

    from requests_app.selectors.handoffs import next_open_day

    return next_open_day(timezone.localdate())


def _typed(name: str, samples: int, day: date) -> dict[str, Any]:
    """The draft as the form keeps it: every sample at two objectives, in two chemistries."""
    channels = {"488": ["registration"], "647": ["cell_detection"]}
    imaging = [
        {"objective": "1.3x", "channels": channels},
        {"objective": "4x", "channels": {"488": ["generic_imaging"]}},
    ]
    protocols = ("iDISCO abbreviated clearing", "uDISCO")
    rows = [
        {
            "name": f"{name}-{i:03d}",
            "protocol": protocols[i % 2],
            "expected_handoff_date": str(day),
            "imaging": imaging,
        }
        for i in range(samples)
    ]
    about = {
        "name": name,
        "description": "To measure.",
        "species": "mouse",
        "lab": "Lab",
        "correspondence_email": "researcher@example.org",
        "retention": "important",
        "number_of_samples": str(samples),
    }
    return {"version": 2, "about": about, "samples": rows}


def _round(owner: User, number: int, samples: int, day: date) -> tuple[float, float, int]:
    """Return seconds of a submission, seconds of its bare statements, and their number."""
    written: list[Statement] = []
    with _recording(written):
        _forget(_submitted(owner, _typed(f"measured-{number}", samples, day))[0])
    statements = [one for each in written for one in _row_by_row(*each) if _is_kept(each)]
    request, seconds = _submitted(owner, _typed(f"measured-{number}", samples, day))
    _forget(request)
    return seconds, _replay(statements), len(statements)


def _submitted(owner: User, typed: dict[str, Any]) -> tuple[Request, float]:
    """Press Submit on the review of such a draft; return the request and the seconds it took."""
    from django.test import Client

    from requests_app.models import Request
    from requests_app.services import requests

    draft = requests.create_draft(owner=owner, by=owner, draft=typed)
    browser = Client(SERVER_NAME="localhost")
    browser.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    started = time.perf_counter()
    answer = browser.post(f"/drafts/{draft.pk}/review/")
    seconds = time.perf_counter() - started
    found = Request.objects.get(pk=draft.pk)
    assert (answer.status_code, found.state) == (302, "submitted"), answer.status_code
    return found, seconds


def _recording(written: list[Statement]) -> Any:
    from django.db import connection

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        if sql.startswith("INSERT"):
            written.append((sql, params))
        return execute(sql, params, many, context)

    return connection.execute_wrapper(note)


def _is_kept(statement: Statement) -> bool:
    """Leave out what belongs to making the draft and signing in, not to the submission."""
    return not re.match(r"INSERT (?:IGNORE )?INTO .django_session", statement[0])


def _row_by_row(sql: str, params: Sequence[object]) -> Iterator[Statement]:
    """Yield one INSERT per row of an INSERT of many, without asking for ids."""
    head, values = re.split(r"\s+VALUES\s+", sql, maxsplit=1)
    found = _VALUES.match(values)
    assert found, sql
    width = found[0].count("%s")
    for start in range(0, len(params), width):
        yield f"{head} VALUES {found[0]}", params[start : start + width]


def _forget(request: Request) -> None:
    """Take the rows of the request away, so that the same can be written again."""
    from core_app.models import Event
    from processing_app.models import ProcessingRequest

    Event.objects.filter(root_id=request.pk).delete()
    ProcessingRequest.objects.filter(imaging_request__sample__request=request).delete()
    request.delete()


def _replay(statements: Sequence[Statement]) -> float:
    """Return the seconds of the statements in one transaction; nothing of it stays.

    Parents of the rows are gone, so keys are not checked: that only makes the reference faster.
    """
    from django.db import connection, transaction

    with connection.constraint_checks_disabled():
        started = time.perf_counter()
        with transaction.atomic():
            with connection.cursor() as cursor:
                for sql, params in statements:
                    cursor.execute(sql, params)
            seconds = time.perf_counter() - started
            transaction.set_rollback(True)
    return seconds


if __name__ == "__main__":
    main(sys.argv[1])
