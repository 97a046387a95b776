"""manage.py tidy_job_folders: old folders are packed, then removed, and nothing else is touched."""

import os
import subprocess
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from core_app.errors import Silent
from core_app.models import Event
from processing_app import tasks
from processing_app.cluster.shell_local import LocalShell
from processing_app.models import Attempt, ClusterStatus, Step
from processing_app.services import tidying
from processing_app.services.tidying import Ages, Tidied
from tests.support import clusters
from tests.support.commands import answer_of

pytestmark = pytest.mark.django_db
Folder = Attempt.Folder


@pytest.fixture
def step(run):
    return Step.objects.filter(run=run).order_by("position")[0]


def attempts_of(step, *, days, count=1, state="failed"):
    """Return attempts that ended so many days ago."""
    ended = timezone.now() - timedelta(days=days)
    first = step.attempts.count() + 1
    rows = [
        Attempt(step=step, number=number, state=state, finished_at=ended)
        for number in range(first, first + count)
    ]
    Attempt.objects.bulk_create(rows)
    return list(Attempt.objects.filter(step=step, number__gte=first).select_related("step__run"))


@pytest.fixture
def place(settings):
    """Return where a folder of an attempt lies, with files in it."""

    def place(attempt):
        folder = Path(settings.CLUSTER_WORKDIR) / attempt.job_name
        folder.mkdir()
        (folder / "stderr").write_text("last words\n")
        (folder / "task-0").mkdir()
        (folder / "task-0" / "result.json").write_text("{}")
        return folder

    return place


def archive_of(folder):
    return folder.parent / ".archive" / f"{folder.name}.tar.gz"


def tidy(*arguments):
    """Return what is said of the cluster, and the exit code."""
    document, code = answer_of("tidy_job_folders", *arguments)
    (one,) = document["clusters"]
    return one, code


def state_of(attempt):
    return Attempt.objects.get(pk=attempt.pk).folder_state


def test_an_old_folder_becomes_an_archive_that_holds_all_of_it(step, place):
    (attempt,) = attempts_of(step, days=15)
    folder = place(attempt)

    document, code = tidy()

    assert (document["compressed"], document["removed"], code) == (1, 0, 0)
    assert not folder.exists()
    with tarfile.open(archive_of(folder)) as archive:
        assert f"{folder.name}/task-0/result.json" in archive.getnames()
    assert state_of(attempt) == Folder.COMPRESSED


def test_young_and_active_attempts_keep_their_folders(step, place):
    (young,) = attempts_of(step, days=13)
    (active,) = attempts_of(step, days=50, state="running")
    folders = [place(young), place(active)]

    assert tidy()[0]["compressed"] == 0
    assert all(folder.is_dir() for folder in folders)
    assert (state_of(young), state_of(active)) == (Folder.KEPT, Folder.KEPT)


def test_an_archive_is_removed_in_the_end(step, place):
    (attempt,) = attempts_of(step, days=20)
    folder = place(attempt)
    tidy()

    document, _ = tidy("--remove-after", "19")

    assert document["removed"] == 1
    assert not archive_of(folder).exists()
    assert state_of(attempt) == Folder.REMOVED
    assert tidy("--remove-after", "19")[0]["removed"] == 0


def test_without_packing_the_folder_itself_is_removed(step, place):
    (attempt,) = attempts_of(step, days=100)
    folder = place(attempt)

    assert tidy("--compress-after", "0")[0]["removed"] == 1
    assert not folder.exists()


def test_never_means_never(step, place):
    (attempt,) = attempts_of(step, days=1000)
    folder = place(attempt)

    tidy("--compress-after", "0", "--remove-after", "0")

    assert folder.is_dir()


def test_a_dry_run_counts_and_does_nothing(step, place):
    (old,), (oldest,) = attempts_of(step, days=20), attempts_of(step, days=100)
    folders = [place(old), place(oldest)]

    document, _ = tidy("--dry-run")

    assert (document["compressed"], document["removed"]) == (1, 1)
    assert all(folder.is_dir() for folder in folders)


def test_a_folder_that_somebody_removed_is_noted(step, settings):
    (attempt,) = attempts_of(step, days=20)
    (settings.CLUSTER_WORKDIR / "else").mkdir()

    tidy()

    assert state_of(attempt) == Folder.REMOVED


def test_a_disk_that_is_not_mounted_says_nothing_about_folders(step):
    (attempt,) = attempts_of(step, days=20)

    document, code = tidy()

    assert "is its disk mounted?" in document["trouble"]
    assert code == 1
    assert state_of(attempt) == Folder.KEPT


def test_what_a_link_points_to_is_never_touched(step, place, settings, tmp_path):
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "brain.tif").write_bytes(b"x")
    (linked,), (linking,) = attempts_of(step, days=20), attempts_of(step, days=20)
    (settings.CLUSTER_WORKDIR / linked.job_name).symlink_to(outside)
    (place(linking) / "data").symlink_to(outside)

    tidy()
    tidy("--remove-after", "1")

    assert (outside / "brain.tif").read_bytes() == b"x"


def test_an_archive_folder_that_is_a_link_is_refused(step, place, settings, tmp_path):
    (attempt,) = attempts_of(step, days=20)
    folder = place(attempt)
    (tmp_path / "elsewhere").mkdir()
    (settings.CLUSTER_WORKDIR / ".archive").symlink_to(tmp_path / "elsewhere")

    assert tidy()[1] == 1
    assert folder.is_dir()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_full_disk_leaves_the_folder_and_no_half_archive(step, place, settings, tiny_disk):
    settings.CLUSTER_WORKDIR = tiny_disk
    (attempt,) = attempts_of(step, days=20)
    folder = place(attempt)
    (folder / "noise").write_bytes(os.urandom(200_000))

    document, code = tidy()

    assert (document["compressed"], code) == (0, 1)
    assert "No space left" in document["failed"][0]
    assert len((folder / "noise").read_bytes()) == 200_000
    assert [path.name for path in (tiny_disk / ".archive").iterdir()] == []
    assert state_of(attempt) == Folder.KEPT


def test_one_that_cannot_be_packed_does_not_stop_the_others(step, place):
    bad, good = attempts_of(step, days=20, count=2)
    places = [place(bad), place(good)]
    archive_of(places[0]).mkdir(parents=True)  # a folder where the archive would be

    document, code = tidy()

    assert (document["compressed"], code) == (1, 1)
    assert (state_of(bad), state_of(good)) == (Folder.KEPT, Folder.COMPRESSED)
    assert places[0].is_dir()


def test_a_folder_half_removed_is_not_packed_over_its_archive(step, place):
    (attempt,) = attempts_of(step, days=20)
    folder = place(attempt)
    archive_of(folder).parent.mkdir()
    subprocess.run(["tar", "-czf", archive_of(folder), folder.name], cwd=folder.parent, check=True)
    (folder / "stderr").unlink()

    tidy()

    with tarfile.open(archive_of(folder)) as archive:
        assert f"{folder.name}/stderr" in archive.getnames()
    assert not folder.exists()


class Fickle(LocalShell):
    """This machine, as seen over a line that breaks at the nth command, before or after it."""

    def __init__(self, nth, *, is_done):
        self.nth, self.is_done, self.calls = nth, is_done, 0

    def run(self, argv, *, cwd, timeout):
        self.calls += 1
        if self.calls != self.nth:
            return super().run(argv, cwd=cwd, timeout=timeout)
        if self.is_done:
            super().run(argv, cwd=cwd, timeout=timeout)
        raise Silent("no connection", "the line broke")


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_nothing_is_lost_wherever_the_line_breaks(
    nth, is_done, step, place, enter, monkeypatch, settings
):
    monkeypatch.setattr(tidying, "AT_ONCE", 1)
    old, older, oldest = (attempts_of(step, days=days)[0] for days in (20, 21, 100))
    folders = [place(attempt) for attempt in (old, older, oldest)]
    shell = Fickle(nth, is_done=is_done)
    enter(clusters.memory_cluster(shell=shell, workdir=str(settings.CLUSTER_WORKDIR)))

    document, code = tidy()

    assert "the line broke" in document["trouble"]
    assert code == 1
    assert all(folder.is_dir() or archive_of(folder).is_file() for folder in folders[:2])
    assert tidy()[1] == 0
    assert [state_of(one) for one in (old, older, oldest)] == [
        "compressed",
        "compressed",
        "removed",
    ]
    assert all(archive_of(folder).is_file() for folder in folders[:2])
    assert not any(folder.exists() for folder in folders)


def test_a_thousand_folders_take_few_commands(step, place, enter, settings):
    for attempt in attempts_of(step, days=20, count=1000):
        place(attempt)
    shell = Fickle(0, is_done=True)
    enter(clusters.memory_cluster(shell=shell, workdir=str(settings.CLUSTER_WORKDIR)))

    document, _ = tidy()

    assert document["compressed"] + document["left"] == 1000
    assert document["compressed"] > 0
    assert shell.calls <= 10


def test_what_the_time_does_not_allow_is_left_for_the_next_time(step, place, row):
    attempts = attempts_of(step, days=20, count=3)
    folders = [place(attempt) for attempt in attempts]

    (done,) = tidying.tidy_all([row], Ages(14, 90), budget_s=0.0)

    assert (done.compressed, done.left) == (0, 3)
    assert all(folder.is_dir() for folder in folders)


def test_the_schedule_tidies_and_leaves_paused_clusters_alone(step, place, row):
    (attempt,) = attempts_of(step, days=20)
    folder = place(attempt)
    ClusterStatus.objects.filter(cluster=row).update(paused_at=timezone.now())

    assert tasks.tidy_job_folders() == ""
    assert folder.is_dir()
    ClusterStatus.objects.filter(cluster=row).update(paused_at=None)
    assert tasks.tidy_job_folders() == "default: 1 folders compressed, 0 removed"
    assert Event.objects.filter(kind="cluster", verb="job folders tidied").count() == 1


def test_what_was_done_is_said_in_words():
    done = Tidied("hpc", compressed=2, removed=1, failed=["ls-r1 full"], left=3, trouble="silent")

    assert str(done) == (
        "hpc: 2 folders compressed, 1 removed; 3 left for the next time; failed: ls-r1 full; silent"
    )
