"""Which event of imaging tells whom, in which words.

Everything here is called inside the transaction of the event, so nothing is told that did not
happen. What processing knows is passed in, since imaging stands before it.
"""

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.urls import reverse

from core_app.models import Event, User
from core_app.notices import Letter, of_person, tell
from core_app.notices.letters import shortened
from imaging_app.models import ImagingBatch, ImagingChannel, ImagingRequest
from imaging_app.states import ImagingState
from requests_app.addressees import address_of, correspondents, counted, named, owns

DONE = (ImagingState.COMPLETE, ImagingState.SKIPPED)


def tell_imaged(
    batch: ImagingBatch,
    *,
    by: User,
    makes_volumes: bool = False,
    processable: Sequence[str] = (),
    is_installed: bool = False,
) -> None:
    """Tell that every sample of the batch is imaged or skipped: where its raw data lies, what next.

    `makes_volumes`: the raw data is being made viewable. `processable` are the objectives whose
    images are fit for processing, `is_installed` says that this site has a pipeline for them.
    """
    request, times = batch.clearing_batch.request, _times_completed(batch)
    next_steps = _next_steps(
        makes_volumes=makes_volumes, processable=processable, is_installed=is_installed
    )
    links = [("Processing", reverse("processing:queue"))] if processable else []
    letter = _imaged_letter(batch, by=by, again=times > 1, closing=next_steps, links=links)
    told = correspondents(request)
    if by.pk != request.owner_id:
        told.append(of_person(request.owner, why=owns(request)))
    once = f"{batch.KIND} {batch.pk} for the {times}. time"
    tell("imaging-complete", letter, told, root_id=request.pk, once=once)


def _times_completed(batch: ImagingBatch) -> int:
    done = Event.objects.filter(kind=batch.KIND, object_id=batch.pk, to__in=DONE)
    return done.count()


def _imaged_letter(
    batch: ImagingBatch, *, by: User, again: bool, closing: tuple[str, ...],
    links: list[tuple[str, str]],
) -> Letter:  # fmt: skip
    request, samples = batch.clearing_batch.request, _samples_of(batch)
    imaged = [sample for sample in samples if sample.state == ImagingState.COMPLETE]
    number = f"{batch.clearing_batch.number}.{batch.number}"
    return Letter(
        subject=f"Imaging complete{' again' if again else ''}: {named(request)} batch {number}",
        opening=f"Imaging of batch {number} of the request {named(request)} is "
        f"complete{' again, after it had been re-opened' if again else ''}: "
        f"{len(imaged)} of {counted(samples)} imaged.",
        facts=(
            ("Request", str(request)),
            ("Imaging batch", number),
            ("Imaging round", str(batch.imaging_request_number)),
            ("Completed by", str(by)),
            *((("Folders lie below", str(settings.DATA_ROOT)),) if imaged else ()),
        ),
        lists=tuple((sample.sample.name, _what_came(sample)) for sample in samples),
        closing=closing if imaged else ("No volumes come of these samples in this round.",),
        links=(*(links if imaged else ()), ("The request", address_of(request))),
    )


def _samples_of(batch: ImagingBatch) -> list[ImagingRequest]:
    rows = batch.imaging_requests.select_related("sample__request__owner")
    rows = rows.order_by("sample__position").prefetch_related(
        "resolutions__objective", "resolutions__channels__wavelength"
    )
    return list(rows.exclude(state=ImagingState.CANCELLED))


def _what_came(imaging_request: ImagingRequest) -> tuple[str, ...]:
    if imaging_request.state != ImagingState.COMPLETE:
        return (f"not imaged: {_why_skipped(imaging_request)}",)
    resolutions = imaging_request.resolutions.all()
    return tuple(_channel(c) for r in resolutions for c in _in_order(r.channels.all()))


def _why_skipped(imaging_request: ImagingRequest) -> str:
    skips = Event.objects.filter(
        kind=imaging_request.KIND, object_id=imaging_request.pk, to=ImagingState.SKIPPED
    )
    last = skips.order_by("-id").values_list("note", flat=True).first()
    return shortened(last, 500) if last else "no reason is noted"


def _in_order(channels: Iterable[ImagingChannel]) -> list[ImagingChannel]:
    return sorted(channels, key=lambda c: (c.ventral_up, c.wavelength.position))


def _channel(channel: ImagingChannel) -> str:
    side = ", ventral side up" if channel.ventral_up else ""
    what = f"{channel.resolution.objective.name}, channel {channel.wavelength.name}{side}"
    return f"{what}: {channel.raw_folder}"


def _next_steps(
    *, makes_volumes: bool, processable: Sequence[str], is_installed: bool
) -> tuple[str, ...]:
    said = []
    if makes_volumes:
        said.append(
            "Volumes of the raw data are made by themselves; a mail comes for each sample that "
            "can be looked at."
        )
    if processable and is_installed:
        said.append(f"Processing of what was imaged at {_joined(processable)} can be started now.")
    elif processable:
        said.append(
            f"What was imaged at {_joined(processable)} is fit for processing; this site has no "
            "pipeline for it yet, so there is nothing that you have to do."
        )
    return tuple(said) or ("The raw data stays where it is; nothing more is made of it by itself.",)


def _joined(names: Sequence[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), names[-1]])


def tell_reopened(imaging_request: ImagingRequest, *, by: User, reason: str) -> None:
    """Tell the owner that imaging of a sample is open again."""
    request = imaging_request.sample.request
    if by.pk == request.owner_id:
        return
    sample = imaging_request.sample.name
    letter = Letter(
        subject=f"Imaging re-opened: {shortened(sample)} of {named(request)}",
        opening=f"{by} re-opened imaging of the sample {sample} of the request {named(request)}. "
        "You get a mail when its batch is complete again.",
        facts=(("Request", str(request)), ("Imaging round", str(imaging_request.number))),
        quote_title="The reason",
        quote=reason,
        links=(
            ("The sample in imaging", reverse("imaging:request", args=[imaging_request.pk])),
            ("The request", address_of(request)),
        ),
    )
    owner = [of_person(request.owner, why=owns(request))]
    # Without a key: each re-opening is told.
    tell("imaging-reopened", letter, owner, root_id=request.pk)
