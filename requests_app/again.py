"""Further rounds of imaging of a request: who may ask, for which samples, what was asked before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max
from django.urls import reverse

from core_app import roles
from core_app.errors import NotReady
from core_app.models import User
from core_app.roles import Action
from imaging_app.models import ImagingChannel, ImagingRequest
from requests_app.models import Request, Sample
from requests_app.plans import ChannelPlan, RequestPlan, ResolutionPlan
from requests_app.repeats import imaging_of
from requests_app.states import ClearingState, RequestState

ASKED = "asked for imaging again"  # the verb in the history of the request
OPEN_TO_ROUNDS = frozenset({RequestState.SUBMITTED, RequestState.CLOSED})
CLEARING_WORDS = {
    ClearingState.WAITING: "waits to be cleared",
    ClearingState.IN_PROGRESS: "is being cleared",
    ClearingState.CANCELLED: "was never cleared",
}


def may_ask(request: Request, user: User) -> bool:
    """Return True if this person may ask for another round, and the request is fit for one."""
    return roles.can(user, Action.IMAGE_AGAIN, request) and not refusal_of(request)


def address_of(request: Request) -> str:
    """Return the path of the page where a round is asked for."""
    keys = [request.owner.username, request.folder.name]
    return reverse("requests:imaging-again", args=keys)


def refusal_of(request: Request) -> str:
    """Return why nothing of the request is imaged again, and what to do instead; or no words."""
    if request.is_archival:
        return (
            "This request is archival: it was taken over from elsewhere, so its samples are not "
            "here. Order a new request for samples that are."
        )
    if request.state not in OPEN_TO_ROUNDS:
        return (
            f"This request is {RequestState(request.state).label.lower()}, so nothing of it is "
            "imaged again. Order the same again instead."
        )
    return ""


def require_open(request: Request) -> None:
    """Raise NotReady if nothing of the request is imaged again."""
    if refusal := refusal_of(request):
        raise NotReady(refusal)


def samples_of(request: Request) -> list[Sample]:
    """Return the samples in their order, with what decides whether they can be imaged again."""
    rows = request.samples.select_related("clearing_batch").order_by("position")
    return list(rows)


def hindrance_of(sample: Sample) -> str:
    """Return why the sample cannot be imaged again yet; no words if it can."""
    batch = sample.clearing_batch
    if batch is None:
        return "is in no clearing batch"
    if batch.state == ClearingState.COMPLETE:
        return ""
    return f"{CLEARING_WORDS[ClearingState(batch.state)]} in clearing batch {batch.number}"


def last_number(request: Request) -> int:
    """Return the number of the newest round of the request; 0 if there is none."""
    rows = ImagingRequest.objects.filter(sample__request=request)
    return rows.aggregate(last=Max("number"))["last"] or 0


def is_as_asked(request: Request, number: int, plan: RequestPlan) -> bool:
    """Return True if this round is exactly what the plan asks for: it was sent a second time."""
    samples = samples_of(request)
    found = imaging_of(samples, number=number)
    stored = {s.name: _alike(map(_plan_of, found[s.pk])) for s in samples if s.pk in found}
    rounds = ImagingRequest.objects.filter(sample__in=samples, number=number)
    if plan.self_imaging is rounds.exclude(batch__imager=request.owner_id).exists():
        return False
    return stored == {sample.name: _alike(sample.resolutions) for sample in plan.samples}


def _plan_of(kept: Mapping[str, Any]) -> ResolutionPlan:
    channels = tuple(ChannelPlan(name, tuple(p)) for name, p in kept["channels"].items())
    texts = {key: value for key, value in kept.items() if key != "channels" and value}
    return ResolutionPlan(channels=channels, **texts)


def _alike(resolutions: Any) -> frozenset[object]:
    """Return the objectives without the order in which they and their channels were given."""
    return frozenset(
        (
            r.objective, r.notes_for_imager, r.notes_for_processor, r.atlas, r.final_orientation,
            frozenset((c.wavelength, frozenset(c.purposes)) for c in r.channels),
        )
        for r in resolutions
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AskedChannel:
    """One channel that was asked for, in one round of one sample."""

    sample: str
    number: int
    imaging: ImagingRequest
    objective: str
    channel: str
    purposes: tuple[str, ...]


def asked_channels(request: Request) -> list[AskedChannel]:
    """Return every channel that was ordered, by sample, round and objective, in one query."""
    rows = ImagingChannel.objects.filter(
        resolution__imaging_request__sample__request=request, is_requested=True, ventral_up=False
    ).select_related("wavelength", "resolution__objective", "resolution__imaging_request__sample")
    at = "resolution__imaging_request"
    order = (f"{at}__sample__position", f"{at}__number", "resolution__objective__position")
    return [_asked(row) for row in rows.order_by(*order, "wavelength__position")]


def _asked(channel: ImagingChannel) -> AskedChannel:
    imaging = channel.resolution.imaging_request
    return AskedChannel(
        sample=imaging.sample.name,
        number=imaging.number,
        imaging=imaging,
        objective=channel.resolution.objective.name,
        channel=channel.wavelength.name,
        purposes=channel.purposes,
    )


def newest_wishes(samples: Sequence[Sample]) -> dict[int, list[dict[str, Any]]]:
    """Return {sample: its objectives as a draft keeps them} of the newest round of each sample."""
    rows = ImagingRequest.objects.filter(sample__in=samples).order_by()
    newest = rows.values_list("sample").annotate(last=Max("number"))
    by_number: dict[int, list[Sample]] = {}
    by_pk = {sample.pk: sample for sample in samples}
    for pk, last in newest:
        by_number.setdefault(last, []).append(by_pk[pk])
    return {
        pk: wishes
        for number, some in by_number.items()
        for pk, wishes in imaging_of(some, number=number).items()
    }
