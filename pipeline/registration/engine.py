"""Find elastix and transformix, run them, and say in words what became of it.

`LIGHTSERV_ELASTIX` names the folder of both programs, or the program elastix beside which
transformix lies, or "itk" for the Python package itk-elastix; without it both are looked for on
PATH. One run leaves its words in a file, from which progress is read.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.contract import OUT_OF_MEMORY, POOR_REGISTRATION, STEP_ERROR
from pipeline.errors import BadInput, StepFailed
from pipeline.programs import run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.programs import Ending

VARIABLE: Final = "LIGHTSERV_ELASTIX"
_ITK: Final = "itk"
_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]
# Its words go to a file: the iterations of an hour have no place in the log of a job.
_INTO_FILE: Final = 'log=$1; shift; exec "$@" >"$log"'
_ITERATION: Final = re.compile(rb"^\d+\t", re.MULTILINE)
_RESOLUTION: Final = re.compile(rb"^Resolution: (\d+)", re.MULTILINE)
_NO_OVERLAP: Final = ("too many samples map outside", "no overlap")
_NO_MEMORY: Final = ("bad_alloc", "failed to allocate", "memory allocation")
_WORD: Final = re.compile(r"error|exception|could not|cannot|fail", re.IGNORECASE)
_TAIL_BYTES: Final = 20_000
_PROBE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Engine:
    """The words before the arguments of the two programs."""

    elastix: tuple[str, ...]
    transformix: tuple[str, ...]


def find_engine(environment: Mapping[str, str] | None = None) -> Engine:
    """Return the engine of this machine; raises BadInput that says how to get one."""
    named = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    if named == _ITK:
        return _itk()
    if named:
        path = Path(named)
        place = path if path.is_dir() else path.parent
        elastix = place / "elastix" if path.is_dir() else path
        return _programs(str(elastix), str(place / "transformix"), f"{VARIABLE} is {named!r}")
    return _programs("elastix", "transformix", f"{VARIABLE} is not set")


def _programs(elastix: str, transformix: str, why: str) -> Engine:
    found = {name: shutil.which(name) for name in (elastix, transformix)}
    missing = [Path(name).name for name, path in found.items() if path is None]
    if missing:
        raise BadInput(
            f"Registration needs {' and '.join(missing)}, not found on this machine ({why}). "
            f"Install elastix (Debian: elastix), load its module in the prelude of the cluster, or "
            f"let {VARIABLE} name its folder; then retry."
        )
    return Engine((str(found[elastix]),), (str(found[transformix]),))


def _itk() -> Engine:
    if importlib.util.find_spec("itk") is None:
        raise BadInput(
            f"{VARIABLE} asks for itk-elastix, which the environment of the pipeline does not "
            "have. Install itk-elastix there, or use the program elastix; then retry."
        )
    words = (sys.executable, "-m", "pipeline.registration.with_itk")
    return Engine((*words, "elastix"), (*words, "transformix"))


@dataclass(slots=True)
class Iterations:
    """Counts the iterations in the words of elastix while they are being written."""

    source: Path
    told: Callable[[int, int], None]
    done: int = 0
    level: int = 0
    _offset: int = 0

    def look(self) -> None:
        """Read what is new; tell the iterations done and the level, from 0."""
        try:
            with self.source.open("rb") as stream:
                stream.seek(self._offset)
                words = stream.read()
        except OSError:
            return
        words = words[: words.rfind(b"\n") + 1]
        if not words:
            return
        self._offset += len(words)
        self.done += len(_ITERATION.findall(words))
        for found in _RESOLUTION.finditer(words):
            self.level = int(found[1])
        self.told(self.done, self.level)


def run_engine(
    words: Sequence[str],
    *,
    folder: Path,
    log: Path,
    threads: int,
    held: Sequence[int],
    told: Callable[[int, int], None],
) -> None:
    """Run one of the programs in `folder`, its words in `log`; raises StepFailed if it fails.

    `told` gets the iterations done and the level, from 0. `held` as in `run_program`.
    """
    log.unlink(missing_ok=True)
    follower = Iterations(log, told)
    ending = run_program(
        ["/bin/sh", "-c", _INTO_FILE, "sh", str(log), *words, "-threads", str(threads)],
        cwd=folder,
        environment=_environment(threads),
        held=held,
        meanwhile=follower.look,
    )
    if ending.code:
        raise _failure(ending, log)


def require_room(folder: Path) -> None:
    """Raise OSError if nothing more can be written; the programs do not say so by themselves."""
    probe = folder / ".room"
    try:
        with probe.open("wb") as stream:
            stream.write(bytes(_PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    finally:
        probe.unlink(missing_ok=True)


def _environment(threads: int) -> dict[str, str]:
    paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "OMP_NUM_THREADS": str(threads),
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(threads),
    }


def _failure(ending: Ending, log: Path) -> StepFailed:
    """What went wrong, by the words it left."""
    require_room(log.parent)
    said = f"{_tail(log)}\n{ending.last_words}"
    sys.stderr.write(said[-_TAIL_BYTES:])
    low = said.lower()
    if ending.code == -signal.SIGKILL or any(word in low for word in _NO_MEMORY):
        return StepFailed(
            OUT_OF_MEMORY, f"Registration ran out of memory: elastix {ending} Retry with more."
        )
    if any(word in low for word in _NO_OVERLAP):
        return StepFailed(
            POOR_REGISTRATION,
            "The volume and the template came apart while they were registered. Look at both, and "
            "check their voxel sizes and orientations.",
        )
    telling = [text.strip() for text in said.splitlines() if _WORD.search(text)]
    return StepFailed(
        STEP_ERROR, f"elastix {ending} Its last words:\n" + "\n".join(telling[-8:] or [said[-500:]])
    )


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
