"""Target 13: submitting a request of 50 samples, against the bare INSERTs that it makes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import ask_job, median_ratio
from bench.rows import Row, judged, missing
from tests.support import services
from tests.support.mariadb import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT = 3
_TITLE = "13 submit 50 samples on {}: time against its INSERTs, row by row in one transaction"


def rows(size: str) -> Iterator[Row]:
    """Measure on MariaDB, the database of production, and on SQLite."""
    if services.find("mariadbd"):
        with running_server() as url:
            yield _row("MariaDB", url, size)
    else:
        why = "left out: mariadbd is not installed"
        yield missing(_TITLE.format("MariaDB"), why=why, target=f"<= {_LIMIT}")
    with tempfile.TemporaryDirectory() as folder:
        yield _row("SQLite", f"sqlite:///{Path(folder) / 'db.sqlite3'}", size)


def _row(database: str, url: str, size: str) -> Row:
    found = ask_job(["bench.submission_job", size], what="the submission", DATABASE_URL=url)
    return judged(
        _TITLE.format(database),
        value=f"{_milliseconds(found['submit'])} ms",
        reference=f"{_milliseconds(found['bare'])} ms for {found['rows']} rows",
        ratio=median_ratio(found["submit"], found["bare"]),
        comparison="<=",
        limit=_LIMIT,
    )


def _milliseconds(seconds: list[float]) -> str:
    return f"{sorted(seconds)[len(seconds) // 2] * 1e3:.0f}"
