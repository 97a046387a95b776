"""Reads for the log of imaging: what was acquired, channel by channel, and where it lies."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import F, Prefetch, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Lower

from core_app.models import Event, Lab, User
from imaging_app.models import DeliveryWaiver, ImagingChannel, ImagingRequest, RawDelivery
from imaging_app.states import ImagingState
from requests_app.selectors import visible_requests

ROUND = "resolution__imaging_request"
ORDER = f"{ROUND}__sample__request"
SORTS: dict[str, F | Lower] = {
    "imaged": F(f"{ROUND}__performed_on"),
    "request": Lower(f"{ORDER}__name"),
    "owner": Lower(f"{ORDER}__owner__username"),
    "lab": Lower(f"{ORDER}__lab__name"),
    "sample": Lower(f"{ROUND}__sample__name"),
    "round": F(f"{ROUND}__number"),
    "microscope": Lower("resolution__objective__microscope__label"),
    "objective": F("resolution__objective__position"),
    "channel": F("wavelength__name"),
    "planes": F("z_planes"),
    "step": F("z_step_um"),
    "imager": Lower(f"{ROUND}__batch__imager__username"),
}
EXACT = {
    "lab": f"{ORDER}__lab__name",
    "owner": f"{ORDER}__owner__username",
    "microscope": "resolution__objective__microscope__name",
    "objective": "resolution__objective__name",
    "channel": "wavelength__name",
    "imager": f"{ROUND}__batch__imager__username",
}
APERTURE = "report__acquired__folder__numerical_aperture__value"
MOST_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One channel as it was acquired, with the delivery that holds it and what was accepted."""

    channel: ImagingChannel
    delivery: RawDelivery | None
    waivers: tuple[DeliveryWaiver, ...]

    @property
    def imaging_request(self) -> ImagingRequest:
        return self.channel.resolution.imaging_request

    @property
    def pixel_um(self) -> float:
        """Return the xy pixel size in µm."""
        return self.channel.voxel_um[0]

    @property
    def tiles(self) -> str:
        """Return columns x rows."""
        return f"{self.channel.tile_columns}x{self.channel.tile_rows}"

    @property
    def numerical_aperture(self) -> float | None:
        """Return what the files of the delivery say, if they say it."""
        found = getattr(self.delivery, "aperture", None)
        return None if found is None else float(found)

    @property
    def verdict(self) -> str:
        if self.delivery is None:
            return "not checked"
        if not self.delivery.is_right:
            return "not right"
        return "right, with what was accepted" if self.waivers else "right"


def logged_channels(*, to: User) -> QuerySet[ImagingChannel]:
    """Return the channels of finished imaging that this person may read."""
    rows = ImagingChannel.objects.filter(
        resolution__imaging_request__state=ImagingState.COMPLETE,
        resolution__imaging_request__sample__request__in=visible_requests(to=to),
    )
    return with_facts(rows)


def with_facts(rows: QuerySet[ImagingChannel]) -> QuerySet[ImagingChannel]:
    """Add what a line of the log names, in a fixed number of queries."""
    rows = rows.select_related(
        "wavelength", "resolution__objective__microscope",
        f"{ORDER}__owner", f"{ORDER}__lab", f"{ORDER}__species", f"{ROUND}__sample__subject",
        f"{ROUND}__batch__imager", f"{ROUND}__batch__clearing_batch__protocol",
    )  # fmt: skip
    # Of the report one part is read: it may hold thousands of counts.
    deliveries = RawDelivery.objects.annotate(aperture=KT(APERTURE))
    deliveries = deliveries.defer("report", "expected", "problems", "verification")
    return rows.prefetch_related(
        Prefetch("resolution__deliveries", queryset=deliveries.select_related("checked_by")),
        Prefetch("resolution__waivers", queryset=DeliveryWaiver.objects.select_related("by")),
    )


def filtered(
    rows: QuerySet[ImagingChannel],
    filters: dict[str, str],
    words: str,
    *,
    first: date | None,
    last: date | None,
) -> QuerySet[ImagingChannel]:
    """Return the rows that the filters name, imaged between the two days, both included."""
    chosen = {EXACT[key]: value for key, value in filters.items() if key in EXACT and value}
    rows = rows.filter(**chosen)
    if first:
        rows = rows.filter(resolution__imaging_request__performed_on__gte=first)
    if last:
        rows = rows.filter(resolution__imaging_request__performed_on__lte=last)
    return rows.filter(_mentions(words)) if words else rows


def _mentions(words: str) -> Q:
    names = (
        f"{ORDER}__name", f"{ORDER}__owner__username", f"{ROUND}__sample__name",
        f"{ROUND}__sample__subject__name", "raw_subfolder",
    )  # fmt: skip
    found = Q()
    for name in names:
        found |= Q(**{f"{name}__icontains": words})
    return found


def ordered(
    rows: QuerySet[ImagingChannel], sort: str, *, descending: bool
) -> QuerySet[ImagingChannel]:
    """Return the rows by one column, what has no value last; then as a sample is read."""
    column = SORTS.get(sort, SORTS["imaged"])
    towards = column.desc if descending else column.asc
    return rows.order_by(
        towards(nulls_last=True), f"-{ROUND}", "resolution__objective__position", "ventral_up",
        "wavelength__position", "pk",
    )  # fmt: skip


def lines_of(channels: Iterable[ImagingChannel]) -> Iterator[Line]:
    """Return the lines of channels read with_facts(); no query."""
    for channel in channels:
        place = (channel.ventral_up, channel.raw_subfolder)
        resolution = channel.resolution
        held = [d for d in resolution.deliveries.all() if (d.ventral_up, d.subfolder) == place]
        accepted = [w for w in resolution.waivers.all() if (w.ventral_up, w.subfolder) == place]
        yield Line(channel, held[0] if held else None, tuple(accepted))


def lines_of_request(imaging_request: ImagingRequest) -> list[Line]:
    """Return the log of one sample's round, by objective, orientation and wavelength."""
    rows = ImagingChannel.objects.filter(resolution__imaging_request=imaging_request)
    rows = rows.order_by("resolution__objective__position", "ventral_up", "wavelength__position")
    return list(lines_of(with_facts(rows)))


def deliveries_in(lines: Sequence[Line]) -> list[Line]:
    """Return one line for each delivery: channels of one folder were delivered together."""
    found = {line.delivery.pk: line for line in reversed(lines) if line.delivery}
    return list(reversed(found.values()))


def events_of(imaging_request: ImagingRequest) -> list[Event]:
    """Return what happened to the sample's round and to its batch, newest first."""
    batch = imaging_request.batch
    rows = Event.objects.filter(
        Q(kind=imaging_request.KIND, object_id=imaging_request.pk)
        | Q(kind=batch.KIND, object_id=batch.pk)
    )
    rows = rows.exclude(verb="created").select_related("by").order_by("-id")
    return list(rows[:MOST_EVENTS])


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters of the log offer this person: values and labels."""

    lab: list[tuple[str, str]]
    owner: list[tuple[str, str]]
    microscope: list[tuple[str, str]]
    objective: list[tuple[str, str]]
    channel: list[tuple[str, str]]
    imager: list[tuple[str, str]]


def choices_in(rows: QuerySet[ImagingChannel]) -> Choices:
    """Return what occurs in these rows, so that no filter finds nothing."""

    def values(*names: str) -> list[tuple[str, str]]:
        found = rows.order_by().values_list(*names).distinct()
        pairs = {(str(row[0]), str(row[-1])) for row in found if row[0] is not None}
        return sorted(pairs, key=lambda pair: pair[1].casefold())

    labs = Lab.objects.filter(pk__in=rows.order_by().values(f"{ORDER}__lab"))
    return Choices(
        lab=sorted((lab.name, lab.name) for lab in labs),
        owner=_people(rows, f"{ORDER}__owner"),
        microscope=values(
            "resolution__objective__microscope__name", "resolution__objective__microscope__label"
        ),
        objective=values("resolution__objective__name"),
        channel=values("wavelength__name"),
        imager=_people(rows, f"{ROUND}__batch__imager"),
    )


def _people(rows: QuerySet[ImagingChannel], path: str) -> list[tuple[str, str]]:
    people = User.objects.filter(pk__in=rows.order_by().values(path)).order_by("username")
    return [(user.username, str(user)) for user in people]
