"""Target 14: checking a delivery of 100,000 planes, against looking at the same tree once."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.delivery_job import Tree
from bench.delivery_trees import write_tree
from bench.measure import ask_job, median_ratio
from bench.rows import Row, judged

if TYPE_CHECKING:
    from collections.abc import Iterator

_TREES = {
    "LaVision": Tree("lavision", channels=2, columns=5, rows=5, planes=1000),
    "SmartSPIM": Tree("smartspim", channels=1, columns=5, rows=8, planes=2500),
}
_SHRINK = {"full": 1, "small": 50}
_ROUNDS = {"full": 8, "small": 2}
_FEWER = 10
_MEGABYTE = 1e6


def rows(size: str) -> Iterator[Row]:
    """Measure time and memory for both layouts; `small` only shows that it works."""
    for name, tree in _TREES.items():
        many = replace(tree, planes=tree.planes // _SHRINK[size])
        few = replace(many, planes=max(many.planes // _FEWER, 2))
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_tree(root / "many", many)
            write_tree(root / "few", few)
            yield _time_row(name, root / "many", many, rounds=_ROUNDS[size])
            yield _memory_row(name, root, few, many)


def _time_row(name: str, root: Path, tree: Tree, *, rounds: int) -> Row:
    times: dict[str, list[float]] = _run(root, tree, rounds)
    return judged(
        f"14 check a {name} delivery of {_count(tree):,} planes: time against scandir and stat",
        value=f"{_middle(times['check']):.2f} s (n={rounds})",
        reference=f"{_middle(times['look']):.2f} s",
        ratio=median_ratio(times["check"], times["look"]),
        comparison="<=",
        limit=2,
    )


def _memory_row(name: str, root: Path, few: Tree, many: Tree) -> Row:
    less: dict[str, float] = _run(root / "few", few, 0)
    more: dict[str, float] = _run(root / "many", many, 0)
    return judged(
        f"14 check and digest {_count(many):,} {name} planes: peak memory against "
        f"{_count(few):,} planes",
        value=f"{more['step'] / _MEGABYTE:.0f} MB (check {more['check'] / _MEGABYTE:.0f} MB, "
        f"again in {more['again']:.1f} s)",
        reference=f"{less['step'] / _MEGABYTE:.0f} MB",
        ratio=more["step"] / less["step"],
        comparison="<=",
        limit=1.5,
    )


def _count(tree: Tree) -> int:
    sheets = 1 if tree.layout == "smartspim" else 2
    return tree.channels * sheets * tree.columns * tree.rows * tree.planes


def _run(root: Path, tree: Tree, rounds: int) -> Any:
    job = ["bench.delivery_job", str(root), json.dumps(asdict(tree)), str(rounds)]
    return ask_job(job, what="the check")


def _middle(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]
