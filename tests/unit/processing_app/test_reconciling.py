"""What database, scheduler and disk say of the same jobs, compared."""

from datetime import UTC, datetime, timedelta

import pytest

from processing_app import reconciling
from processing_app.cluster.ports import JobId, JobSeen, JobState
from processing_app.job_folders import inside, listing, run_of, split
from processing_app.reconciling import ALL, REPAIRS, AttemptSeen, DeploymentSeen, Kind, Picture
from processing_app.states import AttemptState

A = AttemptState
BEGUN = datetime(2030, 1, 7, 12, tzinfo=UTC)
BEFORE = BEGUN - timedelta(minutes=5)
NAME = "ls-r7-65a0b1c2-precompute-488-left-a1"


def an_attempt(**facts):
    usual = {"pk": 3, "run": 7, "name": NAME, "state": A.RUNNING, "changed_at": BEFORE}
    return AttemptSeen(**{**usual, "job_id": "41", **facts})


def a_job(number="41", *, name=NAME, state=JobState.RUNNING):
    return JobSeen(JobId(number), name, state, f"/jobs/{name}")


def compare(*attempts, **facts):
    return reconciling.compare(Picture(BEGUN, attempts=attempts, **{"folders": {NAME}, **facts}))


def kinds(*attempts, **facts):
    return [one.kind for one in compare(*attempts, **facts)]


def test_nothing_differs_where_all_three_agree():
    assert compare(an_attempt(), jobs=[a_job()]) == []


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_job_at_work_without_an_attempt_is_named(state):
    (found,) = compare(jobs=[a_job(state=state)])

    assert (found.kind, found.subject, found.jobs) == (Kind.JOB_WITHOUT_ATTEMPT, NAME, ("41",))
    assert found.repair == "cancel the job"


@pytest.mark.parametrize("state", [A.LOST, A.FAILED, A.CANCELLED, A.SUCCEEDED])
def test_a_job_at_work_whose_attempt_is_over_is_named(state):
    (found,) = compare(an_attempt(state=state), jobs=[a_job()])

    assert (found.kind, found.row) == (Kind.JOB_WITHOUT_ATTEMPT, 3)


@pytest.mark.parametrize("state", [JobState.ENDED, JobState.GONE, JobState.UNKNOWN])
def test_a_job_that_is_not_surely_at_work_is_no_job_without_attempt(state):
    assert Kind.JOB_WITHOUT_ATTEMPT not in kinds(jobs=[a_job(state=state)])


def test_the_job_of_somebody_else_is_left_alone():
    assert compare(jobs=[a_job(name="ls-doctor-1f"), a_job(name="blender")], folders=()) == []


def test_an_attempt_that_ended_while_one_looked_is_left_for_the_next_time():
    moved = an_attempt(state=A.SUCCEEDED, changed_at=BEGUN + timedelta(seconds=1))

    assert compare(moved, jobs=[a_job()]) == []


def test_a_job_whose_id_was_never_saved_is_found_by_its_name():
    (found,) = compare(an_attempt(state=A.SUBMITTING, job_id=""), jobs=[a_job("44")])

    assert (found.kind, found.jobs, found.row) == (Kind.ID_NOT_SAVED, ("44",), 3)


def test_the_id_that_is_saved_is_that_of_a_job_at_work():
    ended = a_job("40", state=JobState.ENDED)

    (found,) = compare(an_attempt(job_id=""), jobs=[ended, a_job("44")])

    assert found.jobs == ("44",)


def test_of_several_jobs_the_recorded_one_is_kept():
    (found,) = compare(an_attempt(), jobs=[a_job("40"), a_job("41"), a_job("42")])

    assert (found.kind, found.jobs) == (Kind.SEVERAL_JOBS, ("40", "42"))


def test_of_several_jobs_the_oldest_is_kept_where_none_is_recorded():
    found = compare(an_attempt(job_id="9"), jobs=[a_job("41"), a_job("42")])

    assert [(one.kind, one.jobs) for one in found] == [(Kind.SEVERAL_JOBS, ("42",))]


def test_a_job_that_is_over_is_not_one_of_several():
    assert compare(an_attempt(), jobs=[a_job(), a_job("42", state=JobState.ENDED)]) == []


def test_a_job_that_the_scheduler_does_not_know_is_gone():
    assert kinds(an_attempt(), gone={"41"}) == [Kind.JOB_GONE]


def test_a_job_about_which_nothing_was_said_is_not_gone():
    assert kinds(an_attempt()) == []


@pytest.mark.parametrize("facts", [{"has_ended": True}, {"outcome": "succeeded"}])
def test_work_that_is_finished_and_was_not_seen_is_named_once(facts):
    assert kinds(an_attempt(**facts), gone={"41"})[-1] == Kind.FINISHED_UNSEEN


def test_a_folder_that_is_missing_is_named():
    assert kinds(an_attempt(), jobs=[a_job()], folders=()) == [Kind.FOLDER_MISSING]


def test_an_attempt_that_was_not_staged_has_no_folder_yet():
    assert compare(an_attempt(state=A.NEW, job_id=""), folders=()) == []


def test_a_success_that_came_late_names_the_page_of_its_run():
    late = an_attempt(state=A.LOST, reason="LOST", outcome="succeeded", may_be_late=True)

    (found,) = compare(late)

    assert found.kind == Kind.LATE_RESULT
    assert "/processing/runs/7/" in found.words


def test_a_failure_on_disk_is_no_late_success():
    assert compare(an_attempt(state=A.FAILED, outcome="failed", may_be_late=True)) == []


def test_a_folder_without_attempt_is_named():
    assert kinds() == [Kind.FOLDER_WITHOUT_ATTEMPT]


def test_a_folder_in_which_a_job_is_at_work_is_not_offered_for_removal():
    assert kinds(jobs=[a_job()]) == [Kind.JOB_WITHOUT_ATTEMPT]


def test_an_attempt_of_another_cluster_is_known_and_not_missed():
    assert compare(an_attempt(is_here=False), folders={NAME}) == []
    assert compare(an_attempt(is_here=False), folders=()) == []


def test_deployments_are_compared_with_what_is_there():
    rows = [
        DeploymentSeen(1, "1.0", "/jobs/pipelines/1.0-aa", is_there=True),
        DeploymentSeen(2, "1.1", "/jobs/pipelines/1.1-bb", is_there=False),
    ]

    found = compare(deployments=rows, deployed={"1.0-aa", "0.9-cc"}, folders=())

    assert [(one.kind, one.subject) for one in found] == [
        (Kind.DEPLOYMENT_MISSING, "/jobs/pipelines/1.1-bb"),
        (Kind.DEPLOYMENT_UNKNOWN, "pipelines/0.9-cc"),
    ]


def test_all_never_retries_a_run_and_never_touches_unknown_deployments():
    assert set(REPAIRS) - {Kind.LATE_RESULT, Kind.DEPLOYMENT_UNKNOWN} == ALL


# Names and places of folders.


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "ls-r7", "../ls-r7-a-b-a1", "ls-r7-a-b/../x-a1", "ls-r7-a-b-a1\n", "-rf",
     "ls-doctor-1f", ".archive", "ls-rx-a-b-a1"],
)  # fmt: skip
def test_no_other_folder_is_ever_touched(name):
    with pytest.raises(ValueError, match="is no folder of a job"):
        inside("/jobs", name)


@pytest.mark.parametrize("workdir", ["", "/", "//", "/jobs/../etc"])
def test_a_work_folder_that_makes_no_sense_is_refused(workdir):
    with pytest.raises(ValueError, match="is no folder of a job"):
        inside(workdir, NAME)


def test_a_folder_lies_directly_below_the_work_folder():
    assert inside("/jobs/", NAME) == f"/jobs/{NAME}"
    assert run_of(NAME) == 7


def test_a_listing_tells_jobs_from_pipelines_and_from_the_rest():
    version = "pipeline-1.0-0123abcd"
    others = ["pipelines", f"pipelines/{version}.partial-65a0b1c2-aabbcc", ".slots", "ls-x",
              "pipelines/env-0123456789ab-65a0b1c2-aabbcc", f"other/{NAME}"]  # fmt: skip

    assert split("\n".join([NAME, f"pipelines/{version}", *others])) == ({NAME}, {version})
    assert listing("/jobs")[:2] == ["find", "/jobs"]
