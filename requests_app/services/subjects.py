"""Write the animals of the colony: import a table, offer them or not, move them between labs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from core_app import roles
from core_app.errors import NotAllowed, NotReady
from core_app.models import Lab, User
from core_app.roles import Role
from core_app.transitions import record_on
from requests_app.models import Species, Subject
from requests_app.services.corrections import require_nothing_unseen

COLUMNS = ("name", "lab", "species", "line", "sex", "born")
NOTHING = "-"  # in a cell: empty what stands there now
SEXES = {
    "f": Subject.Sex.FEMALE,
    "female": Subject.Sex.FEMALE,
    "m": Subject.Sex.MALE,
    "male": Subject.Sex.MALE,
    "u": Subject.Sex.UNKNOWN,
    "unknown": Subject.Sex.UNKNOWN,
}
Cells = Mapping[str, str]


@dataclass(slots=True)
class RowResult:
    """What becomes, or became, of one row of a table."""

    line: int
    name: str
    outcome: str  # new, changed, unchanged, refused
    said: str = ""


@dataclass(slots=True)
class Known:
    """What the rows are compared with, read once."""

    labs: dict[str, Lab]
    species: dict[str, Species]
    subjects: dict[str, Subject]
    seen: dict[str, int] = field(default_factory=dict)


def require_keeper(by: User) -> None:
    """Raise NotAllowed for everybody but clearing staff and managers."""
    if not roles.has_role(by, Role.CLEARER, Role.MANAGER):
        raise NotAllowed("Only clearing staff and managers keep the list of animals.")


def import_rows(rows: Sequence[tuple[int, Cells]], *, by: User, dry_run: bool) -> list[RowResult]:
    """Add the animals of a table, and change known ones where a cell says something.

    Each row stands for itself. A dry run says the same and writes nothing.
    """
    require_keeper(by)
    known = _known()
    return [_import_row(line, cells, known, by=by, dry_run=dry_run) for line, cells in rows]


def _known() -> Known:
    labels = {s.label.casefold(): s for s in Species.objects.all()}
    names = {s.name.casefold(): s for s in Species.objects.all()}
    subjects = Subject.objects.select_related("lab", "species")
    return Known(
        labs={lab.name.casefold(): lab for lab in Lab.objects.all()},
        species={**labels, **names},
        subjects={s.name.casefold(): s for s in subjects},
    )


def _import_row(line: int, cells: Cells, known: Known, *, by: User, dry_run: bool) -> RowResult:
    name = cells.get("name", "").strip()
    problem = _problem_of_name(name, line, known)
    values, problems = _values_of(cells, known)
    if problem or problems:
        return RowResult(line, name, "refused", " ".join([*filter(None, [problem]), *problems]))
    subject = known.subjects.get(name.casefold()) or Subject(name=name)
    differing = {n: v for n, v in values.items() if getattr(subject, n) != v}
    if subject.pk and not differing:
        return RowResult(line, name, "unchanged")
    said = _said_of(subject, differing)
    outcome = "changed" if subject.pk else "new"
    for attribute, value in differing.items():
        setattr(subject, attribute, value)
    if refusal := _saved(subject, said, by=by, dry_run=dry_run):
        return RowResult(line, name, "refused", refusal)
    return RowResult(line, name, outcome, said)


def _problem_of_name(name: str, line: int, known: Known) -> str:
    if not name or name == NOTHING:
        return "Give the animal a name."
    before = known.seen.setdefault(name.casefold(), line)
    return f"Line {before} has this name already." if before != line else ""


def _values_of(cells: Cells, known: Known) -> tuple[dict[str, Any], list[str]]:
    """Return what the filled cells say, and what is wrong with them."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    readers = {"lab": _lab, "species": _species, "sex": _sex, "born": _born, "line": _line}
    for column, read in readers.items():
        cell = cells.get(column, "").strip()
        if not cell:
            continue
        attribute = "born_on" if column == "born" else column
        if cell == NOTHING:
            values[attribute] = "" if column in {"sex", "line"} else None
            continue
        found = read(cell, known)
        if isinstance(found, Problem):
            problems.append(found.text)
        else:
            values[attribute] = found
    return values, problems


@dataclass(frozen=True, slots=True)
class Problem:
    """A cell that cannot be right."""

    text: str


def _lab(cell: str, known: Known) -> Lab | Problem:
    return known.labs.get(cell.casefold()) or Problem(
        f"There is no lab “{cell}”; make it first, or correct the name."
    )


def _species(cell: str, known: Known) -> Species | Problem:
    names = ", ".join(sorted({s.name for s in known.species.values()}))
    return known.species.get(cell.casefold()) or Problem(
        f"There is no species “{cell}”; use one of: {names}."
    )


def _sex(cell: str, known: Known) -> str | Problem:
    found = SEXES.get(cell.casefold())
    return found if found is not None else Problem(f"Sex “{cell}” is not f, m or unknown.")


def _born(cell: str, known: Known) -> date | Problem:
    try:
        day = date.fromisoformat(cell)
    except ValueError:
        return Problem(f"Born “{cell}” is no date like 2025-03-14.")
    return day if day <= timezone.localdate() else Problem(f"Born {day} lies in the future.")


def _line(cell: str, known: Known) -> str:
    return cell


def _said_of(subject: Subject, differing: Mapping[str, Any]) -> str:
    if not subject.pk:
        return ", ".join(f"{name.removesuffix('_on')} {v}" for name, v in differing.items() if v)
    return "; ".join(
        f"{name.removesuffix('_on')}: {getattr(subject, name) or 'nothing'} → {v or 'nothing'}"
        for name, v in differing.items()
    )


def _saved(subject: Subject, said: str, *, by: User, dry_run: bool) -> str:
    """Write the animal unless this is a dry run; return why not, if not."""
    try:
        subject.clean_fields(exclude=["lab", "species"])
        if not dry_run:
            write(subject, by=by, said=said)
    except ValidationError as problem:
        return " ".join(problem.messages)
    except IntegrityError:
        return "Somebody else added an animal of this name just now; import again."
    return ""


def write(
    subject: Subject,
    *,
    by: User,
    said: str,
    fields: Sequence[str] | None = None,
    seen: int | None = None,
) -> None:
    """Save one animal, or only these fields of it, with its Event.

    `seen` is the newest event that the page showed; what a colleague did since is not written over.
    """
    require_keeper(by)
    verb = "corrected" if subject.pk else "created"
    with transaction.atomic():
        list(Subject.objects.select_for_update().filter(pk=subject.pk).values_list("pk"))
        require_nothing_unseen(subject, seen)
        subject.save(update_fields=fields)
        record_on(subject, verb, by=by, note=said)


def set_offered(subject: Subject, *, offered: bool, by: User) -> None:
    """Offer the animal in new requests, or no longer."""
    require_keeper(by)
    if subject.is_offered == offered:
        raise NotReady(f"It is {'offered' if offered else 'not offered'} already.")
    with transaction.atomic():
        Subject.objects.filter(pk=subject.pk).update(is_offered=offered)
        record_on(subject, "offered" if offered else "not offered", by=by)
    subject.is_offered = offered


def delete_unused(subject: Subject, *, by: User) -> None:
    """Delete an animal that no sample names; an Event remains."""
    require_keeper(by)
    with transaction.atomic():
        held = Subject.objects.select_for_update().get(pk=subject.pk)
        if held.samples.exists():
            raise NotReady(
                f"Samples name {subject}, so it stays. Do not offer it any more instead."
            )
        record_on(held, "deleted", by=by, note=str(held))
        held.delete()


def move_subjects(gone: Lab, keep: Lab, *, by: User) -> int:
    """Move all animals of one lab to another. The caller holds the transaction."""
    moved = 0
    for subject in Subject.objects.select_for_update().filter(lab=gone).order_by("pk"):
        Subject.objects.filter(pk=subject.pk).update(lab=keep)
        record_on(subject, "corrected", by=by, note=f"lab: {gone} → {keep} (labs merged)")
        moved += 1
    return moved
