"""Target 10: driving many due attempts one stage, against the bare statements that it needs."""

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
_TITLE = "10 drive {} attempts on {}: {}: time against one UPDATE and one INSERT each"
_STAGES = {"begin": "seen to run", "end": "seen to be over"}
_NUMBER = {"full": "10,000", "small": "50"}


def rows(size: str) -> Iterator[Row]:
    """Measure on MariaDB, the database of production, and on SQLite."""
    if services.find("mariadbd"):
        with running_server() as url:
            yield from _rows("MariaDB", url, size)
    else:
        title = _TITLE.format(_NUMBER[size], "MariaDB", _STAGES["begin"])
        yield missing(title, why="left out: mariadbd is not installed", target=f"<= {_LIMIT}")
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows("SQLite", f"sqlite:///{Path(folder) / 'db.sqlite3'}", size)


def _rows(database: str, url: str, size: str) -> Iterator[Row]:
    found = ask_job(["bench.driving_job", size], what="driving", DATABASE_URL=url)
    for stage, words in _STAGES.items():
        driven, bare = found[stage], found["bare"]
        yield judged(
            _TITLE.format(_NUMBER[size], database, words),
            value=f"{sorted(driven)[len(driven) // 2]:.2f} s, {found['queries']} queries",
            reference=f"{sorted(bare)[len(bare) // 2]:.2f} s",
            ratio=median_ratio(driven, bare),
            comparison="<=",
            limit=_LIMIT,
        )
