"""Logs of jobs: followed while they are written, downloaded afterwards."""

import gzip
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.errors import NotAllowed, NotReady
from processing_app.cluster.workdir import JobFolder
from processing_app.models import AttemptLog, Step
from processing_app.services import following
from processing_app.states import AttemptState
from tests.support import clusters, jobs

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def attempt(run):
    return jobs.at_work(run)


@pytest.fixture
def reader(client, researcher):
    client.force_login(researcher, backend="django.contrib.auth.backends.ModelBackend")
    return client


def address(name, attempt):
    return reverse(f"processing:{name}", args=[attempt.step.run_id, attempt.pk])


def tail(reader, attempt):
    return reader.get(address("log-tail", attempt)).content.decode()


def keep(attempt, text, *, cut=False):
    """As the driver keeps the log of a job that is over."""
    packed = gzip.compress(text.encode())
    AttemptLog.objects.update_or_create(attempt=attempt, defaults={"packed": packed, "is_cut": cut})


# Following.


def test_the_owner_of_a_run_follows_its_log(attempt, researcher):
    following.follow(attempt, by=researcher)

    attempt.refresh_from_db()
    left = attempt.log_wanted_until - timezone.now()
    assert timedelta(seconds=110) < left <= timedelta(minutes=2)


def test_a_stranger_does_not_follow(attempt, stranger):
    with pytest.raises(NotAllowed):
        following.follow(attempt, by=stranger)


def test_the_log_of_a_job_that_is_over_is_not_followed(run, researcher):
    clusters.drive_until_over(run, clusters.memory_cluster())

    with pytest.raises(NotReady, match="Download its log"):
        following.follow(clusters.only_attempt(run), by=researcher)


def test_of_an_array_the_last_lines_of_each_task_are_shown(run, reader):
    Step.objects.filter(run=run, position=0).update(tasks=3)
    cluster = clusters.memory_cluster(clusters.goes_on)
    attempt = clusters.drive_to(run, cluster, AttemptState.RUNNING)
    folder = JobFolder(cluster.scheduler.jobs_by_name[attempt.job_id].request.folder)
    for number in (0, 2):
        cluster.shell.make_folder(folder.task(number).path)
    cluster.shell.write(folder.task(0).stderr, b"begun\n" + b"x" * 9000 + b"\nplane 3 of 920\n")
    cluster.shell.write(folder.task(2).stderr, b"plane 7 of 920\n")
    reader.post(address("log-follow", attempt))

    clusters.tick(cluster)

    attempt.refresh_from_db()
    assert "begun" not in attempt.log_tail
    assert [line for line in attempt.log_tail.splitlines() if not line.startswith("x")] == [
        "--- task 0", "plane 3 of 920", "--- task 2", "plane 7 of 920",
    ]  # fmt: skip
    assert "plane 7 of 920" in tail(reader, attempt)


def test_what_the_driver_fetches_is_shown_with_its_time(run, researcher, reader):
    cluster = clusters.memory_cluster(clusters.goes_on)
    attempt = clusters.drive_to(run, cluster, AttemptState.RUNNING)
    folder = cluster.scheduler.jobs_by_name[attempt.job_id].request.folder
    cluster.shell.write(JobFolder(folder).stderr, b"plane 3 of 920\n")
    reader.post(address("log-follow", attempt))

    clusters.tick(cluster)

    attempt.refresh_from_db()
    page = tail(reader, attempt)
    assert "plane 3 of 920" in page
    assert f"{timezone.localtime(attempt.log_read_at):%H:%M:%S}" in page


def test_without_script_the_button_leads_to_a_page_with_the_log(attempt, reader):
    jobs.noted(attempt, log_tail="plane 3", log_read_at=timezone.now())

    page = reader.post(address("log-follow", attempt), follow=True).content.decode()

    assert 'id="log-tail"' in page
    assert "plane 3" in page


def test_with_script_the_button_brings_the_log_alone(attempt, reader):
    page = reader.post(address("log-follow", attempt), headers=HTMX).content.decode()

    assert 'hx-trigger="load, every 60s"' in page
    assert "<html" not in page


def test_an_open_page_asks_again_without_an_answer_to_show(attempt, reader):
    answer = reader.post(address("log-follow", attempt), {"again": "yes"}, headers=HTMX)

    attempt.refresh_from_db()
    assert answer.status_code == 204
    assert attempt.log_wanted_until


def test_an_open_page_is_told_to_stop_asking_when_the_job_is_over(run, reader):
    clusters.drive_until_over(run, clusters.memory_cluster())
    attempt = clusters.only_attempt(run)

    answer = reader.post(address("log-follow", attempt), {"again": "yes"}, headers=HTMX)

    assert answer.status_code == 286


def test_looking_at_the_log_asks_for_nothing(attempt, reader):
    tail(reader, attempt)

    attempt.refresh_from_db()
    assert attempt.log_wanted_until is None


def test_a_page_that_has_it_all_gets_nothing(attempt, reader):
    jobs.noted(attempt, log_tail="plane 3", log_read_at=timezone.now())
    stamp = reader.get(address("log-tail", attempt)).context["log"].stamp

    same = reader.get(address("log-tail", attempt), {"seen": stamp})
    jobs.noted(attempt, log_tail="plane 4", log_read_at=timezone.now())
    newer = reader.get(address("log-tail", attempt), {"seen": stamp})

    assert same.status_code == 204
    assert "plane 4" in newer.content.decode()


def test_what_a_job_writes_is_text_and_nothing_else(attempt, reader):
    log = "<script>alert(1)</script>\x1b[31mred\x1b[0m"
    jobs.noted(attempt, log_tail=log, log_read_at=timezone.now())

    page = tail(reader, attempt)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;red" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"log_read_at": None, "started_at": None}, "The job has not begun"),
        ({"log_read_at": None}, "It comes with the next look at the cluster"),
        ({"log_read_at": timezone.now(), "log_tail": ""}, "The job has written nothing yet."),
        ({"tasks": [0, 1]}, "Each task of this job writes a log of its own."),
    ],
)
def test_why_there_is_nothing_to_show_is_said(columns, words, attempt, reader):
    jobs.noted(attempt, **columns)

    assert words in tail(reader, attempt)


def test_a_silent_cluster_is_named_beside_the_old_log(attempt, run, reader):
    jobs.noted(attempt, log_tail="plane 3", log_read_at=timezone.now())
    jobs.silent(run)

    page = tail(reader, attempt)

    assert "The cluster default gives no answer" in page
    assert "plane 3" in page
    assert "login.example.org" not in page


def test_the_log_rests_when_the_job_is_over(run, reader):
    clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))
    attempt = clusters.only_attempt(run)

    page = tail(reader, attempt)

    assert "The job is over." in page
    assert "hx-trigger" not in page
    assert address("log-download", attempt) in page


def test_an_attempt_of_another_run_is_not_found(attempt, reader):
    other = reverse("processing:log-tail", args=[attempt.step.run_id + 1000, attempt.pk])

    assert reader.get(other).status_code == 404


@pytest.mark.parametrize("wanted", ["", "0", "x", "²", "9" * 30, "-1"])
def test_a_log_in_the_address_that_is_none_is_left_out(wanted, attempt, run, reader):
    page = reader.get(reverse("processing:run-detail", args=[run.pk]), {"log": wanted})

    assert page.status_code == 200
    assert 'id="log-tail"' not in page.content.decode()


# Downloading.


def test_the_kept_log_is_a_file(run, reader):
    clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))
    attempt = clusters.only_attempt(run)

    answer = reader.get(address("log-download", attempt))

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{attempt.job_name}.log"'
    assert "last words of the step" in answer.content.decode()


def test_a_log_that_was_cut_says_so_at_its_top(attempt, reader):
    keep(attempt, "the end", cut=True)

    text = reader.get(address("log-download", attempt)).content.decode()

    assert text.startswith("This log was too long to be kept whole")
    assert text.endswith("\n\nthe end")


def test_a_whole_log_is_given_as_it_was_written(attempt, reader):
    keep(attempt, "<b>\x1b[31mred\n")

    assert reader.get(address("log-download", attempt)).content.decode() == "<b>\x1b[31mred\n"


def test_a_log_that_was_not_kept_is_not_found(attempt, reader):
    assert reader.get(address("log-download", attempt)).status_code == 404
