"""Pure: what the files that a job leaves behind say. Nothing in them is taken on trust."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, cast

from pipeline.contract import SUCCEEDED, JsonDict, SpecInvalid, StepResult
from processing_app.failures import failure_of

# What is read of each file at most. A longer one is not what we wrote.
RESULT_BYTES: Final = 4 << 20
PROGRESS_BYTES: Final = 64 << 10
MARK_BYTES: Final = 64

# What every database can store: MariaDB's JSON goes 32 deep, its integers have 64 bits.
_DEEPEST: Final = 20
_LARGEST: Final = 2**63 - 1
# No job takes ten years, and no page can show a much longer time.
LONGEST_S: Final = 10 * 366 * 86_400
_LARGEST_SIDE: Final = 2**31 - 1
_LONGEST_MESSAGE: Final = 10_000
_EXIT_CODE = re.compile(rb"\d{1,3}")


class BadResult(ValueError):
    """The result file does not say what this site needs; the message says what is missing."""

    def __init__(self, message: str) -> None:
        super().__init__(storable(message, most=_LONGEST_MESSAGE))


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """What a product's row holds of a volume."""

    shape: list[int]
    voxel_nm: list[float]
    dtype: str
    window: tuple[int, int]
    bytes: int
    info_digest: str
    thumbnail: str
    facts: JsonDict


def storable(text: str, *, most: int) -> str:
    """Return a text from outside such that every database takes it."""
    return text[:most].replace("\0", "").encode(errors="replace").decode()


def read_progress(content: bytes | None) -> JsonDict:
    """Return the progress document, or nothing while there is none that can be read."""
    try:
        return _document(content or b"{}", most=PROGRESS_BYTES)
    except BadResult:
        return {}


def status_of(content: bytes | None) -> str:
    """Return the status in a result file: succeeded, failed (also if unreadable), or empty."""
    if content is None:
        return ""
    try:
        return _result(content).status
    except BadResult:
        return "failed"


def exit_code_of(mark: bytes | None, reported: int | None) -> int | None:
    """Return the exit code that the script wrote, else the one the scheduler knows."""
    text = (mark or b"").strip()
    return int(text) if _EXIT_CODE.fullmatch(text) else reported


def beat_of(content: bytes | None) -> str:
    """Return what the heartbeat file holds, which is compared and never understood."""
    text = (content or b"")[:MARK_BYTES].decode(errors="replace").strip()
    return storable(text, most=MARK_BYTES)


def read_result(content: bytes, *, name: str) -> StepResult:
    """Return the result of the attempt `name`. Raises BadResult for anything else.

    A runner that could not read its specification does not know its name either.
    """
    result = _result(content)
    if result.name not in {"", name} or (result.status == SUCCEEDED and not result.name):
        raise BadResult(f"It belongs to {result.name or 'no attempt'}, not to {name}.")
    return result


def message_of(result: StepResult) -> str:
    """Return the step's own words, as long as a page can show them."""
    return storable(result.message, most=_LONGEST_MESSAGE)


def metric(result: StepResult, name: str) -> float | None:
    """Return a measured number, or None if it was not measured. Raises BadResult for nonsense."""
    value = result.metrics.get(name)
    if value is None:
        return None
    most = LONGEST_S if name == "seconds" else _LARGEST
    return _within(_numbers([value], 1)[0], 0, most, name)


def volume_facts(outputs: JsonDict) -> VolumeFacts:
    """Read what a step that makes a volume promised. Raises BadResult if something is missing."""
    try:
        low, high = _numbers(outputs["window"], 2)
        return VolumeFacts(
            shape=[_whole(side, 1, "shape") for side in _numbers(outputs["shape"], 3)],
            voxel_nm=[
                _within(size, 1e-6, _LARGEST, "voxel_nm")
                for size in _numbers(outputs["voxel_nm"], 3)
            ],
            dtype=_word(outputs["dtype"], 16, "dtype"),
            window=(_whole(max(0, low), 0, "window"), _whole(max(0, high), 0, "window")),
            bytes=round(_within(_numbers([outputs["bytes"]], 1)[0], 0, _LARGEST, "bytes")),
            info_digest=_word(outputs.get("info_digest", ""), 64, "info_digest"),
            thumbnail=_file_name(outputs.get("thumbnail", "")),
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


def _result(content: bytes) -> StepResult:
    _document(content, most=RESULT_BYTES)
    try:
        return StepResult.from_json(content)
    except SpecInvalid as problem:
        raise BadResult(str(problem)) from problem


def _document(content: bytes, *, most: int) -> JsonDict:
    """Return the JSON object in a file, if a database could store every value of it."""
    if len(content) > most:
        raise BadResult(f"It has more than {most} bytes.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise BadResult(f"It is not valid JSON: {problem}.") from problem
    if not isinstance(document, dict):
        raise BadResult("It is not a JSON object.")
    _require_storable(document)
    return cast("JsonDict", document)


def _require_storable(document: dict[str, Any]) -> None:
    pending: list[tuple[Any, int]] = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > _DEEPEST:
            raise BadResult(f"It is nested more than {_DEEPEST} deep.")
        if isinstance(value, dict):
            pending.extend((part, depth) for part in value)
            pending.extend((part, depth + 1) for part in value.values())
        elif isinstance(value, list):
            pending.extend((part, depth + 1) for part in value)
        elif not _is_storable(value):
            raise BadResult(f"It holds a value that cannot be stored: {ascii(value)[:80]}.")


def _is_storable(value: object) -> bool:
    match value:
        case str():
            return "\0" not in value and _is_encodable(value)
        case int():
            return abs(value) <= _LARGEST
        case float():
            return math.isfinite(value)
        case _:
            return True


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _numbers(value: object, count: int) -> list[float]:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != count or any(
        isinstance(n, bool) or not isinstance(n, int | float) for n in numbers
    ):
        raise BadResult(f"{ascii(value)[:80]} should be {count} numbers.")
    return numbers


def _within(number: float, least: float, most: float, name: str) -> float:
    # A float of 2^63 passes for an integer that is one less.
    if not least <= number < most:
        raise BadResult(f"{name} cannot be {number}.")
    return number


def _whole(number: float, least: int, name: str) -> int:
    return round(_within(number, least, _LARGEST_SIDE, name))


def _word(value: object, longest: int, name: str) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise BadResult(f"{name} should be a text of at most {longest} characters.")
    return value


def _file_name(value: object) -> str:
    name = _word(value, 64, "thumbnail")
    if name in {".", ".."} or "/" in name:
        raise BadResult(f"thumbnail cannot be {name!r}: it is the name of a file in the volume.")
    return name
