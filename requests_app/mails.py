"""Which event of a request tells whom, in which words.

Everything here is called inside the transaction of the event, so nothing is told that did not
happen. What other apps know (imaging) is passed in, so that services may call this too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from core_app.models import Event, User
from core_app.notices import Letter, of_person, staff, tell
from core_app.notices.letters import shortened
from core_app.roles import Role
from requests_app import selectors
from requests_app.addressees import (
    address_of,
    correspondents,
    counted,
    named,
    owns,
    shown,
    without,
)
from requests_app.models import ClearingBatch, Request, Sample
from requests_app.states import ClearingState

MOST_STEPS = 8


@dataclass(frozen=True, slots=True)
class ReadyForImaging:
    """One imaging batch whose samples are cleared, as far as a mail tells of it."""

    pk: int
    objectives: tuple[str, ...]
    samples: tuple[str, ...]


def tell_received(request: Request, *, by: User) -> None:
    """Tell who asked that the request is here, and clearing staff that there is work."""
    batches = list(request.clearing_batches.select_related("protocol").prefetch_related("samples"))
    letter = _received_letter(request, batches)
    told = [*correspondents(request), of_person(request.owner, why=owns(request))]
    if by.pk != request.owner_id:
        told.append(of_person(by, why=f"you submitted this request for {request.owner}"))
    tell("request-received", letter, told, root_id=request.pk, once=_object(request))
    if request.auditor:
        why = f"{request.owner} named you as auditor of this request"
        auditor = [of_person(request.auditor, why=why)]
        letter = _auditor_letter(request)
        tell("auditor-named", letter, auditor, root_id=request.pk, once=_object(request))
    if not request.self_clearing:
        clearers = staff(Role.CLEARER, why="you belong to the clearing staff")
        letter = _to_clear_letter(request, batches)
        tell("clearing-requested", letter, clearers, root_id=request.pk, once=_object(request))
    _remind_of_storage_group(request)


def _received_letter(request: Request, batches: Sequence[ClearingBatch]) -> Letter:
    samples = [sample for batch in batches for sample in batch.samples.all()]
    return Letter(
        subject=f"Request {named(request)} received",
        opening=(
            f"The request {named(request)} of {request.owner} is received, with {counted(samples)}."
        ),
        facts=(
            ("Request", str(request)),
            *((f"Clearing batch {b.number}", _chemistry(b)) for b in batches),
        ),
        lists=(("Samples", tuple(_with_handoff(sample) for sample in samples)),),
        closing=_what_follows(request),
        links=(
            ("The request, and where its samples are", address_of(request)),
            ("How to hand samples in, and on which days", reverse("requests:handoffs")),
        ),
    )


def _what_follows(request: Request) -> tuple[str, ...]:
    hand_in = (
        "Read how to hand samples in before you bring them: how tubes are labeled and packed, "
        "where they go and on which days they are taken."
    )
    if request.self_clearing:
        clearing = "The owner clears the samples, and logs each step on the site."
    else:
        clearing = (
            "Then clearing staff clear them. The correspondence address gets a mail as soon as a "
            "clearing batch is complete."
        )
    imaging = (
        "The owner takes the images." if request.self_imaging else "Imaging staff take the images."
    )
    return (hand_in, clearing, f"{imaging} The volumes can be viewed on the site when they exist.")


def _with_handoff(sample: Sample) -> str:
    day = sample.expected_handoff_date
    return f"{sample.name}, to be handed in on {day}" if day else sample.name


def _auditor_letter(request: Request) -> Letter:
    return Letter(
        subject=f"You may read the request {named(request)}",
        opening=(
            f"{request.owner} named you as auditor of the request {named(request)}. You may read "
            "it and look at its volumes; there is nothing that you have to do."
        ),
        facts=(("Request", str(request)), ("About", request.description or "–")),
        links=(("The request", address_of(request)),),
    )


def _to_clear_letter(request: Request, batches: Sequence[ClearingBatch]) -> Letter:
    notes = "\n".join(batch.notes_for_clearer for batch in batches if batch.notes_for_clearer)
    return Letter(
        subject=f"New request to clear: {named(request)} of {shown(request.owner)}",
        opening=(
            f"{request.owner} asks for the clearing of {counted(_samples_of(batches))} "
            f"in the request {named(request)}."
        ),
        facts=(
            ("Request", str(request)),
            *(
                (
                    f"Batch {b.number}",
                    f"{_chemistry(b)}; {counted(b.samples.all())}; "
                    f"first hand-off {b.expected_handoff_date or 'not planned'}",
                )
                for b in batches
            ),
        ),
        quote_title="Notes for the clearer",
        quote=notes,
        closing=("Whoever starts a batch has it.",),
        links=(
            ("What waits to be cleared", reverse("clearing:queue")),
            ("The request", address_of(request)),
        ),
    )


def _remind_of_storage_group(request: Request) -> None:
    """Ask staff to let a new person's account read the storage, where the site wants that."""
    earlier = Request.objects.filter(owner=request.owner).exclude(submitted_at=None)
    if not settings.STORAGE_GROUP_REMINDER or earlier.exclude(pk=request.pk).exists():
        return
    username = request.owner.username
    group = f"the group {settings.DATA_GROUP}" if settings.DATA_GROUP else "the storage's group"
    letter = Letter(
        subject=f"Add {username} to {group}",
        opening=(
            f"{request.owner} submitted a first request. Add the account {username} to {group}, "
            "so that its data can be read from the cluster; leave it if it is a member already."
        ),
        facts=(("User name", username), ("Request", str(request))),
        links=(("The request", address_of(request)),),
    )
    told = staff(Role.IMAGER, Role.OPERATOR, why="you look after imaging or the storage")
    tell("storage-group", letter, told, root_id=request.pk, once=f"user {request.owner_id}")


def tell_cleared(
    batch: ClearingBatch,
    *,
    by: User,
    strip: str,
    is_self_imaged: bool,
    ready: Sequence[ReadyForImaging],
) -> None:
    """Tell that the samples of this batch are cleared, and imaging staff what they can image."""
    times = _times_completed(batch)
    once = f"{_object(batch)} for the {times}. time"
    letter = _cleared_letter(
        batch, by=by, strip=strip, is_self_imaged=is_self_imaged, is_staffs=bool(ready),
        again=times > 1,
    )  # fmt: skip
    root = batch.request_id
    tell("clearing-complete", letter, correspondents(batch.request), root_id=root, once=once)
    if ready:
        imagers = staff(Role.IMAGER, why="you belong to the imaging staff")
        letter = _to_image_letter(batch, ready, again=times > 1)
        tell("imaging-ready", letter, imagers, root_id=root, once=once)


def _times_completed(batch: ClearingBatch) -> int:
    done = Event.objects.filter(kind=batch.KIND, object_id=batch.pk, to=ClearingState.COMPLETE)
    return done.count()


def _cleared_letter(
    batch: ClearingBatch, *, by: User, strip: str, is_self_imaged: bool, is_staffs: bool,
    again: bool,
) -> Letter:  # fmt: skip
    request, samples = batch.request, list(batch.samples.all())
    links = [("Imaging", reverse("imaging:queue"))] if is_self_imaged else []
    return Letter(
        subject=f"Clearing complete{' again' if again else ''}: "
        f"{named(request)} batch {batch.number}",
        opening=(
            f"Clearing of batch {batch.number} of the request {named(request)} is "
            f"complete{' again, after it had been re-opened' if again else ''}: {counted(samples)}."
        ),
        facts=(
            ("Request", str(request)),
            ("Clearing batch", str(batch.number)),
            ("Protocol", str(batch.protocol)),
            ("Antibodies", _antibodies(batch) or "none"),
            ("Completed by", str(by)),
            ("Stages", strip),
        ),
        lists=(
            ("Samples of this batch", tuple(sample.name for sample in samples)),
            ("Steps left out", _left_out(batch)),
        ),
        closing=(_next_step(is_self_imaged=is_self_imaged, is_staffs=is_staffs),),
        links=(*links, ("The request", address_of(request))),
    )


def _left_out(batch: ClearingBatch) -> tuple[str, ...]:
    labels = [step.label for step in selectors.missing_steps(batch)]
    rest = len(labels) - MOST_STEPS
    return (*labels[:MOST_STEPS], f"and {rest} more") if rest > 0 else tuple(labels)


def _next_step(*, is_self_imaged: bool, is_staffs: bool) -> str:
    if is_self_imaged:
        return "The next step is yours: take the images, and enter how, on the imaging page."
    if is_staffs:
        return "Imaging staff take the images next; there is nothing that you have to do."
    return "No imaging of these samples waits; what was begun before goes on."


def _to_image_letter(
    batch: ClearingBatch, ready: Sequence[ReadyForImaging], *, again: bool
) -> Letter:
    request = batch.request
    samples = [name for one in ready for name in one.samples]
    return Letter(
        subject=f"Ready for imaging{' again' if again else ''}: {named(request)} "
        f"of {shown(request.owner)}, batch {batch.number}",
        opening=f"{counted(samples)} of the request {named(request)} of {request.owner} "
        "can be imaged.",
        facts=(("Request", str(request)), ("Clearing batch", str(batch.number))),
        lists=(("Samples", tuple(_with_objectives(n, one) for one in ready for n in one.samples)),),
        closing=("Whoever starts an imaging batch has it.",),
        links=(
            *(("Imaging batch", reverse("imaging:batch", args=[one.pk])) for one in ready),
            ("What waits to be imaged", reverse("imaging:queue")),
        ),
    )


def _with_objectives(name: str, batch: ReadyForImaging) -> str:
    return f"{name} ({', '.join(batch.objectives)})" if batch.objectives else name


def tell_reopened(batch: ClearingBatch, *, by: User, reason: str) -> None:
    """Tell the owner that a finished batch is open again."""
    request = batch.request
    if by.pk == request.owner_id:
        return
    letter = Letter(
        subject=f"Clearing re-opened: {named(request)} batch {batch.number}",
        opening=f"{by} re-opened clearing batch {batch.number} of the request {named(request)}. "
        "You get a mail when it is complete again.",
        quote_title="The reason",
        quote=reason,
        links=(("The request", address_of(request)),),
    )
    owner = [of_person(request.owner, why=owns(request))]
    tell("clearing-reopened", letter, owner, root_id=request.pk)


def tell_withdrawn(request: Request, *, by: User, reason: str, imagers_know: bool) -> None:
    """Tell those who would have worked on it, and the owner if it was not their own act."""
    workers = []
    if not request.self_clearing:
        workers += staff(Role.CLEARER, why="you belong to the clearing staff")
    if imagers_know:
        workers += staff(Role.IMAGER, why="you belong to the imaging staff")
    told = without(by, workers)
    if by.pk != request.owner_id:
        told += [of_person(request.owner, why=owns(request)), *correspondents(request)]
    letter = Letter(
        subject=f"Request withdrawn: {named(request)} of {shown(request.owner)}",
        opening=f"{by} withdrew the request {named(request)} of {request.owner}. Nothing of it is "
        "to be done any more; what was done so far stays in its history.",
        facts=(("Request", str(request)),),
        quote_title="The reason",
        quote=reason,
        links=(("The request", address_of(request)),),
    )
    tell("request-withdrawn", letter, told, root_id=request.pk, once=_object(request))


def tell_condition(sample: Sample, *, by: User) -> None:
    """Tell the owner that a tube arrived in another condition than it should."""
    request = sample.request
    if by.pk == request.owner_id:
        return
    letter = Letter(
        subject=f"Sample {shortened(sample.name)} arrived: {sample.get_condition_display()}",
        opening=f"{by} received the sample {sample.name} of the request {named(request)}, and "
        f"noted its condition: {sample.get_condition_display().lower()}.",
        quote_title="What was seen",
        quote=sample.condition_note,
        closing=("Write to the clearing staff if it should not be cleared as planned.",),
        links=(("The request", address_of(request)),),
    )
    owner = [of_person(request.owner, why=owns(request))]
    # Without a key: each reception is told, also one after another was taken back.
    tell("sample-condition", letter, owner, root_id=request.pk)


def _object(obj: Request | ClearingBatch) -> str:
    return f"{obj.KIND} {obj.pk}"


def _samples_of(batches: Iterable[ClearingBatch]) -> list[Sample]:
    return [sample for batch in batches for sample in batch.samples.all()]


def _chemistry(batch: ClearingBatch) -> str:
    antibodies = _antibodies(batch)
    return f"{batch.protocol}, {antibodies}" if antibodies else str(batch.protocol)


def _antibodies(batch: ClearingBatch) -> str:
    return ", ".join(text for text in (batch.antibody1, batch.antibody2) if text)
