"""Pages that describe the code say what the code says."""

import ast
import re
from io import StringIO

from django.core.management import call_command

from processing_app.failures import FAILURES
from tests.architecture import source

SETTINGS = source.ROOT / "lightserv_site" / "settings.py"


def settings_read() -> list[str]:
    """Return the name of each environment variable that the settings read through env.py."""
    return sorted(
        {
            call.args[0].value
            for call in source.calls(source.tree_of(SETTINGS))
            if isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "env"
            and call.args
            and isinstance(call.args[0], ast.Constant)
        }
    )


def test_the_state_diagrams_are_up_to_date():
    call_command("render_states", "--check", stdout=StringIO(), stderr=StringIO())


def test_every_setting_is_documented():
    page = source.text("docs/settings.md")

    assert [name for name in settings_read() if f"`{name}`" not in page] == []


def test_settings_are_read_through_the_typed_readers_only():
    readers = [
        source.name_of(path)
        for path in source.modules()
        if path.relative_to(source.ROOT).parts[0].endswith(("_app", "_site"))
        and path.name != "env.py"
        and re.search(r"os\.environ(\.get\(|\[)|os\.getenv", path.read_text())
    ]

    assert readers == []


def test_every_failure_is_documented_as_the_pages_say_it():
    page = source.text("docs/clusters.md")

    rows = [
        f"| `{name}` | {known.words} | {known.tries_grown if known.grows else known.tries} "
        f"| {known.advice} |"
        for name, known in FAILURES.items()
    ]

    assert [row for row in rows if row not in page.splitlines()] == []


def test_no_failure_is_documented_that_is_none():
    named = re.findall(r"^\| `([A-Z_]+)` \|", source.text("docs/clusters.md"), flags=re.MULTILINE)

    assert set(named) == set(FAILURES)
