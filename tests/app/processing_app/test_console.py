"""The staff console, the command and the task: three doors to the same services."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from processing_app import tasks
from processing_app.cluster import scheduler_memory
from processing_app.models import Product
from processing_app.states import RunState
from tests.support import clusters

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
