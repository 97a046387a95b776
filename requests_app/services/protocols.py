"""Write clearing protocols: a change of one that was used is a new version."""

from collections import Counter
from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction
from django.db.models import Max

from core_app import roles
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState, Taken
from core_app.models import User
from core_app.roles import Role
from core_app.transitions import record_on
from requests_app.models import ClearingProtocol, ProtocolStep
from requests_app.services.corrections import newest_event

MOST_MINUTES = 30 * 24 * 60
MOST_NOTE = 250  # what the log of a step holds
MOST_POSITION = 9_999
ASIDE = 20_000  # positions from here on are used only while steps change places


def is_used(protocol: ClearingProtocol) -> bool:
    """Return True once a batch follows this version: then it is frozen."""
    return protocol.batches.exists()


def copy_as_new_version(protocol: ClearingProtocol, *, by: User) -> ClearingProtocol:
    """Return a copy with the next version number, to be edited and then offered.

    It is not offered yet, so that nobody orders a protocol that is half edited.
    """
    _require_keeper(by)
    species, steps = list(protocol.species.all()), list(protocol.steps.all())
    try:
        with transaction.atomic():
            copy = _next_version(protocol)
            copy.species.set(species)
            ProtocolStep.objects.bulk_create(_copy_of(step, copy) for step in steps)
            record_on(copy, "copied", by=by, note=f"From version {protocol.version}.")
    except IntegrityError as clash:
        raise Taken(f"Somebody else made a version of {protocol.name} just now.") from clash
    return copy


def offer(protocol: ClearingProtocol, *, by: User) -> list[ClearingProtocol]:
    """Offer this version in new requests; return the older ones that it replaces there."""
    _require_keeper(by)
    with transaction.atomic():
        versions = _hold_versions(protocol.name)
        this = next(version for version in versions if version.pk == protocol.pk)
        offered = [version for version in versions if version.is_offered and version != this]
        _require_newest(this, offered)
        if problems := problems_of(this):
            raise Invalid(f"It cannot be offered yet: {' '.join(problems)}")
        for older in offered:
            _set_offered(older, offered=False)
            note = f"Version {this.version} replaces it."
            record_on(older, "no longer offered", by=by, note=note)
        if not this.is_offered:
            _set_offered(this, offered=True)
            named = ", ".join(str(older.version) for older in offered)
            note = f"It replaces version {named}." if named else ""
            record_on(this, "offered", by=by, note=note)
    protocol.is_offered = True
    return offered


def withdraw_offer(protocol: ClearingProtocol, *, by: User) -> None:
    """Offer it no longer. Requests that named it keep it, and their batches follow it."""
    _require_keeper(by)
    with transaction.atomic():
        rows = ClearingProtocol.objects.filter(pk=protocol.pk, is_offered=True)
        if rows.update(is_offered=False) != 1:
            raise NotReady("It is not offered, so there is nothing to take back.")
        record_on(protocol, "no longer offered", by=by)
    protocol.is_offered = False


def problems_of(protocol: ClearingProtocol) -> list[str]:
    """Return why this version cannot be offered, in sentences."""
    steps = list(protocol.steps.all())
    problems = []
    if not steps and not protocol.needs_link:
        problems.append("It has no steps; add some, or let the clearer give a link.")
    if not protocol.species.exists():
        problems.append("No species is chosen, so nobody could order it.")
    return problems + _twice(steps) + [text for step in steps for text in _odd(step)]


def _twice(steps: Sequence[ProtocolStep]) -> list[str]:
    named = {
        "position": [str(step.position) for step in steps],
        "slug": [step.slug.casefold() for step in steps],
    }
    return [
        f"The {name} {value} is used {count} times."
        for name, values in named.items()
        for value, count in Counter(values).items()
        if count > 1
    ]


def _odd(step: ProtocolStep) -> list[str]:
    problems = []
    if step.usual_minutes is not None and not 1 <= step.usual_minutes <= MOST_MINUTES:
        problems.append(f"Step {step.position} lasts neither a minute nor at most 30 days.")
    if step.note_max > MOST_NOTE:
        problems.append(f"Step {step.position} allows notes longer than {MOST_NOTE}.")
    return problems


def hold(protocol: ClearingProtocol, *, unused: bool) -> None:
    """Take the row for this transaction; if it is to be `unused`, refuse once a batch follows it.

    A batch that is being made waits for the row, and this waits for a batch that is being made.
    """
    ClearingProtocol.objects.select_for_update().get(pk=protocol.pk)
    if unused:
        refuse_used(protocol)


def refuse_used(protocol: ClearingProtocol) -> None:
    """Refuse once a batch follows this version."""
    if is_used(protocol):
        raise NotReady(
            f"{protocol} is used by a batch, so it stays as it is; nothing was saved. "
            "Copy it as a new version and change that one."
        )


def require_unchanged(protocol: ClearingProtocol, *, seen: int | None) -> None:
    """Refuse if somebody changed it since `seen`, the newest event that the person saw."""
    if seen != newest_event(protocol):
        raise StaleState(
            "Somebody else changed this protocol since you opened it; nothing was saved. "
            "Look at what stands there now."
        )


def write_steps(
    protocol: ClearingProtocol, kept: Sequence[ProtocolStep], removed: Iterable[ProtocolStep]
) -> None:
    """Save new and changed steps, which may have changed places, and delete the removed ones."""
    try:
        with transaction.atomic():
            hold(protocol, unused=True)
            for step in removed:
                step.delete()
            for number, step in enumerate(kept):
                rows = ProtocolStep.objects.filter(pk=step.pk)
                rows.update(position=ASIDE + number, slug=f"~{step.pk}")
            for step in kept:
                step.save()
    except IntegrityError as clash:
        raise Taken("Somebody else changed the steps meanwhile; open the page again.") from clash


def _require_keeper(by: User) -> None:
    if not roles.has_role(by, Role.CLEARER, Role.MANAGER):
        raise NotAllowed("Only clearing staff make versions of protocols and offer them.")


def _require_newest(this: ClearingProtocol, offered: Iterable[ClearingProtocol]) -> None:
    newer = [str(version.version) for version in offered if version.version > this.version]
    if newer:
        raise NotReady(
            f"Version {newer[0]} is newer and offered. "
            "Take that one back first if the older one is to be offered again."
        )


def _hold_versions(name: str) -> list[ClearingProtocol]:
    rows = ClearingProtocol.objects.select_for_update().filter(name=name)
    return list(rows.order_by("pk"))


def _set_offered(protocol: ClearingProtocol, *, offered: bool) -> None:
    ClearingProtocol.objects.filter(pk=protocol.pk).update(is_offered=offered)


def _next_version(protocol: ClearingProtocol) -> ClearingProtocol:
    versions = ClearingProtocol.objects.filter(name=protocol.name)
    newest = versions.aggregate(newest=Max("version"))["newest"] or protocol.version
    return ClearingProtocol.objects.create(
        name=protocol.name,
        version=newest + 1,
        title=protocol.title,
        needs_antibody=protocol.needs_antibody,
        needs_link=protocol.needs_link,
        is_offered=False,
        position=protocol.position,
    )


def _copy_of(step: ProtocolStep, protocol: ClearingProtocol) -> ProtocolStep:
    return ProtocolStep(
        protocol=protocol,
        position=step.position,
        phase=step.phase,
        phase_title=step.phase_title,
        slug=step.slug,
        label=step.label,
        usual_minutes=step.usual_minutes,
        note_max=step.note_max,
        asks_lot=step.asks_lot,
        plans_date=step.plans_date,
    )
