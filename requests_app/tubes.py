"""One tube in full: where it is, what was ordered and what happened to it. Reads of all stages."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from core_app import roles
from core_app.models import Event, User
from core_app.roles import Action, Role
from imaging_app.models import ImagingChannel, ImagingRequest
from processing_app.models import Run
from requests_app import overview
from requests_app.models import ClearingBatch, Request, Sample
from requests_app.overview import Stage
from requests_app.services.handoffs import may_move
from requests_app.states import ClearingState, RequestState

# Written with the tube's name before their note, since a tube has no history of its own.
OF_A_TUBE = ("sample received", "reception taken back", "hand-off moved")
MOST_EVENTS = 100


@dataclass(frozen=True, slots=True)
class Tube:
    """What the page of one tube shows, and what this person may do there."""

    sample: Sample
    strip: list[Stage]
    where: str
    orders: list[str]
    events: list[Event]
    total: int
    missing: list[Sample]
    may_clear: bool
    may_receive: bool
    may_take_back: bool
    may_move: bool

    @property
    def here(self) -> int:
        return self.total - len(self.missing)


def tube_of(sample: Sample, *, to: User) -> Tube:
    """Return the page of one tube. The sample comes from `selectors.visible_samples`."""
    request, batch = sample.request, sample.clearing_batch
    strip = overview.strips_of([sample])[sample.pk]
    is_open = request.state == RequestState.SUBMITTED
    waits = is_open and batch is not None and batch.state == ClearingState.WAITING
    may_clear = roles.can(to, Action.CLEAR, request)
    others = list(request.samples.order_by("position"))
    is_staff = roles.has_role(to, Role.CLEARER, Role.MANAGER)
    return Tube(
        sample=sample,
        strip=strip,
        where=where_of(sample, strip),
        orders=orders_of(sample),
        events=events_of(sample),
        total=len(others),
        missing=[other for other in others if other.received_at is None],
        may_clear=may_clear,
        may_receive=may_clear and is_open,
        may_take_back=is_staff and waits and sample.received_at is not None,
        may_move=waits and sample.received_at is None and may_move(sample, to),
    )


def where_of(sample: Sample, strip: Sequence[Stage]) -> str:
    """Return in one sentence where the tube is now."""
    if sample.request.state == RequestState.WITHDRAWN:
        return "The request was withdrawn: nothing more is done with this tube."
    failed = next((stage for stage in strip if stage.state == "failed"), None)
    if failed:
        return f"{failed.stage} failed; staff look at it."
    stage = next((s for s in strip if s.state not in {"done", "skipped"}), None)
    if stage is None:
        return "Everything is done."
    by = f" by {stage.who}" if stage.who else ""
    day = sample.expected_handoff_date
    words = {
        "Received": f"Expected {day}, not here yet." if day else "Not here yet.",
        "Clearing": f"Being cleared{by}." if stage.state == "progress" else "Waits for clearing.",
        "Imaging": f"Being imaged{by}." if stage.state == "progress" else "Waits for imaging.",
        "Processing": "Imaged; its volumes are being made.",
        "Viewable": "Its volumes are being published.",
    }
    return words[stage.stage]


def orders_of(sample: Sample) -> list[str]:
    """Return what was ordered, one line each: chemistry, then channels of each objective."""
    lines: dict[str, list[str]] = {}
    rows = ImagingChannel.objects.filter(resolution__imaging_request__sample=sample)
    rows = rows.select_related("wavelength", "resolution__objective")
    for channel in rows.order_by("resolution_id", "ventral_up", "wavelength__position"):
        purposes = ", ".join(p.replace("_", " ") for p in channel.purposes)
        said = f"{channel.wavelength.name} ({purposes})" if purposes else channel.wavelength.name
        channels = lines.setdefault(channel.resolution.objective.name, [])
        if said not in channels:
            channels.append(said)
    batch = sample.clearing_batch
    chemistry = [batch.protocol.title, batch.antibody1, batch.antibody2] if batch else []
    imaging = [f"{objective}: {'; '.join(said)}" for objective, said in lines.items()]
    return [text for text in (*chemistry, *imaging) if text]


def events_of(sample: Sample) -> list[Event]:
    """Return what happened to the tube, newest first: of its batch and runs too."""
    rounds = ImagingRequest.objects.filter(sample=sample).values_list("pk", flat=True)
    runs = Run.objects.filter(imaging_request__sample=sample).values_list("pk", flat=True)
    named = Q(note=sample.name) | Q(note__startswith=f"{sample.name}:")
    mine = (
        Q(kind=Request.KIND, verb__in=OF_A_TUBE) & named
        | Q(kind=Request.KIND, verb="moved")
        | Q(kind=ClearingBatch.KIND, object_id=sample.clearing_batch_id or 0)
        | Q(kind=ImagingRequest.KIND, object_id__in=list(rounds))
        | Q(kind=Run.KIND, object_id__in=list(runs))
    )
    rows = Event.objects.filter(mine, root_id=sample.request_id).exclude(verb="created")
    return list(rows.select_related("by").order_by("-id")[:MOST_EVENTS])
