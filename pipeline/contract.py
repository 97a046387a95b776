"""The two documents that pass between the site and a cluster: spec.json in, result.json out."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTRACT_VERSION: Final = 4
PIPELINE_VERSION: Final = "0.4.0"

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"

BAD_INPUT: Final = "BAD_INPUT"
STEP_ERROR: Final = "STEP_ERROR"
VERSION_MISMATCH: Final = "VERSION_MISMATCH"
DISK_FULL: Final = "DISK_FULL"
OUT_OF_MEMORY: Final = "OUT_OF_MEMORY"
BUSY: Final = "BUSY"
CANCELLED: Final = "CANCELLED"
POOR_STITCHING: Final = "POOR_STITCHING"
POOR_REGISTRATION: Final = "POOR_REGISTRATION"
REASONS: Final = frozenset(
    {
        "",
        BAD_INPUT,
        STEP_ERROR,
        VERSION_MISMATCH,
        DISK_FULL,
        OUT_OF_MEMORY,
        BUSY,
        CANCELLED,
        POOR_STITCHING,
        POOR_REGISTRATION,
    }
)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonDict: TypeAlias = dict[str, Json]

# What Python makes of bytes that are no UTF-8. No database takes it, so it leaves as readable text.
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_THREADS, _MOST_TASKS = 4096, 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class SpecInvalid(ValueError):
    """The document is not one this contract knows; the message says which field and why."""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One attempt at one step. `name` is unique to it; paths are relative to the data root.

    `tasks` is the number of equal parts that are run apart, from 0; 0: the step is one whole.
    """

    contract: int
    step: str
    name: str
    version: str
    inputs: JsonDict
    parameters: JsonDict
    outputs: dict[str, str]
    threads: int
    tasks: int = 0

    def to_json(self) -> str:
        return _dump(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> StepSpec:
        """Read a spec; raise SpecInvalid for an unknown, missing or mistyped field."""
        document = _exact_fields(_object(text), cls)
        return cls(
            contract=_integer(document, "contract", least=1),
            step=_text(document, "step"),
            name=_attempt_name(document),
            version=_text(document, "version"),
            inputs=_mapping(document, "inputs"),
            parameters=_mapping(document, "parameters"),
            outputs=_texts(document, "outputs"),
            threads=_integer(document, "threads", least=1, most=_MOST_THREADS),
            tasks=_integer(document, "tasks", least=0, most=_MOST_TASKS),
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input, and what a person can do about it. `file` may be empty.

    `code` is a stable word for the kind. `key` names exactly this problem: it changes as soon as
    more goes wrong. `waivable` says that a person may accept it with a reason.
    """

    file: str
    what: str
    remedy: str
    code: str = "input"
    key: str = ""
    waivable: bool = False

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", problem_key(self.code, self.file, self.what))

    @classmethod
    def from_dict(cls, value: Json) -> Problem:
        if not isinstance(value, dict):
            raise SpecInvalid("Each problem must be a JSON object.")
        document = _exact_fields(value, cls)
        return cls(
            file=_text(document, "file", allow_empty=True),
            what=_text(document, "what"),
            remedy=_text(document, "remedy", allow_empty=True),
            code=_text(document, "code"),
            key=_text(document, "key"),
            waivable=_flag(document, "waivable"),
        )


def problem_key(code: str, file: str, what: str, evidence: Iterable[str] = ()) -> str:
    """The code and a short digest of the rest; `evidence` is what the words only sum up."""
    digest = hashlib.blake2b(f"{code}|{file}|{what}".encode(errors="replace"), digest_size=6)
    for item in evidence:
        digest.update(b"|" + item.encode(errors="replace"))
    return f"{code}-{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of an attempt. `reason` is empty on success, else one of REASONS."""

    contract: int
    step: str
    name: str
    status: str
    reason: str
    message: str
    started_at: str
    finished_at: str
    host: str
    problems: list[Problem] = field(default_factory=list)
    outputs: JsonDict = field(default_factory=dict)
    metrics: JsonDict = field(default_factory=dict)
    versions: JsonDict = field(default_factory=dict)
    input_digest: str = ""

    def to_json(self) -> str:
        return _dump(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> StepResult:
        """Read a result; raise SpecInvalid for an unknown, missing or mistyped field."""
        document = _exact_fields(_object(text), cls)
        return cls(
            contract=_integer(document, "contract", least=1),
            step=_text(document, "step", allow_empty=True),
            name=_text(document, "name", allow_empty=True),
            status=_one_of(document, "status", frozenset({SUCCEEDED, FAILED})),
            reason=_one_of(document, "reason", REASONS),
            message=_text(document, "message", allow_empty=True),
            started_at=_text(document, "started_at"),
            finished_at=_text(document, "finished_at"),
            host=_text(document, "host", allow_empty=True),
            problems=[Problem.from_dict(item) for item in _list(document, "problems")],
            outputs=_mapping(document, "outputs"),
            metrics=_mapping(document, "metrics"),
            versions=_mapping(document, "versions"),
            input_digest=_text(document, "input_digest", allow_empty=True),
        )


def _dump(document: Mapping[str, object]) -> str:
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)


def _object(text: str | bytes) -> JsonDict:
    try:
        value: Json = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SpecInvalid(f"The document is not valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise SpecInvalid("The document must be a JSON object.")
    return value


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


def _exact_fields(document: JsonDict, kind: type[StepSpec | StepResult | Problem]) -> JsonDict:
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(document) - known)
    missing = sorted(known - set(document))
    if unknown:
        raise SpecInvalid(f"Unknown field in {kind.__name__}: {', '.join(unknown)}.")
    if missing:
        raise SpecInvalid(f"Missing field in {kind.__name__}: {', '.join(missing)}.")
    return document


def _integer(document: JsonDict, key: str, *, least: int, most: int = sys.maxsize) -> int:
    value = document[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpecInvalid(f"{key} must be an integer of at least {least}, not {value!r:.80}.")
    if value > most:
        raise SpecInvalid(f"{key} must be an integer of at most {most:,}.")
    return value


def _text(document: JsonDict, key: str, *, allow_empty: bool = False) -> str:
    value = document[key]
    if not isinstance(value, str) or not (value or allow_empty):
        raise SpecInvalid(f"{key} must be a text, not {value!r}.")
    return value


def _flag(document: JsonDict, key: str) -> bool:
    value = document[key]
    if not isinstance(value, bool):
        raise SpecInvalid(f"{key} must be true or false, not {value!r}.")
    return value


def _one_of(document: JsonDict, key: str, allowed: frozenset[str]) -> str:
    value = _text(document, key, allow_empty=True)
    if value not in allowed:
        raise SpecInvalid(f"{key} must be one of {sorted(allowed)}, not {value!r}.")
    return value


def _attempt_name(document: JsonDict) -> str:
    value = _text(document, "name")
    if not _NAME.fullmatch(value):
        raise SpecInvalid(
            f"name may hold letters, digits, dot, dash and underscore only, not {value!r}."
        )
    return value


def _mapping(document: JsonDict, key: str) -> JsonDict:
    value = document[key]
    if not isinstance(value, dict):
        raise SpecInvalid(f"{key} must be a JSON object, not {value!r}.")
    return value


def _list(document: JsonDict, key: str) -> list[Json]:
    value = document[key]
    if not isinstance(value, list):
        raise SpecInvalid(f"{key} must be a JSON list, not {value!r}.")
    return value


def _texts(document: JsonDict, key: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in _mapping(document, key).items():
        if not isinstance(value, str) or not value:
            raise SpecInvalid(f"{key}.{name} must be a text, not {value!r}.")
        texts[name] = value
    return texts
