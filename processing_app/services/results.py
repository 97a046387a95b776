"""Pure: what the files that a job leaves behind say."""

import json
from dataclasses import dataclass
from typing import cast

from pipeline.contract import SUCCEEDED, JsonDict, SpecInvalid, StepResult
from processing_app.failures import failure_of

Numbers = list[int]


class BadResult(ValueError):
    """The result file does not say what this site needs; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """What a product's row holds of a volume."""

    shape: Numbers
    voxel_nm: list[float]
    dtype: str
    window: tuple[int, int]
    bytes: int
    info_digest: str
    thumbnail: str
    facts: JsonDict


def read_progress(content: bytes | None) -> JsonDict:
    """Return the progress document, or nothing while there is none that can be read."""
    try:
        document = json.loads(content or b"{}")
    except ValueError:
        return {}
    return cast("JsonDict", document) if isinstance(document, dict) else {}


def status_of(content: bytes | None) -> str:
    """Return the status in a result file: succeeded, failed (also if unreadable), or empty."""
    if content is None:
        return ""
    try:
        return StepResult.from_json(content).status
    except SpecInvalid:
        return "failed"


def exit_code_of(mark: bytes | None, reported: int | None) -> int | None:
    """Return the exit code that the script wrote, else the one the scheduler knows."""
    text = (mark or b"").strip()
    return int(text) if text.isdigit() else reported


def read_result(content: bytes, *, name: str) -> StepResult:
    """Return the result of the attempt `name`. Raises BadResult for anything else.

    A runner that could not read its specification does not know its name either.
    """
    try:
        result = StepResult.from_json(content)
    except SpecInvalid as problem:
        raise BadResult(str(problem)) from problem
    if result.name not in {"", name} or (result.status == SUCCEEDED and not result.name):
        raise BadResult(f"It belongs to {result.name or 'no attempt'}, not to {name}.")
    return result


def volume_facts(outputs: JsonDict) -> VolumeFacts:
    """Read what a step that makes a volume promised. Raises BadResult if something is missing."""
    try:
        low, high = _numbers(outputs["window"], 2)
        return VolumeFacts(
            shape=[int(side) for side in _numbers(outputs["shape"], 3)],
            voxel_nm=_numbers(outputs["voxel_nm"], 3),
            dtype=str(outputs["dtype"]),
            window=(max(0, round(low)), max(0, round(high))),
            bytes=int(_numbers([outputs["bytes"]], 1)[0]),
            info_digest=str(outputs.get("info_digest", "")),
            thumbnail=str(outputs.get("thumbnail", "")),
            facts=outputs,
        )
    except KeyError as missing:
        raise BadResult(f"It does not say {missing} of the volume.") from missing


def missing_result(reason: str, exit_code: int | None) -> tuple[str, str]:
    """Return the reason and the sentence for a job that left no result file."""
    name = reason or "NO_RESULT"
    words = failure_of(name).words
    if exit_code is None:
        return name, f"{words}."
    hint = " Often the memory was used up." if exit_code == 137 and not reason else ""
    return name, f"{words} (exit code {exit_code}).{hint}"


def _numbers(value: object, count: int) -> list[float]:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != count or any(
        isinstance(n, bool) or not isinstance(n, int | float) for n in numbers
    ):
        raise BadResult(f"{value!r} should be {count} numbers.")
    return numbers
