"""Pure: what a look at raw data says, believed only where every part of it can be shown."""

from collections.abc import Callable
from typing import Final

from pipeline.contract import JsonDict
from processing_app.services.results import BadResult

_LARGEST: Final = 2**63 - 1
_MOST_FILES: Final = 2**31 - 1
_LONGEST_KEY: Final = 80
_LONGEST_PATH: Final = 1024
_LONGEST_DIGEST: Final = 64
_FIGURES: Final = frozenset({"planes", "z_step_um", "columns", "rows", "overlap", "pixel_um"})
_PLACE: Final = ("tile_row", "tile_column")


def read_findings(step: str, outputs: JsonDict) -> JsonDict:
    """Return what a look at raw data found, if all of it is there. Raises BadResult otherwise.

    Pages show it and completing relies on it: a cluster with another version, or a file that
    somebody wrote by hand, must not break either.
    """
    report = outputs.get("report") if step == "inspect_raw" else outputs
    if not isinstance(report, dict):
        raise BadResult("It does not say what the raw data holds.")
    _require(_are(report.get("problems"), _is_problem), "what is wrong with the raw data")
    _require(_is_whole(report.get("files"), most=_MOST_FILES), "how many files there are")
    _require(_is_whole(report.get("bytes")), "how large they are")
    if step == "inspect_raw":
        _require_report(report)
        _require_manifest(outputs)
    return outputs


def _require(holds: bool, what: str) -> None:  # noqa: FBT001  # the sentence reads as one
    if not holds:
        raise BadResult(f"It does not say {what}, or not in a way that can be shown.")


def _require_report(report: JsonDict) -> None:
    is_right = report.get("ok")
    _require(isinstance(is_right, bool), "whether the raw data is right")
    _require(is_right is True or bool(report["problems"]), "what is not right with the raw data")
    for name, is_part in _PARTS.items():
        _require(name not in report or is_part(report[name]), f"the {name} of the raw data")


def _require_manifest(outputs: JsonDict) -> None:
    for name, longest in (("manifest", _LONGEST_PATH), ("manifest_digest", _LONGEST_DIGEST)):
        value = outputs.get(name, "")
        _require(isinstance(value, str) and len(value) <= longest, f"the {name}")


def _is_problem(value: object) -> bool:
    """A problem has its words as texts, so that a page can show it and a person accept it."""
    if not isinstance(value, dict) or not isinstance(value.get("waivable"), bool):
        return False
    texts = all(isinstance(value.get(name), str) for name in ("file", "what", "remedy", "key"))
    return texts and 0 < len(value["key"]) <= _LONGEST_KEY


def _is_count(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    texts = all(isinstance(value.get(name), str) for name in ("channel", "sheet"))
    return texts and all(_is_whole(value.get(name)) for name in (*_PLACE, "expected", "found"))


def _is_gap(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    texts = all(isinstance(value.get(name), str) for name in ("key", "channel", "sheet"))
    return texts and _are(value.get("planes"), _is_whole)


def _are_folders(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_whole, value.values()))


def _are_acquired(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    channels, folder = value.get("channels", {}), value.get("folder", {})
    return isinstance(channels, dict) and all(map(_are_facts, (folder, *channels.values())))


def _are_facts(value: object) -> bool:
    return isinstance(value, dict) and all(_is_fact(name, fact) for name, fact in value.items())


def _is_fact(name: str, fact: object) -> bool:
    if not isinstance(fact, dict) or not isinstance(fact.get("source"), str):
        return False
    value = fact.get("value")
    if name in _FIGURES:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "sheets":
        return _are(value, lambda sheet: sheet in ("left", "right"))
    return isinstance(value, str | int | float)


def _is_shape(value: object) -> bool:
    return value is None or (_are(value, _is_whole) and len(value) == 2)  # type: ignore[arg-type]  # it is a list


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are(value: object, is_one: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and all(map(is_one, value))


def _is_whole(value: object, most: int = _LARGEST) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


_PARTS: Final[dict[str, Callable[[object], bool]]] = {
    "notes": lambda value: _are(value, _is_text),
    "counts": lambda value: _are(value, _is_count),
    "absent": lambda value: _are(value, _is_gap),
    "plane_shape": _is_shape,
    "folders": _are_folders,
    "acquired": _are_acquired,
    "first_at": _is_text,
    "last_at": _is_text,
}
