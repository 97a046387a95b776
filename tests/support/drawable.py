"""Volumes that the client can draw, where a test needs no pipeline."""

import shutil
from pathlib import Path

import numpy as np
import tensorstore

from processing_app.models import Product


def write_volume(folder: Path, voxels: np.ndarray, voxel_nm_xyz: tuple[int, int, int]) -> None:
    """Write a volume, (x, y, z), in one shard of one chunk, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 9, "hash": "identity",
        "minishard_bits": 0, "shard_bits": 0, "minishard_index_encoding": "gzip",
        "data_encoding": "raw",
    }  # fmt: skip
    volume = tensorstore.open({
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "create": True,
        "multiscale_metadata": {
            "type": "image", "data_type": str(voxels.dtype), "num_channels": 1
        },
        "scale_metadata": {
            "resolution": list(voxel_nm_xyz), "size": list(voxels.shape), "encoding": "raw",
            "chunk_size": list(voxels.shape), "sharding": sharding,
        },
    }).result()  # fmt: skip
    volume[..., 0].write(voxels).result()


def write_bright_volume(folder: Path, product: Product) -> None:
    """Write a small volume that shows, in the size that the product then has."""
    shape = (32, 24, 16)
    write_volume(folder, np.full(shape, 1000, np.uint16), (30_000, 30_000, 40_000))
    product.shape_xyz = list(shape)
    product.thumbnail = ""
    product.save()
