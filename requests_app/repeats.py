"""A request as a draft again: the same once more, for whoever orders it."""

from collections.abc import Sequence
from typing import Any

from core_app.models import User
from imaging_app.models import ImagingRequest
from processing_app.models import ProcessingResolution
from requests_app import drafts, selectors
from requests_app.models import Request, Sample
from requests_app.models.request import folder_of


def draft_of(request: Request, *, to: User) -> drafts.Draft:
    """Return a draft with the contents of a submitted request, for this person.

    Dates are left out, and animals that are not offered to them; the name is the next free one.
    """
    name = free_name(request.name, owner=to)
    is_owner = request.owner_id == to.pk
    auditor = request.auditor.username if request.auditor and is_owner else ""
    lab = request.lab.name if request.lab else request.lab_text
    samples = list(
        request.samples.select_related("clearing_batch__protocol", "subject").order_by("position")
    )
    imaging = imaging_of(samples)
    about = {
        "name": name,
        "description": request.description,
        "lab": lab if is_owner else _lab_of(to),
        "correspondence_email": request.correspondence_email if is_owner else to.email,
        "species": request.species.name if request.species else "",
        "number_of_samples": str(len(samples)),
        "retention": request.retention,
        "auditor": auditor,
        "testing": request.testing,
        "self_clearing": request.self_clearing and is_owner,
        "self_imaging": request.self_imaging and is_owner,
    }
    offered = _offered([s.subject.name for s in samples if s.subject], to)
    rows = [_row(s, i, request.name, name, offered) for i, s in enumerate(samples, start=1)]
    for row, sample in zip(rows, samples, strict=True):
        row["imaging"] = imaging.get(sample.pk, [])
    return drafts.opened({"about": about, "samples": rows})


def copy_of(draft: Request, *, to: User) -> drafts.Draft:
    """Return the contents of a draft as another draft, with the next free name."""
    contents = drafts.opened(draft.draft)
    contents.pop("upload", None)
    about = contents["about"]
    if draft.owner_id != to.pk:  # handed over: what is its owner's alone stays with them
        about = about | {"correspondence_email": to.email, "lab": _lab_of(to), "auditor": ""}
        about |= {"self_clearing": False, "self_imaging": False}
        contents = drafts.with_about(contents, about)
    if not about["name"]:
        return contents
    name = free_name(about["name"], owner=to)
    return drafts.with_about(contents, about | {"name": name})


def free_name(name: str, *, owner: User) -> str:
    """Return `brains 2` after `brains`, and `brains 3` after `brains 2`, if nobody has it."""
    rows = Request.objects.filter(owner=owner).exclude(name="")
    used = {folder_of(other).casefold() for other in rows.values_list("name", flat=True)}
    stem, _, digits = name.rpartition(" ")
    number = (
        int(digits) if stem and digits.isascii() and digits.isdigit() and len(digits) < 4 else 1
    )
    stem = (stem if number > 1 else name)[:58]
    while folder_of(f"{stem} {number + 1}").casefold() in used:
        number += 1
    return f"{stem} {number + 1}"


def _lab_of(user: User) -> str:
    membership = user.memberships.select_related("lab").order_by("id").first()
    return membership.lab.name if membership else ""


def _offered(names: list[str], to: User) -> frozenset[str]:
    rows = selectors.offered_subjects(to=to).filter(name__in=names)
    return frozenset(rows.values_list("name", flat=True))


def _row(
    sample: Sample, number: int, old: str, new: str, offered: frozenset[str]
) -> dict[str, Any]:
    batch, subject = sample.clearing_batch, sample.subject
    is_usual = sample.name == drafts.default_name(old, number)
    return {
        "name": drafts.default_name(new, number) if is_usual else sample.name,
        "subject": subject.name if subject and subject.name in offered else "",
        "protocol": batch.protocol.name if batch else "",
        "antibody1": batch.antibody1 if batch else "",
        "antibody2": batch.antibody2 if batch else "",
        "notes_for_clearer": sample.notes_for_clearer,
    }


def imaging_of(samples: Sequence[Sample], *, number: int = 1) -> dict[int, list[dict[str, Any]]]:
    """Return {sample: its objectives as a draft keeps them} of one round, the first unless said."""
    rounds = ImagingRequest.objects.filter(sample__in=samples, number=number).prefetch_related(
        "resolutions__objective", "resolutions__channels__wavelength"
    )
    wanted = ProcessingResolution.objects.filter(
        resolution__imaging_request__sample__in=samples, processing_request__number=1
    ).select_related("atlas")
    processing = {row.resolution_id: row for row in wanted}
    return {
        asked.sample_id: [
            _objective(resolution, processing.get(resolution.pk))
            for resolution in asked.resolutions.all()
        ]
        for asked in rounds
    }


def _objective(resolution: Any, wanted: ProcessingResolution | None) -> dict[str, Any]:
    return {
        "objective": resolution.objective.name,
        "channels": {
            channel.wavelength.name: list(channel.purposes) for channel in resolution.channels.all()
        },
        "notes_for_imager": resolution.notes_for_imager,
        "notes_for_processor": wanted.notes_for_processor if wanted else "",
        "atlas": wanted.atlas.name if wanted and wanted.atlas else "",
        "final_orientation": wanted.final_orientation if wanted else "",
    }
