"""The status of an instrument, and the times in which it cannot be used."""

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from core_app.errors import Invalid, NotReady, StaleState
from core_app.models import User
from core_app.transitions import record_on
from imaging_app.models import Microscope, Outage
from imaging_app.services.guards import require_reason
from imaging_app.services.upkeep.writing import held, insert, require_keeper
from imaging_app.standing import day_and_time

MOST_NOTE = 200


def report_outage(outage: Outage, *, by: User) -> Outage:
    """Write an outage that began, or is planned; everybody signed in reads its reason."""
    require_keeper(by)
    outage.reason, outage.reported_by = outage.reason.strip(), by
    with held(outage.microscope):
        insert(
            outage, verb="reported", by=by, note=f"{outage}: {outage.reason}",
            otherwise="This outage is there already.",
        )  # fmt: skip
    return outage


def end_outage(outage: Outage, *, by: User, at: datetime | None = None) -> None:
    """The instrument can be used again from now on. One that has not begun never happens."""
    require_keeper(by)
    now = at or timezone.now()
    if outage.ends_at and outage.ends_at <= now:
        raise NotReady(f"{outage} is over since {day_and_time(outage.ends_at)}.")
    with held(outage.microscope):
        still = Outage.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), pk=outage.pk)
        current = still.first()
        if current is None:
            raise StaleState("Somebody else ended this outage a moment ago.")
        if current.starts_at >= now:
            _call_off(current, by=by)
        else:
            still.update(ends_at=now)
            record_on(outage, "ended", by=by)
    outage.ends_at = now


def _call_off(outage: Outage, *, by: User) -> None:
    """Delete an outage that has not begun; its Event on the microscope remains."""
    record_on(outage.microscope, "outage called off", by=by, note=f"{outage}: {outage.reason}")
    outage.delete()


def set_status(microscope: Microscope, status: str, *, note: str, by: User) -> None:
    """Set the status that holds until somebody sets another one; outages may make it worse."""
    require_keeper(by)
    if status not in Microscope.Status.values:
        raise Invalid("Choose a status.", fields={"status": ["Choose one of the list."]})
    if status == Microscope.Status.OPERATIONAL:
        note = ""
    else:
        require_reason(note, "Say why; everybody who is signed in reads it.")
    if len(note.strip()) > MOST_NOTE:
        text = f"{len(note.strip())} characters; at most {MOST_NOTE} fit."
        raise Invalid(text, fields={"reason": [text]})
    with held(microscope):
        before = Microscope.objects.get(pk=microscope.pk)
        if (before.status, before.status_note) == (status, note.strip()):
            raise NotReady(f"{microscope} is {status} already, for this reason.")
        Microscope.objects.filter(pk=microscope.pk).update(status=status, status_note=note.strip())
        said = f"{before.status} → {status}" + (f": {note.strip()}" if note.strip() else "")
        record_on(microscope, "status", by=by, note=said)
    microscope.status, microscope.status_note = status, note.strip()
