"""Exact means up the pyramid, and which axes are halved."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.io.pyramid import RowSums, choose_step, coverage, divide, next_sums, plan_scales

CHUNK = (64, 64, 64)


@pytest.mark.parametrize(
    ("voxel_nm", "step"),
    [
        ((5000, 5000, 5000), (2, 2, 2)),
        ((5000, 5000, 10_000), (2, 2, 1)),
        ((1800, 1800, 2000), (2, 2, 2)),
        ((5909, 5909, 10_000), (2, 2, 1)),
        ((4000, 4000, 2000), (1, 1, 2)),
        ((30_000, 30_000, 40_000), (2, 2, 2)),
    ],
)
def test_axes_with_the_smallest_voxels_are_halved(
    voxel_nm: tuple[int, int, int], step: tuple[int, int, int]
) -> None:
    assert choose_step((500, 500, 500), voxel_nm) == step


def test_an_axis_of_one_voxel_is_never_halved() -> None:
    assert choose_step((500, 500, 1), (5000, 5000, 100)) == (2, 2, 1)


def test_voxels_become_isotropic_on_the_way_up() -> None:
    scales = plan_scales((2560, 2160, 600), (5000, 5000, 20_000), mips=4, chunk=CHUNK)

    assert [scale.resolution_nm for scale in scales[:4]] == [
        (5000, 5000, 20_000),
        (10_000, 10_000, 20_000),
        (20_000, 20_000, 20_000),
        (40_000, 40_000, 40_000),
    ]


def test_the_pyramid_ends_when_a_mip_fits_in_one_chunk() -> None:
    scales = plan_scales((100, 100, 100), (5000, 5000, 5000), mips=4, chunk=CHUNK)

    assert [scale.size for scale in scales] == [(100, 100, 100), (50, 50, 50)]


def test_resolutions_never_shrink_and_keys_differ() -> None:
    scales = plan_scales((999, 1001, 77), (1800, 1800, 2000), mips=4, chunk=(16, 16, 16))

    resolutions = np.array([scale.resolution_nm for scale in scales])
    assert (np.diff(resolutions, axis=0) >= 0).all()
    assert len({scale.key for scale in scales}) == len(scales) == 5


@pytest.mark.parametrize("width", [1, 2, 7, 64, 65])
@pytest.mark.parametrize("height", [1, 2, 5])
def test_sums_of_the_brightest_pixels_do_not_wrap(width: int, height: int) -> None:
    rows = np.full((height, width), 65535, dtype=np.uint16)

    sums = RowSums(width, (2, 2, 1)).plane_sums(rows)

    assert sums.sum() == 65535 * width * height


def test_sums_widen_before_they_overflow() -> None:
    sums = np.full((2, 2, 2), 65535 * 32768, dtype=np.uint32)

    assert next_sums(sums, (2, 2, 2), 32768).tolist() == [[[8 * 65535 * 32768]]]


def test_means_round_half_up_and_edges_divide_by_what_is_there() -> None:
    full, half = plan_scales((5, 1, 1), (1000, 1000, 1000), mips=1, chunk=(4, 1, 1))
    sums = np.array([[[1 + 2, 4 + 4, 7]]], dtype=np.uint32)

    means = divide(sums, coverage(full, half, (0, 0, 0), sums.shape))

    assert means.tolist() == [[[2, 4, 7]]]
