"""The demo plays the whole main job with the local scheduler, and says whether it is viewable."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from core_app.models import User
from imaging_app.models import ImagingChannel
from processing_app.models import Product, Run
from requests_app.models import Request
from tests.support.people import PASSWORD
from viewers_app.models import DataLayer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone]


@override_settings(DEBUG=True, ALLOWED_HOSTS=["*"])
def test_a_real_brain_goes_through_the_demo(real_data: Path) -> None:
    planes = real_data / "real_brain" / "brain_planes"

    call_command("play_demo", "--no-serve", raw=planes, voxel="50,40,40", orientation="coronal")

    product = Product.objects.get(kind="raw")
    assert product.shape_xyz == [271, 193, 270]
    assert product.voxel_nm_xyz == [40000, 40000, 50000]
    assert ImagingChannel.objects.get().orientation == "coronal"
    # Turned to the usual orientation; nothing is registered with the atlas of another brain.
    small = Product.objects.get(kind="downsized")
    assert small.facts["orientation"] == "sagittal"
    assert set(Product.objects.values_list("kind", flat=True)) == {"raw", "blended", "downsized"}
    assert Request.objects.get().state == "closed"


@override_settings(DEBUG=True, ALLOWED_HOSTS=["*"])
def test_playing_again_adds_nothing(real_data: Path) -> None:
    planes = real_data / "real_brain" / "brain_planes"
    for _ in range(2):
        call_command("play_demo", "--no-serve", raw=planes, voxel="50,40,40")

    assert (Request.objects.count(), Run.objects.count(), DataLayer.objects.count()) == (1, 3, 3)


@override_settings(DEBUG=True, ALLOWED_HOSTS=["*"])
def test_other_voxels_are_not_answered_by_an_earlier_play(real_data: Path) -> None:
    planes = real_data / "real_brain" / "brain_planes"
    call_command("play_demo", "--no-serve", raw=planes, voxel="50,40,40")

    with pytest.raises(CommandError, match="played before with VOXEL=50,40,40"):
        call_command("play_demo", "--no-serve", raw=planes, voxel="25,40,40")


@override_settings(DEBUG=False)
def test_a_production_site_refuses_the_demo() -> None:
    with pytest.raises(CommandError, match="DEBUG=1"):
        call_command("play_demo", "--no-serve")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"raw": Path("/nowhere")}, "needs VOXEL"),
        ({"raw": Path("/nowhere"), "voxel": "1,1,1"}, "is not a folder"),
        ({"raw": Path("/"), "voxel": "1,1,1"}, "no .tif file"),
        ({"raw": Path("/"), "voxel": "a"}, "three numbers"),
        ({"raw": Path("/"), "voxel": "1,0,0"}, "above 0"),
        ({"cluster": "slurm-ssh"}, "The settings say CLUSTER=local"),
    ],
)
@override_settings(DEBUG=True)
def test_wrong_options_are_answered_in_words(options: dict[str, object], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("play_demo", "--no-serve", **options)


@override_settings(DEBUG=True)
def test_the_demo_takes_over_nobodys_account() -> None:
    somebody = User.objects.create_user("admin", email="admin@facility.example", password=PASSWORD)

    with pytest.raises(CommandError, match="did not make"):
        call_command("play_demo", "--no-serve", raw=None)

    somebody.refresh_from_db()
    assert somebody.check_password(PASSWORD)
    assert not somebody.is_superuser
    assert User.objects.count() == 1
