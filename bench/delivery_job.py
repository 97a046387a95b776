"""Checks one delivery, in a process of its own: `python -m bench.delivery_job ROOT TREE ROUNDS`.

Each round looks at the tree with scandir and stat, then checks it, in turns that change; without
rounds it checks once and digests everything as the step does, for the peak of memory. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, StepSpec
from pipeline.raw.check import inspect_folder
from pipeline.raw.delivery import Expected, ExpectedChannel
from pipeline.steps import inspect_raw
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = 2
_SMARTSPIM_FOLDER = "Ex_488_Em_0"


@dataclass(frozen=True, slots=True)
class Tree:
    """A delivery: `channels` with two sheets each, or one channel without, in columns x rows."""

    layout: str
    channels: int
    columns: int
    rows: int
    planes: int

    @property
    def folder(self) -> str:
        return _SMARTSPIM_FOLDER if self.layout == "smartspim" else "lavision"

    @property
    def expected(self) -> Expected:
        names = ("488", "647")[: self.channels]
        channels = [
            ExpectedChannel(
                name,
                index,
                left=True,
                right=True,
                columns=self.columns,
                rows=self.rows,
                planes=self.planes,
            )
            for index, name in enumerate(names)
        ]
        return Expected(tuple(channels), self.layout)


def look(folder: str) -> int:
    """The anchor: the size of every file below a folder."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += look(entry.path)
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def main(root: Path, tree: Tree, rounds: int) -> None:
    if not rounds:
        sys.stdout.write(json.dumps(_peaks(root, tree)))
        return
    times: dict[str, list[float]] = {"look": [], "check": []}
    jobs: list[tuple[str, Callable[[], object]]] = [
        ("look", lambda: look(str(root / tree.folder))),
        ("check", lambda: _check(root, tree)),
    ]
    for number in range(rounds + 1):
        for name, job in jobs if number % 2 else reversed(jobs):
            began = time.perf_counter()
            job()
            if number:  # the first round fills the caches of the system
                times[name].append(time.perf_counter() - began)
    sys.stdout.write(json.dumps(times))


def _check(root: Path, tree: Tree) -> None:
    report = inspect_folder(root, tree.folder, tree.expected, threads=_THREADS)
    assert report.ok, report.problems[:1]


def _peaks(root: Path, tree: Tree) -> dict[str, float]:
    _check(root, tree)
    checked = _peak()
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="inspect_raw",
        name="bench",
        version=PIPELINE_VERSION,
        inputs={"folder": tree.folder},
        parameters={"channels": tree.expected.to_json(), "layout": tree.layout},
        outputs={"manifest": "manifest.jsonl"},
        threads=_THREADS,
    )
    outputs = inspect_raw.run(spec, Workspace(root, "bench", _THREADS))
    found = _peak()
    began = time.perf_counter()
    inspect_raw.run(spec, Workspace(root, "bench", _THREADS))
    again = time.perf_counter() - began
    assert outputs["manifest_digest"]
    return {"check": checked, "step": found, "again": again}


def _peak() -> int:
    """Of this program alone: what getrusage says includes the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), Tree(**json.loads(sys.argv[2])), int(sys.argv[3]))
