"""Pages that describe the code say what the code says."""

import ast
import re
from io import StringIO

from django.core.management import call_command

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
