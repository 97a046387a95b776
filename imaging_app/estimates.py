"""How long a microscope will be at work on what is to be imaged: a guess that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from imaging_app.local_times import length_words

# Seconds for one plane of one tile, channel and sheet, stage moves included, by layout.
SECONDS_PER_PLANE = {"lavision": 1.5, "smartspim": 0.05}
MOUNTING = timedelta(minutes=15)
USUAL = timedelta(hours=2)
STEP = timedelta(minutes=15)
LONGEST = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Stack:
    """One channel of one sample at one objective; `planes` None = not known yet."""

    layout: str
    planes: int | None
    tiles: int = 1
    sheets: int = 1


@dataclass(frozen=True, slots=True)
class Suggestion:
    """How long to book, and why."""

    length: timedelta
    why: str


def suggest(stacks: Sequence[Stack], *, samples: int) -> Suggestion:
    """Return the time for these stacks in quarter hours, or two hours where planes are missing."""
    known = [(stack, stack.planes) for stack in stacks if stack.planes is not None]
    if not stacks or len(known) < len(stacks):
        return Suggestion(
            USUAL,
            f"{length_words(USUAL)} as a start: how many planes there will be is not known yet.",
        )
    images = sum(planes * s.tiles * s.sheets for s, planes in known)
    seconds = sum(planes * s.tiles * s.sheets * SECONDS_PER_PLANE[s.layout] for s, planes in known)
    length = _in_quarters(timedelta(seconds=seconds) + samples * MOUNTING)
    rates = sorted({SECONDS_PER_PLANE[stack.layout] for stack in stacks})
    return Suggestion(
        length,
        f"{length_words(length)}, estimated: {images:,} images (planes × tiles × sheets of all "
        f"channels) at {' or '.join(f'{rate:g}' for rate in rates)} s each, and "
        f"{length_words(MOUNTING)} to mount each of {samples} sample{'s' if samples != 1 else ''}.",
    )


def _in_quarters(length: timedelta) -> timedelta:
    return min(LONGEST, -(-length // STEP) * STEP)
