"""What a view shows, as plain facts: layers, how they are arranged and rendered. Pure."""

from dataclasses import dataclass
from typing import Final

IMAGE: Final = "image"
SEGMENTATION: Final = "segmentation"
ANNOTATION: Final = "annotation"

NARROW_PX: Final = 600

# How layers are laid out. Overlay: all in one place, in four panels. Panels: one for each channel
# and product. Sheets: a row for each channel and orientation, a column for each light sheet.
OVERLAY: Final = "overlay"
PANELS: Final = "panels"
SHEETS: Final = "sheets"
ARRANGEMENTS: Final = (OVERLAY, PANELS, SHEETS)


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer and how to show it. Images of one `channel` and kind share its brightness.

    Layers of one `space` have the same coordinates. A `place` is an objective in one orientation
    of the sample, and `objective` the same for both orientations. `atlas` names the atlas that a
    registered volume was brought to, or that the layer is part of; `axes` are those of an atlas.
    `colors` are pairs of region id and "#rrggbb". `cut` is where regions are shown as one, as it is
    written, and `groups` the ids of each that are.
    """

    uuid: str
    name: str
    kind: str
    channel: str
    shape_xyz: tuple[int, int, int]
    voxel_nm_xyz: tuple[float, float, float]
    window: tuple[int, int]
    color: str
    side: str = ""
    type: str = IMAGE
    space: str = ""
    place: str = ""
    objective: str = ""
    atlas: str = ""
    axes: str = ""
    colors: tuple[tuple[str, str], ...] = ()
    cut: str = ""
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def is_image(self) -> bool:
        return self.type == IMAGE


@dataclass(frozen=True, slots=True)
class Template:
    """How a view looks. `plane` turns one large panel to a plane; without it, as it is stored.

    `in_color`: images in the color of their channel, else gray. `inverted`: dark on light.
    `outlines`: borders of regions are drawn, and the regions themselves only named on hover.
    `paxinos`: coordinates from bregma, where the atlas allows it. `opens_regions`: with the list
    of regions beside the panels.
    """

    arrangement: str = OVERLAY
    plane: str = ""
    in_color: bool = True
    inverted: bool = False
    outlines: bool = False
    paxinos: bool = False
    opens_regions: bool = False


@dataclass(frozen=True, slots=True)
class ViewerSpec:
    """What one view shows. The first layer gives the units, the center and the size.

    `overlaid` are the uuids of the images that want their atlas over them; None: all of them.
    """

    title: str
    layers: tuple[LayerSpec, ...]
    orientation: str
    template: Template = Template()
    overlaid: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """The size of the client on the person's screen, in CSS pixels."""

    width: int = 1280
    height: int = 800

    @property
    def is_narrow(self) -> bool:
        return self.width < NARROW_PX
