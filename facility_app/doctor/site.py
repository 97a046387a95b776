"""Checks of the site itself: mail, queue, addresses, accounts, and what else the settings name."""

import smtplib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.checks import WARNING, run_checks
from django.core.mail import get_connection
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task

from core_app.accounts import DEMO_PASSWORD
from core_app.errors import OutsideError
from core_app.models import User
from facility_app.doctor import database, storage
from facility_app.doctor.findings import Finding, failed, ok, warning
from facility_app.management.commands.setup_schedules import SCHEDULES
from facility_app.people import DEMO_PEOPLE
from viewers_app.services import processes

# A worker takes up what waits within seconds.
LATE: Final = timedelta(minutes=5)
_LAUNCHER: Final = "Look at the launcher's log, and at LAUNCHER_URL and LAUNCHER_KEYS."
_WORKER: Final = "Start the workers (manage.py qcluster) and look at their log."


def system_checks() -> Finding:
    """Run the checks that the site also makes when it starts."""
    found = [one for one in run_checks() if one.level >= WARNING and not one.is_silenced()]
    errors = [one for one in found if one.is_serious()]
    for worst, judge in ((errors, failed), (found, warning)):
        if worst:
            return judge("; ".join(f"{one.id}: {one.msg}" for one in worst), str(worst[0].hint))
    return ok("nothing to complain of")


def mail() -> Finding:
    """Open the connection and close it; no mail is sent."""
    backend = str(settings.EMAIL_BACKEND).split(".")[-2]
    if backend == "console":
        return _mail_stays("Mails are written to the log and reach nobody.")
    if backend == "filebased":
        return _mail_stays(f"Mails become files in {getattr(settings, 'EMAIL_FILE_PATH', '?')}.")
    if backend != "smtp":
        return ok(f"{settings.EMAIL_BACKEND}: nothing to connect to")
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    try:
        with get_connection():
            return ok(f"{server} answers")
    except (OSError, smtplib.SMTPException) as problem:
        return failed(f"{server}: {problem}", "Mend EMAIL_URL, or start the mail server.")


def _mail_stays(words: str) -> Finding:
    return ok(words) if settings.DEBUG else warning(words, "Set EMAIL_URL=smtp://…")


def schedules() -> Finding:
    """Compare the schedules in the database with those that setup_schedules makes."""
    wanted = {name: (task, minutes) for name, (task, minutes) in SCHEDULES.items()}
    rows = Schedule.objects.filter(schedule_type=Schedule.MINUTES).exclude(repeats=0)
    there = {row.name: (row.func, row.minutes) for row in rows}
    names = wanted.keys() | there.keys()
    wrong = sorted(name for name in names if wanted.get(name) != there.get(name))
    if wrong:
        found = f"missing, changed or unknown: {', '.join(wrong)}"
        return failed(found, "Run manage.py setup_schedules.")
    return ok(f"{len(there)} schedules are in place")


def worker() -> Finding:
    """See whether somebody takes up what is due."""
    now = timezone.now()
    waiting = OrmQ.objects.filter(lock__lt=now - LATE).order_by("lock").first()
    if waiting is not None:
        return failed(f"A task waits since {_minutes(now - waiting.lock)}.", _WORKER)
    overdue = Schedule.objects.filter(next_run__lt=now - LATE).order_by("next_run").first()
    if overdue is not None:
        late = _minutes(now - overdue.next_run)
        return failed(f"“{overdue.name}” is due since {late} and was not begun.", _WORKER)
    last = Task.objects.order_by("-stopped").first()
    if last is None:
        return warning("Nothing has run yet.", _WORKER)
    return ok(f"the last task ended {(now - last.stopped).total_seconds():.0f} s ago")


def _minutes(age: timedelta) -> str:
    return f"{age.total_seconds() / 60:.0f} minutes"


def addresses() -> Finding:
    """Viewers run code that needs eval, so they have a host of their own."""
    site, viewers = settings.SITE_URL, settings.VIEWER_URL
    if settings.SITE_HOST == settings.VIEWER_HOST:
        action = "Give VIEWER_URL another host name, better another domain."
        return failed(f"{site} and {viewers} share one host.", action)
    plain = [url for url in (site, viewers) if url.startswith("http://")]
    if plain and not settings.DEBUG:
        return warning(f"{', '.join(plain)} is not https.", "Serve both by TLS and set their URLs.")
    return ok(f"{site}, viewers at {viewers}")


def debug() -> Finding:
    """DEBUG shows settings to everybody who meets an error."""
    if settings.DEBUG:
        return warning("DEBUG is on.", "Set DEBUG=0 unless this is a demo.")
    if len(settings.SECRET_KEY) < 50:
        return warning("SECRET_KEY is short.", "Set a random one of 50 characters or more.")
    return ok("off, and the secret key is long")


def demo_accounts() -> Finding:
    """Their password is known to everybody; outside a demo it opens nothing."""
    names = [person.username for person in DEMO_PEOPLE]
    rows = User.objects.filter(username__in=names, is_active=True).order_by("username")
    known = [user.username for user in rows if check_password(DEMO_PASSWORD, user.password)]
    if settings.DEBUG or not known:
        return ok(f"{len(known)} with the demo password")
    action = "Give them other passwords, or deactivate them."
    return warning(f"With the demo password: {', '.join(known)}.", action)


def mirror() -> Finding:
    """The mirror needs a host once it is switched on."""
    if not settings.DATAJOINT_ENABLED:
        return ok("switched off")
    host = getattr(settings, "DATAJOINT_HOST", "")
    if not host:
        action = "Set DATAJOINT_HOST, or switch it off."
        return failed("DATAJOINT_ENABLED=1 without a host.", action)
    return ok(f"switched on, at {host}")


def launcher() -> Finding:
    """Start a viewer of nothing, and remove it; views that need no process need no launcher."""
    if settings.LAUNCHER == "static":
        return ok("static: views need no process")
    if settings.LAUNCHER == "docker" and settings.DATA_SERVER != "nginx":
        action = "Put nginx in front (docker/proxy) and set DATA_SERVER=nginx."
        return failed("Browsers cannot reach Python viewers: only the proxy can.", action)
    try:
        tried = processes.trial()
    except OutsideError as problem:
        return failed(f"{settings.LAUNCHER}: {problem}", _LAUNCHER)
    taken = f"{tried.capacity.running} of {tried.capacity.most} places taken"
    return ok(f"{settings.LAUNCHER}: a viewer was ready after {tried.seconds:.1f} s; {taken}")


SITE_CHECKS: Final[tuple[tuple[str, Callable[[], Finding]], ...]] = (
    ("database", database.answers),
    ("migrations", database.is_migrated),
    ("system checks", system_checks),
    ("data root", storage.data_root),
    ("mail", mail),
    ("schedules", schedules),
    ("workers", worker),
    ("addresses", addresses),
    ("debug", debug),
    ("demo accounts", demo_accounts),
    ("mirror", mirror),
    ("launcher", launcher),
)
