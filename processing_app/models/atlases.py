"""Reference brains."""

from typing import ClassVar

from django.db import models

from imaging_app.models import ImagingChannel


class Atlas(models.Model):
    """One reference brain. Its files are below the data root; a facility installs them once."""

    name = models.CharField(max_length=64, unique=True)
    label = models.CharField(max_length=100)
    voxel_x_um = models.FloatField("voxel x (µm)")
    voxel_y_um = models.FloatField("voxel y (µm)")
    voxel_z_um = models.FloatField("voxel z (µm)")
    orientation = models.CharField(
        max_length=12,
        choices=ImagingChannel.Orientation,
        default=ImagingChannel.Orientation.SAGITTAL,
    )
    template_path = models.CharField(max_length=512, blank=True)
    annotation_path = models.CharField(max_length=512, blank=True)
    structure_tree_path = models.CharField(max_length=512, blank=True)
    is_offered = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "name"]
        verbose_name_plural = "atlases"

    def __str__(self) -> str:
        return self.label
