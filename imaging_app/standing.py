"""How an instrument stands: its own status and its outages, the worst of which counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from imaging_app.models import Microscope

Status = Microscope.Status
RANK: dict[str, int] = {Status.OPERATIONAL: 0, Status.LIMITED: 1, Status.DOWN: 2}
TOKENS: dict[str, str] = {
    Status.OPERATIONAL: "done", Status.LIMITED: "needs-you", Status.DOWN: "failed"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stop:
    """One outage as plain values; open without `ends_at`."""

    severity: str
    reason: str
    starts_at: datetime
    ends_at: datetime | None

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or self.ends_at > at)

    @property
    def words(self) -> str:
        """Return `down from 2026-12-01 08:00 until 2026-12-02 17:00: laser service`."""
        end = f" until {day_and_time(self.ends_at)}" if self.ends_at else ", until further notice"
        return f"{self.severity} from {day_and_time(self.starts_at)}{end}: {self.reason}"


@dataclass(frozen=True, slots=True)
class StatusView:
    """What an instrument is at one moment, why, and until when if that is known."""

    status: str
    reason: str = ""
    until: datetime | None = None

    @property
    def token(self) -> str:
        return TOKENS[self.status]

    @property
    def word(self) -> str:
        return str(Status(self.status).label)

    @property
    def is_fine(self) -> bool:
        return self.status == Status.OPERATIONAL

    @property
    def is_down_for_good(self) -> bool:
        """Return True if it is down and nobody knows until when."""
        return self.status == Status.DOWN and self.until is None

    @property
    def words(self) -> str:
        """Return `limited until 2026-12-01 08:00: one laser`."""
        end = f" until {day_and_time(self.until)}" if self.until else ""
        return f"{self.status}{end}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Standing:
    """One instrument now, and the outages that are to come."""

    microscope_id: int
    name: str
    label: str
    now: StatusView
    coming: tuple[Stop, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody who orders an objective has to know of its microscope."""

    text: str
    is_refused: bool = False


def day_and_time(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


def status_at(own: str, note: str, stops: Iterable[Stop], at: datetime) -> StatusView:
    """Return the effective status: the worse of the instrument's own and of what holds now."""
    known = sorted(stops, key=lambda stop: stop.starts_at)
    holding = [stop for stop in known if stop.holds(at)]
    worst = max([own, *(stop.severity for stop in holding)], key=lambda status: RANK[status])
    if worst == Status.OPERATIONAL:
        return StatusView(worst)
    counting = [stop for stop in holding if stop.severity == worst]
    reasons = [stop.reason for stop in counting]
    if own == worst:  # set by hand, so nobody knows until when
        return StatusView(worst, "; ".join(dict.fromkeys(filter(None, [note, *reasons]))))
    later = [stop for stop in known if RANK[stop.severity] >= RANK[worst]]
    return StatusView(worst, "; ".join(dict.fromkeys(reasons)), _end_of(counting, later))


def _end_of(counting: Sequence[Stop], known: Sequence[Stop]) -> datetime | None:
    """Return when the last of them ends, with those that follow without a gap."""
    end = _latest(counting)
    for stop in known:
        if end is not None and stop.starts_at <= end and (not stop.ends_at or stop.ends_at > end):
            end = stop.ends_at
    return end


def _latest(stops: Sequence[Stop]) -> datetime | None:
    ends = [stop.ends_at for stop in stops]
    return None if None in ends else max(end for end in ends if end is not None)


def notice_of(standing: Standing) -> Notice | None:
    """Return what to say beside an objective of this instrument; None when all is well."""
    parts = [] if standing.now.is_fine else [standing.now.words]
    parts += [stop.words for stop in standing.coming]
    if not parts:
        return None
    return Notice(f"{standing.label}: {'; '.join(parts)}", standing.now.is_down_for_good)
