"""Reads of one imaging batch: its channels as rows for all samples, and where samples differ."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core_app import roles
from core_app.models import Event, User
from core_app.roles import Role
from imaging_app import selectors
from imaging_app.edits import Place
from imaging_app.models import (
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
    Microscope,
    Objective,
    Wavelength,
)
from imaging_app.rules import SETTING_FIELDS, Setting, line_words
from imaging_app.states import ImagingState

OPEN = frozenset({ImagingState.WAITING, ImagingState.IN_PROGRESS})
REMOVED = "requested channel removed"

ByPlace = dict[Place, list[ImagingChannel]]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One channel of a batch: what most of its open samples have, and how many have it."""

    place: Place
    channel: ImagingChannel
    usual: Setting
    purposes: tuple[str, ...]
    having: int
    of: int
    differing: tuple[str, ...]
    has_twin: bool

    @property
    def purpose_words(self) -> str:
        return purposes_in_words(self.purposes)

    @property
    def words(self) -> str:
        return setting_in_words(self.usual)


@dataclass(frozen=True, slots=True)
class BatchBlock:
    """One objective in one orientation of the brain, with its channels."""

    objective: Objective
    ventral_up: bool
    rows: list[BatchRow]
    free_lines: list[Wavelength]

    @property
    def key(self) -> str:
        return f"{self.objective.pk}-{'v' if self.ventral_up else 'd'}"


@dataclass(frozen=True, slots=True)
class Deviation:
    """What one sample has otherwise than its batch, in words."""

    imaging_request: ImagingRequest
    words: list[str]


def samples_of(batch: ImagingBatch) -> list[ImagingRequest]:
    """Return the rounds of imaging of the batch in the order of their samples."""
    rows = batch.imaging_requests.select_related(
        "sample__request__owner", "batch__clearing_batch__request"
    )
    return list(rows.order_by("sample__position", "pk"))


def changeable(
    batch: ImagingBatch, samples: Sequence[ImagingRequest], *, by: User
) -> list[ImagingRequest]:
    """Return the samples whose channels this person may change: can_change_channels for a batch.

    Who may what is asked once, not for each sample.
    """
    states = {ImagingState.IN_PROGRESS} if selectors.may_image(batch, by) else set()
    if roles.has_role(by, Role.IMAGER, Role.MANAGER):
        states.add(ImagingState.WAITING)
    return [one for one in samples if one.state in states]


def channels_by_sample(samples: Sequence[ImagingRequest]) -> dict[int, list[ImagingChannel]]:
    """Return {imaging request id: its channels} in one query."""
    rows = ImagingChannel.objects.filter(resolution__imaging_request__in=samples)
    rows = rows.select_related(
        "wavelength", "resolution__objective__microscope", "resolution__imaging_request"
    )
    found: dict[int, list[ImagingChannel]] = {one.pk: [] for one in samples}
    for channel in rows.order_by(
        "resolution__objective__position", "ventral_up", "wavelength__position"
    ):
        found[channel.resolution.imaging_request_id].append(channel)
    return found


def place_of(channel: ImagingChannel) -> Place:
    """Return the place that this channel has in every sample of its batch."""
    return Place(channel.resolution.objective_id, channel.wavelength_id, channel.ventral_up)


def words_of(channel: ImagingChannel) -> str:
    """Return "488 at 1.3x", or "488 ventral up at 1.3x"."""
    return line_words(
        channel.wavelength.name, channel.resolution.objective.name, ventral_up=channel.ventral_up
    )


def purposes_in_words(purposes: Iterable[str]) -> str:
    return ", ".join(purpose.replace("_", " ") for purpose in purposes)


def setting_of(channel: ImagingChannel) -> Setting:
    """Return what of a channel a batch sets."""
    return Setting(**{name: getattr(channel, name) for name in SETTING_FIELDS})


def by_place(channels: Iterable[ImagingChannel]) -> ByPlace:
    """Group the channels of several samples by their place."""
    found: ByPlace = defaultdict(list)
    for channel in channels:
        found[place_of(channel)].append(channel)
    return dict(found)


def blocks_of(channels: Mapping[int, Sequence[ImagingChannel]]) -> list[BatchBlock]:
    """Return the channels of these samples as blocks of rows, by objective and orientation."""
    groups = by_place(channel for group in channels.values() for channel in group)
    blocks: dict[tuple[int, bool], list[BatchRow]] = defaultdict(list)
    for place, found in sorted(groups.items(), key=lambda pair: _order(pair[1][0])):
        blocks[(place.objective, place.ventral_up)].append(
            _row(place, found, len(channels), place._replace(ventral_up=True) in groups)
        )
    lines = _lines_of(rows[0].channel for rows in blocks.values())
    return [_block(rows, lines) for rows in blocks.values()]


def _order(channel: ImagingChannel) -> tuple[object, ...]:
    objective = channel.resolution.objective
    return (objective.position, objective.name, channel.ventral_up, channel.wavelength.position)


def _row(place: Place, found: Sequence[ImagingChannel], samples: int, has_twin: bool) -> BatchRow:  # noqa: FBT001  # private
    settings = [setting_of(channel) for channel in found]
    values = {name: Counter(getattr(s, name) for s in settings) for name in SETTING_FIELDS}
    purposes = Counter(channel.purposes for channel in found)
    return BatchRow(
        place=place,
        channel=found[0],
        usual=Setting(**{name: count.most_common(1)[0][0] for name, count in values.items()}),
        purposes=purposes.most_common(1)[0][0],
        having=len(found),
        of=samples,
        differing=tuple(NAMES[name] for name, count in values.items() if len(count) > 1),
        has_twin=has_twin and not place.ventral_up,
    )


def _lines_of(channels: Iterable[ImagingChannel]) -> dict[int, list[Wavelength]]:
    microscopes = {channel.resolution.objective.microscope_id for channel in channels}
    found: dict[int, list[Wavelength]] = defaultdict(list)
    for line in Wavelength.objects.filter(microscope__in=microscopes).order_by("position"):
        found[line.microscope_id].append(line)
    return found


def _block(rows: list[BatchRow], lines: Mapping[int, list[Wavelength]]) -> BatchBlock:
    objective = rows[0].channel.resolution.objective
    used_everywhere = {row.place.wavelength for row in rows if row.having == row.of}
    return BatchBlock(
        objective=objective,
        ventral_up=rows[0].place.ventral_up,
        rows=rows,
        free_lines=[w for w in lines[objective.microscope_id] if w.pk not in used_everywhere],
    )


NAMES = {
    "z_step_um": "z step",
    "left_sheet": "left sheet",
    "right_sheet": "right sheet",
    "tile_columns": "tile columns",
    "tile_rows": "tile rows",
    "tile_overlap": "overlap",
    "orientation": "orientation",
    "zoom": "zoom",
}


def difference(given: Setting, other: Setting) -> str:
    """Return in words what differs: "z step 5 µm instead of 10 µm, overlap 0.1 instead of 0"."""
    words = [
        f"{name} {one} instead of {two}"
        for (name, one), two in zip(_spoken(given), [w for _, w in _spoken(other)], strict=True)
        if one != two
    ]
    return ", ".join(words)


def _spoken(setting: Setting) -> list[tuple[str, str]]:
    sheets = {(True, True): "both", (True, False): "left", (False, True): "right"}
    return [
        ("orientation", setting.orientation),
        ("sheets", sheets.get((setting.left_sheet, setting.right_sheet), "none")),
        ("tiles", f"{setting.tile_columns} x {setting.tile_rows}"),
        ("overlap", f"{setting.tile_overlap:g}"),
        ("z step", f"{setting.z_step_um:g} µm"),
        ("zoom", f"{setting.zoom:g}"),
    ]


def setting_in_words(setting: Setting) -> str:
    """Return all of a setting in one line."""
    return ", ".join(f"{name} {value}" for name, value in _spoken(setting))


def deviations_of(
    samples: Sequence[ImagingRequest],
    channels: Mapping[int, Sequence[ImagingChannel]],
    rows: Sequence[BatchRow],
) -> list[Deviation]:
    """Return, for each sample that has anything otherwise than the batch, what."""
    found = [
        Deviation(one, _deviating(by_place(channels[one.pk]), rows))
        for one in samples
        if one.pk in channels
    ]
    return [deviation for deviation in found if deviation.words]


def _deviating(own: ByPlace, rows: Sequence[BatchRow]) -> list[str]:
    words = []
    for row in rows:
        name, is_usual = words_of(row.channel), 2 * row.having > row.of
        channel = own[row.place][0] if row.place in own else None
        if channel is None:
            words += [f"no {name}"] if is_usual else []
            continue
        words += [] if is_usual else [f"also {name}"]
        other = difference(setting_of(channel), row.usual)
        words += [f"{name}: {other}"] if other else []
        if channel.purposes != row.purposes:
            usual = purposes_in_words(row.purposes)
            words.append(f"{name}: for {purposes_in_words(channel.purposes)} instead of {usual}")
    return words


def microscopes_of(channels: Mapping[int, Sequence[ImagingChannel]]) -> list[Microscope]:
    """Return the microscopes that these samples go to, each once."""
    every = [c.resolution.objective.microscope for group in channels.values() for c in group]
    return list({microscope.pk: microscope for microscope in every}.values())


def reasons_of(samples: Sequence[ImagingRequest]) -> dict[int, str]:
    """Return {imaging request id: why it was skipped}."""
    skipped = [one.pk for one in samples if one.state == ImagingState.SKIPPED]
    events = Event.objects.filter(
        kind=ImagingRequest.KIND, object_id__in=skipped, to=ImagingState.SKIPPED
    )
    return dict(events.order_by("pk").values_list("object_id", "note"))


def removals_of(
    samples: Sequence[ImagingRequest], channels: Mapping[int, Sequence[ImagingChannel]]
) -> dict[int, list[Event]]:
    """Return {imaging request id: requested channels that were taken out and are not back}."""
    events = Event.objects.filter(
        kind=ImagingRequest.KIND, object_id__in=[one.pk for one in samples], verb=REMOVED
    )
    found: dict[int, list[Event]] = defaultdict(list)
    for event in events.select_related("by").order_by("pk"):
        here = {words_of(channel) for channel in channels[event.object_id]}
        if event.note.partition(",")[0] not in here:
            found[event.object_id].append(event)
    return dict(found)


def imager_notes_of(samples: Sequence[ImagingRequest]) -> list[ImagingResolution]:
    """Return the objectives of these samples that have notes for the imager."""
    rows = ImagingResolution.objects.filter(imaging_request__in=samples)
    rows = rows.exclude(notes_for_imager="").select_related("imaging_request__sample", "objective")
    return list(rows.order_by("imaging_request__sample__position", "objective__position"))


def free_lines(resolution: ImagingResolution, *, ventral_up: bool = False) -> list[Wavelength]:
    """Return the lines of the microscope that a sample does not use yet at this objective."""
    used = resolution.channels.filter(ventral_up=ventral_up).values("wavelength")
    rows = Wavelength.objects.filter(microscope=resolution.objective.microscope_id)
    return list(rows.exclude(pk__in=used).order_by("position"))


def other_objectives(imaging_request: ImagingRequest) -> list[Objective]:
    """Return the offered objectives that a round does not use yet."""
    used = imaging_request.resolutions.values("objective")
    return list(selectors.offered_objectives().exclude(pk__in=used))
