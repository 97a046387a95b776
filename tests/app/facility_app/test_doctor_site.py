"""manage.py doctor on the site itself: each check fails for real, and says what to do."""

import grp
import socket
import subprocess
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Success

from core_app.accounts import DEMO_PASSWORD
from core_app.models import User
from facility_app.doctor import database, examining, site, storage
from facility_app.doctor.findings import Verdict, examine, failed, ok, warning
from launcher.errors import ImageMissing
from tests.support.commands import answer_of
from viewers_app.launcher.memory import MemoryLauncher
from viewers_app.services import processes

pytestmark = pytest.mark.django_db
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def schedules():
    call_command("setup_schedules", stdout=StringIO())


@pytest.fixture
def no_clusters(monkeypatch):
    """The site alone; clusters have tests of their own."""
    monkeypatch.setattr(examining, "of_cluster", lambda row, **_: iter(()))


def doctor(*arguments):
    """Return what each check found, and the exit code."""
    document, code = answer_of("doctor", *arguments)
    assert document["ok"] is (code == 0)
    return {line["check"]: line for line in document["checks"]}, code


def test_a_site_in_order_has_no_failures(schedules, no_clusters):
    checks, code = doctor()

    assert {name for name, line in checks.items() if line["verdict"] == "FAILED"} == set()
    assert code == 0
    assert list(checks) == [name for name, _ in site.SITE_CHECKS]


def test_one_failure_decides_the_exit_code_and_the_others_go_on(schedules, no_clusters, settings):
    settings.DATA_ROOT = settings.DATA_ROOT / "unmounted"

    checks, code = doctor()

    assert code == 1
    assert checks["data root"]["verdict"] == "FAILED"
    assert "Mount the storage" in checks["data root"]["action"]
    assert checks["launcher"]["verdict"] == "ok"


def test_the_text_has_a_line_for_each_check(schedules, no_clusters):
    out = StringIO()

    call_command("doctor", stdout=out)

    assert len(out.getvalue().splitlines()) == len(site.SITE_CHECKS)


# Database.


def test_a_database_that_is_not_there_is_a_failure(monkeypatch):
    def refuse():
        raise OSError("Can't connect to server on '127.0.0.1'")

    monkeypatch.setattr(connection, "ensure_connection", refuse)

    assert "Can't connect" in database.answers().found
    assert database.answers().verdict == Verdict.FAILED


def test_a_migration_that_is_not_applied_is_named():
    assert database.is_migrated().verdict == Verdict.OK
    (last,) = MigrationLoader(connection).graph.leaf_nodes("processing_app")
    MigrationRecorder(connection).record_unapplied(*last)

    found = database.is_migrated()

    assert (found.verdict, found.action) == (Verdict.FAILED, "Run manage.py migrate.")
    assert ".".join(last) in found.found


# Storage.


def test_storage_that_cannot_be_written_is_a_failure(settings, tiny_disk):
    settings.DATA_ROOT = tiny_disk
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)

    found = storage.data_root()

    assert found.verdict == Verdict.FAILED
    assert "Read-only" in found.found


def test_storage_without_room_is_a_failure(settings, tiny_disk):
    settings.DATA_ROOT = tiny_disk

    assert storage.data_root().verdict == Verdict.FAILED
    assert list(tiny_disk.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "verdict"), [(50 << 20, Verdict.FAILED), (1 << 29, Verdict.WARNING),
                          (40 << 30, Verdict.WARNING), (80 << 30, Verdict.OK)],
)  # fmt: skip
def test_room_is_judged_by_what_is_left(free, verdict):
    assert storage.room("/data", 1000 << 30, free).verdict == verdict


def test_a_group_that_is_not_there_is_a_failure(settings):
    settings.DATA_GROUP = "no-such-group"

    assert "no group no-such-group" in storage.data_root().found


def test_storage_of_another_group_is_a_failure(settings):
    own = settings.DATA_ROOT.stat().st_gid
    other = next(group for group in grp.getgrall() if group.gr_gid != own)
    settings.DATA_GROUP = other.gr_name

    assert storage.data_root().action == f"Run: chgrp {other.gr_name} {settings.DATA_ROOT}"


def test_storage_whose_files_get_another_group_is_a_warning(settings):
    settings.DATA_GROUP = grp.getgrgid(settings.DATA_ROOT.stat().st_gid).gr_name
    settings.DATA_ROOT.chmod(0o770)
    assert storage.data_root().verdict == Verdict.WARNING

    settings.DATA_ROOT.chmod(0o2770)
    assert storage.data_root().verdict == Verdict.OK


# Mail.


def test_a_mail_server_that_is_not_there_is_a_failure(settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND, settings.EMAIL_HOST = SMTP, "127.0.0.1"
        settings.EMAIL_PORT = unused.getsockname()[1]

        found = site.mail()

    assert found.verdict == Verdict.FAILED
    assert "refused" in found.found
    assert "EMAIL_URL" in found.action


@pytest.mark.parametrize(("backend", "words"), [("console", "the log"), ("filebased", "files in")])
def test_mails_that_reach_nobody_are_a_warning_in_production(backend, words, settings):
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    settings.EMAIL_FILE_PATH = "/var/mails"

    assert site.mail().verdict == Verdict.WARNING
    assert words in site.mail().found
    settings.DEBUG = True
    assert site.mail().verdict == Verdict.OK


# Queue.


def test_a_missing_schedule_is_named(schedules):
    assert site.schedules().verdict == Verdict.OK
    Schedule.objects.get(name="drive runs").delete()
    Schedule.objects.filter(name="send mails").update(minutes=60)

    found = site.schedules()

    assert found.verdict == Verdict.FAILED
    assert found.found == "missing, changed or unknown: drive runs, send mails"
    assert "setup_schedules" in found.action


def test_a_task_that_nobody_takes_up_is_a_failure():
    OrmQ.objects.create(key="lightserv", payload="x", lock=timezone.now() - timedelta(minutes=20))

    assert "waits since 20 minutes" in site.worker().found
    assert site.worker().verdict == Verdict.FAILED


def test_a_schedule_that_nobody_begins_is_a_failure(schedules):
    past = timezone.now() - timedelta(minutes=30)
    Schedule.objects.filter(name="drive runs").update(next_run=past)

    assert site.worker().verdict == Verdict.FAILED
    assert "“drive runs” is due since 30 minutes" in site.worker().found


def test_workers_that_have_run_something_are_fine(schedules):
    assert site.worker().verdict == Verdict.WARNING
    now = timezone.now()
    Success.objects.create(id="1" * 32, name="x", func="y", started=now, stopped=now, success=True)

    assert site.worker().verdict == Verdict.OK


# Settings.


def test_viewers_on_the_host_of_the_site_are_a_failure(settings):
    settings.VIEWER_HOST = settings.SITE_HOST

    assert site.addresses().verdict == Verdict.FAILED
    assert site.system_checks().verdict == Verdict.FAILED


def test_addresses_without_tls_are_a_warning_in_production(settings):
    assert site.addresses().verdict == Verdict.WARNING
    settings.SITE_URL, settings.VIEWER_URL = "https://a.example.org", "https://b.example.net"
    assert site.addresses().verdict == Verdict.OK


def test_debug_is_a_warning(settings):
    settings.DEBUG = True

    assert site.debug().verdict == Verdict.WARNING


def test_accounts_with_the_demo_password_are_named_in_production(settings):
    User.objects.create_user("clearer", password=DEMO_PASSWORD)
    User.objects.create_user("imager", password="something-else-altogether")

    assert site.demo_accounts().found == "With the demo password: clearer."
    settings.DEBUG = True
    assert site.demo_accounts().verdict == Verdict.OK


def test_a_mirror_without_a_host_is_a_failure(settings):
    settings.DATAJOINT_ENABLED = True

    assert site.mirror().verdict == Verdict.FAILED


# How a check is carried out.


def test_a_check_that_stumbles_is_a_failure_in_one_line_without_secrets(settings):
    settings.EMAIL_HOST_PASSWORD = "hunter2-of-the-mail-server"

    def stumble():
        raise ValueError(f"bad\nlogin {settings.EMAIL_HOST_PASSWORD} {settings.SECRET_KEY}")

    line = examine("site", "mail", stumble)

    assert line.verdict == Verdict.FAILED
    assert line.found == "ValueError: bad login … …"


@pytest.mark.parametrize(
    ("finding", "begin"),
    [
        (ok("fine"), "ok       site"),
        (warning("a", "b"), "warning  site"),
        (failed("a", "b"), "FAILED   site"),
    ],
)
def test_a_line_begins_with_the_verdict(finding, begin):
    line = str(examine("site", "mail", lambda: finding))

    assert line.startswith(begin)
    assert ("-> b" in line) is bool(finding.action)


@pytest.fixture
def launcher(monkeypatch, settings, tmp_path):
    """The launcher of the site, in a dictionary."""
    settings.LAUNCHER = "memory"
    made = MemoryLauncher(data_root=tmp_path)
    monkeypatch.setattr(processes, "open_launcher", lambda *_: made)
    return made


def test_the_launcher_is_tried_and_left_as_it_was(launcher):
    found = site.launcher()

    assert (found.verdict, "0 of 40" in found.found or "1 of 40" in found.found) == ("ok", True)
    assert list(launcher.running()) == []


def test_a_launcher_that_starts_nothing_is_a_failure_with_its_words(launcher):
    launcher.backend.fail("start", ImageMissing("Kind python: no image sha256:0 here."))

    found = site.launcher()

    assert found.verdict == "FAILED"
    assert "no image sha256:0" in found.found
    assert "LAUNCHER_URL" in found.action


def test_a_viewer_that_ends_at_once_is_a_failure_with_what_it_wrote(launcher, monkeypatch):
    start = launcher.backend.start

    def start_and_lose(container):
        start(container)
        launcher.backend.say(container.session, "Traceback: no module named tornado")
        launcher.backend.lose(container.session)
        return launcher.backend.find(container.session)

    monkeypatch.setattr(launcher.backend, "start", start_and_lose)

    found = site.launcher()

    assert "no module named tornado" in found.found
    assert list(launcher.running()) == []


def test_containers_without_a_proxy_cannot_be_reached(settings):
    settings.LAUNCHER, settings.DATA_SERVER = "docker", "django"

    found = site.launcher()

    assert (found.verdict, "DATA_SERVER=nginx" in found.action) == ("FAILED", True)
