"""What a view that a share link opened may fetch, and until when; atlases are everybody's."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core_app.errors import NotAllowed
from processing_app.models import Atlas
from tests.app.viewers_app.conftest import Browser, path_of, viewer_client
from viewers_app.data_access import verdicts
from viewers_app.models import AtlasLayer, DataLayer, SavedVersion, SavedView, ShareLink
from viewers_app.services import sessions

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(layer: DataLayer, researcher) -> ShareLink:
    """A link of the researcher, for anyone, to a saved view of the volume."""
    view = SavedView.objects.create(owner=researcher, name="tracts")
    SavedVersion.objects.create(
        view=view, number=1, document={"layers": []}, layers=[str(layer.uuid)], by=researcher
    )
    return ShareLink.objects.create(
        digest="d" * 64, hint="abcd", view=view, scope=ShareLink.Scope.ANYONE,
        created_by=researcher, expires_at=timezone.now() + timedelta(days=14),
    )  # fmt: skip


def guest_of(link: ShareLink, *layers: DataLayer) -> Browser:
    wanted = sessions.Wanted(layers, "shared", version=link.view.newest, share=link)
    opened = sessions.open_view(wanted, by=None)
    browser = Browser(viewer_client(), opened.session)
    assert browser.client.get(path_of(opened.url)).status_code == 302
    return browser


def status(browser: Browser, layer) -> int:
    verdicts.forget()
    return browser.data(layer).status_code


def test_a_guest_without_an_account_fetches_what_was_shared_and_sees_the_page(link, layer):
    guest = guest_of(link, layer)

    assert status(guest, layer) == 200
    assert guest.client.get(f"/view/{guest.session.uuid}/").status_code == 200


def test_a_guest_fetches_nothing_else_of_the_person_who_shared(link, layer, layer_of, researcher):
    guest = guest_of(link, layer)

    assert status(guest, layer_of(researcher)) == 404


def test_a_link_opens_no_volume_that_its_creator_may_not_share(link, layer_of, stranger):
    with pytest.raises(NotAllowed):
        guest_of(link, layer_of(stranger))


@pytest.mark.parametrize("end", ["revoked", "expired", "view removed", "creator gone"])
def test_a_guest_loses_the_data_when_the_link_ends(end, link, layer, researcher):
    guest = guest_of(link, layer)
    if end == "revoked":
        link.revoked_at = timezone.now()
    elif end == "expired":
        link.expires_at = timezone.now()
    elif end == "view removed":
        SavedView.objects.update(removed_at=timezone.now())
    else:
        type(researcher).objects.filter(pk=researcher.pk).update(is_active=False)
    link.save()

    assert status(guest, layer) == 401


def test_a_guest_loses_the_data_when_the_creator_may_no_longer_share(link, layer, stranger):
    guest = guest_of(link, layer)
    request = layer.request
    type(request).objects.filter(pk=request.pk).update(owner=stranger, requested_by=stranger)

    assert status(guest, layer) == 404


def test_the_sweep_ends_views_of_a_link_that_ended(link, layer):
    guest = guest_of(link, layer)
    ShareLink.objects.update(revoked_at=timezone.now())

    assert sessions.expire_sessions() == 1
    guest.session.refresh_from_db()
    assert guest.session.state == "expired"


def test_views_of_two_links_in_one_browser_do_not_end_each_other(link, layer):
    guest = guest_of(link, layer)
    other = ShareLink.objects.create(
        digest="e" * 64, hint="efgh", view=link.view, scope=ShareLink.Scope.ANYONE,
        created_by=link.created_by, expires_at=link.expires_at,
    )  # fmt: skip
    wanted = sessions.Wanted([layer], "shared", version=link.view.newest, share=other)
    guest.client.get(path_of(sessions.open_view(wanted, by=None).url))
    assert guest.client.get(f"/view/{guest.session.uuid}/").status_code == 200

    ShareLink.objects.filter(pk=link.pk).update(revoked_at=timezone.now())

    assert status(guest, layer) == 200


@pytest.fixture
def atlas_layer() -> AtlasLayer:
    atlas = Atlas.objects.create(
        name="somewhere", label="Some brain", voxel_x_um=25, voxel_y_um=25, voxel_z_um=25,
        size_x=10, size_y=10, size_z=10, template_path="atlases/somewhere/template.tif",
        annotation_path="atlases/somewhere/annotation.tif",
        structure_tree_path="atlases/somewhere/structures.json", checksum="c" * 64,
    )  # fmt: skip
    return AtlasLayer.objects.create(atlas=atlas, part=AtlasLayer.Part.ANNOTATION)


def test_an_atlas_is_seen_by_everybody_signed_in(atlas_layer, stranger, settings):
    folder = settings.DATA_ROOT / "atlases/somewhere/annotation"
    folder.mkdir(parents=True)
    (folder / "info").write_text("{}")
    opened = sessions.open_view(sessions.Wanted([atlas_layer], "atlas"), by=stranger)
    browser = Browser(viewer_client(), opened.session)
    browser.client.get(path_of(opened.url))

    assert status(browser, atlas_layer) == 200
    assert status(Browser(viewer_client()), atlas_layer) == 401


def test_an_atlas_that_is_not_installed_is_not_there(atlas_layer, stranger):
    Atlas.objects.filter(pk=atlas_layer.atlas_id).update(checksum="")
    atlas_layer.refresh_from_db()

    with pytest.raises(NotAllowed):
        sessions.open_view(sessions.Wanted([atlas_layer], "atlas"), by=stranger)
