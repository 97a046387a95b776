"""The command line: `python -m pipeline list`, `check`, `run SPEC.json [--task N]`."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import contract, registry, runner

if TYPE_CHECKING:
    from collections.abc import Sequence

# Products are shared by the group of the data, never by everybody.
_UMASK = 0o007


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; the exit code is 0, 1 (failed) or 2 (unusable spec or arguments)."""
    chosen = _parser().parse_args(arguments)
    if chosen.command == "list":
        return _list()
    if chosen.command == "check":
        return _check()
    os.umask(_UMASK)
    spec = chosen.spec.absolute()
    return runner.run_file(spec, data_root=chosen.data_root, task=chosen.task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the steps and what each takes")
    commands.add_parser("check", help="import every step and print versions")
    run = commands.add_parser("run", help="run one spec; the result is written beside it")
    run.add_argument("spec", type=Path)
    run.add_argument("--data-root", type=Path, help="instead of LIGHTSERV_DATA_ROOT")
    run.add_argument("--task", type=int, help="of a spec with tasks: which, from 0")
    return parser


def _list() -> int:
    _say(f"pipeline {contract.PIPELINE_VERSION}, contract {contract.CONTRACT_VERSION}")
    for name in sorted(registry.STEPS):
        wanted = registry.SIGNATURES[name]
        _say(name)
        _say(f"  inputs      {_names(wanted.inputs, wanted.optional_inputs)}")
        _say(f"  parameters  {_names(wanted.parameters, wanted.optional_parameters)}")
        _say(f"  outputs     {_names(wanted.outputs, wanted.optional_outputs)}")
    return 0


def _names(needed: frozenset[str], optional: frozenset[str]) -> str:
    return " ".join(sorted(needed) + [f"[{name}]" for name in sorted(optional)])


def _check() -> int:
    missing = [name for name in registry.PACKAGES if not _installed(name)]
    missing += [name for name in sorted(registry.STEPS) if not _importable(name)]
    for package, version in runner.package_versions().items():
        _say(f"{package} {version}")
    if missing:
        _say(f"missing: {', '.join(missing)}. Install pipeline/requirements.txt, then check again.")
    return 1 if missing else 0


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _importable(step: str) -> bool:
    try:
        runner.load_step(step)
    except (ImportError, AttributeError) as error:
        _say(f"step {step} cannot be loaded: {error}")
        return False
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
