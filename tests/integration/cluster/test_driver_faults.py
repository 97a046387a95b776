"""Whatever breaks between the site and a real Slurm over SSH: the run ends as if nothing had been.

Each attempt is made once, its job runs once, and what was wrong is told where it can be seen.
"""

import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from core_app.errors import Silent
from core_app.models import Event
from processing_app.cluster.shell_ssh import SshShell
from processing_app.cluster.slurm import Slurm
from processing_app.models import Attempt, Cluster, ClusterStatus, Product, Profile
from processing_app.services import clusters as services
from processing_app.services import driving, runs
from processing_app.states import AttemptState, RunState
from tests.support import clusters
from tests.support import services as services_of_tests
from tests.support.clusters import drive_until_over, only_attempt, states_of, tick

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.ssh, pytest.mark.slurm]
A = AttemptState


@dataclass
class Cut:
    """A shell whose connection is cut when a word is about to be run for the nth time.

    `moment` is `during`: the sessions are killed while it runs; `after`: it ran, and the answer is
    lost on the way.
    """

    shell: SshShell
    sshd: object
    word: str = ""
    moment: str = "during"
    left: int = 0
    seen: list[str] = field(default_factory=list)

    def cut(self, word, moment, *, times=1):
        self.word, self.moment, self.left = word, moment, times

    def run(self, argv, *, cwd, timeout):
        if not self._is_it(" ".join(argv)):
            return self.shell.run(argv, cwd=cwd, timeout=timeout)
        if self.moment == "after":
            self.shell.run(argv, cwd=cwd, timeout=timeout)
            raise Silent("the connection was lost", "a test did it")
        with self._killing():
            return self.shell.run(argv, cwd=cwd, timeout=timeout)

    def read_many(self, wanted):
        if wanted and self._is_it("read_many"):
            with self._killing():
                return self.shell.read_many(wanted)
        return self.shell.read_many(wanted)

    def write(self, path, content):
        if self._is_it("write"):
            with self._killing():
                return self.shell.write(path, content)
        return self.shell.write(path, content)

    def read(self, path, **most):
        return self.shell.read(path, **most)

    def make_folder(self, path):
        return self.shell.make_folder(path)

    def _is_it(self, text):
        if not self.left or self.word not in text:
            return False
        self.left -= 1
        self.seen.append(text)
        return True

    def _killing(self):
        return Killing(self.sshd)


class Killing:
    """Kills the sessions again and again while a block runs, so that none survives it."""

    def __init__(self, sshd):
        self.sshd, self.over = sshd, threading.Event()
        self.thread = threading.Thread(target=self._kill)

    def _kill(self):
        while not self.over.is_set():
            self.sshd.kill_sessions()
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.fixture
def line(sshd):
    shell = SshShell(sshd.access())
    yield Cut(shell, sshd)
    shell.close()


@pytest.fixture
def cluster(line, slurm):
    cluster = clusters.real_cluster(heartbeat_limit_s=20.0)
    scheduler = Slurm(line, cluster.workdir, environment=slurm.environment)
    # A job that takes a moment can be met at work.
    yield replace(cluster, shell=line, scheduler=scheduler, prelude="sleep 1")
    line.left = 0
    slurm.kill(seen.id for seen in scheduler.jobs())


@pytest.fixture
def run(researcher, clearer, imager):
    imaged = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)
    clusters.deliver(imaged)
    return clusters.a_planned_run(imaged)


def on_its_way(run, cluster):
    """Drive until a job is in Slurm's hands, and not over as far as the site knows."""
    for _ in range(40):
        tick(cluster)
        attempt = only_attempt(run)
        if attempt.job_id and attempt.state in {A.QUEUED, A.RUNNING}:
            return attempt
    raise AssertionError(f"never on its way: {states_of(run)}")


def to_the_end(run, cluster):
    return drive_until_over(run, cluster, ticks=600, pause_s=0.1)


def assert_as_if_nothing_had_been(run, cluster):
    """One attempt each, one job each, each did its work once, and the volume is there."""
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED, states_of(run)
    assert set(map(tuple, states_of(run).values())) == {(A.SUCCEEDED,)}
    assert Product.objects.filter(step__run=run).count() == 1
    names = Counter(seen.name for seen in cluster.scheduler.jobs())
    assert names == Counter(attempt.job_name for attempt in Attempt.objects.all())
    assert len(clusters.folders("result.json")) == len(names)


@pytest.mark.parametrize("moment", ["during", "after"])
@pytest.mark.parametrize("word", ["sbatch", "sacct", "squeue"])
def test_a_connection_that_breaks_at_a_question(word, moment, run, line, cluster):
    line.cut(word, moment)

    to_the_end(run, cluster)

    assert len(line.seen) == 1
    assert_as_if_nothing_had_been(run, cluster)


@pytest.mark.parametrize("word", ["write", "read_many"])
def test_a_connection_that_breaks_while_files_are_moved(word, run, line, cluster):
    line.cut(word, "during", times=3)

    to_the_end(run, cluster)

    assert len(line.seen) == 3
    assert_as_if_nothing_had_been(run, cluster)


def test_an_accepted_job_whose_answer_was_lost_is_found_by_its_name(run, line, cluster):
    line.cut("sbatch", "after")
    tick(cluster)
    attempt = only_attempt(run)
    assert (attempt.state, attempt.job_id) == (A.SUBMITTING, "")

    to_the_end(run, cluster)

    assert_as_if_nothing_had_been(run, cluster)


def test_a_network_that_hangs_for_longer_than_a_tick(run, cluster, sshd):
    on_its_way(run, cluster)
    sshd.suspend()
    try:
        begun = time.monotonic()
        tick(cluster)
        took = time.monotonic() - begun
        assert took < 30
        status = ClusterStatus.objects.get(cluster__name="default")
        assert status.silent_since is not None
        assert only_attempt(run).state in {A.QUEUED, A.RUNNING}
    finally:
        sshd.resume()

    to_the_end(run, cluster)

    assert_as_if_nothing_had_been(run, cluster)
    verbs = Event.objects.filter(kind="cluster").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["fell silent", "answers again"]


@contextmanager
def cut_off(port):
    """Let no packet through to the server or back, as a cable that was pulled."""
    iptables = services_of_tests.program("iptables", service="ssh", package="iptables")
    rules = [["INPUT", "-p", "tcp", f"--{side}", str(port), "-j", "DROP"] for side in ENDS]
    for rule in rules:
        subprocess.run([iptables, "-I", *rule], check=True)
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run([iptables, "-D", *rule], check=True)


ENDS = ("dport", "sport")


def test_a_network_that_is_cut_for_longer_than_a_tick(run, cluster, sshd):
    on_its_way(run, cluster)
    with cut_off(sshd.port):
        for _ in range(2):
            tick(cluster)
        assert only_attempt(run).state in {A.QUEUED, A.RUNNING}
        assert ClusterStatus.objects.get(cluster__name="default").silent_since is not None

    to_the_end(run, cluster)

    assert_as_if_nothing_had_been(run, cluster)


def test_a_server_that_is_gone_for_a_while(run, cluster, sshd):
    on_its_way(run, cluster)
    sshd.stop()
    try:
        for _ in range(3):
            tick(cluster)
        assert only_attempt(run).state in {A.QUEUED, A.RUNNING}
    finally:
        sshd.start()

    to_the_end(run, cluster)

    assert_as_if_nothing_had_been(run, cluster)


def test_a_wrong_host_key_pauses_and_after_a_person_mended_it_all_goes_on(
    run, cluster, sshd, tmp_path, operator
):
    on_its_way(run, cluster)
    other = tmp_path / "hosts"
    words = Path(sshd.access().known_hosts_file).read_text().split()
    other.write_text(" ".join([words[0], "ssh-ed25519", _another_key(tmp_path)]) + "\n")
    impostor = SshShell(sshd.access(known_hosts_file=str(other)))
    wrong = replace(cluster, shell=impostor, scheduler=replace(cluster.scheduler, shell=impostor))

    tick(wrong)

    row = Cluster.objects.select_related("status").get(name="default")
    assert row.status.paused_at is not None
    assert "known_hosts" in row.status.trouble or "host key" in row.status.trouble
    services.resume(row, by=operator)
    to_the_end(run, cluster)
    assert_as_if_nothing_had_been(run, cluster)


def _another_key(folder):
    from tests.support.sshd import make_key

    make_key(folder / "another")
    return (folder / "another.pub").read_text().split()[1]


def test_a_controller_that_is_down_for_a_while(run, cluster, slurm):
    on_its_way(run, cluster)
    slurm.stop_slurmctld()
    try:
        for _ in range(2):
            tick(cluster)
        assert only_attempt(run).state not in {A.LOST, A.FAILED}
    finally:
        slurm.start_slurmctld()

    to_the_end(run, cluster)

    assert_as_if_nothing_had_been(run, cluster)


def test_accounting_that_is_down_for_a_while(run, cluster, slurm):
    slurm.stop_slurmdbd()
    try:
        for _ in range(20):
            tick(cluster)
    finally:
        slurm.start_slurmdbd()

    to_the_end(run, cluster)

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert set(map(tuple, states_of(run).values())) == {(A.SUCCEEDED,)}


def test_a_job_that_was_cancelled_from_outside_is_tried_again_and_people_read_why(
    run, cluster, slurm
):
    attempt = on_its_way(run, cluster)
    slurm.call("scancel", attempt.job_id)

    to_the_end(run, cluster)

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    tried = list(Attempt.objects.filter(step=attempt.step).order_by("number"))
    assert [one.state for one in tried] in ([A.FAILED, A.SUCCEEDED], [A.SUCCEEDED])
    if len(tried) == 2:
        born = Event.objects.get(kind="attempt", object_id=tried[1].pk, verb="created")
        assert born.note == "tried again by itself after CANCELLED"


# Takes 200 MB for a moment, as the lines before a step could.
HOG = "python3 -c 'x = bytearray(200 << 20); x[::4096] = bytes(len(x[::4096]))'"


def test_out_of_memory_for_real_is_tried_with_more_until_it_fits(run, cluster, settings):
    settings.CLUSTER = "slurm-ssh"
    Profile.objects.create(
        cluster=run.cluster, name="usual", is_usual=True, cpus=1, memory_mb=100, minutes=5,
        most_memory_mb=400, most_cpus=1,
    )  # fmt: skip

    to_the_end(run, replace(cluster, prelude=HOG))

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED, states_of(run)
    first = Attempt.objects.filter(step__run=run, step__position=0).order_by("number")
    assert [one.resources["memory_mb"] for one in first] == [100, 200, 400]
    assert [one.reason for one in first] == ["OUT_OF_MEMORY", "OUT_OF_MEMORY", ""]


def test_two_drivers_at_once_do_the_work_once(run, line, sshd, slurm, cluster):
    other_shell = SshShell(sshd.access())
    other = replace(
        cluster,
        shell=other_shell,
        scheduler=Slurm(other_shell, cluster.workdir, environment=slurm.environment),
    )

    def drive(mine):
        try:
            for _ in range(150):
                clusters.make_due()
                driving.tick(mine, budget=clusters.BUDGET)
                if not driving.is_active():
                    return
                time.sleep(0.05)
        finally:
            connection.close()

    threads = [threading.Thread(target=drive, args=(one,)) for one in (cluster, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other_shell.close()

    assert_as_if_nothing_had_been(run, cluster)


def test_a_database_that_is_gone_for_a_while(run, cluster, monkeypatch):
    on_its_way(run, cluster)

    def gone(*_):
        raise OperationalError("the server has gone away")

    with connection.execute_wrapper(gone), pytest.raises(OperationalError):
        driving.tick(cluster, budget=clusters.BUDGET)

    to_the_end(run, cluster)

    assert_as_if_nothing_had_been(run, cluster)


def test_a_cancelled_run_stops_its_job_for_good(run, cluster, processor, slurm):
    attempt = on_its_way(run, cluster)
    slurm.call("scontrol", "hold", attempt.job_id)
    runs.cancel_run(run, by=processor)

    to_the_end(run, cluster)

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    # One that had begun is listed as completing for a moment; one that is held stays for ever.
    clusters.wait_until(
        lambda: attempt.job_id not in slurm.call("squeue", "-h", "-o", "%i").split(), limit_s=30
    )
