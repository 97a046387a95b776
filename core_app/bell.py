"""ring(): run a periodic task soon. The database is the to-do list; a lost bell changes nothing."""

from django_q.tasks import async_task


def ring(task: str) -> None:
    """Queue the task by dotted name. Inside a transaction the bell is rung only if it commits."""
    async_task(task)
