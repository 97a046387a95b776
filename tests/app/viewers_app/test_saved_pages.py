"""Pages of saved views: the list, versions, names, removal with undo, links, annotations."""

import json

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from core_app.models import User
from processing_app.models import Atlas
from tests.app.viewers_app.conftest import path_of, site_client, viewer_client
from tests.support.saved import a_document, a_saved_view, add_version, share
from viewers_app.models import AtlasLayer, DataLayer, SavedView, ShareLink, ViewerSession
from viewers_app.services import saving


@pytest.fixture
def view(researcher: User, layer: DataLayer) -> SavedView:
    return a_saved_view(researcher, layer)


@pytest.fixture
def site(researcher: User) -> Client:
    return site_client(researcher)


def page_of(site: Client, view: SavedView) -> str:
    return site.get(f"/viewers/saved/{view.uuid}/").content.decode()


def test_own_views_are_listed_and_no_others(site: Client, view: SavedView, stranger: User) -> None:
    assert "tracts" in site.get("/viewers/saved/").content.decode()
    assert "tracts" not in site_client(stranger).get("/viewers/saved/").content.decode()


@pytest.mark.parametrize("what", ["", "open/1/", "rename/", "remove/", "restore/", "share/"])
def test_the_saved_view_of_another_is_not_there(
    view: SavedView, stranger: User, manager: User, what: str
) -> None:
    address = f"/viewers/saved/{view.uuid}/{what}"

    for person in (stranger, manager):
        client = site_client(person)
        answer = client.post(address, {"name": "x"}) if what else client.get(address)
        assert answer.status_code == 404
    view.refresh_from_db()
    assert (view.name, view.removed_at) == ("tracts", None)


def test_a_link_of_another_view_is_not_ended_through_an_own_one(
    view: SavedView, stranger: User, layer_of: object
) -> None:
    made = share(view)
    theirs = a_saved_view(stranger, layer_of(stranger))

    for verb in ("revoke", "extend"):
        address = f"/viewers/saved/{theirs.uuid}/links/{made.link.pk}/{verb}/"
        assert site_client(stranger).post(address, {"days": 1}).status_code == 404
    made.link.refresh_from_db()
    assert made.link.revoked_at is None


def test_an_older_version_opens(site: Client, view: SavedView, layer: DataLayer) -> None:
    add_version(view, layer)

    answer = site.post(f"/viewers/saved/{view.uuid}/open/1/")

    assert answer["Location"].startswith(f"{settings.VIEWER_URL}/open?")
    assert ViewerSession.objects.latest("pk").version.number == 1
    assert viewer_client().get(path_of(answer["Location"])).status_code == 302
    assert site.post(f"/viewers/saved/{view.uuid}/open/9/").status_code == 404


def test_a_view_is_renamed_and_its_address_stays(site: Client, view: SavedView) -> None:
    site.post(f"/viewers/saved/{view.uuid}/rename/", {"name": "  new\nname "})
    site.post(f"/viewers/saved/{view.uuid}/rename/", {"name": ""})

    assert "new name" in page_of(site, view)


def test_removing_is_undone(site: Client, view: SavedView) -> None:
    made = share(view)
    gone = site.post(f"/viewers/saved/{view.uuid}/remove/", follow=True)

    assert "Undo" in gone.content.decode()
    assert site.get(f"/viewers/saved/{view.uuid}/").status_code == 404
    assert site.get(f"/states/{view.uuid}").status_code == 404
    assert site_client().get(f"/s/{made.token}").status_code == 410

    site.post(f"/viewers/saved/{view.uuid}/restore/")

    assert "tracts" in page_of(site, view)
    assert site_client().get(f"/s/{made.token}").status_code == 200


def test_the_token_is_shown_once_and_nowhere_else(site: Client, view: SavedView) -> None:
    terms = {"scope": "anyone", "days": 7, "people": "", "most_uses": "", "note": "for the group"}

    made = site.post(f"/viewers/saved/{view.uuid}/share/", terms)

    html = made.content.decode()
    address = html.partition("data-copy-text>")[2].partition("<")[0]
    assert address.startswith(f"{settings.SITE_URL}/s/")
    assert "no-store" in made["Cache-Control"]
    token = address.rpartition("/")[2]
    assert token not in page_of(site, view)
    assert token not in html.partition("<title>")[2].partition("</title>")[0]
    assert ShareLink.objects.get().note == "for the group"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"people": ""}, "Name at least one person"),
        ({"people": "nobody-here"}, "Nobody here is called nobody-here"),
        ({"scope": "everything"}, "everything"),
        ({"days": "1000"}, "1 to 90 days"),
        ({"days": "-1"}, "greater than or equal to 1"),
        ({"most_uses": "0"}, "greater than or equal to 1"),
    ],
)
def test_terms_that_cannot_be_are_refused_where_they_are_typed(
    site: Client, view: SavedView, change: dict[str, str], words: str
) -> None:
    terms = {"scope": "named", "days": "7", "people": "stranger, labmate@example.org"}

    answer = site.post(f"/viewers/saved/{view.uuid}/share/", {**terms, **change})

    assert words in answer.content.decode()
    assert not ShareLink.objects.exists()


def test_people_are_named_by_username_or_address(
    site: Client, view: SavedView, stranger: User, labmate: User
) -> None:
    terms = {"scope": "named", "days": "7", "people": "Stranger; LABMATE@example.org"}

    site.post(f"/viewers/saved/{view.uuid}/share/", terms)

    assert set(ShareLink.objects.get().people.all()) == {stranger, labmate}


def test_what_was_shared_with_people_is_for_nobody_named_otherwise(
    site: Client, view: SavedView, stranger: User
) -> None:
    terms = {"scope": "anyone", "days": "7", "people": "stranger"}

    site.post(f"/viewers/saved/{view.uuid}/share/", terms)

    assert not ShareLink.objects.get().people.exists()


def draw(view: SavedView, *annotations: object) -> None:
    newest = view.newest
    saving.add_annotations(view, list(annotations), by=view.owner)
    assert view.newest.number == newest.number + 1


def csv_file(text: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("a.csv", text if isinstance(text, bytes) else text.encode())


def test_annotations_go_out_and_come_back_in_a_new_version(site: Client, view: SavedView) -> None:
    box = {"type": "axis_aligned_bounding_box", "pointA": [1, 2, 3], "pointB": [4, 5, 6]}
    draw(view, {**box, "id": "x", "description": "=1+1"})
    address = f"/viewers/saved/{view.uuid}/annotations.csv"

    table = site.get(address)
    site.post(address, {"file": csv_file(table.content)})

    assert table["Content-Disposition"] == 'attachment; filename="tracts-annotations.csv"'
    first, second = view.newest.document["layers"][-2:]
    assert second["name"] == "annotations 2"
    assert second["annotations"] == [{**box, "id": "row-1", "description": "=1+1"}]
    assert first["annotations"][0]["pointB"] == second["annotations"][0]["pointB"]
    assert view.newest.layers == view.versions.get(number=1).layers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"\xff\xff", "not UTF-8"),
        ("a,b\n", "no column Coordinate 1"),
        ("Coordinate 1,Type\nx,Point\n", "Line 2"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(
    site: Client, view: SavedView, text: str | bytes, words: str
) -> None:
    answer = site.post(
        f"/viewers/saved/{view.uuid}/annotations.csv",
        {"file": csv_file(text)},
        headers={"referer": f"{settings.SITE_URL}/viewers/saved/{view.uuid}/"},
        follow=True,
    )

    assert words in answer.content.decode()
    assert view.versions.count() == 1


def test_a_file_that_is_too_large_is_refused(
    site: Client, view: SavedView, settings: Settings
) -> None:
    settings.VIEWER_STATE_MAX_BYTES = 1000
    many = "Coordinate 1,Type\n" + '"(1, 2, 3)",Point\n' * 30

    site.post(f"/viewers/saved/{view.uuid}/annotations.csv", {"file": csv_file(many)})

    assert view.versions.count() == 1


def test_regions_are_named_from_the_atlas_in_the_view(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    atlas = Atlas.objects.create(
        name="some", label="Some brain", voxel_x_um=25, voxel_y_um=25, voxel_z_um=25, size_x=10,
        size_y=10, size_z=10, template_path="atlases/some/template.tif",
        annotation_path="atlases/some/annotation.tif", checksum="c" * 64,
        structure_tree_path="atlases/some/structures.json",
    )  # fmt: skip
    folder = settings.DATA_ROOT / "atlases/some"
    folder.mkdir(parents=True)
    tree = [{"id": 8, "acronym": "grey", "name": "Grey; matter", "parent": None, "color": None}]
    (folder / "structures.json").write_text(json.dumps(tree))
    regions = AtlasLayer.objects.create(atlas=atlas, part=AtlasLayer.Part.ANNOTATION)
    view = a_saved_view(researcher, layer, regions)
    draw(view, {"type": "point", "id": "x", "point": [1, 2, 3], "segments": [["8", "9"]]})

    table = site.get(f"/viewers/saved/{view.uuid}/annotations.csv").content.decode()

    assert "8; 9,Grey; matter; ,Point" in table


def test_paths_to_copy_are_for_those_who_may_know_them(
    site: Client, view: SavedView, layer: DataLayer, labmate: User
) -> None:
    labmate.memberships.update(role="pi")
    theirs = a_saved_view(labmate, layer)

    assert str(layer.folder) in page_of(site, view)
    assert str(layer.folder) not in page_of(site_client(labmate), theirs)


def test_nothing_of_a_name_or_note_is_markup(
    site: Client, researcher: User, layer: DataLayer
) -> None:
    view = a_saved_view(researcher, layer, name="<script>alert(1)</script>")
    saving.add_version(view, a_document([layer]), [str(layer.uuid)], by=researcher)

    assert "<script>alert" not in page_of(site, view)
