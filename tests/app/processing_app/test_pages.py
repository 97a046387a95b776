"""Who sees runs, and what the pages say."""

import pytest
from django.urls import reverse

from processing_app.models import Attempt
from processing_app.services import runs
from processing_app.states import RunState
from tests.support import clusters

pytestmark = pytest.mark.django_db


def address(name, run):
    return reverse(f"processing:{name}", args=[run.pk])


@pytest.fixture
def signed_in(client):
    def sign_in(person):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def test_the_owner_sees_the_run_in_the_list(run, researcher, signed_in):
    page = signed_in(researcher).get(reverse("processing:run-list"))

    assert address("run-detail", run) in page.content.decode()


def test_a_stranger_does_not_see_the_run_in_the_list(run, stranger, signed_in):
    page = signed_in(stranger).get(reverse("processing:run-list"))

    assert address("run-detail", run) not in page.content.decode()


@pytest.mark.parametrize("name", ["run-detail", "run-live"])
def test_a_run_does_not_exist_for_a_stranger(name, run, stranger, signed_in):
    assert signed_in(stranger).get(address(name, run)).status_code == 404


@pytest.mark.parametrize("name", ["run-cancel", "run-retry"])
def test_a_stranger_finds_nothing_to_act_on(name, run, stranger, signed_in):
    assert signed_in(stranger).post(address(name, run)).status_code == 404


def test_an_anonymous_person_is_sent_to_sign_in(run, client):
    answer = client.get(address("run-detail", run))

    assert answer.status_code == 302
    assert "login" in answer["Location"]


def test_the_live_part_asks_again_while_the_run_is_active(run, researcher, signed_in):
    page = signed_in(researcher).get(address("run-live", run)).content.decode()

    assert 'hx-trigger="every 2s"' in page


def test_the_live_part_rests_when_the_run_is_over(run, cluster, researcher, signed_in):
    clusters.drive_until_over(run, cluster)

    page = signed_in(researcher).get(address("run-live", run)).content.decode()

    assert "hx-trigger" not in page
    assert "Succeeded" in page


def test_a_failed_step_says_what_is_wrong_and_what_to_do(run, researcher, signed_in):
    clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))

    page = signed_in(researcher).get(address("run-detail", run)).content.decode()

    assert "plane_0007.tif" in page
    assert "Copy the file again." in page
    assert "The input is not right" in page
    assert "last words of the step" in page


def test_owner_sees_no_buttons_of_staff(run, researcher, signed_in):
    page = signed_in(researcher).get(address("run-detail", run)).content.decode()

    assert address("run-cancel", run) not in page


def test_processing_staff_cancel_by_a_button(run, processor, signed_in):
    page = signed_in(processor).get(address("run-detail", run)).content.decode()
    assert address("run-cancel", run) in page

    signed_in(processor).post(address("run-cancel", run))

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_an_owner_who_posts_anyway_is_refused_with_a_message(run, researcher, signed_in):
    answer = signed_in(researcher).post(address("run-cancel", run), follow=True)

    run.refresh_from_db()
    assert run.state == RunState.PLANNED
    assert "Only processing staff" in answer.content.decode()


def test_a_get_changes_nothing(run, processor, signed_in):
    assert signed_in(processor).get(address("run-cancel", run)).status_code == 405

    run.refresh_from_db()
    assert run.state == RunState.PLANNED


def test_processing_staff_retry_a_failed_run(run, processor, signed_in):
    clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))

    signed_in(processor).post(address("run-retry", run))

    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def test_a_silent_cluster_is_named_on_the_page(run, researcher, signed_in):
    cluster = clusters.memory_cluster(clusters.goes_on)
    attempt = clusters.drive_to(run, cluster, "running")
    cluster.scheduler.silent.add(attempt.job_id)
    clusters.tick(cluster)

    page = signed_in(researcher).get(address("run-detail", run)).content.decode()

    assert "The cluster is waited for." in page


def test_what_a_cluster_says_is_read_by_operators_only(run, researcher, operator, signed_in):
    cluster = clusters.memory_cluster(clusters.goes_on)
    drive = clusters.drive_to(run, cluster, "running")
    Attempt.objects.filter(pk=drive.pk).update(trouble="light@login7.example.org: no shell came up")

    seen = {
        person.username: signed_in(person).get(address("run-detail", run)).content.decode()
        for person in (researcher, operator)
    }

    assert "login7.example.org" not in seen["researcher"]
    assert "The cluster is waited for." in seen["researcher"]
    assert "login7.example.org" in seen["operator"]


def test_a_run_being_cancelled_says_so(run, processor, signed_in):
    cluster = clusters.memory_cluster(clusters.goes_on)
    clusters.drive_to(run, cluster, "running")
    runs.cancel_run(run, by=processor)

    page = signed_in(processor).get(address("run-detail", run)).content.decode()

    assert "Being cancelled" in page
    assert address("run-cancel", run) not in page


def test_the_list_can_be_filtered_by_state(run, researcher, signed_in):
    page = signed_in(researcher).get(reverse("processing:run-list"), {"state": "failed"})

    assert "No run is in this state." in page.content.decode()


def test_a_failed_run_is_set_aside_by_a_button_that_asks_why(run, processor, signed_in):
    clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))
    page = signed_in(processor).get(address("run-detail", run)).content.decode()
    assert 'id="run-set-aside"' in page

    reason = {"reason": "the brain is imaged again"}
    answer = signed_in(processor).post(address("run-cancel", run), reason, follow=True)

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert "is set aside" in answer.content.decode()


def test_the_page_of_a_superseded_run_says_where_to_look(run, imaged, imager, processor, signed_in):
    clusters.drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))
    newer = clusters.image_again(imaged, by=imager, z_step_um=5.0)

    page = signed_in(processor).get(address("run-detail", run)).content.decode()

    assert f"Run {newer.pk} is newer" in page
    assert address("run-retry", run) not in page
