"""Real OpenSSH servers on loopback: own keys, own configuration, own home, gone with the tests."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from processing_app.cluster.config import Host
from processing_app.cluster.shell_ssh import SshAccess, SshShell
from tests.support import services

ADDRESS = "127.0.0.1"
START_LIMIT_S = 20
# Each is a multiple of what a quiet machine needs, and short enough to wait for in a test.
QUICK = {
    "connect_timeout_s": 3.0,
    "banner_timeout_s": 3.0,
    "auth_timeout_s": 5.0,
    "channel_timeout_s": 2.0,
    "file_timeout_s": 10.0,
}
BASHRC = "# nothing\n"
_OF_HOST = ("name", "port", "user", "key_file")


def make_key(path: Path) -> Path:
    """Make a key pair without a passphrase and return the private half."""
    keygen = services.program("ssh-keygen", service="ssh", package="openssh-client")
    argv = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", "only-for-tests", "-f", str(path)]
    subprocess.run(argv, check=True, capture_output=True)
    return path


class Sshd:
    """One server. Sessions have `home` as their HOME; the first login shell reads its .bashrc."""

    def __init__(self, folder: Path, *, options: str = "", sftp: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.home = folder / "home"
        self.log = folder / "log"
        self.key_file = make_key(folder / "client_key")
        self.known_hosts_file = folder / "known_hosts"
        self.port = _free_port()
        self._listener: subprocess.Popen[bytes] | None = None
        self._stopped: list[int] = []
        self._lay_out(options, sftp or _sftp_server())
        self.quieten()

    def access(self, **changes: object) -> SshAccess:
        """Return the access of the account that runs the tests, with short time-outs.

        Changes are those of the host (name, port, user, key_file) or of the access itself.
        """
        host = {name: changes.pop(name) for name in _OF_HOST if name in changes}
        right = {"host": self.host(**host), "known_hosts_file": str(self.known_hosts_file)}
        return SshAccess(**{**right, **QUICK, **changes})

    def host(self, **changes: object) -> Host:
        """Return this server as a machine to enter or to go through."""
        right = {"name": ADDRESS, "port": self.port, "user": getpass.getuser()}
        return Host(**{**right, "key_file": str(self.key_file), **changes})

    def start(self) -> None:
        daemon = services.program("sshd", service="ssh", package="openssh-server")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists
        with self.log.open("ab") as log:
            self._listener = subprocess.Popen(
                [daemon, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; they stop the server themselves
                preexec_fn=services.die_with_parent,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End the listener and every session."""
        self.resume()
        if self._listener is not None:
            sessions = self._sessions()
            self._listener.kill()
            self._listener.wait()
            _signal(sessions, signal.SIGKILL)
            self._listener = None

    def kill_sessions(self) -> None:
        """End every connection, as a broken network or a restart of the machine does."""
        _signal(self._sessions(), signal.SIGKILL)

    def suspend(self) -> None:
        """Let nothing answer any more and nothing be refused, as on a network that hangs."""
        assert self._listener is not None
        self._stopped = [self._listener.pid, *self._sessions()]
        _signal(self._stopped, signal.SIGSTOP)

    def resume(self) -> None:
        _signal(self._stopped, signal.SIGCONT)
        self._stopped = []

    def login_prints(self, script: str) -> None:
        """Put shell lines into the login script, which bash reads before each command."""
        (self.home / ".bashrc").write_text(script)

    def quieten(self) -> None:
        self.login_prints(BASHRC)

    def commands(self) -> int:
        """Return how many commands were run here so far, by the server's own log."""
        return self.log.read_text(errors="replace").count("Starting session: command")

    def _sessions(self) -> list[int]:
        """Return the processes of sshd below the listener; commands are not among them."""
        assert self._listener is not None
        found, seen = [], [self._listener.pid]
        while seen:
            children = _children(seen.pop())
            ours = [pid for pid, name in children if name.startswith("sshd")]
            found += ours
            seen += ours
        return found

    def _lay_out(self, options: str, sftp: str) -> None:
        self.home.mkdir()
        host_key = make_key(self.folder / "host_key")
        public = self.key_file.with_suffix(".pub").read_text()
        (self.folder / "authorized_keys").write_text(public)
        kind, key, *_ = host_key.with_suffix(".pub").read_text().split()
        self.known_hosts_file.write_text(f"[{ADDRESS}]:{self.port} {kind} {key}\n")
        self.log.touch()
        (self.folder / "sshd_config").write_text(
            f"{_with_home(options, self.home)}\n"  # of two lines alike, sshd takes the first
            f"Port {self.port}\n"
            f"ListenAddress {ADDRESS}\n"
            f"HostKey {host_key}\n"
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}\n"
            f"PidFile {self.folder / 'pid'}\n"
            f"Subsystem sftp {sftp}\n"
            "StrictModes no\n"
            "UsePAM no\n"
            "PermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "LogLevel VERBOSE\n"
            "MaxStartups 100\n"
        )

    def _wait_until_ready(self) -> None:
        assert self._listener is not None
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._listener.poll() is None:
            with suppress(OSError), socket.create_connection((ADDRESS, self.port), timeout=1):
                return
            time.sleep(0.02)
        said = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"sshd did not start within {START_LIMIT_S} s. It said:\n{said}")


@pytest.fixture(scope="session")
def _one_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    services.program("sshd", service="ssh", package="openssh-server")
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sshd(_one_sshd: Sshd) -> Iterator[Sshd]:
    """A running server that lets us in. It is mended after each test."""
    yield _one_sshd
    _one_sshd.resume()
    _one_sshd.kill_sessions()
    _one_sshd.quieten()


@pytest.fixture
def ssh_shell(sshd: Sshd) -> Iterator[SshShell]:
    """A shell on the running server."""
    shell = SshShell(sshd.access())
    yield shell
    shell.close()


@pytest.fixture
def another_sshd(
    sshd: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Sshd]]:
    """Start further servers, with keys of their own, `options` for their configuration."""
    servers = []

    def start(**options: str) -> Sshd:
        server = Sshd(tmp_path_factory.mktemp("sshd"), **options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def _with_home(options: str, home: Path) -> str:
    """Give the sessions their home. sshd reads one SetEnv only, so it holds all of them."""
    lines = options.splitlines()
    given = [line.removeprefix("SetEnv ") for line in lines if line.startswith("SetEnv ")]
    others = [line for line in lines if not line.startswith("SetEnv ")]
    return "\n".join([*others, " ".join(["SetEnv", f"HOME={home}", *given])])


def _sftp_server() -> str:
    """Return the program that most clusters use, which login scripts can disturb."""
    places = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")
    return next((place for place in places if Path(place).exists()), "internal-sftp")


def _children(parent: int) -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended meanwhile
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                if int(rest.split()[1]) == parent:
                    found.append((int(entry.name), name))
    return found


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
