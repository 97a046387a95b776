"""Put the site's pipeline on clusters, note what is there, and remove what nobody needs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.errors import DomainError, OutsideError
from core_app.transitions import record_on
from processing_app.cluster import installing, open_shell
from processing_app.cluster.config import ClusterConfig
from processing_app.cluster.installing import Installed
from processing_app.cluster.package import (
    DEPLOYED,
    Package,
    begun_at,
    is_removable,
    package_of,
    place_of,
)
from processing_app.cluster.ports import Shell
from processing_app.models import Attempt, Cluster, Deployment, Run
from processing_app.planning import OVER
from processing_app.services import clusters
from processing_app.states import ACTIVE

# So long a deployment may take; what is older is a remain.
REMAINS_AFTER_S = 24 * 3600.0
LIST_S = 60.0
AGAIN = "Nothing half done is ever used. Mend that, then deploy again."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one cluster: `deployed`, `already there`, `nothing to deploy`, `would deploy`,
    `removed`, `would remove`, `failed`.
    """

    cluster: str
    outcome: str
    message: str
    version: str = ""
    digest: str = ""
    folder: str = ""
    python: str = ""

    @property
    def is_failure(self) -> bool:
        return self.outcome == "failed"


def deploy(row: Cluster, *, is_dry: bool = False, shell: Shell | None = None) -> Outcome:
    """Have the site's pipeline work on the cluster. Never raises what happens there: it says it."""
    config = clusters.config_of(row)
    if config.python_path:
        words = "It uses the site's own pipeline; nothing to deploy."
        return Outcome(row.name, "nothing to deploy", words)
    package = package_of(settings.BASE_DIR)
    try:
        with _opened(config, shell) as opened:
            return _dry(row, package, opened) if is_dry else _deploy(row, package, opened)
    except (DomainError, OutsideError) as trouble:
        return _failed(row, trouble)


def prune(row: Cluster, *, is_dry: bool = False, shell: Shell | None = None) -> list[Outcome]:
    """Remove the versions that no active run needs and that are not the newest, and old remains."""
    config = clusters.config_of(row)
    if config.python_path:
        return []
    try:
        with _opened(config, shell) as opened:
            return _Pruning(row, config, opened, is_dry).carry_out()
    except (DomainError, OutsideError) as trouble:
        return [_failed(row, trouble)]


@contextmanager
def _opened(config: ClusterConfig, shell: Shell | None) -> Iterator[Shell]:
    if shell is not None:
        yield shell
        return
    with open_shell(config) as opened:
        yield opened


def _failed(row: Cluster, trouble: DomainError | OutsideError) -> Outcome:
    if isinstance(trouble, DomainError):
        return Outcome(row.name, "failed", trouble.message)
    return Outcome(row.name, "failed", f"{str(trouble).rstrip('.')}. {AGAIN}")


def _dry(row: Cluster, package: Package, shell: Shell) -> Outcome:
    config = clusters.config_of(row)
    if (found := installing.look(package, config, shell)) is not None:
        words = "Its check would be repeated, and nothing copied if it passes."
        return _outcome(row, "already there", words, package, found.python)
    python = "an environment built there" if config.builds_environment else config.python
    words = f"It would be copied to {place_of(config.workdir)}, checked, and run by {python}."
    return _outcome(row, "would deploy", words, package, "")


def _deploy(row: Cluster, package: Package, shell: Shell) -> Outcome:
    done = installing.install(package, clusters.config_of(row), shell)
    _note(row, package, done)
    words = f"It is in {done.folder}, works, and is run by {done.python}."
    what = "deployed" if done.is_new else "already there"
    return _outcome(row, what, words, package, done.python)


def _outcome(row: Cluster, what: str, words: str, package: Package, python: str) -> Outcome:
    folder = f"{place_of(clusters.config_of(row).workdir)}/{package.folder_name}"
    return Outcome(row.name, what, words, package.version, package.digest, folder, python)


def _note(row: Cluster, package: Package, done: Installed) -> None:
    """Keep it as a row; a new one, and one that comes back, is an event of the cluster."""
    values: dict[str, Any] = {
        "folder": done.folder, "python": done.python, "checked": done.checked, "removed_at": None,
    }  # fmt: skip
    if done.is_new:
        values["deployed_at"] = timezone.now()
    key: dict[str, Any] = {"cluster": row, "version": package.version, "digest": package.digest}
    with transaction.atomic():
        was_known = Deployment.objects.filter(**key, removed_at=None).exists()
        Deployment.objects.update_or_create(**key, defaults=values)
        if done.is_new or not was_known:
            note = f"{package.version}, {package.digest[:8]}, {done.python}"[:250]
            record_on(row, "pipeline deployed", by=None, note=note)


def _needed(row: Cluster) -> set[int]:
    """Return the deployments that stay: the newest, and those of runs and jobs that are active."""
    rows = list(Deployment.objects.filter(cluster=row, removed_at=None).order_by("-deployed_at"))
    active = Run.objects.filter(cluster=row, state__in=ACTIVE)
    versions = set(active.values_list("pipeline_version", flat=True))
    used = Attempt.objects.exclude(state__in=OVER).exclude(deployment=None)
    return {
        *(one.pk for one in rows[:1]),
        *(one.pk for one in rows if one.version in versions),
        *used.values_list("deployment_id", flat=True),
    }


@dataclass(slots=True)
class _Pruning:
    """One look at what a cluster has, and what is removed of it."""

    row: Cluster
    config: ClusterConfig
    shell: Shell
    is_dry: bool

    def carry_out(self) -> list[Outcome]:
        stays = _needed(self.row)
        rows = Deployment.objects.filter(cluster=self.row, removed_at=None).exclude(pk__in=stays)
        return [*(self._version(old) for old in rows), *(self._remain(p) for p in self._remains())]

    def _version(self, old: Deployment) -> Outcome:
        name = old.folder.rpartition("/")[2]
        if not DEPLOYED.fullmatch(name) or not is_removable(old.folder, self.config.workdir):
            words = f"{old.folder} does not look like a deployed pipeline. Remove it by hand."
            return Outcome(self.row.name, "failed", words, old.version, old.digest, old.folder)
        if not self.is_dry:
            self._remove(old)
        words = f"No run needs {name}."
        return Outcome(self.row.name, self._word, words, old.version, old.digest, old.folder)

    @property
    def _word(self) -> str:
        return "would remove" if self.is_dry else "removed"

    def _remove(self, old: Deployment) -> None:
        """First nobody is sent there any more, then it loses its name, then it goes."""
        with transaction.atomic():
            Deployment.objects.filter(pk=old.pk).update(removed_at=timezone.now())
            note = f"{old.version}, {old.digest[:8]}"
            record_on(self.row, "pipeline removed", by=None, note=note)
        if self.shell.read(f"{old.folder}/{installing.MARK}") is not None:
            aside = installing.put_aside(old.folder, self.config, self.shell)
            installing.remove(aside, self.config, self.shell)

    def _remain(self, path: str) -> Outcome:
        if not self.is_dry:
            installing.remove(path, self.config, self.shell)
        return Outcome(self.row.name, self._word, "It is an old remain.", folder=path)

    def _remains(self) -> list[str]:
        """Return what deployments left on their way, and environments that nothing uses."""
        place = place_of(self.config.workdir)
        if "pipelines" not in self._names(self.config.workdir):
            return []
        kept = Deployment.objects.filter(cluster=self.row, removed_at=None)
        pythons = tuple(kept.values_list("python", flat=True))
        return [
            f"{place}/{name}"
            for name in self._names(place)
            if _is_old(name) and not any(one.startswith(f"{place}/{name}/") for one in pythons)
        ]

    def _names(self, folder: str) -> list[str]:
        answer = self.shell.run(["ls", "-1A", "--", folder], cwd="/", timeout=LIST_S)
        return answer.stdout.splitlines()


def _is_old(name: str) -> bool:
    begun = begun_at(name)
    return begun is not None and time.time() - begun > REMAINS_AFTER_S
