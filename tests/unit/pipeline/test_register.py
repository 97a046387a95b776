"""The steps register and register_back: true positions, figures that tell, named failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.contract import OUT_OF_MEMORY, POOR_REGISTRATION, STEP_ERROR
from pipeline.errors import BadInput, StepFailed
from pipeline.registration import fitting
from pipeline.runner import load_step
from pipeline.workspace import Workspace
from tests.unit.pipeline import registration_support as brains

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict

FILES = {
    "TransformParameters.0.txt", "TransformParameters.1.txt", "_product.json", "elastix.log",
    "overlay.png", "result.0.tif", "result.1.tif", "score.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, JsonDict]:
    """A data root where the sample is registered, and what the step said."""
    brains.need_elastix()
    root = tmp_path_factory.mktemp("registered")
    brains.write(root / "in/template.tif", brains.brain())
    brains.write(root / "in/sample.tif", brains.moved_brain())
    return root, brains.run_in(root, brains.register_spec())


def _given(root: Path, sample: np.ndarray | None = None) -> None:
    brains.write(root / "in/template.tif", brains.brain())
    brains.write(root / "in/sample.tif", brains.moved_brain() if sample is None else sample)


def _mapped(folder: Path, points: np.ndarray) -> np.ndarray:
    """Where transformix takes points (n, 3) in mm."""
    import subprocess

    text = "\n".join(" ".join(f"{v:.6f}" for v in point) for point in points)
    (folder / "points.txt").write_text(f"point\n{len(points)}\n{text}\n")
    words = ["transformix", "-def", "points.txt", "-out", ".", "-tp", "TransformParameters.1.txt"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    lines = (folder / "outputpoints.txt").read_text().splitlines()
    found = [line.split("OutputPoint = [")[1].split("]")[0].split() for line in lines]
    return np.array(found, dtype=float)


def test_positions_are_found_within_half_a_voxel(
    registered: tuple[Path, JsonDict], tmp_path: Path
) -> None:
    root, _ = registered
    for path in (root / "out/register").glob("Transform*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rng = np.random.default_rng(1)
    inside = np.argwhere(brains.brain() > 300)
    at = rng.permutation(inside)[:300, ::-1] + 0.5
    points = at * np.array(brains.box_voxel_um()) / 1000
    middle = np.array([5.7, 6.6, 4.0])
    true = (points - middle) @ brains.MATRIX.T + middle + brains.SHIFT + brains.shift_of_pad()

    errors = np.linalg.norm(_mapped(tmp_path, points) - true, axis=1) * 1000

    assert np.median(errors) < brains.UM / 4
    assert np.percentile(errors, 95) < brains.UM / 2


def test_the_folder_has_the_files_of_the_interface(registered: tuple[Path, JsonDict]) -> None:
    root, _ = registered

    assert {path.name for path in (root / "out/register").iterdir()} == FILES


def test_the_result_lies_on_the_grid_of_the_template(registered: tuple[Path, JsonDict]) -> None:
    root, outputs = registered
    result = tifffile.imread(root / "out/register/result.1.tif")

    assert result.dtype == np.uint16
    assert result.shape == brains.SHAPE
    assert outputs["size"] == list(reversed(brains.SHAPE))
    assert np.corrcoef(result.ravel(), brains.brain().ravel())[0, 1] > 0.96


def test_the_score_is_told_and_kept(registered: tuple[Path, JsonDict]) -> None:
    root, outputs = registered
    kept = json.loads((root / "out/register/score.json").read_text())

    assert outputs["score"] > 0.95
    assert outputs["dice"] > 0.9
    assert kept["score"] == outputs["score"]
    assert kept["folded"] == 0


def test_transform_files_name_no_folder_of_the_attempt(registered: tuple[Path, JsonDict]) -> None:
    root, _ = registered
    text = (root / "out/register/TransformParameters.1.txt").read_text()

    assert '(InitialTransformParametersFileName "TransformParameters.0.txt")' in text


def test_a_second_run_returns_at_once(
    registered: tuple[Path, JsonDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, outputs = registered
    monkeypatch.setenv("LIGHTSERV_ELASTIX", "/nowhere")

    again = brains.run_in(root, brains.register_spec("a2", least_score=0.4))

    assert again == {**outputs, "least_score": 0.4}


def test_a_higher_least_score_refuses_what_is_there(registered: tuple[Path, JsonDict]) -> None:
    root, _ = registered

    with pytest.raises(StepFailed, match=r"score is 0\.9\d+, wanted at least 0\.999") as caught:
        brains.run_in(root, brains.register_spec("a2", least_score=0.999))

    assert caught.value.reason == POOR_REGISTRATION
    assert (root / "out/register/result.1.tif").exists()


def test_back_lies_on_the_grid_of_the_sample(registered: tuple[Path, JsonDict]) -> None:
    root, _ = registered

    outputs = brains.run_in(root, brains.register_spec(step="register_back"))

    result = tifffile.imread(root / "out/register_back/result.1.tif")
    sample = brains.moved_brain()
    assert result.shape == sample.shape
    assert outputs["score"] > 0.95
    assert np.corrcoef(result.ravel(), sample.ravel())[0, 1] > 0.96


def _copying(root: Path, matrix: np.ndarray, *, first: str = ":", aside_mm: float = 0.0) -> str:
    """An engine whose transform about the middle is always this one; `first` is run before."""
    brains.need_elastix()
    size, um = list(reversed(brains.SHAPE)), brains.box_voxel_um()
    middle = np.array([5.7, 6.6, 4.0])
    there = middle + brains.shift_of_pad() - matrix @ middle + aside_mm
    (root / "affine").write_text(brains.affine_text(matrix, there, size, um))
    flat = brains.spline_text(np.zeros((3, 8, 8, 8)), [-2.0] * 3, 3.0, size, um)
    (root / "bspline").write_text(flat)
    copying = f"{first}; cp {root}/$6 $6/TransformParameters.0.txt"
    return str(brains.engine(root / "bin", copying))


def test_a_poor_registration_is_kept_aside_and_accepted_later_without_new_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _given(tmp_path)
    monkeypatch.setenv("LIGHTSERV_ELASTIX", _copying(tmp_path, np.eye(3)))
    with pytest.raises(StepFailed, match="out/register_rejected") as caught:
        brains.run_in(tmp_path, brains.register_spec(least_score=0.999))
    kept = {path.name for path in (tmp_path / "out/register_rejected").iterdir()}
    monkeypatch.setattr(fitting, "_run_stage", None)

    outputs = brains.run_in(tmp_path, brains.register_spec("a2", least_score=0.1))

    assert caught.value.reason == POOR_REGISTRATION
    assert kept == {"overlay.png", "score.json", "elastix.log"}
    assert 0.1 < outputs["score"] < 0.999
    assert {path.name for path in (tmp_path / "out/register").iterdir()} == FILES
    assert not (tmp_path / "out/register_rejected").exists()


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (np.zeros(brains.SHAPE, np.uint16), "blank"),
        (np.full(brains.SHAPE, 1000, np.uint16), "blank"),
        (np.where(brains.brain() > 300, 65535, 100).astype(np.uint16), "saturated"),
        (brains.brain()[:5], "at least 8"),
        (np.full(brains.SHAPE, np.nan, np.float32), "no numbers"),
        (brains.brain()[0], "at least 8"),
    ],
)
def test_what_shows_nothing_is_refused_before_elastix_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: np.ndarray, words: str
) -> None:
    _given(tmp_path, sample)
    started = brains.engine(tmp_path / "bin", f"touch {tmp_path}/started; exit 1")
    monkeypatch.setenv("LIGHTSERV_ELASTIX", str(started))

    with pytest.raises(BadInput, match=words):
        brains.run_in(tmp_path, brains.register_spec())

    assert not (tmp_path / "started").exists()
    assert not list(tmp_path.glob("out/register*"))


def test_a_truncated_volume_is_refused(tmp_path: Path) -> None:
    brains.need_elastix()
    _given(tmp_path)
    path = tmp_path / "in/sample.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(BadInput, match=r"sample\.tif"):
        brains.run_in(tmp_path, brains.register_spec())


def test_another_size_than_planned_is_refused(tmp_path: Path) -> None:
    brains.need_elastix()
    _given(tmp_path)

    with pytest.raises(BadInput, match="36 x 41 x 28 voxels, not 36 x 41 x 29"):
        brains.run_in(tmp_path, brains.register_spec(size=[36, 41, 29]))


@pytest.mark.parametrize("named", ["/nowhere", "/nowhere/elastix", "itk"])
def test_a_missing_engine_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    _given(tmp_path)
    monkeypatch.setenv("LIGHTSERV_ELASTIX", named)

    with pytest.raises(BadInput, match=r"(?s)LIGHTSERV_ELASTIX.*[Ii]nstall"):
        brains.run_in(tmp_path, brains.register_spec())


@pytest.mark.parametrize(
    ("lines", "reason", "words"),
    [
        ("echo 'itk::ERROR: no such parameter'; exit 1", STEP_ERROR, "no such parameter"),
        (
            "echo 'Too many samples map outside moving image buffer'; exit 1",
            POOR_REGISTRATION,
            "came apart",
        ),
        ("echo std::bad_alloc >&2; exit 1", OUT_OF_MEMORY, "memory"),
        ("kill -9 $$", OUT_OF_MEMORY, "memory"),
        ("exit 0", STEP_ERROR, "TransformParameters.0.txt"),
    ],
)
def test_a_failing_engine_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, reason: str, words: str
) -> None:
    _given(tmp_path)
    monkeypatch.setenv("LIGHTSERV_ELASTIX", str(brains.engine(tmp_path / "bin", lines)))

    with pytest.raises(StepFailed, match=words) as caught:
        brains.run_in(tmp_path, brains.register_spec())

    assert caught.value.reason == reason
    assert not (tmp_path / "out/register").exists()


def test_an_engine_that_says_nothing_is_named_in_the_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it hangs, this is all that people see until the time of the job is over."""
    _given(tmp_path)
    monkeypatch.setenv("LIGHTSERV_ELASTIX", str(brains.engine(tmp_path / "bin", "exit 1")))
    given = brains.register_spec()
    work = Workspace(tmp_path, given.name, 2, progress_file=tmp_path / "progress.json")

    with pytest.raises(StepFailed):
        load_step(given.step)(given, work)

    assert json.loads((tmp_path / "progress.json").read_text())["label"] == "Affine, level 1 of 3"


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([-1.0, 1, 1]), "changes volumes by -1"),
        (np.diag([1.0, 1, 1e-6]), "changes volumes by 1e-06"),
        (np.diag([3.0, 0.6, 0.6]), "stretches by 0.6 to 3"),
    ],
)
def test_a_transform_that_no_brain_can_have_is_poor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matrix: np.ndarray, words: str
) -> None:
    _given(tmp_path)
    monkeypatch.setenv("LIGHTSERV_ELASTIX", _copying(tmp_path, matrix))

    with pytest.raises(StepFailed, match=words) as caught:
        brains.run_in(tmp_path, brains.register_spec(least_score=0))

    assert caught.value.reason == POOR_REGISTRATION
    assert "least_score" not in caught.value.message
    assert (tmp_path / "out/register_rejected/overlay.png").exists()


def test_a_result_without_anything_in_it_is_poor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transform leads out of the sample, so that all of the result is black."""
    _given(tmp_path)
    monkeypatch.setenv("LIGHTSERV_ELASTIX", _copying(tmp_path, np.eye(3), aside_mm=100))

    with pytest.raises(StepFailed, match="score is 0") as caught:
        brains.run_in(tmp_path, brains.register_spec())

    assert caught.value.reason == POOR_REGISTRATION
    assert (tmp_path / "out/register_rejected/overlay.png").exists()


def test_input_that_changes_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brains.need_elastix()
    _given(tmp_path)
    lines = f'touch -d 2001-01-01 {tmp_path}/in/sample.tif; exec elastix "$@"'
    monkeypatch.setenv("LIGHTSERV_ELASTIX", str(brains.engine(tmp_path / "bin", lines)))

    with pytest.raises(BadInput, match=r"changed while it was read: in/sample\.tif"):
        brains.run_in(tmp_path, brains.register_spec())

    assert not list(tmp_path.glob("out/register*"))


def test_overshoots_are_clipped_and_never_wrap(tmp_path: Path) -> None:
    values = np.array([[[-5.4, -0.4, 0.6], [65534.6, 65535.5, 70000.0]]], np.float32)

    fitting.write_rounded(tmp_path / "v.tif", values, (1.0, 1.0, 1.0))

    written = tifffile.imread(tmp_path / "v.tif")
    assert written.ravel().tolist() == [0, 0, 1, 65535, 65535, 65535]
