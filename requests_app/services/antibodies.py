"""Write the history of antibodies: what was tried, and what became of it."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core_app.changes import changed_many
from core_app.errors import Invalid, NotAllowed, StaleState
from core_app.models import User
from core_app.transitions import record_on
from requests_app.models import AntibodyTrial, ClearingBatch, Request
from requests_app.selectors.trials import ALL_FIELDS, editable_fields, is_keeper

EARLIEST = date(2000, 1, 1)
REQUIRED = (
    "description", "species", "primary_antibody", "primary_concentration", "secondary_antibody",
    "secondary_concentration",
)  # fmt: skip


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


def note_lots(batch: ClearingBatch, *, by: User) -> None:
    """Copy the lots that are logged at the bench to the batch's trial, if it has one.

    Of the steps that ask for a lot the first is the primary antibody's, the next the secondary's.
    A lot that staff corrected in the trial stays. The caller holds the transaction.
    """
    trial = AntibodyTrial.objects.select_for_update().filter(batch=batch).first()
    if trial is None:
        return
    changes = _lots_to_copy(trial, *_lots_of(batch))
    if not changes:
        return
    said = "; ".join(_said(trial, n, v) for n, v in changes.items() if not n.startswith("logged"))
    AntibodyTrial.objects.filter(pk=trial.pk).update(
        **changes,
        revision=F("revision") + 1,  # whoever has the form open is told
    )
    if said:
        record_on(trial, "lots logged", by=by, root_id=trial.request_id, note=said)
    changed_many([trial])


def _lots_of(batch: ClearingBatch) -> tuple[str, str]:
    logged = dict(batch.log.values_list("step_id", "lot"))
    asking = batch.protocol.steps.filter(asks_lot=True).order_by("position")
    primary, secondary = [*asking.values_list("pk", flat=True), 0, 0][:2]
    return logged.get(primary, ""), logged.get(secondary, "")


def _lots_to_copy(trial: AntibodyTrial, primary: str, secondary: str) -> dict[str, str]:
    changes = {}
    for name, lot in (("primary_lot", primary), ("secondary_lot", secondary)):
        before = getattr(trial, f"logged_{name}")
        if lot == before:
            continue
        changes[f"logged_{name}"] = lot
        if getattr(trial, name) == before:
            changes[name] = lot
    return changes


def add_trial(values: Mapping[str, Any], *, by: User) -> AntibodyTrial:
    """Add what was tried outside of a request. Identical entries are different trials."""
    if not is_keeper(by):
        raise NotAllowed("Only clearing staff add trials; those of requests come by themselves.")
    missing = {name: ["Fill this in."] for name in REQUIRED if not values.get(name)}
    if missing:
        raise Invalid("Some of what is needed is missing.", fields=missing)
    trial = AntibodyTrial(by=by, **{name: values[name] for name in ALL_FIELDS if name in values})
    _check(trial)
    with transaction.atomic():
        trial.save()
        record_on(trial, "added", by=by, root_id=None, note=str(trial))
    return trial


def edit_trial(
    trial: AntibodyTrial, values: Mapping[str, Any], *, by: User, seen: int
) -> AntibodyTrial:
    """Correct a trial. `seen` is the revision that the person saw; an older one is refused."""
    _require_right(trial, set(values), by)
    current = AntibodyTrial.objects.get(pk=trial.pk)
    changes = {name: new for name, new in values.items() if getattr(current, name) != new}
    if not changes:
        return current  # also when the same form came twice
    said = "; ".join(_said(current, name, new) for name, new in changes.items())
    for name, new in changes.items():
        setattr(current, name, new)
    _check(current)
    with transaction.atomic():
        _write(current, changes, seen)
        record_on(current, _verb(changes), by=by, root_id=current.request_id, note=said)
    return AntibodyTrial.objects.get(pk=trial.pk)


def rate(
    trial: AntibodyTrial, outcome: str, *, by: User, seen: int, note: str = ""
) -> AntibodyTrial:
    """Say how it went. A note is added to those that stand there already."""
    values = {"outcome": outcome}
    if note := note.strip():
        notes = AntibodyTrial.objects.values_list("notes", flat=True).get(pk=trial.pk)
        values["notes"] = "\n".join(filter(None, (notes, note)))
    return edit_trial(trial, values, by=by, seen=seen)


def recommend(trial: AntibodyTrial, *, wanted: bool, by: User) -> AntibodyTrial:
    """Put a trial on top of the overview of what works, or take it from there."""
    return edit_trial(trial, {"is_recommended": wanted}, by=by, seen=trial.revision)


def _require_right(trial: AntibodyTrial, names: set[str], by: User) -> None:
    allowed = set(editable_fields(trial, by))
    if not allowed:
        raise NotAllowed("Only clearing staff and who ordered it correct this trial.")
    if names - allowed:
        raise NotAllowed(
            "Of a trial of your own you correct concentrations, order info, outcome and notes; "
            "ask clearing staff for the rest."
        )


def _check(trial: AntibodyTrial) -> None:
    """Refuse what does not fit the columns, and what cannot have happened."""
    problems: dict[str, list[str]] = {}
    try:
        trial.clean_fields(exclude=_not_typed(trial))
    except ValidationError as refused:
        problems = dict(refused.message_dict)
    if "tried_on" not in problems and not EARLIEST <= trial.tried_on <= timezone.localdate():
        problems["tried_on"] = ["Give a day from 2000 to today, such as 2026-03-24."]
    if not trial.primary_antibody and not trial.secondary_antibody:
        problems["primary_antibody"] = ["Name the primary or the secondary antibody."]
    if problems:
        said = " ".join(f"{_words(name)}: {texts[0]}" for name, texts in problems.items())
        raise Invalid(f"Nothing was saved. {said}", fields=problems)


def _not_typed(trial: AntibodyTrial) -> set[str]:
    names = {field.name for field in AntibodyTrial._meta.fields} - set(ALL_FIELDS)
    # A request may have been submitted without these; correcting the rest does not need them.
    return names | {name for name in ("description", "species") if not getattr(trial, name)}


def _write(trial: AntibodyTrial, changes: Mapping[str, Any], seen: int) -> None:
    rows = AntibodyTrial.objects.filter(pk=trial.pk, revision=seen)
    if rows.update(**changes, revision=seen + 1) != 1:
        raise StaleState(
            "Somebody else changed this trial since you opened it; nothing of yours was saved. "
            "Look at what stands there now, then save again."
        )


def _verb(changes: Mapping[str, Any]) -> str:
    if "is_recommended" in changes and len(changes) == 1:
        return "recommended" if changes["is_recommended"] else "no longer recommended"
    return "rated" if "outcome" in changes else "corrected"


def _said(trial: AntibodyTrial, name: str, new: object) -> str:
    return f"{_words(name)}: {getattr(trial, name) or '–'} → {new or '–'}"


def _words(name: str) -> str:
    return name.replace("_", " ")
