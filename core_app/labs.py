"""Write labs: make one, merge two. What names a lab is moved by the apps that own it."""

from collections.abc import Collection

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from core_app import roles
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState, Taken
from core_app.models import Lab, LabMembership, User
from core_app.roles import Role
from core_app.transitions import record_on

MOST_NAME = 50


def require_keeper(by: User) -> None:
    """Raise NotAllowed for everybody but managers."""
    if not roles.has_role(by, Role.MANAGER):
        raise NotAllowed("Only managers make, change and merge labs.")


def make_lab(name: str, *, by: User) -> Lab:
    """Make a lab of this name. Upper and lower case count as equal."""
    require_keeper(by)
    name = name.strip()
    if not name or len(name) > MOST_NAME:
        raise Invalid(f"Give a name of 1 to {MOST_NAME} characters.")
    taken = f"There is a lab “{name}” already; choose it instead."
    if Lab.objects.filter(name__iexact=name).exists():
        raise Taken(taken)
    try:
        with transaction.atomic():
            lab = Lab.objects.create(name=name)
            record_on(lab, "created", by=by, note=name)
    except IntegrityError as clash:
        raise Taken(taken) from clash
    return lab


def hold(ids: Collection[int]) -> dict[int, Lab]:
    """Take the rows for the caller's transaction, always in the same order."""
    held = {
        lab.pk: lab for lab in Lab.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    }
    if len(held) != len(set(ids)):
        raise StaleState("One of the labs is gone: somebody merged it meanwhile. Reload the list.")
    return held


def move_members(gone: Lab, keep: Lab) -> int:
    """Make everybody of one lab a member of the other; who led either leads it."""
    there = {row.user_id: row for row in keep.memberships.all()}
    moved = 0
    for row in list(gone.memberships.all()):
        known = there.get(row.user_id)
        if known is None:
            LabMembership.objects.create(user_id=row.user_id, lab=keep, role=row.role)
            moved += 1
        elif row.role == LabMembership.Role.PI and known.role != LabMembership.Role.PI:
            LabMembership.objects.filter(pk=known.pk).update(role=LabMembership.Role.PI)
        row.delete()
    return moved


def close_merged(gone: Lab, keep: Lab, *, by: User, note: str) -> None:
    """Delete the emptied lab; both histories say where everything went."""
    record_on(gone, "merged away", by=by, note=f"into {keep}: {note}")
    record_on(keep, "merged", by=by, note=f"{gone}: {note}")
    try:
        gone.delete()
    except ProtectedError as named:
        raise NotReady(
            f"Something still names {gone}, so it cannot go. Move that first, then merge again."
        ) from named
