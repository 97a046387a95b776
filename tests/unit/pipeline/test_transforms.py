"""Transforms as we compute them are those that transformix applies; what they do to space."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.registration import score, transforms
from pipeline.registration.volumes import Small
from tests.unit.pipeline import registration_support as brains

if TYPE_CHECKING:
    from pathlib import Path

SIZE, UM = [40, 40, 40], [100.0, 100.0, 100.0]
MATRIX = np.array([[1.1, 0.1, 0.0], [-0.1, 0.9, 0.05], [0.0, 0.02, 1.0]])
BALL = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0) < 15


def _files(folder: Path, coefficients: np.ndarray, matrix: np.ndarray = MATRIX) -> list[Path]:
    first, second = folder / "TransformParameters.0.txt", folder / "TransformParameters.1.txt"
    first.write_text(brains.affine_text(matrix, np.array([0.2, -0.1, 0.1]), SIZE, UM))
    text = brains.spline_text(coefficients, [-1.2] * 3, 0.8, SIZE, UM)
    second.write_text(text.replace("NoInitialTransform", first.name))
    return [first, second]


def _transformix(folder: Path, points: np.ndarray) -> np.ndarray:
    text = "\n".join(" ".join(f"{v:.6f}" for v in point) for point in points)
    (folder / "points.txt").write_text(f"point\n{len(points)}\n{text}\n")
    words = ["transformix", "-def", "points.txt", "-out", ".", "-tp", "TransformParameters.1.txt"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    lines = (folder / "outputpoints.txt").read_text().splitlines()
    found = [line.split("OutputPoint = [")[1].split("]")[0].split() for line in lines]
    return np.array(found, dtype=float)


def test_points_go_where_transformix_takes_them(tmp_path: Path) -> None:
    brains.need_elastix()
    rng = np.random.default_rng(1)
    files = _files(tmp_path, rng.uniform(-0.2, 0.2, (3, 9, 8, 10)))
    points = np.round(rng.uniform(0, 4, (200, 3)), 6)
    affine = transforms.affine_of(transforms.read_transform(files[0]))
    spline = transforms.spline_of(transforms.read_transform(files[1]))

    ours = spline.of(affine.of(points))

    assert np.abs(ours - _transformix(tmp_path, points)).max() < 2e-6


def test_determinants_are_those_of_small_differences() -> None:
    rng = np.random.default_rng(2)
    spline = transforms.Spline(
        rng.uniform(-0.3, 0.3, (3, 7, 6, 8)), np.array([-1.0, -1, -1]), np.array([0.8, 0.9, 1.0])
    )
    points, determinants = spline.determinants()
    step = 1e-5
    columns = [
        (spline.of(points + step * axis) - spline.of(points - step * axis)) / (2 * step)
        for axis in np.eye(3)
    ]

    assert np.allclose(determinants, np.linalg.det(np.stack(columns, axis=-1)), atol=1e-6)


def test_a_start_shift_becomes_part_of_the_affine_transform(tmp_path: Path) -> None:
    files = _files(tmp_path, np.zeros((3, 9, 8, 10)))
    fields = transforms.read_transform(files[0])
    shift = np.array([0.5, -0.25, 1.0])
    points = np.random.default_rng(3).uniform(0, 4, (50, 3))

    both = transforms.affine_of(transforms.after_shift(fields, shift)).of(points)

    assert np.allclose(both, transforms.affine_of(fields).of(points + shift))


def _small() -> Small:
    return Small(np.where(BALL, 100, 0).astype(np.float32), (100.0, 100.0, 100.0))


def test_a_gentle_bend_is_no_fault(tmp_path: Path) -> None:
    gentle = np.random.default_rng(4).uniform(-0.1, 0.1, (3, 9, 9, 9))

    found = score.geometry(_files(tmp_path, gentle), _small())

    assert found.fault() == ""
    assert found.volume_ratio == pytest.approx(float(np.linalg.det(MATRIX)))
    assert 0 < found.least_determinant < 1


def test_a_folded_brain_is_a_fault(tmp_path: Path) -> None:
    wild = np.random.default_rng(4).uniform(-2, 2, (3, 9, 9, 9))

    found = score.geometry(_files(tmp_path, wild), _small())

    assert found.folded > 0.05
    assert "folded" in found.fault()


@pytest.mark.parametrize(
    "matrix", [np.diag([-1.0, 1, 1]), np.diag([1.0, 0, 1]), np.diag([2.0, 2, 2]), np.eye(3) * 0.4]
)
def test_an_absurd_affine_part_is_a_fault(tmp_path: Path, matrix: np.ndarray) -> None:
    files = _files(tmp_path, np.zeros((3, 9, 9, 9)), matrix)

    assert score.geometry(files, _small()).fault()


@pytest.mark.parametrize("fraction", [0.2, 0.6, 0.97])
@pytest.mark.parametrize("number", [0, 1])
def test_a_transform_that_was_cut_is_named(tmp_path: Path, number: int, fraction: float) -> None:
    path = _files(tmp_path, np.zeros((3, 9, 8, 10)))[number]
    lines = path.read_text().splitlines(keepends=True)
    wanted = {"(CenterOfRotationPoint", "(GridOrigin"}
    last = next(i for i, text in enumerate(lines) if text.split()[0] in wanted)
    whole = "".join(lines[: last + 1])
    path.write_text(whole[: int(fraction * len(whole))])

    with pytest.raises(BadInput, match="is no transform"):
        transforms.read_transform(path)


def test_what_is_no_transform_is_named(tmp_path: Path) -> None:
    (tmp_path / "TransformParameters.0.txt").write_text("nothing")

    with pytest.raises(BadInput, match=r"TransformParameters\.0\.txt is no transform"):
        transforms.read_transform(tmp_path / "TransformParameters.0.txt")
