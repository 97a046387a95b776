"""The imaging queue, a batch and a sample, as each person meets them."""

import pytest
from django.urls import reverse

from core_app.models import Event
from imaging_app import raw_data, selectors
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.services import imaging
from processing_app.models import Run
from requests_app.plans import ChannelPlan, ResolutionPlan
from tests.support import stacks
from tests.support.checks import finish_check
from tests.support.scenarios import (
    TWO_CHANNELS,
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
QUEUE = "/imaging/"
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


@pytest.fixture
def sample(researcher, clearer, imager):
    return a_request_being_imaged(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def two_channels(researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan(resolutions=(TWO_CHANNELS,))])
    return a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)


@pytest.fixture
def desk(client, imager):
    client.force_login(imager, backend=BACKEND)
    return client


def address(row, page="request"):
    return reverse(f"imaging:{page}", args=[row.pk])


def raw_folder(imaging_request, settings, name="run_1"):
    resolution = imaging_request.resolutions.order_by("objective__position").first()
    return settings.DATA_ROOT / str(resolution.raw_folder(ventral_up=False)) / name


def typed(channel, **other):
    """One channel as the form sends it; a box that is not ticked is not sent."""
    values = {
        "raw_subfolder": "run_1", "z_planes": "4", "z_step_um": "10", "left_sheet": "on",
        "tile_columns": "1", "tile_rows": "1", "tile_overlap": "0", "orientation": "horizontal",
        **other,
    }  # fmt: skip
    return {f"channel-{channel.pk}-{name}": value for name, value in values.items()}


def enter(client, imaging_request, action="save", **other):
    data = {"action": action}
    for channel in selectors.channels_of(imaging_request):
        data |= typed(channel, **other)
    return client.post(address(imaging_request, "request-enter"), data)


def state_of(imaging_request):
    return ImagingRequest.objects.get(pk=imaging_request.pk).state


def channel_of(imaging_request):
    return selectors.channels_of(imaging_request)[0]


def test_an_anonymous_visitor_is_sent_to_sign_in(client, sample):
    for page in (QUEUE, address(sample), address(sample.batch, "batch")):
        assert client.get(page).url.startswith("/accounts/login/")


@pytest.mark.parametrize("page", ["enter", "folders", "skip", "reopen"])
def test_a_get_changes_nothing(desk, sample, page):
    assert desk.get(address(sample, f"request-{page}")).status_code == 405


def test_opening_the_pages_starts_nothing(desk, researcher, clearer):
    request = a_cleared_request(researcher, clearer=clearer)
    batch = ImagingBatch.objects.get(clearing_batch__request=request)
    before = Event.objects.count()

    desk.get(QUEUE)
    desk.get(address(batch, "batch"))
    desk.get(address(batch.imaging_requests.get()))

    assert Event.objects.count() == before


def test_a_stranger_is_not_told_that_the_sample_exists(client, sample, stranger):
    client.force_login(stranger, backend=BACKEND)

    assert client.get(address(sample)).status_code == 404
    assert client.get(address(sample.batch, "batch")).status_code == 404
    assert enter(client, sample).status_code == 404
    assert client.post(address(sample, "request-skip"), {"reason": "x"}).status_code == 404
    assert "first brains" not in client.get(QUEUE).content.decode()


def test_the_owner_reads_the_page_but_sets_nothing_there(client, sample, researcher):
    client.force_login(researcher, backend=BACKEND)

    page = client.get(address(sample)).content.decode()

    assert "Channel 488" in page
    assert "Check the delivery" not in page
    assert "Skip this sample" not in page


def test_an_owner_who_posts_anyway_is_refused(client, sample, researcher, settings):
    stacks.lavision_delivery(raw_folder(sample, settings))
    client.force_login(researcher, backend=BACKEND)

    response = enter(client, sample)

    assert response.status_code == 422
    assert not channel_of(sample).raw_subfolder


def test_the_queue_shows_each_batch_in_its_section(desk, researcher, clearer, imager):
    a_submitted_request(researcher, a_plan("in clearing"))
    a_cleared_request(researcher, clearer=clearer, plan=a_plan("cleared"))
    a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=a_plan("imaged now"))

    sections = desk.get(QUEUE).context["sections"]

    names = {
        s.key: [str(line.batch.clearing_batch.request.name) for line in s.lines] for s in sections
    }
    assert names == {
        "progress": ["imaged now"],
        "ready": ["cleared"],
        "clearing": ["in clearing"],
        "imaged": [],
    }


def test_the_number_of_queries_of_the_queue_does_not_grow(
    desk, researcher, clearer, django_assert_max_num_queries
):
    for number in range(6):
        a_submitted_request(researcher, a_plan(f"in clearing {number}"))
        a_cleared_request(researcher, clearer=clearer, plan=a_plan(f"cleared {number}"))

    with django_assert_max_num_queries(30):
        desk.get(QUEUE)


def test_a_button_starts_imaging_and_makes_the_folders(desk, researcher, clearer, imager, settings):
    request = a_cleared_request(researcher, clearer=clearer)
    batch = ImagingBatch.objects.get(clearing_batch__request=request)

    response = desk.post(address(batch, "batch-start"))

    assert response.url == address(batch, "batch")
    assert ImagingBatch.objects.get(pk=batch.pk).imager == imager
    assert raw_folder(batch.imaging_requests.get(), settings, "").is_dir()


def test_the_page_says_where_the_data_goes_and_what_is_there(desk, sample, settings):
    stacks.lavision_delivery(raw_folder(sample, settings), planes=3)

    page = desk.get(address(sample)).content.decode()

    assert str(raw_folder(sample, settings, "")).rstrip("/") in page
    assert "run_1 (3 files)" in page


def test_missing_folders_can_be_made(desk, sample, settings):
    desk.post(address(sample, "request-folders"))

    assert raw_folder(sample, settings, "").is_dir()


def test_what_is_typed_is_saved(desk, sample, settings):
    stacks.lavision_delivery(raw_folder(sample, settings))

    response = enter(desk, sample)

    assert response.url == address(sample)
    assert channel_of(sample).z_planes == 4


def test_a_refusal_stands_beside_its_channel_and_loses_nothing(desk, sample, settings):
    stacks.lavision_delivery(raw_folder(sample, settings))

    response = enter(desk, sample, tile_columns="3", z_planes="77")

    page = response.content.decode()
    channel = response.context["entry"].rows[0]
    assert response.status_code == 422
    assert "1 to 2 tiles per side" in channel.form.non_field_errors()[0]
    assert 'value="77"' in page
    assert not channel_of(sample).raw_subfolder


@pytest.mark.parametrize(
    ("field", "value"),
    [("z_step_um", "ten"), ("z_planes", "4.5"), ("tile_overlap", "nan"), ("z_step_um", "")],
)
def test_what_is_no_number_is_refused_beside_its_field(desk, sample, settings, field, value):
    stacks.lavision_delivery(raw_folder(sample, settings))

    response = enter(desk, sample, **{field: value})

    assert response.status_code == 422
    assert response.context["entry"].rows[0].form.errors[field]


@pytest.mark.parametrize("name", ["../../other", "/etc", "gone", HOSTILE])
def test_only_folders_that_are_there_can_be_chosen(desk, sample, name):
    response = enter(desk, sample, raw_subfolder=name)

    assert "Press Look again" in response.content.decode()
    assert "<script>alert" not in response.content.decode()


def test_looking_again_finds_new_folders_and_keeps_what_is_typed(desk, sample, settings):
    stacks.lavision_delivery(raw_folder(sample, settings, "run_2"))

    response = enter(desk, sample, action="look", z_planes="33", z_step_um="oops", raw_subfolder="")

    page = response.content.decode()
    assert response.status_code == 200
    assert "run_2 (4 files)" in page
    assert 'value="33"' in page
    assert 'value="oops"' in page
    assert channel_of(sample).z_planes is None


def test_a_channel_that_shares_a_folder_takes_what_the_first_one_has(desk, two_channels, settings):
    stacks.lavision_delivery(raw_folder(two_channels, settings), filters=(0, 1))
    first, second = selectors.channels_of(two_channels)
    data = {"action": "save", **typed(first, z_step_um="5"), **typed(second, z_planes="")}

    desk.post(address(two_channels, "request-enter"), data)

    assert {(c.z_planes, c.z_step_um) for c in selectors.channels_of(two_channels)} == {(4, 5.0)}


def test_a_channel_whose_data_is_not_there_yet_may_be_left_open(desk, two_channels, settings):
    stacks.lavision_delivery(raw_folder(two_channels, settings))
    first, second = selectors.channels_of(two_channels)
    untouched = typed(second, raw_subfolder="", z_planes="", right_sheet="on")

    desk.post(address(two_channels, "request-enter"), {**typed(first), **untouched})

    assert [c.z_planes for c in selectors.channels_of(two_channels)] == [4, None]


def test_zoom_is_asked_only_where_there_is_a_zoom_body(desk, researcher, clearer, imager):
    two = ResolutionPlan("2x", (ChannelPlan("488", ("generic_imaging",)),))
    plan = a_plan(samples=[a_sample_plan(resolutions=(two,))])
    with_zoom = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    without = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=a_plan("b"))

    assert "-zoom" in desk.get(address(with_zoom)).content.decode()
    assert "-zoom" not in desk.get(address(without)).content.decode()


def test_a_right_delivery_offers_to_complete(desk, sample, settings):
    stacks.lavision_delivery(raw_folder(sample, settings))

    enter(desk, sample, action="check")
    finish_check(sample)

    page = desk.get(address(sample)).content.decode()
    assert "is right:" in page
    assert "Complete imaging" in page


def test_a_wrong_delivery_offers_no_completion_and_says_what_to_do(desk, sample, settings):
    folder = stacks.lavision_delivery(raw_folder(sample, settings))
    stacks.drop_planes(folder, [1])

    enter(desk, sample, action="check")
    finish_check(sample)

    page = desk.get(address(sample)).content.decode()
    assert "Wait for the copy to finish" in page
    assert "Complete imaging" not in page


def test_completing_shows_the_run_that_comes_next(desk, sample, settings):
    stacks.lavision_delivery(raw_folder(sample, settings))
    enter(desk, sample, action="check")
    finish_check(sample)

    enter(desk, sample, action="complete")

    run = Run.objects.processing().get(imaging_request=sample)
    assert state_of(sample) == "complete"
    assert f"/processing/runs/{run.pk}/" in desk.get(address(sample)).content.decode()


def test_pressing_complete_twice_is_harmless(desk, sample, settings):
    stacks.lavision_delivery(raw_folder(sample, settings))
    enter(desk, sample, action="check")
    finish_check(sample)
    enter(desk, sample, action="complete")

    response = enter(desk, sample, action="complete")

    assert response.url == address(sample)
    assert Run.objects.processing().count() == 1


def test_completing_looks_at_the_disk_once_more(desk, sample, settings):
    folder = stacks.lavision_delivery(raw_folder(sample, settings))
    enter(desk, sample, action="check")
    finish_check(sample)
    stacks.drop_planes(folder, [3])

    response = enter(desk, sample, action="complete")

    assert response.status_code == 422
    assert "left it after the check" in response.content.decode()
    assert state_of(sample) == "in progress"


def test_a_sample_is_skipped_with_a_reason_its_owner_reads(desk, sample):
    desk.post(address(sample, "request-skip"), {"reason": "it broke"})

    assert state_of(sample) == "skipped"
    assert Event.objects.filter(kind="imaging request", note="it broke").exists()


def test_skipping_twice_is_harmless(desk, sample):
    desk.post(address(sample, "request-skip"), {"reason": "it broke"})

    response = desk.post(address(sample, "request-skip"), {"reason": "it broke"})

    assert response.url == address(sample.batch, "batch")


def test_a_skipped_sample_is_opened_again(desk, sample):
    desk.post(address(sample, "request-skip"), {"reason": "it broke"})

    desk.post(address(sample, "request-reopen"), {"reason": "glued"})

    assert state_of(sample) == "in progress"


def test_hostile_text_is_shown_as_text(desk, researcher, clearer, imager, settings):
    one = ResolutionPlan("1.3x", TWO_CHANNELS.channels, notes_for_imager=HOSTILE)
    plan = a_plan(samples=[a_sample_plan(resolutions=(one,), notes_for_clearer=HOSTILE)])
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    raw_folder(sample, settings, "<img/src=x>".replace("/", "_")).mkdir(parents=True)

    page = desk.get(address(sample)).content.decode()

    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page
    assert "<img" not in page


def test_a_file_name_that_no_page_can_show_breaks_nothing(desk, sample, settings):
    folder = stacks.lavision_delivery(raw_folder(sample, settings))
    (folder / f"\udcff{stacks.plane_name(9)}").write_bytes(b"x")

    enter(desk, sample, action="check")
    finish_check(sample)

    assert desk.get(address(sample)).status_code == 200
    assert imaging.selectors.right_folders(sample) == set()


def test_storage_that_does_not_answer_leaves_the_page_readable(tmp_path, monkeypatch):
    def no_answer(path):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr("pathlib.Path.is_dir", no_answer)

    assert raw_data.is_there(tmp_path) is False
