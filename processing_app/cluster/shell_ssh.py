"""Shell on another machine, over SSH by Fabric: one connection for commands and small files."""

import io
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import paramiko
from fabric import Config, Connection
from fabric.runners import Remote

from core_app.errors import Misconfigured, OutsideError, Unreachable
from processing_app.cluster.ports import SMALL_FILE, CommandResult, Peek
from processing_app.cluster.ssh_access import Hop, SshAccess
from processing_app.cluster.ssh_commands import (
    GRACE_S,
    NO_PROGRAM,
    STARTED,
    TIMED_OUT,
    Answer,
    answer_of,
    command_line,
    longest_wait,
    parts_of,
    reading,
    text_of,
    why_not_started,
)
from processing_app.cluster.ssh_errors import LOST, of_opening, silent
from processing_app.cluster.ssh_files import SftpClient, SmallFiles

__all__ = ["SshAccess", "SshShell"]

T = TypeVar("T")
# A request for more files would be of several megabytes.
FILES_AT_ONCE: Final = 50_000
# More than any command of ours prints: a machine that sends without end must not fill our memory.
MOST_OUTPUT: Final = 128 << 20
NOISE_S: Final = 30.0


class SshShell:
    """Commands and files of another machine. One connection, opened when first needed.

    It is opened anew, once, when it was lost since the last use. For one thread at a time; others
    wait for their turn.
    """

    def __init__(self, access: SshAccess) -> None:
        self._access = access
        self._lock = threading.RLock()
        self._line: _Line | None = None
        self._files: SmallFiles | None = None

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float) -> CommandResult:
        with self._lock:
            done = self._ask(argv, cwd=cwd, timeout=timeout)
        if done.word != STARTED:
            raise why_not_started(done, argv[0], cwd)
        return CommandResult(done.exit_code, text_of(done.stdout), text_of(done.stderr))

    def noise(self) -> str:
        """Return what login scripts print. Not part of the port: only the doctor asks."""
        with self._lock:
            return text_of(self._ask(["true"], cwd="/", timeout=NOISE_S).noise)

    def write(self, path: str, content: bytes) -> None:
        self._with_files(lambda files: files.write(path, content))

    def read(self, path: str, *, most: int = SMALL_FILE) -> bytes | None:
        return self._with_files(lambda files: files.read(path, most))

    def read_many(self, wanted: Sequence[Peek]) -> list[bytes | None]:
        found: list[bytes | None] = []
        with self._lock:
            while len(found) < len(wanted):
                found += self._read_some(wanted[len(found) : len(found) + FILES_AT_ONCE])
        return found

    def make_folder(self, path: str) -> None:
        self._with_files(lambda files: files.make_folder(path))

    def close(self) -> None:
        """Close the connection; whatever is asked next opens another."""
        with self._lock:
            line, self._line, self._files = self._line, None, None
            if line is not None:
                line.close()

    def _read_some(self, wanted: Sequence[Peek]) -> list[bytes | None]:
        """Return what the first of the files hold, at least of one."""
        mark = secrets.token_hex(16)
        argv, request = reading(self._access.python, wanted, mark=mark)
        done = self._ask(argv, cwd="/", timeout=self._access.file_timeout_s, given=request)
        if done.word == NO_PROGRAM:
            raise Misconfigured(
                "no Python on the cluster",
                f"{self._access} has no program {argv[0]}: name an interpreter that is there.",
            )
        if done.word != STARTED:
            raise why_not_started(done, argv[0], "/")
        return parts_of(done, mark=mark, most=len(wanted), python=argv[0])

    def _ask(
        self, argv: Sequence[str], *, cwd: str, timeout: float, given: bytes | None = None
    ) -> Answer:
        """Run one command there. Raises Silent, or Unreachable if it did not end in time."""
        mark = secrets.token_hex(16)
        command = command_line(
            argv, mark=mark, cwd=cwd, timeout=timeout, has_input=given is not None
        )
        line, channel = self._session()
        started = time.monotonic()
        try:
            code, stdout, stderr = line.converse(channel, command, given, limit=timeout)
        except LOST as problem:
            raise self._lost(problem) from problem
        took = time.monotonic() - started
        if code == -1 and took < longest_wait(timeout):
            raise self._lost("the connection broke")
        if code == -1 or (code in TIMED_OUT and took >= timeout):
            self._require_life(line)
            raise Unreachable("timed out", f"{argv[0]} gave no answer within {timeout:g} s")
        return answer_of(self._access, code, stdout, stderr, mark=mark)

    def _session(self) -> "tuple[_Line, paramiko.Channel]":
        """Return a session for one command, on a new connection if the old one was lost."""
        if self._line is not None:
            try:
                return self._line, self._line.session()
            except LOST:
                self.close()
        try:
            line = self._opened()
            return line, line.session()
        except LOST as problem:
            raise self._lost(problem) from problem

    def _opened(self) -> "_Line":
        if self._line is None:
            line = _Line(self._access)
            try:
                line.open()
            except BaseException:
                line.close()
                raise
            self._line = line
        return self._line

    def _with_files(self, act: Callable[[SmallFiles], T]) -> T:
        """Do something with files. Raises Silent, or Unreachable if only the files hang."""
        with self._lock:
            files = self._ready_files()
            line = self._opened()
            try:
                with line.at_most(self._access.file_timeout_s):
                    return act(files)
            except TimeoutError as problem:
                self._require_life(line)
                self.close()  # late answers would be taken for those of the next question
                wait = f"no answer within {self._access.channel_timeout_s:g} s"
                raise Unreachable("file system", f"{self._access}: {wait}") from problem
            except LOST as problem:
                raise self._lost(problem) from problem

    def _ready_files(self) -> SmallFiles:
        """Return an SFTP session that just answered, on a new connection if need be."""
        if self._line is not None and self._files is not None:
            try:
                with self._line.at_most(self._access.channel_timeout_s):
                    self._line.require_own()
                    self._files.probe()
                return self._files
            except LOST:
                self.close()
        line, channel = self._session()
        try:
            self._files = line.files(channel)
        except LOST as problem:
            self._require_life(line)
            self.close()
            raise Misconfigured(
                "no SFTP",
                f"{self._access} lets us in, but gives no files ({problem}). Its sshd needs "
                "`Subsystem sftp`, and login scripts such as ~/.bashrc must print nothing unless "
                "the shell is interactive.",
            ) from problem
        return self._files

    def _require_life(self, line: "_Line") -> None:
        """Raise Silent unless the machine still answers on this connection."""
        try:
            line.session().close()
        except LOST as problem:
            raise self._lost(problem) from problem

    def _lost(self, problem: object) -> OutsideError:
        self.close()
        return silent(self._access, problem)


class _Line:
    """One connection, through the jump host if there is one. What is in LOST ends it."""

    def __init__(self, access: SshAccess) -> None:
        self._access = access
        self._connections: list[Connection] = []

    def open(self) -> None:
        for hop in self._access.hops:
            through = self._connections[-1] if self._connections else None
            connection = _connection(hop, self._access, through)
            self._connections.append(connection)
            try:
                with self.at_most(self._access.opening_s):
                    connection.open()
            except LOST as problem:
                transport = connection.client.get_transport()
                is_connected = transport is not None and transport.is_active()
                raise of_opening(problem, hop, is_connected=is_connected) from problem
            connection.transport.set_keepalive(self._access.keep_alive_s)
        # Else each block of a file waits 40 ms for the next (Nagle), and a megabyte takes a second.
        wire = self._connections[0].transport.sock
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def session(self) -> paramiko.Channel:
        self.require_own()
        with self.at_most(self._access.channel_timeout_s + GRACE_S):
            transport = self._connections[-1].transport
            return transport.open_session(timeout=self._access.channel_timeout_s)

    def require_own(self) -> None:
        """Raise EOFError unless the thread of the connection runs in this very process.

        A process that was forked must not speak on its parent's connection.
        """
        if not all(connection.transport.is_alive() for connection in self._connections):
            raise EOFError("the connection is closed")

    def files(self, channel: paramiko.Channel) -> SmallFiles:
        channel.settimeout(self._access.channel_timeout_s)
        with self.at_most(self._access.channel_timeout_s):
            channel.invoke_subsystem("sftp")
            return SmallFiles(SftpClient(channel))

    def converse(
        self, channel: paramiko.Channel, command: str, given: bytes | None, *, limit: float
    ) -> tuple[int, bytes, bytes]:
        """Return exit code, output and complaints of a command; code -1 if none came."""
        runner = _Remote(self._connections[-1], channel)
        in_stream = False if given is None else io.BytesIO(given)
        over = threading.Timer(longest_wait(limit), channel.close)
        over.daemon = True
        over.start()
        try:
            # Closing a channel says goodbye, which a full connection does not let through either.
            with self.at_most(longest_wait(limit) + self._access.channel_timeout_s):
                # Latin-1 keeps every byte: Fabric decodes piece by piece, and would cut characters.
                done = runner.run(command, in_stream=in_stream, encoding="latin-1")
        finally:
            over.cancel()
        if runner.is_too_much:
            words = f"more than {MOST_OUTPUT >> 20} MB came; the session was closed"
            raise Unreachable("too much output", f"{self._access}: {words}")
        return done.exited, done.stdout.encode("latin-1"), done.stderr.encode("latin-1")

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Cut the connection if this takes longer: not everything in paramiko has a limit."""
        timer = threading.Timer(seconds, self.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        for connection in reversed(self._connections):
            with suppress(*LOST):
                connection.client.close()


class _Remote(Remote):  # type: ignore[misc]  # fabric has no type hints
    """Fabric's runner on a session that is open already, with input as bytes."""

    read_chunk_size = 1 << 16  # with its 1000 bytes, 20 MB take 40 s

    def __init__(self, context: Connection, channel: paramiko.Channel) -> None:
        super().__init__(context)
        self.channel = channel
        self._left = MOST_OUTPUT
        self.is_too_much = False

    def start(self, command: str, shell: str, env: dict[str, str], timeout: Any = None) -> None:
        self.send_start_message(command)

    def read_proc_stdout(self, num_bytes: int) -> bytes:
        return self._count(super().read_proc_stdout(num_bytes))

    def read_proc_stderr(self, num_bytes: int) -> bytes:
        return self._count(super().read_proc_stderr(num_bytes))

    def _count(self, part: bytes) -> bytes:
        """Pass a part on; after too much, end the session and pass nothing."""
        self._left -= len(part)
        if self._left >= 0:
            return part
        self.is_too_much = True
        self.channel.close()
        return b""

    def respond(self, buffer_: list[str]) -> None:
        """Do nothing: there is nobody to answer, and looking joins all output at each piece."""

    def handle_stdin(self, input_: io.BytesIO, output: Any, echo: bool = False) -> None:  # noqa: FBT001, FBT002
        # A command that does not read to the end has its reasons; they are in its answer.
        with suppress(*LOST):
            self.channel.sendall(input_.read())
            self.channel.shutdown_write()


def _connection(hop: Hop, access: SshAccess, through: Connection | None) -> Connection:
    """Prepare a connection that uses what it is given and nothing it finds."""
    config = Config(
        lazy=True,
        overrides={
            "load_ssh_configs": False,
            "forward_agent": False,
            "run": {"hide": True, "warn": True, "in_stream": False, "pty": False},
        },
    )
    connection = Connection(
        hop.host.name, user=hop.host.user, port=hop.host.port, config=config, gateway=through,
        connect_kwargs={
            "pkey": hop.key(), "allow_agent": False, "look_for_keys": False,
            "timeout": access.connect_timeout_s, "banner_timeout": access.banner_timeout_s,
            "auth_timeout": access.auth_timeout_s, "channel_timeout": access.channel_timeout_s,
            "transport_factory": _Transport,
        },
    )  # fmt: skip
    hop.load_known_hosts(connection.client)  # Fabric's own way is to trust everybody
    return connection


class _Transport(paramiko.Transport):  # type: ignore[misc]  # paramiko has no type hints
    """paramiko's transport, which never asks questions on the terminal."""

    def auth_interactive_dumb(self, *_: Any, **__: Any) -> list[str]:
        raise paramiko.AuthenticationException("a second factor is asked for besides the key")
