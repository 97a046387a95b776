"""Which region lies at a place of a saved view: single voxels of its label volume are read."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.conf import settings

from core_app.models import User
from viewers_app import coordinates, regions, rights, selectors, sources
from viewers_app.annotations import Place
from viewers_app.models import Layer, SavedVersion
from viewers_app.rendering import State
from viewers_app.specs import SEGMENTATION

logger = logging.getLogger(__name__)

MOST_PLACES: Final = 5_000
CACHE_BYTES: Final = 64 * 2**20
BACKGROUND: Final = 0


def regions_at(version: SavedVersion, places: Iterable[Place], *, to: User) -> dict[Place, str]:
    """Return {place: name of the region there} for the first `MOST_PLACES` of them.

    Places are in the units of the view. Empty without a label volume that this person may see and
    that lies as the site puts it, or if the volume cannot be read. Nothing stands for background.
    """
    wanted = list(dict.fromkeys(places))[:MOST_PLACES]
    found = _label_volume(version.document, to) if wanted else None
    if found is None:
        return {}
    volume, tree = found
    store = _opened(volume)
    to_nm = _scale_nm(version.document)
    if store is None or to_nm is None:
        return {}
    ids = _labels(store, [to_nm(place) for place in wanted])
    names = {each.id: each.label for each in tree}
    return {
        place: names.get(id, f"id {id}")
        for place, id in zip(wanted, ids, strict=True)
        if id is not None and id != BACKGROUND
    }


def _label_volume(document: State, to: User) -> tuple[Layer, Any] | None:
    """Return the first label volume of the view with its tree."""
    for layer in document["layers"]:
        if layer.get("type") != SEGMENTATION or not _lies_as_put(layer.get("source")):
            continue
        uuids = [
            uuid for one in sources.addresses(layer["source"]) if (uuid := sources.volume_in(one))
        ]
        for volume in selectors.find_layers(list(dict.fromkeys(uuids))):
            tree = regions.tree_in([volume]) if rights.may_see(to, volume) else None
            if tree is not None:
                return volume, tree
    return None


def _lies_as_put(source: object) -> bool:
    """Return True if nobody moved or turned the layer; the site itself puts it on bregma only."""
    parts = source if isinstance(source, list) else [source]
    moved = [part["transform"] for part in parts if isinstance(part, dict) and "transform" in part]
    return all(one in ({}, coordinates.layer_transform()) for one in moved)


def _scale_nm(document: State) -> Any:
    """Return what turns a place of the view into nm from the corner of its volume, or None."""
    dimensions = document.get("dimensions")
    if dimensions == coordinates.dimensions():
        return coordinates.nanometers
    if not isinstance(dimensions, Mapping) or list(dimensions) != ["x", "y", "z"]:
        return None
    try:
        sizes = [float(size) * 1e9 for size, unit in dimensions.values() if unit == "m"]
    except (TypeError, ValueError):
        return None
    if len(sizes) != 3:
        return None
    return lambda place: [at * size for at, size in zip(place, sizes, strict=True)]


def _opened(volume: Layer) -> Any:
    """Return the volume for reading, or None."""
    import tensorstore  # takes a moment, and few ask

    folder = volume.folder.under(settings.DATA_ROOT)
    try:
        return tensorstore.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{folder}/"},
                "context": {"cache_pool": {"total_bytes_limit": CACHE_BYTES}},
                "recheck_cached_data": "open",
            },
            open=True,
            read=True,
        ).result()
    except (ValueError, OSError) as problem:
        logger.warning("%s cannot be read for its regions: %s", volume.folder, problem)
        return None


def _labels(store: Any, places_nm: Sequence[Sequence[float]]) -> list[int | None]:
    """Return the label at each place; None outside the volume, or where it cannot be read."""
    sizes = [float(unit.multiplier) for unit in store.dimension_units[:3]]
    low, high = store.domain.inclusive_min[:3], store.domain.exclusive_max[:3]
    reads = []
    for place in places_nm:
        voxel = [math.floor(at / size) for at, size in zip(place, sizes, strict=True)]
        is_inside = all(a <= at < b for a, at, b in zip(low, voxel, high, strict=True))
        reads.append(store[(*voxel, 0)].read() if is_inside else None)
    found: list[int | None] = []
    for read in reads:
        try:
            found.append(int(read.result()) if read is not None else None)
        except (ValueError, OSError) as problem:
            logger.warning("a label cannot be read: %s", problem)
            found.append(None)
    return found
