"""Reads for the queue of imaging: its filters and order, and who may be given a batch."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Case, F, Min, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Lower

from core_app import roles
from core_app.models import User
from core_app.roles import Role
from imaging_app import selectors
from imaging_app.models import ImagingBatch, ImagingResolution, Microscope, Objective
from imaging_app.states import OVER, ImagingState
from requests_app.models import Species
from requests_app.states import ClearingState

NOBODY = "none"
LONGEST = 100
ROUNDS = {"first": "First rounds", "later": "Later rounds"}

SORTS: dict[str, F | Lower] = {
    "submitted": F("clearing_batch__request__submitted_at"),
    "request": Lower("clearing_batch__request__name"),
    "owner": Lower("clearing_batch__request__owner__username"),
    "microscope": Lower("first_microscope"),
    "objectives": F("first_objective"),
    "clearing": F("clearing_batch__number"),
    "round": F("imaging_request_number"),
    "number": F("number"),
    "samples": F("sample_count"),
    "imager": Lower("imager__username"),
    "clearer": Lower("clearing_batch__clearer__username"),
    "species": Lower("clearing_batch__request__species__label"),
    "age": F("there_since"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the queue is asked for, as the address says it; what is unknown is ignored."""

    part: str = ""
    microscope: str = ""
    objective: str = ""
    imager: str = ""
    species: str = ""
    round: str = ""
    mine: bool = False
    words: str = ""
    sort: str = ""
    descending: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Wanted":
        def word(key: str) -> str:
            return query.get(key, "").replace("\0", "").strip()[:LONGEST]

        return cls(
            part=word("part"),
            microscope=word("microscope"),
            objective=word("objective"),
            imager=word("imager"),
            species=word("species"),
            round=word("round") if word("round") in ROUNDS else "",
            mine=query.get("mine") == "1",
            words=word("q"),
            sort=word("sort") if word("sort") in SORTS else "",
            descending=query.get("dir") == "desc",
        )

    @property
    def is_filtered(self) -> bool:
        """Return True if batches are left out, whatever the order and the part."""
        asked = (self.microscope, self.objective, self.imager, self.species, self.round, self.words)
        return self.mine or any(asked)


def queue(wanted: Wanted, *, to: User) -> QuerySet[ImagingBatch]:
    """Return the batches of this person's queue that are asked for, with `there_since`: when they
    came to the part of the queue in which they are."""
    rows = selectors.imaging_queue(to=to).exclude(state=ImagingState.CANCELLED)
    rows = rows.select_related("clearing_batch__request__species", "clearing_batch__clearer")
    rows = rows.annotate(
        there_since=Case(
            When(state=ImagingState.WAITING, then=F("clearing_batch__state_since")),
            default=F("state_since"),
        ),
        first_microscope=_least("objective__microscope__label"),
        first_objective=_least("objective__position"),
    )
    return _filtered(rows, wanted, to).prefetch_related(
        "imaging_requests__resolutions__objective__microscope"
    )


def _least(column: str) -> Subquery:
    """Return the first value among the objectives of a batch, which its rows are sorted by."""
    rows = ImagingResolution.objects.filter(imaging_request__batch=OuterRef("pk")).order_by()
    found = rows.values("imaging_request__batch").annotate(least=Min(column))
    return Subquery(found.values("least"))


def _filtered(rows: QuerySet[ImagingBatch], wanted: Wanted, user: User) -> QuerySet[ImagingBatch]:
    if wanted.microscope or wanted.objective:
        rows = rows.filter(pk__in=_imaged_with(wanted).values("imaging_request__batch"))
    if wanted.species:
        rows = rows.filter(clearing_batch__request__species__name=wanted.species)
    if wanted.imager == NOBODY:
        rows = rows.filter(imager=None)
    elif wanted.imager:
        rows = rows.filter(imager__username=wanted.imager)
    if wanted.mine:
        rows = rows.filter(imager=user)
    if wanted.round:
        is_first = Q(imaging_request_number=1)
        rows = rows.filter(is_first if wanted.round == "first" else ~is_first)
    return rows.filter(_mentions(wanted.words)) if wanted.words else rows


def _imaged_with(wanted: Wanted) -> QuerySet[ImagingResolution]:
    rows = ImagingResolution.objects.order_by()
    if wanted.microscope:
        rows = rows.filter(objective__microscope__name=wanted.microscope)
    return rows.filter(objective__name=wanted.objective) if wanted.objective else rows


def _mentions(words: str) -> Q:
    tubes = ImagingBatch.objects.filter(
        Q(imaging_requests__sample__name__icontains=words)
        | Q(imaging_requests__sample__subject__name__icontains=words)
        | Q(imaging_requests__sample__code=words)
    )
    return (
        Q(clearing_batch__request__name__icontains=words)
        | Q(clearing_batch__request__owner__username__icontains=words)
        | Q(clearing_batch__request__owner__last_name__icontains=words)
        | Q(clearing_batch__request__lab__name__icontains=words)
        | Q(pk__in=tubes.order_by().values("pk"))
    )


def being_imaged(rows: QuerySet[ImagingBatch]) -> QuerySet[ImagingBatch]:
    return rows.filter(state=ImagingState.IN_PROGRESS)


def ready(rows: QuerySet[ImagingBatch]) -> QuerySet[ImagingBatch]:
    """Return what waits and is cleared."""
    return rows.filter(state=ImagingState.WAITING, clearing_batch__state=ClearingState.COMPLETE)


def in_clearing(rows: QuerySet[ImagingBatch]) -> QuerySet[ImagingBatch]:
    """Return what waits for its clearing."""
    waiting = rows.filter(state=ImagingState.WAITING)
    return waiting.exclude(clearing_batch__state=ClearingState.COMPLETE)


def imaged(rows: QuerySet[ImagingBatch]) -> QuerySet[ImagingBatch]:
    return rows.filter(state__in=OVER)


def ordered(
    rows: QuerySet[ImagingBatch], wanted: Wanted, *, newest_first: bool = False
) -> QuerySet[ImagingBatch]:
    """Return the rows as the person sorted them; else what waits longest, or was finished last.

    What has no value comes last in both directions.
    """
    if not wanted.sort:
        usual = ("-there_since", "-pk") if newest_first else ("there_since", "pk")
        return rows.order_by(*usual)
    column = SORTS[wanted.sort]
    towards = column.desc if wanted.descending else column.asc
    return rows.order_by(towards(nulls_last=True), "pk")


def imaging_staff() -> list[User]:
    """Return the people whose work is imaging, by name."""
    names = [Role.IMAGER.value, Role.MANAGER.value]
    rows = User.objects.filter(is_active=True, groups__name__in=names).distinct()
    return sorted(rows, key=lambda user: str(user).casefold())


def may_be_given(batch: ImagingBatch) -> list[User]:
    """Return who can be made the imager of this batch: staff, and a self-imaging owner."""
    staff, request = imaging_staff(), batch.clearing_batch.request
    owner = request.owner
    extra = [owner] if request.self_imaging and owner.is_active and owner not in staff else []
    return staff + extra


def imagers_in(rows: QuerySet[ImagingBatch]) -> list[User]:
    """Return who is the imager of anything in these rows."""
    names = rows.exclude(imager=None).order_by().values("imager")
    return list(User.objects.filter(pk__in=names).order_by("username"))


def microscopes_used() -> list[tuple[str, str]]:
    """Return (name, label) of the microscopes, for menus."""
    return list(Microscope.objects.order_by("label").values_list("name", "label"))


def objectives_used() -> list[str]:
    """Return the names of the objectives, in their order, for menus."""
    return list(Objective.objects.order_by("position", "name").values_list("name", flat=True))


def species_offered() -> list[tuple[str, str]]:
    return list(Species.objects.values_list("name", "label"))


def works_on(batch: ImagingBatch, user: User, *, is_staff: bool) -> bool:
    """Return True for imaging staff and a self-imaging owner; no query, for lists."""
    request = batch.clearing_batch.request
    is_self_imaged = request.self_imaging or batch.imager_id == user.pk
    return is_staff or (is_self_imaged and request.owner_id == user.pk)


@dataclass(frozen=True, slots=True)
class Hands:
    """Who has a batch, and what this person may press about it."""

    caution: str = ""
    can_claim: bool = False
    can_take_over: bool = False
    can_release: bool = False
    assignees: tuple[User, ...] = ()


def hands_of(batch: ImagingBatch, user: User) -> Hands:
    """Return what the page of a batch offers this person about who images it."""
    if batch.state in OVER or not selectors.may_image(batch, user):
        return Hands()
    staff = roles.has_role(user, Role.IMAGER, Role.MANAGER)
    is_theirs, is_free = batch.imager_id == user.pk, batch.imager_id is None
    waits = batch.state == ImagingState.WAITING
    return Hands(
        caution="" if is_theirs or is_free else _caution(batch),
        can_claim=is_free,
        can_take_over=staff and not is_theirs and not is_free,
        can_release=waits and not is_free and (staff or is_theirs),
        assignees=tuple(may_be_given(batch)) if staff else (),
    )


def _caution(batch: ImagingBatch) -> str:
    if batch.state == ImagingState.WAITING:
        return f"{batch.imager} has claimed this batch. Take it over only if that is agreed."
    return (
        f"{batch.imager} is imaging this batch. You can enter values as well; "
        "agree with each other first."
    )
