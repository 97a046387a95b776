"""What the pages of runs say of jobs and clusters."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.models import Mail
from processing_app.cluster.slurm_words import why_it_waits
from processing_app.models import Profile
from processing_app.selectors.attempts import gigabytes, ordinal
from processing_app.services import clusters as services
from processing_app.services import runs
from tests.support import clusters, jobs

pytestmark = pytest.mark.django_db
LIST = reverse("processing:run-list")


@pytest.fixture
def on_slurm(settings):
    settings.CLUSTER = "slurm-local"


@pytest.fixture
def seen_by(client):
    """Return the text of a page as a person sees it, with blanks as in a browser."""

    def look(person, address, **query):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return " ".join(client.get(address, query).content.decode().split())

    return look


def address(run):
    return reverse("processing:run-detail", args=[run.pk])


@pytest.fixture
def page_of(seen_by, researcher):
    return lambda run: seen_by(researcher, address(run))


@pytest.mark.parametrize(
    ("number", "word"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"),
     (21, "21st"), (111, "111th"), (1002, "1002nd")],
)  # fmt: skip
def test_places_are_counted_as_people_do(number, word):
    assert ordinal(number) == word


@pytest.mark.parametrize(
    ("megabytes", "words"),
    [(8000, "8.0 GB"), (999, "999 MB"), (0.2, "1 MB"), (1_500_000, "1500.0 GB")],
)
def test_memory_is_shown_in_what_schedulers_count(megabytes, words):
    assert gigabytes(megabytes) == words


# Waiting.


def test_a_waiting_job_shows_its_place_and_why_it_waits(run, page_of):
    jobs.in_queue(run)

    page = page_of(run)

    assert "3rd of 17 waiting" in page
    assert "waits because: Resources" in page
    assert "<code>PENDING</code>" in page
    assert "expected to begin <time" in page


def test_a_queue_that_tells_nothing_is_not_made_up(run, page_of):
    jobs.in_queue(run, queue_position=None, queue_length=None, expected_start_at=None, detail="")

    page = page_of(run)

    assert "waiting</p>" not in page
    assert "expected to begin" not in page
    assert "waits because" not in page


def test_an_expected_start_that_has_passed_is_not_shown(run, page_of):
    jobs.in_queue(run, expected_start_at=timezone.now() - timedelta(minutes=1))

    assert "expected to begin" not in page_of(run)


def test_the_place_of_a_job_that_runs_is_not_shown(run, page_of):
    jobs.at_work(run, queue_position=3, queue_length=17, detail="Resources")

    page = page_of(run)

    assert "of 17 waiting" not in page
    assert "waits because" not in page


def test_hostile_words_of_a_scheduler_are_text(run, seen_by, operator):
    jobs.in_queue(run, detail="<script>alert(1)</script>", word="<b>PENDING")

    page = seen_by(operator, address(run))

    assert "<script>alert" not in page
    assert "&lt;b&gt;PENDING" in page


# At work and afterwards.


def test_the_tasks_of_an_array_are_counted(run, page_of):
    jobs.array_at_work(run)

    assert "5 of 8 tasks done, 2 running, 1 waiting" in page_of(run)


def test_memory_asked_and_used_stand_side_by_side(run, page_of):
    jobs.at_work(run, resources={"memory_mb": 8000}, peak_memory_bytes=6100 * 2**20)

    assert "8.0 GB asked, 6.1 GB used" in page_of(run)


def test_used_memory_is_shown_where_none_was_asked_for(run, page_of):
    clusters.drive_until_over(run, clusters.memory_cluster())

    assert "memory: 48 MB used" in page_of(run)


def test_time_at_work_stands_beside_the_time_allowed(run, page_of):
    began = timezone.now() - timedelta(minutes=12)
    jobs.at_work(run, started_at=began, resources={"minutes": 480})

    assert "at work for 12 min of 8 h" in page_of(run)


def test_where_it_ran_is_shown_to_staff_and_how_it_ended_to_everybody(
    run, page_of, seen_by, operator, imager
):
    jobs.at_work(run, node="node-17", exit_code=137)

    assert "node-17" in seen_by(operator, address(run))
    for page in (page_of(run), seen_by(imager, address(run))):
        assert "node-17" not in page
        assert "137" in page


def test_the_words_of_a_refusal_are_for_staff(run, page_of, seen_by, processor, imager):
    jobs.refused(run)

    assert "account smith_lab" in seen_by(processor, address(run))
    for page in (page_of(run), seen_by(imager, address(run))):
        assert "smith_lab" not in page
        assert "The cluster refused the job." in page
        assert "Ask the operator" in page


def test_no_mail_has_the_words_of_a_refusal(run, processor, imager):
    jobs.refused(run)

    mails = Mail.objects.filter(event="run-failed")
    assert {mail.to for mail in mails} == {processor.email, imager.email}
    assert not mails.filter(text__contains="smith_lab").exists()


def test_computers_for_which_a_job_waits_are_named_to_staff(run, page_of, seen_by, operator):
    jobs.in_queue(run, detail=why_it_waits("ReqNodeNotAvail, UnavailableNodes:node-17"))

    assert "UnavailableNodes:node-17" in seen_by(operator, address(run))
    page = page_of(run)
    assert "node-17" not in page
    assert "waits because: A computer that it needs is not available." in page


@pytest.mark.parametrize("detail", ["down on node-17", "node-17", "rack4."])
def test_words_that_nobody_knows_are_for_staff(run, page_of, detail):
    jobs.in_queue(run, detail=detail)

    assert detail not in page_of(run)


def test_a_second_try_says_why_it_was_made(run, page_of, on_slurm):
    jobs.out_of_memory(run)

    page = page_of(run)

    assert "Tried again by itself after OUT_OF_MEMORY: 12000 instead of 8000 MB of memory" in page
    assert "The step ran out of memory." in page


def test_terminal_codes_of_a_log_are_not_shown(run, page_of):
    jobs.at_work(run, log_tail="\x1b[31m<script>red\x1b[0m")

    page = page_of(run)

    assert "&lt;script&gt;red" in page
    assert "\x1b" not in page


@pytest.mark.parametrize("make", [jobs.at_work, jobs.array_at_work])
def test_a_job_at_work_can_be_followed(make, run, page_of):
    attempt = make(run)

    assert reverse("processing:log-follow", args=[run.pk, attempt.pk]) in page_of(run)


def test_what_has_no_log_yet_cannot_be_followed(run, page_of):
    jobs.in_queue(run)

    assert "Follow the log" not in page_of(run)


def test_a_run_without_attempts_looks_right(run, page_of):
    page = page_of(run)

    assert "Waits for earlier steps" in page
    assert "Attempts" not in page


# The cluster.


def test_a_silent_cluster_is_named_without_its_computers(run, page_of):
    jobs.silent(run)

    page = page_of(run)

    assert "The cluster default gives no answer" in page
    assert "it is asked again by itself" in page
    assert "login.example.org" not in page
    assert "/admin/" not in page


def test_staff_read_what_was_said_and_go_to_the_console(run, seen_by, operator):
    jobs.silent(run)

    page = seen_by(operator, address(run))

    assert "login.example.org does not answer" in page
    assert reverse("admin:processing_app_cluster_change", args=[run.cluster_id]) in page


def test_a_paused_cluster_says_that_somebody_has_to_resume_it(run, page_of):
    jobs.silent(run, paused_at=timezone.now())

    page = page_of(run)

    assert "The cluster default is paused" in page
    assert "gives no answer" not in page


def test_a_frozen_cluster_says_why(run, page_of, operator):
    services.freeze(run.cluster, by=operator, reason="Maintenance <until> Thursday.")

    page = page_of(run)

    assert "The cluster default is frozen" in page
    assert "Maintenance &lt;until&gt; Thursday. Jobs at work there go on" in page


def test_the_cluster_does_not_matter_to_a_run_that_is_over(run, page_of):
    clusters.drive_until_over(run, clusters.memory_cluster())
    jobs.silent(run)

    assert "gives no answer" not in page_of(run)


def test_the_page_names_cluster_and_profile(run, page_of):
    run.profile = Profile.objects.create(cluster=run.cluster, name="large")
    run.save()

    assert "default, profile large" in page_of(run)


def test_processing_staff_may_run_it_again(run, seen_by, processor, researcher):
    link = reverse("processing:run-again", args=[run.pk])

    assert link in seen_by(processor, address(run))
    assert link not in seen_by(researcher, address(run))


# The list.


def test_the_list_says_why_a_run_waits(run, seen_by, researcher):
    jobs.in_queue(run)

    assert "3rd of 17 waiting · Resources" in seen_by(researcher, LIST)


def test_the_list_names_a_silent_cluster_to_everybody(run, seen_by, researcher, stranger):
    jobs.silent(run)

    assert "The cluster default gives no answer" in seen_by(researcher, LIST)
    assert "The cluster default gives no answer" in seen_by(stranger, LIST)


def test_the_list_is_quiet_while_all_is_well(run, seen_by, researcher):
    page = seen_by(researcher, LIST)

    assert "is-needs-you" not in page
    assert "All clusters" not in page


def test_the_list_can_be_filtered_by_cluster(run, other, seen_by, researcher):
    here = seen_by(researcher, LIST, cluster="default")
    there = seen_by(researcher, LIST, cluster="other")

    assert address(run) in here
    assert address(run) not in there
    assert "No run is on this cluster." in there


def test_filters_of_the_list_go_together(run, other, seen_by, researcher):
    page = seen_by(researcher, LIST, cluster="default", state="planned")

    assert (
        "cluster=default&amp;state=running" in page or "state=running&amp;cluster=default" in page
    )
    assert address(run) in page


@pytest.mark.parametrize("cluster", ["<script>", "nowhere", "²"])
def test_a_cluster_that_is_none_filters_nothing(cluster, run, seen_by, researcher):
    page = seen_by(researcher, LIST, cluster=cluster)

    assert address(run) in page
    assert "<script>alert" not in page


def test_the_list_takes_no_more_queries_for_more_runs(
    run, imaged, imager, seen_by, researcher, django_assert_max_num_queries
):
    with django_assert_max_num_queries(40) as few:
        seen_by(researcher, LIST)
    runs.cancel_run(run, by=None)
    clusters.image_again(imaged, by=imager, z_step_um=5.0)

    with django_assert_max_num_queries(len(few)):
        seen_by(researcher, LIST)
