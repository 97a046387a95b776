"""Which products still belong to what was imaged last."""

from django.db import transaction
from django.utils import timezone

from core_app.changes import changed_many
from processing_app.models import Product, Run


def retire_left_over(run: Run) -> None:
    """Retire what earlier runs of this pipeline made and this one, which succeeded, did not.

    The caller holds the transaction. A product that is made again comes back.
    """
    made = [step.outputs["volume"] for step in run.steps.all() if step.product]
    rows = Product.objects.filter(
        step__run__pipeline=run.pipeline,
        step__run__imaging_request=run.imaging_request_id,
        retired_at=None,
    )
    left_over = list(rows.exclude(path__in=made))
    with transaction.atomic():
        Product.objects.filter(pk__in=[row.pk for row in left_over]).update(
            retired_at=timezone.now()
        )
        changed_many(left_over)
