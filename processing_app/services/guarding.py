"""Whatever happens to one attempt stays its own affair; only a silent cluster stops the tick."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core_app.errors import Misconfigured, OutsideError, Silent, StaleState
from processing_app.cluster.ports import Cluster
from processing_app.models import Attempt
from processing_app.services import attempts, mistakes

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Guard:
    """Runs the work on one attempt after the other, and notes their troubles."""

    cluster: Cluster | None
    troubles: list[str]

    def those(self, held: Iterable[Attempt], work: Callable[[Attempt], bool]) -> list[Attempt]:
        """Work on one after the other, and return those of which the work returned True."""
        return [attempt for attempt in held if self.run(attempt, work)]

    def run(self, attempt: Attempt, work: Callable[[Attempt], bool]) -> bool:
        """Return what the work returns; False where it failed in a way that was noted.

        Raises Silent and Misconfigured: what the cluster as a whole says is not this attempt's.
        """
        try:
            done = work(attempt)
        except (Silent, Misconfigured):
            raise
        except OutsideError as trouble:
            self._note(trouble, attempt)
        except StaleState:
            pass  # another driver was faster; its work counts
        except Exception as mistake:
            mistakes.stumble(attempt, mistake, self.cluster)
            self.troubles.append(f"{attempt.job_name}: {type(mistake).__name__}")
        else:
            mistakes.recovered(attempt)
            return done
        return False

    def _note(self, trouble: OutsideError, attempt: Attempt) -> None:
        """For the person who watches, for the operator, and so that it is tried again later."""
        attempts.pause(attempt, str(trouble))
        self.troubles.append(f"{attempt.job_name}: {trouble}")
        logger.warning("attempt %s of run %s waits: %s", attempt.pk, attempt.step.run_id, trouble)
