"""The log of imaging: of one sample as it was acquired, and of all that a person may read."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from imaging_app.models import (
    DeliveryWaiver,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
    RawDelivery,
)
from imaging_app.selectors.log import SORTS
from imaging_app.workflows import skip_sample
from tests.support import clusters
from tests.support.checks import check_and_complete
from tests.support.scenarios import a_plan, a_request_being_imaged, a_sample_plan

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
LIST, CSV, XLSX = "/imaging/log/", "/imaging/log/export.csv", "/imaging/log/export.xlsx"
FORMULA = '=HYPERLINK("http://example.org")'
HOSTILE = "<script>alert('x')</script>"


def an_imaged(owner, clearer, imager, name="one", **plan):
    found = clusters.an_imaged_sample(
        owner, clearer=clearer, imager=imager, plan=a_plan(name, **plan)
    )
    clusters.deliver(found)
    check_and_complete(found, by=imager)
    return ImagingRequest.objects.get(pk=found.pk)


@pytest.fixture
def imaged(researcher, clearer, imager):
    return an_imaged(researcher, clearer, imager)


@pytest.fixture
def reader(client, researcher):
    client.force_login(researcher, backend=BACKEND)
    return client


@pytest.fixture
def desk(client, imager):
    client.force_login(imager, backend=BACKEND)
    return client


def at(row, page="request-log"):
    return reverse(f"imaging:{page}", args=[row.pk])


def table(response):
    text = response.getvalue().decode().removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text)))


def names(client, **query):
    lines = client.get(LIST, query).context["lines"]
    return [line.imaging_request.sample.request.name for line in lines]


# One sample


def test_the_log_shows_what_was_acquired(reader, imaged):
    page = reader.get(at(imaged)).content.decode()

    words = " ".join(page.split())
    for fact in (
        "iDISCO abbreviated clearing", "Horizontal", "10.0 µm", "5.0 µm", "1 x 1, 0.0", "left",
        "imaging_request_1/rawdata/resolution_1.3x/brain_488", "imager",
    ):  # fmt: skip
        assert fact in words


def test_the_log_names_aperture_times_manifest_and_what_was_accepted(reader, imaged, imager):
    resolution = ImagingResolution.objects.get(imaging_request=imaged)
    started = datetime(2026, 3, 24, 9, 30, tzinfo=UTC)
    ImagingResolution.objects.filter(pk=resolution.pk).update(
        acquisition_started_at=started, acquisition_ended_at=started + timedelta(hours=2)
    )
    found = {"folder": {"numerical_aperture": {"value": 0.148, "source": "the files"}}}
    RawDelivery.objects.filter(resolution=resolution).update(
        report={"acquired": found}, manifest="a/manifest.jsonl", manifest_digest="ab12", files=12
    )
    DeliveryWaiver.objects.create(
        resolution=resolution, subfolder="brain_488", key="k", what="Plane 7 is missing.",
        reason=f"It is air. {HOSTILE}", by=imager,
    )  # fmt: skip

    page = reader.get(at(imaged)).content.decode()

    for fact in ("0.148", "a/manifest.jsonl", "ab12", "Plane 7 is missing.", "It is air."):
        assert fact in page
    assert f"{timezone.localtime(started):%Y-%m-%d %H:%M}" in page
    assert "right, with what was accepted" in page
    assert HOSTILE not in page


def test_the_history_names_people_and_steps(reader, imaged):
    events = reader.get(at(imaged)).context["events"]

    assert {(event.verb, event.to) for event in events} >= {
        ("moved", "in progress"), ("moved", "complete"), ("acquisition entered", ""),
    }  # fmt: skip
    assert {str(event.by) for event in events} == {"imager"}


def test_before_imaging_is_complete_the_log_leads_to_the_request(
    reader, researcher, clearer, imager
):
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    answer = reader.get(at(sample), follow=True)

    assert answer.redirect_chain == [("/requests/researcher/first_brains/", 302)]
    assert "has no log of imaging round 1 yet" in answer.content.decode()
    assert reader.get(at(sample, "request-log-csv")).status_code == 302


def test_a_skipped_sample_has_no_log(reader, researcher, clearer, imager):
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    skip_sample(sample, by=imager, reason="It broke.")

    assert "the round is skipped" in reader.get(at(sample), follow=True).content.decode()


def test_a_stranger_finds_no_log(client, stranger, imaged):
    client.force_login(stranger, backend=BACKEND)

    assert client.get(at(imaged)).status_code == 404
    assert client.get(at(imaged, "request-log-csv")).status_code == 404


def test_the_log_of_a_sample_is_a_table(reader, imaged):
    answer = reader.get(at(imaged, "request-log-csv"))

    (row,) = table(answer)
    assert "researcher_one_brain-001_imaging_1.csv" in answer["Content-Disposition"]
    assert row["z_planes"] == "12"
    assert row["tiles_columns_x_rows"] == "1x1"
    assert row["xy_pixel_um"] == "5.0"
    assert row["delivery"] == "right"
    assert row["raw_folder"].endswith("resolution_1.3x/brain_488")
    assert row["address"].endswith(f"/imaging/requests/{imaged.pk}/log/")


# All of them


def test_staff_see_the_log_of_everybody_others_their_own(
    client, researcher, stranger, clearer, imager
):
    an_imaged(researcher, clearer, imager, "one")
    an_imaged(stranger, clearer, imager, "two", lab="Hill lab")
    seen = {}
    for person in (researcher, stranger, imager):
        client.force_login(person, backend=BACKEND)
        seen[person.username] = (set(names(client)), {r["request"] for r in table(client.get(CSV))})

    assert seen == {
        "researcher": ({"one"}, {"one"}),
        "stranger": ({"two"}, {"two"}),
        "imager": ({"one", "two"}, {"one", "two"}),
    }


def test_what_is_not_imaged_is_in_no_log(desk, researcher, clearer, imager):
    a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    page = desk.get(LIST).content.decode()

    assert "A sample comes here when its imaging is complete." in page


@pytest.fixture
def two(researcher, stranger, clearer, imager, manager):
    """One of the researcher, done by the imager; one of another, long ago, by the manager."""
    an_imaged(researcher, clearer, imager, "one")
    old = an_imaged(
        stranger, clearer, manager, "old", lab="Hill lab", samples=[a_sample_plan("blob-9")]
    )
    ImagingRequest.objects.filter(pk=old.pk).update(performed_on="2020-02-03")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "one old"),
        ({"lab": "River lab"}, "one"),
        ({"owner": "stranger"}, "old"),
        ({"imager": "manager"}, "old"),
        ({"microscope": "smartspim"}, ""),
        ({"microscope": "lavision"}, "one old"),
        ({"objective": "1.3x", "channel": "488"}, "one old"),
        ({"channel": "647"}, ""),
        ({"to": "2020-02-03"}, "old"),
        ({"from": "2020-02-04"}, "one"),
        ({"from": "2020-02-03", "to": "2020-02-03"}, "old"),
        ({"q": "BLOB"}, "old"),
        ({"q": "brain_488"}, "one old"),
        ({"q": "%"}, ""),
        ({"sort": "imaged", "dir": "asc"}, "old one"),
        ({"sort": "owner", "dir": "asc"}, "one old"),
        ({"sort": "nonsense", "dir": "asc"}, "one old"),
        ({"page": "99"}, "one old"),
        ({"lab": "x\0y"}, ""),
    ],
)
def test_the_list_and_its_files_are_as_the_address_asks(desk, two, query, expected):
    listed, written = names(desk, **query), [r["request"] for r in table(desk.get(CSV, query))]

    assert (listed, written) == (expected.split(), expected.split())


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("sort", sorted(SORTS))
def test_every_column_of_the_list_sorts(desk, two, sort, direction):
    assert sorted(names(desk, sort=sort, dir=direction)) == ["old", "one"]


def test_a_date_that_is_none_is_kept_and_explained(desk, two):
    page = desk.get(LIST, {"from": "24.3.", "to": "2020-13-01"}).content.decode()

    assert "“24.3.” is no date. Write it as 2026-03-24." in page
    assert 'value="24.3."' in page


def test_days_in_the_wrong_order_are_explained(desk, two):
    page = desk.get(LIST, {"from": "2026-01-02", "to": "2026-01-01"}).content.decode()

    assert "This day is before the first one" in page
    assert "Nothing that was imaged fits." in page


def test_a_workbook_holds_numbers_as_numbers_and_formulas_as_text(desk, imaged, imager):
    ImagingRequest.objects.filter(pk=imaged.pk).update(notes_from_imaging=FORMULA)

    answer = desk.get(XLSX)

    sheet = load_workbook(io.BytesIO(answer.getvalue())).active
    head, row = list(sheet.iter_rows())
    cells = {cell.value: value for cell, value in zip(head, row, strict=True)}
    assert answer["Content-Disposition"].startswith('attachment; filename="imaging-log-')
    assert cells["z_planes"].value == 12
    assert (cells["notes_from_imaging"].value, cells["notes_from_imaging"].data_type) == (
        FORMULA, "s",
    )  # fmt: skip


def test_characters_that_no_workbook_takes_are_left_out(desk, imaged):
    ImagingRequest.objects.filter(pk=imaged.pk).update(notes_from_imaging="a\x0bb")

    sheet = load_workbook(io.BytesIO(desk.get(XLSX).getvalue())).active

    assert "a b" in [cell.value for cell in list(sheet.iter_rows())[1]]


def test_formulas_stay_text_in_the_csv(desk, imaged):
    ImagingRequest.objects.filter(pk=imaged.pk).update(notes_from_imaging=FORMULA)

    (row,) = table(desk.get(CSV))

    assert row["notes_from_imaging"] == f"'{FORMULA}"


def test_a_long_log_is_shown_page_by_page_in_few_queries(
    desk, imaged, django_assert_max_num_queries
):
    resolution = ImagingResolution.objects.get(imaging_request=imaged)
    lines = resolution.objective.microscope.wavelengths.all()
    made = ImagingChannel.objects.get(resolution=resolution)
    ImagingChannel.objects.bulk_create(
        ImagingChannel(
            resolution=resolution, wavelength=line, ventral_up=up, raw_subfolder="x",
        )
        for line in lines for up in (False, True) if (line, up) != (made.wavelength, False)
    )  # fmt: skip

    with django_assert_max_num_queries(20):
        page = desk.get(LIST)

    assert len(page.context["lines"]) == 8
