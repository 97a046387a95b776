"""The step assess: each fault of a sample moves its own figure, and says so in a word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from scipy import ndimage

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.errors import BadInput
from pipeline.needs import results
from pipeline.quality.planes import figures_of_plane, histogram_of, tissue_level
from pipeline.steps import assess
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.unit.pipeline.support import peak_memory

if TYPE_CHECKING:
    from pathlib import Path

NOISE = 20.0


def _sample(shape: tuple[int, int, int] = (12, 160, 200)) -> np.ndarray:
    """A round piece of structured tissue at 1000 on a background of 100, noise 20."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    inside = np.hypot(y, x) < 0.85
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 2, 2))
    light = 100 + inside * (900 + 60 * texture / texture.std())
    return light + NOISE * rng.standard_normal(shape)


def _write(folder: Path, light: np.ndarray) -> None:
    stacks.single_planes(folder, np.clip(np.round(light), 0, 65535).astype(np.uint16))


def _spec(name: str = "q1", **parameters: object) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step="assess",
        name=name,
        version=PIPELINE_VERSION,
        inputs={"channels": [{"channel": "488", "folder": "in"}]},
        parameters={"voxel_um": [2, 2, 5], **parameters},
        outputs={"sheet": "out/quality"},
        threads=2,
    )


def _assess(root: Path, spec: StepSpec | None = None) -> JsonDict:
    spec = spec or _spec()
    return assess.run(spec, Workspace(root, spec.name, spec.threads))


def _said(root: Path) -> JsonDict:
    return json.loads((root / "out/quality/quality.json").read_text())


def _figures(root: Path, series: int = 0) -> dict[str, JsonDict]:
    return {item["name"]: item for item in _said(root)["series"][series]["figures"]}


def test_a_good_sample_passes_with_the_figures_that_it_has(tmp_path: Path) -> None:
    _write(tmp_path / "in", _sample())

    outputs = _assess(tmp_path)

    figures = _figures(tmp_path)
    assert outputs["verdict"] == _said(tmp_path)["overall"] == "pass"
    assert {item["verdict"] for item in figures.values()} == {"pass"}
    assert figures["signal_to_noise"]["value"] == pytest.approx(900 / NOISE, rel=0.1)
    assert figures["background"]["value"] == pytest.approx(100 / 900, rel=0.1)
    assert figures["illumination"]["value"] == pytest.approx(1, abs=0.03)
    assert figures["stripes"]["value"] < 0.02


def _saturated(light: np.ndarray) -> np.ndarray:
    return np.where(light > 1080, 65535, light)


def _clipped(light: np.ndarray) -> np.ndarray:
    return np.minimum(light, 1000)


def _noisy(light: np.ndarray) -> np.ndarray:
    return light + 300 * np.random.default_rng(2).standard_normal(light.shape)


def _hazy(light: np.ndarray) -> np.ndarray:
    return light + 2000


def _striped(light: np.ndarray) -> np.ndarray:
    rows = np.random.default_rng(3).uniform(0.75, 1.25, light.shape[1])
    return 100 + (light - 100) * rows[None, :, None]


def _one_sided(light: np.ndarray) -> np.ndarray:
    return 100 + (light - 100) * np.repeat([1, 0.5], light.shape[2] // 2)


def _blurred(light: np.ndarray) -> np.ndarray:
    """Three planes out of focus."""
    noise = NOISE * np.random.default_rng(5).standard_normal(light[:3].shape)
    return np.concatenate([ndimage.gaussian_filter(light[:3], (0, 8, 8)) + noise, light[3:]])


@pytest.mark.parametrize(("spoil", "name"), [
    (_saturated, "saturated"), (_clipped, "clipped"), (_noisy, "signal_to_noise"),
    (_hazy, "background"), (_striped, "stripes"), (_one_sided, "illumination"),
    (_blurred, "sharpness"),
])  # fmt: skip
def test_each_fault_shows_in_its_figure_and_in_the_word_for_all(
    tmp_path: Path, spoil: object, name: str
) -> None:
    _write(tmp_path / "in", spoil(_sample()))

    outputs = _assess(tmp_path)

    assert _figures(tmp_path)[name]["verdict"] in ("warn", "fail")
    assert outputs["verdict"] in ("warn", "fail")


def test_noise_is_measured_by_depth(tmp_path: Path) -> None:
    light = _sample()
    light[6:] += 60 * np.random.default_rng(6).standard_normal(light[6:].shape)
    _write(tmp_path / "in", light)

    _assess(tmp_path)

    curves = _said(tmp_path)["series"][0]["curves"]
    assert curves["z"] == list(range(12))
    assert curves["z_um"][:2] == [2.5, 7.5]
    assert curves["noise"][:6] == pytest.approx([NOISE] * 6, rel=0.15)
    assert curves["noise"][6:] == pytest.approx([np.hypot(NOISE, 60)] * 6, rel=0.15)


@pytest.mark.parametrize("value", [0, 300, 65535])
def test_blank_and_saturated_planes_fail_without_a_figure_that_is_none(
    tmp_path: Path, value: int
) -> None:
    stacks.single_planes(tmp_path / "in", np.full((5, 40, 50), value, dtype=np.uint16))

    outputs = _assess(tmp_path)

    figures = _figures(tmp_path)
    assert outputs["verdict"] == "fail"
    assert figures["signal_to_noise"]["value"] == 0
    assert figures["stripes"]["verdict"] is None
    assert figures["saturated"]["verdict"] == ("fail" if value == 65535 else "pass")


def test_few_planes_are_read_the_first_and_the_last_among_them(tmp_path: Path) -> None:
    _write(tmp_path / "in", _sample((70, 30, 40)))
    for z in range(70):
        if z not in (0, 23, 46, 69):
            (tmp_path / f"in/plane_{z:04d}.tif").write_bytes(b"no picture")

    _assess(tmp_path, _spec(planes=4))

    assert _said(tmp_path)["series"][0]["curves"]["z"] == [0, 23, 46, 69]


def test_sheets_placements_and_registration_have_their_own_words(tmp_path: Path) -> None:
    _write(tmp_path / "in", _sample())
    _write(tmp_path / "raw_left", _sample())
    (tmp_path / "reg").mkdir()
    (tmp_path / "reg/score.json").write_text('{"score": 0.61}')
    (tmp_path / "reg/overlay.png").write_bytes(b"picture")
    placements = {"voxel_um": [2, 2, 5], "residual_um": {"median": 9.0, "most": 20}}
    (tmp_path / "worse.json").write_text(json.dumps(placements))
    better = {"voxel_um": [2, 2, 5], "residual_um": {"median": 1.0, "most": 2}}
    (tmp_path / "better.json").write_text(json.dumps(better))
    spec = _spec()
    spec.inputs["channels"][0]["sheets"] = [{"side": "left", "folder": "raw_left"}]
    spec.inputs.update(placements=["better.json", "worse.json"], registration="reg")

    outputs = _assess(tmp_path, spec)

    said = _said(tmp_path)
    assert (said["stitching"]["value"], said["stitching"]["verdict"]) == (4.5, "fail")
    assert (said["registration"]["value"], said["registration"]["verdict"]) == (0.61, "warn")
    assert [item["side"] for item in said["series"]] == [None, "left"]
    assert [(row["file"], row["channel"]) for row in outputs["pictures"]] == [
        ("montage_488.png", "488"),
        ("montage_488_left.png", "488 left"),
    ]
    assert (outputs["verdict"], outputs["failures"], outputs["warnings"]) == ("fail", 1, 1)
    assert (tmp_path / "out/quality/overlay.png").read_bytes() == b"picture"


def test_placements_without_a_number_are_bad_input(tmp_path: Path) -> None:
    _write(tmp_path / "in", _sample())
    text = '{"voxel_um": [2, 2, 5], "residual_um": {"median": NaN}}'
    (tmp_path / "placements.json").write_text(text)
    spec = _spec()
    spec.inputs["placements"] = ["placements.json"]

    with pytest.raises(BadInput, match="no number"):
        _assess(tmp_path, spec)


def test_limits_can_be_changed(tmp_path: Path) -> None:
    _write(tmp_path / "in", _sample())

    _assess(tmp_path, _spec(limits={"signal_to_noise": [1000, 500]}))

    assert _figures(tmp_path)["signal_to_noise"]["verdict"] == "fail"


@pytest.mark.parametrize("parameters", [
    {"limits": {"nonsense": [1, 2]}}, {"limits": {"stripes": [1]}}, {"planes": 65}, {"planes": 0},
])  # fmt: skip
def test_senseless_parameters_are_refused(tmp_path: Path, parameters: dict[str, object]) -> None:
    _write(tmp_path / "in", _sample((2, 20, 20)))

    with pytest.raises(BadInput):
        _assess(tmp_path, _spec(**parameters))


def test_the_montage_shows_six_planes(tmp_path: Path) -> None:
    light = np.zeros((12, 40, 60))
    light[:, :, 30:] = 1000
    _write(tmp_path / "in", light)

    _assess(tmp_path)

    picture = imagecodecs.png_decode((tmp_path / "out/quality/montage_488.png").read_bytes())
    assert picture.shape == (80, 180)
    assert picture[:, 30:60].min() == 255
    assert picture[:, 60:90].max() == 0


def test_a_plane_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "in", _sample((6, 20, 20)))
    stacks.truncate(tmp_path / "in/plane_0003.tif")

    with pytest.raises(BadInput, match=r"plane_0003\.tif"):
        _assess(tmp_path)

    assert not list(tmp_path.glob("out/quality*"))


def test_a_second_run_returns_at_once_and_changed_planes_are_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "in", _sample((6, 40, 50)))
    first = _assess(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(assess, "_assess", None)
        assert _assess(tmp_path) == first
    stacks.single_planes(tmp_path / "in", np.full((6, 40, 50), 65535, dtype=np.uint16))

    assert _assess(tmp_path)["verdict"] == "fail"


def test_the_level_of_tissue_is_between_two_classes() -> None:
    plane = np.random.default_rng(0).normal(100, 5, (100, 100))
    plane[:30] += 500

    level = tissue_level(histogram_of(plane.astype(np.uint16)))

    assert 130 < level < 570
    assert figures_of_plane(0, plane.astype(np.uint16), level).background == pytest.approx(
        100, abs=2
    )


@pytest.mark.alone
def test_the_memory_is_what_is_predicted(tmp_path: Path) -> None:
    for number, shape in enumerate([(3, 100, 100), (6, 1500, 2000)]):
        root = tmp_path / str(number)
        stacks.single_planes(root / "in", np.full(shape, 500, dtype=np.uint16))

        measured = peak_memory(root / "job", _spec(), root)

        assert measured <= results.assess(_spec(), shape[1:]) <= 2 * measured + 200_000_000


def test_a_plane_less_is_measured_again_even_if_it_was_not_looked_at(tmp_path: Path) -> None:
    _write(tmp_path / "in", _sample((6, 40, 50)))
    _assess(tmp_path, _spec(planes=2))
    before = _said(tmp_path)
    sorted((tmp_path / "in").iterdir())[2].unlink()

    _assess(tmp_path, _spec(planes=2))

    assert _said(tmp_path) != before
