"""The one button that stands out on the page of a request: what this person can do next."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from core_app import roles
from core_app.models import User
from core_app.roles import Action, Role
from imaging_app.models import ImagingRequest
from requests_app import again
from requests_app.models import Request
from requests_app.overview.details import SampleDetail
from requests_app.overview.places import Place
from requests_app.overview.strips import OPEN_ROUND
from requests_app.states import ClearingState, RequestState


@dataclass(frozen=True, slots=True)
class Button:
    """A link that looks like a button."""

    label: str
    url: str


def primary_of(request: Request, details: Sequence[SampleDetail], *, to: User) -> Button | None:
    """Return the next thing this person can do here, or None if it is somebody else's turn."""
    if request.state == RequestState.SUBMITTED:
        for find in (_to_clear, _to_image, _to_hand_in):
            if found := find(request, details, to):
                return found
    return _to_look(details) or _to_image_again(request, details, to)


def _to_clear(request: Request, details: Sequence[SampleDetail], to: User) -> Button | None:
    if not roles.can(to, Action.CLEAR, request) or _is_only_boss(to):
        return None
    states = (ClearingState.IN_PROGRESS, ClearingState.WAITING)
    for state in states:
        for detail in details:
            if detail.batch and detail.batch.state == state:
                label = f"Clear batch {detail.batch.number}"
                return Button(label, reverse("clearing:batch", args=[detail.batch.pk]))
    return None


def _to_image(request: Request, details: Sequence[SampleDetail], to: User) -> Button | None:
    if _is_only_boss(to):
        return None
    for detail in details:
        if detail.sight.place != Place.IMAGING:
            continue
        for each in detail.rounds:
            if each.imaging.state in OPEN_ROUND and _may_image(request, each.imaging, to):
                url = reverse("imaging:batch", args=[each.imaging.batch_id])
                return Button("Image the samples", url)
    return None


def _may_image(request: Request, imaging: ImagingRequest, to: User) -> bool:
    """Return what imaging_app says of the batch, from what is read already."""
    is_own_round = to.pk == request.owner_id == imaging.batch.imager_id
    return is_own_round or roles.can(to, Action.IMAGE, request)


def _is_only_boss(user: User) -> bool:
    """Managers may do everything, but mostly come to look."""
    return roles.has_role(user, Role.MANAGER) and not user.is_superuser


def _to_hand_in(request: Request, details: Sequence[SampleDetail], to: User) -> Button | None:
    mine = to.pk in {request.owner_id, request.requested_by_id}
    if not mine or not any(detail.sight.place == Place.ON_THE_WAY for detail in details):
        return None
    keys = [request.owner.username, request.folder.name]
    return Button("Print labels", reverse("requests:request-labels", args=keys))


def _to_look(details: Sequence[SampleDetail]) -> Button | None:
    viewable = [detail for detail in details if detail.is_viewable]
    if len(viewable) == 1:
        url = reverse("viewers:sample-chooser", args=[viewable[0].sample.pk])
        return Button("Look at the volumes", url)
    return Button("Look at the volumes", "#volumes") if viewable else None


def _to_image_again(request: Request, details: Sequence[SampleDetail], to: User) -> Button | None:
    """Once nothing is left to do and nothing can be looked at, another round is the way on."""
    is_over = all(detail.sight.place in {Place.IMAGED, Place.SKIPPED} for detail in details)
    cleared = any(d.batch and d.batch.state == ClearingState.COMPLETE for d in details)
    if not (is_over and cleared and again.may_ask(request, to)):
        return None
    return Button("Image samples again", again.address_of(request))
