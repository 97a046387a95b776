"""What an imager can change about the channels of a sample: values between form and service."""

from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """One channel as every sample of a batch may have it: ids of its objective and its line."""

    objective: int
    wavelength: int
    ventral_up: bool = False

    @property
    def key(self) -> str:
        """Return its name in forms: row-1-2-dorsal."""
        side = "ventral" if self.ventral_up else "dorsal"
        return f"row-{self.objective}-{self.wavelength}-{side}"


@dataclass(frozen=True, slots=True)
class AddChannel:
    """Image one line more."""

    place: Place
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveChannel:
    """Image one line less."""

    place: Place


@dataclass(frozen=True, slots=True)
class SetPurposes:
    """Say anew what a channel is for."""

    place: Place
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddTwin:
    """Image the channel at `place` once more, with the brain turned upside down."""

    place: Place

    @property
    def twin(self) -> Place:
        return self.place._replace(ventral_up=True)


@dataclass(frozen=True, slots=True)
class ChangeObjective:
    """Image with another objective (ids)."""

    objective: int
    to: int


Edit = AddChannel | RemoveChannel | SetPurposes | AddTwin | ChangeObjective
