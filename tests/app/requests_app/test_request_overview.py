"""The page of one request, and what strips, summaries and next actions say of its samples."""

from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core_app.models import User
from core_app.roles import Role
from imaging_app.models import ImagingBatch
from imaging_app.services import imaging, rounds
from requests_app import overview
from requests_app.models import Request
from requests_app.overview.strips import Stage
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.services import clearing, requests
from tests.support import world as worlds
from tests.support.orders import Hands, a_request_of_three_batches, a_second_round
from tests.support.people import a_person
from tests.support.scenarios import (
    a_cleared_request,
    a_plan,
    a_sample_plan,
    a_submitted_request,
)

BACKEND = "django.contrib.auth.backends.ModelBackend"
HOSTILE = '"><script>alert(1)</script><b x-data="{a:1}">{{ 7*7 }}</b>\N{RIGHT-TO-LEFT OVERRIDE}🧠'
PAGE = "/requests/researcher/first_brains/"


@pytest.fixture
def browser(client: Client) -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client.force_login(user, backend=BACKEND)
        return client

    return signed_in


@pytest.fixture
def hands(clearer: User, imager: User) -> Hands:
    return Hands(clearer, a_person("colleague", role=Role.CLEARER), imager)


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def next_of(request: Request, to: User) -> str:
    samples = overview.details.samples_of(request)
    return overview.next_action_of(request, list(overview.sights_of(samples).values()), to=to)


# --- what was ordered, what happened (scenarios 38, 67, D15, D39) ---


def test_the_page_says_what_was_ordered_for_each_sample(
    browser: Callable[[User], Client], researcher: User
) -> None:
    resolution = ResolutionPlan(
        "1.3x",
        (ChannelPlan("488", ("registration",)), ChannelPlan("647", ("cell_detection",))),
        notes_for_imager="Only the left half.",
        notes_for_processor="Count in the cortex.",
        atlas="allen_2017",
    )
    sample = a_sample_plan(
        antibody1="anti-cFos 1:500",
        protocol="iDISCO+_immuno",
        perfusion_date=date(2029, 12, 24),
        notes_for_clearer="Soft tissue.",
        resolutions=(resolution,),
    )
    a_submitted_request(researcher, a_plan(samples=(sample,)))

    page = text_of(browser(researcher).get(PAGE))

    for words in (
        "iDISCO+_immuno", "anti-cFos 1:500", "2029-12-24", "2030-01-07", "Soft tissue.", "1.3x",
        "<strong>488</strong> registration", "<strong>647</strong> cell detection",
        "Only the left half.", "Count in the cortex.",
    ):  # fmt: skip
        assert words in page


def test_each_sample_unfolds_to_its_own_batch_and_every_round(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    request = a_request_of_three_batches(researcher, hands)
    (first, *_) = ImagingBatch.objects.filter(clearing_batch__request=request).order_by("pk")
    imaging.start(first, by=hands.imager)
    a_second_round(request, by=researcher)

    details = browser(researcher).get("/requests/researcher/mixed_brains/").context["details"]
    seen = {
        d.sample.name: (
            d.batch.number, d.batch.state, [(r.imaging.number, r.imaging.state) for r in d.rounds],
        )
        for d in details
    }  # fmt: skip

    assert seen == {
        "plain": (1, "complete", [(1, "in progress"), (2, "waiting")]),
        "stained": (2, "in progress", [(1, "waiting"), (2, "waiting")]),
        "shrunk": (3, "waiting", [(1, "waiting"), (2, "waiting")]),
    }


@pytest.mark.parametrize("who", ["researcher", "auditor", "clearer"])
def test_who_reads_the_page_finds_the_clearing_log_and_may_open_it(
    who: str, browser: Callable[[User], Client], researcher: User, auditor: User, clearer: User
) -> None:
    request = a_cleared_request(researcher, clearer=clearer, plan=a_plan(auditor="auditor"))
    person = {"researcher": researcher, "auditor": auditor, "clearer": clearer}[who]
    log = f"/clearing/batches/{request.clearing_batches.get().pk}/log/"
    client = browser(person)

    assert f'href="{log}"' in text_of(client.get(PAGE))
    assert client.get(log).status_code == 200


@pytest.mark.parametrize("address", [PAGE, f"{PAGE}live/"])
def test_a_stranger_finds_nothing(
    address: str, browser: Callable[[User], Client], researcher: User, stranger: User
) -> None:
    a_submitted_request(researcher)

    assert browser(stranger).get(address).status_code == 404


def test_an_auditor_reads_and_has_no_buttons(
    browser: Callable[[User], Client], researcher: User, auditor: User
) -> None:
    a_submitted_request(researcher, a_plan(auditor="auditor"))

    page = text_of(browser(auditor).get(PAGE))

    assert "first brains" in page
    assert "Withdraw" not in page
    assert ">Receive<" not in page


def test_volumes_and_runs_are_found_from_the_page(
    db: None, browser: Callable[[User], Client]
) -> None:
    world = worlds.build()
    client = browser(world.accounts["researcher"])

    page = text_of(client.get(f"/requests/{world.main.imaged.folder}/"))

    assert f"/processing/runs/{worlds.run_of(world.main.imaged).pk}/" in page
    assert f"/viewers/layers/{worlds.layer_of(world.main.imaged).uuid}/" in page
    assert f"/viewers/samples/{worlds.sample_of(world.main.imaged).pk}/" in page
    assert "volumes made" in page
    assert "checked: all there, as requested" in page


def test_one_sample_is_unfolded_and_several_are_not(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)
    two = (a_sample_plan("s1"), a_sample_plan("s2"))
    a_submitted_request(researcher, a_plan("two", samples=two))
    client = browser(researcher)

    assert client.get(PAGE).context["unfolded"]
    assert not client.get("/requests/researcher/two/").context["unfolded"]


def test_staff_find_where_to_open_finished_work_again(
    browser: Callable[[User], Client], researcher: User, clearer: User
) -> None:
    a_cleared_request(researcher, clearer=clearer)

    assert "Re-open the batch with a reason" in text_of(browser(clearer).get(PAGE))
    assert "Re-open the batch" not in text_of(browser(researcher).get(PAGE))


def test_an_archival_link_is_a_link_only_if_it_is_one(
    browser: Callable[[User], Client], researcher: User, clearer: User
) -> None:
    request = a_cleared_request(researcher, clearer=clearer)
    client = browser(researcher)
    request.clearing_batches.update(link="javascript:alert(1)")

    bad = text_of(client.get(PAGE))
    request.clearing_batches.update(link="https://example.org/?a=1&b=%22")
    good = text_of(client.get(PAGE))

    assert 'href="javascript' not in bad
    assert 'href="https://example.org/?a=1&amp;b=%22"' in good


def test_text_of_people_is_inert_everywhere(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    resolution = ResolutionPlan(
        "1.3x", (ChannelPlan("488", ("registration",)),),
        notes_for_imager=HOSTILE, notes_for_processor=HOSTILE,
    )  # fmt: skip
    sample = a_sample_plan(
        notes_for_clearer=HOSTILE, antibody1=HOSTILE, protocol="iDISCO+_immuno",
        resolutions=(resolution,),
    )  # fmt: skip
    plan = a_plan(description=HOSTILE, lab=HOSTILE[:50], samples=(sample,))
    request = a_submitted_request(researcher, plan)
    requests.receive(request.samples.get(), by=hands.first, condition="damaged", note=HOSTILE)
    clearing.start(request.clearing_batches.get(), by=hands.first)
    researcher.first_name, researcher.last_name = HOSTILE[:30], HOSTILE[:30]
    researcher.save()
    client = browser(researcher)

    for address in (PAGE, f"{PAGE}live/", "/", "/requests/", "/samples/", "/requests/?q=%22%3E"):
        page = text_of(client.get(address))
        assert "<script>alert" not in page
        assert "<b x-data" not in page


def test_a_withdrawn_request_shows_who_withdrew_it_and_why(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)
    client = browser(researcher)
    client.post(f"{PAGE}withdraw/", {"reason": "The <b>wrong</b> animals"})

    page = text_of(client.get(PAGE))

    assert "The &lt;b&gt;wrong&lt;/b&gt; animals" in page
    assert client.get(PAGE).context["withdrawal"].by == "researcher"
    assert "withdraw/" not in page


# --- the timeline ---


def test_the_timeline_names_its_objects(
    browser: Callable[[User], Client], researcher: User, hands: Hands
) -> None:
    request = a_request_of_three_batches(researcher, hands)
    first = ImagingBatch.objects.filter(clearing_batch__request=request).order_by("pk")[0]
    imaging.start(first, by=hands.imager)
    imaging.skip(first.imaging_requests.get(), by=hands.imager, reason="The brain broke.")

    timeline = browser(researcher).get("/requests/researcher/mixed_brains/").context["timeline"]
    said = [(entry.title, entry.text, entry.note) for entry in timeline]

    assert ("plain", "imaging skipped", "The brain broke.") in said
    assert ("Imaging batch 1.1", "imaging started", "") in said
    assert ("Clearing batch 2", "clearing started", "") in said
    assert ("plain", "received", "") in said
    assert ("The request", "submitted", "") in said


def test_a_long_run_of_steps_is_one_entry(
    browser: Callable[[User], Client], researcher: User, clearer: User
) -> None:
    from django.utils import timezone

    request = a_submitted_request(researcher)
    batch = request.clearing_batches.get()
    clearing.receive_and_start(batch, by=clearer)
    for step in batch.protocol.steps.all()[:6]:
        clearing.record_step(batch, step.slug, performed_at=timezone.now(), by=clearer)

    newest = browser(researcher).get(PAGE).context["timeline"][0]

    assert (newest.title, newest.text) == ("Clearing batch 1", "6 entries in the log of steps")
    assert len(newest.items) == 6
    assert newest.by == "clearer"


def test_what_happens_to_many_samples_at_once_is_one_entry(
    browser: Callable[[User], Client], researcher: User, clearer: User, imager: User
) -> None:
    samples = tuple(a_sample_plan(f"s{i}") for i in range(5))
    request = a_cleared_request(researcher, clearer=clearer, plan=a_plan(samples=samples))
    imaging.start(ImagingBatch.objects.get(clearing_batch__request=request), by=imager)

    timeline = browser(researcher).get(PAGE).context["timeline"]

    assert ("5 samples", "being imaged") in [(entry.title, entry.text) for entry in timeline]


# --- strips, summaries, next actions ---


def a_stage(state: str, word: str = "", who: str = "") -> Stage:
    return Stage("Imaging", state, word or state, who=who)


JOINT = [
    (["done", "done"], ("done", "all")),
    (["done", "skipped"], ("done", "all")),
    (["skipped", "skipped"], ("skipped", "skipped")),
    (["done", "waiting"], ("progress", "1 of 2")),
    (["progress", "waiting"], ("progress", "0 of 2")),
    (["waiting", "waiting"], ("waiting", "waiting")),
    (["failed", "done"], ("failed", "1 failed")),
    (["failed", "failed", "progress"], ("failed", "2 failed")),
]


@pytest.mark.parametrize(("states", "expected"), JOINT, ids=str)
def test_the_joint_stage_is_as_far_as_its_samples(
    states: list[str], expected: tuple[str, str]
) -> None:
    stage = overview.joint_strip([[a_stage(state)] * 5 for state in states])[2]

    assert (stage.state, stage.word) == expected


def test_two_people_are_not_named_as_one() -> None:
    strips = [[a_stage("progress", who=who)] * 5 for who in ("anna", "ben")]

    assert overview.joint_strip(strips)[2].who == ""


def test_next_is_said_to_whom_it_concerns(researcher: User, clearer: User) -> None:
    samples = (a_sample_plan("s1"), a_sample_plan("s2"))
    request = a_submitted_request(researcher, a_plan(samples=samples))

    assert next_of(request, researcher) == "Hand the 2 samples in, expected 2030-01-07"
    assert next_of(request, clearer) == "researcher hands the 2 samples in, expected 2030-01-07"


def test_next_follows_the_work(researcher: User, clearer: User, imager: User) -> None:
    request = a_submitted_request(researcher)
    batch = request.clearing_batches.get()

    requests.receive(request.samples.get(), by=clearer)
    assert next_of(request, researcher) == "Clearing staff clear 1 sample"
    clearing.start(batch, by=clearer)
    assert next_of(request, researcher) == "Clearing is under way by clearer"
    clearing.complete(batch, by=clearer, skip_missing=True)
    assert next_of(request, researcher) == "Imaging staff image 1 sample"
    first = ImagingBatch.objects.get()
    imaging.start(first, by=imager)
    assert next_of(request, researcher) == "Imaging is under way by imager"
    imaging.skip(first.imaging_requests.get(), by=imager, reason="Broke.")
    assert next_of(request, researcher) == "Nothing is left to do"


def test_who_works_on_their_own_samples_is_told_so(researcher: User, clearer: User) -> None:
    request = a_submitted_request(researcher, a_plan(self_clearing=True, self_imaging=True))

    assert next_of(request, researcher) == "You clear 1 sample"
    assert next_of(request, clearer) == "researcher clears 1 sample"
    batch = request.clearing_batches.get()
    clearing.receive_and_start(batch, by=researcher)
    clearing.complete(batch, by=researcher, skip_missing=True)
    assert next_of(request, researcher) == "You image 1 sample"


def test_what_failed_and_what_can_be_seen_is_told(db: None) -> None:
    world = worlds.build()
    owner = world.accounts["researcher"]

    assert next_of(world.main.failed, owner) == "Processing of 1 sample failed, staff look at it"
    assert next_of(world.main.imaged, owner) == "Done: the volumes can be looked at"
    assert next_of(world.main.withdrawn, owner) == "Nothing: it is withdrawn"
    assert next_of(world.main.planned, owner) == "The cluster makes the volumes of 1 sample"


def test_a_second_round_is_what_comes_next_though_the_first_can_be_seen(db: None) -> None:
    world = worlds.build()
    owner = world.accounts["researcher"]
    a_second_round(world.main.imaged, by=owner)

    sight = next(iter(overview.sights_of(world.main.imaged.samples.all()).values()))

    assert sight.place == "imaging"
    assert (sight.strip[2].word, sight.strip[2].detail) == ("waiting", "round 2 of 2")
    assert sight.strip[4].state == "done"
    assert next_of(world.main.imaged, owner) == "Imaging staff image 1 sample"


# --- the moving part ---


def test_nothing_is_sent_again_while_nothing_changed(
    db: None, browser: Callable[[User], Client]
) -> None:
    world = worlds.build()
    address = f"/requests/{world.main.planned.folder}/"
    client = browser(world.accounts["researcher"])
    stamp = client.get(address).context["stamp"]

    same = client.get(f"{address}live/", {"seen": stamp})
    other = client.get(f"{address}live/", {"seen": "earlier"})

    assert (same.status_code, same.content) == (204, b"")
    assert "hx-trigger" in text_of(other)


def test_a_finished_request_stops_asking(
    browser: Callable[[User], Client], researcher: User
) -> None:
    a_submitted_request(researcher)
    client = browser(researcher)
    page = client.get(PAGE)

    live = client.get(f"{PAGE}live/", {"seen": page.context["stamp"]})

    assert live.status_code == 200
    assert "hx-trigger" not in text_of(page) + text_of(live)


def test_what_was_unfolded_comes_back_unfolded(
    browser: Callable[[User], Client], researcher: User
) -> None:
    request = a_submitted_request(
        researcher, a_plan(samples=(a_sample_plan("s1"), a_sample_plan("s2")))
    )
    first, second = request.samples.order_by("position")

    answer = browser(researcher).get(f"{PAGE}live/", {"open": f"s-{second.pk},nonsense"})
    words = " ".join(text_of(answer).split())

    assert words.count("open>") == 1
    assert f'id="s-{second.pk}" data-sample open>' in words
    assert f'id="s-{first.pk}" data-sample >' in words


# --- cost (scenario 72) ---


def test_fifty_samples_with_three_rounds_cost_as_many_queries_as_one(
    browser: Callable[[User], Client], researcher: User, clearer: User
) -> None:
    small = a_cleared_request(researcher, clearer=clearer, plan=a_plan("small"))
    many = tuple(a_sample_plan(f"s{i:02}") for i in range(50))
    large = a_cleared_request(researcher, clearer=clearer, plan=a_plan("large", samples=many))
    for request in (small, large):
        for number in (2, 3):
            samples = list(request.samples.select_related("clearing_batch").order_by("position"))
            plans = [a_sample_plan(sample.name) for sample in samples]
            with transaction.atomic():
                rounds.plan_round(samples, plans, imager=None, by=researcher, number=number)
    client = browser(researcher)
    client.get("/requests/researcher/small/")

    with CaptureQueriesContext(connection) as few:
        client.get("/requests/researcher/small/")
    with CaptureQueriesContext(connection) as more:
        answer = client.get("/requests/researcher/large/")

    assert len(answer.context["details"]) == 50
    assert len(more) == len(few)
    assert len(few) <= 35


def test_several_days_of_hand_off_are_said_as_from_and_to(researcher: User) -> None:
    samples = tuple(
        a_sample_plan(f"b{day}", expected_handoff_date=date(2030, 1, day)) for day in (7, 8, 10)
    )
    request = a_submitted_request(researcher, a_plan(samples=samples))

    (row,) = overview.rows_of([overview.with_samples(Request.objects.all()).get(pk=request.pk)])

    assert row.next_action.endswith("expected 2030-01-07 to 2030-01-10")
