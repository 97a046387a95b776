"""Asking for samples to be imaged again: form, rules, what is made of it, and who hears of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event, User
from core_app.roles import Role
from imaging_app.models import ImagingBatch, ImagingChannel, ImagingRequest, ImagingResolution
from imaging_app.selectors import imaging_queue
from imaging_app.services import imaging
from imaging_app.services.channels import Acquisition, set_channels
from imaging_app.workflows import skip_sample
from processing_app.models import ProcessingRequest, ProcessingResolution
from requests_app import again, overview
from requests_app.models import Request, Sample
from requests_app.plans import ChannelPlan, RequestPlan, ResolutionPlan, SamplePlan
from requests_app.services import clearing
from requests_app.states import RequestState
from requests_app.workflows import reopen_clearing, request_imaging_again, withdraw_request
from tests.app.requests_app.typed import BACKEND, HOSTILE, objective, text_of
from tests.support.mailing import addresses_of, mails_of
from tests.support.people import a_person
from tests.support.scenarios import (
    ONE_CHANNEL,
    TWO_CHANNELS,
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
    set_all_channels,
)

pytestmark = pytest.mark.django_db

NAMES = ("sample-001", "sample-002", "sample-003")
SMARTSPIM = ResolutionPlan(
    "3.6x", (ChannelPlan("488", ("generic_imaging",)), ChannelPlan("642", ("generic_imaging",)))
)
FINEST = ResolutionPlan("15x", (ChannelPlan("642", ("generic_imaging",)),))
Form = dict[str, Any]


@pytest.fixture
def cleared(researcher: User, clearer: User) -> Request:
    """Three cleared samples of one batch, each with one channel in its first round."""
    samples = tuple(a_sample_plan(name) for name in NAMES)
    return a_cleared_request(researcher, clearer=clearer, plan=a_plan(samples=samples))


@pytest.fixture
def signed_in(client: Client, researcher: User) -> Client:
    client.force_login(researcher, backend=BACKEND)
    return client


def wished(request: Request, *samples: SamplePlan, self_imaging: bool = False) -> RequestPlan:
    return a_plan(request.name, samples=samples, self_imaging=self_imaging)


def a_wish(name: str, *resolutions: ResolutionPlan) -> SamplePlan:
    return SamplePlan(name, "", resolutions=resolutions or (ONE_CHANNEL,))


def ask(request: Request, *samples: SamplePlan, by: User | None = None, **more: Any) -> int:
    plan = wished(request, *(samples or (a_wish(NAMES[0]),)), **more)
    after = again.last_number(request)
    return request_imaging_again(request, plan, by=by or request.owner, after=after).number


def as_typed(request: Request, *ticked: str, **imaging: list[dict[str, Any]]) -> Form:
    """Return the form as its script sends it; imaging by the digits of a sample's name."""
    pks = dict(request.samples.values_list("name", "pk"))
    wishes = {str(pks[f"sample-{name[1:]}"]): wish for name, wish in imaging.items()}
    return {
        "sample": [pks[name] for name in ticked],
        "payload": json.dumps(wishes),
        "after": again.last_number(request),
    }


def address(request: Request) -> str:
    return again.address_of(request)


def rounds_of(request: Request, number: int) -> list[ImagingRequest]:
    rows = ImagingRequest.objects.filter(sample__request=request, number=number)
    return list(rows.order_by("sample__position"))


def what_is_wrong(signed_in: Client, request: Request, form: Form) -> str:
    """Return the page that the form was refused with; nothing was made."""
    answer = signed_in.post(address(request), form)
    assert answer.status_code == 422
    assert not rounds_of(request, 2)
    return text_of(answer)


# --- 41: objectives ---


@pytest.mark.parametrize("name", ["1.1x", "1.3x", "2x", "3.6x", "4x", "15x"])
def test_41_every_objective_that_is_offered_can_be_chosen(
    signed_in: Client, cleared: Request, name: str
) -> None:
    wish = [objective(name, channels={"488": ["generic_imaging"]})]

    answer = signed_in.post(address(cleared), as_typed(cleared, NAMES[0], s001=wish))

    assert answer.status_code == 302
    (made,) = rounds_of(cleared, 2)
    assert made.resolutions.get().objective.name == name


def test_41_an_objective_is_not_set_up_twice_for_one_sample(
    signed_in: Client, cleared: Request
) -> None:
    form = as_typed(cleared, NAMES[0], s001=[objective("3.6x"), objective("3.6x")])

    assert "3.6x is chosen twice for this sample" in what_is_wrong(signed_in, cleared, form)


# --- 42: rules ---


def test_42_nothing_ticked_is_an_error(signed_in: Client, cleared: Request) -> None:
    form = as_typed(cleared, s001=[objective()])

    assert "Tick at least one sample" in what_is_wrong(signed_in, cleared, form)


WRONG: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no objective": ([], "Choose at least one objective for this sample."),
    "no purpose": ([objective(channels={})], "Tick at least one channel at 1.3x."),
    "two registration channels": (
        [objective(channels={"488": ["registration"], "555": ["registration"]})],
        "Choose only one registration channel at 1.3x.",
    ),
    "detection without registration": (
        [objective(channels={"647": ["cell_detection"]})],
        "Detection needs a registration channel",
    ),
    "registration in another orientation": (
        [objective(final_orientation="coronal")],
        "With registration the output is sagittal",
    ),
    "a channel of another microscope": (
        [objective("3.6x", channels={"647": ["generic_imaging"]})],
        "The microscope of 3.6x has no channel 647",
    ),
    "too long a note": (
        [objective(notes_for_imager="x" * 1025)],
        "1025 characters; at most 1024 fit.",
    ),
    "registration where there is none": (
        [objective("2x")],
        "2x is for generic imaging only",
    ),
}


@pytest.mark.parametrize(("imaging", "words"), WRONG.values(), ids=WRONG.keys())
def test_42_what_is_wrong_is_said(
    signed_in: Client, cleared: Request, imaging: list[dict[str, Any]], words: str
) -> None:
    form = as_typed(cleared, NAMES[1], s002=imaging)

    page = what_is_wrong(signed_in, cleared, form)

    assert words in page
    assert 'href="#imaging-1"' in page


def test_42_a_rat_is_not_registered(signed_in: Client, clearer: User, researcher: User) -> None:
    just_look = ResolutionPlan("1.3x", (ChannelPlan("488", ("generic_imaging",)),))
    protocol = "iDISCO abbreviated clearing (rat)"
    sample = a_sample_plan(NAMES[0], protocol=protocol, resolutions=(just_look,))
    rat = a_cleared_request(
        researcher, clearer=clearer, plan=a_plan(samples=(sample,), species="rat")
    )

    page = what_is_wrong(signed_in, rat, as_typed(rat, NAMES[0], s001=[objective()]))

    assert "For rat only generic imaging is possible" in page


def test_42_every_problem_is_said_at_once(signed_in: Client, cleared: Request) -> None:
    form = as_typed(
        cleared, *NAMES, s001=[], s002=[objective(channels={})],
        s003=[objective(final_orientation="coronal")],
    )  # fmt: skip

    page = what_is_wrong(signed_in, cleared, form)

    assert "3 things to correct" in page
    assert [f'href="#imaging-{n}"' in page for n in range(3)] == [True] * 3


def test_42_a_refusal_loses_nothing_that_was_typed(signed_in: Client, cleared: Request) -> None:
    wish = objective("1.3x", channels={}, notes_for_imager=HOSTILE, final_orientation="coronal")
    form = as_typed(cleared, NAMES[2], s003=[wish], s001=[objective("4x")])

    answer = signed_in.post(address(cleared), form | {"self_imaging": "on"})

    data = answer.context["data"]["samples"]
    assert [row["imaging"] for row in data] == [[objective("4x")], [], [wish]]
    assert [row.is_ticked for row in answer.context["typed"].rows] == [False, False, True]
    assert answer.context["typed"].self_imaging
    assert HOSTILE not in text_of(answer)


# --- 43: what is made ---


@pytest.fixture
def scenario(cleared: Request) -> Request:
    """Two samples at 1.3x with two channels, one at 3.6x, as a second round."""
    ask(
        cleared,
        a_wish(NAMES[0], TWO_CHANNELS),
        a_wish(NAMES[1], TWO_CHANNELS),
        a_wish(NAMES[2], SMARTSPIM),
    )
    return cleared


def test_43_samples_are_grouped_into_batches_by_their_channels(scenario: Request) -> None:
    batches = ImagingBatch.objects.filter(
        clearing_batch__request=scenario, imaging_request_number=2
    )

    found = [(b.number, [r.sample.name for r in b.imaging_requests.all()]) for b in batches]
    assert found == [(1, list(NAMES[:2])), (2, [NAMES[2]])]


def test_43_each_sample_gets_its_round_objectives_and_channels(scenario: Request) -> None:
    made = rounds_of(scenario, 2)

    resolutions = ImagingResolution.objects.filter(imaging_request__in=made)
    channels = ImagingChannel.objects.filter(resolution__in=resolutions)
    assert len(made) == 3
    assert sorted(resolutions.values_list("objective__name", flat=True)) == ["1.3x", "1.3x", "3.6x"]
    assert sorted(channels.values_list("resolution__objective__name", "wavelength__name")) == [
        *[("1.3x", "488")] * 2, *[("1.3x", "647")] * 2, ("3.6x", "488"), ("3.6x", "642"),
    ]  # fmt: skip


def test_43_processing_is_asked_for_by_the_processable_rule(
    scenario: Request, researcher: User
) -> None:
    rows = ProcessingRequest.objects.filter(imaging_request__in=rounds_of(scenario, 2))

    assert [(r.number, r.processor, r.state) for r in rows] == [(1, researcher, "waiting")] * 3
    assert ProcessingResolution.objects.filter(processing_request__in=rows).count() == 3


def test_43_images_that_are_only_looked_at_are_not_processed(cleared: Request) -> None:
    ask(cleared, a_wish(NAMES[0], FINEST), a_wish(NAMES[1], FINEST, ONE_CHANNEL))

    rows = ProcessingResolution.objects.filter(
        processing_request__imaging_request__in=rounds_of(cleared, 2)
    )
    (only,) = rows
    assert only.processing_request.imaging_request.sample.name == NAMES[1]
    assert only.resolution.objective.name == "1.3x"


def test_the_number_is_that_of_the_request_and_shared_by_its_samples(cleared: Request) -> None:
    ask(cleared, a_wish(NAMES[0]))

    number = ask(cleared, a_wish(NAMES[0]), a_wish(NAMES[2]))

    assert number == 3
    assert [r.sample.name for r in rounds_of(cleared, 3)] == [NAMES[0], NAMES[2]]


def test_every_field_reaches_the_round(signed_in: Client, cleared: Request) -> None:
    wish = objective(
        "4x", channels={"488": ["generic_imaging"]}, notes_for_imager="cortex only",
        notes_for_processor="mind the tear", atlas="paxinos", final_orientation="coronal",
    )  # fmt: skip

    signed_in.post(address(cleared), as_typed(cleared, NAMES[0], s001=[wish]))

    (made,) = rounds_of(cleared, 2)
    row = ProcessingResolution.objects.get(processing_request__imaging_request=made)
    assert made.resolutions.get().notes_for_imager == "cortex only"
    assert row.atlas is not None
    assert (row.notes_for_processor, row.atlas.name, row.final_orientation) == (
        "mind the tear", "paxinos", "coronal"
    )  # fmt: skip


def test_the_history_says_who_asked_for_which_samples(cleared: Request, manager: User) -> None:
    ask(cleared, a_wish(NAMES[0]), a_wish(NAMES[1]), by=manager)

    event = Event.objects.get(root_id=cleared.pk, verb=again.ASKED)
    assert (event.by, event.note) == (manager, "Round 2: sample-001, sample-002")


def test_a_form_sent_twice_makes_one_round(signed_in: Client, cleared: Request) -> None:
    form = as_typed(cleared, NAMES[0], s001=[objective(notes_for_imager="all of it")])
    signed_in.post(address(cleared), form)

    answer = signed_in.post(address(cleared), form, follow=True)

    assert "asked for exactly so already" in text_of(answer)
    assert again.last_number(cleared) == 2
    assert len(addresses_of("imaging-asked")) == 1


def test_who_did_not_see_the_newest_round_is_told_and_may_ask_all_the_same(
    signed_in: Client, cleared: Request, manager: User
) -> None:
    form = as_typed(cleared, NAMES[0], s001=[objective("4x")])
    ask(cleared, a_wish(NAMES[0]), by=manager)

    told = signed_in.post(address(cleared), form)

    assert told.status_code == 409
    assert "manager asked for imaging round 2 since you opened this page" in text_of(told)
    assert told.context["data"]["samples"][0]["imaging"] == [objective("4x")]
    signed_in.post(address(cleared), form | {"after": told.context["typed"].after})
    assert again.last_number(cleared) == 3


# --- which requests, which samples ---


def test_a_sample_that_is_not_cleared_is_named_and_refused(
    signed_in: Client, researcher: User
) -> None:
    request = a_submitted_request(researcher, a_plan(samples=(a_sample_plan(NAMES[0]),)))

    page = what_is_wrong(signed_in, request, as_typed(request, NAMES[0], s001=[objective()]))

    assert "It waits to be cleared in clearing batch 1." in page
    assert 'href="#tick-0"' in page


def test_a_batch_that_is_opened_again_meanwhile_is_seen_at_the_last_moment(
    cleared: Request, clearer: User
) -> None:
    reopen_clearing(cleared.clearing_batches.get(), by=clearer, reason="Not clear enough.")

    with pytest.raises(NotReady, match="sample-001 is being cleared in clearing batch 1"):
        ask(cleared, a_wish(NAMES[0]))


def test_a_cleared_sample_is_asked_for_while_others_are_in_clearing(
    researcher: User, clearer: User
) -> None:
    samples = (a_sample_plan(NAMES[0]), a_sample_plan(NAMES[1], protocol="uDISCO"))
    request = a_submitted_request(researcher, a_plan(samples=samples))
    first = request.clearing_batches.get(number=1)
    clearing.receive_and_start(first, by=clearer)
    clearing.complete(first, by=clearer, skip_missing=True)

    assert ask(request, a_wish(NAMES[0])) == 2


def test_a_closed_request_opens_again(cleared: Request, imager: User) -> None:
    for one in rounds_of(cleared, 1):
        skip_sample(one, by=imager, reason="broke")
    cleared.refresh_from_db()
    assert cleared.state == RequestState.CLOSED

    ask(cleared)

    cleared.refresh_from_db()
    assert cleared.state == RequestState.SUBMITTED
    moved = Event.objects.filter(kind="request", object_id=cleared.pk, came_from="closed").get()
    assert moved.note == "For imaging round 2."


def test_a_withdrawn_request_is_not_imaged_again(
    signed_in: Client, cleared: Request, manager: User
) -> None:
    withdraw_request(cleared, by=manager, reason="Not needed.")

    answer = signed_in.get(address(cleared), follow=True)

    assert "This request is withdrawn, so nothing of it is imaged again." in text_of(answer)
    with pytest.raises(NotReady, match="withdrawn"):
        ask(cleared)


def test_an_archival_request_is_not_imaged_again(signed_in: Client, cleared: Request) -> None:
    Request.objects.filter(pk=cleared.pk).update(is_archival=True)  # only an import makes one

    answer = signed_in.post(address(cleared), as_typed(cleared, NAMES[0]), follow=True)

    assert "This request is archival" in text_of(answer)
    assert again.last_number(cleared) == 1


def test_a_plan_that_names_a_sample_of_nowhere_is_refused(cleared: Request) -> None:
    with pytest.raises(Invalid, match="Tick the samples of this request"):
        ask(cleared, a_wish("elsewhere"))


# --- 44: the rounds do not touch each other ---


def test_44_work_on_the_second_round_leaves_the_first_alone(
    researcher: User, clearer: User, imager: User
) -> None:
    samples = tuple(a_sample_plan(name) for name in NAMES)
    first = a_request_being_imaged(
        researcher, clearer=clearer, imager=imager, plan=a_plan(samples=samples)
    )
    request = first.sample.request
    set_all_channels(first, Acquisition("round_1", z_planes=9, z_step_um=5), by=imager)
    ask(request, a_wish(NAMES[0], TWO_CHANNELS))
    (second,) = rounds_of(request, 2)

    imaging.start(second.batch, by=imager)
    second.refresh_from_db()
    entered = {
        c.pk: Acquisition("round_2", z_planes=4, z_step_um=10)
        for c in ImagingChannel.objects.filter(resolution__imaging_request=second)
    }
    set_channels(second, entered, by=imager)
    skip_sample(second, by=imager, reason="Bleached.")

    states = [one.state for one in rounds_of(request, 1)]
    of_first = ImagingChannel.objects.get(resolution__imaging_request=first)
    assert states == ["in progress"] * 3
    assert (of_first.raw_subfolder, of_first.z_planes) == ("round_1", 9)
    assert [one.state for one in rounds_of(request, 2)] == ["skipped"]
    assert first.batch.number == second.batch.number == 1


def test_44_folders_of_the_rounds_lie_apart(cleared: Request) -> None:
    ask(cleared)

    folders = [str(one.folder) for number in (1, 2) for one in rounds_of(cleared, number)[:1]]
    assert folders == [f"{cleared.folder}/{NAMES[0]}/imaging_request_{n}" for n in (1, 2)]


# --- 45: mails and rights ---


def test_45_the_correspondence_address_and_imaging_staff_are_told(
    cleared: Request, imager: User
) -> None:
    ask(cleared, a_wish(NAMES[0], FINEST), a_wish(NAMES[1]))

    (received,) = mails_of("imaging-asked")
    (work,) = mails_of("imaging-asked-of-staff")
    batches = ImagingBatch.objects.filter(imaging_request_number=2)
    assert received.to == "researcher@example.org"
    assert "sample-001 (15x: 642 generic)" in received.text
    assert work.to == imager.email
    assert "sample-002 (1.3x: 488 registration)" in work.text
    assert [f"/imaging/batches/{batch.pk}/" in work.text for batch in batches] == [True, True]


def test_45_imaging_staff_hear_nothing_of_what_the_owner_images(
    cleared: Request, imager: User
) -> None:
    ask(cleared, self_imaging=True)

    assert addresses_of("imaging-asked") == ["researcher"]
    assert addresses_of("imaging-asked-of-staff") == []


def test_45_the_owner_is_told_if_somebody_else_asked(
    researcher: User, clearer: User, manager: User
) -> None:
    plan = a_plan(samples=(a_sample_plan(NAMES[0]),), correspondence_email="lab@example.org")
    request = a_cleared_request(researcher, clearer=clearer, plan=plan)

    ask(request, by=manager)

    assert addresses_of("imaging-asked") == ["lab", "researcher"]
    assert "manager asked for 1 sample" in mails_of("imaging-asked")[0].text


Who = Callable[[User], User]
OTHERS: dict[str, Who] = {
    "clearer": lambda owner: a_person("other", role=Role.CLEARER),
    "processor": lambda owner: a_person("other", role=Role.PROCESSOR),
    "operator": lambda owner: a_person("other", role=Role.OPERATOR),
    "PI": lambda owner: a_person("other", lab=owner.memberships.get().lab, pi=True),
    "labmate": lambda owner: a_person("other", lab=owner.memberships.get().lab),
    "auditor": lambda owner: User.objects.get(username="auditor"),
}


@pytest.mark.parametrize("who", OTHERS.values(), ids=OTHERS.keys())
def test_45_who_only_reads_the_request_does_not_ask(
    who: Who, researcher: User, clearer: User, auditor: User
) -> None:
    plan = a_plan(samples=(a_sample_plan(NAMES[0]),), auditor=auditor.username)
    request = a_cleared_request(researcher, clearer=clearer, plan=plan)

    with pytest.raises(NotAllowed):
        ask(request, by=who(researcher))

    assert again.last_number(request) == 1


def test_only_the_owner_says_that_they_image_themselves(cleared: Request, manager: User) -> None:
    with pytest.raises(NotAllowed, match="Only the owner"):
        ask(cleared, by=manager, self_imaging=True)


def test_a_self_imaged_round_is_the_owners_and_the_others_are_not(
    cleared: Request, researcher: User
) -> None:
    ask(cleared, self_imaging=True)
    (second,) = rounds_of(cleared, 2)

    imaging.start(second.batch, by=researcher)

    assert second.batch in imaging_queue(to=researcher)
    with pytest.raises(NotAllowed):
        imaging.start(rounds_of(cleared, 1)[0].batch, by=researcher)


# --- pages ---


def test_the_page_lists_what_was_asked_for_before(signed_in: Client, cleared: Request) -> None:
    ask(cleared, a_wish(NAMES[0], TWO_CHANNELS))

    answer = signed_in.get(address(cleared))

    found = [(r.sample, r.number, r.channel, r.purposes) for r in answer.context["asked"]]
    assert found == [
        (NAMES[0], 1, "488", ("registration",)),
        (NAMES[0], 2, "488", ("registration",)),
        (NAMES[0], 2, "647", ("cell_detection",)),
        (NAMES[1], 1, "488", ("registration",)),
        (NAMES[2], 1, "488", ("registration",)),
    ]
    assert "What is to be imaged as round 3?" in text_of(answer)


def test_the_link_of_a_sample_ticks_it(signed_in: Client, cleared: Request) -> None:
    sample = Sample.objects.get(name=NAMES[1])
    link = f"{address(cleared)}?sample={sample.pk}"

    page = text_of(signed_in.get(f"/samples/{sample.pk}/"))
    form = signed_in.get(link)

    assert link in page
    assert [row.is_ticked for row in form.context["typed"].rows] == [False, True, False]


def test_the_page_of_the_request_leads_there_once_a_sample_is_cleared(
    signed_in: Client, cleared: Request, researcher: User
) -> None:
    waiting = a_submitted_request(researcher, a_plan("later brains"))

    assert address(cleared) in text_of(signed_in.get(f"/requests/{cleared.folder}/"))
    assert address(waiting) not in text_of(signed_in.get(f"/requests/{waiting.folder}/"))


def test_it_is_the_button_that_stands_out_if_nothing_else_is_to_be_done(
    signed_in: Client, cleared: Request, imager: User
) -> None:
    for one in rounds_of(cleared, 1):
        skip_sample(one, by=imager, reason="broke")

    answer = signed_in.get(f"/requests/{cleared.folder}/")

    assert answer.context["primary"].url == address(cleared)
    assert text_of(answer).count(address(cleared)) == 1


def test_without_script_one_setting_holds_for_the_ticked_samples(
    signed_in: Client, cleared: Request
) -> None:
    form = plain_form(cleared, NAMES[0], NAMES[2])

    answer = signed_in.post(address(cleared), form)

    assert answer.status_code == 302
    rows = ImagingChannel.objects.filter(resolution__imaging_request__in=rounds_of(cleared, 2))
    found = rows.order_by("resolution__imaging_request__sample__position", "wavelength__position")
    assert [(c.resolution.imaging_request.sample.name, c.purposes) for c in found] == [
        (NAMES[0], ("registration", "generic_imaging")),
        (NAMES[0], ("cell_detection",)),
        (NAMES[2], ("registration", "generic_imaging")),
        (NAMES[2], ("cell_detection",)),
    ]
    wanted = ProcessingResolution.objects.filter(processing_request__imaging_request__number=2)
    assert [row.notes_for_processor for row in wanted] == ["gently", "gently"]


def plain_form(request: Request, *ticked: str) -> Form:
    pks = dict(request.samples.values_list("name", "pk"))
    return {
        "sample": [pks[name] for name in ticked],
        "payload": "",
        "after": "1",
        "image:1.3x:488": ["generic_imaging", "registration"],
        "image:1.3x:647": ["cell_detection"],
        "notes_for_imager:1.3x": "whole brain",
        "notes_for_processor:1.3x": "gently",
        "final_orientation:1.3x": "sagittal",
    }


def test_without_script_a_refusal_keeps_the_setting_too(
    signed_in: Client, cleared: Request
) -> None:
    page = what_is_wrong(signed_in, cleared, plain_form(cleared))

    assert "Tick at least one sample" in page
    assert 'value="whole brain"' in page
    assert 'value="gently"' in page


@pytest.mark.parametrize("payload", ["{", "[]", '{"1": 5}', '{"x": [{"channels": [1]}]}', "null"])
def test_a_payload_that_is_none_is_told_as_a_problem(
    signed_in: Client, cleared: Request, payload: str
) -> None:
    form = as_typed(cleared, NAMES[0]) | {"payload": payload, "after": "x"}

    page = what_is_wrong(signed_in, cleared, form)

    assert "Choose at least one objective" in page


# --- where round 2 is seen ---


def test_the_second_round_shows_in_strips_lists_and_on_the_page(
    signed_in: Client, cleared: Request, researcher: User, imager: User
) -> None:
    for one in rounds_of(cleared, 1):
        skip_sample(one, by=imager, reason="broke")
    cleared.refresh_from_db()
    ask(cleared)
    samples = list(cleared.samples.select_related("clearing_batch__protocol", "received_by"))

    sights = overview.sights_of(samples)

    (stage,) = [sights[s.pk].strip[2] for s in samples if s.name == NAMES[0]]
    assert (stage.word, stage.detail) == ("waiting", "round 2 of 2")
    assert overview.summary_of(sights.values()) == "3 samples: 1 imaging, 2 skipped"
    page = text_of(signed_in.get(f"/requests/{cleared.folder}/"))
    assert "Imaging staff image 1 sample" in page
    assert "Round 2: sample-001" in page


def test_the_home_page_of_the_imager_counts_the_new_batches(
    client: Client, cleared: Request, imager: User
) -> None:
    before = {need.text: need.count for need in overview.needs_of(imager)}
    ask(cleared, a_wish(NAMES[0]), a_wish(NAMES[1], SMARTSPIM))

    after = {need.text: need.count for need in overview.needs_of(imager)}

    assert (before["batch ready to be imaged"], after["batches ready to be imaged"]) == (1, 3)


def test_who_images_the_next_round_is_said_by_the_round(
    cleared: Request, researcher: User, imager: User
) -> None:
    for one in rounds_of(cleared, 1):
        skip_sample(one, by=imager, reason="broke")
    cleared.refresh_from_db()
    ask(cleared, self_imaging=True)
    samples = list(cleared.samples.select_related("clearing_batch__protocol", "received_by"))
    sights = list(overview.sights_of(samples).values())

    assert overview.next_action_of(cleared, sights, to=researcher) == "You image 1 sample"
    assert overview.next_action_of(cleared, sights, to=imager) == "researcher images 1 sample"


def test_a_stranger_finds_no_page(client: Client, cleared: Request, stranger: User) -> None:
    client.force_login(stranger, backend=BACKEND)

    answers = [client.get(address(cleared)), client.post(address(cleared))]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_the_same_wish_of_another_round_is_no_second_sending(cleared: Request) -> None:
    plan = wished(cleared, a_wish(NAMES[0]))
    request_imaging_again(cleared, plan, by=cleared.owner, after=1)

    made = request_imaging_again(cleared, plan, by=cleared.owner, after=2)

    assert (made.number, made.is_new) == (3, True)
    with pytest.raises(StaleState, match="asked for imaging round 3"):
        request_imaging_again(cleared, plan, by=cleared.owner, after=1)


def test_who_images_is_part_of_what_was_asked_for(cleared: Request) -> None:
    ask(cleared, a_wish(NAMES[0]))
    others = wished(cleared, a_wish(NAMES[0]), self_imaging=True)

    with pytest.raises(StaleState):
        request_imaging_again(cleared, others, by=cleared.owner, after=1)
