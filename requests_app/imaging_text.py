"""Imaging of one sample as one line of text: `1.3x: 488 registration, 647 cell_detection`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from requests_app.plans import ORIENTATIONS, PURPOSES

PURPOSE_WORDS = {
    "reg": "registration", "register": "registration", "registration": "registration",
    "injection": "injection_detection", "injectiondetection": "injection_detection",
    "probe": "probe_detection", "probedetection": "probe_detection",
    "cell": "cell_detection", "cells": "cell_detection", "celldetection": "cell_detection",
    "generic": "generic_imaging", "genericimaging": "generic_imaging",
    "image": "generic_imaging", "justimage": "generic_imaging",
}  # fmt: skip
WORDS = {
    "registration": "registration",
    "injection_detection": "injection_detection",
    "probe_detection": "probe_detection",
    "cell_detection": "cell_detection",
    "generic_imaging": "generic",
}
OBJECTIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}\Z")


def write_imaging(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return `1.3x: 488 registration, 647 cell_detection; 3.6x: 642 generic`."""
    return "; ".join(_objective_text(row) for row in rows)


def _objective_text(row: Mapping[str, Any]) -> str:
    channels = [
        f"{name} {'+'.join(WORDS.get(p, p) for p in purposes)}"
        for name, purposes in row.get("channels", {}).items()
    ]
    return f"{row['objective']}: {', '.join(channels)}".strip()


def read_imaging(text: str) -> tuple[list[dict[str, Any]], str]:
    """Return the objectives with their channels, and in words what could not be read.

    With a problem there are no objectives: half of a wish would be another wish.
    """
    rows: list[dict[str, Any]] = []
    for part in text.split(";"):
        if not part.strip():
            continue
        objective, colon, rest = part.partition(":")
        if not colon or not OBJECTIVE.match(objective.strip()):
            return [], (
                f"“{part.strip()[:60]}” does not begin with an objective and a colon, as in "
                "“1.3x: 488 registration”."
            )
        channels, problem = _channels(rest)
        if problem:
            return [], problem
        rows.append({"objective": objective.strip(), "channels": channels})
    return rows, ""


def _channels(text: str) -> tuple[dict[str, list[str]], str]:
    channels: dict[str, list[str]] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, _, words = part.strip().partition(" ")
        purposes = channels.setdefault(name, [])
        for word in re.split(r"[+&/]", words):
            purpose = PURPOSE_WORDS.get(re.sub(r"[^a-z]", "", word.casefold()))
            if purpose is None:
                return {}, (
                    f"“{part.strip()[:60]}” does not say what the channel is for; "
                    f"write one of: {', '.join(WORDS.values())}."
                )
            if purpose not in purposes:
                purposes.append(purpose)
        purposes.sort(key=PURPOSES.index)
    return channels, ""


def write_spread(values: Sequence[tuple[str, str]]) -> str:
    """Return one text for a value per objective: the value alone where all agree and it is plain,
    else `1.3x: whole brain | 3.6x: cortex only`."""
    texts = {text for _, text in values}
    if not values or texts == {""}:
        return ""
    common = next(iter(texts))
    if len(texts) == 1 and not _looks_spread(common, [objective for objective, _ in values]):
        return common
    return " | ".join(f"{objective}: {_escaped(text)}" for objective, text in values)


def read_spread(text: str, objectives: Sequence[str]) -> list[str]:
    """Return the value of each objective, written by write_spread or by a person."""
    if not _looks_spread(text, objectives):
        return [text] * len(objectives)
    found: dict[str, str] = {}
    for objective, value, _ in _parts(text):
        found.setdefault(objective, _unescaped(value))
    return [found.get(objective, "") for objective in objectives]


def left_over(text: str, objectives: Sequence[str]) -> list[str]:
    """Return the parts of a spread value that no objective gets, as they were written."""
    if not _looks_spread(text, objectives):
        return []
    found: list[str] = []
    waiting = set(objectives)
    for objective, _, part in _parts(text):
        if objective in waiting:
            waiting.remove(objective)
        elif part:
            found.append(part)
    return found


def _parts(text: str) -> Iterator[tuple[str, str, str]]:
    for part in re.split(r"(?<!\\)\|", text):
        objective, _, value = part.partition(":")
        yield objective.strip(), value.strip(), part.strip()


def _looks_spread(text: str, objectives: Sequence[str]) -> bool:
    """A value that begins with `1.3x:` cannot be told from one that names its objective."""
    return text.partition(":")[0].strip() in objectives and ":" in text


def orientation_of(text: str) -> str:
    """Return an orientation as it is kept, however it was capitalized; other text as it is."""
    return text.lower() if text.lower() in ORIENTATIONS else text


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
