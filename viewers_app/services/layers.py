"""Make what the pipeline published viewable."""

from django.db import IntegrityError, transaction

from processing_app.models import Product
from viewers_app.models import DataLayer


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
