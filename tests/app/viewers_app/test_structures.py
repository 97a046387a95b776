"""The page of an atlas's structures, and views that show some of them as one."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from core_app.models import User
from tests.app.viewers_app.conftest import path_of, site_client, viewer_client
from tests.support import volumes
from viewers_app import selectors
from viewers_app.models import AtlasLayer, SavedVersion, ViewerSession

pytestmark = pytest.mark.django_db


@pytest.fixture
def uuids() -> list[str]:
    """Template and annotation of the phantom atlas."""
    volumes.the_phantom_atlas()
    rows = {row.part: row for row in selectors.atlas_layers()}
    return [str(rows[part].uuid) for part in (AtlasLayer.Part.TEMPLATE, AtlasLayer.Part.ANNOTATION)]


@pytest.fixture
def site(stranger: User) -> Client:
    """Atlases are everybody's."""
    return site_client(stranger)


def page_of(site: Client, uuids: list[str], **query: Any) -> str:
    answer = site.get("/viewers/structures/", {"recipe": "atlas", "layer": uuids, **query})
    assert answer.status_code == 200
    return answer.content.decode()


def opened(site: Client, uuids: list[str], **chosen: Any) -> tuple[Client, ViewerSession]:
    answer = site.post("/viewers/open/", {"recipe": "atlas", "layer": uuids, **chosen})
    client = viewer_client()
    assert client.get(path_of(answer["Location"])).status_code == 302
    return client, ViewerSession.objects.latest("pk")


def regions_of(client: Client, session: ViewerSession) -> dict[str, Any]:
    """Return the layer of regions in the client's state."""
    state = json.loads(client.get(f"/states/{session.uuid}").content)
    return next(layer for layer in state["layers"] if layer["type"] == "segmentation")


def test_the_page_shows_the_whole_tree(site: Client, uuids: list[str]) -> None:
    html = page_of(site, uuids)

    assert "Search 11 structures" in html
    assert html.count('class="swatch"') == 11
    assert "1 (" in html


def test_a_search_finds_by_name_acronym_and_id(site: Client, uuids: list[str]) -> None:
    name = page_of(site, uuids, q="cerebell")
    nothing = page_of(site, uuids, q="no such <word>")

    assert 0 < name.count('class="swatch"') < 11
    assert "No structure has “no such &lt;word&gt;”" in nothing


def test_a_level_is_opened_as_groups_in_the_colors_and_names_of_their_tops(
    site: Client, uuids: list[str]
) -> None:
    client, session = opened(site, uuids, level="1")

    layer = regions_of(client, session)
    groups = layer["equivalences"]
    address = layer["source"][1].removeprefix("precomputed://")
    names = json.loads(client.get(path_of(f"{address}/info")).content)

    assert groups and all(len(group) > 1 for group in groups)
    shown = [min(group, key=int) for group in groups]
    assert set(shown) <= set(names["inline"]["ids"]) & set(layer["segmentColors"])
    assert layer["source"][0]["subsources"]["properties"] is False
    assert names["@type"] == "neuroglancer_segment_properties"


def test_a_level_that_is_no_number_is_refused_with_words(site: Client, uuids: list[str]) -> None:
    answer = site.post(
        "/viewers/open/", {"recipe": "atlas", "layer": uuids, "level": "x"}, follow=True
    )

    assert "no level" in answer.content.decode()
    assert not ViewerSession.objects.exists()


def test_names_of_a_cut_are_only_for_who_may_have_the_volume(
    site: Client, uuids: list[str]
) -> None:
    client, _ = opened(site, uuids, level="1")
    address = f"/data/{uuids[1]}/regions/level-1/info"

    assert viewer_client().get(address).status_code == 401
    assert client.get(address).status_code == 200
    assert client.get(f"/data/{uuids[0]}/regions/level-1/info").status_code == 404
    for wrong in ("level-x", "chosen-1..2", "level-1/../.."):
        assert client.get(f"/data/{uuids[1]}/regions/{wrong}/info").status_code == 404


def test_a_saved_view_keeps_its_groups_and_their_names(site: Client, uuids: list[str]) -> None:
    client, session = opened(site, uuids, level="1")
    state = json.loads(client.get(f"/states/{session.uuid}").content)
    body = json.dumps({"name": "by level", "view": None, "state": state})
    saved = client.post(
        f"/view/{session.uuid}/save", body, "application/json",
        headers={"Origin": settings.VIEWER_URL},
    )  # fmt: skip
    document = SavedVersion.objects.latest("pk").document

    assert saved.status_code == 200
    layer = next(one for one in document["layers"] if one["type"] == "segmentation")
    assert layer["source"][1] == f"layer:{uuids[1]}/regions/level-1"
    assert layer["equivalences"]


def test_opening_again_asks_for_the_same_cut(site: Client, uuids: list[str]) -> None:
    _, session = opened(site, uuids, level="1")

    html = site.get(f"/viewers/again/{session.uuid}/").content.decode()

    assert '<input type="hidden" name="level" value="1">' in html


def test_volumes_without_a_tree_say_so(site: Client, uuids: list[str]) -> None:
    answer = site.get("/viewers/structures/", {"layer": uuids[:1]})

    assert "have no tree of structures" in answer.content.decode()


def test_a_tree_of_a_volume_of_others_is_not_there(
    site: Client, uuids: list[str], layer: AtlasLayer
) -> None:
    answer = site.get("/viewers/structures/", {"layer": [str(layer.uuid)]})

    assert answer.status_code == 404


def test_nothing_chosen_leads_back_with_words(site: Client) -> None:
    answer = site.get("/viewers/structures/", {"recipe": "atlas"}, follow=True)

    assert answer.status_code == 200
