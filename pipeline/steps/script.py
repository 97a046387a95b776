"""Step script: run a facility's own program as a step, with the same lock, progress and result."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline import parameters, products, provenance
from pipeline.contract import STEP_ERROR
from pipeline.errors import BadInput, StepFailed
from pipeline.programs import run_program
from pipeline.raw import sources
from pipeline.raw.manifest import read_lines
from pipeline.workspace import sync_folder

if TYPE_CHECKING:
    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.workspace import Workspace

# One draft for all attempts: what one left is there for the next, and two never work at once.
_DRAFT = "script"
_OUTPUTS = "outputs.json"
_MOST_OUTPUT_BYTES = 1 << 20
# What every database can store.
_DEEPEST, _LARGEST = 12, 2**63 - 1
_MOST_PROGRESS_BYTES = 4096
_CHANNEL_NAME = re.compile(r"[^/\0]{1,100}")
# The search path for modules as it was before ours was put in its place.
_THEIR_PATH = "LIGHTSERV_PYTHONPATH"


@dataclass(frozen=True, slots=True)
class _Job:
    """What differs from job to job, by the names that placeholders have."""

    spec: str
    data_root: str
    folder: str
    before: str
    job: str
    task: str
    channel: str
    out: str

    def words(self, command: list[str]) -> list[str]:
        """The command with all placeholders replaced; what is put in is not looked at again."""
        names = "|".join(self.__slots__)
        return [
            re.sub(rf"\{{({names})\}}", lambda found: str(getattr(self, found[1])), word)
            for word in command
        ]

    def variables(self) -> dict[str, str]:
        return {f"LIGHTSERV_{name.upper()}": getattr(self, name) for name in self.__slots__}


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Run the command, or return at once if its folder is finished. Raises StepFailed kinds."""
    command = parameters.texts(spec.parameters, "command")
    if not command:
        raise BadInput("The command has no words.")
    channel = _channel(spec, work)
    _require_checked(spec, work)
    place = spec.outputs["folder"] + (f"/channel_{channel}" if channel else "")
    destination = work.resolve(place)
    before = _before(spec, work)
    work.input_digest = products.digest_of(
        {"inputs": spec.inputs, "parameters": spec.parameters, "before": _made(before)}
    )
    identity = products.digest_of(
        {"step": spec.step, "input": work.input_digest, "channel": channel}
    )
    if (there := products.published(destination, identity)) is not None:
        return there
    with products.open_draft(destination, name=_DRAFT, identity=identity) as draft:
        job = _Job(
            spec=str(work.spec_file or ""),
            data_root=str(work.root.resolve()),
            folder=str(work.resolve(parameters.text(spec.inputs, "folder"))),
            before=str(before or ""),
            job=spec.name,
            task="" if work.task is None else str(work.task),
            channel=channel,
            out=str(draft.folder),
        )
        _carry_out(job.words(command), job, draft, work)
        outputs = _outputs(draft.folder)
        work.count_bytes(written=cast("int", outputs["bytes"]))
        return draft.publish(_record(spec, work, outputs))


def _channel(spec: StepSpec, work: Workspace) -> str:
    """The name of the channel that a task is for; empty if the step is for the whole folder."""
    if parameters.choice(spec.parameters, "unit", "sample", "channel") == "sample":
        return ""
    channels = spec.inputs["channels"]
    if not isinstance(channels, list) or len(channels) != spec.tasks or work.task is None:
        raise BadInput("A script for each channel needs as many tasks as there are channels.")
    channel = channels[work.task]
    name = channel.get("name") if isinstance(channel, dict) else None
    if not isinstance(name, str) or not _CHANNEL_NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot be the name of a channel: it names a folder.")
    return name


def _require_checked(spec: StepSpec, work: Workspace) -> None:
    """The raw files must be those that were checked, where the spec names their manifest."""
    if "manifest" not in spec.inputs:
        return
    folder = work.resolve(parameters.text(spec.inputs, "folder"))
    manifest = work.resolve(parameters.text(spec.inputs, "manifest"))
    try:
        paths: list[Path | None] = [folder / line.name for line in read_lines(manifest)]
    except (OSError, ValueError):
        paths = []  # what is wrong with it is said below
    sources.require_manifest(spec, work, sources.identities(folder, paths))


def _before(spec: StepSpec, work: Workspace) -> Path | None:
    if "before" not in spec.inputs:
        return None
    return work.resolve(parameters.text(spec.inputs, "before"))


def _made(before: Path | None) -> Json:
    """Which product the step before has left, also one per channel: another one is new input."""
    if before is None:
        return None
    if not before.is_dir():
        raise BadInput(f"The folder of the step before is gone: {before}. Run the whole again.")
    records = sorted([*before.glob(products.RECORD), *before.glob(f"*/{products.RECORD}")])
    found: list[Json] = []
    for path in records:
        found.append([str(path.relative_to(before)), products.identity_of(path.parent)])
    return found


def _carry_out(words: list[str], job: _Job, draft: products.Draft, work: Workspace) -> None:
    progress = _progress_file(draft, work)
    progress.unlink(missing_ok=True)
    sys.stderr.write(f"starting {shlex.join(words)}\n")
    sys.stderr.flush()
    ending = run_program(
        words,
        cwd=draft.folder,
        environment=_environment(job, work, progress),
        held=draft.descriptors,
        meanwhile=lambda: _pass_on(progress, work),
    )
    progress.unlink(missing_ok=True)
    if ending.code:
        last = f" Its last words:\n{ending.last_words}" if ending.last_words else ""
        raise StepFailed(STEP_ERROR, f"The script {ending}{last}")


def _progress_file(draft: products.Draft, work: Workspace) -> Path:
    """Where the script may write how far it is: in the folder of the job, if there is one."""
    beside = work.progress_file.parent if work.progress_file else draft.folder
    return beside / "script.progress"


def _environment(job: _Job, work: Workspace, progress: Path) -> dict[str, str]:
    """What the job has, without our own package in the search path for modules."""
    environment = dict(os.environ)
    theirs = environment.pop(_THEIR_PATH, None)
    if theirs is not None:
        environment.pop("PYTHONPATH", None)
    if theirs:
        environment["PYTHONPATH"] = theirs
    return {
        **environment,
        **job.variables(),
        "LIGHTSERV_THREADS": str(work.threads),
        "LIGHTSERV_PROGRESS": str(progress),
    }


def _pass_on(progress: Path, work: Workspace) -> None:
    """Report the last line `done total unit label` that the script wrote; others say nothing."""
    try:
        with progress.open("rb") as stream:
            stream.seek(max(os.fstat(stream.fileno()).st_size - _MOST_PROGRESS_BYTES, 0))
            lines = stream.read(_MOST_PROGRESS_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return
    fields = next((line.split(maxsplit=3) for line in reversed(lines) if line.strip()), [])
    if len(fields) < 2 or not all(number.isascii() and number.isdigit() for number in fields[:2]):
        return
    done, total = (min(int(number[:18]), _LARGEST) for number in fields[:2])
    unit, label = [*fields[2:], "", ""][:2]
    work.progress(min(done, total), total, unit[:40], label[:200])


def _outputs(folder: Path) -> JsonDict:
    """Bring all files to the disk, count them, and take in what the script says of them."""
    if not folder.is_dir():
        raise StepFailed(STEP_ERROR, "The script removed the folder that it was to write to.")
    said = _said(folder / _OUTPUTS)
    files = total = 0
    for parent, folders, names in os.walk(folder):
        for name in names:
            status = (Path(parent) / name).lstat()
            is_ours = parent == str(folder) and name in products.WORKING_FILES
            if stat.S_ISREG(status.st_mode) and not is_ours:
                files, total = files + 1, total + status.st_size
                _bring_to_disk(Path(parent) / name)
        for name in folders:
            if not (Path(parent) / name).is_symlink():
                sync_folder(Path(parent) / name)
    return {"files": files, "bytes": total, "said": said}


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _said(path: Path) -> JsonDict:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_OUTPUT_BYTES + 1)
    except FileNotFoundError:
        return {}
    try:
        if len(data) > _MOST_OUTPUT_BYTES:
            raise ValueError("it has more than 1 MB")
        said: Json = json.loads(data, parse_constant=_refuse)
        if not isinstance(said, dict):
            raise ValueError("it is no JSON object")
        _require_storable(said)
    except (ValueError, RecursionError) as error:
        raise StepFailed(STEP_ERROR, f"{_OUTPUTS} cannot be taken in: {error}.") from error
    return said


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


def _require_storable(value: Json, depth: int = 1) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, int | float) and not abs(value) <= _LARGEST:
        raise ValueError("it holds a number that is too large")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("it holds a zero character")
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(parts, list):
        for part in parts:
            _require_storable(part, depth + 1)


def _record(spec: StepSpec, work: Workspace, outputs: JsonDict) -> JsonDict:
    return provenance.record(spec, work.input_digest, outputs)
