"""Clusters that answer, but not all that is asked: what waits for the rest is shown and told."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.transitions import record_on
from processing_app import mails, planning
from processing_app.models import Attempt, ClusterStatus

NOTED = ("part_silent_since", "part_trouble", "part_told_at")


def note_all() -> None:
    """Note of each cluster whether attempts there wait for an answer that others got.

    While a cluster is silent or paused nothing is asked, so nothing is known of its parts.
    """
    troubles = _troubles()
    awake = ClusterStatus.objects.filter(silent_since=None, paused_at=None)
    for status in awake.select_related("cluster"):
        trouble = troubles.get(status.cluster_id, "")
        if trouble or status.part_silent_since:
            _note(status.pk, trouble)


def _troubles() -> dict[int, str]:
    """Return what the oldest attempt that waits for an answer was told, by cluster.

    Where the cluster contradicts itself, or the site stumbled, no answer is missing.
    """
    rows = Attempt.objects.exclude(state__in=planning.OVER).filter(stumbles=0)
    waiting = rows.exclude(trouble__in=["", *planning.DOUBT.values()])
    return dict(waiting.order_by("-pk").values_list("step__run__cluster_id", "trouble"))


def _note(pk: int, trouble: str) -> None:
    with transaction.atomic():
        row = ClusterStatus.objects.select_for_update().select_related("cluster").get(pk=pk)
        if trouble:
            _goes_on(row, trouble)
        else:
            _is_over(row)
        row.save(update_fields=NOTED)


def _goes_on(row: ClusterStatus, trouble: str) -> None:
    now = timezone.now()
    row.part_silent_since, row.part_trouble = row.part_silent_since or now, trouble
    alarm_after = timedelta(minutes=settings.CLUSTER_ALARM_AFTER_MIN)
    if row.part_told_at is None and now - row.part_silent_since >= alarm_after:
        row.part_told_at = now
        record_on(row.cluster, "answers in part", by=None, note=trouble[:250])
        mails.tell_partly_silent(row.cluster, since=row.part_silent_since, trouble=trouble)


def _is_over(row: ClusterStatus) -> None:
    if row.part_told_at and row.part_silent_since:
        record_on(row.cluster, "answers in full", by=None)
        mails.tell_answers_in_full(row.cluster, since=row.part_silent_since)
    row.part_silent_since, row.part_trouble, row.part_told_at = None, "", None
