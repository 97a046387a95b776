"""What a page shows of a sample's quality: rows of figures, curves by depth, and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.contract import Json, JsonDict

# Of what is measured in every plane, what tells people most.
_CURVES: Final = {
    "signal_to_noise": "Signal to noise by depth",
    "sharpness": "Sharpness by depth",
    "stripes": "Stripes by depth",
}
_DEPTH: Final = "Depth (µm)"


def in_short(document: Mapping[str, Json]) -> JsonDict:
    """Return figures, curves and pictures of quality.json as lists of rows.

    A figure has name, label, value, unit, limit ([at least, at most], one of them null), verdict
    and channel; a curve label, unit, x, y and channel; a picture file, label and channel.
    """
    series = cast("list[dict[str, Any]]", document["series"])
    rows: list[Json] = [row for item in series for row in _figures(item)]
    for name in ("stitching", "registration"):
        if name in document:
            rows.append(_row(cast("dict[str, Any]", document[name]), ""))
    pictures: list[Json] = [
        {"file": item["picture"], "label": "Planes", "channel": _channel(item)} for item in series
    ]
    curves: list[Json] = [curve for item in series for curve in _curves(item)]
    return {"figures": rows, "curves": curves, "pictures": pictures}


def _channel(item: Mapping[str, Any]) -> str:
    return " ".join(str(part) for part in (item["channel"], item["side"]) if part)


def _figures(item: Mapping[str, Any]) -> Iterator[JsonDict]:
    for figure in item["figures"]:
        yield _row(figure, _channel(item))


def _row(figure: Mapping[str, Any], channel: str) -> JsonDict:
    falls = figure["warn"] > figure["fail"]
    return {
        "name": figure["name"],
        "label": figure["text"],
        "value": figure["value"],
        "unit": figure["unit"],
        "limit": [figure["warn"], None] if falls else [None, figure["warn"]],
        "verdict": figure["verdict"],
        "channel": channel,
    }


def _curves(item: Mapping[str, Any]) -> Iterator[JsonDict]:
    known = item["curves"]
    for name, label in _CURVES.items():
        yield {
            "name": name, "label": label, "unit": _DEPTH, "x": known["z_um"], "y": known[name],
            "channel": _channel(item),
        }  # fmt: skip
