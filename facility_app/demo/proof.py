"""Proof that the volume is viewable: all that a browser fetches, fetched through the site."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from django.urls import reverse

from core_app.errors import NotReady
from core_app.models import User
from pipeline.io import sharded
from requests_app.models import Request
from viewers_app.models import DataLayer


@dataclass(frozen=True, slots=True)
class Proven:
    """One layer that answered: its name, its address, and what was found in it."""

    name: str
    uuid: str
    found: str


def layers_of(request: Request) -> list[DataLayer]:
    """Return the viewable volumes of a request."""
    path = "product__channel__resolution__imaging_request__sample__request"
    return list(
        DataLayer.objects.filter(**{path: request}).select_related("product__channel__wavelength")
    )


def prove(request: Request, person: User) -> list[Proven]:
    """Open every layer as this person's browser would; raises NotReady where no answer comes."""
    layers = layers_of(request)
    if not layers:
        raise NotReady("The run made no viewable volume.")
    viewer, state = _open(layers, person)
    sources = {
        layer["source"]["url"] if isinstance(layer["source"], dict) else layer["source"]
        for layer in state["layers"]
    }
    missing = [
        layer.name for layer in layers if not any(str(layer.uuid) in source for source in sources)
    ]
    if missing:
        raise NotReady(f"The view does not show {', '.join(missing)}.")
    return [_prove_layer(viewer, layer) for layer in layers]


def _open(layers: list[DataLayer], person: User) -> tuple[Client, Mapping[str, Any]]:
    site = Client(headers={"host": urlsplit(settings.SITE_URL).netloc})
    site.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    answer = site.post(reverse("viewers:open"), {"layer": [str(layer.uuid) for layer in layers]})
    _require(answer.status_code == 302, f"opening the view answered {answer.status_code}")
    viewer = Client(headers={"host": urlsplit(settings.VIEWER_URL).netloc})
    ticket = urlsplit(answer["Location"])
    opened = viewer.get(f"{ticket.path}?{ticket.query}")
    _require(opened.status_code == 302, f"the ticket answered {opened.status_code}")
    session = urlsplit(opened["Location"]).path.strip("/").split("/")[-1]
    _require(viewer.get(opened["Location"]).status_code == 200, "the viewer page does not answer")
    answer = viewer.get(f"/states/{session}")
    _require(answer.status_code == 200, f"the state answered {answer.status_code}")
    return viewer, json.loads(answer.content)


def _prove_layer(viewer: Client, layer: DataLayer) -> Proven:
    base = f"/data/{layer.uuid}"

    def read(key: str, start: int, length: int | None) -> bytes:
        last = "" if length is None else start + length - 1
        answer = viewer.get(f"{base}/{key}", headers={"range": f"bytes={start}-{last}"})
        _require(answer.status_code == 206, f"{layer.name}: {key} answered {answer.status_code}")
        return _body(answer)

    def document(key: str) -> Any:
        answer = viewer.get(f"{base}/{key}")
        _require(answer.status_code == 200, f"{layer.name}: {key} answered {answer.status_code}")
        return json.loads(_body(answer))

    info = document("info")
    if layer.product.layer_type == "annotation":
        found = f"{layer.product.facts['count']:,} cells"
        return Proven(layer.name, str(layer.uuid), found)
    if layer.product.layer_type == "segmentation":
        names = document(f"{info['segment_properties']}/info")["inline"]["ids"]
        return Proven(layer.name, str(layer.uuid), f"{len(names)} named regions")
    smallest = len(info["scales"]) - 1
    chunk = sharded.read_chunk(read, info, smallest, _middle(info["scales"][smallest]))
    low, high = layer.product.window_low, layer.product.window_high
    lit = float((chunk > low + (high - low) / 10).mean())
    _require(lit > 0, f"{layer.name} is dark in its middle")
    return Proven(f"{layer.name} {layer.product.kind}", str(layer.uuid), f"{lit:.0%} bright")


def _middle(scale: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the grid position (x, y, z) of the chunk in the middle of a scale."""
    pairs = zip(scale["size"], scale["chunk_sizes"][0], strict=True)
    x, y, z = (size // chunk // 2 for size, chunk in pairs)
    return x, y, z


def _body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001  # the sentence reads as one
    if not holds:
        raise NotReady(f"The volume is not viewable: {otherwise}.")
