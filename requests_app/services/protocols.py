"""Write clearing protocols: a change of one that was used is a new version."""

from django.db import IntegrityError, transaction
from django.db.models import Max

from core_app import roles
from core_app.errors import NotAllowed, Taken
from core_app.models import User
from core_app.roles import Role
from requests_app.models import ClearingProtocol, ProtocolStep


def is_used(protocol: ClearingProtocol) -> bool:
    """Return True once a batch follows this version: then it is frozen."""
    return protocol.batches.exists()


def copy_as_new_version(protocol: ClearingProtocol, *, by: User) -> ClearingProtocol:
    """Return a copy with the next version number, to be edited and then offered.

    It is not offered yet, so that nobody orders a protocol that is half edited.
    """
    if not roles.has_role(by, Role.CLEARER, Role.MANAGER):
        raise NotAllowed("Only clearing staff make versions of protocols.")
    species, steps = list(protocol.species.all()), list(protocol.steps.all())
    try:
        with transaction.atomic():
            copy = _next_version(protocol)
            copy.species.set(species)
            ProtocolStep.objects.bulk_create(_copy_of(step, copy) for step in steps)
    except IntegrityError as clash:
        raise Taken(f"Somebody else made a version of {protocol.name} just now.") from clash
    return copy


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
