"""Volumes with an address of their own: what samples gave, and the atlases."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.paths import DataPath
from imaging_app.models import ImagingChannel
from processing_app.models import Atlas, Product
from requests_app.models import Request, Sample


class DataLayer(models.Model):
    """One viewable volume. Its uuid is its address; who may open it follows from its request."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    product = models.OneToOneField(Product, on_delete=models.CASCADE, related_name="layer")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["product__channel_id", "product__side"]

    def __str__(self) -> str:
        return f"{self.sample} {self.name} {self.product.kind}"

    @property
    def folder(self) -> DataPath:
        return self.product.folder

    @property
    def made(self) -> str:
        """Return what tells this making of the volume from others, as far as the row knows."""
        return f"{self.product.made_at.isoformat()} {self.product.info_digest}"

    @property
    def channel(self) -> ImagingChannel:
        return self.product.channel

    @property
    def sample(self) -> Sample:
        return self.channel.resolution.imaging_request.sample

    @property
    def request(self) -> Request:
        """Return the request whose rights decide who may see this volume."""
        return self.sample.request

    @property
    def name(self) -> str:
        """Return the layer's name in viewers: `647 left`, `regions`, `647 cells`."""
        wavelength = self.channel.wavelength.name
        if self.product.kind == Product.Kind.RAW_ATLAS:
            return "regions"
        if self.product.kind == Product.Kind.CELLS:
            return f"{wavelength} cells"
        return f"{wavelength} {self.product.side}".strip()


class AtlasLayer(models.Model):
    """The template or the annotation of an installed atlas. Everybody signed in may see it."""

    class Part(models.TextChoices):
        TEMPLATE = "template", "Template"
        ANNOTATION = "annotation", "Annotation"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    atlas = models.ForeignKey(Atlas, on_delete=models.CASCADE, related_name="layers")
    part = models.CharField(max_length=12, choices=Part)
    facts = models.JSONField(
        default=dict, help_text="What the import wrote down of the volume: shape, voxel_nm, window."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["atlas__position", "atlas__name", "part"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["atlas", "part"], name="atlas_layer_unique")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> DataPath:
        """The volume below the data root. Only of an installed atlas."""
        atlas = self.atlas
        is_template = self.part == self.Part.TEMPLATE
        return DataPath(atlas.template_layer_path if is_template else atlas.annotation_layer_path)

    @property
    def made(self) -> str:
        """Return what tells this making of the volume from others."""
        return self.atlas.checksum

    @property
    def name(self) -> str:
        """Return the layer's name in viewers: `Phantom brain`, `Phantom brain template`."""
        is_template = self.part == self.Part.TEMPLATE
        return f"{self.atlas.label} template" if is_template else self.atlas.label


# What the data path serves and a view shows.
Layer = DataLayer | AtlasLayer
