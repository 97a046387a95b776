"""The site of the soak: its settings, its requests, and what became of every job in the end."""

import json
import os
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from tests.support.slurm import PrivateSlurm
from tests.support.sshd import Sshd

ROOT = Path(__file__).parents[2]
WORK = Path(__file__).with_name("work.sh")
PIPELINE = "soak"
# Seconds between two looks: short, so that much happens in little time.
LOOKS_S = 2
TASKS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one soak lies."""

    folder: Path

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    def environment(self, database_url: str, sshd: Sshd) -> dict[str, str]:
        """Return the settings of the site, which all its processes share."""
        access = sshd.access()
        return {
            "DJANGO_SETTINGS_MODULE": "lightserv_site.settings",
            "SECRET_KEY": "of-the-soak-only",
            "DATABASE_URL": database_url,
            "EMAIL_URL": f"file://{self.folder}/mails",
            "DATA_ROOT": str(self.folder / "data"),
            "CLUSTER": "slurm-ssh",
            "CLUSTER_HOST": access.host.name,
            "CLUSTER_PORT": str(access.host.port),
            "CLUSTER_USER": access.host.user,
            "CLUSTER_KEY": access.host.key_file,
            "CLUSTER_KNOWN_HOSTS": access.known_hosts_file,
            "CLUSTER_WORKDIR": str(self.folder / "jobs"),
            "CLUSTER_PYTHON": sys.executable,
            "CLUSTER_BUILDS_ENVIRONMENT": "0",
            "CLUSTER_POLL_INTERVAL": str(LOOKS_S),
            "HEARTBEAT_LIMIT": "40",
            "CLUSTER_ALARM_AFTER": "60",
        }

    def make(self) -> None:
        """Make the folders."""
        for name in ("data", "jobs", "ledger", "mails"):
            (self.folder / name).mkdir(parents=True)


def set_up(place: Place, *, samples: int, steps: int, seconds: float) -> None:
    """Bring the database up, deploy the pipeline, and begin the runs of so many samples."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("deploy_pipeline", cluster="default", stdout=StringIO())
    _usual_profile()
    _pipeline(place, steps=steps, seconds=seconds)
    begin_runs(samples)


def _usual_profile() -> None:
    """So little memory per job that several run at a time on a small node."""
    from processing_app.models import Cluster, Profile

    cluster = Cluster.objects.get(name="default")
    Profile.objects.create(
        cluster=cluster, name="usual", is_usual=True, cpus=1, memory_mb=300, minutes=10,
        most_cpus=1, most_memory_mb=2000, most_minutes=60,
    )  # fmt: skip


def _pipeline(place: Place, *, steps: int, seconds: float) -> None:
    """A facility's own pipeline; its last step has tasks."""
    from processing_app.models import SitePipeline, SiteStep

    row = SitePipeline.objects.create(name=PIPELINE, label="Soak")
    for number in range(1, steps + 1):
        is_last = number == steps
        SiteStep.objects.create(
            pipeline=row, position=number, key=f"work-{number}", label=f"Work {number}",
            command=["sh", str(WORK), str(place.ledger), "{out}", "{job}", "{task}", str(seconds)],
            unit="channel" if is_last else "sample", cpus=1, memory_mb=300, minutes=10,
        )  # fmt: skip


def begin_runs(samples: int) -> None:
    """Let so many more samples be imaged, and begin their runs."""
    from core_app.models import Lab, User
    from core_app.roles import Role
    from processing_app.models.site import SITE_PREFIX
    from processing_app.services import runs
    from requests_app.models import Request
    from tests.support import clusters
    from tests.support.people import a_person

    first = Request.objects.count()
    if not first:
        a_person("owner", lab=Lab.objects.create(name="River lab"))
        a_person("clearer", role=Role.CLEARER)
        a_person("imager", role=Role.IMAGER)
    owner, clearer, imager = (
        User.objects.get(username=name) for name in ("owner", "clearer", "imager")
    )
    for number in range(first, first + samples):
        plan = clusters.scenarios.a_plan(f"soak {number}")
        imaged = clusters.an_imaged_sample(owner, clearer=clearer, imager=imager, plan=plan)
        clusters.deliver(imaged)
        raw = clusters.image_again(imaged, by=imager)
        runs.start_run(f"{SITE_PREFIX}{PIPELINE}", raw.imaging_request, by=None)


def is_over() -> bool:
    """Return True once no run is planned or at work."""
    from processing_app.services import driving

    return not driving.is_active()


def progress() -> str:
    """Return how many attempts are in each state."""
    from processing_app.models import Attempt

    states = Counter(Attempt.objects.values_list("state", flat=True))
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def verdict(place: Place, slurm: PrivateSlurm) -> tuple[list[str], dict[str, object]]:
    """Return what is wrong, and what is worth knowing."""
    from processing_app.models import Attempt, Run, Step
    from processing_app.states import AttemptState, RunState

    wrong = [f"{run} is {run.state}" for run in Run.objects.exclude(state=RunState.SUCCEEDED)]
    for step in Step.objects.filter(run__state=RunState.SUCCEEDED).prefetch_related("attempts"):
        done = [a for a in step.attempts.all() if a.state == AttemptState.SUCCEEDED]
        if len(done) != 1:
            wrong.append(f"step {step.pk} ({step}) has {len(done)} attempts that succeeded")
    begun = Counter(_lines(place.ledger / "begun"))
    wrong += [f"{name} did its work {n} times" for name, n in begun.items() if n > 1]
    wrong += [f"{name} was at work beside another" for name in _lines(place.ledger / "at-once")]
    wrong += [f"a job is left: {line}" for line in slurm.call("squeue", "-h").splitlines()]
    wrong += _differences()
    reasons = Counter(
        Attempt.objects.exclude(state=AttemptState.SUCCEEDED).values_list("reason", flat=True)
    )
    facts: dict[str, object] = {
        "runs": Run.objects.count(),
        "steps": Step.objects.count(),
        "attempts": Attempt.objects.count(),
        "jobs that did work": len(begun),
        "attempts that were tried again, by reason": dict(reasons),
    }
    return wrong, facts


def _differences() -> list[str]:
    """What `reconcile` finds between database, scheduler and disk."""
    from django.core.management import CommandError, call_command

    answer = StringIO()
    with suppress(CommandError, SystemExit):  # it found something, which stands in its answer
        call_command("reconcile", "--dry-run", format="json", stdout=answer)
    document = json.loads(answer.getvalue())
    (report,) = document["clusters"]
    if report["trouble"]:
        return [f"reconcile: {report['trouble']}"]
    return [
        f"reconcile: {one['kind']} {one['subject']}: {one['words']}"
        for one in report["differences"]
    ]


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def enter(environment: dict[str, str]) -> None:
    """Make this process one of the site's."""
    os.environ.update(environment)
