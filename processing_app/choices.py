"""Pure: what a person may choose for a run of a pipeline, beside what is entered of the sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Choice:
    """One question. `values` are (stored, shown); without a choice the default holds."""

    key: str
    label: str
    values: tuple[tuple[str, str], ...]
    default: str
    help: str = ""

    def word_of(self, value: str) -> str:
        return dict(self.values).get(value, value)


Chosen = Mapping[str, str]
COMPRESSION: Final = Choice(
    key="compression",
    label="Compression of the volumes",
    values=(("gzip", "gzip"), ("none", "none")),
    default="gzip",
    help="Without it volumes take about twice the room, and are written faster.",
)
REGISTRATION: Final = Choice(
    key="registration",
    label="Registration",
    values=(("usual", "as usual"), ("fast", "fast"), ("thorough", "thorough")),
    default="usual",
    help="Thorough takes many times as long, and is seldom better; fast is for a first look.",
)
EXPORT: Final = Choice(
    key="export",
    label="Copy for other programs",
    values=(("none", "none"), ("ome-zarr", "OME-Zarr")),
    default="none",
    help="As large as the volume itself, for napari, Fiji, BigDataViewer and Python.",
)
CHOICES: Final[Mapping[str, tuple[Choice, ...]]] = {
    "raw": (COMPRESSION,),
    "stitching": (COMPRESSION,),
    "lightsheet": (REGISTRATION, EXPORT, COMPRESSION),
    "correction": (REGISTRATION, EXPORT, COMPRESSION),
}


def choices_of(pipeline: str) -> tuple[Choice, ...]:
    """Return what can be chosen for a pipeline, in the order of the form."""
    return CHOICES.get(pipeline, ())


def completed(pipeline: str, given: object) -> dict[str, str]:
    """Return a value for each choice of the pipeline: the given one if it is known."""
    values = given if isinstance(given, Mapping) else {}
    return {
        choice.key: _valid(values.get(choice.key), choice) or choice.default
        for choice in choices_of(pipeline)
    }


def in_words(pipeline: str, given: object) -> list[str]:
    """Return the choices that are not the usual ones, each as "label: value"."""
    values = completed(pipeline, given)
    return [
        f"{choice.label}: {choice.word_of(values[choice.key])}"
        for choice in choices_of(pipeline)
        if values[choice.key] != choice.default
    ]


def _valid(value: object, choice: Choice) -> str:
    return str(value) if value in dict(choice.values) else ""
