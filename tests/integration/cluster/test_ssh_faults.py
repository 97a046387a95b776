"""What the SSH shell does while connections break, servers hang, and disks fill up."""

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from core_app.errors import Misconfigured, Rejected, Silent, Unreachable
from processing_app.cluster import shell_ssh
from processing_app.cluster.ports import Peek
from processing_app.cluster.shell_ssh import SshShell
from tests.support import disks

BIG = 48 << 20
# A hung server costs the sum of these once.
HANGS = {"channel_timeout_s": 1.2, "banner_timeout_s": 1.2, "file_timeout_s": 3.0}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "a folder's"


@pytest.fixture(autouse=True)
def _made(folder):
    folder.mkdir()


@pytest.fixture
def impatient(sshd):
    """A shell with short time-outs that was used once."""
    shell = SshShell(sshd.access(**HANGS))
    say_hello(shell)
    shell.read("/nothing")
    yield shell
    shell.close()


def say_hello(shell):
    return shell.run(["echo", "hello"], cwd="/", timeout=10).stdout


def wait_for(condition, *, within=10.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


@contextmanager
def once(condition, act):
    """Act in a thread as soon as the condition holds, while the block does something else."""
    thread = threading.Thread(target=lambda: (wait_for(condition), act()))
    thread.start()
    yield
    thread.join()


def is_open_somewhere(path):
    """Return whether a process but ours has the file open."""
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if place.parts[2] != str(os.getpid()) and place.readlink() == path:
                return True
        except OSError:
            continue
    return False


def is_running(process):
    return Path(f"/proc/{process}").exists()


ACTS = {
    "run": lambda shell, folder: shell.run(["true"], cwd=str(folder), timeout=1),
    "write": lambda shell, folder: shell.write(f"{folder}/a", b"x"),
    "read": lambda shell, folder: shell.read(f"{folder}/a"),
    "read_many": lambda shell, folder: shell.read_many([Peek(f"{folder}/a")] * 3),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_server_that_hangs_is_no_answer_and_the_shell_works_when_it_is_back(
    impatient, sshd, folder, act
):
    sshd.suspend()
    before = time.monotonic()
    with pytest.raises(Silent):
        act(impatient, folder)
    took = time.monotonic() - before
    sshd.resume()

    act(impatient, folder)

    assert took < 6


def test_a_server_that_hangs_during_a_command_is_no_answer(impatient, sshd, folder):
    begun = folder / "begun"

    with once(begun.exists, sshd.suspend), pytest.raises(Silent):
        impatient.run(["sh", "-c", "touch begun; sleep 30"], cwd=str(folder), timeout=0.5)
    sshd.resume()

    assert say_hello(impatient) == "hello\n"


def test_a_server_that_hangs_during_a_large_write_is_no_answer(impatient, sshd, folder):
    begun = lambda: any(folder.glob(".big.*"))  # noqa: E731 - a condition

    with once(begun, sshd.suspend), pytest.raises(Silent):
        impatient.write(f"{folder}/big", bytes(BIG))
    sshd.resume()
    impatient.write(f"{folder}/big", b"at last")

    assert (folder / "big").read_bytes() == b"at last"


def test_a_server_that_hangs_during_a_large_read_is_no_answer(impatient, sshd, folder):
    big = folder / "big"
    big.write_bytes(bytes(BIG))

    with once(lambda: is_open_somewhere(big), sshd.suspend), pytest.raises(Silent):
        impatient.read(str(big), most=BIG)
    sshd.resume()

    assert impatient.read(str(big), most=3) == bytes(3)


def test_a_server_that_hangs_during_a_large_request_for_files_is_no_answer(sshd, folder):
    # The interpreter there stands still before it reads what is wanted.
    waiting = folder / "python"
    waiting.write_text(f'#!/bin/sh\necho > "{folder}/here"\nsleep 30\n')
    waiting.chmod(0o755)
    shell = SshShell(sshd.access(**HANGS, python=str(waiting)))

    with once((folder / "here").exists, sshd.suspend), pytest.raises(Silent):
        shell.read_many([Peek("/x" * 100)] * 40_000)
    sshd.resume()

    assert say_hello(shell) == "hello\n"
    shell.close()


def test_a_connection_that_broke_between_commands_is_opened_anew(ssh_shell, sshd):
    say_hello(ssh_shell)
    sshd.kill_sessions()

    assert say_hello(ssh_shell) == "hello\n"


def test_a_connection_that_broke_between_files_is_opened_anew(ssh_shell, sshd, folder):
    ssh_shell.write(f"{folder}/a", b"x")
    sshd.kill_sessions()

    assert ssh_shell.read(f"{folder}/a") == b"x"


def test_a_restart_of_the_server_is_survived(another_sshd):
    server = another_sshd()
    shell = SshShell(server.access())
    say_hello(shell)
    server.stop()
    with pytest.raises(Silent):
        say_hello(shell)
    server.start()

    assert say_hello(shell) == "hello\n"
    shell.close()


def test_a_connection_that_breaks_during_a_command_is_no_answer(ssh_shell, sshd, folder):
    begun = folder / "begun"

    with once(begun.exists, sshd.kill_sessions), pytest.raises(Silent):
        ssh_shell.run(["sh", "-c", "touch begun; sleep 5"], cwd=str(folder), timeout=10)

    assert say_hello(ssh_shell) == "hello\n"


def test_a_command_whose_connection_broke_is_not_run_again(ssh_shell, sshd, folder):
    begun = folder / "begun"

    with once(begun.exists, sshd.kill_sessions), pytest.raises(Silent):
        ssh_shell.run(["sh", "-c", "echo x >> begun; sleep 5"], cwd=str(folder), timeout=10)
    say_hello(ssh_shell)

    assert begun.read_text() == "x\n"


def test_a_connection_that_breaks_during_a_write_leaves_the_old_content(ssh_shell, sshd, folder):
    ssh_shell.write(f"{folder}/big", b"old")
    begun = lambda: any(folder.glob(".big.*"))  # noqa: E731 - a condition

    with once(begun, sshd.kill_sessions), pytest.raises(Silent):
        ssh_shell.write(f"{folder}/big", bytes(BIG))

    assert ssh_shell.read(f"{folder}/big") == b"old"


def test_a_connection_that_breaks_during_a_read_is_no_answer(ssh_shell, sshd, folder):
    big = folder / "big"
    big.write_bytes(bytes(BIG))

    with once(lambda: is_open_somewhere(big), sshd.kill_sessions), pytest.raises(Silent):
        ssh_shell.read(str(big), most=BIG)

    assert ssh_shell.read(str(big), most=3) == bytes(3)


@pytest.mark.parametrize("begin", ["", "trap '' TERM; "], ids=["plain", "stubborn"])
def test_a_command_that_takes_too_long_is_ended_there(ssh_shell, folder, begin):
    script = f"{begin}echo $$ > process; while :; do sleep 0.1; done"

    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s") as caught:
        ssh_shell.run(["sh", "-c", script], cwd=str(folder), timeout=0.5)

    assert not isinstance(caught.value, Silent)
    wait_for(lambda: not is_running((folder / "process").read_text().strip()))
    assert say_hello(ssh_shell) == "hello\n"


@pytest.mark.parametrize("code", [124, 126, 127, 137, 255])
def test_an_exit_code_of_the_command_is_an_answer_whatever_it_is(ssh_shell, code):
    assert ssh_shell.run(["sh", "-c", f"exit {code}"], cwd="/", timeout=10).exit_code == code


def test_a_command_that_a_signal_ended_is_an_answer(ssh_shell):
    done = ssh_shell.run(["sh", "-c", "kill -9 $$"], cwd="/", timeout=10)

    assert done.exit_code == 137


def test_a_shell_that_does_not_come_up_is_no_answer_with_its_words(ssh_shell, sshd):
    sshd.login_prints("echo This account is closed.; exit 1")

    with pytest.raises(Unreachable, match="This account is closed"):
        say_hello(ssh_shell)


def test_a_full_disk_is_told_and_leaves_the_old_content(ssh_shell, tiny_disk):
    ssh_shell.write(f"{tiny_disk}/a", b"old")

    with pytest.raises(Unreachable, match="disk is full"):
        ssh_shell.write(f"{tiny_disk}/a", bytes(200_000))

    assert [path.name for path in tiny_disk.iterdir()] == ["a"]
    assert ssh_shell.read(f"{tiny_disk}/a") == b"old"


def test_a_disk_without_room_for_one_more_file_is_full_too(ssh_shell, tiny_disk):
    for number in range(3):
        ssh_shell.write(f"{tiny_disk}/{number}", b"")

    with pytest.raises(Unreachable, match="disk is full"):
        ssh_shell.write(f"{tiny_disk}/one more", b"")


def test_a_failure_that_the_server_does_not_explain_hints_at_a_quota(ssh_shell, sshd, folder):
    # A limit of the account, which is met as a quota is: there is room, and writing fails.
    sshd.login_prints("trap '' XFSZ; ulimit -f 8")

    with pytest.raises(Unreachable, match="quota"):
        ssh_shell.write(f"{folder}/a", bytes(100_000))

    assert list(folder.iterdir()) == []


def test_a_disk_that_takes_no_writes_will_not_take_them_later(ssh_shell, tiny_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)

    with pytest.raises(Rejected, match="Read-only"):
        ssh_shell.write(f"{tiny_disk}/a", b"x")


def test_a_server_without_files_is_told(another_sshd):
    shell = SshShell(another_sshd(sftp="/bin/false").access())

    with pytest.raises(Misconfigured, match="Subsystem sftp"):
        shell.read("/etc/hostname")
    shell.close()


def test_login_scripts_that_disturb_the_files_are_told(ssh_shell, sshd):
    sshd.login_prints("echo Welcome to the cluster")

    with pytest.raises(Misconfigured, match=r"~/\.bashrc must print nothing"):
        ssh_shell.read("/etc/hostname")


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB and four files, the folder itself among them."""
    with disks.small_disk(tmp_path / "disk", "size=64k,nr_inodes=4") as place:
        yield place


def test_output_without_end_is_cut_and_named(impatient, monkeypatch):
    monkeypatch.setattr(shell_ssh, "MOST_OUTPUT", 4 << 20)

    started = time.monotonic()
    with pytest.raises(Unreachable, match="too much output"):
        impatient.run(["yes"], cwd="/", timeout=60)

    assert time.monotonic() - started < 30
    assert say_hello(impatient) == "hello\n"
