"""A small atlas as files, and the command that installs it."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from django.core.management import CommandError, call_command

CSV = "id,parent_id,name,acronym,red,green,blue\n1,,root,root,255,255,255\n5,1,Cortex,CTX,1,2,3\n"


def small_volumes() -> tuple[np.ndarray, np.ndarray]:
    """A sagittal atlas (z, y, x) = (LR, AP, DV); region 5 is left, in front, dorsal."""
    annotation = np.zeros((6, 8, 5), np.uint32)
    annotation[1:5, 1:7, 1:4] = 1
    annotation[1, 2, 1] = 5
    template = np.random.default_rng(1).integers(1, 900, annotation.shape).astype(np.uint16)
    return template, annotation


def write_files(folder: Path) -> dict[str, Path]:
    """Template, annotation and CSV as arguments of the command."""
    template, annotation = small_volumes()
    tifffile.imwrite(folder / "t.tif", template, photometric="minisblack")
    tifffile.imwrite(folder / "a.tif", annotation, photometric="minisblack")
    (folder / "tree.csv").write_text(CSV)
    return given(folder, "t.tif", "a.tif", "tree.csv")


def given(folder: Path, template: str, annotation: str, tree: str) -> dict[str, Path]:
    return {
        "template": folder / template, "annotation": folder / annotation, "tree": folder / tree,
    }  # fmt: skip


def run(**options: Any) -> str:
    """Call the command with what is usual and return what it said."""
    out, err = StringIO(), StringIO()
    usual = {"name": "small", "voxel": "20,20,20", "axes": "DV,AP,LR"}
    chosen = {key: value for key, value in {**usual, **options}.items() if value is not None}
    call_command("import_atlas", stdout=out, stderr=err, **chosen)
    return out.getvalue() + err.getvalue()


def refused(**options: Any) -> str:
    with pytest.raises(CommandError) as caught:
        run(**options)
    return str(caught.value)
