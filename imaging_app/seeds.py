"""The seed instruments. Called by a migration with its historical models; repeatable."""

from typing import Any, NamedTuple

BLUE_GREEN, YELLOW, RED, MAGENTA = "#00ff00", "#ffff00", "#ff0000", "#ff00ff"
CAMERA_PIXEL_UM = "6.5"

MICROSCOPES = (
    ("lavision", "LaVision light sheet", "lavision"),
    ("smartspim", "SmartSPIM", "smartspim"),
)
WAVELENGTHS = {
    "lavision": (("488", BLUE_GREEN), ("555", YELLOW), ("647", RED), ("790", MAGENTA)),
    "smartspim": (("488", BLUE_GREEN), ("561", YELLOW), ("642", RED), ("785", MAGENTA)),
}


class SeedObjective(NamedTuple):
    """One objective. `xy_um` is given where camera pixel / magnification does not hold."""

    name: str
    microscope: str
    magnification: str
    xy_um: str | None
    z_step_um: str
    tiles: int
    pipelines: tuple[str, ...]
    has_zoom: bool = False
    only_generic: bool = False


OBJECTIVES = (
    SeedObjective("1.1x", "lavision", "1.1", None, "10", 2, ("lightsheet",)),
    SeedObjective("1.3x", "lavision", "1.3", None, "10", 2, ("lightsheet",)),
    SeedObjective("2x", "lavision", "2", None, "10", 4, (), has_zoom=True, only_generic=True),
    SeedObjective("3.6x", "smartspim", "3.6", "1.8", "2", 10, ("smartspim",)),
    SeedObjective("15x", "smartspim", "15", "0.41", "2", 10, ()),
    SeedObjective("4x", "lavision", "4", None, "10", 4, ("lightsheet",)),
)


def seed(microscope_model: Any, wavelength_model: Any, objective_model: Any) -> None:
    """Add what is missing; rows that staff changed since are left alone."""
    microscopes = {}
    for name, label, layout in MICROSCOPES:
        row, _ = microscope_model.objects.get_or_create(
            name=name, defaults={"label": label, "layout": layout}
        )
        microscopes[name] = row
        _add_wavelengths(row, wavelength_model)
    for position, objective in enumerate(OBJECTIVES):
        _add_objective(objective, position, microscopes[objective.microscope], objective_model)


def _add_wavelengths(microscope: Any, model: Any) -> None:
    for position, (name, color) in enumerate(WAVELENGTHS[microscope.name]):
        model.objects.get_or_create(
            microscope=microscope,
            name=name,
            defaults={"position": position, "color": color, "may_register": position < 2},
        )


def _add_objective(seeded: SeedObjective, position: int, microscope: Any, model: Any) -> None:
    model.objects.get_or_create(
        name=seeded.name,
        defaults={
            "microscope": microscope,
            "label": f"{seeded.name} ({microscope.label})",
            "magnification": seeded.magnification,
            "camera_pixel_um": CAMERA_PIXEL_UM,
            "xy_um": seeded.xy_um,
            "default_z_step_um": seeded.z_step_um,
            "max_tiles_per_side": seeded.tiles,
            "has_zoom": seeded.has_zoom,
            "only_generic_imaging": seeded.only_generic,
            "pipelines": list(seeded.pipelines),
            "position": position,
        },
    )
