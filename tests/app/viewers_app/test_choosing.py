"""The page of a sample: kinds of views, rounds, atlases over volumes, what was ticked last."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from core_app.models import User
from imaging_app.models import ImagingChannel, ImagingRequest
from processing_app.models import Atlas, Product
from tests.app.viewers_app.conftest import Browser, channels_of, path_of, site_client, viewer_client
from tests.support import volumes
from tests.support.processed import an_installed_atlas
from viewers_app import chooser
from viewers_app.described import atlases_of, colors_of
from viewers_app.models import AtlasLayer, DataLayer, ViewerSession
from viewers_app.rounds import rounds_of
from viewers_app.services.layers import publish_atlas_layers

VOXELS = np.ones((4, 5, 6), np.uint16)


@pytest.fixture
def site(researcher: User) -> Client:
    return site_client(researcher)


@pytest.fixture
def channel(imaging_request: ImagingRequest) -> ImagingChannel:
    return channels_of(imaging_request)[0]


def an_atlas(name: str = "small") -> Atlas:
    """An installed atlas of the grid of VOXELS, whose regions have colors."""
    atlas = an_installed_atlas(name)
    atlas.size_z, atlas.size_y, atlas.size_x = VOXELS.shape
    atlas.voxel_x_um = atlas.voxel_y_um = atlas.voxel_z_um = 100
    atlas.template_path = f"atlases/{name}/template.tif"
    atlas.save()
    folder = settings.DATA_ROOT / atlas.annotation_layer_path
    folder.mkdir(parents=True)
    record = {"outputs": {"window": [0, 9], "segment_colors": "segment_colors.json"}}
    (folder / "_product.json").write_text(json.dumps(record))
    (folder / "segment_colors.json").write_text(json.dumps({"7": "#70ff70", "8": "red"}))
    publish_atlas_layers()
    return atlas


def registered(channel: ImagingChannel, atlas: Atlas, *, number: int = 1) -> DataLayer:
    wanted = volumes.registered_with(atlas, channel, number=number)
    return volumes.a_volume(channel, VOXELS, kind="registered", processing=wanted)


def page_of(site: Client, channel: ImagingChannel, query: str = "") -> HttpResponse:
    return site.get(f"/viewers/samples/{channel.resolution.imaging_request.sample.pk}/{query}")


def offered(page: HttpResponse) -> dict[str, list[list[str]]]:
    """Return {recipe: the uuids of each of its buttons}."""
    return {
        one.recipe.key: [list(choice.uuids) for choice in one.choices]
        for one in page.context["offers"]
    }


def opened(site: Client, **posted: object) -> ViewerSession:
    answer = site.post("/viewers/open/", posted)
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(settings.VIEWER_URL), answer["Location"]
    return ViewerSession.objects.latest("pk")


def message_of(site: Client, **posted: object) -> str:
    headers = {"referer": f"{settings.SITE_URL}/viewers/"}
    return site.post("/viewers/open/", posted, follow=True, headers=headers).content.decode()


def state_of(site: Client, **posted: object) -> dict[str, object]:
    answer = site.post("/viewers/open/", posted)
    browser = Browser(viewer_client())
    browser.client.get(path_of(answer["Location"]))
    session = ViewerSession.objects.latest("pk")
    return json.loads(browser.client.get(f"/states/{session.uuid}").content)


# --- recipes ---


def test_a_recipe_has_a_button_with_its_volumes(site: Client, channel: ImagingChannel) -> None:
    left, right = (volumes.a_volume(channel, VOXELS, side=side) for side in ("left", "right"))

    page = page_of(site, channel)

    assert offered(page)["raw"] == [[str(left.uuid), str(right.uuid)]]
    assert "Open<span" in page.content.decode()


def test_a_recipe_that_cannot_be_had_says_why(site: Client, channel: ImagingChannel) -> None:
    volumes.a_volume(channel, VOXELS, side="left")

    page = page_of(site, channel)

    assert offered(page)["cells"] == []
    assert "No cells were looked for in this sample yet." in page.content.decode()


def test_a_pressed_recipe_is_kept_with_the_view_and_shown(
    site: Client, channel: ImagingChannel
) -> None:
    sheets = [volumes.a_volume(channel, VOXELS, side=side) for side in ("left", "right")]

    state = state_of(site, layer=[str(one.uuid) for one in sheets], recipe="raw")

    session = ViewerSession.objects.get()
    assert (session.recipe, session.title) == ("raw", "brain-001 · Raw light sheets")
    assert [panel["layers"] for panel in state["layout"]["children"]] == [  # type: ignore[index]
        ["488 left"],
        ["488 right"],
    ]


def test_an_unknown_recipe_is_not_there(site: Client, layer: DataLayer) -> None:
    answer = site.post("/viewers/open/", {"layer": [str(layer.uuid)], "recipe": "x"})

    assert answer.status_code == 404
    assert not ViewerSession.objects.exists()


def test_a_recipe_with_other_volumes_opens_nothing(site: Client, layer: DataLayer) -> None:
    html = message_of(site, layer=[str(layer.uuid)], recipe="registered")

    assert "The volumes of this kind of view have changed" in html
    assert not ViewerSession.objects.exists()


# --- atlases over registered volumes ---


def test_the_atlas_is_that_of_the_round_and_side_up_and_no_other(
    site: Client, channel: ImagingChannel, imaging_request: ImagingRequest
) -> None:
    mine, other = an_atlas("older"), an_atlas("newer")
    layer = registered(channel, mine)
    ventral = channels_of(imaging_request)[1]
    type(ventral).objects.filter(pk=ventral.pk).update(ventral_up=True)
    ventral.refresh_from_db()
    below = registered(ventral, other)

    buttons = offered(page_of(site, channel))["registered"]

    annotation = {row.atlas.name: str(row.uuid) for row in AtlasLayer.objects.filter(
        part=AtlasLayer.Part.ANNOTATION
    )}  # fmt: skip
    assert buttons == [
        [str(layer.uuid), annotation["older"]],
        [str(below.uuid), annotation["newer"]],
    ]


def test_an_atlas_that_was_replaced_since_is_not_laid_over_the_volume(
    channel: ImagingChannel,
) -> None:
    atlas = an_atlas()
    product = registered(channel, atlas).product
    assert atlases_of([product]) == {product.pk: atlas}

    Atlas.objects.filter(pk=atlas.pk).update(size_x=atlas.size_x + 1)

    assert atlases_of([product]) == {}


def test_a_ticked_atlas_comes_with_its_colors_over_that_channel(
    site: Client, channel: ImagingChannel
) -> None:
    layer = registered(channel, an_atlas())

    state = state_of(site, layer=[str(layer.uuid)], atlas=[str(layer.uuid)])

    regions = state["layers"][-1]  # type: ignore[index]
    assert regions["name"] == "The small atlas"
    assert regions["segmentColors"] == {"7": "#70ff70"}
    assert ViewerSession.objects.get().options["overlaid"] == [str(layer.uuid)]


def test_only_an_atlas_ticked_says_what_to_do(site: Client, channel: ImagingChannel) -> None:
    layer = registered(channel, an_atlas())

    html = message_of(site, atlas=[str(layer.uuid)])

    assert "Tick that volume as well" in html
    assert not ViewerSession.objects.exists()


def test_an_atlas_over_a_volume_that_is_not_registered_opens_nothing(
    site: Client, layer: DataLayer
) -> None:
    html = message_of(site, layer=[str(layer.uuid)], atlas=[str(layer.uuid)])

    assert "not installed any more" in html
    assert not ViewerSession.objects.exists()


@pytest.mark.parametrize("name", ["", "../x.json", 7])
def test_colors_are_read_from_a_plain_file_beside_the_volume_only(
    channel: ImagingChannel, name: object
) -> None:
    an_atlas()
    layer = AtlasLayer.objects.get(part=AtlasLayer.Part.ANNOTATION)
    assert colors_of(layer) == (("7", "#70ff70"),)

    layer.facts = {"segment_colors": name}

    assert colors_of(layer) == ()


# --- rounds of processing ---


def test_the_newest_round_is_shown_and_an_older_one_can_be_chosen(
    site: Client, channel: ImagingChannel
) -> None:
    atlas = an_atlas()
    first = registered(channel, atlas)
    Product.objects.filter(pk=first.product.pk).update(path="of/round/1")
    folder = settings.DATA_ROOT / str(channel.resolution.imaging_request.folder)
    (folder / "viz/registered").rename(folder / "viz/round-1")
    second = registered(channel, atlas, number=2)

    newest, older = page_of(site, channel), page_of(site, channel, "?round=1")

    assert str(second.uuid) in newest.content.decode()
    assert str(first.uuid) not in newest.content.decode()
    assert str(first.uuid) in older.content.decode()
    assert newest.context["rounds"].numbers == (1, 2)


@pytest.mark.parametrize("forged", ["7", "x", "-1", "99999999999"])
def test_a_round_that_there_is_not_shows_the_newest(
    site: Client, channel: ImagingChannel, forged: str
) -> None:
    registered(channel, an_atlas())

    page = page_of(site, channel, f"?round={forged}")

    assert page.context["rounds"].chosen == 1


def test_a_round_in_which_nothing_ran_is_not_there_to_choose(channel: ImagingChannel) -> None:
    registered(channel, an_atlas())
    volumes.registered_with(Atlas.objects.get(name="small"), channel, number=2)

    assert rounds_of(channel.resolution.imaging_request.sample).numbers == (1,)


# --- reasons ---


def test_a_failed_volume_leads_to_its_run(
    site: Client, channel: ImagingChannel, layer: DataLayer
) -> None:
    run = layer.product.step.run
    layer.product.delete()
    type(run).objects.filter(pk=run.pk).update(state="failed")

    html = page_of(site, channel).content.decode()

    assert f'href="/processing/runs/{run.pk}/"' in html


def test_a_channel_with_two_purposes_is_one_line(
    imaging_request: ImagingRequest, researcher: User, channel: ImagingChannel
) -> None:
    volumes.a_volume(channel, VOXELS, side="left")
    type(channel).objects.filter(pk=channel.pk).update(registration=True, cell_detection=True)

    (matrix,) = chooser.matrices_of(imaging_request.sample, to=researcher)

    assert [line.channel.wavelength.name for line in matrix.lines] == ["488", "647"]


# --- what was ticked last ---


def test_what_was_ticked_last_is_ticked_again(
    site: Client, channel: ImagingChannel, imaging_request: ImagingRequest
) -> None:
    left, _ = (volumes.a_volume(channel, VOXELS, side=side) for side in ("left", "right"))
    registered(channel, an_atlas())

    opened(
        site, layer=[str(left.uuid)], arrangement="panels", sample=str(imaging_request.sample.pk)
    )

    page = page_of(site, channel)
    assert page.context["ticked"] == {left.pk}
    assert page.context["arrangement"] == "panels"


def test_another_person_and_a_recipe_tick_nothing(
    site: Client, channel: ImagingChannel, imaging_request: ImagingRequest, manager: User
) -> None:
    left, right = (volumes.a_volume(channel, VOXELS, side=side) for side in ("left", "right"))
    sample = str(imaging_request.sample.pk)
    opened(site_client(manager), layer=[str(left.uuid)], sample=sample)
    opened(site, layer=[str(left.uuid), str(right.uuid)], recipe="raw", sample=sample)

    assert page_of(site, channel).context["ticked"] == {left.pk, right.pk}
    assert ViewerSession.objects.filter(spec__options__sample__isnull=False).count() == 1


def test_a_view_with_an_atlas_opens_again_as_it_was(site: Client, channel: ImagingChannel) -> None:
    layer = registered(channel, an_atlas())
    first = opened(site, layer=[str(layer.uuid)], atlas=[str(layer.uuid)], arrangement="panels")

    html = site.get(f"/viewers/again/{first.uuid}/").content.decode()

    assert f'name="atlas" value="{layer.uuid}"' in html
    again = opened(
        site, layer=first.layer_uuids, atlas=[str(layer.uuid)], arrangement="panels", recipe=""
    )
    assert again.spec == first.spec


# --- atlases ---


def test_everybody_signed_in_finds_the_installed_atlases(
    stranger: User, site: Client, django_assert_max_num_queries: Callable[..., object]
) -> None:
    Atlas.objects.filter(pk=an_atlas().pk).update(source="Somebody et al.", licence="CC BY 4.0")
    an_installed_atlas("without_layers")

    html = site_client(stranger).get("/viewers/atlases/").content.decode()

    assert all(words in html for words in ("The small atlas", "Somebody et al.", "CC BY 4.0"))
    assert "without_layers" not in html


def test_without_an_atlas_the_list_says_how_one_gets_there(site: Client) -> None:
    assert "No atlas is installed" in site.get("/viewers/atlases/").content.decode()


def test_an_atlas_opens_with_its_template(stranger: User) -> None:
    an_atlas()
    parts = {row.part: str(row.uuid) for row in AtlasLayer.objects.all()}

    view = opened(
        site_client(stranger), layer=[parts["template"], parts["annotation"]], recipe="atlas"
    )

    assert view.title == "The small atlas · Atlas browser"


def test_the_way_back_from_an_atlas_is_the_list_of_them(stranger: User) -> None:
    an_atlas()
    parts = {row.part: str(row.uuid) for row in AtlasLayer.objects.all()}
    posted = {"layer": [parts["template"], parts["annotation"]], "recipe": "atlas"}
    answer = site_client(stranger).post("/viewers/open/", posted)
    viewer = viewer_client()

    page = viewer.get(path_of(answer["Location"]), follow=True).content.decode()

    assert f'href="{settings.SITE_URL}/viewers/atlases/"' in page
