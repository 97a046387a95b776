"""Views' processes on this host: seen by every process of the site, and gone with their parent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.docker import HERE
from tests.support.launchers import STATE, an_order, make_layer, new_token, processes
from viewers_app.launcher.ports import Condition, Kind
from viewers_app.launcher.process import ProcessLauncher


@pytest.fixture
def launched(tmp_path):
    make_layer(tmp_path / "data")
    with processes(tmp_path / "data", tmp_path / "processes") as launched:
        yield launched


def another(launched, tmp_path):
    """Return the launcher as another process of the site has it."""
    return ProcessLauncher(folder=tmp_path / "processes", data_root=launched.data_root)


def pid_of(tmp_path, order):
    return json.loads((tmp_path / "processes" / f"{order.view}.json").read_text())["pid"]


def about(pid, name):
    return Path(f"/proc/{pid}/{name}").read_text()


def test_another_process_of_the_site_sees_and_ends_it(launched, tmp_path):
    order = an_order()
    running = launched.ready(order)
    elsewhere = another(launched, tmp_path)

    assert elsewhere.ensure(order) == running
    elsewhere.remove(order.view)

    assert list(launched.launcher.running()) == []
    assert list((tmp_path / "processes").glob(f"{order.view}*")) == []


def test_it_has_a_group_of_its_own_and_nothing_of_our_environment(launched, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "not-for-children")
    order = an_order()
    launched.ready(order)
    pid = pid_of(tmp_path, order)

    environment = about(pid, "environ")

    assert os.getpgid(pid) == pid
    assert "not-for-children" not in environment
    assert order.values["token"] not in environment


def test_it_is_limited(launched, tmp_path):
    order = an_order()
    launched.ready(order)

    limits = about(pid_of(tmp_path, order), "limits")

    values = {line[:26].strip(): line[26:47].strip() for line in limits.splitlines()}
    assert values["Max address space"] == str(8 * 2**30)
    assert values["Max core file size"] == "0"
    assert values["Max open files"] == "1024"


def test_what_was_written_down_is_for_us_only(launched, tmp_path):
    order = an_order()
    launched.ready(order)

    assert (tmp_path / "processes").stat().st_mode & 0o777 == 0o700
    assert all(
        order.values["token"] not in path.read_text() for path in (tmp_path / "processes").iterdir()
    )


def test_one_that_does_not_listen_is_killed(launched, tmp_path, monkeypatch):
    monkeypatch.setattr("viewers_app.launcher.process.TERM_S", 0.3)
    order = an_order()
    launched.ready(order)
    os.kill(pid_of(tmp_path, order), signal.SIGSTOP)

    launched.launcher.remove(order.view)

    assert list(launched.launcher.running()) == []


def test_none_stays_behind_as_a_zombie(launched, tmp_path):
    order = an_order()
    launched.ready(order)
    pid = pid_of(tmp_path, order)

    launched.launcher.remove(order.view)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PARENT = """
import sys, time
from pathlib import Path
import django
django.setup()
from tests.support.launchers import an_order
from viewers_app.launcher.process import ProcessLauncher
launcher = ProcessLauncher(folder=Path(sys.argv[1]), data_root=Path(sys.argv[2]))
launcher.ensure(an_order())
time.sleep(60)
"""


def test_it_ends_with_its_parent_even_if_that_is_killed(launched, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    argv = [sys.executable, "-c", PARENT, str(tmp_path / "processes"), str(launched.data_root)]
    parent = subprocess.Popen(argv, env=environment)
    deadline = time.monotonic() + 30
    while not launched.launcher.running() and time.monotonic() < deadline:
        time.sleep(0.1)
    (running,) = launched.launcher.running()
    launched.wait_for(running.view, Condition.READY)

    parent.kill()
    parent.wait()

    assert launched.wait_for(running.view, Condition.GONE)


def test_a_python_viewer_that_cannot_start_says_why(launched):
    order = an_order(Kind.PYTHON, values={"state": "no json", "token": new_token()})
    launched.launcher.ensure(order)

    launched.wait_for(order.view, Condition.GONE)

    assert "JSONDecodeError" in launched.launcher.logs(order.view)


def test_a_python_viewer_has_the_keys_of_its_ontology(launched):
    values = {
        "state": json.dumps(STATE),
        "token": new_token(),
        "ontology": '{"1": [null, "whole"], "2": [1, "part"]}',
    }
    order = an_order(Kind.PYTHON, values=values)
    running = launched.ready(order)

    _, events = launched.fetch(running, f"/events/{values['token']}?c=x&gc=&gs=", "--max-time", "2")

    config = json.loads(events.split("data: ")[1])["s"]
    assert config["inputEventBindings"]["viewer"] == {
        "keyc": "ontology-back",
        "keyp": "ontology-up",
    }


def test_a_file_that_is_no_session_disturbs_nobody(launched, tmp_path):
    launched.ready(an_order())
    (tmp_path / "processes" / "broken.json").write_text("{")

    assert len(launched.launcher.running()) == 1
