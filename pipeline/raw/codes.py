"""The kinds of problems a raw delivery can have, and which of them a person may accept.

                 what is wrong                                              accepted?
missing          planes of a group are not there                            if most are there
truncated        planes are empty or shorter than their header says         if most are whole
empty_group      a channel, sheet or tile has none of its planes            no
extra            more planes than requested                                 no, mend the form
duplicate        more than one file for a plane                             no
stray_channel    files of a channel that was not requested                  yes, nobody reads them
stray_file       files like raw planes that belong to nothing               yes, nobody reads them
stray_sheet      files of a light sheet that was not requested              no, it changes the other
stray_tile       tiles outside the tiling requested                         no
columns, rows    another number of tile folders than requested              no
channel_folder   the name of the folder does not tell the channel           yes
wrong_channel    the folder or the metadata tell another channel            no
folder           the folder is empty, unreadable or without a raw plane     no
name             a name that is not UTF-8, or a number between two planes   no
link_out         a link that leads out of the data storage                  no
not_tiff, unsupported, unreadable   a file that cannot be understood        no
depth, shape     not 16-bit grey values; different sizes in one channel     no
changed          files came, went or changed while they were looked at      no
metadata_...     the microscope's own notes differ from the form            yes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.contract import Problem, problem_key

if TYPE_CHECKING:
    from collections.abc import Iterable

WAIVABLE: Final[dict[str, bool]] = {
    "missing": True,
    "truncated": True,
    "empty_group": False,
    "extra": False,
    "duplicate": False,
    "stray_channel": True,
    "stray_sheet": False,
    "stray_tile": False,
    "stray_file": True,
    "columns": False,
    "rows": False,
    "channel_folder": True,
    "wrong_channel": False,
    "folder": False,
    "name": False,
    "link_out": False,
    "not_tiff": False,
    "unsupported": False,
    "unreadable": False,
    "depth": False,
    "shape": False,
    "changed": False,
    "metadata_planes": True,
    "metadata_z_step": True,
    "metadata_pixel": True,
    "metadata_overlap": True,
    "metadata_tiles": True,
    "metadata_sheet": True,
    "metadata_channel": True,
}


def problem(
    code: str,
    file: str,
    what: str,
    remedy: str,
    *,
    evidence: Iterable[str] = (),
    if_most: bool = True,
) -> Problem:
    """A problem of a known kind. `if_most` says that most of what it is about is sound.

    `evidence` goes into the key: what the sentence folds up, a longer list of files, say.
    """
    key = problem_key(code, file, what, evidence)
    return Problem(file, what, remedy, code, key, waivable=WAIVABLE[code] and if_most)
