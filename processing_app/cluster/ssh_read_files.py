"""Read parts of many files; sent to the cluster as `python3 -I -c`, so it imports nothing of ours.

Standard input is JSON: {"mark", "budget", "wanted": [[path, most, from_end], ...]}. The answer is
the mark on a line of its own, then a JSON list of base64 texts and nulls in the order asked for.
It ends early once the budget of bytes is used up, never without a first one. Python 3.6 will do.
"""

import base64
import json
import os
import stat
import sys
from typing import Any, Dict, List, Optional  # noqa: UP035 - as Python 3.6 wants it


def content(path: bytes, most: int, from_end: bool) -> bytes:  # noqa: FBT001 - as in the request
    """Return a part of a regular file. A pipe or a device is not even opened."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a path of bytes
        raise OSError("not a regular file")
    # It may have become a pipe meanwhile.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise OSError("not a regular file")
        if from_end:
            stream.seek(max(facts.st_size - most, 0))
        return stream.read(most)


def answer(request: Dict[str, Any]) -> List[Optional[str]]:  # noqa: UP006, UP045
    """Return texts and nulls until the budget is used up."""
    found: List[Optional[str]] = []  # noqa: UP006, UP045
    left = request["budget"]
    for path, most, from_end in request["wanted"]:
        try:
            # Whatever the locale of the login, names are bytes.
            part = content(path.encode("utf-8", "surrogateescape"), most, from_end)
        except (OSError, ValueError):
            found.append(None)
            continue
        found.append(base64.b64encode(part).decode("ascii"))
        left -= len(part)
        if left <= 0:
            break
    return found


def main() -> None:
    request = json.loads(sys.stdin.buffer.read().decode("ascii"))
    sys.stdout.write("\n" + request["mark"] + "\n" + json.dumps(answer(request)) + "\n")


if __name__ == "__main__":
    main()
