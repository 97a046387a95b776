"""Make viewable what the pipeline published and what imports of atlases put in place."""

import json

from django.conf import settings
from django.db import IntegrityError, transaction

from core_app.paths import DataPath
from pipeline.products import RECORD
from processing_app.models import Atlas, Product
from viewers_app.models import AtlasLayer, DataLayer
from viewers_app.rooted import open_below


def publish_new_products() -> int:
    """Give each product without a layer its layer; return how many. Safe to run twice at once."""
    waiting = Product.objects.filter(layer__isnull=True, retired_at=None).order_by("pk")
    return sum(_publish(product) for product in waiting)


def _publish(product: Product) -> bool:
    try:
        with transaction.atomic():
            DataLayer.objects.create(product=product)
    except IntegrityError:
        return False  # another sweep was first, or the product is gone
    return True


def publish_atlas_layers() -> int:
    """Give each installed atlas its two layers, with the facts of today; return how many are new.

    Safe to run twice at once. Layers of an atlas that is not installed any more stay, unseen.
    """
    new = 0
    for atlas in Atlas.objects.exclude(checksum=""):
        for part in AtlasLayer.Part:
            layer, is_new = AtlasLayer.objects.get_or_create(atlas=atlas, part=part)
            new += is_new
            facts = _facts_of(layer.folder)
            if facts and facts != layer.facts:
                layer.facts = facts
                layer.save(update_fields=["facts"])
    return new


def _facts_of(folder: DataPath) -> dict[str, object]:
    """Return what the step that made the volume wrote down; nothing if that cannot be read."""
    file = open_below(settings.DATA_ROOT, (*str(folder).split("/"), RECORD))
    if file is None:
        return {}
    with file:
        try:
            outputs = json.load(file)["outputs"]
        except (ValueError, KeyError, TypeError):
            return {}
    return outputs if isinstance(outputs, dict) else {}
