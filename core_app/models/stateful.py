"""Stateful: what a model needs so that transitions.advance() can move it."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.states import StateTable


class Stateful(models.Model):
    """Base of models with a state machine. Subclasses set TABLE, KIND, `state` and `root_id`."""

    TABLE: ClassVar[StateTable]
    KIND: ClassVar[str]
    state = models.CharField(max_length=16, editable=False)  # subclasses give it their choices
    state_since = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True

    @property
    def root_id(self) -> int | None:
        """Return the id of the request whose history this object belongs to, if any."""
        raise NotImplementedError


def state_is_known(states: type[models.TextChoices], name: str) -> models.CheckConstraint:
    """Return the constraint that makes the enum true in the database."""
    return models.CheckConstraint(condition=models.Q(state__in=states.values), name=name)
