"""Products: built beside their place, resumed after a crash, published by rename.

`<dest>.partial-<attempt>` is the draft of one attempt and holds a lock for as long as its writer
lives. The tasks of an array share one: each writes files of its own and leaves them there for the
step that comes after them, which takes the draft over like that of a dead attempt. Short decisions
about one destination (adopt, publish) are taken under a lock of their own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pipeline.errors import Busy
from pipeline.workspace import sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.contract import Json, JsonDict

RECORD = "_product.json"
_LOCK = "lock"
_IDENTITY = "identity"
WORKING_FILES = (_LOCK, _IDENTITY)


def digest_of(document: Json) -> str:
    """A stable name for a JSON value: BLAKE2b, 128 bit, of its canonical text."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    data = text.encode(errors="backslashreplace")
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def published(destination: Path, identity: str) -> JsonDict | None:
    """The outputs of the product at `destination` if it is the one with this identity."""
    record = _record_of(destination)
    return cast("JsonDict", record["outputs"]) if record.get("identity") == identity else None


def identity_of(destination: Path) -> str:
    """Which product is at `destination`; empty if there is none."""
    return str(_record_of(destination).get("identity", ""))


def file_published(destination: Path, identity: str) -> JsonDict | None:
    """The outputs of the product that is one file, if it is the one with this identity."""
    record = _read_record(_record_beside(destination))
    same = record.get("identity") == identity and destination.exists()
    return cast("JsonDict", record["outputs"]) if same else None


def publish_file(
    temporary: Path, destination: Path, record: JsonDict, *, identity: str
) -> JsonDict:
    """Put a product that is one file in its place, its record beside it; return its outputs.

    `temporary` is whole, on the disk and in the same folder. A crash in between leaves a file
    without a record, which is made anew; a record never speaks of another file.
    """
    beside = _record_beside(destination)
    with _deciding(destination):
        beside.unlink(missing_ok=True)
        temporary.replace(destination)
        text = json.dumps({**record, "identity": identity}, indent=1, sort_keys=True)
        write_atomically(beside, text)
        sync_folder(destination.parent)
    return cast("JsonDict", record["outputs"])


def remove_file(destination: Path) -> None:
    """Remove a product that is one file, and its record; none is no fault."""
    beside = _record_beside(destination)
    if not destination.exists() and not beside.exists():
        return
    with _deciding(destination):
        beside.unlink(missing_ok=True)
        destination.unlink(missing_ok=True)
        sync_folder(destination.parent)


def _record_beside(destination: Path) -> Path:
    return destination.with_name(f"{destination.name}{RECORD}")


def _record_of(destination: Path) -> JsonDict:
    return _read_record(destination / RECORD)


def _read_record(path: Path) -> JsonDict:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


@dataclass(slots=True)
class Draft:
    """A product being built in `folder`. `resumed` says that a dead attempt's work is in it.

    `shared` says that other tasks may be writing into it now.
    """

    destination: Path
    folder: Path
    identity: str
    resumed: bool
    _lock: int
    shared: bool = False

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a program of ours must inherit, so that the draft is taken as long as it lives."""
        return (self._lock,)

    def publish(self, record: JsonDict, *, working_files: tuple[str, ...] = ()) -> JsonDict:
        """Put the product in its place and return its outputs.

        If another attempt has published the same identity meanwhile, ours is dropped and theirs
        returned. Readers never find half a product: the swap is two renames. The files must be on
        the disk already; their names are brought there, so a power cut finds the old or the new.
        """
        outputs = cast("JsonDict", record["outputs"])
        text = json.dumps({**record, "identity": self.identity}, indent=1, sort_keys=True)
        with _deciding(self.destination):
            theirs = published(self.destination, self.identity)
            if theirs is not None:
                self.discard()
                return theirs
            write_atomically(self.folder / RECORD, text)
            for name in (*working_files, *WORKING_FILES):
                (self.folder / name).unlink(missing_ok=True)
            for folder in (*_subfolders(self.folder), self.folder):
                sync_folder(folder)
            _swap(self.folder, self.destination)
            _sweep(self.destination)
        return outputs

    def discard(self) -> None:
        """Remove the draft; nothing of it is worth keeping.

        A shared one stays: others write into it. Nobody takes it over for other input.
        """
        if not self.shared:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the draft. What is left of it may be adopted by a later attempt."""
        os.close(self._lock)


@contextmanager
def open_draft(
    destination: Path, *, name: str, identity: str, shared: bool = False
) -> Iterator[Draft]:
    """Start or resume the draft of attempt `name`; raise Busy if that very attempt is alive.

    With `shared` several tasks of the attempt have it at once.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    folder = destination.with_name(f"{destination.name}.partial-{name}")
    with _deciding(destination):
        _restore_interrupted_swap(destination)
        draft = _joined(destination, folder, identity) if shared else None
        draft = draft or _own(destination, folder, identity)
        draft = draft or _adopted(destination, folder, identity)
        draft = draft or _fresh(destination, folder, identity)
        if shared:
            fcntl.flock(draft.descriptors[0], fcntl.LOCK_SH)
            draft.shared = True
    try:
        yield draft
    finally:
        draft.close()


def _joined(destination: Path, folder: Path, identity: str) -> Draft | None:
    """The draft of this attempt, if another task has begun it."""
    if not folder.exists() or _identity_of(folder) != identity:
        return None
    lock = _try_lock(folder, fcntl.LOCK_SH)
    return (
        Draft(destination, folder, identity, resumed=True, _lock=lock) if lock is not None else None
    )


def _own(destination: Path, folder: Path, identity: str) -> Draft | None:
    """The draft that this same attempt left when it died, if it can be used."""
    if not folder.exists():
        return None
    lock = _try_lock(folder)
    if lock is None:
        raise Busy(f"Attempt {folder.name} is still running elsewhere. Wait for it, or cancel it.")
    if _identity_of(folder) == identity:
        return Draft(destination, folder, identity, resumed=True, _lock=lock)
    _remove(folder, lock)
    return None


def _adopted(destination: Path, folder: Path, identity: str) -> Draft | None:
    """Take over a dead attempt's draft of the same product; remove dead drafts of others."""
    draft: Draft | None = None
    for other in sorted(destination.parent.glob(f"{_glob_quoted(destination.name)}.partial-*")):
        lock = _try_lock(other)
        if lock is None:
            continue
        if draft is None and _identity_of(other) == identity:
            other.rename(folder)
            draft = Draft(destination, folder, identity, resumed=True, _lock=lock)
        else:
            _remove(other, lock)
    return draft


def _sweep(destination: Path) -> None:
    """Remove the drafts of dead attempts; one killed a moment ago was still locked before."""
    for other in destination.parent.glob(f"{_glob_quoted(destination.name)}.partial-*"):
        lock = _try_lock(other)
        if lock is not None:
            _remove(other, lock)


def _fresh(destination: Path, folder: Path, identity: str) -> Draft:
    folder.mkdir()
    lock = _try_lock(folder)
    if lock is None:
        raise Busy(f"Attempt {folder.name} was started twice at the same moment.")
    write_atomically(folder / _IDENTITY, identity)
    return Draft(destination, folder, identity, resumed=False, _lock=lock)


def _identity_of(folder: Path) -> str:
    try:
        return (folder / _IDENTITY).read_text(encoding="utf-8")
    except OSError:
        return ""


def _try_lock(folder: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    """Lock the draft for this process; None if a live process holds it.

    Raises OSError where the file system has no locks: two attempts could not be told apart there.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


@contextmanager
def _deciding(destination: Path) -> Iterator[None]:
    path = destination.with_name(f".{destination.name}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_dir()]


def _swap(folder: Path, destination: Path) -> None:
    old = destination.with_name(f"{destination.name}.old")
    if destination.exists():
        destination.rename(old)
    folder.rename(destination)
    sync_folder(destination.parent)
    shutil.rmtree(old, ignore_errors=True)


def _restore_interrupted_swap(destination: Path) -> None:
    old = destination.with_name(f"{destination.name}.old")
    if not old.exists():
        return
    if destination.exists():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.rename(destination)


def _glob_quoted(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
