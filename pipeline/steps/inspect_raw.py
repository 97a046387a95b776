"""Step inspect_raw: judge a delivery and write down what it consists of, changing nothing in it."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline import parameters
from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.raw.check import Expected, FileEntry, inspect_folder, scan_folder
from pipeline.raw.layouts import parse_lavision
from pipeline.raw.ome import pixel_facts
from pipeline.raw.tiff_header import read_description
from pipeline.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.workspace import Workspace

_DIGEST_BYTES = 16
_READ_BYTES = 1 << 20


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Check the folder, digest every raw file into the manifest; BadInput with every problem."""
    expected = Expected.from_json(spec.parameters["channels"])
    relative = parameters.text(spec.inputs, "folder")
    folder = work.resolve(relative)
    manifest = _manifest_path(spec, work, folder)
    report = inspect_folder(
        work.root,
        relative,
        expected,
        layout=parameters.text(spec.parameters, "layout"),
        waived=parameters.texts(spec.parameters, "waived"),
        threads=work.threads,
    )
    if (
        not report.ok
        and parameters.choice(spec.parameters, "on_problem", "fail", "report") == "fail"
    ):
        open_problems = [item for item in report.problems if item.key not in report.waived]
        raise BadInput(_summary(open_problems), open_problems)
    files = [entry for entry in scan_folder(folder, root=work.root) if parse_lavision(entry.name)]
    lines = list(_digested(folder, files, work))
    text = "".join(f"{line}\n" for line in lines)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(manifest, text)
    data = text.encode(errors="backslashreplace")
    work.input_digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
    work.count_bytes(read=report.bytes, written=len(data))
    return {
        "report": report.to_json(),
        "files": len(files),
        "bytes": report.bytes,
        "manifest": spec.outputs["manifest"],
        "manifest_digest": work.input_digest,
        "ome": pixel_facts(read_description(folder / files[0].name)),
    }


def _manifest_path(spec: StepSpec, work: Workspace, folder: Path) -> Path:
    manifest = work.resolve(spec.outputs["manifest"])
    if manifest.is_relative_to(folder):
        raise BadInput("The manifest may not be written into the raw folder.")
    return manifest


def _summary(problems: Sequence[Problem]) -> str:
    first = f"{problems[0].what} {problems[0].remedy}"
    more = len(problems) - 1
    return f"{first} (And {more} more problem{'s' if more > 1 else ''}.)" if more else first


def _digested(folder: Path, files: Sequence[FileEntry], work: Workspace) -> Iterator[str]:
    """One JSON line per file, in the order given, while several files are read at once."""
    with ThreadPoolExecutor(max_workers=work.threads) as pool:
        digests = pool.map(lambda entry: _digest(folder / entry.name), files)
        for done, (entry, digest) in enumerate(zip(files, digests, strict=True), start=1):
            work.progress(done, len(files), "planes", "Reading raw data")
            line = {"name": entry.name, "size": entry.size, "blake2b": digest}
            yield json.dumps(line, ensure_ascii=False)


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    buffer = memoryview(bytearray(_READ_BYTES))
    try:
        with path.open("rb", buffering=0) as stream:
            while count := stream.readinto(buffer):
                digest.update(buffer[:count])
    except OSError as error:
        what = f"{path.name} cannot be read: {error.strerror or error}."
        problem = Problem(path.name, what, "Copy it again from the microscope, then retry.")
        raise BadInput(what, [problem]) from error
    return digest.hexdigest()
