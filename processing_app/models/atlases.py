"""Reference brains."""

from pathlib import PurePosixPath
from typing import ClassVar

from django.db import models

from imaging_app.models import ImagingChannel

SAGITTAL_AXES = "DV,AP,LR"


class Atlas(models.Model):
    """One reference brain. `import_atlas` puts its files below the data root and fills the row.

    One that is offered in forms need not be installed yet; processing needs it installed.
    """

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
    axes = models.CharField(
        max_length=8,
        default=SAGITTAL_AXES,
        help_text="Directions along x, y, z: both ends of each axis as its index grows.",
    )
    size_x = models.PositiveIntegerField(default=0)
    size_y = models.PositiveIntegerField(default=0)
    size_z = models.PositiveIntegerField(default=0)
    template_path = models.CharField(max_length=512, blank=True)
    annotation_path = models.CharField(max_length=512, blank=True)
    structure_tree_path = models.CharField(max_length=512, blank=True)
    structures = models.PositiveIntegerField(default=0, help_text="Nodes of the structure tree.")
    regions = models.PositiveIntegerField(default=0, help_text="Structures that have voxels.")
    source = models.TextField(blank=True, help_text="Where it is from, and how to cite it.")
    licence = models.CharField(max_length=200, blank=True)
    checksum = models.CharField(max_length=64, blank=True)
    installed_at = models.DateTimeField(null=True, blank=True)
    is_offered = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "name"]
        verbose_name_plural = "atlases"

    def __str__(self) -> str:
        return self.label

    @property
    def is_installed(self) -> bool:
        """Return True if an import put all its files in place."""
        paths = (self.template_path, self.annotation_path, self.structure_tree_path)
        return bool(all(paths) and self.checksum)

    @property
    def voxel_um(self) -> tuple[float, float, float]:
        """Voxel size along x, y, z in µm."""
        return self.voxel_x_um, self.voxel_y_um, self.voxel_z_um

    @property
    def directions(self) -> tuple[str, str, str]:
        """Axes along x, y, z, as the pipeline takes them."""
        x, y, z = self.axes.split(",")
        return x, y, z

    @property
    def template_layer_path(self) -> str:
        """The template as a Neuroglancer volume, below the data root; empty if not installed."""
        return self._beside_template("template")

    @property
    def annotation_layer_path(self) -> str:
        """The annotation as a Neuroglancer segmentation; empty if not installed."""
        return self._beside_template("annotation")

    def _beside_template(self, name: str) -> str:
        return str(PurePosixPath(self.template_path).parent / name) if self.is_installed else ""
