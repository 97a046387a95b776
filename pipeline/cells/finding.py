"""Find cells in one tile of a stack: difference of Gaussians, local noise, maxima that are blobs.

Arrays are (z, y, x); positions are in voxels from the center of the tile's first voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from pipeline.cells.plan import TRUNCATE, spans

if TYPE_CHECKING:
    from pipeline.cells.plan import ZYX, Plan

# x_um, y_um, z_um from the corner of the stack, intensity, diameter_um, score
COLUMNS: Final = 6

_LEAST_NOISE = 0.5  # counts; below this, rounding to whole counts is all there is
_LEAST_SHARE = 0.25  # of the usual noise of the plane, so that an even margin is no reason to find
_NORMAL_MAD = 1.4826  # the standard deviation of normal values by their median absolute deviation
_DEAD = 1e-3
_LEAST_ROUNDNESS = 0.3
_VALLEY, _VALLEY_NOISE = 0.15, 2.0
_LINE_POINTS = 7
_RAY_STEPS = 12


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece of the stack with what surrounds it. `origin` is where its first voxel lies.

    `core` are spans of the piece, in the stack, whose cells are wanted.
    """

    voxels: np.ndarray
    origin: ZYX
    core: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def find_cells(tile: Tile, plan: Plan, threshold: float) -> np.ndarray:
    """Return the cells whose strongest voxel is in the core: rows of COLUMNS float64.

    A cell is a maximum of the response, above `threshold` times the noise around it in its plane,
    that falls off in every direction. Neighbors without a valley between them are one cell.
    """
    response = _response(tile.voxels, plan)
    usual, noise_map = _background(response, tile, plan)
    peaks = _peaks(response, plan, threshold * float(noise_map.min()))
    peaks = peaks[_roundness(response, peaks, plan) >= _LEAST_ROUNDNESS]
    own = np.flatnonzero(_inside(peaks, tile))
    if not len(own):
        return np.empty((0, COLUMNS))
    noise = _between_blocks(noise_map, peaks[own], tile, plan)
    strength = response[tuple(peaks[own].T)] - _between_blocks(usual, peaks[own], tile, plan)
    chosen = strength > threshold * noise
    own, noise, strength = own[chosen], noise[chosen], strength[chosen]
    kept = _separate(response, peaks, own, noise, plan)
    own, noise, strength = own[kept], noise[kept], strength[kept]
    return _measured(response, peaks[own], strength / noise, tile, plan)


def _response(voxels: np.ndarray, plan: Plan) -> np.ndarray:
    """The difference of Gaussians in counts: large and positive in a bright blob of the size."""
    narrow, wide = (
        ndimage.gaussian_filter(voxels, sigma, output=np.float32, mode="nearest", truncate=TRUNCATE)
        for sigma in (plan.narrow, plan.wide)
    )
    narrow -= wide
    return np.asarray(narrow)


def _peaks(response: np.ndarray, plan: Plan, least: float) -> np.ndarray:
    """Voxels (n, 3) that are the largest of the box around them, and above their neighbors."""
    size = tuple(2 * reach + 1 for reach in plan.peak)
    highest = ndimage.maximum_filter(response, size=size, mode="nearest")
    found = np.argwhere((response == highest) & (response > least))
    for axis in (1, 2):  # an even plane between darker ones is all maximum, and no cell
        found = found[_curvature(response, found, axis) > _DEAD * response[tuple(found.T)]]
    return found


def _neighbors(response: np.ndarray, at: np.ndarray, step: tuple[int, int, int]) -> np.ndarray:
    moved = np.clip(at + np.array(step), 0, np.array(response.shape) - 1)
    return np.asarray(response[tuple(moved.T)])


def _pair(response: np.ndarray, at: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The neighbors before and after along an axis, the one beyond a border as far as it shows.

    A maximum at the border may be the flank of a cell that the border cuts, or its top. So beyond
    there is the mirror image, or less where the next two voxels bend more than that.
    """
    step = np.zeros(3, dtype=int)
    step[axis] = 1
    before, after = (_neighbors(response, at, _zyx(way * step)) for way in (-1, 1))
    place, last = at[:, axis], response.shape[axis] - 1
    if last == 0:
        return before, after
    here = response[tuple(at.T)]
    for near, beyond, is_border, way in (
        (after, before, place == 0, 1),
        (before, after, place == last, -1),
    ):
        second = _neighbors(response, at, _zyx(2 * way * step))
        bent = 3 * (here - near) + second if last > 1 else near
        beyond[is_border] = np.minimum(near, bent)[is_border]
    return before, after


def _zyx(step: np.ndarray) -> tuple[int, int, int]:
    z, y, x = step.tolist()
    return z, y, x


def _curvature(response: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """How far the response is above its two neighbors along an axis, added up."""
    before, after = _pair(response, at, axis)
    return np.asarray(2 * response[tuple(at.T)] - before - after)


def _roundness(response: np.ndarray, at: np.ndarray, plan: Plan) -> np.ndarray:
    """The least curvature over the largest, in units in which that of a ball is 1 along each axis.

    Edges and fibers are flat along themselves; see D. Lowe, Int. J. Comput. Vis. 60, 2004, 4.1.
    """
    axes = [axis for axis in range(3) if response.shape[axis] > 1]
    width = plan.diameter_um / (2 * np.sqrt(3))
    unit = [2 - 2 * np.exp(-((um / width) ** 2) / 2) for um in plan.voxel_um]
    shape = np.empty((len(at), len(axes), len(axes)))
    for i, a in enumerate(axes):
        shape[:, i, i] = _curvature(response, at, a) / unit[a]
        for j, b in enumerate(axes[:i]):
            mixed = _mixed(response, at, a, b) / np.sqrt(unit[a] * unit[b])
            shape[:, i, j] = shape[:, j, i] = mixed
    if not len(at) or not axes:
        return np.zeros(len(at))
    values = np.linalg.eigvalsh(shape)
    return np.asarray(values[:, 0] / np.maximum(values[:, -1], 1e-9))


def _mixed(response: np.ndarray, at: np.ndarray, a: int, b: int) -> np.ndarray:
    total = np.zeros(len(at))
    for i, j in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        step = [0, 0, 0]
        step[a], step[b] = i, j
        z, y, x = step
        total -= i * j * _neighbors(response, at, (z, y, x)) / 4
    return total


def _inside(peaks: np.ndarray, tile: Tile) -> np.ndarray:
    low, high = np.array(tile.core).T - np.array(tile.origin)
    return np.asarray(((peaks >= low) & (peaks < high)).all(axis=1))


def _background(response: np.ndarray, tile: Tile, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """The usual response and its noise in each plane and block (z, block y, block x) of the core.

    The usual is above 0 only beside planes that are darker as a whole. A block counts with its
    neighbors' noise where that is larger: at the edge of the tissue, half a block outside would
    let the other half seem noisier than it is.
    """
    z, y, x = _core(tile)
    core = response[z, y, x]
    rows, columns = spans(core.shape[1], plan.block), spans(core.shape[2], plan.block)
    usual, noise = np.empty((2, len(core), len(rows), len(columns)))
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            block = core[:, top:bottom, left:right].reshape(len(core), -1)
            usual[:, i, j], noise[:, i, j] = _middle_and_spread(block)
    of_plane = np.median(noise, axis=(1, 2), keepdims=True)
    noise = np.maximum(noise, np.maximum(_LEAST_SHARE * of_plane, _LEAST_NOISE))
    noise = ndimage.maximum_filter(noise, size=(1, 3, 3), mode="nearest")
    return np.maximum(usual, 0), np.asarray(noise)


def _core(tile: Tile) -> tuple[slice, slice, slice]:
    z, y, x = (
        slice(a - start, b - start) for (a, b), start in zip(tile.core, tile.origin, strict=True)
    )
    return z, y, x


def _between_blocks(values: np.ndarray, at: np.ndarray, tile: Tile, plan: Plan) -> np.ndarray:
    """A value of blocks at these voxels of the core, linear between the blocks' middles."""
    z, y, x = _core(tile)
    rows, columns = spans(y.stop - y.start, plan.block), spans(x.stop - x.start, plan.block)
    inside = at - np.array([z.start, y.start, x.start])
    where = inside[:, 0], _between(rows, inside[:, 1]), _between(columns, inside[:, 2])
    return np.asarray(ndimage.map_coordinates(values, where, order=1, mode="nearest"))


def _middle_and_spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and standard deviation of each row, blind to few cells and to what is all black."""
    if not (np.abs(values) < _DEAD).any():
        middle = np.median(values, axis=1, keepdims=True)
        return middle[:, 0], _NORMAL_MAD * np.median(np.abs(values - middle), axis=1)
    alive = [row[np.abs(row) >= _DEAD] for row in values]
    alive = [row if len(row) else np.zeros(1) for row in alive]
    middles = np.array([np.median(row) for row in alive])
    spread = [np.median(np.abs(row - m)) for row, m in zip(alive, middles, strict=True)]
    return middles, _NORMAL_MAD * np.array(spread)


def _between(blocks: list[tuple[int, int]], at: np.ndarray) -> np.ndarray:
    """Where voxels lie among the middles of blocks, 0 at the first middle."""
    middles = [(start + stop - 1) / 2 for start, stop in blocks]
    return np.asarray(np.interp(at, middles, np.arange(len(blocks))))


def _separate(
    response: np.ndarray, peaks: np.ndarray, own: np.ndarray, noise: np.ndarray, plan: Plan
) -> np.ndarray:
    """Which of `own` peaks stand alone: no stronger one within a diameter without a valley.

    Of equal ones the first in (z, y, x) order is the stronger, wherever tiles are cut.
    """
    place = peaks * np.array(plan.voxel_um)
    near = cKDTree(place).query_ball_point(place[own], plan.diameter_um)
    counts = [len(others) for others in near]
    mine = np.repeat(np.arange(len(own)), counts)
    weak, strong = own[mine], np.array([i for others in near for i in others], dtype=np.int64)
    values = response[tuple(peaks.T)]
    is_stronger = values[strong] > values[weak]
    is_stronger |= (values[strong] == values[weak]) & (strong < weak)
    mine, weak, strong = mine[is_stronger], weak[is_stronger], strong[is_stronger]
    lowest = _lowest_between(response, peaks[weak], peaks[strong])
    depth = values[weak] - lowest
    joined = depth < np.maximum(_VALLEY * values[weak], _VALLEY_NOISE * noise[mine])
    alone = np.ones(len(own), dtype=bool)
    alone[mine[joined]] = False
    return alone


def _lowest_between(response: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, 1, _LINE_POINTS + 2)[1:-1, None, None]
    points = first[None] * (1 - steps) + second[None] * steps
    sampled = ndimage.map_coordinates(response, points.reshape(-1, 3).T, order=1, mode="nearest")
    lowest = sampled.reshape(_LINE_POINTS, -1).min(axis=0) if len(first) else sampled
    return np.asarray(lowest)


def _measured(
    response: np.ndarray, at: np.ndarray, score: np.ndarray, tile: Tile, plan: Plan
) -> np.ndarray:
    cells = np.empty((len(at), COLUMNS))
    um = np.array(plan.voxel_um)
    place = (at + _offsets(response, at) + np.array(tile.origin) + 0.5) * um
    extent = np.array(plan.shape) * um
    cells[:, :3] = np.clip(place, 0, extent)[:, ::-1]
    cells[:, 3] = intensity = _intensity(tile.voxels, at, plan)
    cells[:, 4] = _diameter(tile.voxels, at, intensity, plan)
    cells[:, 5] = score
    return cells


def _offsets(response: np.ndarray, at: np.ndarray) -> np.ndarray:
    """From the strongest voxel to the top of a parabola through it, along each axis."""
    offsets = np.zeros(at.shape)
    for axis in range(3):
        before, after = _pair(response, at, axis)
        bend = np.maximum(_curvature(response, at, axis), 1e-6)
        offsets[:, axis] = np.clip((after - before) / bend / 2, -0.5, 0.5)
    return offsets


def _intensity(voxels: np.ndarray, at: np.ndarray, plan: Plan) -> np.ndarray:
    """The mean of the voxels at the middle of the cell: 3 along each axis that resolves it."""
    reach = [1 if 3 * um <= plan.diameter_um else 0 for um in plan.voxel_um]
    steps = np.argwhere(np.ones([2 * r + 1 for r in reach])) - np.array(reach)
    total = np.zeros(len(at))
    for z, y, x in steps:
        total += _neighbors(voxels, at, (int(z), int(y), int(x)))
    return total / len(steps)


def _diameter(voxels: np.ndarray, at: np.ndarray, intensity: np.ndarray, plan: Plan) -> np.ndarray:
    """Twice the median distance, along six directions, to half the height above the background."""
    lengths = np.linspace(0, plan.diameter_um, _RAY_STEPS)
    steps = np.concatenate([np.eye(3), -np.eye(3)]) / np.array(plan.voxel_um)
    points = at[:, None, None] + lengths[None, None, :, None] * steps[None, :, None]
    rays = ndimage.map_coordinates(
        voxels, points.reshape(-1, 3).T, order=1, output=np.float32, mode="nearest"
    ).reshape(len(at), len(steps), _RAY_STEPS)
    background = np.median(rays.min(axis=2), axis=1)
    below = rays <= ((background + intensity) / 2)[:, None, None]
    first = np.where(below.any(axis=2), below.argmax(axis=2), _RAY_STEPS - 1)
    return np.asarray(2 * np.median(lengths[first], axis=1))
