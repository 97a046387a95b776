"""Files of a volume that are compressed, as cloud-volume writes them: `<key>.gz`, `<key>.br`.

They are sent as they are to whoever takes that encoding, and inflated for others.
"""

import gzip
import re
from collections.abc import Callable
from typing import BinaryIO, Final

import brotli

# Of what a client says it takes: `gzip, br;q=0` refuses br.
_REFUSED: Final = re.compile(r"q=0(?:\.0{0,3})?")
# One chunk, inflated. A file that would be more is no chunk of a volume.
MOST_BYTES: Final = 256 * 2**20

SUFFIXES: Final = {"gzip": ".gz", "br": ".br"}


class Oversized(ValueError):
    """The file inflates to more than any chunk has."""


def accepts(header: str, encoding: str) -> bool:
    """Return True if an Accept-Encoding header takes this encoding."""
    for item in header.lower().split(","):
        name, *options = (part.strip() for part in item.split(";"))
        if name == encoding:
            return not any(_REFUSED.fullmatch(option.replace(" ", "")) for option in options)
    return False


def inflated(file: BinaryIO, encoding: str) -> bytes:
    """Return the whole content. Raises Oversized, and ValueError for a file that is damaged."""
    return _READERS[encoding](file)


def _gunzipped(file: BinaryIO) -> bytes:
    if not file.read(1):
        raise ValueError("The file is empty.")
    file.seek(0)
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            content = stream.read(MOST_BYTES + 1)
    except (OSError, EOFError) as problem:
        raise ValueError(str(problem)) from problem
    return _bounded(content)


def _unbrotlied(file: BinaryIO) -> bytes:
    stream, content = brotli.Decompressor(), bytearray()
    try:
        while block := file.read(2**18):
            content += stream.process(block)
            _bounded(content)
        if not stream.is_finished():
            raise ValueError("The file is cut off.")
    except brotli.error as problem:
        raise ValueError(str(problem)) from problem
    return bytes(content)


def _bounded(content: bytes | bytearray) -> bytes:
    if len(content) > MOST_BYTES:
        raise Oversized("The file inflates to more than any chunk has.")
    return bytes(content)


_READERS: Final[dict[str, Callable[[BinaryIO], bytes]]] = {"gzip": _gunzipped, "br": _unbrotlied}
