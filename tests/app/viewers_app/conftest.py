"""Volumes on disk, and browsers that have opened a view of them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from core_app.models import User
from imaging_app.models import ImagingChannel, ImagingRequest
from imaging_app.services.channels import Acquisition
from processing_app.models import Cluster, Product, Run, Step
from requests_app.models import Request
from tests.support.scenarios import (
    TWO_CHANNELS,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    set_all_channels,
)
from viewers_app import data_access
from viewers_app.models import DataLayer, ViewerSession
from viewers_app.services import activity, layers, sessions

SHARD = bytes(range(256)) * 4
PICTURE = b"\x89PNG\r\n\x1a\n and so on"
SHARD_KEY = "30000_30000_40000/0.shard"


@pytest.fixture(autouse=True)
def _no_memory_of_other_tests() -> Iterator[None]:
    data_access.verdicts.forget()
    activity.tally.forget()
    yield
    data_access.verdicts.forget()


def write_volume(folder: Path) -> None:
    """Write what a volume has on disk, and a record that nobody may read."""
    shard = folder / SHARD_KEY
    shard.parent.mkdir(parents=True)
    shard.write_bytes(SHARD)
    (folder / "info").write_text(json.dumps({"type": "image"}))
    (folder / "_product.json").write_text("{}")
    (folder / "thumbnail.png").write_bytes(PICTURE)


def a_product(channel: ImagingChannel, *, side: str = "left", kind: str = "raw") -> Product:
    """Make the product as a finished step leaves it, with its files."""
    imaging_request = channel.resolution.imaging_request
    run, _ = Run.objects.get_or_create(
        imaging_request=imaging_request, pipeline=kind, pipeline_version="1",
        cluster=Cluster.objects.get(name="default"),
    )  # fmt: skip
    key = f"precompute-{channel.wavelength.name}-{side or 'both'}"
    step = Step.objects.create(
        run=run, position=run.steps.count(), key=key, name="precompute", label=key,
        product={"kind": kind, "channel": channel.pk, "side": side},
    )  # fmt: skip
    folder = imaging_request.folder / "viz" / kind / f"{channel.wavelength.name}_{side}"
    write_volume(folder.under(settings.DATA_ROOT))
    return Product.objects.create(
        step=step, kind=kind, path=str(folder), channel=channel, side=side, dtype="uint16",
        shape_xyz=[380, 440, 200], voxel_nm_xyz=[30000, 30000, 40000],
        window_low=121, window_high=1389, bytes=1024,
        info_digest="f009e65c", thumbnail="thumbnail.png",
    )  # fmt: skip


def imaged(
    owner: User, *, clearer: User, imager: User, name: str = "first brains"
) -> ImagingRequest:
    plan = a_plan(name, samples=(a_sample_plan(resolutions=(TWO_CHANNELS,)),))
    imaging_request = a_request_being_imaged(owner, clearer=clearer, imager=imager, plan=plan)
    acquisition = Acquisition(raw_subfolder="raw", z_planes=200, z_step_um=40.0)
    set_all_channels(imaging_request, acquisition, by=imager)
    return imaging_request


def channels_of(imaging_request: ImagingRequest) -> list[ImagingChannel]:
    rows = ImagingChannel.objects.filter(resolution__imaging_request=imaging_request)
    return list(rows.select_related("wavelength", "resolution__imaging_request__sample__request"))


@pytest.fixture
def imaging_request(researcher: User, clearer: User, imager: User) -> ImagingRequest:
    """The researcher's imaged sample, two channels, both sheets."""
    return imaged(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def layer(imaging_request: ImagingRequest) -> DataLayer:
    """The researcher's volume of 488 left."""
    product = a_product(channels_of(imaging_request)[0])
    layers.publish_new_products()
    return product.layer


@pytest.fixture
def request_of_layer(layer: DataLayer) -> Request:
    return layer.request


@dataclass(slots=True)
class Browser:
    """A browser on the viewer origin."""

    client: Client
    session: ViewerSession | None = None

    def data(self, layer: DataLayer, key: str = "info", **headers: str) -> HttpResponse:
        return fetched(self.client, f"/data/{layer.uuid}/{key}", **headers)


def fetched(client: Client, address: str, **headers: str) -> HttpResponse:
    """Return the answer read to its end, as a browser does, with its bytes as `content`."""
    answer = client.get(address, headers=headers)
    # The test client closes a streamed answer at its end, without the site's own signals.
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    plain = HttpResponse(body, status=answer.status_code)
    plain.headers = answer.headers
    return plain


def viewer_client() -> Client:
    return Client(SERVER_NAME=settings.VIEWER_HOST)


def site_client(user: User | None = None) -> Client:
    client = Client(SERVER_NAME=settings.SITE_HOST)
    if user:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def path_of(url: str) -> str:
    """Return what the test client wants of an address on the viewer origin."""
    assert url.startswith(settings.VIEWER_URL)
    return url.removeprefix(settings.VIEWER_URL)


@pytest.fixture
def view_of() -> Callable[..., Browser]:
    """Open a view as a person does: a ticket of the site, used on the other origin."""

    def open_it(person: User, *opened: DataLayer, browser: Browser | None = None) -> Browser:
        browser = browser or Browser(viewer_client())
        view = sessions.open_view(sessions.Wanted(opened, "a view"), by=person)
        answer = browser.client.get(path_of(view.url))
        assert answer.status_code == 302
        browser.session = view.session
        return browser

    return open_it


@pytest.fixture
def layer_of(clearer: User, imager: User) -> Callable[[User], DataLayer]:
    """Give any person an own request with a volume, so that they have something to view."""

    def make(owner: User) -> DataLayer:
        request = imaged(owner, clearer=clearer, imager=imager, name=f"own of {owner.username}")
        product = a_product(channels_of(request)[0])
        layers.publish_new_products()
        return product.layer

    return make
