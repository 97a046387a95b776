"""Whom a further round of imaging is told to, in which words. Called inside its transaction."""

from collections.abc import Sequence

from django.urls import reverse

from core_app.models import User
from core_app.notices import Letter, at_address, of_person, staff, tell
from core_app.notices.letters import shortened
from core_app.roles import Role
from imaging_app.models import ImagingBatch
from requests_app.addressees import address_of
from requests_app.imaging_text import write_imaging
from requests_app.models import Request
from requests_app.plans import RequestPlan, SamplePlan


def tell_asked(
    request: Request, plan: RequestPlan, batches: Sequence[ImagingBatch], *, number: int, by: User
) -> None:
    """Tell who follows the request that imaging is asked for, and imaging staff that there is work.

    Imaging staff hear nothing of what the owner images.
    """
    once = f"{request.KIND} {request.pk} round {number}"
    address = request.correspondence_email or request.owner.email
    told = [at_address(address, why="this is the correspondence address of the request")]
    if by.pk != request.owner_id:
        told.append(of_person(request.owner, why=f"the request {_named(request)} is yours"))
    letter = _received_letter(request, plan, number, by)
    tell("imaging-asked", letter, told, root_id=request.pk, once=once)
    if not plan.self_imaging:
        imagers = staff(Role.IMAGER, why="you belong to the imaging staff")
        letter = _to_image_letter(request, plan, batches, number, by)
        tell("imaging-asked-of-staff", letter, imagers, root_id=request.pk, once=once)


def _received_letter(request: Request, plan: RequestPlan, number: int, by: User) -> Letter:
    closing = (
        "The next step is the owner's: take the images, and enter how, on the imaging page."
        if plan.self_imaging
        else "Imaging staff take the images; there is nothing that you have to do."
    )
    links = [("Imaging", reverse("imaging:queue"))] if plan.self_imaging else []
    return Letter(
        subject=f"Imaging round {number} of {_named(request)} received",
        opening=f"{by} asked for {_count(plan)} of the request {_named(request)} to be imaged "
        "again. It is received.",
        facts=(("Request", str(request)), ("Imaging round", str(number))),
        lists=(("Samples", tuple(map(_line, plan.samples))),),
        closing=(closing, "The volumes can be viewed on the site when they exist."),
        links=(*links, ("The request, and where its samples are", address_of(request))),
    )


def _to_image_letter(
    request: Request, plan: RequestPlan, batches: Sequence[ImagingBatch], number: int, by: User
) -> Letter:
    owner = shortened(str(request.owner), 40)
    return Letter(
        subject=f"New imaging request: {_named(request)} of {owner}, round {number}",
        opening=f"{by} asks for {_count(plan)} of the request {_named(request)} of "
        f"{request.owner} to be imaged again. They are cleared.",
        facts=(("Request", str(request)), ("Imaging round", str(number))),
        lists=(("Samples", tuple(map(_line, plan.samples))),),
        quote_title="Notes for the imager",
        quote=_notes(plan),
        closing=("Whoever starts an imaging batch has it.",),
        links=(
            *((_batch_name(one), reverse("imaging:batch", args=[one.pk])) for one in batches),
            ("What waits to be imaged", reverse("imaging:queue")),
        ),
    )


def _batch_name(batch: ImagingBatch) -> str:
    return f"Imaging batch {batch.clearing_batch.number}.{batch.number}"


def _line(sample: SamplePlan) -> str:
    """Return `brain-001 (1.3x: 488 registration)`."""
    rows = [
        {"objective": r.objective, "channels": {c.wavelength: c.purposes for c in r.channels}}
        for r in sample.resolutions
    ]
    return f"{sample.name} ({write_imaging(rows)})"


def _notes(plan: RequestPlan) -> str:
    """Return each note once, as many samples often bear the same."""
    notes = (r.notes_for_imager for sample in plan.samples for r in sample.resolutions)
    return "\n".join(dict.fromkeys(note for note in notes if note))


def _named(request: Request) -> str:
    return f"“{shortened(request.name)}”"


def _count(plan: RequestPlan) -> str:
    return f"{len(plan.samples)} sample{'' if len(plan.samples) == 1 else 's'}"
