"""Write the history of antibodies: one trial per staining batch, and what became of it."""

from collections.abc import Iterable

from django.utils import timezone

from core_app.changes import changed_many
from core_app.models import User
from requests_app.models import AntibodyTrial, ClearingBatch, Request

PRIMARY_STEP, SECONDARY_STEP = "antibody1_added", "antibody2_added"


def note_trials(
    request: Request, batches: Iterable[ClearingBatch], *, by: User
) -> list[AntibodyTrial]:
    """Note one trial per batch with an antibody. The caller holds the transaction."""
    trials = AntibodyTrial.objects.bulk_create(
        AntibodyTrial(
            tried_on=timezone.localdate(),
            description=request.description[:128],
            species=request.species.name if request.species else "",
            protocol=batch.protocol.name,
            primary_antibody=batch.antibody1,
            secondary_antibody=batch.antibody2,
            batch=batch,
            request=request,
            by=by,
        )
        for batch in dict.fromkeys(batches)
        if batch.antibody1 or batch.antibody2
    )
    changed_many(trials)
    return trials


def note_lots(batch: ClearingBatch) -> None:
    """Copy the lots that were logged at the bench to the batch's trial, if it has one."""
    lots = dict(batch.log.exclude(lot="").values_list("step__slug", "lot"))
    trial = AntibodyTrial.objects.filter(batch=batch).first()
    if trial is None or not lots:
        return
    trial.primary_lot = lots.get(PRIMARY_STEP, trial.primary_lot)
    trial.secondary_lot = lots.get(SECONDARY_STEP, trial.secondary_lot)
    trial.save(update_fields=["primary_lot", "secondary_lot"])
    changed_many([trial])
