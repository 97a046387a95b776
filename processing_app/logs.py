"""Pure: what a program wrote for a terminal, as text that a page can show."""

import re
from typing import Final

# Commands for a terminal: colors, movements of the cursor, titles of its window. An unfinished one
# at the end is dropped as well: a tail may end anywhere.
_COMMANDS: Final = re.compile(
    "\x1b\\[[0-?]*[ -/]*(?:[@-~]|$)"  # ESC [ … letter
    "|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\|$)"  # ESC ] … end, and its like
    "|\x1b[ -/]*(?:[0-~]|$)"  # ESC letter
    "|\x9b[0-?]*[ -/]*(?:[@-~]|$)"
)
# What else is no text. Tab, line feed and carriage return are, at first.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# They would turn the reading direction of whatever follows.
_DIRECTIONS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")


def readable(text: str) -> str:
    """Return a log as its reader would have seen it in the end.

    Of a line that was written over and over, such as a bar of progress, the last is kept.
    """
    text = _COMMANDS.sub("", text.replace("\r\n", "\n"))
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _DIRECTIONS.sub("", _CONTROLS.sub("", "\n".join(lines)))
