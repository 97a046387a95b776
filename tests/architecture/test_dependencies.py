"""Every dependency is named, pinned, needed and explained."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.architecture import source

REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==(?P<version>[\w.]+)")

# Engines that a site may add; the pipeline step says so where one is missing.
ADDED_BY_SITES = {"itk-elastix"}


def lines_of(name: str) -> list[str]:
    lines = source.text(name).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def plain(name: str) -> str:
    """Return a distribution's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_in(file: str) -> set[str]:
    return {plain(match["name"]) for line in lines_of(file) if (match := REQUIREMENT.match(line))}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned(file):
    assert [line for line in lines_of(file) if not REQUIREMENT.fullmatch(line)] == []


@pytest.mark.parametrize("file", ["launcher/requirements.txt", "docker/viewer/requirements.txt"])
def test_a_service_of_its_own_has_the_versions_of_the_site(file):
    ours = dict(line.split("==") for line in lines_of("requirements.txt") if "[" not in line)
    theirs = dict(line.split("==") for line in lines_of(file))

    shared = set(ours) & set(theirs)

    assert shared
    assert {name: theirs[name] for name in shared} == {name: ours[name] for name in shared}


@pytest.mark.parametrize("name", sorted(names_in("requirements.txt")))
def test_a_dependency_has_its_reason_and_licence(name):
    page = source.text("docs/adr/0008-dependencies.md")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]

    explained = [row for row in rows if plain(row[1].strip()) == name]

    assert len(explained) == 1
    assert all(cell.strip() for cell in explained[0][1:4])


def imported_by(path: Path) -> set[str]:
    """Return the top-level names that a file imports."""
    found = set()
    for node in ast.walk(source.tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_what_the_product_imports_is_a_requirement_of_its_own():
    known = packages_distributions()
    allowed = names_in("requirements.txt") | ADDED_BY_SITES
    foreign = {
        (source.name_of(path), name)
        for path in source.modules()
        for name in imported_by(path) - set(sys.stdlib_module_names) - set(source.packages())
        if not {plain(distribution) for distribution in known.get(name, [name])} & allowed
    }

    assert foreign == set()
