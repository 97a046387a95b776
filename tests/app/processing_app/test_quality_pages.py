"""The quality sheet: what it shows, who decides, and which files it gives out."""

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processing_app import workflows
from processing_app.models import Artifact, QualitySheet, Run
from processing_app.services import quality
from processing_app.services.runs import Wishes
from processing_app.states import QualityState
from tests.support import clusters, processed

pytestmark = pytest.mark.django_db


@pytest.fixture
def sheet(researcher, clearer, imager, processor):
    """The sheet of a sample that was processed with an atlas."""
    ready = processed.a_ready_round(researcher, clearer=clearer, imager=imager)
    processed.processed(ready, by=processor, atlas=processed.an_installed_atlas())
    return QualitySheet.objects.get(place__processing_request=ready)


@pytest.fixture
def signed_in(client):
    def sign_in(person):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def address(sheet):
    return reverse("processing:quality", args=[sheet.pk])


def decide(sheet):
    return reverse("processing:quality-decide", args=[sheet.pk])


def file_of(kind, name):
    return reverse("processing:made-file", args=[Artifact.objects.get(kind=kind).pk, name])


def text_of(answer):
    return " ".join(answer.content.decode().split())


def test_a_reader_sees_figures_curves_pictures_and_the_registration(sheet, imager, signed_in):
    page = text_of(signed_in(imager).get(address(sheet)))

    words = ["Saturated voxels", "Doubtful", "Sharpness by depth", "<polyline", "Montage", "0.8731"]
    files = [file_of("registration", "overlay.png"), file_of("quality", "montage-488.png")]
    assert [word for word in (*words, *files) if word not in page] == []
    assert "Let the images pass" not in page


def test_a_stranger_finds_neither_sheet_nor_files(sheet, stranger, signed_in):
    desk = signed_in(stranger)
    pages = [address(sheet), file_of("quality", "montage-488.png"),
             file_of("regions", "regions.csv")]  # fmt: skip

    found = [desk.get(page).status_code for page in pages]
    found.append(desk.post(decide(sheet), {"state": "passed"}).status_code)

    assert found == [404] * 4


def test_an_anonymous_person_is_sent_to_sign_in(sheet, client):
    pages = [address(sheet), file_of("quality", "montage-488.png")]

    answers = [client.get(page) for page in pages]

    assert all("login" in answer["Location"] for answer in answers)


def test_processing_staff_let_images_pass_under_their_name(sheet, processor, signed_in):
    answer = signed_in(processor).post(decide(sheet), {"state": "passed"}, follow=True)

    sheet.refresh_from_db()
    assert (sheet.state, sheet.decided_by) == (QualityState.PASSED, processor)
    assert f"by {processor}" in text_of(answer)


@pytest.mark.parametrize(
    ("typed", "words"),
    [({"state": "failed", "note": " "}, "Say why."), ({"state": "maybe"}, "Choose pass or fail."),
     ({}, "Choose pass or fail.")],
)  # fmt: skip
def test_a_verdict_that_cannot_be_is_refused_in_words(typed, words, sheet, processor, signed_in):
    answer = signed_in(processor).post(decide(sheet), typed, follow=True)

    sheet.refresh_from_db()
    assert words in text_of(answer)
    assert sheet.state == QualityState.PENDING


def test_an_owner_does_not_decide(sheet, researcher, signed_in):
    answer = signed_in(researcher).post(decide(sheet), {"state": "passed"}, follow=True)

    sheet.refresh_from_db()
    assert "Only processing staff decide" in text_of(answer)
    assert sheet.state == QualityState.PENDING


def test_after_a_failure_the_owner_images_or_processes_again(
    sheet, processor, researcher, signed_in
):
    quality.decide(sheet, QualityState.FAILED, by=processor, note="Out of focus.")

    page = text_of(signed_in(researcher).get(address(sheet)))

    assert "Image this sample again" in page
    assert "Process this sample again" in page
    assert "Out of focus." in page


@pytest.mark.parametrize(
    "figures",
    [{}, {"quality": "nothing"}, {"quality": {"figures": [None], "curves": [{"x": 1}]}},
     {"registration": []}, {"quality": {"pictures": [{"file": "../../secret.png"}]}}],
)  # fmt: skip
def test_strange_figures_never_break_the_page(figures, sheet, processor, signed_in):
    QualitySheet.objects.filter(pk=sheet.pk).update(figures=figures)

    answer = signed_in(processor).get(address(sheet))

    assert answer.status_code == 200
    assert "There are no figures yet." in text_of(answer)


def test_labels_of_a_step_are_text(sheet, processor, signed_in):
    row = {"label": "<script>alert(1)</script>", "value": "<b>", "unit": '"><i>'}
    QualitySheet.objects.filter(pk=sheet.pk).update(figures={"quality": {"figures": [row]}})

    page = text_of(signed_in(processor).get(address(sheet)))

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_picture_comes_as_what_it_is(sheet, researcher, signed_in):
    answer = signed_in(researcher).get(file_of("quality", "montage-488.png"))

    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.getvalue().startswith(b"\x89PNG")


def test_the_table_of_regions_is_a_download(sheet, researcher, signed_in):
    answer = signed_in(researcher).get(file_of("regions", "regions.csv"))

    assert "attachment" in answer["Content-Disposition"]
    assert b"root" in answer.getvalue()


def test_only_files_that_the_step_named_are_given(sheet, researcher, signed_in):
    folder = settings.DATA_ROOT / Artifact.objects.get(kind="quality").path
    (folder / "secret.png").write_bytes(b"\x89PNG")
    (folder / "quality.json").write_text("{}")
    names = ["secret.png", "quality.json", "..", "%2e%2e", "..%2Fquality%2Fmontage-488.png",
             "overlay.png", "montage-488.png%00", "regions.csv"]  # fmt: skip
    base = file_of("quality", "x").removesuffix("x")

    found = [signed_in(researcher).get(f"{base}{name}").status_code for name in names]

    assert found == [404] * len(names)


def test_a_link_that_leads_away_is_not_followed(sheet, researcher, tmp_path, signed_in):
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"\x89PNG outside")
    picture = settings.DATA_ROOT / Artifact.objects.get(kind="quality").path / "montage-488.png"
    picture.unlink()
    picture.symlink_to(outside)

    answer = signed_in(researcher).get(file_of("quality", "montage-488.png"))
    page = text_of(signed_in(researcher).get(address(sheet)))

    assert answer.status_code == 404
    assert file_of("quality", "montage-488.png") not in page


def test_more_figures_cost_no_more_queries(sheet, processor, signed_in):
    desk = signed_in(processor)

    def cost():
        desk.get(address(sheet))
        with CaptureQueriesContext(connection) as queries:
            desk.get(address(sheet))
        return len(queries)

    before = cost()
    rows = [{"label": f"f{n}", "value": n} for n in range(100)]
    QualitySheet.objects.filter(pk=sheet.pk).update(figures={"quality": {"figures": rows}})

    assert cost() <= before


# --- what was decided about, and what was found meanwhile


def shown(desk, sheet):
    return {"seen": desk.get(address(sheet)).context["seen"]}


def anew(sheet, processor, **atlas):
    """The run of the sheet's round, run again; without an atlas if none is given."""
    round_ = sheet.place.processing_request
    round_.resolutions.update(**atlas)
    run = Run.objects.get(processing_request=round_)
    again = workflows.run_again(run, Wishes(), by=processor)
    clusters.drive_until_over(again, clusters.memory_cluster(processed.work), ticks=200)


def test_a_verdict_about_figures_that_were_made_anew_is_refused(sheet, processor, signed_in):
    desk = signed_in(processor)
    seen = shown(desk, sheet)
    worse = {"quality": {"verdict": "fail", "figures": []}}
    QualitySheet.objects.filter(pk=sheet.pk).update(figures=worse)

    answer = desk.post(decide(sheet), {"state": "passed", "note": "As <always>.", **seen})

    sheet.refresh_from_db()
    assert sheet.state == QualityState.PENDING
    assert answer.status_code == 422
    assert "have changed since you opened this page" in text_of(answer)
    assert "As &lt;always&gt;.</textarea>" in text_of(answer)


def test_of_two_who_decide_at_once_the_second_is_told(sheet, processor, manager, signed_in):
    seen = shown(signed_in(processor), sheet)
    quality.decide(sheet, QualityState.FAILED, by=manager, note="Out of focus.")

    answer = signed_in(processor).post(decide(sheet), {"state": "passed", **seen})

    sheet.refresh_from_db()
    assert (sheet.state, sheet.decided_by) == (QualityState.FAILED, manager)
    assert "have changed since you opened this page" in text_of(answer)


def test_what_the_page_shows_is_decided(sheet, processor, signed_in):
    desk = signed_in(processor)

    desk.post(decide(sheet), {"state": "passed", **shown(desk, sheet)})

    sheet.refresh_from_db()
    assert sheet.state == QualityState.PASSED


def test_a_note_that_no_row_can_hold_is_refused_and_stays(sheet, processor, signed_in):
    typed = {"state": "failed", "note": "x" * 1025}

    answer = signed_in(processor).post(decide(sheet), typed)

    sheet.refresh_from_db()
    assert sheet.state == QualityState.PENDING
    assert "The note has 1025 characters; at most 1024 fit." in text_of(answer)
    assert typed["note"] in text_of(answer)


def test_a_note_of_many_lines_is_as_long_as_the_browser_counted_it(sheet, processor, signed_in):
    signed_in(processor).post(decide(sheet), {"state": "failed", "note": "\r\n".join("x" * 512)})

    sheet.refresh_from_db()
    assert len(sheet.note) == 1023


def test_a_registration_of_an_earlier_run_leaves_the_sheet(sheet, processor, signed_in):
    quality.decide(sheet, QualityState.PASSED, by=processor)

    anew(sheet, processor, atlas=None)

    sheet.refresh_from_db()
    assert set(sheet.figures) == {"quality"}
    assert sheet.state == QualityState.PENDING
    assert "0.8731" not in text_of(signed_in(processor).get(address(sheet)))


def test_what_one_run_found_stands_side_by_side(sheet, processor):
    anew(sheet, processor)

    sheet.refresh_from_db()
    assert set(sheet.figures) == {"quality", "registration"}
    assert sheet.suggestion == "warn"
