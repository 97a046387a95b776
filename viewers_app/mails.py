"""What is told of volumes; called inside the transaction of the event."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils import timezone

from core_app.models import User
from core_app.notices import Letter, of_person, tell
from core_app.notices.letters import shortened
from imaging_app.models import ImagingRequest
from processing_app.models import Run
from requests_app.addressees import address_of, correspondents, named
from viewers_app.models import DataLayer, ShareLink


def tell_viewable(imaging_request: ImagingRequest, layers: Iterable[DataLayer]) -> None:
    """Tell that the raw volumes of one sample's round can be looked at."""
    request = imaging_request.sample.request
    letter = _letter(imaging_request, layers, what="raw volumes", subject="Ready to view")
    once = f"{imaging_request.KIND} {imaging_request.pk}"
    tell("volumes-ready", letter, correspondents(request), root_id=request.pk, once=once)


def tell_corrected(run: Run, layers: Iterable[DataLayer]) -> None:
    """Tell that what a run corrected can be looked at, while it goes on with the rest."""
    request = run.imaging_request.sample.request
    letter = _letter(
        run.imaging_request,
        layers,
        what="corrected volumes",
        subject="Corrected volumes are ready to view",
        goes_on="Processing goes on; the page of the sample says how far each volume is.",
    )
    once = f"{run.KIND} {run.pk}"
    tell("corrected-ready", letter, correspondents(request), root_id=request.pk, once=once)


def _letter(
    imaging_request: ImagingRequest, layers: Iterable[DataLayer], *, what: str, subject: str,
    goes_on: str = "",
) -> Letter:  # fmt: skip
    sample = imaging_request.sample
    request = sample.request
    choose = "Choose volumes on the page of the sample, then press Open."
    return Letter(
        subject=f"{subject}: {shortened(sample.name)} of {named(request)}",
        opening=f"The {what} of the sample {sample.name} of the request {named(request)} can "
        "be looked at.",
        facts=(
            ("Request", str(request)),
            ("Sample", sample.name),
            ("Imaging round", str(imaging_request.number)),
        ),
        lists=(("Volumes", tuple(_volume(layer) for layer in layers)),),
        closing=(choose, goes_on) if goes_on else (choose,),
        links=(
            ("The volumes of this sample", reverse("viewers:sample-chooser", args=[sample.pk])),
            ("The request", address_of(request)),
        ),
    )


def _volume(layer: DataLayer) -> str:
    channel, side = layer.channel, layer.product.side
    sheet = f", {side} light sheet" if side else ""
    up = ", ventral side up" if channel.ventral_up else ""
    return f"{channel.resolution.objective.name}, channel {channel.wavelength.name}{up}{sheet}"


def tell_shared(link: ShareLink, people: Iterable[User]) -> None:
    """Tell those whom a link names. They are known by their sign-in, so no token is in the mail."""
    sender, view = link.created_by, link.view
    letter = Letter(
        subject=f"{sender} shares a view with you: {shortened(view.name)}",
        opening=f"{sender} shares the view “{view.name}” of light-sheet volumes with you.",
        facts=(("Until", f"{timezone.localtime(link.expires_at):%Y-%m-%d}"),),
        quote_title="Note" if link.note else "",
        quote=link.note,
        closing=("Sign in, then press Open.",),
        links=(("The view", reverse("saved-view", args=[view.uuid])),),
    )
    why = f"{sender} named you when sharing this view"
    recipients = [of_person(person, why=why) for person in people]
    tell("view-shared", letter, recipients, root_id=None, once=f"share link {link.pk}")
