"""What the SSH shell adds to the contract of all shells: real shells in between, and many files."""

import os
import stat
import threading
import time

import pytest

from core_app.errors import Misconfigured, Rejected
from processing_app.cluster.ports import Peek
from processing_app.cluster.shell_ssh import SshShell


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path)


ODD = [
    "two words",
    'say "hi"',
    "it's",
    "$(touch oops)",
    "`touch oops`",
    "$HOME",
    "a\nb",
    "*",
    "-n",
    "",
    "\\",
    "!!",
    "naïve µm",
]


def test_arguments_arrive_whole(ssh_shell, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    script = "import sys; sys.stdout.write('\\0'.join(sys.argv[1:]))"

    done = ssh_shell.run(["python3", "-c", script, *ODD], cwd=str(empty), timeout=10)

    assert done.stdout.split("\0") == ODD
    assert list(empty.iterdir()) == []


def test_a_folder_may_have_any_name(ssh_shell, folder):
    odd = f"{folder}/a 'b' \"c\" $(d)\ne"
    ssh_shell.make_folder(odd)
    ssh_shell.write(f"{odd}/it's $HOME", b"x")

    done = ssh_shell.run(["ls"], cwd=odd, timeout=10)

    assert done.stdout == "it's $HOME\n"
    assert ssh_shell.read_many([Peek(f"{odd}/it's $HOME")]) == [b"x"]


def test_what_login_scripts_print_is_not_the_output(ssh_shell, sshd, folder):
    sshd.login_prints("echo Welcome; printf 'no end of line'; echo careful >&2")

    done = ssh_shell.run(["echo", "Welcome"], cwd=folder, timeout=10)

    assert done.stdout == "Welcome\n"


def test_what_login_scripts_print_can_be_told(ssh_shell, sshd):
    assert ssh_shell.noise() == ""

    sshd.login_prints("echo Welcome; echo careful >&2")

    assert ssh_shell.noise() == "Welcome\n"


def test_what_login_scripts_print_does_not_disturb_many_files(ssh_shell, sshd, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    sshd.login_prints("echo Welcome; echo careful >&2")

    assert ssh_shell.read_many([Peek(f"{tmp_path}/a")]) == [b"x"]


def test_complaints_are_kept_and_are_no_failure(ssh_shell, sshd, folder):
    sshd.login_prints("echo careful >&2")

    done = ssh_shell.run(["sh", "-c", "echo more >&2"], cwd=folder, timeout=10)

    assert (done.exit_code, done.stderr) == (0, "careful\nmore\n")


def test_a_command_has_no_input_to_wait_for(ssh_shell, folder):
    assert ssh_shell.run(["cat"], cwd=folder, timeout=10).stdout == ""


def test_twenty_megabytes_of_output_come_in_seconds(ssh_shell, folder):
    argv = ["head", "-c", "20000000", "/dev/zero"]
    before = time.monotonic()

    done = ssh_shell.run(argv, cwd=folder, timeout=60)

    assert len(done.stdout) == 20_000_000
    assert time.monotonic() - before < 10


def test_no_character_is_cut_in_long_output(ssh_shell, folder):
    script = "import sys; sys.stdout.buffer.write(('a' + 'µ' * 500_000).encode())"

    done = ssh_shell.run(["python3", "-c", script], cwd=folder, timeout=20)

    assert done.stdout == "a" + "µ" * 500_000


def test_output_that_is_no_text_does_no_harm(ssh_shell, folder):
    done = ssh_shell.run(["printf", r"a\377b"], cwd=folder, timeout=10)

    assert done.stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_one_connection_serves_everything(another_sshd, folder):
    server = another_sshd()
    shell = SshShell(server.access())

    shell.write(f"{folder}/a", b"x")
    shell.run(["true"], cwd=folder, timeout=10)
    shell.read_many([Peek(f"{folder}/a")])
    shell.close()

    assert server.log.read_text().count("Accepted publickey") == 1


def test_nothing_is_connected_before_it_is_needed(another_sshd):
    server = another_sshd()

    SshShell(server.access()).close()

    assert "Accepted" not in server.log.read_text()


def test_a_closed_shell_opens_again(ssh_shell, folder):
    ssh_shell.write(f"{folder}/a", b"x")
    ssh_shell.close()

    assert ssh_shell.read(f"{folder}/a") == b"x"


def test_threads_take_turns(ssh_shell, folder):
    said = {}

    def ask(word):
        said[word] = ssh_shell.run(["echo", word], cwd=folder, timeout=20).stdout

    threads = [threading.Thread(target=ask, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert said == {str(number): f"{number}\n" for number in range(4)}


def test_files_are_for_the_group_and_nobody_else(ssh_shell, tmp_path):
    ssh_shell.write(f"{tmp_path}/file", b"x")

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o660


def test_new_folders_are_for_the_group_and_old_ones_stay(ssh_shell, tmp_path):
    (tmp_path / "old").mkdir(mode=0o700)

    ssh_shell.make_folder(f"{tmp_path}/old/a/b")

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "old/a", "old/a/b")]
    assert modes == [0o700, 0o2770, 0o2770]


def test_a_pipe_or_a_device_is_not_read(ssh_shell, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    wanted = [Peek(f"{tmp_path}/pipe"), Peek(f"{tmp_path}/link"), Peek("/dev/zero")]

    assert ssh_shell.read_many(wanted) == [None, None, None]
    with pytest.raises(Rejected):
        ssh_shell.read(f"{tmp_path}/pipe")


def test_a_name_that_is_too_long_will_never_do(ssh_shell, folder):
    with pytest.raises(Rejected):
        ssh_shell.write(f"{folder}/{'a' * 300}", b"")


def test_ten_thousand_files_are_one_command(ssh_shell, sshd, tmp_path):
    names = [f"{tmp_path}/{number}" for number in range(10_000)]
    for number in range(0, 10_000, 2):
        (tmp_path / str(number)).write_bytes(b"%d" % number)
    before = sshd.commands()

    found = ssh_shell.read_many([Peek(name) for name in names])

    assert sshd.commands() == before + 1
    assert found == [b"%d" % number if number % 2 == 0 else None for number in range(10_000)]


def test_forty_thousand_files_come_in_seconds(ssh_shell, tmp_path):
    (tmp_path / "a").write_bytes(bytes(1000))
    before = time.monotonic()

    found = ssh_shell.read_many([Peek(f"{tmp_path}/a", most=100, from_end=True)] * 40_000)

    assert found == [bytes(100)] * 40_000
    assert time.monotonic() - before < 15


def test_large_files_come_in_several_answers(ssh_shell, sshd, tmp_path):
    (tmp_path / "a").write_bytes(bytes(12 << 20))
    before = sshd.commands()

    found = ssh_shell.read_many([Peek(f"{tmp_path}/a", most=12 << 20)] * 5)

    assert [len(part) for part in found] == [12 << 20] * 5
    assert sshd.commands() == before + 2


def test_a_missing_interpreter_is_named(sshd):
    shell = SshShell(sshd.access(python="/no/such/python"))

    with pytest.raises(Misconfigured, match="/no/such/python"):
        shell.read_many([Peek("/etc/hostname")])
    shell.close()
