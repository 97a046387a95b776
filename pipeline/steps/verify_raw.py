"""Step verify_raw: read every raw file again and compare it with the manifest of the inspection."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, cast

from pipeline import parameters
from pipeline.errors import BadInput
from pipeline.raw.codes import problem
from pipeline.raw.layouts import LAYOUTS
from pipeline.raw.manifest import DIGEST_BYTES, Line, digest_of_file, read_lines, side_by_side
from pipeline.raw.walking import walk_folder
from pipeline.raw.wording import count_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, Problem, StepSpec
    from pipeline.raw.listing import Found, RawFile
    from pipeline.workspace import Workspace

_KINDS = ("missing", "stray_file", "changed", "unreadable", "link_out")
_BATCH = 256
_MOST_PROBLEMS = 200
_READ_BYTES = 1 << 20
_BACK = "Restore it from a backup or the microscope, or check the delivery again."
_AWAY = "Move it away, or check the delivery again."
_CHECK = "Check the raw delivery on the imaging page again."


@dataclass(slots=True)
class _Findings:
    """All differences counted, the first of them as problems."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    problems: list[Problem] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    def add(self, code: str, name: str, what: str, remedy: str) -> None:
        self.counts[code] += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem(code, name, what, remedy, if_most=False))

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Compare folder and manifest, file by file; BadInput unless on_problem is "report"."""
    folder = work.resolve(parameters.text(spec.inputs, "folder"))
    layout = parameters.text(spec.inputs, "layout")
    if layout not in LAYOUTS:
        raise BadInput(f"The layout must be one of {', '.join(LAYOUTS)}, not {layout!r}.")
    what_then = parameters.choice(spec.parameters, "on_problem", "fail", "report")
    manifest = work.resolve(parameters.text(spec.inputs, "manifest"))
    total = _require_whole(manifest, parameters.text(spec.inputs, "manifest_digest", ""))
    findings = _compare(folder, _listed(folder, layout, work), manifest, total, work)
    work.count_bytes(read=findings.bytes)
    if findings.total and what_then == "fail":
        raise BadInput(_summary(findings), findings.problems)
    return _outputs(findings)


def _require_whole(manifest: Path, digest: str) -> int:
    """The number of lines of the manifest, which must be the one that was written."""
    seen, lines = hashlib.blake2b(digest_size=DIGEST_BYTES), 0
    try:
        with manifest.open("rb") as stream:
            while data := stream.read(_READ_BYTES):
                seen.update(data)
                lines += data.count(b"\n")
    except OSError as error:
        raise BadInput(
            f"The manifest cannot be read: {error.strerror or error}. {_CHECK}"
        ) from error
    if digest not in ("", seen.hexdigest()):
        raise BadInput(f"The manifest is not the one that was written at the check. {_CHECK}")
    return lines


def _listed(folder: Path, layout: str, work: Workspace) -> Found:
    try:
        return walk_folder(folder, layout, root=work.root)
    except OSError as error:
        what = f"The folder cannot be read: {error.strerror or error}."
        raise BadInput(what, [problem("folder", folder.name, what, _BACK)]) from error


def _compare(folder: Path, found: Found, manifest: Path, total: int, work: Workspace) -> _Findings:
    findings = _Findings()
    for name in found.links_out.first:
        words = f"{name} is a link that leads out of the data storage."
        findings.add("link_out", name, words, _BACK)
    done = 0
    try:
        for line, problems in _digests(folder, _pairs(found, manifest, findings), work):
            done += 1
            _judge(line, problems, findings)
            work.progress(done, total, "planes", "Reading raw data again")
    except ValueError as error:
        raise BadInput(f"The manifest cannot be understood: {error}. {_CHECK}") from error
    return findings


def _pairs(found: Found, manifest: Path, findings: _Findings) -> Iterator[Line]:
    """The lines whose file is there; the others are found missing, files without a line stray."""
    lines = cast("Iterator[RawFile | Line]", read_lines(manifest))
    for line, file in side_by_side(lines, found.in_order()):
        if line is None and file is not None:
            words = f"{file.name} is not in the manifest."
            findings.add("stray_file", file.name, words, _AWAY)
        elif line is not None and file is None:
            findings.add("missing", line.name, f"{line.name} is missing.", _BACK)
        elif line is not None:
            yield cast("Line", line)


def _digests(
    folder: Path, lines: Iterator[Line], work: Workspace
) -> Iterator[tuple[Line, str | BadInput]]:
    """Each line with the digest that its file has now, or why it could not be read."""

    def read(line: Line) -> tuple[Line, str | BadInput]:
        try:
            return line, digest_of_file(folder / line.name)
        except BadInput as error:
            return line, error

    with ThreadPoolExecutor(max_workers=work.threads) as pool:
        while batch := list(islice(lines, _BATCH)):
            yield from pool.map(read, batch)


def _judge(line: Line, now: str | BadInput, findings: _Findings) -> None:
    findings.files += 1
    if isinstance(now, BadInput):
        findings.add("unreadable", line.name, now.message, _BACK)
        return
    findings.bytes += line.size
    if now != line.digest:
        words = f"{line.name} is not what it was when it was checked."
        findings.add("changed", line.name, words, _BACK)


def _summary(findings: _Findings) -> str:
    first = findings.problems[0]
    return (
        f"{count_files(findings.total)} of the delivery differ from the manifest. {first.what} "
        f"{first.remedy}"
    )


def _outputs(findings: _Findings) -> JsonDict:
    problems: list[Json] = [asdict(item) for item in findings.problems]
    return {
        "ok": not findings.total,
        "files": findings.files,
        "bytes": findings.bytes,
        "differences": {**findings.counts},
        "problems": problems,
    }
