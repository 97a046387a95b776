"""Runs that are made again with other parameters."""

import pytest
from django.urls import reverse

from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import Event
from imaging_app.workflows import complete_imaging
from processing_app import selectors, workflows
from processing_app.demands import Needs
from processing_app.models import Attempt, Cluster, Profile, Run, StepResources
from processing_app.plans import obstacle_to_retry
from processing_app.services import clusters as services
from processing_app.services import rerunning, runs
from processing_app.services.runs import Wishes
from processing_app.states import AttemptState, RunState
from requests_app.workflows import reopen_imaging
from tests.support import clusters, jobs

pytestmark = pytest.mark.django_db
RAW_VOLUMES = {"compression": "none"}


@pytest.fixture
def on_slurm(settings):
    settings.CLUSTER = "slurm-local"


@pytest.fixture
def failed(run):
    return clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))


def again(run, by, cluster=None, **wishes):
    return workflows.run_again(run, Wishes(cluster=cluster, **wishes), by=by)


def address(run):
    return reverse("processing:run-again", args=[run.pk])


@pytest.fixture
def staff(client, processor):
    client.force_login(processor, backend="django.contrib.auth.backends.ModelBackend")
    return client


# The service.


def test_a_new_run_has_what_was_wished(failed, processor, other):
    profile = Profile.objects.create(cluster=other, name="large")

    made = again(
        failed, processor, other, profile=profile, needs=Needs(memory_mb=32_000, cpus=8),
        chosen=RAW_VOLUMES,
    )  # fmt: skip

    assert (made.cluster, made.profile) == (other, profile)
    assert {str(step.resources) for step in made.steps.all()} == {
        str({"cpus": 8, "memory_mb": 32_000})
    }
    volume = made.steps.get(name="precompute")
    assert volume.parameters["compression"] == "none"
    assert made.parameters["choices"] == RAW_VOLUMES


def test_its_history_says_instead_of_which_run_and_with_what(failed, processor):
    made = again(failed, processor, needs=Needs(memory_mb=32_000), chosen=RAW_VOLUMES)

    event = Event.objects.get(kind="run", object_id=made.pk, verb="created")
    assert event.by == processor
    assert event.note == (
        f"again instead of run {failed.pk}: on default, 32000 MB of memory, "
        "Compression of the volumes: none"
    )


def test_its_jobs_ask_for_what_was_wished(failed, processor, on_slurm):
    made = again(failed, processor, needs=Needs(memory_mb=32_000))

    attempt = clusters.drive_to(
        made, clusters.memory_cluster(clusters.goes_on), AttemptState.RUNNING
    )

    assert attempt.resources["memory_mb"] == 32_000


def test_a_run_at_work_is_stopped_first(run, processor):
    cluster = clusters.memory_cluster(clusters.goes_on)
    clusters.drive_to(run, cluster, AttemptState.RUNNING)

    made = again(run, processor)
    clusters.tick(cluster)

    assert not Attempt.objects.filter(step__run=made).exists()
    for _ in range(4):
        clusters.tick(cluster)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert Attempt.objects.filter(step__run=made).exists()


def test_a_choice_is_no_reason_to_supersede_the_run(failed, imaged, processor, imager):
    made = again(failed, processor, chosen=RAW_VOLUMES)
    imaged.refresh_from_db()
    reopen_imaging(imaged, by=imager, reason="a look")

    (after,) = complete_imaging(imaged, by=imager)

    assert after == made


def test_a_failed_run_with_a_choice_can_be_retried(failed, processor):
    made = again(failed, processor, chosen=RAW_VOLUMES)
    clusters.drive_until_over(made, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))

    assert obstacle_to_retry(Run.objects.get(pk=made.pk)) == ""


def test_other_values_supersede_a_run_with_a_choice(failed, imaged, processor, imager):
    made = again(failed, processor, chosen=RAW_VOLUMES)

    after = clusters.image_again(imaged, by=imager, z_step_um=5.0)

    assert after != made
    assert "choices" not in after.parameters


def test_the_volume_of_the_new_run_is_the_one_that_counts(run, processor):
    clusters.drive_until_over(run, clusters.memory_cluster())
    made = again(run, processor, chosen=RAW_VOLUMES)

    clusters.drive_until_over(made, clusters.memory_cluster())

    assert selectors.current_products().get().step.run == made


def test_only_the_newest_run_is_run_again(failed, processor):
    made = again(failed, processor)

    with pytest.raises(NotReady, match=f"Run {made.pk} is newer"):
        again(failed, processor)


def test_a_check_of_raw_data_is_not_run_again(failed, processor):
    check = Run.objects.filter(pipeline="check").latest("pk")

    with pytest.raises(NotReady, match="Look at the raw data afresh"):
        again(check, processor)


def test_nothing_is_run_while_imaging_is_open(failed, imaged, imager, processor):
    imaged.refresh_from_db()
    reopen_imaging(imaged, by=imager, reason="a look")

    with pytest.raises(NotReady, match="is not complete"):
        again(failed, processor)


def test_an_owner_does_not_run_again(failed, researcher):
    with pytest.raises(NotAllowed):
        rerunning.run_again(failed, Wishes(), by=researcher)


def refused(run, by, **wishes):
    with pytest.raises(Invalid) as refusal:
        again(run, by, **wishes)
    return refusal.value.fields


def test_more_memory_than_the_profile_allows_is_refused(failed, processor, on_slurm):
    Profile.objects.create(
        cluster=failed.cluster, name="usual", is_usual=True, most_memory_mb=16_000
    )

    problems = refused(failed, processor, needs=Needs(memory_mb=32_000))

    assert problems == {
        "memory_mb": ["At most 16000 MB of memory there. Ask for less, or choose another profile."]
    }


def test_what_one_step_may_have_there_is_allowed(failed, processor, on_slurm):
    Profile.objects.create(
        cluster=failed.cluster, name="usual", is_usual=True, most_memory_mb=16_000
    )
    large = Profile.objects.create(cluster=failed.cluster, name="large", most_memory_mb=64_000)
    StepResources.objects.create(cluster=failed.cluster, step="precompute", profile=large)

    assert again(failed, processor, needs=Needs(memory_mb=32_000)).pk


def test_a_cluster_that_takes_no_such_pipeline_is_refused_with_those_that_do(
    failed, processor, other
):
    Cluster.objects.filter(pk=other.pk).update(pipelines="verify")
    other.refresh_from_db()

    (words,) = refused(failed, processor, cluster=other)["cluster"]

    assert "takes no new runs of the pipeline raw" in words
    assert "These do: default." in words


def test_a_profile_of_another_cluster_is_refused(failed, processor, other):
    profile = Profile.objects.create(cluster=other, name="large")

    assert "profile" in refused(failed, processor, cluster=failed.cluster, profile=profile)


def test_an_unknown_choice_is_refused(failed, processor):
    assert "compression" in refused(failed, processor, chosen={"compression": "zip"})


def test_a_frozen_cluster_is_allowed_with_a_warning(failed, processor, operator):
    services.freeze(failed.cluster, by=operator, reason="maintenance")

    made = again(failed, processor, failed.cluster)

    (warning,) = rerunning.warnings_of(made)
    assert "is frozen (maintenance)" in warning


def test_jobs_given_up_on_another_cluster_are_named(run, processor, other):
    cluster = clusters.memory_cluster(clusters.goes_on)
    attempt = clusters.drive_to(run, cluster, AttemptState.RUNNING)
    jobs.noted(attempt, state=AttemptState.LOST, reason="LOST")
    runs.cancel_run(run, by=None)

    made = again(run, processor, other)

    (warning,) = rerunning.warnings_of(made)
    assert attempt.job_id in warning


# The page.


def test_the_form_makes_the_run_and_goes_there(failed, staff):
    typed = {"cluster": failed.cluster_id, "memory_mb": "6000", "compression": "none"}

    answer = staff.post(address(failed), typed)

    made = Run.objects.latest("pk")
    assert answer["Location"] == reverse("processing:run-detail", args=[made.pk])
    assert made.parameters["choices"] == RAW_VOLUMES
    page = staff.get(answer["Location"]).content.decode()
    assert f"It counts instead of run {failed.pk}" in page
    assert "Compression of the volumes: none" in page


def test_the_form_begins_with_what_the_run_had(failed, staff, processor):
    made = again(failed, processor, needs=Needs(memory_mb=6000), chosen=RAW_VOLUMES)

    form = staff.get(address(made)).context["form"]

    assert (form["memory_mb"].value(), form["compression"].value()) == (6000, "none")


def test_what_is_wrong_stands_beside_its_field(failed, staff, on_slurm):
    Profile.objects.create(
        cluster=failed.cluster, name="usual", is_usual=True, most_memory_mb=16_000
    )
    typed = {"cluster": failed.cluster_id, "memory_mb": "32000", "compression": "gzip"}

    answer = staff.post(address(failed), typed)

    assert answer.status_code == 422
    assert "At most 16000 MB" in str(answer.context["form"].errors["memory_mb"])
    assert 'value="32000"' in answer.content.decode()


@pytest.mark.parametrize("typed", ["0", "-5", "much", "1e9", "9" * 40])
def test_an_amount_that_is_none_is_refused(typed, failed, staff):
    data = {"cluster": failed.cluster_id, "memory_mb": typed, "compression": "gzip"}

    assert staff.post(address(failed), data).status_code == 422
    assert Run.objects.latest("pk") == failed


def test_a_frozen_cluster_is_marked_in_the_form_and_warned_of(failed, staff, operator):
    services.freeze(failed.cluster, by=operator, reason="maintenance <b>")

    page = staff.get(address(failed)).content.decode()
    data = {"cluster": failed.cluster_id, "compression": "gzip"}
    after = staff.post(address(failed), data, follow=True).content.decode()

    assert "default (frozen: maintenance &lt;b&gt;)" in page
    assert "The run begins when it is unfrozen." in after


def test_the_page_of_an_older_run_says_which_is_newer(failed, staff, processor):
    made = again(failed, processor)

    page = staff.get(address(failed)).content.decode()

    assert f"Run {made.pk} is newer and counts instead of this one." in page
    assert '<form method="post" novalidate' not in page


def test_a_request_that_was_closed_is_open_again(failed, staff, processor):
    request = failed.imaging_request.sample.request
    type(request).objects.filter(pk=request.pk).update(state="closed")

    again(failed, processor)

    request.refresh_from_db()
    assert request.state == "submitted"


def test_the_owner_finds_no_such_page(failed, client, researcher):
    client.force_login(researcher, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(address(failed)).status_code == 404
    assert client.post(address(failed)).status_code == 404
