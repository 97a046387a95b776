"""deploy_pipeline: what has its final name on a cluster works there, whatever happened before."""

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from core_app.errors import Misconfigured, Silent, Unreachable
from core_app.models import Event
from processing_app.cluster import cluster_of, installing, package
from processing_app.cluster.config import ClusterConfig
from processing_app.cluster.direct import Direct
from processing_app.cluster.ports import JobId
from processing_app.cluster.shell_local import LocalShell
from processing_app.models import Cluster, Deployment
from processing_app.services import clusters as rows
from processing_app.services import deploying, deployments, runs
from processing_app.states import RunState
from tests.support import clusters, disks, services

pytestmark = pytest.mark.django_db
MAIN = "import sys\nif sys.argv[1:] == ['check']:\n    print('python fine')\n    sys.exit({code})\n"


@pytest.fixture
def site(tmp_path, settings):
    """A small package in the place of the real one, so that a check takes no time."""
    settings.BASE_DIR = tmp_path / "site"
    write_package(settings.BASE_DIR)
    return settings.BASE_DIR


def write_package(root: Path, *, text: str = "", code: int = 0) -> None:
    folder = root / "pipeline"
    (folder / "steps/__pycache__").mkdir(parents=True, exist_ok=True)
    (folder / "steps/__pycache__/one.pyc").write_bytes(os.urandom(9))
    (folder / "__init__.py").write_text(text)
    (folder / "__main__.py").write_text(MAIN.format(code=code))
    (folder / "steps/one.py").write_text("NUMBER = 1\n")
    (folder / "requirements.txt").write_text("# nothing\n")


@pytest.fixture
def hpc(tmp_path):
    """A cluster without a pipeline of its own, reached by a shell of this machine."""
    return a_cluster(tmp_path / "the work")


def a_cluster(workdir: Path, name: str = "hpc", **fields: object) -> Cluster:
    workdir.mkdir(parents=True, exist_ok=True)
    row = Cluster.objects.create(
        name=name, kind=Cluster.Kind.SLURM_LOCAL, workdir=str(workdir), data_root="/data",
        **{"python": sys.executable, "builds_environment": False, **fields},
    )  # fmt: skip
    rows.created(row)
    return row


def place(row: Cluster) -> Path:
    return Path(row.workdir) / "pipelines"


def deploy(row: Cluster, **options: object) -> deploying.Outcome:
    return deploying.deploy(row, **{"shell": LocalShell(), **options})


def works(folder: str) -> bool:
    """Return True if the folder runs by itself, with the interpreter that its mark names."""
    mark = json.loads((Path(folder) / "deployed.json").read_text())
    done = subprocess.run(
        [mark["python"], "-m", "pipeline", "check"],
        env={"PYTHONPATH": folder}, cwd="/", check=False, capture_output=True,
    )  # fmt: skip
    return done.returncode == 0


def finals(row: Cluster) -> list[Path]:
    """Return the folders with a final name."""
    found = place(row).glob("pipeline-*") if place(row).exists() else []
    return [path for path in found if package.DEPLOYED.fullmatch(path.name)]


def command(**options: object) -> str:
    out = StringIO()
    call_command("deploy_pipeline", stdout=out, stderr=out, **options)
    return out.getvalue()


# What is copied.


def test_the_same_files_make_the_same_archive_and_others_another(site):
    first = package.package_of(site)
    os.utime(site / "pipeline/__init__.py", (1, 1))

    assert package.package_of(site) == first
    write_package(site, text="# changed\n")
    assert package.package_of(site).digest != first.digest


def test_caches_and_tests_stay_at_home(site):
    (site / "pipeline/tests").mkdir()
    (site / "pipeline/tests/test_one.py").touch()

    packed = package.package_of(site)

    with tarfile.open(fileobj=io.BytesIO(packed.archive)) as archive:
        assert archive.getnames() == [
            "pipeline/__init__.py", "pipeline/__main__.py", "pipeline/requirements.txt",
            "pipeline/steps/one.py",
        ]  # fmt: skip


# The way there.


def test_a_deployment_works_and_is_noted(site, hpc):
    done = deploy(hpc)

    row = Deployment.objects.get()
    assert (done.outcome, row.folder, row.python) == ("deployed", done.folder, sys.executable)
    assert row.checked == "python fine"
    assert works(done.folder)
    assert json.loads((Path(done.folder) / "deployed.json").read_text())["digest"] == row.digest
    assert Event.objects.filter(verb="pipeline deployed", object_id=hpc.pk).count() == 1
    assert [path.name for path in place(hpc).iterdir()] == [Path(done.folder).name]


def test_the_real_package_works_where_it_was_copied_to(hpc):
    done = deploy(hpc)

    assert done.outcome == "deployed", done.message
    assert "numpy" in Deployment.objects.get().checked


def test_a_second_time_nothing_is_copied(site, hpc):
    first = deploy(hpc)
    before = (Path(first.folder) / "deployed.json").stat().st_mtime_ns

    assert deploy(hpc).outcome == "already there"

    assert (Path(first.folder) / "deployed.json").stat().st_mtime_ns == before
    assert Event.objects.filter(verb="pipeline deployed").count() == 1


def test_a_dry_run_writes_nothing(site, hpc):
    done = deploy(hpc, is_dry=True)

    assert done.outcome == "would deploy"
    assert not place(hpc).exists()
    assert not Deployment.objects.exists()


def test_what_the_operator_wrote_for_jobs_holds_for_the_check(site, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python-of-module").symlink_to(sys.executable)
    prelude = f'PATH="{tmp_path}/bin:$PATH"\necho loading'
    row = a_cluster(tmp_path / "w", python="python-of-module", prelude=prelude)

    assert deploy(row).outcome == "deployed"


def test_a_check_that_fails_says_what_it_said_and_deploys_nothing(site, hpc):
    write_package(site, code=1)

    done = deploy(hpc)

    assert (done.outcome, done.is_failure) == ("failed", True)
    assert "python fine" in done.message
    assert "requirements.txt" in done.message
    assert list(place(hpc).iterdir()) == []
    assert not Deployment.objects.exists()


def test_a_python_that_is_too_old_is_refused_by_name(site, tmp_path):
    old = tmp_path / "old python"
    old.write_text("#!/bin/sh\nprintf '3.9.2 /usr/bin/python3'\n")
    old.chmod(0o755)

    done = deploy(a_cluster(tmp_path / "w", python=str(old)))

    assert "is Python 3.9.2; the pipeline needs 3.11 or newer" in done.message


def test_a_python_that_is_not_there_is_refused_by_name(site, tmp_path):
    done = deploy(a_cluster(tmp_path / "w", python="/opt/none/python3"))

    assert done.is_failure
    assert "/opt/none/python3" in done.message


@pytest.fixture
def small_disk(tmp_path):
    """A file system too small for the package of the test."""
    with disks.small_disk(tmp_path / "disk", "size=700k") as disk:
        yield disk


@pytest.mark.alone
def test_a_full_disk_leaves_nothing_that_is_used(site, small_disk):
    (site / "pipeline/large.py").write_text(f"# {os.urandom(400_000).hex()}\n")
    row = a_cluster(small_disk / "w")

    done = deploy(row)

    assert done.is_failure
    assert "No space left" in done.message
    assert finals(row) == []
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert deploy(row).outcome == "deployed"


@dataclass(slots=True)
class CutShell(LocalShell):
    """A connection that is lost at its nth call, `before` or `after` the cluster has obeyed."""

    nth: int
    moment: str
    calls: int = field(default=0, init=False)

    def _call(self, name: str, *arguments: object, **options: object) -> object:
        self.calls += 1
        if self.calls == self.nth and self.moment == "before":
            raise Silent("connection lost", "in the middle")
        if self.calls > self.nth:
            raise Silent("connection lost", "and still away")
        answer = getattr(LocalShell, name)(self, *arguments, **options)
        if self.calls == self.nth:
            raise Silent("connection lost", "in the middle")
        return answer

    def run(self, *arguments, **options):
        return self._call("run", *arguments, **options)

    def write(self, *arguments):
        return self._call("write", *arguments)

    def read(self, *arguments, **options):
        return self._call("read", *arguments, **options)

    def make_folder(self, *arguments):
        return self._call("make_folder", *arguments)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_that_is_lost_at_any_moment_leaves_nothing_broken(site, tmp_path, moment):
    for nth in range(1, 40):
        row = a_cluster(tmp_path / f"work {nth}", name=f"hpc-{nth}")
        shell = CutShell(nth, moment)
        done = deploy(row, shell=shell)

        assert all(works(str(folder)) for folder in finals(row))
        assert deploy(row).outcome in {"deployed", "already there"}
        assert works(Deployment.objects.get(cluster=row).folder)
        if not done.is_failure:
            assert nth > 8
            return
        assert "connection lost" in done.message
    raise AssertionError("it never came through")


def test_after_a_kill_before_the_mark_it_is_deployed_anew(site, hpc):
    folder = place(hpc) / package.package_of(site).folder_name
    (folder / "pipeline").mkdir(parents=True)
    (folder / "pipeline/__main__.py").write_text("half")

    assert deploy(hpc).outcome == "deployed"

    assert works(str(folder))


def test_a_folder_that_was_damaged_is_replaced(site, hpc):
    folder = deploy(hpc).folder
    (Path(folder) / "pipeline/__main__.py").write_text("raise SystemExit(3)")

    assert deploy(hpc).outcome == "deployed"

    assert works(folder)
    assert Event.objects.filter(verb="pipeline deployed").count() == 2


def test_of_two_deployments_at_once_one_is_used_by_both(site, hpc):
    config = rows.config_of(hpc)
    packed = package.package_of(site)
    meet = threading.Barrier(2)
    done: list[installing.Installed] = []

    class MeetingShell(LocalShell):
        def run(self, argv, **options):
            if argv[0] == "mv" and ".partial-" in argv[-2]:
                meet.wait(10)
            return super().run(argv, **options)

    def install(config: ClusterConfig) -> None:
        done.append(installing.install(packed, config, MeetingShell()))

    threads = [threading.Thread(target=install, args=(config,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(done) == 2
    assert len({one.folder for one in done}) == 1
    assert [path.name for path in place(hpc).iterdir()] == [packed.folder_name]
    assert works(done[0].folder)


# Environments.


@pytest.mark.alone
def test_versions_with_the_same_packages_share_an_environment(site, tmp_path):
    row = a_cluster(tmp_path / "w", builds_environment=True)
    first = deploy(row)
    write_package(site, text="# newer\n")
    second = deploy(row)

    assert first.folder != second.folder
    assert first.python == second.python
    assert first.python.startswith(f"{place(row)}/env-")
    assert works(second.folder)


@pytest.mark.alone
def test_an_environment_that_is_gone_is_built_anew(site, tmp_path):
    row = a_cluster(tmp_path / "w", builds_environment=True)
    first = deploy(row)
    Path(first.python).parents[1].rename(tmp_path / "gone")

    second = deploy(row)

    assert second.outcome == "deployed", second.message
    assert second.python != first.python
    assert works(second.folder)
    assert Deployment.objects.get().python == second.python


@pytest.mark.alone
def test_packages_that_cannot_be_had_are_named_and_nothing_is_deployed(site, tmp_path):
    wanted = "no-such-package @ file:///nowhere/no_such_package-1-py3-none-any.whl\n"
    (site / "pipeline/requirements.txt").write_text(wanted)
    row = a_cluster(tmp_path / "w", builds_environment=True)

    done = deploy(row)

    assert "pip failed" in done.message
    assert "no_such_package" in done.message
    assert [path.name for path in place(row).iterdir()] == []


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_the_real_package_gets_an_environment_of_its_own(tmp_path):
    names = {"PIP_CERT", "PIP_FIND_LINKS", "PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy"}
    found = {name: os.environ[name] for name in names & set(os.environ)}
    prelude = "\n".join(f"export {name}='{value}'" for name, value in found.items())
    row = a_cluster(tmp_path / "w", builds_environment=True, prelude=prelude)

    done = deploy(row)

    if "No matching distribution" in done.message or "Could not fetch" in done.message:
        services.missing("registry", "pip reaches none, so no environment can be built")
    assert done.outcome == "deployed", done.message
    assert "numpy" in Deployment.objects.get().checked


# What the driver makes of it.


def a_run_on(row: Cluster, imaged) -> runs.Run:
    run = clusters.a_planned_run(imaged)
    runs.Run.objects.filter(pk=run.pk).update(cluster=row)
    run.refresh_from_db()
    return run


def seen(row: Cluster) -> clusters.Cluster:
    return cluster_of(rows.config_of(row), LocalShell())


def test_a_deployment_is_found_by_the_run_that_needs_it(site, hpc, imaged):
    deploy(hpc)

    assert deployments.there(a_run_on(hpc, imaged), seen(hpc)) == Deployment.objects.get()


def test_a_folder_that_somebody_removed_is_noticed_and_comes_back(site, hpc, imaged):
    folder = Path(deploy(hpc).folder)
    run = a_run_on(hpc, imaged)
    folder.rename(folder.with_name("away"))

    assert deployments.there(run, seen(hpc)) is None
    assert Deployment.objects.get().removed_at is not None

    assert deploy(hpc).outcome == "deployed"
    assert deployments.there(run, seen(hpc)) == Deployment.objects.get()


def test_a_storage_that_is_not_mounted_says_nothing_of_what_is_deployed(site, hpc, imaged):
    deploy(hpc)
    run = a_run_on(hpc, imaged)
    workdir = Path(hpc.workdir)
    workdir.rename(workdir.with_name("elsewhere"))

    with pytest.raises(Unreachable):
        deployments.there(run, seen(hpc))

    assert Deployment.objects.get().removed_at is None


@pytest.fixture
def _no_job_stays(hpc):
    yield
    for pid in Path(hpc.workdir).glob("*/pid"):
        Direct(LocalShell(), hpc.workdir).cancel(JobId(pid.parent.name))


@pytest.mark.alone
@pytest.mark.usefixtures("_no_job_stays")
def test_jobs_run_the_version_that_was_deployed(hpc, imaged):
    deployed = deploy(hpc)
    clusters.deliver(imaged)
    run = a_run_on(hpc, imaged)
    shell = LocalShell()
    here = replace(
        clusters.real_cluster(), name="hpc", workdir=hpc.workdir, python="/opt/none",
        python_path="", shell=shell, scheduler=Direct(shell, hpc.workdir, slots=2),
    )  # fmt: skip

    run = clusters.drive_until_over(run, here, ticks=400, pause_s=0.05)

    assert run.state == RunState.SUCCEEDED, clusters.states_of(run)
    attempt = clusters.only_attempt(run)
    assert attempt.deployment == Deployment.objects.get()
    script = Path(hpc.workdir) / attempt.job_name / "job.sh"
    assert f"PYTHONPATH='{deployed.folder}'" in script.read_text()


# Pruning.


def two_versions(site: Path, row: Cluster) -> tuple[Deployment, Deployment]:
    deploy(row)
    write_package(site, text="# newer\n")
    deploy(row)
    newest, oldest = Deployment.objects.order_by("-deployed_at")
    Deployment.objects.filter(pk=oldest.pk).update(version="0.0.1")
    old = Path(oldest.folder)
    renamed = old.rename(old.with_name(f"pipeline-0.0.1-{oldest.digest[:8]}"))
    Deployment.objects.filter(pk=oldest.pk).update(folder=str(renamed))
    oldest.refresh_from_db()
    return oldest, newest


def prune(row: Cluster, **options: object) -> list[deploying.Outcome]:
    return deploying.prune(row, **{"shell": LocalShell(), **options})


def test_what_no_run_needs_is_removed_and_the_newest_stays(site, hpc):
    oldest, newest = two_versions(site, hpc)

    (outcome,) = prune(hpc)

    assert (outcome.outcome, outcome.folder) == ("removed", oldest.folder)
    assert not Path(oldest.folder).exists()
    assert works(newest.folder)
    oldest.refresh_from_db()
    assert oldest.removed_at is not None


def test_a_dry_run_removes_nothing(site, hpc):
    oldest, _ = two_versions(site, hpc)

    (outcome,) = prune(hpc, is_dry=True)

    assert outcome.outcome == "would remove"
    assert works(oldest.folder)


def test_a_version_that_an_active_run_needs_stays(site, hpc, imaged):
    oldest, _ = two_versions(site, hpc)
    run = a_run_on(hpc, imaged)
    runs.Run.objects.filter(pk=run.pk).update(pipeline_version="0.0.1")

    assert prune(hpc) == []
    assert works(oldest.folder)


@pytest.mark.parametrize(
    "path", ["/", "/etc", "{work}", "{work}/pipelines", "{work}/pipelines/a/.."]
)
def test_a_folder_that_deploying_does_not_make_is_never_removed(site, hpc, path):
    oldest, _ = two_versions(site, hpc)
    folder = path.format(work=hpc.workdir)
    Deployment.objects.filter(pk=oldest.pk).update(folder=folder)

    (outcome,) = prune(hpc)

    assert outcome.is_failure
    assert Path(hpc.workdir, "pipelines").exists()
    with pytest.raises(Exception, match="by hand"):
        installing.remove(folder, rows.config_of(hpc), LocalShell())


def test_old_remains_are_removed_and_what_may_be_at_work_stays(site, hpc):
    deploy(hpc)
    name = package.package_of(site).folder_name
    now = int(time.time())
    old, young = (f"{name}.partial-{at:x}-00ff00" for at in (now - 90_000, now))
    unused = f"env-{'0' * 12}-{now - 90_000:x}-00ff00"
    for folder in (old, young, unused, "notes of the operator"):
        (place(hpc) / folder).mkdir()

    prune(hpc)

    assert sorted(path.name for path in place(hpc).iterdir()) == sorted(
        [name, young, "notes of the operator"]
    )


# The command.


def test_the_site_s_own_processes_need_nothing(site):
    assert "uses the site's own pipeline; nothing to deploy" in command(cluster="default")


def test_the_command_says_where_it_is_now(site, hpc):
    text = command(cluster="hpc")

    assert "hpc: deployed pipeline" in text
    assert str(place(hpc)) in text


def test_the_command_speaks_json_and_nothing_else(site, hpc):
    document = json.loads(command(cluster="hpc", format="json"))

    assert [(one["cluster"], one["outcome"]) for one in document["clusters"]] == [
        ("hpc", "deployed")
    ]


def test_all_clusters_are_served_and_one_that_fails_does_not_keep_back_the_others(
    site, hpc, tmp_path
):
    a_cluster(tmp_path / "broken", name="broken", python="/opt/none", position=1)

    with pytest.raises(CommandError, match="broken"):
        command(all=True)

    assert Deployment.objects.get().cluster == hpc


def test_a_cluster_that_nobody_knows_is_refused_with_the_known_ones(hpc):
    with pytest.raises(CommandError, match=r"default.*hpc|hpc.*default"):
        command(cluster="cray")


def test_the_command_prunes_after_it_deployed(site, hpc):
    two_versions(site, hpc)

    assert "hpc: removed pipeline 0.0.1" in command(cluster="hpc", prune=True)


def test_what_ends_in_a_full_stop_gets_no_second_one(site, hpc, monkeypatch):
    def noisy(*_args, **_options):
        raise Misconfigured("noisy login", "Let its scripts print nothing.")

    monkeypatch.setattr(LocalShell, "run", noisy)

    assert "print nothing. Nothing half done" in deploy(hpc).message
