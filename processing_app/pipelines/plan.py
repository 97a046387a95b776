"""A plan that grows: steps with keys of their own, and where everything of one place lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.orientation import Axes, orientation_name
from processing_app.choices import COMPRESSION, EXPORT
from processing_app.pipelines.parts import Channel, Delivery, Json, PlannedStep, Size, key_of

# Volumes of full size that a run ends with; one of them per channel is copied if that is chosen.
EXPORTED = frozenset({"blended", "corrected"})


# Long stacks are made in parts by the tasks of an array, of about so many planes each.
PLANES_OF_A_TASK, MOST_TASKS = 500, 64


@dataclass(frozen=True, slots=True)
class Reference:
    """An atlas that is installed: paths below the data root, voxel size and axes of its volumes."""

    name: str
    template: str
    annotation: str
    tree: str
    voxel_um: tuple[float, float, float]
    axes: Axes


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of one objective and side: the atlas, and how results without one lie."""

    reference: Reference | None
    axes: Axes


@dataclass(frozen=True, slots=True)
class Wanted:
    """One round of processing: its number, and what is wanted of each place by its folder name."""

    number: int
    wishes: Mapping[str, Wish] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stack:
    """One channel as one folder of planes, made by the step `key` ("" if it is there already)."""

    channel: Channel
    subfolder: str
    folder: str
    key: str
    # The downsized volume, if the step that made the planes made it as well.
    downsized: str = ""
    plane_yx: Size | None = None

    @property
    def code(self) -> str:
        return f"ch{self.channel.filter_index:02d}"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.key,) if self.key else ()


@dataclass(slots=True)
class Plan:
    """The steps of one run while they are planned. `folder` is that of the round of imaging.

    `chosen` has a value for each choice of the pipeline.
    """

    folder: str
    chosen: Mapping[str, str]
    number: int = 0
    several: bool = False
    steps: list[PlannedStep] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def add(
        self,
        what: str,
        resolution: str,
        *,
        name: str,
        label: str,
        inputs: dict[str, Json],
        parameters: dict[str, Json],
        outputs: dict[str, str],
        needs: Sequence[str] = (),
        product: dict[str, Json] | None = None,
        artifact: dict[str, Json] | None = None,
        plane_yx: Size | None = None,
        planes: int = 0,
    ) -> PlannedStep:
        """Add one step; its key is made of what it does and, if there are several, of the place.

        `planes` says how many it makes, if it makes one after the other. Of many an array of tasks
        makes them first; the step takes them over and makes whatever is missing, so it is right
        whatever became of them.
        """
        place = f"-{resolution.removeprefix('resolution_')}" if self.several else ""
        step = PlannedStep(
            key=key_of(f"{what}{place}", self._taken),
            name=name,
            label=label,
            inputs=inputs,
            parameters=parameters,
            outputs=outputs,
            needs=tuple(dict.fromkeys(needs)),
            product=product or {},
            artifact=artifact or {},
            plane_yx=plane_yx,
        )
        tasks = min(planes // PLANES_OF_A_TASK, MOST_TASKS)
        if tasks > 1:
            key = key_of(f"{what}-parts{place}", self._taken)
            label = f"{label}, in {tasks} parts"
            self.steps.append(replace(step, key=key, label=label, tasks=tasks))
            step = replace(step, needs=(*step.needs, key))
        self.steps.append(step)
        return step

    def add_volume(
        self,
        kind: str,
        resolution: str,
        stack: Stack,
        *,
        side: str = "",
        layout: str = "planes",
        source: str = "",
        voxel_um: tuple[float, float, float] | None = None,
        axes: Axes | None = None,
        needs: Sequence[str] | None = None,
    ) -> PlannedStep:
        """Add the step that makes a channel's planes, or another volume of it, viewable.

        With it comes the one that copies it for other programs, if that is chosen.
        """
        channel = stack.channel
        sheet = f", {side} light sheet" if side else ""
        step = self.add(
            f"view-{kind}-{channel.name}{f'-{side}' if side else ''}",
            resolution,
            name="precompute",
            label=f"Make the {kind} volume of {channel.name} nm{sheet} for viewing",
            needs=stack.needs if needs is None else needs,
            inputs={"folder": source or stack.folder, "layout": layout},
            parameters={
                "voxel_um": list(voxel_um or channel.voxel_um),
                "channel": channel.name,
                "color": channel.color,
                "compression": self.chosen[COMPRESSION.key],
            },
            outputs={"volume": self.view(kind, resolution, channel, side)},
            product={
                "kind": kind, "channel": channel.id, "side": side,
                "orientation": orientation_name(axes or channel.axes),
            },
        )  # fmt: skip
        if kind in EXPORTED and self.chosen[EXPORT.key] == "ome-zarr":
            self._export(resolution, stack, step)
        return step

    def _export(self, resolution: str, stack: Stack, volume: PlannedStep) -> None:
        channel = stack.channel
        place = f"{self.output(resolution)}/{stack.subfolder}_{stack.code}.ome.zarr"
        self.add(
            f"export-{channel.name}",
            resolution,
            name="export_zarr",
            label=f"Copy {channel.name} nm as OME-Zarr",
            needs=(volume.key,),
            inputs={"volume": volume.outputs["volume"]},
            parameters={"channel": channel.name, "color": channel.color},
            outputs={"zarr": place},
            artifact={"kind": "export", "channel": channel.id, "output": "zarr"},
            plane_yx=stack.plane_yx,
        )

    def view(self, kind: str, resolution: str, channel: Channel, side: str = "") -> str:
        """Return where a volume for viewing lies; rounds of processing are kept apart."""
        round_ = f"/processing_request_{self.number}" if self.number else ""
        ending = f"_{side}" if side else ""
        return f"{self.folder}/viz/{resolution}/{kind}{round_}/channel_{channel.name}{ending}"

    def output(self, resolution: str) -> str:
        """Return the folder of everything of one place that is not for viewing."""
        return f"{self.folder}/output/processing_request_{self.number}/{resolution}"


def places(deliveries: Sequence[Delivery]) -> dict[str, list[Delivery]]:
    """Return the raw folders of each objective and side, by the name of its folder."""
    found: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        found.setdefault(delivery.resolution, []).append(delivery)
    return found
