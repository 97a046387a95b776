"""The page of an atlas's structures, and views that show some of them as one."""

import csv
import io
import json
from typing import Any

import pytest
import tifffile
from django.conf import settings
from django.test import Client

from core_app.models import User
from processing_app.models import Atlas
from tests.app.viewers_app.conftest import path_of, site_client, viewer_client
from tests.support import volumes
from viewers_app import label_lookup, regions, selectors
from viewers_app.models import AtlasLayer, SavedVersion, SavedView, ViewerSession
from viewers_app.services import saving

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


# --- the region at a place ---


def a_version(uuids: list[str], owner: User, **changes: Any) -> SavedVersion:
    """Save a view of the atlas with three points: in the middle, in the corner, far outside."""
    points = [[40, 66, 57], [0, 0, 0], [1e6, -4, 2]]
    marks = [{"type": "point", "id": str(n), "point": at} for n, at in enumerate(points)]
    regions = {"type": "segmentation", "name": "regions", "source": f"layer:{uuids[1]}"}
    document = {
        "dimensions": {axis: [1e-4, "m"] for axis in "xyz"},
        "layers": [
            {**regions, **changes.pop("regions", {})},
            {"type": "annotation", "name": "marks", "source": "local://annotations",
             "annotations": marks},
        ],
        **changes,
    }  # fmt: skip
    view = SavedView.objects.create(owner=owner, name="marks")
    return saving.add_version(view, document, [uuids[1]], by=owner)


def regions_in(site: Client, version: SavedVersion) -> list[str]:
    text = site.get(f"/viewers/saved/{version.view.uuid}/annotations.csv").content.decode()
    return [row["Region"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))]


def label_at(x: int, y: int, z: int) -> int:
    atlas = Atlas.objects.get(name="phantom")
    return int(tifffile.imread(settings.DATA_ROOT / atlas.annotation_path)[z, y, x])


def test_the_table_names_the_region_at_each_place(
    site: Client, uuids: list[str], stranger: User
) -> None:
    found = regions_in(site, a_version(uuids, stranger))

    tree = regions.tree_in(selectors.atlas_layers().filter(part="annotation"))
    label = label_at(40, 66, 57)
    assert tree is not None
    assert found == [tree[label].label if label else "", "", ""]
    assert any(found)


def test_places_are_looked_up_in_the_units_of_the_view(
    site: Client, uuids: list[str], stranger: User
) -> None:
    fine = a_version(uuids, stranger, dimensions={axis: [1e-4 / 80, "m"] for axis in "xyz"})

    assert regions_in(site, fine) == ["", "", ""]  # all of them lie in the corner


@pytest.mark.parametrize(
    "changes",
    [
        {"dimensions": {"a": [1, "m"]}},
        {"dimensions": {axis: [1e-4, "s"] for axis in "xyz"}},
        {"dimensions": None},
        {"regions": {"source": "layer:11111111-1111-4111-8111-111111111111"}},
        {"regions": {"type": "image"}},
    ],
)
def test_where_nothing_can_be_known_nothing_is_said(
    site: Client, uuids: list[str], stranger: User, changes: dict[str, Any]
) -> None:
    assert regions_in(site, a_version(uuids, stranger, **changes)) == ["", "", ""]


def test_a_layer_that_somebody_moved_is_not_looked_into(
    site: Client, uuids: list[str], stranger: User
) -> None:
    moved = {"url": f"layer:{uuids[1]}", "transform": {"matrix": [[1, 0, 0, 9]]}}

    version = a_version(uuids, stranger, regions={"source": moved})

    assert regions_in(site, version) == ["", "", ""]


def test_a_volume_that_cannot_be_read_costs_the_regions_and_no_more(
    site: Client, uuids: list[str], stranger: User
) -> None:
    layer = selectors.atlas_layers().get(part="annotation")
    (layer.folder.under(settings.DATA_ROOT) / "info").write_text("{")

    assert regions_in(site, a_version(uuids, stranger)) == ["", "", ""]


def test_chunks_that_cannot_be_read_cost_their_own_regions_only(
    site: Client, uuids: list[str], stranger: User
) -> None:
    layer = selectors.atlas_layers().get(part="annotation")
    for chunk in layer.folder.under(settings.DATA_ROOT).glob("*_*_*/*"):
        chunk.write_bytes(b"damaged")

    assert regions_in(site, a_version(uuids, stranger)) == ["", "", ""]


def test_only_so_many_places_are_looked_up(
    site: Client, uuids: list[str], stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_lookup, "MOST_PLACES", 0)

    assert regions_in(site, a_version(uuids, stranger)) == ["", "", ""]
