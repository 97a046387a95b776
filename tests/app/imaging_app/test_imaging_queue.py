"""The queue of imaging: whose batches, in which part, filtered, sorted; and who takes which."""

import pytest
from django.urls import reverse

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event, User
from core_app.roles import Role
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.selectors.queue import SORTS
from imaging_app.services import imaging, rounds
from imaging_app.workflows import skip_sample, start_imaging
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.workflows import complete_clearing, request_imaging_again
from tests.support.people import a_person
from tests.support.races import at_once, refusals
from tests.support.scenarios import (
    TWO_CHANNELS,
    a_batch_being_cleared,
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
QUEUE = "/imaging/"
SMARTSPIM = ResolutionPlan("3.6x", (ChannelPlan("488", ("generic_imaging",)),))
AT_1_1X = ResolutionPlan("1.1x", (ChannelPlan("488", ("registration",)),))
PARTS = ("progress", "ready", "clearing", "imaged")


@pytest.fixture
def desk(client, imager):
    client.force_login(imager, backend=BACKEND)
    return client


def lines(client, section, **query):
    sections = {s.key: s.lines for s in client.get(QUEUE, query).context["sections"]}
    return sections[section]


def names(client, section="ready", **query):
    return [line.batch.clearing_batch.request.name for line in lines(client, section, **query)]


def parts_of(client, name):
    return [part for part in PARTS if name in names(client, part)]


def batch_of(request, number=1):
    return ImagingBatch.objects.get(clearing_batch__request=request, number=number)


def now(batch):
    return ImagingBatch.objects.get(pk=batch.pk)


def on(batch, page):
    return reverse(f"imaging:{page}", args=[batch.pk])


def skip_all(batch, *, by):
    for sample in ImagingRequest.objects.filter(batch=batch):
        skip_sample(sample, by=by, reason="The sample broke.")


def a_ready_batch(owner, clearer, name="one", **plan):
    return batch_of(a_cleared_request(owner, clearer=clearer, plan=a_plan(name, **plan)))


# Whose batches


def test_who_images_nothing_sees_the_page_and_no_batch(client, researcher, clearer, imager):
    a_ready_batch(researcher, clearer)
    client.force_login(researcher, backend=BACKEND)

    assert [parts for part in PARTS for parts in names(client, part)] == []


def test_imaging_staff_see_the_batches_of_everybody(desk, researcher, stranger, clearer):
    a_ready_batch(researcher, clearer, "one")
    a_ready_batch(stranger, clearer, "two", lab="Hill lab")

    assert names(desk) == ["one", "two"]


def test_a_self_imaging_owner_sees_their_batch_and_staff_do_too(client, researcher, clearer):
    imager = a_person("imager", role=Role.IMAGER)
    a_ready_batch(researcher, clearer, "mine", self_imaging=True)
    a_ready_batch(researcher, clearer, "for staff")

    client.force_login(researcher, backend=BACKEND)
    of_owner = names(client)
    client.force_login(imager, backend=BACKEND)

    assert (of_owner, names(client)) == (["mine"], ["mine", "for staff"])


def test_who_was_imager_once_loses_sight_of_what_others_may_not_read(client, researcher, clearer):
    former = a_person("former", role=Role.IMAGER)
    imaging.claim(a_ready_batch(researcher, clearer), by=former)
    former.groups.clear()
    client.force_login(User.objects.get(pk=former.pk), backend=BACKEND)

    assert names(client) == []


# Parts


def test_samples_with_other_channels_are_another_batch(desk, researcher, clearer):
    other = ResolutionPlan("1.3x", (ChannelPlan("488", ("registration",)),
                                    ChannelPlan("555", ("cell_detection",))))  # fmt: skip
    samples = [
        a_sample_plan("s-1", resolutions=(other,)),
        a_sample_plan("s-2", resolutions=(other,)),
        a_sample_plan("s-3", resolutions=(TWO_CHANNELS,)),
    ]
    a_cleared_request(researcher, clearer=clearer, plan=a_plan(samples=samples))

    found = [(x.batch.clearing_batch.number, x.batch.number, x.batch.sample_count)
             for x in lines(desk, "ready")]  # fmt: skip
    assert found == [(1, 1, 2), (1, 2, 1)]


def test_the_microscopes_are_those_of_the_batch_not_of_the_request(desk, researcher, clearer):
    samples = [
        a_sample_plan("both", resolutions=(AT_1_1X, SMARTSPIM)),
        a_sample_plan("one", resolutions=(AT_1_1X,)),
    ]
    a_cleared_request(researcher, clearer=clearer, plan=a_plan(samples=samples))

    found = [(line.microscopes, line.objectives) for line in lines(desk, "ready")]
    assert found == [
        ("LaVision light sheet, SmartSPIM", "1.1x, 3.6x"), ("LaVision light sheet", "1.1x"),
    ]  # fmt: skip


def test_a_batch_moves_through_the_parts_as_its_work_goes_on(desk, researcher, clearer, imager):
    batch = a_batch_being_cleared(researcher, by=clearer, plan=a_plan("one"))
    seen = [parts_of(desk, "one")]

    complete_clearing(batch, by=clearer, skip_missing=True)
    seen.append(parts_of(desk, "one"))
    start_imaging(batch_of(batch.request), by=imager)
    seen.append(parts_of(desk, "one"))
    skip_all(batch_of(batch.request), by=imager)
    seen.append(parts_of(desk, "one"))

    assert seen == [["clearing"], ["ready"], ["progress"], ["imaged"]]


def test_the_ten_imaged_last_are_shown_and_all_are_counted(desk, researcher, clearer, imager):
    for number in range(11):
        skip_all(a_ready_batch(researcher, clearer, f"brain {number}"), by=imager)

    page = desk.get(QUEUE, {"part": "imaged"})

    (section,) = page.context["sections"]
    shown = [line.batch.clearing_batch.request.name for line in section.lines]
    assert (section.count, len(shown), shown[0]) == (11, 10, "brain 10")
    assert names(desk, "imaged", part="imaged", page=2) == ["brain 0"]


def test_progress_is_what_is_done_of_all(desk, researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan("s-1"), a_sample_plan("s-2")])
    first = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    skip_sample(first, by=imager, reason="The sample broke.")

    assert "1 of 2" in desk.get(QUEUE).content.decode()


def test_a_later_round_is_marked(desk, researcher, clearer, imager):
    request = a_cleared_request(researcher, clearer=clearer, plan=a_plan("one"))
    sample = request.samples.select_related("clearing_batch").get()
    rounds.plan_round([sample], [a_sample_plan()], imager=None, by=imager, number=2)

    page = desk.get(QUEUE, {"round": "later"}).content.decode()

    assert "round 2</span>" in page
    assert len(lines(desk, "ready")) == 2
    assert [line.batch.imaging_request_number for line in lines(desk, "ready", round="later")] == [
        2
    ]


def test_an_empty_queue_says_what_comes_here(desk):
    page = desk.get(QUEUE).content.decode()

    assert "Batches come here when their clearing is complete." in page


# Filters and order


@pytest.fixture
def four(researcher, stranger, clearer, imager):
    """One plain, one at another microscope and claimed, one of rats, one of another owner."""
    rats = a_sample_plan(
        "rat-1", protocol="iDISCO abbreviated clearing (rat)",
        resolutions=(ResolutionPlan("1.3x", (ChannelPlan("488", ("generic_imaging",)),)),),
    )  # fmt: skip
    a_ready_batch(researcher, clearer, "plain")
    smart = a_sample_plan("blob-9", resolutions=(SMARTSPIM,))
    imaging.claim(a_ready_batch(researcher, clearer, "smart", samples=[smart]), by=imager)
    a_ready_batch(researcher, clearer, "rats", samples=[rats], species="rat")
    a_ready_batch(stranger, clearer, "foreign", lab="Hill lab")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"microscope": "smartspim"}, "smart"),
        ({"objective": "1.3x"}, "plain rats foreign"),
        ({"imager": "imager"}, "smart"),
        ({"imager": "none"}, "plain rats foreign"),
        ({"mine": "1"}, "smart"),
        ({"species": "rat"}, "rats"),
        ({"round": "first"}, "plain smart rats foreign"),
        ({"round": "later"}, ""),
        ({"round": "nonsense"}, "plain smart rats foreign"),
        ({"q": "BLOB"}, "smart"),
        ({"q": "stranger"}, "foreign"),
        ({"q": "hill LAB"}, "foreign"),
        ({"q": "%"}, ""),
        ({"microscope": "none such"}, ""),
        ({"part": "nonsense"}, "plain smart rats foreign"),
    ],
)
def test_the_queue_is_filtered_by_its_address(desk, four, query, expected):
    assert names(desk, **query) == expected.split()


def test_a_filter_that_fits_nothing_says_so(desk, four):
    assert "No batch here fits." in desk.get(QUEUE, {"q": "nowhere"}).content.decode()


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("sort", sorted(SORTS))
def test_every_column_sorts_both_ways_and_shows_all(desk, four, sort, direction):
    found = names(desk, sort=sort, dir=direction)

    assert sorted(found) == ["foreign", "plain", "rats", "smart"]


@pytest.mark.parametrize(
    ("sort", "ascending", "descending"),
    [
        ("request", "foreign plain rats smart", "smart rats plain foreign"),
        ("owner", "plain smart rats foreign", "foreign plain smart rats"),
        ("microscope", "plain rats foreign smart", "smart plain rats foreign"),
        ("species", "plain smart foreign rats", "rats plain smart foreign"),
        ("submitted", "plain smart rats foreign", "foreign rats smart plain"),
        ("imager", "smart plain rats foreign", "smart plain rats foreign"),
    ],
)
def test_lines_are_in_the_order_of_the_column_and_what_is_missing_comes_last(
    desk, four, sort, ascending, descending
):
    both = [names(desk, sort=sort), names(desk, sort=sort, dir="desc")]

    assert both == [ascending.split(), descending.split()]


def test_an_unknown_column_is_ignored(desk, four):
    assert names(desk, sort="password", dir="sideways") == ["plain", "smart", "rats", "foreign"]


def test_the_number_of_queries_does_not_grow(
    desk, researcher, clearer, imager, django_assert_max_num_queries
):
    for number in range(3):
        a_ready_batch(researcher, clearer, f"ready {number}")
        a_waiting_batch(researcher, a_plan(f"waits {number}"))

    with django_assert_max_num_queries(34):
        desk.get(QUEUE)
    for number in range(3, 9):
        a_ready_batch(researcher, clearer, f"ready {number}")
        a_waiting_batch(researcher, a_plan(f"waits {number}"))
    with django_assert_max_num_queries(34):
        desk.get(QUEUE)


# Taking and giving


def test_a_claimed_batch_waits_and_is_its_imagers(desk, researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer)

    desk.post(on(batch, "batch-claim"))
    desk.post(on(batch, "batch-claim"))

    assert (now(batch).imager, now(batch).state) == (imager, "waiting")
    assert Event.objects.filter(verb="claimed", object_id=batch.pk).count() == 1


def test_what_a_colleague_claimed_is_neither_claimed_nor_started(researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer)
    imaging.claim(batch, by=imager)
    colleague = a_person("colleague", role=Role.IMAGER)

    with pytest.raises(StaleState, match="imager has claimed this batch already"):
        imaging.claim(now(batch), by=colleague)
    with pytest.raises(StaleState, match="Take it over first"):
        imaging.start(now(batch), by=colleague)

    assert now(batch).state == "waiting"


def test_a_batch_still_in_clearing_can_be_claimed(researcher, clearer, imager):
    batch = batch_of(a_submitted_request(researcher))

    imaging.claim(batch, by=imager)

    assert now(batch).imager == imager


def test_a_released_batch_is_anybodys_again(desk, researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer)
    imaging.claim(batch, by=imager)

    desk.post(on(batch, "batch-release"))

    assert now(batch).imager is None
    assert list(Event.objects.filter(verb="released").values_list("by__username", flat=True)) == [
        "imager"
    ]


def test_a_started_batch_is_assigned_not_released(desk, researcher, clearer, imager):
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    page = desk.post(on(sample.batch, "batch-release"), follow=True).content.decode()

    assert now(sample.batch).imager == imager
    assert "Assign it to a colleague" in page


def test_a_batch_is_given_to_a_colleague(desk, researcher, clearer, imager):
    colleague = a_person("colleague", role=Role.IMAGER)
    batch = a_ready_batch(researcher, clearer)

    desk.post(on(batch, "batch-assign"), {"imager": "colleague"})

    assert now(batch).imager == colleague
    assert Event.objects.get(verb="assigned").note == "colleague"


@pytest.mark.parametrize(("name", "words"), [("researcher", "is not imaging staff"),
                                             ("", "Choose a colleague"),
                                             ("nobody", "Choose a colleague")])  # fmt: skip
def test_a_batch_is_given_to_nobody_who_cannot_image_it(desk, researcher, clearer, name, words):
    batch = a_ready_batch(researcher, clearer)

    page = desk.post(on(batch, "batch-assign"), {"imager": name}, follow=True).content.decode()

    assert now(batch).imager is None
    assert words in page


def test_a_batch_goes_back_to_its_self_imaging_owner(researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer, self_imaging=True)

    imaging.assign(batch, imager=imager, by=imager)
    imaging.assign(batch, imager=researcher, by=imager)

    assert now(batch).imager == researcher


def test_who_does_not_image_neither_claims_nor_assigns(researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer)

    for refused in (
        lambda: imaging.claim(batch, by=clearer),
        lambda: imaging.release(batch, by=clearer),
        lambda: imaging.assign(batch, imager=imager, by=researcher),
    ):
        with pytest.raises(NotAllowed):
            refused()


def test_what_is_over_is_given_to_nobody(researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer)
    skip_all(batch, by=imager)

    with pytest.raises(NotReady, match="skipped, so it is given to nobody"):
        imaging.assign(batch, imager=imager, by=imager)
    with pytest.raises(NotReady):
        imaging.claim(batch, by=imager)


def test_nobody_inactive_is_given_a_batch(researcher, clearer, imager):
    gone = a_person("gone", role=Role.IMAGER)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    batch = a_ready_batch(researcher, clearer)

    with pytest.raises(Invalid):
        imaging.assign(batch, imager=User.objects.get(pk=gone.pk), by=imager)


def test_a_second_imager_is_let_in_with_a_caution_and_can_take_over(
    client, researcher, clearer, imager
):
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    colleague = a_person("colleague", role=Role.IMAGER)
    client.force_login(colleague, backend=BACKEND)

    page = client.get(on(sample.batch, "batch")).content.decode()
    unchanged = now(sample.batch).imager
    client.post(on(sample.batch, "batch-take-over"))

    assert "imager is imaging this batch. You can enter values as well" in page
    assert (unchanged, now(sample.batch).imager) == (imager, colleague)


def test_the_imager_of_a_batch_gets_no_caution(desk, researcher, clearer, imager):
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    page = desk.get(on(sample.batch, "batch")).content.decode()

    assert "is imaging this batch" not in page
    assert "Take over" not in page


def test_a_reader_is_offered_no_button_about_people(client, researcher, clearer, imager):
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    client.force_login(researcher, backend=BACKEND)

    page = client.get(on(sample.batch, "batch")).content.decode()

    assert "Take over" not in page
    assert "Assign to" not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_two_who_claim_at_once_one_gets_it(turn, researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer)
    colleague = a_person("colleague", role=Role.IMAGER)

    found = at_once(
        lambda: imaging.claim(now(batch), by=imager),
        lambda: imaging.claim(now(batch), by=colleague),
    )

    assert [refusal.code for refusal in refusals(found)] == ["stale"]
    assert Event.objects.filter(verb="claimed").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_one_who_claims_and_one_who_starts_one_has_it(turn, researcher, clearer, imager):
    batch = a_ready_batch(researcher, clearer)
    colleague = a_person("colleague", role=Role.IMAGER)

    found = at_once(
        lambda: imaging.claim(now(batch), by=imager),
        lambda: imaging.start(now(batch), by=colleague),
    )

    assert len(refusals(found)) == 1
    assert now(batch).imager in {imager, colleague}
    assert (now(batch).state == "in progress") is (now(batch).imager == colleague)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_a_release_and_a_start_at_once_leave_no_batch_without_imager_at_work(
    turn, researcher, clearer, imager
):
    batch = a_ready_batch(researcher, clearer)
    imaging.claim(batch, by=imager)

    at_once(
        lambda: imaging.release(now(batch), by=imager),
        lambda: imaging.start(now(batch), by=imager),
    )

    assert (now(batch).state, now(batch).imager) == ("in progress", imager)


def test_pages_of_the_queue_change_nothing(desk, researcher, clearer):
    batch = a_ready_batch(researcher, clearer)

    assert desk.get(on(batch, "batch-claim")).status_code == 405
    desk.get(QUEUE)
    desk.get(on(batch, "batch"))

    assert now(batch).imager is None


def test_who_images_one_further_round_themselves_starts_it_from_the_queue(
    client, researcher, clearer
):
    request = a_cleared_request(researcher, clearer=clearer)
    plan = a_plan(request.name, samples=[a_sample_plan()], self_imaging=True)
    request_imaging_again(request, plan, by=researcher, after=1)
    client.force_login(researcher, backend=BACKEND)

    (line,) = lines(client, "ready")

    assert line.can_start
