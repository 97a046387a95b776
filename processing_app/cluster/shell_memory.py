"""Shell in a dict, with failures on demand: for tests and for trying the site without a cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from core_app.errors import OutsideError, Rejected, Unreachable
from processing_app.cluster.ports import SMALL_FILE, CommandResult, Peek

Command = Callable[[Sequence[str], str], CommandResult]


@dataclass(slots=True)
class MemoryShell:
    """Files and commands that exist in this object only. `failures` are raised, one per call."""

    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"/"})
    commands: dict[str, Command] = field(default_factory=dict)
    failures: list[OutsideError] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float) -> CommandResult:
        self._fail_if_told()
        if cwd not in self.folders:
            raise Unreachable("file system", f"{cwd}: No such file or directory")
        if argv[0] == "tail":
            return self._tail(argv)
        if argv[0] not in self.commands:
            raise Unreachable("file system", f"{argv[0]}: No such file or directory")
        return self.commands[argv[0]](argv, cwd)

    def write(self, path: str, content: bytes) -> None:
        self._fail_if_told()
        if path in self.folders:
            raise Rejected("refused by the file system", f"{path}: Is a directory")
        if str(PurePosixPath(path).parent) not in self.folders:
            raise Unreachable("file system", f"{path}: No such file or directory")
        self.files[path] = content

    def read(self, path: str, *, most: int = SMALL_FILE) -> bytes | None:
        self._fail_if_told()
        if path in self.folders:
            raise Rejected("refused by the file system", f"{path}: Is a directory")
        content = self.files.get(path)
        return None if content is None else content[:most]

    def read_many(self, wanted: Sequence[Peek]) -> list[bytes | None]:
        self._fail_if_told()
        return [self._peek(one) for one in wanted]

    def make_folder(self, path: str) -> None:
        self._fail_if_told()
        wanted = PurePosixPath(path)
        above = [str(folder) for folder in (wanted, *wanted.parents)]
        for folder in above:
            if folder in self.files:
                raise Rejected("not a folder", folder)
        self.folders.update(above)

    def _peek(self, wanted: Peek) -> bytes | None:
        content = self.files.get(wanted.path)
        if content is None or not wanted.most:
            return content and b""
        return content[-wanted.most :] if wanted.from_end else content[: wanted.most]

    def _tail(self, argv: Sequence[str]) -> CommandResult:
        content = self.files.get(argv[-1])
        if content is None:
            return CommandResult(1, "", f"tail: cannot open {argv[-1]}")
        return CommandResult(0, content[-int(argv[2]) :].decode(errors="replace"), "")

    def _fail_if_told(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
