"""Which volumes there are, and which of them show what was imaged last."""

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from imaging_app.models import ImagingChannel, ImagingRequest
from imaging_app.states import ImagingState
from processing_app.models import Product, Run


def channels_with_products(channels: Sequence[ImagingChannel]) -> list[ImagingChannel]:
    """Return those of the channels of which there is any volume."""
    made = set(Product.objects.filter(channel__in=channels).values_list("channel", flat=True))
    return [channel for channel in channels if channel.pk in made]


def current_products() -> QuerySet[Product]:
    """Return the products that show what was imaged last: of finished imaging, by its newest run.

    While imaging is open again, or a newer run has not made them anew, products are out of date;
    those that the newest acquisition does not have are retired for good.
    """
    # Rounds of processing stand side by side; what is made without one belongs to none.
    same_round = Q(processing_request=OuterRef("step__run__processing_request"))
    newer = Run.objects.filter(
        same_round | Q(processing_request=None),
        pipeline=OuterRef("step__run__pipeline"),
        imaging_request=OuterRef("step__run__imaging_request"),
        pk__gt=OuterRef("step__run"),
    )
    finished = Q(step__run__imaging_request__state=ImagingState.COMPLETE)
    return Product.objects.filter(finished, ~Exists(newer), retired_at=None)


def products_of(imaging_request: ImagingRequest) -> int:
    """Return how many volumes were made of one sample's round, up to date or not."""
    made = Product.objects.filter(channel__resolution__imaging_request=imaging_request)
    return made.filter(retired_at=None).count()


def is_current(product: Product) -> bool:
    """Return False for a product that is out of date or retired."""
    return current_products().filter(pk=product.pk).exists()
