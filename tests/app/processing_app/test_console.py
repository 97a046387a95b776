"""The staff console, the command and the task: three doors to the same services."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from processing_app import tasks
from processing_app.cluster import scheduler_memory
from processing_app.models import Product
from processing_app.services import clusters as services
from processing_app.states import RunState
from tests.support import clusters, jobs

pytestmark = pytest.mark.django_db
PAGES = ["run", "attempt", "product", "processingrequest", "atlas"]


@pytest.fixture
def console(client, admin_person):
    client.force_login(admin_person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def in_memory(settings):
    settings.CLUSTER = "memory"
    scheduler_memory.shared.cache_clear()
    yield
    scheduler_memory.shared.cache_clear()


def choose(console, run, action):
    return console.post(
        reverse("admin:processing_app_run_changelist"),
        {"action": action, "_selected_action": [run.pk]},
        follow=True,
    ).content.decode()


@pytest.mark.parametrize("model", PAGES)
def test_every_list_opens(model, console, run, cluster):
    clusters.drive_until_over(run, cluster)

    assert console.get(reverse(f"admin:processing_app_{model}_changelist")).status_code == 200


@pytest.mark.parametrize("model", ["run", "attempt", "product"])
def test_history_can_be_read_and_not_deleted(model, console, run, cluster):
    clusters.drive_until_over(run, cluster)
    pk = {"run": run, "attempt": clusters.only_attempt(run), "product": Product.objects.first()}[
        model
    ].pk

    assert (
        console.get(reverse(f"admin:processing_app_{model}_change", args=[pk])).status_code == 200
    )
    assert (
        console.post(reverse(f"admin:processing_app_{model}_delete", args=[pk])).status_code == 403
    )


def test_a_run_is_cancelled_from_the_console(console, run):
    page = choose(console, run, "cancel_runs")

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert "is being cancelled" in page


def test_a_refusal_in_the_console_is_said_per_run(console, run):
    page = choose(console, run, "retry_runs")

    assert "Only a failed or cancelled run can be retried" in page


def test_the_command_drives_until_nothing_is_left(run, in_memory, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: clusters.make_due())

    call_command("drive_runs", "--until-idle", stdout=StringIO())

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED


def test_the_command_answers_in_json_and_nothing_else(run, in_memory):
    out = StringIO()

    call_command("drive_runs", "--once", "--format", "json", stdout=out)

    assert json.loads(out.getvalue())["rounds"][0]["submitted"] == 1


def test_the_task_makes_products_viewable(run, in_memory, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: clusters.make_due())

    summary = tasks.drive_runs()

    assert "1 volumes published" in summary
    assert Product.objects.get().layer


def test_the_task_ends_at_once_when_there_is_nothing_to_do(in_memory, monkeypatch):
    def must_not_sleep(seconds):
        raise AssertionError

    monkeypatch.setattr("time.sleep", must_not_sleep)

    assert "0 attempts planned" in tasks.drive_runs()


# What a cluster says may name computers and accounts.

SECRET = "node-17.example.org"


@pytest.fixture
def pages_of(client):
    """Return the text of the pages of the console on which words of clusters stand."""

    def look(person, run):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        attempt = clusters.only_attempt(run)
        addresses = {
            "events": reverse("admin:core_app_event_changelist"),
            "attempts": reverse("admin:processing_app_attempt_changelist"),
            "attempt": reverse("admin:processing_app_attempt_change", args=[attempt.pk]),
            "run": reverse("admin:processing_app_run_change", args=[run.pk]),
        }
        answers = {name: client.get(address) for name, address in addresses.items()}
        assert {answer.status_code for answer in answers.values()} == {200}
        return {name: answer.content.decode() for name, answer in answers.items()}

    return look


@pytest.fixture
def troubled(run):
    """A run on a cluster that fell silent, with a job that waits for a computer."""
    services.fell_silent(services.status_of("default"), f"{SECRET} does not answer")
    said = f"Down ({SECRET})"
    jobs.in_queue(run, detail=said, trouble=said, node=SECRET, resources={"account": SECRET})
    return run


@pytest.mark.parametrize("role", ["operator", "processor"])
def test_words_of_clusters_are_in_the_console(role, request, troubled, pages_of):
    pages = pages_of(request.getfixturevalue(role), troubled)

    assert all(SECRET in page for page in pages.values())


@pytest.mark.parametrize("role", ["clearer", "imager", "manager"])
def test_words_of_clusters_are_only_for_who_may_view_clusters(role, request, troubled, pages_of):
    pages = pages_of(request.getfixturevalue(role), troubled)

    assert not [name for name, page in pages.items() if SECRET in page]
    assert "3rd of 17 waiting" in pages["attempts"]


def test_the_words_of_a_refusal_are_only_for_who_may_view_clusters(run, pages_of, operator, imager):
    jobs.refused(run)

    assert "smith_lab" in pages_of(operator, run)["attempt"]
    assert "smith_lab" in pages_of(operator, run)["run"]
    assert not [name for name, page in pages_of(imager, run).items() if "smith_lab" in page]
