"""Cut a long list into pieces that fit into one query or one command."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size` items, in order; nothing for nothing."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
