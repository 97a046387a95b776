"""Which clusters there are, which one takes a run, and how each fares."""

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.errors import NotReady
from core_app.models import User
from core_app.transitions import record_on
from processing_app import mails, planning
from processing_app.cluster.config import LOCAL, MEMORY, SLURM_SSH, ClusterConfig, Host
from processing_app.models import Cluster, ClusterStatus
from processing_app.states import ACTIVE

# Holds the longest that we say ourselves: another host key, with what to do about it.
TROUBLE_LENGTH = 1000
# A slow scheduler is asked more rarely: a look may take a tenth of the time at most.
LOOKS_PER_TIME = 10
FARE = ("silent_since", "trouble", "next_try_at", "told_at", "paused_at")


def kind_of(row: Cluster) -> str:
    """Return how the cluster is reached; the settings say it of the one named `default`."""
    return str(settings.CLUSTER) if row.is_from_settings else row.kind


def config_of(row: Cluster) -> ClusterConfig:
    """Return what is needed to connect: from the settings, or from the row."""
    return _from_settings(row) if row.is_from_settings else _from_row(row)


def _from_settings(row: Cluster) -> ClusterConfig:
    kind = str(settings.CLUSTER)
    is_site = kind in {LOCAL, MEMORY}
    key, jump_key = settings.CLUSTER_KEY, settings.CLUSTER_JUMP_KEY
    host = Host(settings.CLUSTER_HOST, settings.CLUSTER_USER, key, settings.CLUSTER_PORT)
    return ClusterConfig(
        name=row.name,
        kind=kind,
        workdir=str(settings.CLUSTER_WORKDIR),
        data_root=str(settings.CLUSTER_DATA_ROOT),
        python=settings.CLUSTER_PYTHON or sys.executable,
        python_path=str(settings.BASE_DIR) if is_site else "",
        host=host if kind == SLURM_SSH else None,
        jump=host_of(settings.CLUSTER_JUMP_HOST, settings.CLUSTER_USER, jump_key),
        known_hosts_file=settings.CLUSTER_KNOWN_HOSTS,
        environment=variables(settings.CLUSTER_ENVIRONMENT.split()),
        prelude=settings.CLUSTER_PRELUDE,
        threads=settings.CLUSTER_THREADS,
        slots=settings.CLUSTER_SLOTS,
        poll_interval_s=float(settings.CLUSTER_POLL_INTERVAL_S),
        heartbeat_limit_s=float(settings.HEARTBEAT_LIMIT_S),
        builds_environment=settings.CLUSTER_BUILDS_ENVIRONMENT,
    )


def variables(lines: Iterable[str]) -> dict[str, str]:
    """Read NAME=value, one in each."""
    pairs = (line.strip().partition("=") for line in lines)
    return {name: value for name, found, value in pairs if found}


def host_of(text: str, user: str, key_file: str) -> Host | None:
    """Read `user@host:port`, of which only the host must be there; None for nothing."""
    if not text:
        return None
    before, _, address = text.rpartition("@")
    name, _, port = address.partition(":")
    return Host(name, before or user, key_file, int(port) if port.isdigit() else 22)


def _from_row(row: Cluster) -> ClusterConfig:
    is_local = row.kind == Cluster.Kind.LOCAL
    host = Host(row.host, row.user, row.key_file, row.port)
    jump = Host(row.jump_host, row.jump_user, row.jump_key_file or row.key_file, row.jump_port)
    return ClusterConfig(
        name=row.name,
        kind=row.kind,
        workdir=row.workdir,
        data_root=row.data_root,
        python=sys.executable if is_local else row.python,
        python_path=str(settings.BASE_DIR) if is_local else "",
        host=host if row.kind == Cluster.Kind.SLURM_SSH else None,
        jump=jump if row.jump_host else None,
        known_hosts_file=row.known_hosts_file,
        environment=variables(row.environment.splitlines()),
        prelude=row.prelude,
        threads=row.threads,
        slots=row.slots,
        poll_interval_s=1.0 if is_local else float(row.poll_interval_s),
        heartbeat_limit_s=float(row.heartbeat_limit_s),
        builds_environment=row.builds_environment,
    )


def choose(pipeline: str) -> Cluster:
    """Return where a new run goes: the first in order that takes the pipeline.

    A frozen or paused one is passed over if another takes it. Raises NotReady if none does.
    """
    taking = [row for row in Cluster.objects.select_related("status") if row.takes(pipeline)]
    if not taking:
        raise NotReady(
            f"No cluster takes runs of the pipeline {pipeline}. An operator sets one up in the "
            "staff console, under Clusters."
        )
    awake = [row for row in taking if not (row.status.frozen_at or row.status.paused_at)]
    return (awake or taking)[0]


def status_of(name: str) -> ClusterStatus:
    """Return how a cluster fares, as it is in the database now."""
    return ClusterStatus.objects.select_related("cluster").get(cluster__name=name)


def with_work(*, at: datetime) -> list[Cluster]:
    """Return the clusters with active runs that may be asked now."""
    rows = Cluster.objects.filter(
        status__paused_at=None, status__next_try_at__lte=at, runs__state__in=ACTIVE
    )
    return list(rows.select_related("status").distinct())


def take_poll(name: str, *, interval_s: float) -> bool:
    """Return True for the one driver that asks the scheduler in this interval."""
    now = timezone.now()
    rows = ClusterStatus.objects.filter(cluster__name=name, next_poll_at__lte=now)
    return rows.update(next_poll_at=now + timedelta(seconds=interval_s)) == 1


def take_queue_look(name: str, *, interval_s: float) -> bool:
    """Return True for the one driver that asks for places in the queue in this interval."""
    now = timezone.now()
    rows = ClusterStatus.objects.filter(cluster__name=name, next_queue_look_at__lte=now)
    return rows.update(next_queue_look_at=now + timedelta(seconds=interval_s)) == 1


def poll_took(name: str, seconds: float, *, interval_s: float) -> None:
    """Note how long an answer took; a scheduler that is slow is asked more rarely."""
    pause = timedelta(seconds=max(interval_s, LOOKS_PER_TIME * seconds))
    ClusterStatus.objects.filter(cluster__name=name).update(
        poll_took_s=seconds, next_poll_at=timezone.now() + pause
    )


def poll_soon(cluster_id: int) -> None:
    """Somebody waits for an answer: ask at the next tick."""
    ClusterStatus.objects.filter(cluster=cluster_id).update(next_poll_at=timezone.now())


def answered(status: ClusterStatus) -> None:
    """Note that the cluster is there; after a silence, everything goes on."""
    now = timezone.now()
    rows = ClusterStatus.objects.filter(pk=status.pk)
    rows.update(answered_at=now)
    silent = rows.exclude(silent_since=None)
    with transaction.atomic():
        if silent.update(silent_since=None, trouble="", next_try_at=now, told_at=None):
            length = now - status.silent_since if status.silent_since else timedelta(0)
            note = f"silent for {round(length.total_seconds())} s"
            record_on(status.cluster, "answers again", by=None, note=note)
            if status.told_at:
                mails.tell_answers_again(status.cluster, since=status.silent_since or now)


def fell_silent(status: ClusterStatus, trouble: str) -> None:
    """Note that the cluster gave no answer. The longer it is silent, the later it is asked again.

    Operators are told after a while, once; after a long while it is left alone until resumed.
    """
    now = timezone.now()
    words = trouble[:TROUBLE_LENGTH]
    with transaction.atomic():
        row = ClusterStatus.objects.select_for_update().get(pk=status.pk)
        is_first = row.silent_since is None
        row.silent_since, row.trouble = row.silent_since or now, words
        silence = now - row.silent_since
        row.next_try_at = now + planning.pause_after(silence)
        if is_first:
            record_on(status.cluster, "fell silent", by=None, note=words[:250])
        if row.told_at is None and silence >= timedelta(minutes=settings.CLUSTER_ALARM_AFTER_MIN):
            row.told_at = now
            mails.tell_silent(status.cluster, since=row.silent_since, trouble=words)
        if row.paused_at is None and silence >= timedelta(hours=settings.CLUSTER_PAUSE_AFTER_H):
            _pause(row, words)
        row.save(update_fields=FARE)


def pause(status: ClusterStatus, trouble: str) -> None:
    """Leave a cluster alone until somebody resumes it: asking again can only do harm."""
    with transaction.atomic():
        row = ClusterStatus.objects.select_for_update().get(pk=status.pk)
        if row.paused_at is None:
            row.trouble = trouble[:TROUBLE_LENGTH]
            row.silent_since = row.silent_since or timezone.now()
            _pause(row, trouble)
            row.save(update_fields=FARE)


def _pause(row: ClusterStatus, trouble: str) -> None:
    row.paused_at = row.told_at = timezone.now()
    record_on(row.cluster, "paused", by=None, note=trouble[:250])
    mails.tell_paused(row.cluster, since=row.paused_at, trouble=trouble)


def resume(row: Cluster, *, by: User | None) -> None:
    """Ask a paused or silent cluster again, at once."""
    with transaction.atomic():
        status = ClusterStatus.objects.select_for_update().get(cluster=row)
        if status.paused_at is None and status.silent_since is None:
            raise NotReady(f"The cluster {row} is neither paused nor silent.")
        status.paused_at, status.next_try_at = None, timezone.now()
        status.silent_since, status.trouble, status.told_at = None, "", None
        status.save(update_fields=FARE)
        record_on(row, "resumed", by=by)


def freeze(row: Cluster, *, by: User | None, reason: str) -> None:
    """Hand in nothing more there, for a maintenance say; what is at work is watched as before."""
    if not reason.strip():
        raise NotReady("Say why the cluster is frozen; people who wait for it will read it.")
    with transaction.atomic():
        status = ClusterStatus.objects.select_for_update().get(cluster=row)
        if status.frozen_at is not None:
            raise NotReady(f"The cluster {row} is frozen already.")
        status.frozen_at, status.frozen_by = timezone.now(), by
        status.frozen_reason = reason.strip()[:250]
        status.save(update_fields=["frozen_at", "frozen_by", "frozen_reason"])
        record_on(row, "frozen", by=by, note=status.frozen_reason)


def unfreeze(row: Cluster, *, by: User | None) -> None:
    """Hand in again what waited."""
    with transaction.atomic():
        status = ClusterStatus.objects.select_for_update().get(cluster=row)
        if status.frozen_at is None:
            raise NotReady(f"The cluster {row} is not frozen.")
        status.frozen_at, status.frozen_by, status.frozen_reason = None, None, ""
        status.save(update_fields=["frozen_at", "frozen_by", "frozen_reason"])
        record_on(row, "unfrozen", by=by)


def created(row: Cluster) -> None:
    """Give a new cluster its status. Every cluster has one."""
    ClusterStatus.objects.get_or_create(cluster=row)
