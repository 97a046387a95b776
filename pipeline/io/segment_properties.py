"""What a viewer shows of the labels of a volume: names, colours, numbers, a small picture.

The format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/
segment_properties.md. It has no colours; those are in a file beside the info, ready for the
`segmentColors` of a viewer's layer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import imagecodecs
import numpy as np

from pipeline.structures import Structure, StructureTree, hex_color

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.contract import JsonDict
    from pipeline.structures import Color

FOLDER: Final = "segment_properties"
COLORS: Final = "segment_colors.json"
_MOST_COUNT: Final = 0xFFFFFFFF


def properties(tree: StructureTree, voxels: Mapping[int, int]) -> JsonDict:
    """Return the document on the labels of `voxels` (id -> number of voxels), in order of id.

    Structures without voxels are not in it, so that a search finds only what can be seen.
    """
    ids = sorted(voxels)
    known = [_known(tree, id) for id in ids]
    columns: list[JsonDict] = [
        {"id": "label", "type": "label", "values": [item.label for item in known]},
        {"id": "description", "type": "description", "values": [_path(tree, id) for id in ids]},
        {
            "id": "voxels",
            "type": "number",
            "data_type": "uint32",
            "description": "voxels at full resolution",
            "values": [min(voxels[id], _MOST_COUNT) for id in ids],
        },
        {
            "id": "depth",
            "type": "number",
            "data_type": "uint8",
            "description": "structures above it in the tree",
            "values": [min(255, tree.depth(id)) if id in tree else 0 for id in ids],
        },
    ]
    return {
        "@type": "neuroglancer_segment_properties",
        "inline": {"ids": [str(id) for id in ids], "properties": [*columns]},
    }


def colors(tree: StructureTree, voxels: Mapping[int, int]) -> JsonDict:
    """Return the colour of each label as "#rrggbb", by its id as text."""
    return {str(id): hex_color(color_of(tree, id)) for id in sorted(voxels)}


def color_of(tree: StructureTree, id: int) -> Color:
    """Return the colour in the tree; for an id without one, always the same of many."""
    if id in tree and tree.has_color(id):
        return tree.color(id)
    mixed = (id * 2654435761) & 0xFFFFFFFF
    return 64 + (mixed >> 8) % 192, 64 + (mixed >> 16) % 192, 64 + (mixed >> 24) % 192


def picture(tree: StructureTree, labels: np.ndarray, most: int) -> bytes:
    """Return a plane of labels (y, x) in their colours as a PNG, no side longer than `most`."""
    step = -(-max(labels.shape) // most)
    ids, place = np.unique(labels[::step, ::step], return_inverse=True)
    palette = [color_of(tree, int(id)) if id else (0, 0, 0) for id in ids]
    pixels = np.array(palette, dtype=np.uint8)[place.reshape(labels[::step, ::step].shape)]
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


def text(document: JsonDict) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _known(tree: StructureTree, id: int) -> Structure:
    return tree[id] if id in tree else Structure(id, "", f"id {id}", None)


def _path(tree: StructureTree, id: int) -> str:
    if id not in tree:
        return "not in the structure tree"
    return " / ".join(tree[above].name for above in reversed(tree.ancestors(id)))
