"""Code that a person can read: short functions, short modules, and no print()."""

import ast
from statistics import median

from tests.architecture import source

LONGEST_FUNCTION = 60
MEDIAN_FUNCTION = 10
LONGEST_MODULE = 400


def test_no_function_is_longer_than_a_screen():
    too_long = [
        f"{place} has {length} lines"
        for path in source.modules()
        for place, length in source.functions(path)
        if length > LONGEST_FUNCTION
    ]

    assert not too_long, "\n".join(too_long)


def test_the_usual_function_is_short():
    lengths = [length for path in source.modules() for _, length in source.functions(path)]

    assert median(lengths) <= MEDIAN_FUNCTION, f"the median function has {median(lengths)} lines"


def test_no_module_is_too_long():
    lines = {source.name_of(path): len(path.read_text().splitlines()) for path in source.modules()}

    assert not {name: count for name, count in lines.items() if count > LONGEST_MODULE}


def test_nothing_is_printed():
    prints = [
        f"{source.name_of(path)}:{call.lineno}"
        for path in source.modules()
        for call in source.calls(source.tree_of(path))
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]

    assert not prints, "write to self.stdout, sys.stdout or a logger: " + ", ".join(prints)
