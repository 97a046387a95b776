"""Somebody follows the log of a job at work: the driver fetches its end as long as they do."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from core_app.errors import NotAllowed, NotReady
from core_app.models import User
from core_app.roles import Action, can
from processing_app.models import Attempt
from processing_app.planning import OVER

# Twice as long as a page takes to ask again, so that one lost question does not matter.
WANTED_FOR: Final = timedelta(minutes=2)


def follow(attempt: Attempt, *, by: User) -> None:
    """Have the end of the log fetched at each look for two minutes more.

    Raises NotAllowed for whoever may not read the run and NotReady once the attempt is over.
    """
    if not can(by, Action.READ, attempt.step.run.imaging_request.sample.request):
        raise NotAllowed("Only who may read the run follows its logs.")
    with transaction.atomic():
        rows = Attempt.objects.filter(pk=attempt.pk).exclude(state__in=OVER)
        if not rows.update(log_wanted_until=timezone.now() + WANTED_FOR):
            raise NotReady("The job is over. Download its log instead.")
