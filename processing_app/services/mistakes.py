"""What the driver does when it trips over one attempt by a mistake of its own."""

import logging
from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from core_app.errors import OutsideError
from processing_app.cluster.ports import Cluster
from processing_app.models import Attempt
from processing_app.planning import OVER
from processing_app.services import attempts, claims
from processing_app.states import AttemptState

logger = logging.getLogger(__name__)

# So often in a row; with the pauses between them, about five minutes.
MOST_STUMBLES = 5
FIRST_PAUSE = timedelta(seconds=10)


def stumble(attempt: Attempt, mistake: Exception, cluster: Cluster | None) -> None:
    """Leave the attempt alone for a while, or end it as INTERNAL if that did not help.

    To be called where the exception was caught, so that the log has the traceback: a mistake in our
    code is loud, but it is the trouble of one attempt and not of all.
    """
    logger.exception("attempt %s of run %s: a mistake", attempt.pk, attempt.step.run_id)
    # The one in hand may hold what was never saved.
    stored = claims.with_context().get(pk=attempt.pk)
    if stored.state in OVER:
        return
    if stored.stumbles + 1 >= MOST_STUMBLES:
        _give_up(stored, mistake, cluster)
        return
    Attempt.objects.filter(pk=stored.pk).update(
        stumbles=stored.stumbles + 1,
        trouble=f"The site itself stumbled over this attempt ({type(mistake).__name__}).",
        next_look_at=timezone.now() + FIRST_PAUSE * 2**stored.stumbles,
    )


def recovered(attempt: Attempt) -> None:
    """Forget earlier stumbles: only those in a row count."""
    if attempt.stumbles:
        Attempt.objects.filter(pk=attempt.pk).update(stumbles=0)


def _give_up(attempt: Attempt, mistake: Exception, cluster: Cluster | None) -> None:
    try:
        with suppress(OutsideError):
            if cluster is not None:
                attempts.call_off(attempt, cluster)
    except Exception:
        # It may be the same mistake. A retry stops the job before it begins.
        logger.exception("attempt %s: its job could not be called off", attempt.pk)
    message = (
        f"The site itself stumbled over this attempt {MOST_STUMBLES} times in a row "
        f"({type(mistake).__name__}). Its log holds the details."
    )
    attempts.end(attempt, AttemptState.FAILED, reason="INTERNAL", message=message)
