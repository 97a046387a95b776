"""Clusters and the facility's own pipelines in the staff console, and the command."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from core_app.models import Event
from processing_app.models import (
    Cluster,
    ClusterStatus,
    Deployment,
    Profile,
    SitePipeline,
    StepResources,
)
from processing_app.services import clusters as services
from tests.app.rights.test_console import form_of
from tests.support import jobs

pytestmark = pytest.mark.django_db
LIST = reverse("admin:processing_app_cluster_changelist")
FIELDS = {
    "name": "other", "kind": "slurm-ssh", "host": "login.example.org", "port": "22",
    "user": "light", "key_file": "/etc/lightserv/key", "known_hosts_file": "/etc/lightserv/hosts",
    "jump_port": "22", "workdir": "/scratch/light", "data_root": "/data", "python": "python3",
    "threads": "2", "slots": "1", "poll_interval_s": "30", "heartbeat_limit_s": "600",
    "position": "10", "is_offered": "on", "profiles-TOTAL_FORMS": "0",
    "profiles-INITIAL_FORMS": "0",
}  # fmt: skip


@pytest.fixture
def console(client, operator):
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page_of(row):
    return reverse("admin:processing_app_cluster_change", args=[row.pk])


def choose(console, row, action, **answers):
    data = {"action": action, "_selected_action": [row.pk], **answers}
    return console.post(LIST, data, follow=True).content.decode()


def events_of(row):
    rows = Event.objects.filter(kind="cluster", object_id=row.pk)
    return {(event.verb, event.by.username if event.by else "", event.note) for event in rows}


def save(console, row, **changed):
    address = page_of(row)
    return console.post(address, {**form_of(console, address), **changed})


# Rows.


def test_a_new_cluster_has_a_status_and_a_history(console, operator):
    answer = console.post(reverse("admin:processing_app_cluster_add"), FIELDS)

    assert answer.status_code == 302, answer.context["errors"]
    row = Cluster.objects.get(name="other")
    assert ClusterStatus.objects.filter(cluster=row).exists()
    ((verb, by, note),) = events_of(row)
    assert (verb, by) == ("created", operator.username)
    assert "host login.example.org" in note


def test_a_cluster_that_nobody_could_reach_is_refused_beside_its_fields(console):
    gaps = {"host": "", "workdir": "scratch"}

    answer = console.post(reverse("admin:processing_app_cluster_add"), {**FIELDS, **gaps})

    assert set(answer.context["adminform"].form.errors) == {"host", "workdir"}


def test_a_change_says_who_changed_what(console, other, operator):
    save(console, other, host="login2.example.org")

    assert events_of(other) == {
        ("corrected", operator.username,
         "added host login2.example.org; removed host login.example.org")
    }  # fmt: skip


def test_profiles_are_part_of_the_history(console, other, operator):
    Profile.objects.create(cluster=other, name="large", most_memory_mb=64_000)
    address = page_of(other)
    data = {**form_of(console, address), "profiles-0-most_memory_mb": "128000"}

    console.post(address, data)

    ((_, _, note),) = events_of(other)
    assert "added profile large: most_memory_mb 128000" in note


def test_only_one_profile_is_the_usual_one(console, other):
    for name in ("large", "small"):
        Profile.objects.create(cluster=other, name=name, is_usual=name == "large")
    address = page_of(other)
    both = {"profiles-0-is_usual": "on", "profiles-1-is_usual": "on"}

    answer = console.post(address, {**form_of(console, address), **both})

    assert "Only one profile is the usual one." in answer.content.decode()


def test_an_option_that_the_site_sets_itself_is_refused(console, other):
    Profile.objects.create(cluster=other, name="large")
    address = page_of(other)

    answer = console.post(
        address, {**form_of(console, address), "profiles-0-options": "--mem=9999"}
    )

    assert "--mem is set by the site itself" in answer.content.decode()


def test_steps_are_offered_the_profiles_of_their_cluster_alone(console, other, default):
    own = Profile.objects.create(cluster=other, name="large")
    Profile.objects.create(cluster=default, name="foreign")
    StepResources.objects.create(cluster=other, step="precompute", profile=own)

    page = console.get(page_of(other)).content.decode()

    assert "other/large" in page
    assert "default/foreign" not in page


def test_deployments_are_shown_and_not_typed(console, other):
    Deployment.objects.create(
        cluster=other, version="1.2.3", digest="0" * 64, folder="/scratch/light/1.2.3", python="py"
    )

    page = console.get(page_of(other)).content.decode()

    assert "/scratch/light/1.2.3" in page
    assert 'name="deployments-0-version"' not in page


def test_everything_that_a_row_says_can_be_typed(console):
    answer = console.get(reverse("admin:processing_app_cluster_add"))

    fields = {field.name for field in Cluster._meta.fields} - {"id"}
    assert fields == set(answer.context["adminform"].form.fields)


# The cluster of the settings.


def test_the_cluster_of_the_settings_shows_them_and_cannot_be_typed_over(console, default):
    page = console.get(page_of(default)).content.decode()
    save(console, default, host="elsewhere.example.org", workdir="/elsewhere", position="3")

    default.refresh_from_db()
    assert "This cluster comes from the settings" in page
    assert (default.host, default.workdir, default.position) == ("", "", 3)


def test_the_cluster_of_the_settings_is_not_deleted(console, default):
    address = reverse("admin:processing_app_cluster_delete", args=[default.pk])

    assert console.post(address, {"post": "yes"}).status_code == 403


# Deleting.


def test_a_cluster_without_runs_is_deleted_and_that_is_kept(console, other, operator):
    Profile.objects.create(cluster=other, name="large")
    address = reverse("admin:processing_app_cluster_delete", args=[other.pk])

    console.post(address, {"post": "yes"})

    assert not Cluster.objects.filter(name="other").exists()
    assert ("deleted", operator.username, "other") in events_of(other)


def test_a_cluster_that_runs_name_is_kept_in_words(console, run, other):
    run.cluster = other
    run.save()
    address = reverse("admin:processing_app_cluster_delete", args=[other.pk])

    page = console.post(address, {"post": "yes"}, follow=True).content.decode()

    assert Cluster.objects.filter(name="other").exists()
    assert "1 run names the cluster other, so it stays." in page


# How it fares.


def test_freezing_asks_why_first(console, other):
    page = choose(console, other, "freeze")

    assert "Freeze these clusters?" in page
    assert services.status_of("other").frozen_at is None


def test_freezing_needs_a_reason(console, other):
    page = choose(console, other, "freeze", answered="yes", reason=" ")

    assert "Say why; people who wait for the cluster will read it." in page
    assert services.status_of("other").frozen_at is None


def test_a_cluster_is_frozen_with_its_reason(console, other, operator):
    choose(console, other, "freeze", answered="yes", reason="maintenance")

    status = services.status_of("other")
    assert (status.frozen_reason, status.frozen_by) == ("maintenance", operator)
    assert ("frozen", operator.username, "maintenance") in events_of(other)


def test_a_frozen_cluster_is_unfrozen(console, other, operator):
    services.freeze(other, by=operator, reason="maintenance")

    assert "other: unfrozen." in choose(console, other, "unfreeze")
    assert services.status_of("other").frozen_at is None


def test_a_refusal_is_said(console, other):
    assert "The cluster other is not frozen." in choose(console, other, "unfreeze")


def test_a_silent_cluster_is_resumed(console, run):
    jobs.silent(run)

    choose(console, run.cluster, "resume")

    assert services.status_of("default").silent_since is None


@pytest.mark.parametrize("page", [LIST, ""])
def test_the_console_shows_how_a_cluster_fares(page, console, run):
    jobs.silent(run)

    text = console.get(page or page_of(run.cluster)).content.decode()

    assert "ives no answer since" in text


def test_hostile_words_of_a_cluster_are_text(console, run):
    jobs.silent(run, trouble="<script>alert(1)</script>")

    text = console.get(page_of(run.cluster)).content.decode()

    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_the_list_counts_the_runs_at_work(console, run):
    row = console.get(LIST).context["cl"].queryset.get(name="default")

    assert row._active == 1


# Attempts and runs.


@pytest.mark.parametrize(
    ("ending", "found"),
    [("", 1), ("-a1", 1), ("-a2", 0)],
)
def test_an_attempt_is_found_by_the_name_of_its_job(ending, found, console, run):
    attempt = jobs.at_work(run)
    name = attempt.job_name.removesuffix("-a1") + ending

    page = console.get(reverse("admin:processing_app_attempt_changelist"), {"q": name})

    assert page.context["cl"].result_count == found


@pytest.mark.parametrize("words", ["ls-r", "ls-r9999999999999999999999-1-a", "ls-r1-zz"])
def test_a_search_for_what_is_no_job_finds_nothing(words, console, run):
    jobs.at_work(run)

    page = console.get(reverse("admin:processing_app_attempt_changelist"), {"q": words})

    assert page.status_code == 200
    assert page.context["cl"].result_count == 0


def test_attempts_are_filtered_by_cluster(console, run, other):
    jobs.in_queue(run)
    address = reverse("admin:processing_app_attempt_changelist")

    page = console.get(address, {"step__run__cluster__id__exact": run.cluster_id})

    assert "3rd of 17 waiting · Resources" in page.content.decode()


# The facility's own pipelines.


def test_a_pipeline_of_own_scripts_is_kept_with_its_history(console):
    data = {
        "name": "brainpipe", "label": "Old package", "version": "1", "is_offered": "on",
        "steps-TOTAL_FORMS": "1", "steps-INITIAL_FORMS": "0", "steps-0-position": "1",
        "steps-0-key": "all", "steps-0-label": "Everything", "steps-0-unit": "sample",
        "steps-0-command": '["/opt/run.sh", "{spec}"]', "steps-0-parameters": "{}",
        "steps-0-cpus": "4", "steps-0-memory_mb": "8000", "steps-0-minutes": "60",
    }  # fmt: skip

    answer = console.post(reverse("admin:processing_app_sitepipeline_add"), data)

    assert answer.status_code == 302, answer.context["errors"]
    made = SitePipeline.objects.get(name="brainpipe")
    event = Event.objects.get(kind="sitepipeline", object_id=made.pk)
    assert "step all" in event.note


def test_a_command_that_is_no_list_is_refused(console):
    data = {
        "name": "brainpipe", "label": "Old package", "version": "1",
        "steps-TOTAL_FORMS": "1", "steps-INITIAL_FORMS": "0", "steps-0-position": "1",
        "steps-0-key": "all", "steps-0-label": "Everything", "steps-0-unit": "sample",
        "steps-0-command": '"rm -rf /"', "steps-0-parameters": "{}",
        "steps-0-cpus": "4", "steps-0-memory_mb": "8000", "steps-0-minutes": "60",
    }  # fmt: skip

    answer = console.post(reverse("admin:processing_app_sitepipeline_add"), data)

    assert "Give the words of the command as a list" in answer.content.decode()


# The command.


def command(*words):
    out = StringIO()
    call_command("cluster", *words, stdout=out)
    return out.getvalue()


def test_the_command_lists_clusters(run, other):
    text = command("list")

    assert "default (local): fine; last answer none yet, in 0.0 s; 1 active run\n" in text
    assert "other (slurm-ssh): fine" in text


def test_the_command_speaks_json_and_nothing_else(run):
    jobs.silent(run)

    (found,) = json.loads(command("list", "--format", "json"))["clusters"]

    assert (found["name"], found["active_runs"]) == ("default", 1)
    assert found["silent_since"]
    assert "login.example.org does not answer" in found["condition"][0]


def test_the_command_lists_what_answers_only_in_part(run):
    ClusterStatus.objects.update(part_silent_since=timezone.now(), part_trouble="sacct failed")

    assert "default (local): answers only in part since" in command("list")
    (found,) = json.loads(command("list", "--format", "json"))["clusters"]
    assert found["part_silent_since"]
    assert found["part_trouble"] == "sacct failed"


def test_the_command_lists_why_a_cluster_is_frozen(other):
    command("freeze", "other", "--reason", "the storage is mended")

    assert "(the storage is mended)" in command("list")


def test_pipelines_that_nobody_knows_are_refused_with_the_known_names(console):
    answer = console.post(
        reverse("admin:processing_app_cluster_add"), {**FIELDS, "pipelines": "raw, rwa"}
    )

    words = "There is no pipeline rwa. There are: check, correction, lightsheet, raw"
    assert words in answer.content.decode()
    assert not Cluster.objects.filter(name="other").exists()


def test_the_command_freezes_and_unfreezes(other):
    assert command("freeze", "other", "--reason", "maintenance") == "other: frozen.\n"
    assert services.status_of("other").frozen_reason == "maintenance"

    assert command("unfreeze", "other") == "other: unfrozen.\n"
    assert services.status_of("other").frozen_at is None


def test_the_command_resumes(run):
    jobs.silent(run)

    answer = json.loads(command("resume", "default", "--format", "json"))

    assert answer["clusters"][0]["silent_since"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["unfreeze", "default"], "is not frozen"),
        (["freeze", "default", "--reason", " "], "Say why"),
        (["resume", "nowhere"], "There is no cluster nowhere. There are: default."),
    ],
)
def test_the_command_refuses_in_words(words, said):
    with pytest.raises(CommandError, match=said):
        command(*words)


def test_a_cluster_can_be_for_a_pipeline_of_the_sites_own(console):
    SitePipeline.objects.create(name="own", label="Own")

    console.post(
        reverse("admin:processing_app_cluster_add"), {**FIELDS, "pipelines": "lightsheet, site-own"}
    )

    assert Cluster.objects.get(name="other").takes("site-own")
