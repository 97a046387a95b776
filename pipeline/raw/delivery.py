"""The words of a raw delivery: what was asked for, what was found, what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import inf
from typing import TYPE_CHECKING, TypeVar, cast

from pipeline.errors import BadInput
from pipeline.parameters import MOST_COUNT
from pipeline.raw.layouts import LAVISION, LAYOUTS, SHEETS, Sheet, sheet_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.contract import Json, JsonDict, Problem

_T = TypeVar("_T", str, int, bool)


@dataclass(frozen=True, slots=True)
class ExpectedChannel:
    """One requested channel: `planes` z planes per tile of columns x rows and per sheet used.

    `name` is the wavelength in nm. `filter_index` is the Filter number of LaVision names or the Em
    index of SmartSPIM folders. The last three are compared with the metadata; None is not compared.
    """

    name: str
    filter_index: int
    left: bool
    right: bool
    columns: int
    rows: int
    planes: int
    z_step_um: float | None = None
    overlap: float | None = None
    pixel_um: float | None = None

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        used = {"left": self.left, "right": self.right}
        return tuple(sheet for sheet in SHEETS if used[sheet])


@dataclass(frozen=True, slots=True)
class Expected:
    """All channels that share one delivery folder of one layout."""

    channels: tuple[ExpectedChannel, ...]
    layout: str = LAVISION

    @classmethod
    def from_json(cls, value: Json, *, layout: str = LAVISION) -> Expected:
        """Read the `channels` parameter of a spec; raise BadInput for anything malformed."""
        if not isinstance(value, list) or not value:
            raise BadInput("The parameter channels must be a list with at least one channel.")
        if layout not in LAYOUTS:
            raise BadInput(f"The layout must be one of {', '.join(LAYOUTS)}, not {layout!r}.")
        return cls(tuple(_channel(item) for item in value), layout)

    def sheets_of(self, channel: ExpectedChannel) -> dict[int, str]:
        """Code in the file names -> light sheet; SmartSPIM merges its sheets itself."""
        if self.layout == LAVISION:
            codes = channel.sheets
            return {sheet_code(s, left=channel.left, right=channel.right): s for s in codes}
        return {0: "both" if len(channel.sheets) > 1 else channel.sheets[0]}

    def to_json(self) -> list[Json]:
        return [cast("Json", asdict(channel)) for channel in self.channels]


@dataclass(frozen=True, slots=True)
class GroupCount:
    """Planes found and wanted for one channel, sheet and tile."""

    channel: str
    sheet: str
    tile_row: int
    tile_column: int
    found: int
    expected: int


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Everything one look at a folder says. `ok` is true if there is no problem but waived ones.

    `acquired` are facts found in names and metadata, each with its source. `folders` are the times
    of the last change of every folder looked at, ns, by name relative to the raw folder.
    """

    ok: bool
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    counts: tuple[GroupCount, ...]
    plane_shape: tuple[int, int] | None  # (y, x)
    dtype: str
    files: int
    bytes: int
    ignored_files: int
    waived: frozenset[str] = frozenset()
    acquired: JsonDict = field(default_factory=dict)
    first_at: str = ""
    last_at: str = ""
    folders: dict[str, int] = field(default_factory=dict)
    absent: tuple[JsonDict, ...] = ()

    def to_json(self) -> JsonDict:
        return {
            "ok": self.ok,
            "problems": [
                {**asdict(problem), "waived": problem.key in self.waived}
                for problem in self.problems
            ],
            "notes": list(self.notes),
            "counts": [cast("Json", asdict(count)) for count in self.counts],
            "plane_shape": list(self.plane_shape) if self.plane_shape else None,
            "dtype": self.dtype,
            "files": self.files,
            "bytes": self.bytes,
            "ignored_files": self.ignored_files,
            "acquired": self.acquired,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "folders": dict(self.folders),
            "absent": list(self.absent),
        }


def _channel(value: Json) -> ExpectedChannel:
    if not isinstance(value, dict):
        raise BadInput("Each channel must be a JSON object.")
    known = set(ExpectedChannel.__dataclass_fields__)
    if set(value) != known:
        raise BadInput(f"A channel needs exactly these fields: {', '.join(sorted(known))}.")
    channel = ExpectedChannel(
        name=_typed(value, "name", str),
        filter_index=_typed(value, "filter_index", int),
        left=_typed(value, "left", bool),
        right=_typed(value, "right", bool),
        columns=_typed(value, "columns", int),
        rows=_typed(value, "rows", int),
        planes=_typed(value, "planes", int),
        z_step_um=_number_or_none(value, "z_step_um"),
        overlap=_number_or_none(value, "overlap"),
        pixel_um=_number_or_none(value, "pixel_um"),
    )
    _require_sense(channel)
    return channel


def _typed(value: Mapping[str, Json], key: str, kind: type[_T]) -> _T:
    found = value[key]
    if type(found) is not kind:
        raise BadInput(f"The channel field {key} must be of type {kind.__name__}, not {found!r}.")
    return found


def _number_or_none(value: Mapping[str, Json], key: str) -> float | None:
    found = value[key]
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < inf:
        raise BadInput(f"The channel field {key} must be a number or null, not {found!r}.")
    return float(found)


def _require_sense(channel: ExpectedChannel) -> None:
    if min(channel.columns, channel.rows, channel.planes) < 1 or channel.filter_index < 0:
        raise BadInput(f"Channel {channel.name} needs at least one column, row and plane.")
    most = max(channel.columns * channel.rows, channel.planes, channel.filter_index)
    if most > MOST_COUNT:
        raise BadInput(
            f"Channel {channel.name} has a count of {most!r:.40}; at most {MOST_COUNT:,} tiles or "
            "planes can be. Correct it on the imaging page."
        )
    if not channel.sheets:
        raise BadInput(f"Channel {channel.name} uses neither the left nor the right light sheet.")
