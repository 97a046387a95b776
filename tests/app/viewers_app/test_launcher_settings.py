"""Which launcher the settings mean, and which the system checks refuse."""

import pytest
from django.core.checks import run_checks

from core_app.errors import Misconfigured
from viewers_app.launcher import open_launcher
from viewers_app.launcher.http import HttpLauncher
from viewers_app.launcher.memory import MemoryLauncher
from viewers_app.launcher.process import ProcessLauncher

KEYS = f"site:{'k' * 32}"


def found(*, deploy=False):
    messages = run_checks(include_deployment_checks=deploy)
    return {message.id for message in messages if message.id.startswith("viewers.")}


def test_without_processes_there_is_no_launcher(settings):
    assert settings.LAUNCHER == "static"
    assert found(deploy=True) == set()
    with pytest.raises(Misconfigured):
        open_launcher()


def test_the_service_has_an_address_and_keys(settings):
    settings.LAUNCHER, settings.LAUNCHER_KEYS = "docker", KEYS
    settings.LAUNCHER_URL = "unix:/run/lightserv/launcher.sock"

    assert isinstance(open_launcher(), HttpLauncher)
    assert found(deploy=True) == set()


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"LAUNCHER_URL": ""}, "viewers.E003"),
        ({"LAUNCHER_URL": "https://host"}, "viewers.E003"),
        ({"LAUNCHER_KEYS": ""}, "viewers.E004"),
        ({"LAUNCHER_KEYS": "site:short"}, "viewers.E004"),
    ],
    ids=str,
)
def test_a_service_that_cannot_be_asked_stops_the_site(settings, changes, trouble):
    settings.LAUNCHER, settings.LAUNCHER_KEYS = "docker", KEYS
    settings.LAUNCHER_URL = "http://launcher:5005"
    for name, value in changes.items():
        setattr(settings, name, value)

    assert found() == {trouble}


def test_keys_that_cannot_be_used_are_for_operators(settings):
    settings.LAUNCHER, settings.LAUNCHER_KEYS = "docker", "site:short"
    settings.LAUNCHER_URL = "http://launcher:5005"

    with pytest.raises(Misconfigured):
        open_launcher()


def test_a_data_root_that_is_the_whole_machine_is_refused(settings, tmp_path):
    settings.LAUNCHER, settings.LAUNCHER_KEYS = "docker", KEYS
    settings.LAUNCHER_URL = "http://launcher:5005"
    settings.DATA_ROOT = tmp_path.parents[-1]

    assert found() == {"viewers.E005"}


def test_plain_processes_are_refused_where_debug_is_off(settings):
    settings.LAUNCHER = "process"

    assert found() == {"viewers.E001"}
    with pytest.raises(Misconfigured):
        open_launcher()


def test_plain_processes_are_for_development(settings, tmp_path):
    settings.LAUNCHER, settings.DEBUG, settings.LAUNCHER_FOLDER = "process", True, tmp_path

    assert isinstance(open_launcher(), ProcessLauncher)
    assert open_launcher() is open_launcher()
    assert found() == set()


def test_memory_is_not_for_production(settings):
    settings.LAUNCHER = "memory"

    assert isinstance(open_launcher(), MemoryLauncher)
    assert found() == set()
    assert found(deploy=True) == {"viewers.E002"}
