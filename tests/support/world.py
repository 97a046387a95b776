"""One small world in which every person stands in some relation to the same requests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from core_app.models import Lab, LabMembership, User
from core_app.roles import Role
from imaging_app.models import Booking, ImagingBatch, ImagingChannel, ImagingRequest, Microscope
from imaging_app.services import bookings, imaging
from imaging_app.services.channels import Acquisition, set_channels
from imaging_app.slots import Slot, next_quarter
from processing_app.models import ProcessingRequest, Product, Run
from processing_app.pipelines import RAW
from requests_app.models import ClearingBatch, Request, Sample
from requests_app.services import clearing, requests
from requests_app.workflows import submit_request, withdraw_request
from tests.support import clusters, stacks
from tests.support.checks import check_and_complete
from tests.support.people import a_person
from tests.support.scenarios import a_plan, a_sample_plan
from viewers_app.cookies import give_cookie
from viewers_app.models import DataLayer, ViewerSession
from viewers_app.services import layers, sessions

LAB, COMMONS = "River lab", "Commons lab"
OTTER, HERON, PEBBLE = "otter", "heron", "pebble"
SUBFOLDER = "run_1"
PLANES = 4
BACKEND = "django.contrib.auth.backends.ModelBackend"


class Person(StrEnum):
    """Everybody who can stand before a page."""

    ANONYMOUS = "anonymous"
    STRANGER = "stranger"
    LABMATE = "labmate"
    SHARING_LABMATE = "sharing labmate"
    PI = "PI"
    AUDITOR = "auditor"
    OWNER = "owner"
    SELF_OWNER = "self-serving owner"
    SUBMITTER = "submitter on behalf"
    CLEARER = "clearer"
    IMAGER = "imager"
    PROCESSOR = "processor"
    MANAGER = "manager"
    OPERATOR = "operator"
    SUPERUSER = "superuser"
    DEACTIVATED = "deactivated owner"


# The account that a person signs in with; the rest of the difference is in `World.turn`.
ACCOUNT = {
    Person.STRANGER: "stranger",
    Person.LABMATE: "labmate",
    Person.SHARING_LABMATE: "labmate",
    Person.PI: "leader",
    Person.AUDITOR: "auditor",
    Person.OWNER: "researcher",
    Person.SELF_OWNER: "researcher",
    Person.DEACTIVATED: "researcher",
    Person.SUBMITTER: "submitter",
    Person.CLEARER: "clearer",
    Person.IMAGER: "imager",
    Person.PROCESSOR: "processor",
    Person.MANAGER: "manager",
    Person.OPERATOR: "operator",
    Person.SUPERUSER: "superuser",
}


@dataclass(frozen=True, slots=True)
class Hands:
    """Who does the work on a request."""

    clearer: User
    imager: User


@dataclass(frozen=True, slots=True)
class Series:
    """Requests of one owner, one at each stage, all named after one animal."""

    animal: str
    draft: Request
    waiting: Request
    withdrawn: Request
    clearing: Request
    cleared: Request
    imaging: Request
    planned: Request
    failed: Request
    imaged: Request
    hands: Hands
    view: ViewerSession


def batch_of(request: Request) -> ClearingBatch:
    return request.clearing_batches.select_related("request__owner", "protocol").get()


def sample_of(request: Request) -> Sample:
    return request.samples.select_related("request__owner").get()


def imaging_batch_of(request: Request) -> ImagingBatch:
    return ImagingBatch.objects.get(clearing_batch__request=request)


def imaging_request_of(request: Request) -> ImagingRequest:
    return ImagingRequest.objects.get(sample__request=request)


def channel_of(request: Request) -> ImagingChannel:
    return ImagingChannel.objects.get(resolution__imaging_request__sample__request=request)


def run_of(request: Request) -> Run:
    return Run.objects.get(imaging_request__sample__request=request, pipeline=RAW)


def round_of(request: Request) -> ProcessingRequest:
    return ProcessingRequest.objects.get(imaging_request__sample__request=request)


def a_booking(owner: User) -> Booking:
    """Book tomorrow for an owner who images their own samples, or for staff."""
    begins = next_quarter(timezone.now()) + timedelta(days=1)
    slot = Slot(begins, begins + timedelta(hours=2))
    scope = Microscope.objects.get(name="smartspim")
    return bookings.book(scope, slot, person=owner, purpose="a secret aim", by=owner)


def layer_of(request: Request) -> DataLayer:
    path = "product__channel__resolution__imaging_request__sample__request"
    return DataLayer.objects.get(**{path: request})


@dataclass(frozen=True, slots=True)
class World:
    """All of it. `own` is the series that its owner clears and images without staff."""

    accounts: dict[str, User]
    clients: dict[str, SimpleCookie]
    viewer_cookies: dict[str, SimpleCookie]
    main: Series
    own: Series
    commons: Request
    elsewhere: Request
    labless: Request

    def user(self, person: Person) -> User | None:
        """Return a fresh object: roles are cached on it."""
        name = ACCOUNT.get(person)
        return User.objects.get(pk=self.accounts[name].pk) if name else None

    def series(self, person: Person) -> Series:
        return self.own if person is Person.SELF_OWNER else self.main

    def turn(self, person: Person) -> None:
        """Make true what tells this person from others with the same account."""
        if person is Person.SHARING_LABMATE:
            Lab.objects.filter(name=LAB).update(shares_with_members=True)
        if person is Person.DEACTIVATED:
            User.objects.filter(pk=self.accounts["researcher"].pk).update(is_active=False)

    def browser(self, person: Person) -> Client:
        """Return a browser in which this person signed in, on both origins, before the test."""
        client = Client(headers={"host": urlsplit(settings.SITE_URL).netloc})
        name = ACCOUNT.get(person)
        if name:
            client.cookies.update(self.clients[name])
            client.cookies.update(self.viewer_cookies[name])
        return client


@contextmanager
def signed_in(user: User) -> Iterator[Client]:
    client = Client(headers={"host": urlsplit(settings.SITE_URL).netloc})
    client.force_login(user, backend=BACKEND)
    yield client


def build() -> World:
    """Make everything through services, as people do."""
    people = _people()
    everybody = list(people.values())
    owner, submitter = people["researcher"], people["submitter"]
    staff = Hands(people["colleague"], people["technician"])
    main = _series(OTTER, owner, by=submitter, hands=staff)
    own = _series(HERON, owner, by=submitter, hands=Hands(owner, owner), serves_itself=True)
    commons = _imaged(_ask(PEBBLE, people["neighbor"], by=people["neighbor"], lab=COMMONS), staff)
    _publish(commons)
    # Last, because a cluster that is driven takes up every run there is.
    for series in (main, own):
        check_and_complete(imaging_request_of(series.planned), by=series.hands.imager)
    return World(
        accounts=people,
        clients={user.username: _site_cookie(user) for user in everybody},
        viewer_cookies={user.username: _viewer_cookie(user, commons) for user in everybody},
        main=main,
        own=own,
        commons=commons,
        elsewhere=_ask("moor", people["hillman"], by=people["hillman"], lab="Hill lab"),
        labless=_ask("raven", people["loner"], by=people["loner"], lab="A lab nobody made"),
    )


def _people() -> dict[str, User]:
    river, hill = Lab.objects.create(name=LAB), Lab.objects.create(name="Hill lab")
    commons = Lab.objects.create(name=COMMONS, shares_with_members=True)
    people = [
        a_person("researcher", lab=river),
        a_person("submitter"),
        a_person("labmate", lab=river),
        a_person("leader", lab=river, pi=True),
        a_person("auditor"),
        a_person("stranger", lab=hill),
        a_person("neighbor"),
        a_person("hillman", lab=hill),
        a_person("loner"),
        a_person("colleague", role=Role.CLEARER),
        a_person("technician", role=Role.IMAGER),
        *(a_person(role.value, role=role) for role in Role),
        _superuser(),
    ]
    # Everybody has something to see, so that an empty page is never the reason for seeing nothing.
    LabMembership.objects.bulk_create(LabMembership(user=user, lab=commons) for user in people)
    key = Authenticator(user=people[0], type="webauthn", data={"name": f"{OTTER} key"})
    key.save()
    return {user.username: user for user in people}


def _superuser() -> User:
    user = a_person("superuser")
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    user.refresh_from_db()
    return user


def _ask(
    animal: str, owner: User, *, by: User, stage: str = "brains", lab: str = LAB,
    serves_itself: bool = False,
) -> Request:  # fmt: skip
    plan = a_plan(
        f"{animal} {stage}",
        samples=(a_sample_plan(f"{animal}-{stage}"),),
        lab=lab,
        auditor="auditor" if lab == LAB else "",
        self_clearing=serves_itself,
        self_imaging=serves_itself,
    )
    draft = requests.create_draft(owner=owner, by=by)
    with _as_staff(by, when=by != owner) as person:
        return submit_request(draft, plan, by=person)


@contextmanager
def _as_staff(user: User, *, when: bool) -> Iterator[User]:
    """Let a person hand in for another while they are staff; they are none afterwards."""
    if when:
        user.groups.add(Group.objects.get(name=Role.CLEARER.value))
    yield User.objects.get(pk=user.pk)
    if when:
        user.groups.clear()


def _series(
    animal: str, owner: User, *, by: User, hands: Hands, serves_itself: bool = False
) -> Series:
    def ask(stage: str) -> Request:
        return _ask(animal, owner, by=by, stage=stage, serves_itself=serves_itself)

    draft = requests.create_draft(owner=owner, by=by)
    requests.edit_draft(draft, {"name": f"{animal} draft", "about-name": f"{animal} draft"}, by=by)
    withdrawn = ask("withdrawn")
    withdraw_request(withdrawn, by=owner, reason="The animals were needed elsewhere.")
    begun = ask("clearing")
    clearing.receive_and_start(batch_of(begun), by=hands.clearer)
    failed = _imaged(ask("failed"), hands)
    clusters.drive_until_over(
        run_of(failed), clusters.memory_cluster(clusters.fail_with("BAD_INPUT"))
    )
    imaged = _imaged(ask("imaged"), hands)
    layer = _publish(imaged)
    return Series(
        animal=animal,
        draft=draft,
        waiting=ask("waiting"),
        withdrawn=withdrawn,
        clearing=begun,
        cleared=_cleared(ask("cleared"), hands),
        imaging=_being_imaged(ask("imaging"), hands),
        planned=_being_imaged(ask("planned"), hands),
        failed=failed,
        imaged=imaged,
        hands=hands,
        view=sessions.open_view(sessions.Wanted([layer], f"{animal} view"), by=owner).session,
    )


def _cleared(request: Request, hands: Hands) -> Request:
    batch = batch_of(request)
    clearing.receive_and_start(batch, by=hands.clearer)
    clearing.complete(batch, by=hands.clearer, skip_missing=True, link="https://example.org/sheet")
    return request


def _being_imaged(request: Request, hands: Hands) -> Request:
    _cleared(request, hands)
    imaging.start(imaging_batch_of(request), by=hands.imager)
    found = imaging_request_of(request)
    delivered = found.resolutions.get().raw_folder(ventral_up=False).under(settings.DATA_ROOT)
    stacks.lavision_delivery(delivered / SUBFOLDER, planes=PLANES)
    channel = found.resolutions.get().channels.get()
    acquisition = Acquisition(SUBFOLDER, z_planes=PLANES, z_step_um=10.0, right_sheet=False)
    set_channels(found, {channel.pk: acquisition}, by=hands.imager)
    return request


def _imaged(request: Request, hands: Hands) -> Request:
    """Complete imaging, which plans the run."""
    _being_imaged(request, hands)
    check_and_complete(imaging_request_of(request), by=hands.imager)
    return request


def _publish(request: Request) -> DataLayer:
    """Drive the run to its product, put on disk what the site serves of it, make it viewable."""
    clusters.drive_until_over(run_of(request), clusters.memory_cluster())
    product = Product.objects.get(step__run=run_of(request))
    folder = product.folder.under(settings.DATA_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "info").write_text(json.dumps({"type": "image"}))
    (folder / product.thumbnail).write_bytes(b"\x89PNG\r\n\x1a\n")
    layers.publish_new_products()
    return layer_of(request)


def _site_cookie(user: User) -> SimpleCookie:
    with signed_in(user) as client:
        return client.cookies


def _viewer_cookie(user: User, commons: Request) -> SimpleCookie:
    """Everybody has a view open, so that a refusal is about the volume and not about the cookie."""
    opened = sessions.open_view(
        sessions.Wanted([layer_of(commons)], "what everybody may see"), by=user
    )
    answer = HttpResponse()
    give_cookie(answer, opened.session)
    return answer.cookies
