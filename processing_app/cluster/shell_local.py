"""Shell on this machine, by subprocess."""

import errno
import os
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core_app.errors import OutsideError, Rejected, Unreachable
from processing_app.cluster.ports import SMALL_FILE, CommandResult, Peek

# Jobs get this and nothing else: the site's own environment holds its secrets.
_PATH = "/usr/local/bin:/usr/bin:/bin"
# What will not get better by waiting.
_FINAL = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.ELOOP,
    }
)


class LocalShell:
    """Commands and files of the machine that this process runs on."""

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float) -> CommandResult:
        try:
            done = subprocess.run(
                list(argv), cwd=cwd, timeout=timeout, env=_environment(), check=False,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Unreachable(
                "timed out", f"{argv[0]} gave no answer within {timeout:g} s"
            ) from None
        except OSError as problem:
            raise _translated(problem) from problem
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def write(self, path: str, content: bytes) -> None:
        target = Path(path)
        try:
            _replace(target, content)
        except OSError as problem:
            raise _translated(problem) from problem

    def read(self, path: str, *, most: int = SMALL_FILE) -> bytes | None:
        try:
            return _read(path, most)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise _translated(problem) from problem

    def read_many(self, wanted: Sequence[Peek]) -> list[bytes | None]:
        return [_peek(one) for one in wanted]

    def make_folder(self, path: str) -> None:
        target = Path(path)
        try:
            missing = [folder for folder in (target, *target.parents) if not folder.exists()]
            target.mkdir(parents=True, exist_ok=True)
            for folder in missing:
                folder.chmod(0o2770)  # for the group of the data, never for everybody
        except FileExistsError as problem:
            raise Rejected("not a folder", path) from problem
        except OSError as problem:
            raise _translated(problem) from problem


def _environment() -> dict[str, str]:
    return {"PATH": _PATH, "HOME": str(Path.home()), "LANG": "C.UTF-8"}


def _peek(wanted: Peek) -> bytes | None:
    try:
        return _read(wanted.path, wanted.most, from_end=wanted.from_end)
    except OSError:
        return None


def _read(path: str, most: int, *, from_end: bool = False) -> bytes:
    # A pipe that somebody left there would keep us waiting for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", path)
        if from_end:
            stream.seek(max(facts.st_size - most, 0))
        return stream.read(most)


def _replace(target: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o660)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _translated(problem: OSError) -> OutsideError:
    detail = f"{problem.filename or ''}: {problem.strerror or problem}".lstrip(": ")
    if problem.errno in _FINAL:
        return Rejected("refused by the file system", detail)
    return Unreachable("file system", detail)
