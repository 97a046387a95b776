"""The step correct: uneven light divided out, stripes along x removed, nothing wrapped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pywt
import skimage.filters
import tifffile

from pipeline import destriping
from pipeline.destriping import Destriper
from pipeline.errors import BadInput
from pipeline.flat_field import Flattener, estimate_flat
from pipeline.io.planes import PlaneFolder
from pipeline.io.tiff import open_stack
from tests.support import stacks
from tests.unit.pipeline.plane_steps import correct_spec, planes_in, run

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict

SHAPE = (128, 160)


def light(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Uneven light, bright in the middle, 1 at its brightest."""
    y, x = (np.linspace(-1, 1, side) for side in shape)
    found = np.exp(-0.7 * y[:, None] ** 2 - 0.4 * (x[None, :] - 0.2) ** 2)
    return found / found.max()


def tissue(shape: tuple[int, int] = SHAPE, *, seed: int = 0) -> np.ndarray:
    """A smooth plane with blobs, some 1,000 counts."""
    rng = np.random.default_rng(seed)
    rough = rng.standard_normal(shape)
    smooth = skimage.filters.gaussian(rough, 6)
    return (1000 + 300 * smooth / smooth.std()).clip(200, 4000)


def striped(plane: np.ndarray, *, strength: float = 0.25, seed: int = 3) -> np.ndarray:
    rows = 1 + strength * np.random.default_rng(seed).standard_normal(len(plane))
    return np.rint(plane * rows[:, None]).clip(0, 65535).astype(np.uint16)


def jitter(plane: np.ndarray) -> float:
    """How much neighboring rows differ in their means, by the mean of all."""
    means = plane.astype(float).mean(axis=1)
    return float(np.diff(means).std() / means.mean())


def corrected(tmp_path: Path, volume: np.ndarray, **parameters: object) -> np.ndarray:
    stacks.single_planes(tmp_path / "in", volume)
    run(tmp_path, correct_spec(**parameters))
    return planes_in(tmp_path / "out/planes")


# The flat field.


def test_a_plane_is_divided_by_the_flat_field_over_its_maximum(tmp_path: Path) -> None:
    volume = stacks.random_volume((3, *SHAPE)) // 2
    flat = (light() * 40_000).astype(np.uint16)
    tifffile.imwrite(tmp_path / "flat.tif", flat)

    found = corrected(tmp_path, volume, flat="flat.tif", dark=100)

    exact = (volume.astype(float) - 100) / (flat / flat.max())
    assert np.abs(found - exact.clip(0, 65535)).max() <= 0.51
    assert found.max() == 65535
    assert found.min() == 0


def test_known_light_is_undone_within_rounding() -> None:
    plane = tissue()

    found = Flattener(light().astype(np.float32), 0)(np.rint(plane * light()).astype(np.uint16))

    assert np.abs(found - plane).max() <= 0.5 / light().min() + 0.5


def test_without_anything_to_do_planes_stay_as_they_are(tmp_path: Path) -> None:
    volume = stacks.random_volume((3, 20, 30))

    assert np.array_equal(corrected(tmp_path, volume), volume)


def test_the_light_is_estimated_from_the_planes_whatever_shines_in_some(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    volume = np.rint(rng.normal(2000, 50, (21, *SHAPE)) * light()).astype(np.uint16)
    volume[::4, 20:50, 30:60] = 60_000
    stacks.single_planes(tmp_path / "in", volume)
    stack = open_stack(sorted((tmp_path / "in").glob("*.tif")), threads=2)

    found = estimate_flat(stack, dark=0, threads=2)

    assert found.shape == SHAPE
    assert found.max() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(found.ravel(), light().ravel())[0, 1] > 0.98
    before, after = (np.std(p) / np.mean(p) for p in (light(), light() / found))
    assert after < 0.3 * before


def test_an_estimate_never_makes_a_place_more_than_ten_times_as_bright(tmp_path: Path) -> None:
    volume = np.zeros((5, *SHAPE), np.uint16)
    volume[:, :30, :30] = 5000

    found = corrected(tmp_path, volume, flat_from="estimated")

    assert found.max() <= 50_000
    assert not found[:, 60:, 60:].any()


def test_black_planes_have_no_light_to_estimate(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no flat field can be estimated"):
        corrected(tmp_path, np.zeros((3, 20, 30), np.uint16), flat_from="estimated")

    assert not list(tmp_path.glob("out/planes*"))


def _zero(flat: np.ndarray) -> np.ndarray:
    flat[3, 4] = 0
    return flat


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_zero, "1 pixels that are not above 0"),
        (lambda flat: -flat.astype(np.float32), "pixels that are not above 0"),
        (lambda flat: np.where(flat > 39_000, np.nan, flat), "that are not above 0"),
        (lambda flat: flat[:-1], "160 x 127 pixels, the planes have 160 x 128"),
        (lambda flat: np.stack([flat, flat]), "160 x 128 x 2 pixels"),
        (lambda flat: b"no TIFF", "cannot be decoded"),
        (lambda flat: None, "cannot be read"),
    ],
)
def test_a_flat_field_that_nothing_can_be_divided_by_is_named(
    tmp_path: Path, spoil: object, words: str
) -> None:
    flat = spoil((light() * 40_000).astype(np.uint16))
    if isinstance(flat, bytes):
        (tmp_path / "flat.tif").write_bytes(flat)
    elif flat is not None:
        tifffile.imwrite(tmp_path / "flat.tif", flat, photometric="minisblack")

    with pytest.raises(BadInput, match=words) as caught:
        corrected(tmp_path, stacks.random_volume((2, *SHAPE)), flat="flat.tif")

    assert "flat.tif" in caught.value.message
    assert not list(tmp_path.glob("out/planes*"))


def test_another_flat_field_makes_other_planes(tmp_path: Path) -> None:
    volume = np.full((2, *SHAPE), 100, np.uint16)
    tifffile.imwrite(tmp_path / "flat.tif", np.full(SHAPE, 7, np.uint16))
    assert np.array_equal(corrected(tmp_path, volume, flat="flat.tif"), volume)
    half = np.full(SHAPE, 8, np.uint16)
    half[:64] = 4
    tifffile.imwrite(tmp_path / "flat.tif", half)

    run(tmp_path, correct_spec(name="a2", flat="flat.tif"))

    assert planes_in(tmp_path / "out/planes")[:, [0, 127], 0].tolist() == [[200, 100]] * 2


# Stripes.


def textbook(plane: np.ndarray, sigma: float, level: int | None = None) -> np.ndarray:
    """The filter as it was published, by PyWavelets and numpy in double precision."""
    approximation, *details = pywt.wavedec2(np.log1p(plane.astype(float)), "db3", level=level)
    damped = [approximation]
    for horizontal, vertical, diagonal in details:
        s = sigma * len(horizontal) / len(plane)
        spectrum = np.fft.rfft(horizontal, axis=1)
        spectrum *= 1 - np.exp(-(np.arange(spectrum.shape[1]) ** 2) / (2 * s * s))
        back = np.fft.irfft(spectrum, n=horizontal.shape[1], axis=1)
        damped.append((back, vertical, diagonal))
    return np.expm1(pywt.waverec2(damped, "db3"))[: plane.shape[0], : plane.shape[1]]


@pytest.mark.parametrize("shape", [(256, 384), (255, 393)])
@pytest.mark.parametrize("sigma", [4, 32])
def test_it_is_the_published_filter_away_from_the_edges(shape: tuple[int, int], sigma: int) -> None:
    """Along x we work in Fourier space alone, so the edges, and aliasing, differ a little."""
    plane = striped(tissue(shape))

    found = Destriper(shape, (sigma, sigma), level=3)(plane).astype(float)

    expected = textbook(plane, sigma, level=3)
    inside = (slice(30, -30), slice(60, -60))
    difference = (found - expected)[inside]
    assert np.sqrt(np.mean(difference**2)) < 0.1 * np.sqrt(np.mean((plane - expected)[inside] ** 2))
    assert np.corrcoef(found[inside].ravel(), expected[inside].ravel())[0, 1] > 0.999


@pytest.mark.parametrize("sigma", [8, 64])
def test_stripes_along_x_go(sigma: int) -> None:
    clean = tissue((300, 257))
    plane = striped(clean)

    found = Destriper(plane.shape, (sigma, sigma))(plane)

    assert jitter(plane) > 0.3
    assert jitter(found) < 0.02
    assert abs(found.mean() / plane.mean() - 1) < 0.1


def test_stripes_along_y_are_structure_and_stay() -> None:
    plane = striped(tissue().T).T

    found = Destriper(plane.shape, (4, 4))(plane)

    assert np.corrcoef(found.ravel(), plane.ravel())[0, 1] > 0.99
    assert jitter(found.T) > 0.9 * jitter(plane.T)


@pytest.mark.parametrize("value", [0, 1, 700, 65535])
@pytest.mark.parametrize("sigma", [(8.0, 8.0), (16.0, 32.0), (0.0, 8.0)])
def test_even_planes_stay_as_they_are(value: int, sigma: tuple[float, float]) -> None:
    plane = np.full((70, 64), value, np.uint16)

    assert np.abs(Destriper(plane.shape, sigma)(plane).astype(int) - value).max() <= 1


def test_saturated_and_black_rows_are_clipped_not_wrapped() -> None:
    plane = np.full((128, 128), 65535, np.uint16)
    plane[::9] = 0
    plane[5::7, ::2] = 65535

    for sigma in ((8.0, 8.0), (8.0, 16.0)):
        found = Destriper(plane.shape, sigma)(plane).astype(int)
        assert found.min() >= 0
        bright = found[(np.arange(128) % 9 > 2) & (np.arange(128) % 9 < 8)]
        assert np.median(bright) > 20_000


def test_foreground_and_background_have_filters_of_their_own() -> None:
    plane = striped(tissue((128, 256)), strength=0.05)
    plane[:, 128:] = striped(np.full((128, 128), 20_000.0), strength=0.05)

    found = Destriper(plane.shape, (0, 8))(plane)

    assert np.array_equal(found[:, 140:], plane[:, 140:])
    assert jitter(found[:, :100]) < 0.5 * jitter(plane[:, :100])


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_that_of_otsu(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plane = rng.normal(1000, 100, (100, 100))
    plane[: 10 + 10 * seed] = rng.normal(9000, 500, plane[: 10 + 10 * seed].shape)
    plane = plane.astype(np.uint16)

    found = destriping.otsu_threshold(plane)

    assert ((plane >= found) == (plane > skimage.filters.threshold_otsu(plane))).mean() > 0.999


def test_the_mix_is_smoothed_like_by_a_gaussian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destriping, "_ROWS", 7)
    plane = stacks.random_volume((1, 40, 33))[0]
    table = np.linspace(0, 1, 65536, dtype=np.float32)

    found = np.vstack(
        [destriping._smoothed(table, plane, rows) for rows in destriping._blocks(plane)]
    )

    expected = skimage.filters.gaussian(table[plane], 1, mode="mirror", truncate=3)
    assert np.abs(found - expected)[4:-4, 4:-4].max() < 1e-4


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (11, 13), (97, 101)])
def test_planes_of_any_size_keep_it(shape: tuple[int, int]) -> None:
    plane = stacks.random_volume((1, *shape))[0]

    for sigma in ((3.0, 3.0), (3.0, 6.0)):
        found = Destriper(shape, sigma, wavelet="sym4")(plane)
        assert (found.shape, found.dtype) == (shape, np.uint16)


# The step.


def test_light_is_corrected_before_stripes(tmp_path: Path) -> None:
    flat = light()
    tifffile.imwrite(tmp_path / "flat.tif", flat.astype(np.float32))
    volume = np.stack([striped(tissue(seed=z) * flat, seed=z) for z in range(3)])

    found = corrected(tmp_path, volume, flat="flat.tif", sigma=[8, 8])

    flatten = Flattener((flat / flat.max()).astype(np.float32), 0)
    destripe = Destriper(SHAPE, (8, 8))
    expected = [destripe(flatten(plane)) for plane in volume]
    assert np.abs(found.astype(int) - np.stack(expected)).max() <= 1
    assert jitter(found[2]) < 0.02 < 0.3 < jitter(volume[2])


def test_the_outputs_describe_the_planes(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((3, 20, 30)))

    outputs = run(tmp_path, correct_spec())

    files = list((tmp_path / "out/planes").glob("*.tif"))
    assert outputs == {
        "shape": [30, 20, 3],
        "dtype": "uint16",
        "least_flat": 1.0,
        "bytes": sum(path.stat().st_size for path in files),
    }
    assert sorted(path.name for path in files)[2] == "brain_C00_Z0002.tif"


def test_a_second_run_returns_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((3, 20, 30)))
    first = run(tmp_path, correct_spec(sigma=[4, 4]))
    monkeypatch.setattr(PlaneFolder, "write", None)

    assert run(tmp_path, correct_spec(name="a2", sigma=[4, 4])) == first


@pytest.mark.parametrize("which", ["in/plane_0001.tif", "flat.tif"])
def test_files_that_change_meanwhile_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((4, *SHAPE)))
    tifffile.imwrite(tmp_path / "flat.tif", light().astype(np.float32))
    write = PlaneFolder.write

    def touching(self: PlaneFolder, z: int, plane: np.ndarray) -> int:
        os.utime(tmp_path / which, ns=(1, 1))
        return write(self, z, plane)

    monkeypatch.setattr(PlaneFolder, "write", touching)
    with pytest.raises(BadInput, match="changed while it was read"):
        run(tmp_path, correct_spec(flat="flat.tif"))

    assert not list(tmp_path.glob("out/planes*"))


@pytest.mark.parametrize(
    "parameters",
    [
        {"sigma": [8]},
        {"sigma": 8},
        {"sigma": [8, -1]},
        {"sigma": [8, 8], "wavelet": "db99"},
        {"sigma": [8, 8], "wavelet": "gaus1"},
        {"sigma": [8, 8], "level": -1},
        {"sigma": [8, 4], "crossover": 0},
        {"flat_from": "file"},
        {"flat_from": "guess"},
        {"dark": -1},
    ],
)
def test_a_senseless_parameter_is_refused(tmp_path: Path, parameters: JsonDict) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((2, 12, 16)))

    with pytest.raises(BadInput):
        run(tmp_path, correct_spec(**parameters))

    assert not list(tmp_path.glob("out/planes*"))
