"""What a bad delivery makes the imager read: file and remedy; and nothing is left behind."""

import os

import pytest
from django.urls import reverse

from core_app.errors import Invalid
from imaging_app import selectors
from imaging_app.models import ImagingRequest, RawDelivery
from imaging_app.services.channels import Acquisition
from pipeline.raw import tiff_header
from processing_app.models import Run
from tests.support import stacks
from tests.support.checks import check_delivery, finish_check
from tests.support.scenarios import a_request_being_imaged, set_all_channels

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
FIRST, SECOND = stacks.plane_name(0), stacks.plane_name(1)


@pytest.fixture
def sample(researcher, clearer, imager):
    found = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    acquired = Acquisition("run_1", z_planes=4, z_step_um=10.0, right_sheet=False)
    set_all_channels(found, acquired, by=imager)
    return found


@pytest.fixture
def folder(sample, settings):
    channel = selectors.channels_of(sample).get()
    return stacks.lavision_delivery(settings.DATA_ROOT / str(channel.raw_folder))


def listing(folder):
    return {path.name: path.lstat().st_size for path in folder.iterdir()}


def the_problem(sample, imager):
    """The one problem that the check finds."""
    (delivery,) = check_delivery(sample, by=imager)
    (problem,) = delivery.problems
    return problem


def drop_a_plane(folder):
    stacks.drop_planes(folder, [1])


def mix_sizes(folder):
    stacks.change_size(folder / SECOND)


def cut_short(folder):
    stacks.truncate(folder / SECOND)


def export_with_8_bit(folder):
    stacks.make_8_bit(folder / SECOND)


def put_in_text(folder):
    stacks.replace_by_text(folder / SECOND)


def leave_a_dangling_link(folder):
    stacks.make_unreadable(folder / SECOND)


SPOILED = [
    (drop_a_plane, "", "has 3 of 4 planes", "Wait for the copy"),
    (mix_sizes, SECOND, "mixes plane sizes", "Leave only the files of one acquisition"),
    (cut_short, SECOND, "shorter than its header says", "Wait for the copy"),
    (export_with_8_bit, SECOND, "8-bit", "Export the planes again as 16-bit"),
    (put_in_text, SECOND, "not a TIFF", "Copy it again"),
    (leave_a_dangling_link, SECOND, "", "then press Check again"),
]
IDS = [case[0].__name__ for case in SPOILED]


@pytest.mark.parametrize(("spoil", "file", "what", "remedy"), SPOILED, ids=IDS)
def test_the_imager_reads_which_file_is_wrong_and_what_to_do(
    sample, folder, imager, spoil, file, what, remedy
):
    spoil(folder)

    problem = the_problem(sample, imager)

    assert file in problem["file"]
    assert what in problem["what"]
    assert remedy in problem["remedy"]


@pytest.mark.parametrize(("spoil", "file", "what", "remedy"), SPOILED, ids=IDS)
def test_the_page_shows_it_and_nothing_is_left_behind(
    client, sample, folder, imager, spoil, file, what, remedy
):
    client.force_login(imager, backend=BACKEND)
    client.get(
        "/imaging/"
    )  # the static files are looked up once, and no dangling link may lie there
    spoil(folder)
    before = listing(folder)
    channel = selectors.channels_of(sample).get()
    typed = {
        "raw_subfolder": "run_1", "z_planes": 4, "z_step_um": 10, "left_sheet": "on",
        "tile_columns": 1, "tile_rows": 1, "tile_overlap": 0, "orientation": "horizontal",
    }  # fmt: skip
    data = {f"channel-{channel.pk}-{name}": value for name, value in typed.items()}

    address = reverse("imaging:request-enter", args=[sample.pk])
    client.post(address, {"action": "check", **data})
    finish_check(sample)
    response = client.post(address, {"action": "complete", **data})

    page = response.content.decode()
    assert response.status_code == 422
    assert remedy in page
    assert what in page
    assert listing(folder) == before
    assert not Run.objects.processing().exists()
    assert ImagingRequest.objects.get(pk=sample.pk).state == "in progress"


def test_an_empty_folder_is_named_as_empty(sample, folder, imager):
    for path in folder.iterdir():
        path.unlink()

    (delivery,) = check_delivery(sample, by=imager)

    assert delivery.problems[0]["what"] == "The folder is empty."
    assert delivery.report["counts"][0]["found"] == 0


def test_a_folder_that_is_gone_is_named(sample, folder, imager):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    problem = the_problem(sample, imager)

    assert "run_1 cannot be read" in problem["what"]


def test_a_folder_without_planes_says_which_files_belong_there(sample, folder, imager):
    for path in folder.iterdir():
        path.rename(folder / f"{path.stat().st_ino}.tif")

    problems = check_delivery(sample, by=imager)[0].problems

    assert "Choose the folder that holds the RawDataStack files" in problems[0]["remedy"]


def test_a_file_that_may_not_be_read_is_named(sample, folder, imager, monkeypatch):
    opened = os.open

    def refuse_one(path, *args, **kwargs):
        if str(path).endswith(FIRST):
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    read = tiff_header.read_header

    def read_but_one(path):
        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.open", _open_but(FIRST))
            patch.setattr("os.open", refuse_one)
            return read(path)

    monkeypatch.setattr("pipeline.raw.check.read_header", read_but_one)

    problem = the_problem(sample, imager)

    assert problem["file"] == FIRST
    assert "Make the folder readable" in problem["remedy"]


def _open_but(name):
    from pathlib import Path

    real = Path.open

    def refuse(path, *args, **kwargs):
        if path.name == name:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    return refuse


def test_a_file_that_links_out_of_the_storage_is_refused(sample, folder, imager, tmp_path):
    secret = tmp_path / "secret.tif"
    secret.write_bytes((folder / SECOND).read_bytes())
    stacks.link_out(folder / SECOND, secret)

    problems = check_delivery(sample, by=imager)[0].problems

    assert "leads out of the data storage" in problems[0]["what"]


def test_a_folder_that_links_out_of_the_storage_is_refused(sample, folder, imager, tmp_path):
    outside = tmp_path / "outside"
    folder.rename(outside)
    folder.symlink_to(outside)

    with pytest.raises(Invalid, match="leads out of the data root"):
        check_delivery(sample, by=imager)

    assert not RawDelivery.objects.exists()


def test_too_many_planes_are_named(sample, folder, imager):
    stacks.lavision_delivery(folder, planes=6)

    problem = the_problem(sample, imager)

    assert "2 more than the 4 planes" in problem["what"]


def test_a_mended_delivery_is_right_at_the_next_check(sample, folder, imager):
    whole = (folder / SECOND).read_bytes()
    stacks.truncate(folder / SECOND)
    check_delivery(sample, by=imager)
    (folder / SECOND).write_bytes(whole)

    check_delivery(sample, by=imager)

    delivery = RawDelivery.objects.get()
    assert (delivery.is_right, delivery.problems) == (True, [])
