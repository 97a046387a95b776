"""What a check finds, and how one is carried out so that it cannot stop the others."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.db import DatabaseError

from core_app.errors import Misconfigured, OutsideError, Silent, Unreachable

# Holds the longest trouble of a cluster, with what to do about it at its end.
MOST = 1200
_WHY_SILENT = (
    "See whether its name and port are right, and whether the machine and its network are up."
)
# A shorter one would hide half of the words.
SHORTEST_SECRET = 6


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and what to do next; nothing where all is well."""

    verdict: Verdict
    found: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding with its place: `subject` is the site or the name of a cluster."""

    subject: str
    check: str
    verdict: Verdict
    found: str
    action: str
    seconds: float

    def __str__(self) -> str:
        begin = f"{self.verdict:<8} {self.subject:<10} {self.check:<14} {self.found}"
        return f"{begin} ({self.seconds:.1f} s)" + (f" -> {self.action}" if self.action else "")


def ok(found: str) -> Finding:
    return Finding(Verdict.OK, found)


def warning(found: str, action: str) -> Finding:
    return Finding(Verdict.WARNING, found, action)


def failed(found: str, action: str) -> Finding:
    return Finding(Verdict.FAILED, found, action)


def examine(subject: str, check: str, look: Callable[[], Finding]) -> Line:
    """Carry out one check; whatever is raised is its failure."""
    begun = time.monotonic()
    finding = _looked(look)
    took = time.monotonic() - begun
    found, action = _one_line(finding.found), _one_line(finding.action)
    return Line(subject, check, finding.verdict, found, action, round(took, 2))


def _looked(look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Misconfigured as wrong:
        return failed(str(wrong), "Mend the access, then run doctor again.")
    except Silent as silence:
        return failed(str(silence), _WHY_SILENT)
    except Unreachable as silence:
        return failed(str(silence), "See whether the machine, its network and its disks are up.")
    except OutsideError as refusal:
        return failed(str(refusal), "Mend what was refused, then run doctor again.")
    except DatabaseError as problem:
        return failed(f"{type(problem).__name__}: {problem}", "Mend the database first.")
    except Exception as mistake:  # a check that stumbles must not hide the others
        return failed(f"{type(mistake).__name__}: {mistake}", "Show this to who runs the site.")


def _one_line(text: str) -> str:
    """Return the text as one line in which no secret of the settings stands."""
    database = settings.DATABASES["default"]
    password = str(database.get("PASSWORD", ""))
    for secret in (settings.SECRET_KEY, password, settings.EMAIL_HOST_PASSWORD):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "…")
    line = " ".join(text.split())
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"
