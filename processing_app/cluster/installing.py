"""Put the pipeline package on a cluster, so that a folder with its final name always works.

Everything is made under another name, proved by `python -m pipeline check`, marked, and renamed. An
environment cannot be renamed, so each has a folder for good, and a pointer says which is ready.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from core_app.errors import NotReady, OutsideError
from processing_app.cluster.config import ClusterConfig
from processing_app.cluster.package import (
    ENVIRONMENT,
    REQUIREMENTS,
    Package,
    is_removable,
    place_of,
)
from processing_app.cluster.ports import CommandResult, Shell

# Written last into the folder of a version.
MARK: Final = "deployed.json"
READY: Final = "ready.json"
OLDEST_PYTHON: Final = (3, 11)
SHORT_S: Final = 60.0
UNPACK_S: Final = 300.0
CHECK_S: Final = 300.0
BUILD_S: Final = 1800.0
TAIL: Final = 1500
_WHICH = (
    "import sys; sys.stdout.write('%d.%d.%d %s' % (tuple(sys.version_info[:3])"
    " + (sys.executable,)))"
)
# What operators wrote for jobs holds for the check as well.
_AFTER_PRELUDE = '\nexec "$@"'


@dataclass(frozen=True, slots=True)
class Installed:
    """A version that works on the cluster. `is_new`: it was put there just now."""

    folder: str
    python: str
    checked: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A marked folder, and its mark as it stands there."""

    python: str
    mark: bytes


def install(package: Package, config: ClusterConfig, shell: Shell) -> Installed:
    """Have the package work on the cluster; repeatable, and safe at the same time as another.

    Raises NotReady in words where something there has to be mended, and what a Shell raises.
    """
    folder = f"{place_of(config.workdir)}/{package.folder_name}"
    found = look(package, config, shell)
    if found is not None:
        done = _checked(folder, found.python, config, shell)
        if done.exit_code == 0:
            return Installed(folder, found.python, done.stdout.strip(), is_new=False)
    return _Installation(package, config, shell, folder, found).carry_out()


def look(package: Package, config: ClusterConfig, shell: Shell) -> Found | None:
    """Return the package as it is on the cluster, if its mark says that it is whole."""
    mark = shell.read(f"{place_of(config.workdir)}/{package.folder_name}/{MARK}")
    document = _document(mark)
    if mark is None or document.get("digest") != package.digest:
        return None
    return Found(str(document.get("python", "")), mark)


def remove(path: str, config: ClusterConfig, shell: Shell) -> None:
    """Remove a folder that deploying made. Raises NotReady for any other."""
    if not is_removable(path, config.workdir):
        raise NotReady(f"{path} is no folder that deploy_pipeline makes. Remove it by hand.")
    _do(["rm", "-rf", "--", path], "Removing it", config, shell, timeout=UNPACK_S)


def put_aside(path: str, config: ClusterConfig, shell: Shell) -> str:
    """Take its name from a folder in one step, so that nobody uses it half; return the new one."""
    aside = f"{path}.aside-{_token()}"
    if not is_removable(path, config.workdir):
        raise NotReady(f"{path} is no folder that deploy_pipeline makes. Remove it by hand.")
    _do(["mv", "-T", "--", path, aside], "Putting it aside", config, shell, timeout=SHORT_S)
    return aside


@dataclass(slots=True)
class _Installation:
    """One installation on its way. `broken` is what stands there and does not work."""

    package: Package
    config: ClusterConfig
    shell: Shell
    folder: str
    broken: Found | None

    def carry_out(self) -> Installed:
        partial = f"{self.folder}.partial-{_token()}"
        try:
            base = self._base_python()
            self._unpack(partial)
            python, checked = self._working_python(partial, base)
            mark = {
                "version": self.package.version,
                "digest": self.package.digest,
                "python": python,
                "at": round(time.time()),
            }
            self.shell.write(f"{partial}/{MARK}", json.dumps(mark, indent=1).encode())
            self._publish(partial)
        except Exception:
            with suppress(OutsideError, NotReady):
                remove(partial, self.config, self.shell)
            raise
        published = look(self.package, self.config, self.shell)
        python = published.python if published else python
        return Installed(self.folder, python, checked, is_new=True)

    def _base_python(self) -> tuple[str, str]:
        """Return version and path of the cluster's own Python, which must be new enough."""
        self.shell.make_folder(place_of(self.config.workdir))
        answer = self._python(
            [self.config.python, "-c", _WHICH], "Starting Python", timeout=SHORT_S
        )
        version, _, path = answer.stdout.rpartition("\n")[2].strip().partition(" ")
        numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
        if numbers[:2] < OLDEST_PYTHON:
            raise NotReady(
                f"{self.config.python} on the cluster {self.config.name} is Python "
                f"{version or 'of an unknown version'}; the pipeline needs 3.11 or newer. Install "
                "one there, name it as the Python of the cluster, then deploy again."
            )
        return version, path

    def _unpack(self, partial: str) -> None:
        self.shell.make_folder(partial)
        self.shell.write(f"{partial}/package.tar.gz", self.package.archive)
        # Today's times: scratch folders are often swept by age.
        argv = ["tar", "-xzmf", "package.tar.gz"]
        self._do(argv, "Unpacking", cwd=partial, timeout=UNPACK_S)
        self._do(["rm", "--", "package.tar.gz"], "Unpacking", cwd=partial, timeout=SHORT_S)

    def _working_python(self, partial: str, base: tuple[str, str]) -> tuple[str, str]:
        """Return the interpreter that runs the package, and what its check said."""
        python, is_fresh = self.config.python, True
        if self.config.builds_environment:
            python, is_fresh = self._environment(partial, base, afresh=self.broken is not None)
        done = _checked(partial, python, self.config, self.shell)
        if done.exit_code and not is_fresh:
            python, _ = self._environment(partial, base, afresh=True)
            done = _checked(partial, python, self.config, self.shell)
        if done.exit_code:
            raise NotReady(
                f"The pipeline does not work on the cluster {self.config.name}: {_tail(done)}\n"
                f"Nothing was deployed. {self._advice()}"
            )
        return python, done.stdout.strip()

    def _advice(self) -> str:
        if self.config.builds_environment:
            return "Mend what it names, then deploy again."
        return (
            f"Install the packages of {REQUIREMENTS} for {self.config.python} there, or let an "
            "environment be built, then deploy again."
        )

    def _environment(
        self, partial: str, base: tuple[str, str], *, afresh: bool
    ) -> tuple[str, bool]:
        """Return the Python of an environment with all packages, and whether it is new."""
        key = hashlib.sha256(self.package.requirements + " ".join(base).encode()).hexdigest()[:12]
        pointer = f"{place_of(self.config.workdir)}/env-{key}.json"
        there = "" if afresh else self._ready(pointer)
        if there:
            return f"{there}/bin/python", False
        folder = f"{place_of(self.config.workdir)}/env-{key}-{_token()}"
        try:
            self._build(folder, partial)
            first = "" if afresh else self._ready(pointer)
            if not first:
                content = {"folder": folder.rpartition("/")[2]}
                self.shell.write(pointer, json.dumps(content).encode())
        except Exception:
            with suppress(OutsideError, NotReady):
                remove(folder, self.config, self.shell)
            raise
        if first:
            # Another deployment was faster; the same packages need one place.
            with suppress(OutsideError, NotReady):
                remove(folder, self.config, self.shell)
        return f"{first or folder}/bin/python", True

    def _build(self, folder: str, partial: str) -> None:
        venv = [self.config.python, "-m", "venv", folder]
        self._python(venv, "Making an environment (python3-venv must be there)", timeout=BUILD_S)
        pip = [
            f"{folder}/bin/python", "-m", "pip", "install", "--no-input",
            "--disable-pip-version-check", "-r", f"{partial}/{REQUIREMENTS}",
        ]  # fmt: skip
        self._python(pip, "Installing the packages with pip", timeout=BUILD_S)
        self.shell.write(f"{folder}/{READY}", b"{}\n")

    def _ready(self, pointer: str) -> str:
        """Return the folder of a finished environment, or nothing."""
        name = str(_document(self.shell.read(pointer)).get("folder", ""))
        folder = f"{place_of(self.config.workdir)}/{name}"
        if not ENVIRONMENT.fullmatch(name) or self.shell.read(f"{folder}/{READY}") is None:
            return ""
        return folder

    def _publish(self, partial: str) -> None:
        """Give the folder its name. Where another deployment was faster, its folder is used."""
        move = ["mv", "-T", "--", partial, self.folder]
        first = self._run(move, timeout=SHORT_S)
        if first.exit_code == 0:
            return
        there = look(self.package, self.config, self.shell)
        if there is not None and there != self.broken:
            remove(partial, self.config, self.shell)
            return
        put_aside(self.folder, self.config, self.shell)
        self._do(move, "Giving the folder its name", timeout=SHORT_S)

    def _python(self, argv: Sequence[str], what: str, *, timeout: float) -> CommandResult:
        words = _with_prelude(["env", *argv], self.config)
        return self._do(words, what, timeout=timeout)

    def _run(self, argv: Sequence[str], *, timeout: float) -> CommandResult:
        return self.shell.run(argv, cwd=place_of(self.config.workdir), timeout=timeout)

    def _do(
        self, argv: Sequence[str], what: str, *, timeout: float, cwd: str = ""
    ) -> CommandResult:
        return _do(argv, what, self.config, self.shell, timeout=timeout, cwd=cwd)


def _checked(folder: str, python: str, config: ClusterConfig, shell: Shell) -> CommandResult:
    """Ask the package itself whether every step can be loaded there."""
    argv = ["env", f"PYTHONPATH={folder}", python, "-m", "pipeline", "check"]
    return shell.run(_with_prelude(argv, config), cwd=folder, timeout=CHECK_S)


def _with_prelude(argv: Sequence[str], config: ClusterConfig) -> list[str]:
    if not config.prelude.strip():
        return list(argv)
    lines = config.prelude.replace("\r\n", "\n")  # as forms of browsers end them
    return ["sh", "-c", lines + _AFTER_PRELUDE, "sh", *argv]


def _do(
    argv: Sequence[str],
    what: str,
    config: ClusterConfig,
    shell: Shell,
    *,
    timeout: float,
    cwd: str = "",
) -> CommandResult:
    """Run a command there. Raises NotReady with its last words if it fails."""
    done = shell.run(argv, cwd=cwd or place_of(config.workdir), timeout=timeout)
    if done.exit_code:
        raise NotReady(
            f"{what} failed on the cluster {config.name}: {_tail(done)}\n"
            "Mend that there, then deploy again."
        )
    return done


def _tail(done: CommandResult) -> str:
    text = "\n".join(part.strip() for part in (done.stdout, done.stderr) if part.strip())
    return text[-TAIL:] or f"exit code {done.exit_code}"


def _document(content: bytes | None) -> dict[str, object]:
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _token() -> str:
    """Time and chance: old remains are told from what is at work."""
    return f"{int(time.time()):x}-{secrets.token_hex(3)}"
