"""The atlas of the invented brain of `pipeline/anatomy.py`: a template, an annotation and a tree.

Volumes are numpy (z, y, x) with horizontal axes, as the phantom is imaged: x from left to right,
y from anterior to posterior, z from dorsal to ventral. Left and right have the same id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import anatomy
from pipeline.anatomy import BOX_MM, Anatomy
from pipeline.orientation import HORIZONTAL
from pipeline.structures import Structure, StructureTree

if TYPE_CHECKING:
    from pipeline.orientation import Axes

VOXEL_UM: Final = 100.0
_BRIGHTNESS: Final = 1500.0

ROOT, CEREBRUM, CORTEX, STRIATUM, HIPPOCAMPUS, BULBS = 1, 2, 3, 4, 5, 6
STEM, THALAMUS, BRAINSTEM, CEREBELLUM, VENTRICLES = 7, 8, 9, 10, 11

TREE: Final = (
    Structure(ROOT, "root", "Brain", None, (255, 255, 255)),
    Structure(CEREBRUM, "CH", "Cerebrum", ROOT, (176, 240, 255)),
    Structure(CORTEX, "CTX", "Cerebral cortex", CEREBRUM, (112, 255, 112)),
    Structure(STRIATUM, "STR", "Striatum", CEREBRUM, (152, 214, 249)),
    Structure(HIPPOCAMPUS, "HPF", "Hippocampal formation", CEREBRUM, (126, 208, 75)),
    Structure(BULBS, "OB", "Olfactory bulbs", CEREBRUM, (154, 210, 189)),
    Structure(STEM, "BS", "Brain stem", ROOT, (255, 112, 128)),
    Structure(THALAMUS, "TH", "Thalamus", STEM, (255, 144, 159)),
    Structure(BRAINSTEM, "MBHB", "Midbrain and hindbrain", STEM),
    Structure(CEREBELLUM, "CB", "Cerebellum", ROOT, (240, 240, 128)),
    Structure(VENTRICLES, "VS", "Ventricular systems", ROOT, (170, 170, 170)),
)
# What is painted over what; hidden parts of the cerebrum come after it.
_PAINTED: Final = (
    (anatomy.STRIATUM, STRIATUM),
    (anatomy.HIPPOCAMPUS, HIPPOCAMPUS),
    (anatomy.THALAMUS, THALAMUS),
    (anatomy.BULBS, BULBS),
    (anatomy.CEREBELLUM, CEREBELLUM),
    (anatomy.VENTRICLES, VENTRICLES),
)


@dataclass(frozen=True, slots=True)
class PhantomAtlas:
    """The volumes (z, y, x), their axes and voxel size along (x, y, z), and the tree."""

    template: np.ndarray
    annotation: np.ndarray
    tree: StructureTree
    axes: Axes
    voxel_um: tuple[float, float, float]


def make(voxel_um: float = VOXEL_UM, *, seed: int = 7) -> PhantomAtlas:
    """Return the atlas at this voxel size; the same seed gives the same volumes."""
    x, y, z = (max(1, round(side * 1000 / voxel_um)) for side in BOX_MM)
    brain = Anatomy((z, y, x), seed)
    template = np.empty((z, y, x), dtype=np.uint16)
    annotation = np.empty((z, y, x), dtype=np.uint16)
    for plane in range(z):
        tissue, light = brain.plane(plane)
        template[plane] = np.round(np.clip(_BRIGHTNESS * tissue * light, 0, 65535))
        annotation[plane] = _labels(brain, plane, tissue > 0.5)
    size = (x, y, z)
    true_um = [side * 1000 / count for side, count in zip(BOX_MM, size, strict=True)]
    return PhantomAtlas(
        template, annotation, StructureTree(TREE), HORIZONTAL, (true_um[0], true_um[1], true_um[2])
    )


def _labels(brain: Anatomy, z: int, inside: np.ndarray) -> np.ndarray:
    cerebrum = brain.depth(anatomy.CEREBRUM, z)
    core = brain.depth(anatomy.CORE, z)
    labels = np.where(cerebrum > np.maximum(core, 0) - 0.1, CORTEX, BRAINSTEM)
    for bodies, id in _PAINTED:
        labels[brain.depth(bodies, z) > 0] = id
    return np.where(inside, labels, 0)
