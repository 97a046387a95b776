"""Clusters as rows: which takes a run, what people and silence do to one, and to no other."""

import time
from dataclasses import replace
from datetime import timedelta

import paramiko
import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from core_app.errors import Misconfigured, NotReady, Silent, Unreachable
from core_app.models import Event, Mail
from facility_app.doctor.cluster import fares
from facility_app.doctor.findings import examine
from processing_app import selectors, workflows
from processing_app.cluster.config import Host
from processing_app.cluster.ports import JobState, Resources
from processing_app.cluster.ssh_access import Hop
from processing_app.cluster.ssh_errors import of_opening
from processing_app.demands import OF_STEPS
from processing_app.models import (
    Attempt,
    Cluster,
    ClusterStatus,
    Profile,
    Run,
    Step,
    StepResources,
)
from processing_app.services import clusters as services
from processing_app.services import driving, runs
from processing_app.services.demands import Demands
from processing_app.states import AttemptState, RunState
from tests.support import clusters
from tests.support.clusters import drive_to, drive_until_over, only_attempt, tick

pytestmark = pytest.mark.django_db
A = AttemptState
GONE = Silent("no connection", "10.0.0.1 does not answer")


def status(row):
    return ClusterStatus.objects.get(cluster=row)


def verbs(row):
    events = Event.objects.filter(kind="cluster", object_id=row.pk).order_by("pk")
    return [event.verb for event in events]


def silent_for(row, **length):
    """As if the silence had begun so long ago."""
    begun = timezone.now() - timedelta(**length)
    ClusterStatus.objects.filter(cluster=row).update(silent_since=begun)


# Which cluster.


def test_a_run_goes_to_the_cluster_of_the_settings(run, default):
    assert run.cluster == default


def test_a_run_goes_to_the_first_cluster_that_takes_its_pipeline(imaged, default, other):
    Cluster.objects.filter(pk=default.pk).update(pipelines="check, verify")

    assert clusters.a_planned_run(imaged).cluster == other


def test_a_frozen_cluster_is_passed_over_if_another_takes_the_run(imaged, default, other, operator):
    services.freeze(default, by=operator, reason="maintenance")

    assert clusters.a_planned_run(imaged).cluster == other


def test_a_run_waits_for_a_frozen_cluster_if_no_other_takes_it(imaged, default, operator):
    services.freeze(default, by=operator, reason="maintenance")

    assert clusters.a_planned_run(imaged).cluster == default


def test_without_a_cluster_no_run_is_planned(imaged, default):
    Cluster.objects.filter(pk=default.pk).update(is_offered=False)

    with pytest.raises(NotReady, match="No cluster takes runs of the pipeline raw"):
        clusters.a_planned_run(imaged)


# What a row says.


def test_a_row_says_how_its_cluster_is_reached(other):
    other.jump_host, other.jump_user = "gate.example.org", "guest"

    config = services.config_of(other)

    assert config.host == Host("login.example.org", "light", "/etc/lightserv/key")
    assert config.jump == Host("gate.example.org", "guest", "/etc/lightserv/key")
    assert config.python_path == ""


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("", None),
        ("gate", Host("gate", "light", "/key")),
        ("guest@gate:2222", Host("gate", "guest", "/key", 2222)),
    ],
)
def test_a_jump_host_is_one_text_in_the_settings(text, host):
    assert services.host_of(text, "light", "/key") == host


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "-oProxyCommand=x"), ("host", "a b"), ("user", "a;b"), ("workdir", "scratch"),
        ("workdir", "/scratch/../etc"), ("workdir", "/"), ("key_file", "key"), ("name", "A B"),
        ("data_root", ""), ("user", ""), ("port", 0), ("port", 65536), ("jump_port", 70000),
        ("python", "-c"), ("python", "a b"), ("python", "bin/python"), ("python", "/bin/"),
        ("workdir", "/scratch/\u202egnp"), ("data_root", "/data\x07"),
    ],
)  # fmt: skip
def test_a_row_with_which_nobody_could_connect_is_refused(other, field, value):
    setattr(other, field, value)

    with pytest.raises(ValidationError) as refusal:
        other.full_clean()
    assert field in refusal.value.message_dict


@pytest.mark.parametrize(
    "options", ["--wrap=x", "gres=gpu:1", "--outp=/etc/x", "--arra=0-9", "--nodes=2", "-c 4"]
)
def test_options_that_are_the_site_s_own_or_none_are_refused(other, options):
    profile = Profile(cluster=other, name="gpu", options=options)

    with pytest.raises(ValidationError):
        profile.full_clean()


@pytest.mark.parametrize("lines", ["if then fi", "echo 'an open quote", "module load a\nfi"])
def test_lines_before_each_step_that_no_shell_can_read_are_refused(other, lines):
    for row in (other, Profile(cluster=other, name="gpu")):
        row.prelude = lines
        with pytest.raises(ValidationError) as refusal:
            row.full_clean()
        assert "prelude" in refusal.value.message_dict


@pytest.mark.parametrize(
    "lines", ["", "module load elastix\r\nexport A=b\r\n", "names=(a b)", "touch /nowhere/x"]
)
def test_lines_before_each_step_are_read_and_not_carried_out(other, lines, tmp_path):
    other.prelude = f"{lines}\ntouch '{tmp_path}/carried-out'"

    other.full_clean()

    assert not (tmp_path / "carried-out").exists()


def test_options_of_the_scheduler_are_taken(other):
    Profile(cluster=other, name="gpu", options="--gres=gpu:1\n--exclude=n1,n2").full_clean()


def test_resources_of_a_step_name_a_profile_of_the_same_cluster(other, default):
    profile = Profile.objects.create(cluster=default, name="gpu")

    with pytest.raises(ValidationError, match="another cluster"):
        StepResources(cluster=other, step="precompute", profile=profile).full_clean()


# Frozen: nothing is handed in, what is at work is watched.


def test_nothing_is_handed_in_on_a_frozen_cluster(run, cluster, default, operator):
    services.freeze(default, by=operator, reason="maintenance")

    for _ in range(3):
        tick(cluster)

    assert only_attempt(run).state == A.NEW
    assert cluster.scheduler.submissions == []


def test_a_job_at_work_is_finished_on_a_frozen_cluster(run, cluster, default, operator):
    attempt = drive_to(run, cluster, A.RUNNING)
    services.freeze(default, by=operator, reason="maintenance")

    for _ in range(3):
        tick(cluster)

    attempt.refresh_from_db()
    assert attempt.state == A.SUCCEEDED


def test_what_waits_for_a_frozen_cluster_can_be_cancelled(
    run, cluster, default, operator, processor
):
    services.freeze(default, by=operator, reason="maintenance")
    tick(cluster)
    runs.cancel_run(run, by=processor)

    tick(cluster)

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert cluster.scheduler.submissions == []


def test_a_long_line_to_be_handed_in_leaves_time_to_look(run, endless, monkeypatch):
    attempt = drive_to(run, endless, A.RUNNING)
    step = run.steps.get(name="precompute")
    for number in range(1, 60):
        Attempt.objects.create(step=step, number=number, state=A.STAGED)
    submit = type(endless.scheduler).submit

    def slow(scheduler, job):
        time.sleep(0.1)
        return submit(scheduler, job)

    monkeypatch.setattr(type(endless.scheduler), "submit", slow)
    clusters.make_due()

    summary = driving.tick(endless, budget=timedelta(seconds=4))

    assert summary.submitted < 59
    assert summary.polled > 0
    attempt.refresh_from_db()
    assert attempt.last_seen_at > timezone.now() - timedelta(seconds=10)


def test_after_a_thaw_everything_goes_on(run, cluster, default, operator):
    services.freeze(default, by=operator, reason="maintenance")
    tick(cluster)
    services.unfreeze(default, by=operator)

    assert drive_until_over(run, cluster).state == RunState.SUCCEEDED
    assert verbs(default) == ["frozen", "unfrozen"]


def test_freezing_needs_a_reason(default, operator):
    with pytest.raises(NotReady, match="Say why"):
        services.freeze(default, by=operator, reason="  ")


def test_freezing_twice_is_refused(default, operator):
    services.freeze(default, by=operator, reason="maintenance")

    with pytest.raises(NotReady, match="frozen already"):
        services.freeze(default, by=operator, reason="again")


# Silent: nothing is concluded; asked again, later and later; told; left alone; resumed.


def test_a_silent_cluster_changes_no_attempt(run, endless, default):
    before = drive_to(run, endless, A.RUNNING)
    endless.scheduler.failures.append(GONE)

    tick(endless)

    after = only_attempt(run)
    assert (after.state, after.trouble) == (before.state, "")
    assert status(default).trouble == str(GONE)
    assert verbs(default) == ["fell silent"]


def test_a_silent_cluster_is_asked_once_in_a_tick_not_once_per_attempt(run, endless):
    drive_to(run, endless, A.RUNNING)
    step = run.steps.get(name="precompute")
    for number in range(1, 20):
        Attempt.objects.create(step=step, number=number, state=A.NEW)
    endless.scheduler.failures.extend([GONE] * 30)

    tick(endless)

    assert len(endless.scheduler.failures) == 29


def test_what_was_not_tried_before_the_silence_need_not_be_looked_for(run, endless, monkeypatch):
    drive_to(run, endless, A.RUNNING)
    step = run.steps.get(name="precompute")
    for number in range(1, 5):
        Attempt.objects.create(step=step, number=number, state=A.STAGED)
    submitted = []

    def silent_at_the_second(_scheduler, job):
        submitted.append(job.name)
        if len(submitted) == 2:
            raise GONE
        return job.name

    monkeypatch.setattr(type(endless.scheduler), "submit", silent_at_the_second)

    tick(endless)

    states = [one.state for one in Attempt.objects.filter(step=step).order_by("number")]
    assert states == [A.QUEUED, A.SUBMITTING, A.STAGED, A.STAGED]


def test_a_silent_cluster_is_left_alone_for_a_while(run, endless, default):
    drive_to(run, endless, A.RUNNING)
    endless.scheduler.failures.append(GONE)
    tick(endless)

    assert services.with_work(at=timezone.now()) == []
    later = timezone.now() + timedelta(seconds=10)
    assert [row.name for row in services.with_work(at=later)] == ["default"]


def test_a_cluster_that_answers_again_is_as_before(run, cluster, default):
    drive_to(run, cluster, A.RUNNING)
    cluster.scheduler.failures.append(GONE)
    tick(cluster)

    drive_until_over(run, cluster)

    assert run.state == RunState.SUCCEEDED
    assert (status(default).silent_since, status(default).trouble) == (None, "")
    assert verbs(default) == ["fell silent", "answers again"]


def test_operators_are_told_of_a_long_silence_once_and_of_its_end(run, cluster, default, operator):
    drive_to(run, cluster, A.RUNNING)
    for minutes in (0, 20, 40):
        silent_for(default, minutes=minutes)
        cluster.scheduler.failures.append(GONE)
        tick(cluster)
    tick(cluster)

    mails = Mail.objects.filter(event__startswith="cluster-").order_by("pk")
    assert [mail.event for mail in mails] == ["cluster-silent", "cluster-answers"]
    assert {mail.to for mail in mails} == {operator.email}
    assert "10.0.0.1 does not answer" in mails[0].text


def test_a_cluster_that_is_silent_for_a_day_is_paused_until_somebody_resumes_it(
    run, cluster, default, operator
):
    drive_to(run, cluster, A.RUNNING)
    silent_for(default, hours=25)
    cluster.scheduler.failures.append(GONE)
    tick(cluster)
    assert status(default).paused_at is not None
    assert services.with_work(at=timezone.now() + timedelta(days=30)) == []

    services.resume(default, by=operator)

    assert [row.name for row in services.with_work(at=timezone.now())] == ["default"]
    assert drive_until_over(run, cluster).state == RunState.SUCCEEDED
    assert Mail.objects.filter(event="cluster-paused").count() == 1
    assert verbs(default) == ["paused", "resumed"]


def test_a_wrong_key_pauses_the_cluster_at_once(run, endless, default, operator):
    drive_to(run, endless, A.RUNNING)
    endless.scheduler.failures.append(Misconfigured("host key", "It is another one."))

    tick(endless)

    assert status(default).paused_at is not None
    assert only_attempt(run).state == A.RUNNING
    assert "It is another one." in Mail.objects.get(event="cluster-paused").text


def test_what_is_neither_paused_nor_silent_cannot_be_resumed(default, operator):
    with pytest.raises(NotReady, match="neither paused nor silent"):
        services.resume(default, by=operator)


# Several clusters, and how often each is asked.


def test_a_cluster_touches_only_its_own_attempts(run, cluster, other):
    driving.plan(driving.TickSummary())
    Run.objects.filter(pk=run.pk).update(cluster=other)

    for _ in range(3):
        tick(cluster)

    assert only_attempt(run).state == A.NEW


def test_one_cluster_that_cannot_be_opened_does_not_hold_up_the_others(
    imaged, run, other, settings, monkeypatch
):
    settings.CLUSTER = "memory"
    shared = clusters.memory_cluster()
    monkeypatch.setattr("processing_app.cluster.scheduler_memory.shared", lambda: shared)
    Cluster.objects.filter(pk=other.pk).update(key_file="/nowhere/key", position=0)
    failing = Run.objects.create(
        imaging_request=imaged, pipeline="check", cluster=other, state=RunState.RUNNING,
        pipeline_version="1", active_key="other",
    )  # fmt: skip
    step = failing.steps.create(position=0, key="x", name="inspect_raw", label="x")
    Attempt.objects.create(step=step, number=1, state=A.QUEUED, job_id="1")

    for _ in range(10):
        clusters.make_due()
        workflows.drive(clusters.BUDGET)

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert Attempt.objects.get(step=step).state == A.QUEUED


def test_a_shared_scheduler_is_asked_once_in_its_interval_however_many_drive(run):
    cluster = clusters.memory_cluster(clusters.goes_on, between_looks_s=30.0)
    drive_to(run, cluster, A.RUNNING)
    clusters.make_due()
    before = cluster.scheduler.polls

    for _ in range(4):
        driving.tick(cluster, budget=clusters.BUDGET)

    assert cluster.scheduler.polls == before + 1


def test_jobs_that_are_due_within_the_interval_are_asked_about_with_the_others(run):
    cluster = clusters.memory_cluster(clusters.goes_on, between_looks_s=30.0)
    attempt = drive_to(run, cluster, A.RUNNING)
    clusters.make_due()
    soon = timezone.now() + timedelta(seconds=12)
    Attempt.objects.filter(pk=attempt.pk).update(next_look_at=soon)
    before = cluster.scheduler.polls

    driving.tick(cluster, budget=clusters.BUDGET)

    assert cluster.scheduler.polls == before + 1


def test_a_scheduler_that_is_slow_is_asked_more_rarely(default):
    services.poll_took("default", 12.0, interval_s=30.0)

    assert status(default).next_poll_at > timezone.now() + timedelta(seconds=110)


def test_somebody_who_cancels_does_not_wait_for_the_interval(run, processor):
    cluster = clusters.memory_cluster(clusters.goes_on, between_looks_s=30.0)
    drive_to(run, cluster, A.RUNNING)
    runs.cancel_run(run, by=processor)

    driving.tick(cluster, budget=clusters.BUDGET)

    assert only_attempt(run).state == A.CANCELLING


def test_a_waiting_job_shows_its_place_in_the_queue(run):
    cluster = clusters.memory_cluster(clusters.goes_on)
    cluster.scheduler.slots = 0
    attempt = drive_to(run, cluster, A.QUEUED)

    tick(cluster)

    attempt.refresh_from_db()
    assert (attempt.queue_position, attempt.queue_length) == (1, 1)


# What jobs ask for.


@pytest.fixture
def on_slurm(settings, default):
    """The cluster of the settings is a Slurm; the scheduler in memory stands for it."""
    settings.CLUSTER = "slurm-local"
    Profile.objects.create(
        cluster=default, name="usual", is_usual=True, partition="normal", account="lab",
        most_memory_mb=12_000, most_minutes=600,
    )  # fmt: skip


def asked(cluster):
    """What each job that was handed in asked for, in order."""
    return [job.request.resources for job in cluster.scheduler.jobs_by_name.values()]


def test_a_job_asks_for_what_code_and_profile_say(run, endless, on_slurm):
    drive_to(run, endless, A.RUNNING)

    assert asked(endless)[0] == Resources(
        cpus=2, memory_mb=4_000, minutes=240, partition="normal", account="lab"
    )


def preludes(cluster, attempt):
    """Return the lines that run before the step, in order."""
    names = sorted(path for path in cluster.shell.files if "/prelude-" in path)
    return [
        cluster.shell.files[path].decode().strip() for path in names if attempt.job_name in path
    ]


def test_the_lines_of_the_usual_profile_run_after_those_of_the_cluster(run, endless, on_slurm):
    Profile.objects.update(prelude="module load cuda")

    attempt = drive_to(run, replace(endless, prelude="module load elastix"), A.RUNNING)

    assert preludes(endless, attempt) == ["module load elastix", "module load cuda"]


def test_the_lines_are_those_of_the_profile_that_says_what_is_asked_for(
    run, endless, on_slurm, default
):
    Profile.objects.update(prelude="usual")
    large = Profile.objects.create(
        cluster=default, name="large", partition="big", prelude="large", is_usual=False
    )
    StepResources.objects.create(cluster=default, step="inspect_raw", profile=large)

    attempt = drive_to(run, endless, A.RUNNING)

    assert asked(endless)[0].partition == "big"
    assert preludes(endless, attempt) == ["large"]


def test_the_profile_of_a_run_stands_above_that_of_the_step(run, endless, on_slurm, default):
    for name in ("large", "gpu"):
        Profile.objects.create(cluster=default, name=name, prelude=name)
    large, gpu = (Profile.objects.get(name=name) for name in ("large", "gpu"))
    StepResources.objects.create(cluster=default, step="inspect_raw", profile=large)
    Run.objects.filter(pk=run.pk).update(profile=gpu)

    attempt = drive_to(run, endless, A.RUNNING)

    assert preludes(endless, attempt) == ["gpu"]


def test_resources_of_a_step_stand_above_code_and_profile(run, endless, on_slurm, default):
    StepResources.objects.create(cluster=default, step="inspect_raw", cpus=6, memory_mb=9_000)

    drive_to(run, endless, A.RUNNING)

    assert (asked(endless)[0].cpus, asked(endless)[0].memory_mb) == (6, 9_000)


def merging(**changes):
    """Return a step that merges 3 × 4 tiles of 2048 × 2048 pixels."""
    said = {
        "name": "merge_tiles", "plane_yx": [2048, 2048],
        "inputs": {"columns": 3, "rows": 4, "planes": 1000},
    }  # fmt: skip
    return Step(**(said | changes))


def memory_asked(run, step):
    return Demands().of(step, run).memory_mb


def test_memory_is_foreseen_from_the_planes_that_the_check_found(run, on_slurm):
    narrow, wide = (merging(plane_yx=[side, side]) for side in (512, 1024))

    assert 256 < memory_asked(run, narrow) < memory_asked(run, wide) < 12_000


def test_more_cores_need_more_memory(run, on_slurm):
    few, many = (merging(plane_yx=[512, 512], resources={"cpus": cpus}) for cpus in (1, 8))

    assert memory_asked(run, few) < memory_asked(run, many)


def test_what_is_foreseen_stays_within_the_most_that_is_allowed(run, on_slurm):
    assert memory_asked(run, merging(plane_yx=[9000, 9000])) == 12_000


@pytest.mark.parametrize("said", [{"memory_mb": 700}, {"memory_mb": 11_000}])
def test_what_a_person_says_stands_above_what_is_foreseen(run, on_slurm, said):
    assert memory_asked(run, merging(resources=said)) == said["memory_mb"]


@pytest.mark.parametrize("change", [{"plane_yx": []}, {"inputs": {}}])
def test_what_cannot_be_foreseen_is_asked_for_as_usual(run, on_slurm, change):
    usual = OF_STEPS["merge_tiles"].memory_mb

    Profile.objects.update(most_memory_mb=0)

    assert memory_asked(run, merging(**change)) == usual


def test_out_of_memory_is_tried_with_more_up_to_the_most_then_asks(run, on_slurm):
    cluster = clusters.memory_cluster(clusters.fail_with("OUT_OF_MEMORY"))

    drive_until_over(run, cluster)

    assert [one.memory_mb for one in asked(cluster)] == [4_000, 8_000, 12_000]
    assert run.state == RunState.FAILED
    ended = Event.objects.get(kind="run", object_id=run.pk, to=RunState.FAILED)
    assert "asked for 12000 MB, the most that is allowed" in ended.note


def test_a_time_limit_is_tried_with_more_time(run, endless, on_slurm):
    attempt = drive_to(run, endless, A.RUNNING)
    job = endless.scheduler.jobs_by_name[attempt.job_id]
    job.state, job.reason = JobState.ENDED, "TIME_LIMIT"

    drive_to(run, endless, A.RUNNING)

    assert [one.minutes for one in asked(endless)] == [240, 480]


def test_every_try_by_itself_is_an_event_that_says_why(run, on_slurm):
    drive_until_over(run, clusters.memory_cluster(clusters.fail_with("OUT_OF_MEMORY", times=1)))

    second = Attempt.objects.get(step__run=run, number=2)
    event = Event.objects.get(kind="attempt", object_id=second.pk, verb="created")
    assert event.note == (
        "tried again by itself after OUT_OF_MEMORY: 8000 instead of 4000 MB of memory"
    )


def test_a_retry_by_a_person_begins_with_what_is_usual(run, on_slurm, processor):
    drive_until_over(run, clusters.memory_cluster(clusters.fail_with("OUT_OF_MEMORY")))
    runs.retry_run(run, by=processor)
    cluster = clusters.memory_cluster()

    drive_until_over(run, cluster)

    assert asked(cluster)[0].memory_mb == 4_000


def test_on_this_host_nothing_is_asked_for_but_cores(run, endless, settings):
    settings.CLUSTER_THREADS = 3

    drive_to(run, endless, A.RUNNING)

    assert asked(endless)[0] == Resources(cpus=3)


def test_a_version_that_is_not_there_is_refused_with_the_command_that_brings_it(run):
    cluster = replace(clusters.memory_cluster(), python_path="")

    drive_until_over(run, cluster)

    attempt = only_attempt(run)
    assert (attempt.state, attempt.reason) == (A.FAILED, "VERSION_MISMATCH")
    assert "manage.py deploy_pipeline --cluster default" in attempt.message
    assert cluster.scheduler.submissions == []


def test_a_word_that_nobody_knows_yet_is_waited_for(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.jobs_by_name[attempt.job_id].state = JobState.UNKNOWN

    for _ in range(3):
        tick(endless)

    assert only_attempt(run).state == A.RUNNING


def a_changed_host_key():
    """Return what is said of it, on a machine with long names."""
    hop = Hop(Host("login.cluster.example.org", "lightserv", "/etc/lightserv/key", 2222), "/h" * 30)
    keys = [paramiko.ECDSAKey.generate() for _ in range(2)]
    problem = paramiko.BadHostKeyException(hop.host.name, *keys)
    return of_opening(problem, hop, is_connected=True)


def test_a_warning_of_another_host_key_is_told_whole(run, endless, default, operator):
    warning = a_changed_host_key()
    drive_to(run, endless, A.RUNNING)
    endless.scheduler.failures.append(warning)

    tick(endless)

    assert status(default).trouble == str(warning)
    mail = Mail.objects.get(event="cluster-paused")
    assert str(warning) in " ".join(mail.text.split())
    assert str(warning) in one_line_of(default)


def one_line_of(row):
    """What doctor says of the cluster's status."""
    return examine(row.name, "status", lambda: fares(row)).found


# Answers in part: what waits for the rest is shown, told once, and goes on.

NO_ACCOUNTS = Unreachable("no answer of Slurm", "sacct failed (1): db.example.org is down")


def handed_in_without_an_id(run, cluster, **waited):
    """As if a driver had died while it handed the job in; the cluster then answers in part."""
    attempt = drive_to(run, cluster, A.RUNNING)
    Attempt.objects.filter(pk=attempt.pk).update(state=A.SUBMITTING, job_id="")
    cluster.scheduler.failures.append(NO_ACCOUNTS)
    tick(cluster)
    begun = timezone.now() - timedelta(**waited)
    ClusterStatus.objects.update(part_silent_since=begun)


def test_an_attempt_that_waits_for_a_part_of_the_cluster_shows_on_the_cluster(
    run, endless, default
):
    handed_in_without_an_id(run, endless)

    (trouble,) = selectors.troubles([default])
    assert trouble.headline == "The cluster default answers only in part"
    assert trouble.said == str(NO_ACCOUNTS)
    assert status(default).silent_since is None
    assert not selectors.overview(run).cluster_troubles


def test_operators_are_told_once_that_a_cluster_answers_in_part_and_when_that_is_over(
    run, endless, default, operator
):
    handed_in_without_an_id(run, endless, minutes=20)
    for _ in range(2):
        endless.scheduler.failures.append(NO_ACCOUNTS)
        tick(endless)
    tick(endless)

    mails = Mail.objects.filter(event__startswith="cluster-").order_by("pk")
    assert [mail.event for mail in mails] == ["cluster-partly-silent", "cluster-answers-in-full"]
    assert "db.example.org is down" in mails[0].text
    assert only_attempt(run).state == A.RUNNING
    assert not selectors.troubles([Cluster.objects.get(pk=default.pk)])
    assert verbs(default) == ["answers in part", "answers in full"]


def test_nothing_is_said_of_the_parts_of_a_cluster_that_is_silent(run, endless, default):
    handed_in_without_an_id(run, endless, minutes=20)
    endless.scheduler.failures.append(GONE)

    tick(endless)

    (trouble,) = selectors.troubles([Cluster.objects.get(pk=default.pk)])
    assert trouble.what == "gives no answer"
    assert not Mail.objects.filter(event="cluster-partly-silent").exists()


def test_a_cancelled_run_leaves_no_trouble_on_its_cluster(run, endless, default, processor):
    endless.shell.failures = [Unreachable("work folder", "stale handle")]
    tick(endless)
    assert status(default).part_silent_since
    runs.cancel_run(run, by=processor)

    tick(endless)

    assert (status(default).part_silent_since, status(default).part_trouble) == (None, "")


def test_a_scheduler_that_contradicts_itself_is_not_missing_an_answer(run, endless, default):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.forgotten.add(attempt.job_id)

    tick(endless)

    assert only_attempt(run).trouble
    assert status(default).part_silent_since is None
