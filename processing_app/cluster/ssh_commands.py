"""Commands as they are sent over SSH, and how their answers are read."""

import base64
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core_app.errors import Misconfigured, OutsideError, Unreachable
from processing_app.cluster.ports import Peek
from processing_app.cluster.ssh_access import SshAccess

# A command that is over its time is asked to end, killed after so long, and not waited for longer.
KILL_AFTER_S: Final = 2
GRACE_S: Final = 2
# How many bytes of files one command carries home; the rest is for the next.
BYTES_AT_ONCE: Final = 32 << 20
STARTED: Final = "started"
NO_PROGRAM: Final = "program"
# Exit codes of `timeout`.
TIMED_OUT: Final = frozenset({124, 137})
# The kernel takes no longer argument (MAX_ARG_STRLEN), and the whole command is one.
_LONGEST = (128 << 10) - 1024
_READ_FILES = Path(__file__).with_name("ssh_read_files.py")
# What login scripts print comes before the mark; the word after it says how far the command came.
_SCRIPT = """\
printf '%s\\n' "$1"
unset CDPATH
cd -- "$2" || { echo folder; exit 1; }
command -v timeout >/dev/null || { echo timeout; exit 1; }
limit=$3
shift 3
case $1 in
*/*) [ -f "$1" ] && [ -x "$1" ] ;;
*) command -v -- "$1" >/dev/null ;;
esac || { echo program; exit 1; }
echo started
"""
# The shell stays as the parent: it turns the death by a signal into an exit code.
_LAST_LINE = f'timeout -k {KILL_AFTER_S} "$limit" "$@"'


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back after the mark, and the script's word about how far the command came.

    `noise` is what login scripts printed before the mark.
    """

    exit_code: int
    word: str
    stdout: bytes
    stderr: bytes
    noise: bytes = b""


def longest_wait(timeout: float) -> float:
    """Return after how many seconds a machine that answers has told of the end of a command."""
    return timeout + KILL_AFTER_S + GRACE_S


def command_line(
    argv: Sequence[str], *, mark: str, cwd: str, timeout: float, has_input: bool
) -> str:
    """Return the one line that is sent, in which nothing of the arguments is read by a shell."""
    script = _SCRIPT + _LAST_LINE + ("" if has_input else " </dev/null") + "\n"
    line = shlex.join(["exec", "sh", "-c", script, "sh", mark, cwd, f"{timeout:f}", *argv])
    if "\0" in line:
        raise ValueError("embedded null byte")
    if len(line.encode()) > _LONGEST:
        raise Unreachable("command too long", f"{argv[0]} with {len(line)} characters")
    return line


def answer_of(
    access: SshAccess, exit_code: int, stdout: bytes, stderr: bytes, *, mark: str
) -> Answer:
    """Cut off what login scripts printed. Raises Unreachable if the shell did not come up."""
    noise, is_marked, rest = stdout.partition(f"{mark}\n".encode())
    if not is_marked:
        raise Unreachable(
            "no shell came up",
            f"{access} ended the session with code {exit_code} before the command began. Look at "
            f"its login scripts and its shell. It said: {_tail(stdout + stderr)}",
        )
    word, _, output = rest.partition(b"\n")
    return Answer(exit_code, text_of(word), output, stderr, noise)


def why_not_started(done: Answer, program: str, cwd: str) -> OutsideError:
    """Say what the script's word means."""
    match done.word:
        case "folder":
            return Unreachable("file system", f"{cwd}: {_tail(done.stderr)}")
        case "program":
            return Unreachable("file system", f"{program}: no such program there")
        case "timeout":
            return Misconfigured("no `timeout` on the cluster", "GNU coreutils are needed there.")
        case _:
            return Unreachable("no usable answer", _tail(done.stdout + done.stderr))


def reading(python: str, wanted: Sequence[Peek], *, mark: str) -> tuple[list[str], bytes]:
    """Return the command that reads parts of files, and its input."""
    files = [(one.path, one.most, one.from_end) for one in wanted]
    request = {"mark": mark, "budget": BYTES_AT_ONCE, "wanted": files}
    argv = [python, "-I", "-c", _READ_FILES.read_text(encoding="utf-8")]
    return argv, json.dumps(request).encode("ascii")


def parts_of(done: Answer, *, mark: str, most: int, python: str) -> list[bytes | None]:
    """Return what the first of the files hold, at least of one."""
    _, is_marked, answer = done.stdout.partition(f"{mark}\n".encode())
    if done.exit_code != 0 or not is_marked:
        raise Unreachable("files not read", _why_not_read(done, python))
    try:
        texts = json.loads(answer.partition(b"\n")[0])
        parts = [None if text is None else base64.b64decode(text, validate=True) for text in texts]
    except (ValueError, TypeError, RecursionError) as problem:
        raise Unreachable("files not read", f"a strange answer ({problem})") from problem
    if not isinstance(texts, list) or not 0 < len(parts) <= most:
        raise Unreachable("files not read", f"{len(parts)} answers for {most} files")
    return parts


def _why_not_read(done: Answer, python: str) -> str:
    """Say it in the words of a Python; what another program says quotes the text it was given."""
    words = text_of(done.stderr).strip()
    if words.startswith(("Traceback ", "Fatal Python error")):
        return f"{python} stopped: {words.splitlines()[-1][:300]}"
    return f"{python} ended with code {done.exit_code} and no answer. Is it Python 3.6 or newer?"


def text_of(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _tail(content: bytes) -> str:
    return text_of(content).strip()[-300:] or "nothing"
