"""Read JSON that other programs wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from pipeline.contract import Json


def parsed(text: str | bytes) -> Json:
    """Return what the text says. Raises BadInput, whose sentence has the file as its subject."""
    try:
        document: Json = json.loads(text)
        json.dumps(document, ensure_ascii=False).encode()  # half a character cannot be written
    except RecursionError as error:
        raise BadInput("it is nested too deeply to be read. Export it again.") from error
    except ValueError as error:  # no UTF-8 either
        raise BadInput(f"it is no JSON: {error}.") from error
    return document
