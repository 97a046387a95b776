"""Requests with several batches, rounds and protocols: the shapes that lists get wrong."""

from dataclasses import dataclass

from django.db import transaction

from core_app.models import User
from imaging_app.models import ImagingRequest
from imaging_app.services import rounds
from requests_app.models import Request
from requests_app.plans import SamplePlan
from requests_app.services import clearing
from tests.support.scenarios import (
    ONE_CHANNEL,
    PROTOCOL,
    TWO_CHANNELS,
    a_plan,
    a_sample_plan,
    a_submitted_request,
)

MIXED = (
    a_sample_plan("plain"),
    a_sample_plan("stained", protocol="iDISCO+_immuno", antibody1="anti-cFos 1:500"),
    a_sample_plan("shrunk", protocol="uDISCO", resolutions=(TWO_CHANNELS,)),
)


@dataclass(frozen=True, slots=True)
class Hands:
    """Who did what on the mixed request."""

    first: User
    second: User
    imager: User


def a_second_round(
    request: Request, *, by: User, imager: User | None = None
) -> list[ImagingRequest]:
    """Ask for all samples of the request to be imaged once more."""
    samples = list(request.samples.select_related("clearing_batch").order_by("position"))
    plans = [SamplePlan(s.name, PROTOCOL, resolutions=(ONE_CHANNEL,)) for s in samples]
    with transaction.atomic():
        return rounds.plan_round(samples, plans, imager=imager, by=by, number=2)


def a_request_of_three_batches(owner: User, hands: Hands, name: str = "mixed brains") -> Request:
    """Three protocols: the first batch is cleared, the second in progress, the third waits."""
    request = a_submitted_request(owner, a_plan(name, samples=MIXED))
    first, second, _ = request.clearing_batches.order_by("number")
    clearing.receive_and_start(first, by=hands.first)
    clearing.complete(first, by=hands.first, skip_missing=True)
    clearing.receive_and_start(second, by=hands.second)
    return request
