"""The one door to raw deliveries: list a folder, read the headers that matter, have it judged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.raw.codes import problem
from pipeline.raw.delivery import DeliveryReport, Expected, ExpectedChannel, GroupCount
from pipeline.raw.headers import headers_needed, headers_suspected
from pipeline.raw.layouts import SMARTSPIM
from pipeline.raw.metadata import Notes
from pipeline.raw.ome import lavision_notes
from pipeline.raw.rules import check_delivery
from pipeline.raw.session import session_notes
from pipeline.raw.tiff_header import HeaderProblem, PlaneHeader, read_description, read_header
from pipeline.raw.walking import walk_folder
from pipeline.workspace import resolve_under

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.raw.listing import Found

__all__ = [
    "DeliveryReport",
    "Expected",
    "ExpectedChannel",
    "GroupCount",
    "HeaderProblem",
    "PlaneHeader",
    "check_delivery",
    "headers_needed",
    "inspect_folder",
    "inspect_found",
    "list_delivery",
    "read_headers",
    "walk_folder",
]

_BATCH = 2048


def inspect_folder(
    root: Path,
    folder: str,
    expected: Expected,
    *,
    waived: Iterable[str] = (),
    threads: int = 4,
) -> DeliveryReport:
    """Judge the delivery in `folder`, relative to `root`. Raises BadInput for an escape only.

    `waived` are keys of problems that a person accepted.
    """
    path = resolve_under(root, folder)
    try:
        found = list_delivery(root, path, expected)
    except OSError as error:
        return unlisted(folder, error)
    return inspect_found(root, path, expected, found, waived=waived, threads=threads)


def list_delivery(root: Path, path: Path, expected: Expected) -> Found:
    """List the files of a delivery by its layout; raise OSError if that cannot be done."""
    index = expected.channels[0].filter_index
    return walk_folder(path, expected.layout, root=root, filter_index=index)


def inspect_found(
    root: Path,
    path: Path,
    expected: Expected,
    found: Found,
    *,
    waived: Iterable[str] = (),
    threads: int = 4,
) -> DeliveryReport:
    """Judge a delivery that is listed already: read its headers and its metadata."""
    headers = read_headers(path, headers_needed(expected, found), threads=threads)
    further = headers_suspected(expected, found, headers)
    headers |= read_headers(path, further, threads=threads)
    return check_delivery(
        expected,
        found,
        headers,
        folder=path.name,
        notes=_notes(root, path, expected, found),
        waived=waived,
    )


def _notes(root: Path, path: Path, expected: Expected, found: Found) -> Notes:
    if expected.layout == SMARTSPIM:
        return session_notes(path, root.resolve(), expected.channels[0].name)
    return folder_notes(path, found)


def folder_notes(path: Path, found: Found) -> Notes:
    """What the first plane of the first filter says of the whole acquisition."""
    first = min(found.groups, default=None, key=lambda key: (key[1], key[0], key[2]))
    if first is None:
        return Notes()
    name = found.groups[first].first()[1]
    return lavision_notes(read_description(path / name), f"the metadata in {name}")


def read_headers(
    path: Path, names: Iterable[str], *, threads: int
) -> dict[str, PlaneHeader | HeaderProblem]:
    """Read many headers at once; shared storage answers slowly but in parallel."""
    wanted = list(names)
    headers: dict[str, PlaneHeader | HeaderProblem] = {}
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        # in batches: the pool makes an object for everything that is handed to it at once
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            found = pool.map(lambda name: read_header(path / name), batch)
            headers.update(zip(batch, found, strict=True))
    return headers


def unlisted(folder: str, error: OSError) -> DeliveryReport:
    """The report of a folder that cannot be listed."""
    what = f"The folder {folder} cannot be read: {error.strerror or error}."
    remedy = "Check its name and that the group may read it, then press Check again."
    return DeliveryReport(
        ok=False,
        problems=(problem("folder", folder, what, remedy),),
        notes=(),
        counts=(),
        plane_shape=None,
        dtype="",
        files=0,
        bytes=0,
        ignored_files=0,
    )
