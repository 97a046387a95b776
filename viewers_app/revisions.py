"""Which making of a volume its files are. Part of the data address, so no two are ever mixed."""

import os
from hashlib import blake2s

from django.conf import settings

from core_app.paths import DataPath
from viewers_app.ranges import etag_of
from viewers_app.rooted import open_below


def revision_of(folder: DataPath, *, made: str) -> str:
    """Return the revision of the volume that is there now, or "" if there is none.

    `made` is what the row says. It comes later than the files, so those count as well.
    """
    file = open_below(settings.DATA_ROOT, (*str(folder).split("/"), "info"))
    if file is None:
        return ""
    with file:
        files = etag_of(os.fstat(file.fileno()))
    return blake2s(f"{made} {files}".encode(), digest_size=8).hexdigest()
