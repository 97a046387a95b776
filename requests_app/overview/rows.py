"""Lines of the lists: a request with its samples together, a sample with its own work."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from core_app.models import User
from imaging_app.states import ImagingState
from processing_app.models import Run
from requests_app.drafts import samples_in
from requests_app.models import Request, Sample
from requests_app.overview.places import Place
from requests_app.overview.strips import (
    Facts,
    Sight,
    Stage,
    brief_of,
    facts_of,
    joint_strip,
    sight_of,
    sights_of,
    summary_of,
    token_of,
)
from requests_app.states import ClearingState, RequestState


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of a request is done, of how much, over all rounds; from with_fractions()."""

    samples: int = 0
    cleared: int = 0
    rounds: int = 0
    imaged: int = 0
    to_process: int = 0
    processed: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the request list."""

    request: Request
    strip: list[Stage]
    summary: str
    next_action: str
    counts: Counts
    brief: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of imaging of one sample, and the newest run of what it delivered."""

    number: int
    state: str
    imager: str
    run: Run | None

    @property
    def token(self) -> str:
        return token_of(self.state)

    @property
    def run_token(self) -> str:
        return token_of(self.run.state) if self.run else "waiting"


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One line of the samples list: the sample's own batch and every round of work on it."""

    sample: Sample
    sight: Sight
    rounds: list[Round]


def with_samples(rows: QuerySet[Request]) -> QuerySet[Request]:
    """Add to requests what their lines show of their samples, in one query for all rows."""
    samples = Sample.objects.select_related(
        "clearing_batch__protocol", "clearing_batch__clearer", "received_by"
    )
    return rows.prefetch_related(Prefetch("samples", queryset=samples.order_by("position")))


def rows_of(requests: Sequence[Request], *, to: User | None = None) -> list[Row]:
    """Return list lines with joint strips. The requests come of with_samples()."""
    for request in requests:
        for sample in request.samples.all():
            sample.request = request
    sights = sights_of(sample for request in requests for sample in request.samples.all())
    return [
        _row(request, [sights[s.pk] for s in request.samples.all()], to) for request in requests
    ]


def _row(request: Request, sights: list[Sight], to: User | None) -> Row:
    if request.is_draft:
        held = draft_summary(request)
        return Row(request, [], held, "Finish and submit it", Counts(), held)
    joint = joint_strip([sight.strip for sight in sights]) if sights else []
    following = next_action_of(request, sights, to=to)
    summary, counts = summary_of(sights), _counts_of(request)
    return Row(request, joint, summary, following, counts, brief_of(sights))


def _counts_of(request: Request) -> Counts:
    """Return what with_fractions() added; a request that was read otherwise counts nothing."""
    names = (
        "sample_count", "cleared_count", "round_count", "imaged_count", "to_process",
        "processed_count",
    )  # fmt: skip
    return Counts(*(getattr(request, name, 0) for name in names))


def draft_summary(request: Request) -> str:
    """Return how many samples the draft holds so far."""
    count = samples_in(request.draft)
    return f"{count} sample{'' if count == 1 else 's'} so far" if count else "no samples yet"


def sample_rows_of(samples: Iterable[Sample]) -> list[SampleRow]:
    """Return lines of samples. They come with request, owner, batch, protocol and people."""
    found = list(samples)
    facts = facts_of(found)
    return [SampleRow(s, sight_of(s, facts), _rounds_of(s, facts)) for s in found]


def _rounds_of(sample: Sample, facts: Facts) -> list[Round]:
    return [
        Round(each.number, each.state, str(each.batch.imager or ""), facts.runs.get(each.pk))
        for each in facts.rounds.get(sample.pk, [])
    ]


def next_action_of(request: Request, sights: Sequence[Sight], *, to: User | None = None) -> str:
    """Return in words what happens next, and who does it. `to` is addressed as "you"."""
    if request.state == RequestState.WITHDRAWN:
        return "Nothing: it is withdrawn"
    at: dict[Place, list[Sight]] = defaultdict(list)
    for sight in sights:
        at[sight.place].append(sight)
    phrases = [say(request, at[place], to) for place, say in _PHRASES if at[place]]
    failed = _failed(at[Place.FAILED])
    if phrases:
        return f"{phrases[0]}; {failed}" if failed else phrases[0]
    if failed:
        return failed[0].upper() + failed[1:]
    if at[Place.VIEWABLE]:
        return "Done: the volumes can be looked at"
    return "Done" if at[Place.IMAGED] else "Nothing is left to do"


def _failed(sights: Sequence[Sight]) -> str:
    if not sights:
        return ""
    return f"processing of {_samples(sights)} failed, staff look at it"


def _hand_in(request: Request, sights: Sequence[Sight], to: User | None) -> str:
    days = sorted({d for s in sights if (d := s.sample.expected_handoff_date)})
    which = "the sample" if len(sights) == 1 else f"the {len(sights)} samples"
    when = f", expected {days[0]}" if days else ""
    if len(days) > 1:
        when += f" to {days[-1]}"
    if _is_mine(request, to):
        return f"Hand {which} in{when}"
    return f"{request.owner} hands {which} in{when}"


def _clear(request: Request, sights: Sequence[Sight], to: User | None) -> str:
    begun = [s for s in sights if _batch_state(s.sample) == ClearingState.IN_PROGRESS]
    if begun:
        return f"Clearing is under way{_by(s.strip[1].who for s in begun)}"
    which = _samples(sights)
    if not request.self_clearing:
        return f"Clearing staff clear {which}"
    return f"You clear {which}" if _is_owner(request, to) else f"{request.owner} clears {which}"


def _image(request: Request, sights: Sequence[Sight], to: User | None) -> str:
    begun = [s for s in sights if s.strip[2].word == ImagingState.IN_PROGRESS]
    if begun:
        return f"Imaging is under way{_by(s.strip[2].who for s in begun)}"
    which = _samples(sights)
    # Each round says anew who images it, so what the request began with is no answer.
    if {s.strip[2].who for s in sights} != {str(request.owner)}:
        return f"Imaging staff image {which}"
    return f"You image {which}" if _is_owner(request, to) else f"{request.owner} images {which}"


def _process(request: Request, sights: Sequence[Sight], to: User | None) -> str:
    if any(s.strip[3].state != "done" for s in sights):
        return f"The cluster makes the volumes of {_samples(sights)}"
    return "The volumes are being published"


_PHRASES = (
    (Place.ON_THE_WAY, _hand_in),
    (Place.CLEARING, _clear),
    (Place.IMAGING, _image),
    (Place.PROCESSING, _process),
)


def _batch_state(sample: Sample) -> str:
    return sample.clearing_batch.state if sample.clearing_batch else ""


def _samples(sights: Sequence[Sight]) -> str:
    return "1 sample" if len(sights) == 1 else f"{len(sights)} samples"


def _by(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(name for name in names if name))
    return f" by {' and '.join(found[:2])}" if found else ""


def _is_owner(request: Request, to: User | None) -> bool:
    return to is not None and to.pk == request.owner_id


def _is_mine(request: Request, to: User | None) -> bool:
    return to is not None and to.pk in {request.owner_id, request.requested_by_id}
