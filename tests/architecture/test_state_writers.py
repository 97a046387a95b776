"""A `state` column is written by core_app/transitions.py and by nothing else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture import source

WRITER = source.ROOT / "core_app" / "transitions.py"
# Ports know no models (a contract in pyproject.toml), so what they call `state` is no column.
PORTS = {"cluster", "launcher"}


def state_writes(tree: ast.AST) -> Iterator[int]:
    """Yield the line of each statement that writes an attribute or a column named `state`."""
    for node in ast.walk(tree):
        is_target = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if is_target and node.attr == "state":
            yield node.lineno
    for call in source.calls(tree):
        if source.called_name(call) in WRITING_CALLS and _names_state(call):
            yield call.lineno


WRITING_CALLS = {"update", "bulk_update", "update_or_create", "setattr"}


def _names_state(call: ast.Call) -> bool:
    """Return whether a writing call has `state` as a keyword, a key, a field or an attribute."""
    if any(keyword.arg == "state" for keyword in call.keywords):
        return source.called_name(call) != "update_or_create"  # there it is a look-up
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    constants = (node for value in values for node in ast.walk(value))
    return any(isinstance(node, ast.Constant) and node.value == "state" for node in constants)


def _may_know_models(path: Path) -> bool:
    parts = path.relative_to(source.ROOT).parts
    return parts[0].endswith("_app") and not PORTS & set(parts)


def test_only_the_transitions_module_writes_a_state():
    writes = [
        f"{source.name_of(path)}:{line}"
        for path in source.modules()
        if path != WRITER and _may_know_models(path)
        for line in state_writes(source.tree_of(path))
    ]

    assert not writes, "use core_app.transitions.advance() instead: " + ", ".join(writes)


@pytest.mark.parametrize(
    "code",
    [
        "run.state = 'failed'",
        "run.state, run.note = 'failed', ''",
        "Run.objects.filter(pk=1).update(state='failed')",
        "Run.objects.filter(pk=1).update(**{'state': 'failed'})",
        "Run.objects.bulk_update(runs, ['state', 'note'])",
        "Run.objects.bulk_update(runs, fields=['state'])",
        "Run.objects.update_or_create(pk=1, defaults={'state': 'failed'})",
        "setattr(run, 'state', 'failed')",
    ],
)
def test_a_write_past_the_transitions_is_noticed(code):
    assert list(state_writes(ast.parse(code))) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "class Run(models.Model):\n    state = models.CharField(max_length=10)",
        "Run.objects.filter(state='failed')",
        "Run.objects.filter(state='failed').update(note='')",
        "if run.state == 'failed': pass",
        "Run.objects.update_or_create(state='draft', defaults={'note': ''})",
    ],
)
def test_definitions_and_questions_are_not_writes(code):
    assert list(state_writes(ast.parse(code))) == []
