"""Who is let in over SSH, and what a person is told who has to mend an access."""

import socket
import subprocess

import pytest

from core_app.errors import Misconfigured, Silent
from facility_app.doctor.findings import examine
from processing_app.cluster.shell_ssh import SshShell
from tests.support.sshd import ADDRESS, make_key


@pytest.fixture
def shell_with(sshd):
    """Return a shell on the running server whose access is changed."""
    shells = []

    def make(**changes):
        shells.append(SshShell(sshd.access(**changes)))
        return shells[-1]

    yield make
    for shell in shells:
        shell.close()


def say_hello(shell):
    return shell.run(["echo", "hello"], cwd="/", timeout=10).stdout


def refusal_of(shell):
    with pytest.raises(Misconfigured) as caught:
        say_hello(shell)
    return str(caught.value)


@pytest.fixture
def other_key(tmp_path):
    return make_key(tmp_path / "other_key")


def host_line(port, key_file):
    kind, key, *_ = key_file.with_suffix(".pub").read_text().split()
    return f"[{ADDRESS}]:{port} {kind} {key}\n"


def test_another_host_key_is_refused_with_both_fingerprints(sshd, shell_with, tmp_path, other_key):
    pinned = tmp_path / "known_hosts"
    pinned.write_text(host_line(sshd.port, other_key))

    words = refusal_of(shell_with(known_hosts_file=str(pinned)))

    assert "wrong host key" in words
    assert words.count("SHA256:") == 2
    assert str(pinned) in words


def test_an_unknown_host_is_refused_and_not_remembered(sshd, shell_with, tmp_path):
    pinned = tmp_path / "known_hosts"
    pinned.write_text("")

    words = refusal_of(shell_with(known_hosts_file=str(pinned)))

    assert "unknown host key" in words
    assert f"ssh-keyscan -p {sshd.port} {ADDRESS}" in words
    assert pinned.read_text() == ""


def test_a_missing_list_of_hosts_is_named(shell_with, tmp_path):
    words = refusal_of(shell_with(known_hosts_file=str(tmp_path / "nothing")))

    assert f"{tmp_path}/nothing is not there" in words


def test_a_list_of_hosts_that_is_none_is_named(sshd, shell_with, tmp_path):
    pinned = tmp_path / "known_hosts"
    pinned.write_text(f"[{ADDRESS}]:{sshd.port} ssh-ed25519 not-base64\n")

    assert str(pinned) in refusal_of(shell_with(known_hosts_file=str(pinned)))


def test_a_refused_key_names_file_and_account(shell_with, other_key, sshd):
    words = refusal_of(shell_with(key_file=str(other_key)))

    assert "SSH key refused" in words
    assert str(other_key) in words
    assert f"authorized_keys of {sshd.host().user}" in words


def test_a_missing_key_is_named(shell_with, tmp_path):
    words = refusal_of(shell_with(key_file=str(tmp_path / "nothing")))

    assert f"{tmp_path}/nothing is not there" in words


def test_a_folder_as_key_is_named(shell_with, tmp_path):
    assert f"{tmp_path} is no file" in refusal_of(shell_with(key_file=str(tmp_path)))


def test_a_public_key_is_told_from_the_private_one(shell_with, other_key):
    words = refusal_of(shell_with(key_file=f"{other_key}.pub"))

    assert f"{other_key}.pub is a public key. Name the private one beside it, {other_key}." in words


def test_a_key_that_others_may_read_is_refused(shell_with, other_key):
    other_key.chmod(0o644)

    assert "chmod 600" in refusal_of(shell_with(key_file=str(other_key)))


def test_a_key_with_a_passphrase_is_refused_without_asking(shell_with, tmp_path, other_key):
    argv = ["ssh-keygen", "-q", "-p", "-N", "a long secret", "-f", str(other_key)]
    subprocess.run(argv, check=True, capture_output=True)

    assert "passphrase" in refusal_of(shell_with(key_file=str(other_key)))


def test_a_file_that_is_no_key_is_refused_and_not_quoted(shell_with, tmp_path):
    path = tmp_path / "key"
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret words\n")
    path.chmod(0o600)

    words = refusal_of(shell_with(key_file=str(path)))

    assert "unusable SSH key" in words
    assert "secret words" not in words


def test_a_second_factor_is_told_and_not_asked_for(another_sshd):
    strict = another_sshd(
        options="AuthenticationMethods publickey,password\nPasswordAuthentication yes"
    )

    assert "second factor" in refusal_of(SshShell(strict.access()))


def test_a_closed_port_is_no_answer(another_sshd):
    gone = another_sshd()
    gone.stop()

    with pytest.raises(Silent) as trouble:
        say_hello(SshShell(gone.access()))
    assert f": Unable to connect to port {gone.port} on" in str(trouble.value)
    line = examine("there", "connection", lambda: say_hello(SshShell(gone.access())))
    assert line.action.startswith("See whether its name and port are right")


def test_an_unknown_name_is_no_answer(shell_with, monkeypatch):
    def no_such_name(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)

    with pytest.raises(Silent, match="Name or service not known"):
        say_hello(shell_with(name="localhost"))


def test_a_port_that_accepts_and_stays_silent_is_no_answer(shell_with):
    with socket.create_server((ADDRESS, 0)) as silent, pytest.raises(Silent):
        say_hello(shell_with(port=silent.getsockname()[1], banner_timeout_s=0.5))


def test_a_server_that_stops_in_the_middle_of_the_sign_in_is_no_answer(shell_with, sshd):
    sshd.suspend()

    with pytest.raises(Silent):
        say_hello(shell_with(banner_timeout_s=0.5))


def test_no_agent_is_asked(shell_with, monkeypatch, tmp_path, other_key):
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        agent.settimeout(0)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

        assert say_hello(shell_with()) == "hello\n"
        refusal_of(shell_with(key_file=str(other_key)))

        with pytest.raises(BlockingIOError):
            agent.accept()


def test_no_file_of_the_account_is_read(shell_with, monkeypatch, tmp_path):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  Hostname 192.0.2.1\n  User nobody\n")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert say_hello(shell_with()) == "hello\n"


def test_a_jump_host_is_gone_through(shell_with, another_sshd):
    jump = another_sshd()
    shell = shell_with(jump=jump.host(), jump_known_hosts_file=str(jump.known_hosts_file))

    assert say_hello(shell) == "hello\n"
    assert "Accepted publickey" in jump.log.read_text()


def test_one_list_of_hosts_serves_both(shell_with, another_sshd, sshd, tmp_path):
    jump = another_sshd()
    both = tmp_path / "known_hosts"
    both.write_text(sshd.known_hosts_file.read_text() + jump.known_hosts_file.read_text())

    shell = shell_with(jump=jump.host(), known_hosts_file=str(both))

    assert say_hello(shell) == "hello\n"


def test_an_unknown_jump_host_is_refused(shell_with, another_sshd):
    jump = another_sshd()

    words = refusal_of(shell_with(jump=jump.host()))

    assert "unknown host key" in words
    assert f":{jump.port}" in words


def test_a_jump_host_with_another_key_is_refused(shell_with, another_sshd, tmp_path, other_key):
    jump = another_sshd()
    pinned = tmp_path / "jump_hosts"
    pinned.write_text(host_line(jump.port, other_key))

    words = refusal_of(shell_with(jump=jump.host(), jump_known_hosts_file=str(pinned)))

    assert "wrong host key" in words


def test_the_target_behind_a_jump_host_has_to_be_known_too(shell_with, another_sshd, sshd):
    jump = another_sshd()

    words = refusal_of(shell_with(jump=jump.host(), known_hosts_file=str(jump.known_hosts_file)))

    assert "unknown host key" in words
    assert f":{sshd.port}" in words


def test_a_jump_host_that_forwards_nothing_is_told(shell_with, another_sshd):
    jump = another_sshd(options="AllowTcpForwarding no")
    shell = shell_with(jump=jump.host(), jump_known_hosts_file=str(jump.known_hosts_file))

    assert "AllowTcpForwarding" in refusal_of(shell)


def test_a_target_that_is_down_behind_a_jump_host_is_no_answer(another_sshd):
    jump, gone = another_sshd(), another_sshd()
    gone.stop()
    access = gone.access(jump=jump.host(), jump_known_hosts_file=str(jump.known_hosts_file))
    shell = SshShell(access)

    with pytest.raises(Silent):
        say_hello(shell)
    gone.start()

    assert say_hello(shell) == "hello\n"
    shell.close()
