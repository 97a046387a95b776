"""The lines to copy open a volume that was really written, with the values that are in it."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import tifffile
from django.conf import settings

from core_app.models import User
from tests.support.drawable import write_volume
from viewers_app import snippets
from viewers_app.models import DataLayer

VOXELS = np.arange(6 * 5 * 4, dtype=np.uint16).reshape(6, 5, 4)  # (x, y, z)


@pytest.fixture
def written(layer: DataLayer) -> DataLayer:
    """The volume in one shard, as products are."""
    write_volume(layer.folder.under(settings.DATA_ROOT), VOXELS, (30_000, 30_000, 40_000))
    return layer


def run(layer: DataLayer, to: User, program: str) -> dict[str, object]:
    (copied,) = snippets.of_layers([layer], to=to)
    (snippet,) = (each for each in copied.snippets if each.program == program)
    names: dict[str, object] = {}
    with redirect_stdout(io.StringIO()):
        exec(compile(snippet.code, program, "exec"), names)
    return names


@pytest.mark.parametrize("program", ["Python, cloud-volume", "Python, tensorstore"])
def test_the_lines_for_python_read_the_middle_plane(
    written: DataLayer, researcher: User, program: str
) -> None:
    names = run(written, researcher, program)

    np.testing.assert_array_equal(np.asarray(names["plane"]), VOXELS[:, :, 2])


def test_the_lines_for_fiji_write_a_stack_with_its_voxel_size(
    written: DataLayer, researcher: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(written, researcher, "Fiji")

    (file,) = tmp_path.glob("*.tif")
    with tifffile.TiffFile(file) as tiff:
        np.testing.assert_array_equal(tiff.asarray(), VOXELS.T)
        assert tiff.imagej_metadata["spacing"] == 40


def test_the_lines_for_napari_are_python_with_the_voxel_size(
    written: DataLayer, researcher: User
) -> None:
    (copied,) = snippets.of_layers([written], to=researcher)
    (lines,) = (each.code for each in copied.snippets if each.program == "napari")

    compile(lines, "napari", "exec")
    assert "scale=(40.0, 30.0, 30.0)" in lines


def test_strangers_get_no_lines(layer: DataLayer, stranger: User, manager: User) -> None:
    assert snippets.of_layers([layer], to=stranger) == []
    assert len(snippets.of_layers([layer], to=manager)) == 1
