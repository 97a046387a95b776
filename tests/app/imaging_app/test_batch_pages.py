"""The page of an imaging batch as each person meets it, and its buttons."""

import re

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core_app.models import Event
from imaging_app import workflows
from imaging_app.models import ImagingBatch, Objective
from imaging_app.rules import Setting
from imaging_app.services.batches import apply_settings
from requests_app.plans import ChannelPlan, ResolutionPlan
from tests.app.imaging_app.batch_help import (
    ONLY_LOOKED_AT,
    TWO_LINES,
    a_batch,
    adding,
    changing,
    channel,
    channels,
    entered,
    place,
    removing,
    sample,
    seen,
    skipped,
    twin_of,
)
from tests.support.scenarios import a_plan, a_request_being_imaged, a_sample_plan

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def batch(researcher, clearer, imager):
    return a_batch(researcher, clearer, imager)


@pytest.fixture
def at(client, imager):
    """The browser of the imager."""
    client.force_login(imager, backend=BACKEND)
    return client


def address(batch, name="batch", *more):
    return reverse(f"imaging:{name}", args=[batch.pk, *more])


def text_of(answer):
    """What the page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def typed(*words, **otherwise):
    """The form as the browser sends it, for these channels."""
    values = {
        "use": "on", "orientation": "horizontal", "left_sheet": "on", "right_sheet": "on",
        "tiles": "1x1", "tile_overlap": "0", "z_step_um": "10", **otherwise,
    }  # fmt: skip
    return {
        f"{place(w).key}-{name}": value for w in words for name, value in values.items() if value
    }


def edit(words, **more):
    """What an edit button sends for a channel."""
    found = place(words)
    side = {"side": "ventral"} if found.ventral_up else {}
    return {"objective": found.objective, "wavelength": found.wavelength, **side, **more}


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def value_of(answer, words, name):
    """What stands in a field."""
    found = re.search(
        rf'<input[^>]*name="{place(words).key}-{name}"[^>]*>', answer.content.decode()
    )
    return re.search(r'value="([^"]*)"', found[0])[1]


def test_the_page_shows_the_notes_of_its_samples_only(client, researcher, clearer, imager):
    other = ResolutionPlan("1.3x", (ChannelPlan("488", ("registration",)),), "only for three")
    plan = a_plan(
        samples=[
            a_sample_plan("s1", resolutions=(TWO_LINES,), notes_for_clearer="fragile"),
            a_sample_plan("s2", resolutions=(TWO_LINES,)),
            a_sample_plan("s3", resolutions=(other,), notes_for_clearer="small"),
        ]
    )
    a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    client.force_login(imager, backend=BACKEND)

    first, second = [
        text_of(client.get(address(b))) for b in ImagingBatch.objects.order_by("number")
    ]

    assert "fragile (s1)" in first and "small (s3)" in first
    assert "mind the bubble" in first and "only for three" not in first
    assert "only for three" in second and "mind the bubble" not in second


def test_opening_the_page_changes_nothing(at, batch):
    before = Event.objects.count()

    answer = at.get(address(batch))

    assert answer.status_code == 200
    assert Event.objects.count() == before


def test_the_page_takes_as_many_queries_for_twelve_samples_as_for_two(
    at, researcher, clearer, imager
):
    few = a_batch(researcher, clearer, imager)
    many = a_batch(researcher, clearer, imager, names=[f"t{i}" for i in range(12)], request="more")
    at.get(address(few))

    with CaptureQueriesContext(connection) as of_few:
        at.get(address(few))
    with CaptureQueriesContext(connection) as of_many:
        at.get(address(many))

    assert len(of_many) == len(of_few)


def test_a_reader_sees_the_parameters_and_no_button(client, batch, researcher):
    client.force_login(researcher, backend=BACKEND)

    page = client.get(address(batch)).content.decode()

    assert "z step 10 µm" in page
    assert "Apply to all samples" not in page
    assert "/edit/" not in page


def test_the_microscope_is_shown_with_its_state(at, batch):
    microscope = Objective.objects.get(name="1.3x").microscope
    microscope.status, microscope.status_note = "limited", "left laser weak"
    microscope.save()

    assert "limited: left laser weak" in text_of(at.get(address(batch)))


def test_finished_samples_are_struck_through_with_words(at, batch, imager):
    skipped("s1", by=imager)

    answer = at.get(address(batch))

    assert "<s>s1</s>" in answer.content.decode()
    assert "Not imaged: It broke." in text_of(answer)


def test_applying_stores_the_values_and_the_page_shows_them_as_stored(
    at, researcher, clearer, imager
):
    batch = a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])
    given = typed(
        "488 at 2x", orientation="sagittal", right_sheet="", tiles="3×2", tile_overlap="0.15",
        z_step_um="3.25", zoom="1.6",
    )  # fmt: skip

    answer = at.post(address(batch, "batch-apply"), {**given, "seen": seen("s1", "s2")})
    page = at.get(address(batch))

    assert answer.status_code == 302
    assert value_of(page, "488 at 2x", "tiles") == "3x2"
    assert value_of(page, "488 at 2x", "zoom") == "1.6"
    assert value_of(page, "488 at 2x", "z_step_um") == "3.25"
    assert value_of(page, "488 at 2x", "tile_overlap") == "0.15"
    assert '<option value="sagittal" selected>' in page.content.decode()
    assert "The parameters are applied: s1, s2." in said(answer)


def test_a_row_without_tick_is_not_applied(at, batch):
    given = typed("488 at 1.3x", z_step_um="5") | typed("555 at 1.3x", use="", z_step_um="nonsense")

    at.post(address(batch, "batch-apply"), given)

    assert channel("s1", "488 at 1.3x").z_step_um == 5.0
    assert channel("s1", "555 at 1.3x").z_step_um == 10.0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tiles", "0x0", "Type columns x rows"),
        ("tiles", "1x1x9", "Type columns x rows"),
        ("tiles", "axb", "Type columns x rows"),
        ("tiles", "", "Type columns x rows"),
        ("tiles", "1x8", "allows 1 to 2 tiles per side"),
        ("tile_overlap", "1.0", "fraction"),
        ("tile_overlap", "-0.1", "fraction"),
        ("tile_overlap", "abc", "Type a number"),
        ("tile_overlap", "nan", "Type a number"),
        ("tile_overlap", "", "Type a number"),
        ("z_step_um", "1.99", "between 2 and 1000"),
        ("z_step_um", "1000.1", "between 2 and 1000"),
        ("z_step_um", "nan", "Type a number"),
        ("z_step_um", "inf", "Type a number"),
        ("orientation", "upside down", "Select a valid choice"),
    ],
)
def test_bad_values_are_refused_with_words_and_kept(at, batch, name, value, words):
    given = typed("488 at 1.3x") | typed("555 at 1.3x", z_step_um="7.5")
    given[f"{place('488 at 1.3x').key}-{name}"] = value

    answer = at.post(address(batch, "batch-apply"), given)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert value_of(answer, "555 at 1.3x", "z_step_um") == "7.5"
    assert channel("s1", "555 at 1.3x").z_step_um == 10.0


@pytest.mark.parametrize("zoom", ["0", "-1", "nan", "", "11"])
def test_a_zoom_that_cannot_be_is_refused(at, researcher, clearer, imager, zoom):
    batch = a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT])
    given = typed("488 at 2x", zoom="1") | {f"{place('488 at 2x').key}-zoom": zoom}

    answer = at.post(address(batch, "batch-apply"), given)

    assert answer.status_code == 422
    assert channel("s1", "488 at 2x").zoom == 1.0


def test_a_problem_is_named_with_objective_and_channel_and_linked(at, batch):
    given = typed("488 at 1.3x", left_sheet="", right_sheet="")

    page = at.post(address(batch, "batch-apply"), given).content.decode()

    assert f'<a href="#{place("488 at 1.3x").key}">Channel 488 at 1.3x: tick at least one' in page


def test_a_ventral_row_stays_horizontal_whatever_is_posted(at, batch, imager):
    workflows.edit_batch(batch, twin_of("488 at 1.3x"), by=imager)

    at.post(
        address(batch, "batch-apply"),
        typed("488 ventral up at 1.3x", orientation="sagittal", z_step_um="4"),
    )

    ventral = channel("s1", "488 ventral up at 1.3x")
    assert (ventral.orientation, ventral.z_step_um) == ("horizontal", 4.0)


def test_what_was_typed_stays_beside_what_a_colleague_stored(at, batch, manager):
    shown = seen("s1", "s2")
    changes = {place("488 at 1.3x"): Setting(z_step_um=8.0)}
    apply_settings(batch, changes, by=manager)

    answer = at.post(
        address(batch, "batch-apply"), {**typed("488 at 1.3x", z_step_um="5"), "seen": shown}
    )

    assert answer.status_code == 422
    assert value_of(answer, "488 at 1.3x", "z_step_um") == "5"
    assert "Stored now: z step 8 µm instead of 5 µm that you typed." in text_of(answer)
    assert channel("s1", "488 at 1.3x").z_step_um == 8.0


def test_the_refused_page_can_be_sent_as_it_is(at, batch, manager):
    shown = seen("s1", "s2")
    apply_settings(batch, {place("488 at 1.3x"): Setting(z_step_um=8.0)}, by=manager)
    given = typed("488 at 1.3x", z_step_um="5")
    refused = at.post(address(batch, "batch-apply"), {**given, "seen": shown})
    now = re.search(r'name="seen" value="([^"]+)"', refused.content.decode())[1]

    at.post(address(batch, "batch-apply"), {**given, "seen": now})

    assert channel("s1", "488 at 1.3x").z_step_um == 5.0


def test_samples_that_were_left_alone_are_named_with_the_reason(at, batch, imager):
    workflows.edit_sample(sample("s1"), changing("1.3x", "1.1x"), by=imager)

    answer = at.post(address(batch, "batch-apply"), typed("488 at 1.3x", z_step_um="5"))

    assert said(answer) == [
        "The parameters are applied: s2.",
        "Left as they were: s1 has no 488 at 1.3x.",
    ]


def test_only_what_differs_is_listed_below(at, researcher, clearer, imager):
    batch = a_batch(researcher, clearer, imager, names=("s1", "s2", "s3"))
    entered("s1", "488 at 1.3x", by=imager, z_step_um=5.0)

    page = text_of(at.get(address(batch)))

    assert "488 at 1.3x: z step 5 µm instead of 10 µm" in page
    assert page.count("Differs from the batch") == 1
    assert "samples differ in z step" in page


def test_what_was_ordered_and_removed_is_told(at, batch, imager):
    workflows.edit_sample(sample("s1"), removing("555 at 1.3x"), by=imager)

    page = text_of(at.get(address(batch)))

    assert "555 at 1.3x, requested for cell detection; removed by imager" in page


def test_what_was_removed_and_is_back_is_not_told(at, batch, imager):
    workflows.edit_sample(sample("s1"), removing("555 at 1.3x"), by=imager)
    workflows.edit_sample(sample("s1"), adding("555 at 1.3x"), by=imager)

    assert "removed by" not in text_of(at.get(address(batch)))


def test_the_buttons_of_a_batch_change_every_sample(at, batch):
    at.post(
        address(batch, "batch-edit", "add-channel"),
        edit("647 at 1.3x", purpose="cell_detection", seen=seen("s1", "s2")),
    )
    at.post(
        address(batch, "batch-edit", "purposes"), edit("647 at 1.3x", purpose="probe_detection")
    )
    at.post(address(batch, "batch-edit", "ventral"), edit("647 at 1.3x"))
    at.post(address(batch, "batch-edit", "remove-channel"), edit("555 at 1.3x"))

    wanted = ["488 at 1.3x", "647 at 1.3x", "647 ventral up at 1.3x"]
    assert channels("s1") == channels("s2") == wanted
    assert channel("s2", "647 at 1.3x").purposes == ("probe_detection",)


def test_the_objective_of_a_batch_is_changed_and_so_is_its_heading(at, batch):
    ids = changing("1.3x", "3.6x")

    answer = at.post(
        address(batch, "batch-edit", "objective"), {"objective": ids.objective, "to": ids.to}
    )
    page = text_of(at.get(address(batch)))

    assert said(answer) == ["1.3x → 3.6x; channels 555 → 561: s1, s2."]
    assert "3.6x dorsal SmartSPIM" in page
    assert "Microscope SmartSPIM operational" in page


def test_a_refused_button_keeps_what_was_chosen_and_says_why(at, batch):
    answer = at.post(
        address(batch, "batch-edit", "add-channel"),
        edit("647 at 1.3x", came_from=f"add-{place('488 at 1.3x').objective}-d"),
    )

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Tick what the channel is for." in page
    assert f'<option value="{place("647 at 1.3x").wavelength}" selected' in re.sub(
        r"\s+", " ", page
    )


@pytest.mark.parametrize(
    "kind", ["add-channel", "remove-channel", "purposes", "ventral", "objective"]
)
@pytest.mark.parametrize("bad", ["", "9" * 30])
def test_nonsense_is_refused_and_changes_nothing(at, batch, kind, bad):
    given = {"objective": bad, "wavelength": bad, "to": bad, "purpose": "registration"}

    answer = at.post(address(batch, "batch-edit", kind), given)

    assert answer.status_code == 422
    assert channels("s1") == channels("s2") == ["488 at 1.3x", "555 at 1.3x"]


def test_a_button_that_does_not_exist_is_not_found(at, batch):
    assert at.post(address(batch, "batch-edit", "explode")).status_code == 404
    assert at.post(address(sample("s1"), "request-edit", "explode")).status_code == 404


def test_the_buttons_of_a_sample_change_that_sample(at, batch):
    one = sample("s1")

    answer = at.post(
        address(one, "request-edit", "add-channel"),
        edit("790 at 1.3x", purpose="cell_detection", seen=seen("s1")),
    )

    assert answer["Location"] == reverse("imaging:request", args=[one.pk])
    assert said(answer) == ["790 at 1.3x is added."]
    assert ("790 at 1.3x" in channels("s1"), "790 at 1.3x" in channels("s2")) == (True, False)


def test_a_refusal_at_a_sample_names_objective_channel_and_sample(at, batch, imager):
    entered("s1", "488 at 1.3x", by=imager, orientation="coronal")

    answer = at.post(address(sample("s1"), "request-edit", "ventral"), edit("488 at 1.3x"))

    assert "s1: channel 488 at 1.3x is imaged coronal." in said(answer)[0]


def test_a_sample_is_skipped_from_the_page_and_the_batch_follows(at, batch):
    for name in ("s1", "s2"):
        at.post(address(sample(name), "request-skip"), {"reason": "It broke."})

    page = at.get(address(batch))

    assert sample("s2").batch.state == "complete"
    assert "Every sample is finished." in text_of(page)
    assert "Apply to all samples" not in page.content.decode()


def test_staff_see_the_form_before_imaging_starts(client, researcher, clearer, imager):
    from tests.support.scenarios import a_cleared_request

    plan = a_plan(samples=[a_sample_plan("s1", resolutions=(TWO_LINES,))])
    a_cleared_request(researcher, clearer=clearer, plan=plan)
    client.force_login(imager, backend=BACKEND)

    page = client.get(address(sample("s1").batch)).content.decode()

    assert "Start imaging" in page and "Apply to all samples" in page


def test_the_help_speaks_of_the_cap_where_there_is_a_zoom_body(at, researcher, clearer, imager):
    batch = a_batch(researcher, clearer, imager, wanted=[ONLY_LOOKED_AT, TWO_LINES])

    page = text_of(at.get(address(batch)))

    assert "organic dipping cap" in page
    assert "Leave the zoom body at 1" in page
    assert "1/2 1.3x dorsal LaVision" in page


def test_the_partial_for_the_sample_page_offers_what_can_be_done(batch, imager):
    from django.template.loader import render_to_string

    from imaging_app.selectors import batches

    resolution = sample("s1").resolutions.get()
    page = render_to_string(
        "imaging_app/parts/channel_edits.html",
        {
            "resolution": resolution,
            "imaging_request": sample("s1"),
            "free_lines": batches.free_lines(resolution),
            "objectives": batches.other_objectives(sample("s1")),
            "can_edit": True,
            "seen": seen("s1"),
        },
    )

    assert page.count("/edit/remove-channel/") == 2
    assert "/edit/objective/" in page
    assert ">647</option>" in page and ">488</option>" not in page
