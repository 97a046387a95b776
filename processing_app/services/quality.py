"""Quality sheets: filled from what the steps found, decided by people."""

import json
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import User
from core_app.roles import Action, can
from core_app.transitions import advance, born
from processing_app.models import Artifact, ProcessingResolution, QualitySheet
from processing_app.states import QualityState

REGISTRATION = Artifact.Kind.REGISTRATION
QUALITY = Artifact.Kind.QUALITY
LONGEST_NOTE = 1024


def take_in(artifact: Artifact) -> None:
    """Put what a step found on the sheet of its place. The caller holds the transaction.

    A verdict was about other images once the figures are made anew, so it is open again.
    """
    if artifact.kind not in {REGISTRATION, QUALITY}:
        return
    place = _place_of(artifact)
    if place is None:
        return
    sheet = QualitySheet.objects.select_for_update().filter(place=place).first()
    if sheet is None:
        sheet = QualitySheet.objects.create(place=place)
        born(sheet, by=None)
    figures = {**_of_the_same_run(sheet, artifact), artifact.kind: artifact.facts}
    is_new = figures != sheet.figures
    sheet.figures = figures
    if artifact.kind == QUALITY:
        sheet.folder, sheet.suggestion = artifact.path, str(artifact.facts.get("verdict", ""))[:8]
    elif QUALITY not in figures:
        sheet.folder, sheet.suggestion = "", ""
    sheet.save(update_fields=["figures", "folder", "suggestion"])
    if is_new and sheet.state != QualityState.PENDING:
        advance(sheet, QualityState.PENDING, by=None, note="The figures were made anew.")


def _of_the_same_run(sheet: QualitySheet, artifact: Artifact) -> dict[str, object]:
    """Return what of the sheet stays: what an earlier run found may be of another atlas."""
    rows = Artifact.objects.filter(
        step__run=artifact.step.run_id,
        channel__resolution=artifact.channel.resolution_id,
        channel__ventral_up=artifact.channel.ventral_up,
    )
    kinds = set(rows.values_list("kind", flat=True))
    return {kind: facts for kind, facts in sheet.figures.items() if kind in kinds}


def seen_of(sheet: QualitySheet) -> str:
    """Return in short what the sheet says now. A form carries it: it differs after any change."""
    shown = [sheet.figures, sheet.state, sheet.state_since.isoformat()]
    return sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]


def decide(sheet: QualitySheet, state: str, *, by: User, note: str = "", seen: str = "") -> None:
    """Let the images pass, or not, under a person's name.

    `seen` is what the form was made of (seen_of). Raises NotAllowed, StaleState (the figures or the
    verdict have changed since), NotReady (no figures, or decided the same already) and Invalid
    (images that fail, or pass against the figures, need a reason).
    """
    request = sheet.processing_request.imaging_request.sample.request
    if not can(by, Action.PROCESS, request):
        raise NotAllowed("Only processing staff decide about the quality of images.")
    if state not in {QualityState.PASSED, QualityState.FAILED}:
        raise Invalid("Choose pass or fail.", fields={"state": ["Choose pass or fail."]})
    note = _checked(note)
    with transaction.atomic():
        sheet = QualitySheet.objects.select_for_update().get(pk=sheet.pk)
        if seen and seen != seen_of(sheet):
            raise StaleState(
                "The figures or the verdict have changed since you opened this page, so nothing "
                "was noted. Look at what stands here now, then decide."
            )
        if not sheet.figures:
            raise NotReady("There are no figures yet. Wait for the run.")
        if sheet.state == state:
            raise NotReady("It is decided so already. Reload the page.")
        against = state == QualityState.PASSED and sheet.suggestion == "fail"
        if not note and (state == QualityState.FAILED or against):
            raise Invalid("Say why.", fields={"note": ["Say why."]})
        advance(sheet, state, by=by, note=note)
        sheet.decided_by, sheet.decided_at, sheet.note = by, timezone.now(), note
        sheet.save(update_fields=["decided_by", "decided_at", "note"])


def _checked(note: str) -> str:
    """Return the note as it is kept; a browser counts the end of a line as one character."""
    text = note.replace("\r\n", "\n").replace("\0", "").strip()
    if len(text) > LONGEST_NOTE:
        words = f"The note has {len(text)} characters; at most {LONGEST_NOTE} fit."
        raise Invalid(words, fields={"note": [words]})
    return text


def _place_of(artifact: Artifact) -> ProcessingResolution | None:
    run, channel = artifact.step.run, artifact.channel
    if run.processing_request_id is None:
        return None
    return ProcessingResolution.objects.filter(
        processing_request=run.processing_request_id,
        resolution=channel.resolution_id,
        ventral_up=channel.ventral_up,
    ).first()
