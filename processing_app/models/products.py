"""What steps made: volumes on storage."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.paths import DataPath
from imaging_app.models import ImagingChannel
from processing_app.models.atlases import Atlas
from processing_app.models.runs import Step

__all__ = ["Artifact", "Atlas", "Product"]

# What a viewer makes of a product: one of these, or an image.
SEGMENTATIONS = frozenset({"raw_atlas"})
ANNOTATIONS = frozenset({"cells"})


class Product(models.Model):
    """One data product. The path is its identity: a re-run replaces the product, never adds one."""

    class Kind(models.TextChoices):
        RAW = "raw", "Raw"
        STITCHED = "stitched", "Stitched"
        BLENDED = "blended", "Blended"
        CORRECTED = "corrected", "Corrected"
        DOWNSIZED = "downsized", "Downsized"
        REGISTERED = "registered", "Registered"
        RAW_ATLAS = "raw_atlas", "Atlas on the sample"
        CELLS = "cells", "Cells"

    step = models.ForeignKey(Step, on_delete=models.PROTECT, related_name="products")
    kind = models.CharField(max_length=16, choices=Kind)
    path = models.CharField(max_length=512, unique=True)
    channel = models.ForeignKey(ImagingChannel, on_delete=models.PROTECT, related_name="products")
    side = models.CharField(
        max_length=8, blank=True, help_text="left, right, or empty for both sheets."
    )
    shape_xyz = models.JSONField(help_text="Voxels along x, y, z.")
    voxel_nm_xyz = models.JSONField(help_text="Voxel size along x, y, z in nm.")
    dtype = models.CharField(max_length=16)
    window_low = models.PositiveIntegerField()
    window_high = models.PositiveIntegerField()
    bytes = models.BigIntegerField(default=0)
    info_digest = models.CharField(max_length=64, blank=True)
    thumbnail = models.CharField(max_length=64, blank=True, help_text="File name below the path.")
    facts = models.JSONField(default=dict)
    made_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="When a later acquisition turned out not to have it."
    )

    class Meta:
        ordering: ClassVar = ["channel_id", "kind", "side"]

    def __str__(self) -> str:
        return self.path

    @property
    def folder(self) -> DataPath:
        return DataPath(self.path)

    @property
    def layer_type(self) -> str:
        """Return what it is to a viewer: image, segmentation or annotation."""
        if self.kind in SEGMENTATIONS:
            return "segmentation"
        return "annotation" if self.kind in ANNOTATIONS else "image"


class Artifact(models.Model):
    """What a step made that no viewer shows: a table, a registration, the placements of tiles."""

    class Kind(models.TextChoices):
        PLACEMENTS = "placements", "Placements of tiles"
        REGISTRATION = "registration", "Registration"
        REGIONS = "regions", "Table of regions"
        QUALITY = "quality", "Quality figures"
        EXPORT = "export", "OME-Zarr"

    step = models.ForeignKey(Step, on_delete=models.PROTECT, related_name="artifacts")
    kind = models.CharField(max_length=16, choices=Kind)
    path = models.CharField(max_length=512, unique=True)
    channel = models.ForeignKey(ImagingChannel, on_delete=models.PROTECT, related_name="artifacts")
    facts = models.JSONField(default=dict)
    made_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["channel_id", "kind"]

    def __str__(self) -> str:
        return self.path

    @property
    def place(self) -> DataPath:
        return DataPath(self.path)
