"""Write the two free remarks of a batch, without overwriting a colleague's."""

from django.db import transaction

from core_app.changes import changed
from core_app.errors import Invalid, StaleState
from core_app.models import User
from core_app.transitions import record
from requests_app import selectors
from requests_app.models import ClearingBatch
from requests_app.services.guards import hold, require

MOST_REMARK = 500
FIELDS = {
    "unusual_experiment": "Anything unusual during the experiment",
    "unusual_clearing": "Anything unusual during clearing",
}


def save_remark(batch: ClearingBatch, field: str, text: str, *, seen: str, by: User) -> None:
    """Save one remark; `seen` is the text that the person saw when they began.

    Saving twice is harmless. If a colleague wrote meanwhile, StaleState, and theirs stays.
    """
    require(selectors.can_log(batch, by), "Only who works on this batch writes remarks about it.")
    if field not in FIELDS:
        raise Invalid("There is no such remark; reload the page.")
    text, seen = _plain(text), _plain(seen)
    if len(text) > MOST_REMARK:
        raise Invalid(
            f"The remark has {len(text)} characters; at most {MOST_REMARK} fit.",
            fields={"text": [f"At most {MOST_REMARK} characters."]},
        )
    with transaction.atomic():
        hold(batch)
        stands = str(ClearingBatch.objects.values_list(field, flat=True).get(pk=batch.pk))
        if stands == text:
            return
        if stands != seen:
            raise StaleState(
                "A colleague changed this remark meanwhile; yours was not saved. Both are shown."
            )
        ClearingBatch.objects.filter(pk=batch.pk).update(**{field: text})
        changed(batch)
        record(batch, "remark saved", by=by, note=f"{FIELDS[field]}: {text or '(empty)'}")
    setattr(batch, field, text)


def _plain(text: str) -> str:
    """Browsers send line ends as two characters, and count them as one."""
    return text.replace("\r\n", "\n").strip()
