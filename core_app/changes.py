"""changed() and removed(): tell the mirror, in the caller's transaction."""

from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import models

from core_app.models.history import OutboxRow


def kind_of(obj: models.Model) -> str:
    """Return the short name under which history and outbox know this object."""
    kind = getattr(obj, "KIND", obj._meta.model_name)
    return str(kind)


def changed(*objects: models.Model) -> None:
    """Append to the outbox. Writes nothing while the mirror is switched off."""
    changed_many(objects)


def changed_many(objects: Iterable[models.Model]) -> None:
    """Append many objects in one INSERT."""
    if settings.DATAJOINT_ENABLED:
        OutboxRow.objects.bulk_create(OutboxRow(kind=kind_of(o), object_id=o.pk) for o in objects)


def removed(obj: models.Model, key: Mapping[str, object]) -> None:
    """Say that the object with this natural key is about to be deleted."""
    if settings.DATAJOINT_ENABLED:
        OutboxRow.objects.create(kind=kind_of(obj), object_id=obj.pk, removed_key=dict(key))
