"""What was fetched for which view: counted here, or read from the proxy's log of what it sent.

Summed up per view and volume, never per chunk. A view of which data is fetched is not idle.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from viewers_app.models import AccessLogCursor, LayerAccess, ViewerSession

WRITE_EVERY_S = 30.0
MOST_BYTES_AT_ONCE = 32 * 2**20
# `<seconds since 1970> <view> <volume> <status> <bytes>`, as docker/proxy writes it.
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINE = re.compile(
    rf"([0-9]{{1,11}})\.[0-9]{{3}} ({_UUID}) ({_UUID}) (200|206|304) ([0-9]{{1,15}})"
)


@dataclass(slots=True)
class Count:
    """What was fetched, and when first and last."""

    requests: int
    bytes: int
    first_at: datetime
    last_at: datetime

    def add(self, other: "Count") -> None:
        self.requests += other.requests
        self.bytes += other.bytes
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)


Counts = dict[tuple[UUID, UUID], Count]  # by view and volume


class Tally:
    """Counts of this process that are not written down yet."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._lock = Lock()
        self._counts: Counts = {}
        self._since = 0.0

    def note(self, view: UUID, layer: UUID, size: int) -> None:
        """Count one answer; now and then all of them are written down."""
        now = timezone.now()
        with self._lock:
            if not self._counts:
                self._since = self.clock()
            _add(self._counts, (view, layer), Count(1, size, now, now))
            is_due = self.clock() - self._since >= WRITE_EVERY_S
        if is_due:
            self.write()

    def write(self) -> None:
        """Write down what was counted. A database that is busy gets it the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        try:
            with transaction.atomic():
                _save(counts)
        except DatabaseError:
            with self._lock:
                for key, count in counts.items():
                    _add(self._counts, key, count)
                self._since = self.clock()

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()


# The clock is looked up at each call, so that a test can move it.
tally = Tally(lambda: time.monotonic())


def read_log(path: Path) -> int:
    """Count what the proxy wrote down since the last time; return how many lines were read.

    A log that was rotated is read to its end in the file with `.1` behind its name, one that was
    cut begins anew. Safe to repeat and to run twice at once: each line counts once.
    """
    with transaction.atomic():
        cursor = _locked(path)
        counts: Counts = {}
        lines = 0
        for file, inode in _files(path, cursor):
            with file:
                if inode != cursor.inode or os.fstat(file.fileno()).st_size < cursor.offset:
                    cursor.inode, cursor.offset = inode, 0
                file.seek(cursor.offset)
                block = file.read(MOST_BYTES_AT_ONCE)
            whole = block[: block.rfind(b"\n") + 1]
            cursor.offset += len(whole)
            for line in whole.splitlines():
                lines += 1
                _count_line(counts, line.decode("ascii", "replace"))
            if len(block) == MOST_BYTES_AT_ONCE:
                break  # the rest of it the next time, and then what came after
        cursor.save()
        _save(counts)
    return lines


def _locked(path: Path) -> AccessLogCursor:
    AccessLogCursor.objects.get_or_create(path=str(path), defaults={"inode": 0})
    return AccessLogCursor.objects.select_for_update().get(path=str(path))


def _files(path: Path, cursor: AccessLogCursor) -> Iterator[tuple[BinaryIO, int]]:
    """Yield the files to read, opened: the rest of the one that was rotated away, and today's."""
    for candidate in (path.with_name(f"{path.name}.1"), path):
        try:
            file = candidate.open("rb")
        except FileNotFoundError:
            continue
        inode = os.fstat(file.fileno()).st_ino
        if candidate == path or inode == cursor.inode:
            yield file, inode
        else:
            file.close()


def _count_line(counts: Counts, line: str) -> None:
    found = _LINE.fullmatch(line)
    if found:
        at = datetime.fromtimestamp(int(found[1]), UTC)
        _add(counts, (UUID(found[2]), UUID(found[3])), Count(1, int(found[5]), at, at))


def _add(counts: Counts, key: tuple[UUID, UUID], count: Count) -> None:
    if key in counts:
        counts[key].add(count)
    else:
        counts[key] = count


def _save(counts: Mapping[tuple[UUID, UUID], Count]) -> None:
    """Add the counts to the rows. Views that are gone count nothing."""
    rows = ViewerSession.objects.filter(uuid__in={view for view, _ in counts})
    views = dict(rows.values_list("uuid", "pk"))
    for (view, layer), count in sorted(counts.items(), key=lambda item: str(item[0])):
        if view not in views:
            continue
        row, is_new = LayerAccess.objects.get_or_create(
            session_id=views[view], layer=layer,
            defaults={
                "requests": count.requests, "bytes": count.bytes,
                "first_at": count.first_at, "last_at": count.last_at,
            },
        )  # fmt: skip
        if not is_new:
            LayerAccess.objects.filter(pk=row.pk).update(
                requests=F("requests") + count.requests,
                bytes=F("bytes") + count.bytes,
                last_at=max(row.last_at, count.last_at),
            )
        ViewerSession.objects.filter(pk=views[view], last_activity_at__lt=count.last_at).update(
            last_activity_at=count.last_at
        )
