"""Small files over SFTP: written whole or not at all, read up to a limit.

OpenSSH's server tells three failures apart: no such file, permission denied, and "Failure" for all
others. What a failure was is found out by looking.
"""

import errno
import secrets
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

import paramiko
from paramiko.sftp import CMD_EXTENDED, CMD_EXTENDED_REPLY, CMD_INIT, CMD_VERSION

from core_app.errors import Misconfigured, OutsideError, Rejected, Unreachable

FILE_MODE = 0o660
FOLDER_MODE = 0o2770  # for the group of the data, never for everybody
_PROTOCOL = 3
_FSYNC, _RENAME, _STATVFS = "fsync@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com"


class SftpClient(paramiko.SFTPClient):  # type: ignore[misc]  # paramiko has no type hints
    """paramiko's client, which also keeps what the server offers beyond the protocol."""

    extensions: frozenset[str] = frozenset()

    def sync(self, file: paramiko.SFTPFile) -> None:
        """Have the server put a file onto its disk, if it can."""
        if _FSYNC in self.extensions:
            self._request(CMD_EXTENDED, _FSYNC, file.handle)

    def room(self, folder: str) -> "_Room | None":
        """Return what is left of a file system, or None if the server cannot say."""
        if _STATVFS not in self.extensions:
            return None
        kind, message = self._request(CMD_EXTENDED, _STATVFS, folder)
        if kind != CMD_EXTENDED_REPLY:
            return None
        _, size, _, _, free, _, _, files, _, flags, _ = struct.unpack(
            ">11Q", message.get_remainder()
        )
        return _Room(size * free, files, is_read_only=bool(flags & 1))

    def _send_version(self) -> int:
        """Open the conversation, as paramiko does, and read what follows the version."""
        hello = paramiko.Message()
        hello.add_int(_PROTOCOL)
        self._send_packet(CMD_INIT, hello)
        kind, data = self._read_packet()
        if kind != CMD_VERSION:
            raise paramiko.SFTPError("no SFTP server answers")
        answer = paramiko.Message(data)
        version = int(answer.get_int())
        names = set()
        while answer.get_remainder():
            names.add(answer.get_string().decode(errors="replace"))
            answer.get_string()
        self.extensions = frozenset(names)
        return version


@dataclass(frozen=True, slots=True)
class _Room:
    """What is left on a file system."""

    free_bytes: int
    free_files: int
    is_read_only: bool


class SmallFiles:
    """The files of one open SFTP session. What says that the session is lost is not caught."""

    def __init__(self, client: SftpClient) -> None:
        self._client = client

    @property
    def is_open(self) -> bool:
        return not self._client.get_channel().closed

    def close(self) -> None:
        self._client.close()

    def probe(self) -> None:
        """Ask something, so that a lost session shows."""
        self._client.normalize(".")

    def read(self, path: str, most: int) -> bytes | None:
        with self._judged(path):
            try:
                # Opening a pipe would wait for its writer.
                self._require_regular(path)
                with self._client.open(path, "rb") as file:
                    return bytes(file.read(most))
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        if _RENAME not in self._client.extensions:
            raise Misconfigured(
                "old SFTP server", f"it cannot replace a file in one step (it lacks {_RENAME})."
            )
        target = PurePosixPath(path)
        temporary = str(target.with_name(f".{target.name}.{secrets.token_hex(6)}"))
        try:
            self._put(temporary, content)
            self._client.posix_rename(temporary, path)
        except OSError as problem:
            # Before the temporary file gives its room back.
            judgement = self._judgement(problem, path, size=len(content))
            self._forget(temporary)
            raise judgement from problem

    def make_folder(self, path: str) -> None:
        with self._judged(path):
            missing = []
            for folder in (PurePosixPath(path), *PurePosixPath(path).parents):
                if self._is_folder(str(folder)):
                    break
                missing.append(str(folder))
            for name in reversed(missing):
                self._make_one(name)

    def _require_regular(self, path: str) -> None:
        if not stat.S_ISREG(self._client.stat(path).st_mode):
            raise Rejected("refused by the file system", f"{path}: Not a regular file")

    def _put(self, path: str, content: bytes) -> None:
        with self._client.open(path, "wx") as file:
            file.chmod(FILE_MODE)
            file.write(content)
            file.flush()
            self._client.sync(file)

    def _forget(self, path: str) -> None:
        with suppress(OSError):
            self._client.remove(path)

    def _is_folder(self, path: str) -> bool:
        """Return whether the folder is there. Raises Rejected if something else is."""
        try:
            mode = self._client.stat(path).st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(mode):
            raise Rejected("not a folder", path)
        return True

    def _make_one(self, path: str) -> None:
        try:
            self._client.mkdir(path, FOLDER_MODE & 0o777)
        except OSError:
            if not self.is_open or not self._is_folder(path):
                raise
            return  # somebody else was quicker
        self._client.chmod(path, FOLDER_MODE)

    @contextmanager
    def _judged(self, path: str) -> Iterator[None]:
        """Turn the server's "no" into ours; let through what says that there was no answer."""
        try:
            yield
        except OSError as problem:
            raise self._judgement(problem, path) from problem

    def _judgement(self, problem: OSError, path: str, *, size: int = 0) -> OutsideError:
        if isinstance(problem, TimeoutError) or not self.is_open:
            raise problem
        if problem.errno == errno.EACCES:
            return Rejected("refused by the file system", f"{path}: Permission denied")
        if problem.errno == errno.ENOENT:
            return Unreachable("file system", f"{path}: No such file or directory")
        if str(problem).lower() == "bad message":  # OpenSSH's word for EINVAL and ENAMETOOLONG
            return Rejected("refused by the file system", f"{path}: not a possible file name")
        return self._look_why(problem, path, size)

    def _look_why(self, problem: OSError, path: str, size: int) -> OutsideError:
        """Find the reason of a mere "Failure"."""
        if self._is_there_as_folder(path):
            return Rejected("refused by the file system", f"{path}: Is a directory")
        room = self._room_at(str(PurePosixPath(path).parent))
        if room is None:
            return Unreachable("file system", f"{path}: {problem}. {_FULL_OR_QUOTA}")
        if room.is_read_only:
            return Rejected("refused by the file system", f"{path}: Read-only file system")
        if room.free_bytes < max(size, 1) or not room.free_files:
            left = f"{room.free_bytes} bytes and {room.free_files} files are left"
            return Unreachable("file system", f"{path}: The disk is full ({left}). Make room.")
        return Unreachable("file system", f"{path}: {problem}. {_FULL_OR_QUOTA}")

    def _is_there_as_folder(self, path: str) -> bool:
        try:
            return stat.S_ISDIR(self._client.stat(path).st_mode)
        except FileNotFoundError:
            return False
        except OSError:
            if not self.is_open:
                raise
            return False

    def _room_at(self, folder: str) -> _Room | None:
        try:
            return self._client.room(folder)
        except OSError:
            if not self.is_open:
                raise
            return None


_FULL_OR_QUOTA = (
    "The server says no more; a quota that is used up or a full disk is likely: "
    "look with `quota` and `df` there."
)
