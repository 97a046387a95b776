"""The matrix of one sample: which volumes there are, and why the others are not there yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core_app.models import User
from imaging_app.models import ImagingChannel
from imaging_app.states import ImagingState
from processing_app import selectors as processing
from processing_app.failures import failure_of
from processing_app.models import Atlas, Product, Step
from processing_app.pipelines import MERGED_SHEETS
from processing_app.selectors import RunView
from processing_app.states import AttemptState, RunState
from requests_app.models import Sample
from viewers_app.described import atlases_of
from viewers_app.models import DataLayer
from viewers_app.rounds import Rounds, rounds_of
from viewers_app.selectors import TO_SAMPLE, visible_layers

SIDES = ("left", "right", "")
WHY_NOT = {
    RunState.PLANNED: ("progress", "Converting"),
    RunState.RUNNING: ("progress", "Converting"),
    RunState.FAILED: ("failed", "Failed"),
    RunState.CANCELLED: ("skipped", "Canceled"),
    RunState.SUCCEEDED: ("skipped", "Not made"),
}
OUTDATED = ("needs-you", "Out of date: imaging is open again")
NOT_STARTED = ("waiting", "Not converted yet")
# What is made of the registration channel, or of channels with cells, alone.
OF_ONE_CHANNEL = frozenset({Product.Kind.RAW_ATLAS, Product.Kind.CELLS})
OF_ANOTHER = ("skipped", "Of another channel")

# Channel id, kind of product, light sheet.
Place = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """One product, of one light sheet or of both."""

    kind: str
    side: str

    @property
    def label(self) -> str:
        return f"{Product.Kind(self.kind).label} {self.side}".strip()


@dataclass(frozen=True, slots=True)
class Cell:
    """A volume to tick, or the reason why there is none: `token` is its icon, `why` its words.

    `atlas` can be laid over the volume. `run` was to make it: `percent` of it is done, or it
    failed for the reason in `detail`.
    """

    layer: DataLayer | None
    token: str = ""
    why: str = ""
    atlas: Atlas | None = None
    run: RunView | None = None
    detail: str = ""

    @property
    def percent(self) -> int:
        """Return how much of the run is done, while it is at work."""
        return self.run.percent if self.run and self.run.is_active else 0


@dataclass(frozen=True, slots=True)
class Line:
    """One channel."""

    channel: ImagingChannel
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """One objective in one orientation of one round of imaging."""

    label: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a sample's volumes: to be seen, meant to be made by runs, made at all."""

    layers: dict[Place, DataLayer]
    atlases: dict[int, Atlas]
    runs: dict[Place, RunView]
    made: frozenset[Place]


def matrices_of(sample: Sample, *, to: User, rounds: Rounds | None = None) -> list[Matrix]:
    """Return one matrix for each objective and orientation of each round of imaging.

    Of rounds of processing it shows the one chosen.
    """
    rounds = rounds or rounds_of(sample)
    layers = _layers_of(sample, to, rounds)
    atlases = atlases_of(layer.product for layer in layers.values())
    known = Known(layers, atlases, _runs_of(sample, to, rounds), _made_of(sample))
    groups: dict[tuple[int, bool], list[ImagingChannel]] = {}
    for channel in _channels_of(sample):
        groups.setdefault((channel.resolution_id, channel.ventral_up), []).append(channel)
    return [_matrix(channels, known) for channels in groups.values()]


def _channels_of(sample: Sample) -> Iterable[ImagingChannel]:
    rows = ImagingChannel.objects.filter(resolution__imaging_request__sample=sample)
    return rows.select_related(
        "wavelength", "resolution__objective__microscope", "resolution__imaging_request"
    ).order_by(
        "resolution__imaging_request__number",
        "resolution__objective__position",
        "ventral_up",
        "wavelength__position",
    )


def _layers_of(sample: Sample, to: User, rounds: Rounds) -> dict[Place, DataLayer]:
    rows = visible_layers(to=to).filter(**{TO_SAMPLE: sample}).order_by("product__step__run_id")
    return {
        (x.product.channel_id, x.product.kind, x.product.side): x
        for x in rows
        if rounds.has(x.product.step.run)
    }


def _runs_of(sample: Sample, to: User, rounds: Rounds) -> dict[Place, RunView]:
    """Return the newest run that is, or was, to make each volume."""
    rows = processing.visible_runs(to=to).filter(imaging_request__sample=sample)
    runs = [processing.overview(run) for run in processing.with_steps(rows).order_by("pk")]
    return {
        _place(view.step): run
        for run in runs
        if rounds.has(run.run)
        for view in run.steps
        if view.step.product
    }


def _made_of(sample: Sample) -> frozenset[Place]:
    """Return the volumes there are on storage, up to date or not."""
    rows = Product.objects.filter(
        retired_at=None, channel__resolution__imaging_request__sample=sample
    )
    return frozenset(rows.values_list("channel_id", "kind", "side"))


def _place(step: Step) -> Place:
    made = step.product
    return (int(made["channel"]), str(made["kind"]), str(made.get("side", "")))


def _matrix(channels: Sequence[ImagingChannel], known: Known) -> Matrix:
    columns = _columns(channels, known)
    lines = tuple(
        Line(channel, tuple(_cell(channel, column, known) for column in columns))
        for channel in channels
    )
    return Matrix(_label(channels[0]), columns, lines)


def _label(channel: ImagingChannel) -> str:
    round_number = channel.resolution.imaging_request.number
    up = "ventral up" if channel.ventral_up else "dorsal up"
    again = f", imaging round {round_number}" if round_number > 1 else ""
    return f"{channel.resolution.objective.name}, {up}{again}"


def _columns(channels: Sequence[ImagingChannel], known: Known) -> tuple[Column, ...]:
    """Return what exists or is planned here, and raw volumes of untiled scans in any case."""
    ids = {channel.pk for channel in channels}
    found = {(kind, side) for place, kind, side in (*known.layers, *known.runs) if place in ids}
    for channel in channels:
        if channel.tile_columns == channel.tile_rows == 1:
            found |= {("raw", side) for side in _sides_of(channel)}
    kinds = list(Product.Kind.values)
    ordered = sorted(found, key=lambda column: (kinds.index(column[0]), SIDES.index(column[1])))
    return tuple(Column(kind, side) for kind, side in ordered)


def _sides_of(channel: ImagingChannel) -> Sequence[str]:
    """Return the sheets that get a volume each; "" where the microscope has merged them."""
    layout = channel.resolution.objective.microscope.layout
    return ("",) if layout in MERGED_SHEETS else channel.sides


def _cell(channel: ImagingChannel, column: Column, known: Known) -> Cell:
    place = (channel.pk, column.kind, column.side)
    layer = known.layers.get(place)
    if layer:
        return Cell(layer, atlas=known.atlases.get(layer.product_id))
    if place in known.made and _is_open_again(channel):
        return Cell(None, *OUTDATED)
    run = known.runs.get(place)
    if run is None and column.kind in OF_ONE_CHANNEL and _is_elsewhere(column, known):
        return Cell(None, *OF_ANOTHER)
    return _cell_without(channel, column.side, run)


def _is_elsewhere(column: Column, known: Known) -> bool:
    """Return True if it is made of another channel, so that nobody waits for it here."""
    return any(kind == column.kind for _, kind, _ in (*known.layers, *known.runs))


def _is_open_again(channel: ImagingChannel) -> bool:
    return channel.resolution.imaging_request.state == ImagingState.IN_PROGRESS


def _cell_without(channel: ImagingChannel, side: str, run: RunView | None) -> Cell:
    imaging = channel.resolution.imaging_request.state
    if side and side not in channel.sides:
        return Cell(None, "skipped", "Sheet not used")
    if imaging in {ImagingState.SKIPPED, ImagingState.CANCELLED}:
        return Cell(None, "skipped", "Not imaged")
    if run:
        return Cell(None, *WHY_NOT[RunState(run.run.state)], run=run, detail=_failure_of(run))
    if imaging != ImagingState.COMPLETE:
        return Cell(None, "waiting", "Not imaged yet")
    return Cell(None, *NOT_STARTED)


def _failure_of(run: RunView) -> str:
    """Return in a few words why a run failed."""
    if run.run.state != RunState.FAILED:
        return ""
    failed = [step.latest for step in run.steps if step.state == AttemptState.FAILED]
    return next((failure_of(attempt.reason).words for attempt in failed if attempt), "")
