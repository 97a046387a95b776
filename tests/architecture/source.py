"""The project's own source, as the architecture tests read it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def packages() -> list[str]:
    """Return the top-level packages of the product, without tests and benchmarks."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    return sorted(found - {"tests", "bench"})


def modules() -> list[Path]:
    """Return every Python file of the product; migrations are history, not code to keep tidy."""
    files = [ROOT / "manage.py"]
    for package in packages():
        files += sorted((ROOT / package).rglob("*.py"))
    return [path for path in files if "migrations" not in path.parts]


def text(name: str) -> str:
    """Return the content of a file of the project, empty where it is missing."""
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """Return the path as a reader of a failure wants it."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each function of a file with its place and its length in lines."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            yield f"{name_of(path)}:{node.lineno} {node.name}", length


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called_name(call: ast.Call) -> str:
    """Return `update` for `rows.update(...)` and for `update(...)`."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")
