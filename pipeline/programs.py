"""Start a program that is not ours, pass on how far it is, and leave nothing of it behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import IO, TYPE_CHECKING

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# Schedulers kill ten seconds after they asked, or later.
GRACE_S = 5.0
_TAIL_BYTES = 2000
_SHORTEST_LOOK_S, _LONGEST_LOOK_S = 0.02, 0.5
_LAST_WORDS_S = 2.0
_STDERR = 2
# It reads until we say a word or are dead; then nobody is left to stop the program.
_GUARD = 'read -r word || kill -KILL "-$1"'


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended. A negative code is the signal that killed it."""

    code: int
    last_words: str

    def __str__(self) -> str:
        if self.code >= 0:
            return f"ended with exit code {self.code}."
        words = f"was stopped by signal {-self.code} ({signal.strsignal(-self.code)})."
        return f"{words} Often the memory was used up." if self.code == -signal.SIGKILL else words


@dataclass(slots=True)
class _Echo:
    """Passes on what the program writes to standard error, and keeps the end of it."""

    source: IO[bytes]
    tail: bytes = b""
    thread: Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = Thread(target=self._pass_on, daemon=True)
        self.thread.start()

    def _pass_on(self) -> None:
        while data := os.read(self.source.fileno(), 1 << 16):
            self.tail = (self.tail + data)[-_TAIL_BYTES:]
            with suppress(OSError):  # a full disk must not stop the program
                while data:
                    data = data[os.write(_STDERR, data) :]

    def words(self) -> str:
        """All that was written; a stray that keeps it open is not waited for."""
        self.thread.join(_LAST_WORDS_S)
        if not self.thread.is_alive():
            self.source.close()
        return self.tail.decode(errors="replace").strip()


@dataclass(slots=True)
class _Program:
    """A program at work, what listens to it, and what kills it if we die."""

    process: subprocess.Popen[bytes]
    guard: subprocess.Popen[bytes]
    echo: _Echo

    def finish(self) -> Ending:
        """Kill what is left of its group; its number is ours until it is reaped."""
        _signal(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        with suppress(OSError):
            self.guard.communicate(b"over\n")
        return Ending(code, self.echo.words())


def run_program(
    words: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    held: Sequence[int],
    meanwhile: Callable[[], None],
) -> Ending:
    """Run a program without a shell until it ends; raises BadInput if it cannot be started.

    It gets a process group of its own, which is gone when this returns or raises, also if this
    process is killed. `held` are descriptors (locks) that live as long as it; `meanwhile` is called
    again and again.
    """
    running: list[_Program] = []
    try:
        with _undisturbed():
            running.append(_started(words, cwd, environment, held))
        _wait(running[0].process.pid, meanwhile)
    except BaseException:
        for program in running:
            _stop(program.process.pid)
        raise
    finally:
        endings = [program.finish() for program in running]
    return endings[0]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a request to stop wait until there is something that can be stopped."""
    waiting: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if waiting:
            signal.raise_signal(signal.SIGTERM)


def _started(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str], held: Sequence[int]
) -> _Program:
    try:
        process = subprocess.Popen(
            list(words), cwd=cwd, env=dict(environment), process_group=0, pass_fds=tuple(held),
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(
            f"The program {words[0]!r} cannot be started: {why}. Give its whole path, make it "
            "executable for the account of the cluster, and let its first line name the "
            "interpreter; then retry."
        ) from error
    assert process.stderr is not None
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(process.pid)], process_group=0, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return _Program(process, guard, _Echo(process.stderr))


def _wait(pid: int, meanwhile: Callable[[], None]) -> None:
    """Return when the process has ended. It is not reaped."""
    pause = _SHORTEST_LOOK_S
    while not _has_ended(pid):
        meanwhile()
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_LOOK_S)
    meanwhile()


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _stop(pid: int) -> None:
    """Ask the group to end, and give it time."""
    _signal(pid, signal.SIGTERM)
    end = time.monotonic() + GRACE_S
    while not _has_ended(pid) and time.monotonic() < end:
        time.sleep(_SHORTEST_LOOK_S)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
