"""The one door to raw deliveries: list a folder, read the headers that matter, have it judged."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadInput
from pipeline.raw.codes import problem
from pipeline.raw.delivery import DeliveryReport, Expected, ExpectedChannel, FileEntry, GroupCount
from pipeline.raw.rules import check_delivery, judge
from pipeline.raw.sorting import headers_needed, headers_of, sort_listing
from pipeline.raw.tiff_header import HeaderProblem, PlaneHeader, read_header
from pipeline.workspace import resolve_under

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DeliveryReport",
    "Expected",
    "ExpectedChannel",
    "FileEntry",
    "GroupCount",
    "HeaderProblem",
    "PlaneHeader",
    "check_delivery",
    "headers_needed",
    "inspect_folder",
    "read_headers",
    "scan_folder",
]


def scan_folder(path: Path, *, root: Path | None = None) -> list[FileEntry]:
    """List the files of one folder with their sizes, sorted by name; subfolders are left out.

    A link is followed only if it stays below `root` (the folder itself if not given). Raises
    OSError if the folder cannot be listed.
    """
    boundary = (root or path).resolve()
    with os.scandir(path) as entries:
        found = [
            _entry(item, boundary) for item in entries if not item.is_dir(follow_symlinks=False)
        ]
    return sorted(found, key=lambda entry: entry.name)


def _entry(item: os.DirEntry[str], boundary: Path) -> FileEntry:
    if not item.is_symlink():
        return FileEntry(item.name, item.stat(follow_symlinks=False).st_size)
    if not Path(item.path).resolve().is_relative_to(boundary):
        return FileEntry(item.name, 0, link_out=True)
    try:
        return FileEntry(item.name, item.stat().st_size)
    except OSError:
        return FileEntry(item.name, 0)  # a dangling link; its header says so


def inspect_folder(
    root: Path,
    folder: str,
    expected: Expected,
    *,
    layout: str = "lavision",
    waived: Iterable[str] = (),
    threads: int = 4,
) -> DeliveryReport:
    """Judge the delivery in `folder`, relative to `root`. Raises BadInput for an escape only.

    `waived` are keys of problems that a person accepted.
    """
    if layout != "lavision":
        raise BadInput(f'The layout must be "lavision", not {layout!r}.')
    path = resolve_under(root, folder)
    try:
        listing = scan_folder(path, root=root)
    except OSError as error:
        return _unlisted(folder, error)
    found = sort_listing(listing)
    headers = read_headers(path, headers_of(expected, found), threads=threads)
    return judge(expected, found, headers, waived)


def read_headers(
    path: Path, names: Iterable[str], *, threads: int
) -> dict[str, PlaneHeader | HeaderProblem]:
    """Read many headers at once; shared storage answers slowly but in parallel."""
    wanted = list(names)
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        return dict(
            zip(wanted, pool.map(lambda name: read_header(path / name), wanted), strict=True)
        )


def _unlisted(folder: str, error: OSError) -> DeliveryReport:
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
