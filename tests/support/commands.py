"""Commands as an operator's script meets them: one JSON document and an exit code."""

import json
from io import StringIO
from typing import Any

from django.core.management import call_command


def answer_of(command: str, *arguments: str) -> tuple[Any, int]:
    """Return the document that stands alone on standard output, and the exit code."""
    out, code = StringIO(), 0
    try:
        call_command(command, *arguments, "--format", "json", stdout=out)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return json.loads(out.getvalue()), code
