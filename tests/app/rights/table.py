"""The rights table: every address, and what each person gets from it.

A `page` is read, a `button` is pressed. Who is not named gets what is usual: nobody signed in is
sent to sign in, outsiders find nothing, and a reader who presses what is not theirs is refused.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from core_app import feeds
from core_app.models import User
from imaging_app import workflows as imaging_work
from imaging_app.edits import AddChannel, Place
from imaging_app.forms.batch import KINDS
from imaging_app.models import DeliveryWaiver, Objective, RawDelivery, Wavelength
from imaging_app.selectors.batches import place_of
from imaging_app.services import deliveries, imaging
from imaging_app.services.channels import Acquisition, set_channels
from imaging_app.workflows import edit_sample
from processing_app.models import Artifact, AttemptLog, Cluster, Run
from processing_app.services import quality as services_of_quality
from processing_app.services import rounds
from processing_app.states import AttemptState
from requests_app.models import AntibodyTrial, Request
from requests_app.selectors.handoffs import handoff_days, open_days, seen_of
from requests_app.services import clearing, planning, requests
from requests_app.services.requests import receive
from tests.app.rights.outcomes import Outcome
from tests.support import clusters, instruments, saved, stacks, volumes
from tests.support import world as worlds
from tests.support.checks import check_delivery
from tests.support.scenarios import a_typed_draft
from tests.support.world import PLANES, SUBFOLDER, Person, Series, World
from viewers_app.models import SavedView, ViewerSession
from viewers_app.services import processes, saving, sessions
from viewers_app.services.sharing import Made

APPLICATION, VIEWERS = "lightserv_site.urls", "lightserv_site.viewer_urls"
Out, P = Outcome, Person

# Who is who. The columns of the table in "People and access" are sums of these.
NOBODY = {P.ANONYMOUS, P.DEACTIVATED}
OUTSIDERS = {P.STRANGER, P.LABMATE}
WRITERS = {P.OWNER, P.SELF_OWNER, P.SUBMITTER}
BOSSES = {P.MANAGER, P.SUPERUSER}
STAFF = BOSSES | {P.CLEARER, P.IMAGER, P.PROCESSOR, P.OPERATOR}
READERS = WRITERS | STAFF | {P.AUDITOR, P.PI, P.SHARING_LABMATE}
SIGNED_IN = READERS | OUTSIDERS
EVERYBODY = SIGNED_IN | NOBODY
EDITORS = WRITERS | BOSSES
WITHDRAWERS = EDITORS | {P.PI}
CLEARERS, CLEARING_STAFF = BOSSES | {P.CLEARER, P.SELF_OWNER}, BOSSES | {P.CLEARER}
BOOKERS = BOSSES | {P.IMAGER, P.OWNER, P.SELF_OWNER}
IMAGERS, IMAGING_STAFF = BOSSES | {P.IMAGER, P.SELF_OWNER}, BOSSES | {P.IMAGER}
ASKERS = WRITERS | IMAGERS  # of a further round of imaging
PROCESSORS = BOSSES | {P.PROCESSOR}
PROCESSING_ASKERS = WRITERS | PROCESSORS
TRIAL_STAFF = BOSSES | {P.CLEARER}
TRIAL_EDITORS = TRIAL_STAFF | WRITERS
VIEWERS_OWNER = {P.OWNER, P.SELF_OWNER}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: arguments of the address, the query, what a form sends."""

    args: tuple[object, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Ready = Callable[[World, Person], Asked]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One address with one method, in one state of its object."""

    name: str
    method: str
    ready: Ready
    gets: Mapping[Person, Outcome]
    urlconf: str = APPLICATION
    case: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.method, self.name, self.case)))


def _gets(*parts: tuple[set[Person], Outcome]) -> dict[Person, Outcome]:
    return {person: outcome for group, outcome in parts for person in group}


def page(name: str, ready: Ready, opens_for: set[Person], *, as_: Outcome = Out.OPEN) -> Row:
    """A page: who may not see it finds nothing."""
    gets = _gets((SIGNED_IN, Out.HIDDEN), (NOBODY, Out.SIGN_IN), (opens_for, as_))
    return Row(name, "GET", ready, gets)


def button(
    name: str, ready: Ready, works_for: set[Person], *, case: str = "",
    hidden_from: set[Person] = OUTSIDERS,
) -> Row:  # fmt: skip
    """A button: who may read but not press it is told so."""
    gets = _gets(
        (SIGNED_IN, Out.REFUSED),
        (hidden_from, Out.HIDDEN),
        (NOBODY, Out.SIGN_IN),
        (works_for, Out.DONE),
    )
    return Row(name, "POST", ready, gets, case=case)


def viewer(
    name: str, ready: Ready, *parts: tuple[set[Person], Outcome], method: str = "GET"
) -> Row:
    """An address of the viewer origin, where nobody signs in."""
    gets = _gets((SIGNED_IN, Out.HIDDEN), (NOBODY, Out.NO_COOKIE), *parts)
    return Row(name, method, ready, gets, urlconf=VIEWERS)


def of(find: Callable[[Series], Asked]) -> Ready:
    """Ask for something of the series that concerns the person."""
    return lambda world, person: find(world.series(person))


def nothing(world: World, person: Person) -> Asked:
    return Asked()


def _keys(request: Request) -> tuple[str, str]:
    return request.owner.username, request.folder.name


WHY = {"reason": "A reason."}
a_request = of(lambda s: Asked(_keys(s.imaged)))
waiting_request = of(lambda s: Asked(_keys(s.waiting), WHY))
a_draft = of(lambda s: Asked((s.draft.pk,), {"about-name": "another name", "action": "save"}))
a_new_draft = of(lambda s: Asked(data={"about-name": "a new name", "action": "save"}))
a_grid = of(lambda s: Asked((s.draft.pk,), {"payload": '[{"name": "a-sample"}]'}))
a_table = of(lambda s: Asked((s.draft.pk,), {"text": "sample\na-sample"}))


def an_uploaded_table(series: Series) -> Asked:
    rows = {"about": {}, "samples": [{"name": "b"}], "upload": {"samples": [], "notes": []}}
    requests.edit_draft(series.draft, rows, by=series.draft.owner)
    return Asked((series.draft.pk,), {"action": "undo"})


def a_ready_draft(series: Series) -> Asked:
    """A draft in which nothing is left to correct."""
    typed = a_typed_draft(f"{series.animal} typed")
    requests.edit_draft(series.draft, typed, by=series.draft.owner)
    return Asked((series.draft.pk,))


def a_further_round(series: Series) -> Asked:
    """The form as it is sent without script: one channel of the sample that was imaged."""
    sample = worlds.sample_of(series.imaged)
    typed = {"sample": str(sample.pk), "after": "1", "image:1.3x:488": "registration"}
    return Asked(_keys(series.imaged), typed)


waiting_sample = of(lambda s: Asked((worlds.sample_of(s.waiting).pk,)))
a_tube = of(lambda s: Asked((worlds.sample_of(s.waiting).code,)))
a_sample = of(lambda s: Asked((worlds.sample_of(s.imaged).pk,)))
waiting_batch = of(
    lambda s: Asked((worlds.batch_of(s.waiting).pk,), {"sample": "all", "receive": "missing"})
)
begun_batch = of(lambda s: Asked((worlds.batch_of(s.clearing).pk,), WHY))
cleared_batch = of(lambda s: Asked((worlds.batch_of(s.cleared).pk,), WHY))
a_start = of(
    lambda s: Asked(
        (worlds.batch_of(s.waiting).pk,),
        {"start": f"{timezone.localtime() + timedelta(days=2):%Y-%m-%dT09:00}"},
    )
)
a_remark = of(
    lambda s: Asked((worlds.batch_of(s.clearing).pk, "unusual_clearing"), {"text": "A leak."})
)
given_batch = of(lambda s: Asked((worlds.batch_of(s.clearing).pk,), {"clearer": "clearer"}))
several_batches = of(
    lambda s: Asked(data={"batch": [worlds.batch_of(s.clearing).pk], "clearer": "clearer"})
)
a_scope = of(lambda s: Asked(data={"scope": "mine"}))
THE_END = {"left_out": "on", "link": "https://example.org/sheet"}
ended_batch = of(lambda s: Asked((worlds.batch_of(s.clearing).pk,), THE_END))
given_imaging_batch = of(
    lambda s: Asked((worlds.imaging_batch_of(s.imaging).pk,), {"imager": "imager"})
)
ready_to_image = of(lambda s: Asked((worlds.imaging_batch_of(s.cleared).pk,)))
imaged_sample = of(lambda s: Asked((worlds.imaging_request_of(s.imaged).pk,), WHY))
sample_being_imaged = of(lambda s: Asked((worlds.imaging_request_of(s.imaging).pk,), WHY))
a_run = of(lambda s: Asked((worlds.run_of(s.imaged).pk,)))
planned_run = of(lambda s: Asked((worlds.run_of(s.planned).pk,), WHY))
failed_run = of(lambda s: Asked((worlds.run_of(s.failed).pk,)))


def another_cluster(series: Series) -> Asked:
    """A run made again, with what its form sends."""
    cluster = Cluster.objects.get(name="default")
    return Asked((worlds.run_of(series.imaged).pk,), {"cluster": cluster.pk, "compression": "none"})


a_round = of(lambda s: Asked((worlds.round_of(s.imaged).pk,), WHY))


def an_entered_round(series: Series) -> Asked:
    """A round with another orientation typed, which is saved and not started."""
    found = worlds.round_of(series.imaged)
    row = found.resolutions.get()
    typed = {f"place-{row.pk}-final_orientation": "coronal", "action": "keep"}
    return Asked((found.pk,), typed)


def an_unwanted_round(series: Series) -> Asked:
    found = worlds.round_of(series.imaged)
    rounds.set_aside(found, by=found.imaging_request.sample.request.owner, reason="Not needed.")
    return Asked((found.pk,))


def a_further_processing(series: Series) -> Asked:
    found = worlds.imaging_request_of(series.imaged)
    prefix = f"place-{found.resolutions.get().pk}-dorsal"
    return Asked((found.pk,), {f"{prefix}-final_orientation": "coronal", "after": "1"})


def a_sheet(series: Series) -> Asked:
    """A sheet with figures, as the steps leave it, and the verdict that a form sends."""
    artifact = an_artifact(series)
    services_of_quality.take_in(artifact)
    place = worlds.round_of(series.imaged).resolutions.get()
    return Asked((place.quality.pk,), {"state": "failed", "note": "Out of focus."})


def a_picture(series: Series) -> Asked:
    artifact = an_artifact(series)
    folder = settings.DATA_ROOT / artifact.path
    folder.mkdir(parents=True)
    (folder / "montage.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return Asked((artifact.pk, "montage.png"))


def an_artifact(series: Series) -> Artifact:
    """What a step of the round of a sample that was imaged has made."""
    found, channel = worlds.round_of(series.imaged), worlds.channel_of(series.imaged)
    run = worlds.run_of(series.imaged)
    Run.objects.filter(pk=run.pk).update(processing_request=found)
    return Artifact.objects.create(
        step=Run.objects.get(pk=run.pk).steps.all()[0], kind="quality", channel=channel,
        path=f"{found.imaging_request.folder}/output/quality",
        facts={"verdict": "pass", "pictures": [{"file": "montage.png"}]},
    )  # fmt: skip


def a_correction(series: Series) -> Asked:
    """What the form of a SmartSPIM sample sends; here the objective is one that is corrected."""
    found, channel = worlds.imaging_request_of(series.imaged), worlds.channel_of(series.imaged)
    Objective.objects.filter(pk=channel.resolution.objective_id).update(pipelines=["smartspim"])
    typed = {"flat_from": "none", "sigma_foreground": "4", "sigma_background": "64"}
    return Asked((found.pk,), {f"{channel.pk}-{name}": value for name, value in typed.items()})


def an_attempt(series: Series) -> Asked:
    run = worlds.run_of(series.imaged)
    return Asked((run.pk, clusters.only_attempt(run).pk))


def a_job_at_work(series: Series) -> Asked:
    run = worlds.run_of(series.planned)
    cluster = clusters.memory_cluster(clusters.goes_on)
    return Asked((run.pk, clusters.drive_to(run, cluster, AttemptState.RUNNING).pk))


def a_kept_log(series: Series) -> Asked:
    asked = an_attempt(series)
    packed = gzip.compress(b"a line of the log")
    AttemptLog.objects.update_or_create(attempt_id=asked.args[1], defaults={"packed": packed})
    return asked


def _a_saved_view(series: Series) -> SavedView:
    return saved.a_saved_view(series.imaged.owner, worlds.layer_of(series.imaged))


def _a_removed_view(series: Series) -> SavedView:
    view = _a_saved_view(series)
    saving.remove(view)
    return view


def _a_link(series: Series, *people: User) -> Made:
    return saved.share(_a_saved_view(series), *people)


A_TABLE_OF_ANNOTATIONS = b'Coordinate 1,Type\n"(1, 2, 3)",Point\n'
TERMS = {"scope": "anyone", "days": "7"}
own_saved = of(lambda s: Asked((_a_saved_view(s).uuid,), {"name": "another", **TERMS}))
removed_saved = of(lambda s: Asked((_a_removed_view(s).uuid,)))
own_version = of(lambda s: Asked((_a_saved_view(s).uuid, 1)))
own_annotations = of(
    lambda s: Asked(
        (_a_saved_view(s).uuid,),
        {"file": SimpleUploadedFile("a.csv", A_TABLE_OF_ANNOTATIONS)},
    )
)


def own_link(world: World, person: Person) -> Asked:
    link = _a_link(world.series(person)).link
    return Asked((link.view.uuid, link.pk), {"days": "7"})


a_link_for_anyone = of(lambda s: Asked((_a_link(s).token,)))


def a_link_for_a_stranger(world: World, person: Person) -> Asked:
    return Asked((_a_link(world.series(person), world.accounts["stranger"]).token,))


def a_view_for_a_stranger(world: World, person: Person) -> Asked:
    made = _a_link(world.series(person), world.accounts["stranger"])
    return Asked((made.link.view.uuid,))


a_layer = of(lambda s: Asked((worlds.layer_of(s.imaged).uuid,)))
a_choice = of(lambda s: Asked(data={"layer": [str(worlds.layer_of(s.imaged).uuid)]}))
a_recipe = of(
    lambda s: Asked(data={"layer": [str(worlds.layer_of(s.imaged).uuid)], "recipe": "raw"})
)


def an_atlas(world: World, person: Person) -> Asked:
    """The regions of an installed atlas, with a picture on disk."""
    layer = volumes.an_atlas_with_pictures()["annotation"]
    return Asked((layer.uuid,))


def a_whole_atlas(world: World, person: Person) -> Asked:
    parts = volumes.an_atlas_with_pictures()
    layers = [str(parts[part].uuid) for part in ("template", "annotation")]
    return Asked(data={"layer": layers, "recipe": "atlas"})


a_view = of(lambda s: Asked((s.view.uuid,)))
a_key = of(lambda s: Asked((worlds.layer_of(s.imaged).uuid, "info")))
TRIAL = {
    "tried_on": "2026-03-24", "description": "a spare brain", "species": "mouse",
    "primary_antibody": "anti-NeuN", "primary_concentration": "1:500",
    "secondary_antibody": "AF647", "secondary_concentration": "1:900",
}  # fmt: skip
a_new_trial = of(lambda s: Asked(data=TRIAL))
an_antibody = of(lambda s: Asked(data={"primary": "anti-NeuN"}))
a_client = of(lambda s: Asked(("empty",)))


tubes_here = of(
    lambda s: Asked(_keys(s.waiting), {"samples": [str(worlds.sample_of(s.waiting).pk)]})
)
another_day = of(lambda s: Asked((worlds.sample_of(s.waiting).pk,), {"day": _a_day_to_come()}))


def _a_day_to_come() -> str:
    return str(open_days(timezone.localdate() + timedelta(days=30))[0])


def a_closed_day(world: World, person: Person) -> Asked:
    """A day to come, as the page shows it, that is to be closed."""
    day = date.fromisoformat(_a_day_to_come())
    seen = seen_of(handoff_days([day])[day])
    return Asked(data={"day": str(day), "capacity": "0", "note": "A fair", "seen": seen})


def a_received_tube(series: Series) -> Asked:
    sample = worlds.sample_of(series.waiting)
    receive(sample, by=series.hands.clearer)
    return Asked((sample.pk,), WHY)


def a_step(series: Series) -> Asked:
    batch = worlds.batch_of(series.clearing)
    return Asked((batch.pk, batch.protocol.steps.all()[0].slug), {"when": "now", "note": "done"})


def a_time(series: Series) -> Asked:
    batch = worlds.batch_of(series.clearing)
    when = timezone.localtime() + timedelta(days=3)
    return Asked(
        (batch.pk, batch.protocol.steps.all()[1].slug), {"starts_at": f"{when:%Y-%m-%dT%H:%M}"}
    )


def a_pinned_step(series: Series) -> Asked:
    batch, clearer = worlds.batch_of(series.clearing), series.hands.clearer
    slug = batch.protocol.steps.all()[1].slug
    planning.pin(batch, slug, at=timezone.now() + timedelta(days=3), by=clearer, seen=None)
    return Asked((batch.pk, slug))


def a_claimed_batch(series: Series) -> Asked:
    batch = worlds.batch_of(series.waiting)
    if batch.clearer is None:
        clearing.claim(batch, by=series.hands.clearer)
    return Asked((batch.pk,))


def free_batch(world: World, person: Person) -> Asked:
    """A self-clearing owner's batch is theirs from the start; here somebody let go of it."""
    batch = worlds.batch_of(world.series(person).waiting)
    clearing.release(batch, by=world.accounts["manager"])
    return Asked((batch.pk,))


def a_claimed_imaging_batch(series: Series) -> Asked:
    batch = worlds.imaging_batch_of(series.cleared)
    if batch.imager is None:
        imaging.claim(batch, by=series.hands.imager)
    return Asked((batch.pk,))


def free_imaging_batch(world: World, person: Person) -> Asked:
    """A self-imaging owner's batch is theirs from the start; here somebody let go of it."""
    batch = worlds.imaging_batch_of(world.series(person).cleared)
    imaging.release(batch, by=world.accounts["manager"])
    return Asked((batch.pk,))


def a_feed_of(user: User) -> tuple[str, int]:
    token = feeds.make_feed(user, "mine")
    return token, feeds.feeds_of(user).latest("pk").pk


def own_feed(world: World, person: Person) -> Asked:
    user = world.user(person) or world.accounts["stranger"]
    return Asked((a_feed_of(user)[1],))


def foreign_feed(world: World, person: Person) -> Asked:
    return Asked((a_feed_of(world.accounts["hillman"])[1],))


def a_calendar(world: World, person: Person) -> Asked:
    return Asked((a_feed_of(world.accounts["clearer"])[0],))


def a_logged_step(series: Series) -> Asked:
    batch = worlds.batch_of(series.clearing)
    slug = batch.protocol.steps.all()[0].slug
    clearing.record_step(batch, slug, performed_at=timezone.now(), by=series.hands.clearer)
    return Asked((batch.pk, slug), {"replaces": "1"})


def a_protocol(series: Series) -> Asked:
    return Asked((worlds.batch_of(series.clearing).protocol.pk,))


def a_trial(series: Series) -> Asked:
    """A trial of a request, and what everybody sends who corrects it: here, that it worked."""
    trial = AntibodyTrial.objects.create(
        tried_on=date(2026, 3, 24), description="a secret aim", species="mouse",
        primary_antibody="anti-NeuN", request=series.cleared,
    )  # fmt: skip
    return Asked((trial.pk,), {**TRIAL, "seen": 1, "outcome": "good"})


def begun_imaging(series: Series) -> Asked:
    """Imaging that has no folders yet."""
    imaging.start(worlds.imaging_batch_of(series.cleared), by=series.hands.imager)
    return Asked((worlds.imaging_request_of(series.cleared).pk,))


def parameters_of_a_batch(series: Series) -> Asked:
    """The form of a batch with another z step in its only row."""
    batch = worlds.imaging_batch_of(series.imaging)
    key = place_of(worlds.channel_of(series.imaging)).key
    values = {
        "use": "on", "orientation": "horizontal", "left_sheet": "on", "tiles": "1x1",
        "tile_overlap": "0", "z_step_um": "12",
    }  # fmt: skip
    return Asked((batch.pk,), {f"{key}-{name}": value for name, value in values.items()})


def an_edit(kind: str, *, of_batch: bool) -> Ready:
    """A button that changes channels, with what its form sends."""

    def pressed(series: Series) -> Asked:
        batch = worlds.imaging_batch_of(series.imaging)
        found = worlds.imaging_request_of(series.imaging)
        place = place_of(worlds.channel_of(series.imaging))
        given: dict[str, object] = {"objective": place.objective, "wavelength": place.wavelength}
        other = Wavelength.objects.get(microscope__name="lavision", name="647")
        if kind == "add-channel":
            given |= {"wavelength": other.pk, "purpose": "generic_imaging"}
        if kind == "remove-channel":
            added = AddChannel(Place(place.objective, other.pk), ("generic_imaging",))
            edit_sample(found, added, by=series.hands.imager)
            given |= {"wavelength": other.pk}
        if kind == "purposes":
            given |= {"purpose": ["registration", "generic_imaging"]}
        if kind == "objective":
            given |= {"to": Objective.objects.get(name="1.1x").pk}
        return Asked(((batch if of_batch else found).pk, kind), given)

    return of(pressed)


def an_entry(action: str, *, z_step: str = "10") -> Ready:
    """The channel's form as filled in, and the button pressed below it."""

    def typed(series: Series) -> Asked:
        found = worlds.imaging_request_of(series.imaging)
        values = {
            "raw_subfolder": SUBFOLDER, "z_planes": str(PLANES), "z_step_um": z_step,
            "left_sheet": "on", "tile_columns": "1", "tile_rows": "1", "tile_overlap": "0",
            "orientation": "horizontal", "zoom": "1",
        }  # fmt: skip
        prefix = f"channel-{found.resolutions.get().channels.get().pk}"
        data = {f"{prefix}-{name}": value for name, value in values.items()}
        return Asked((found.pk,), {**data, "action": action})

    return of(typed)


def a_checked_entry(world: World, person: Person) -> Asked:
    """The same form, after a check that found everything right."""
    series = world.series(person)
    check_delivery(worlds.imaging_request_of(series.imaging), by=series.hands.imager)
    return an_entry("complete")(world, person)


def a_check_at_work(series: Series) -> Asked:
    found = worlds.imaging_request_of(series.imaging)
    imaging_work.check_delivery(found, by=series.hands.imager)
    return Asked((found.pk,))


def a_problem(series: Series) -> Asked:
    """A plane that is missing, which may be accepted."""
    found = worlds.imaging_request_of(series.imaging)
    channel = worlds.channel_of(series.imaging)
    other = Acquisition("other", z_planes=PLANES, z_step_um=10.0, right_sheet=False)
    set_channels(found, {channel.pk: other}, by=series.hands.imager)
    folder = channel.resolution.raw_folder(ventral_up=False).under(settings.DATA_ROOT) / "other"
    stacks.drop_planes(stacks.lavision_delivery(folder, planes=PLANES), [1])
    (delivery,) = check_delivery(found, by=series.hands.imager)
    return Asked((found.pk,), {"delivery": delivery.pk, "key": delivery.problems[0]["key"], **WHY})


def an_acceptance(series: Series) -> Asked:
    asked = a_problem(series)
    delivery = RawDelivery.objects.get(pk=asked.data["delivery"])
    deliveries.accept(delivery, asked.data["key"], by=series.hands.imager, reason="It is gone.")
    waiver = DeliveryWaiver.objects.get(resolution=delivery.resolution_id)
    return Asked(asked.args, {"waiver": waiver.pk})


OUTAGE = {"outage-severity": "down", "outage-reason": "No laser"}


def an_entry_of_upkeep(world: World, person: Person) -> Asked:
    return Asked(("lavision", "outage"), OUTAGE)


def an_outage(world: World, person: Person) -> Asked:
    return Asked((instruments.an_outage(by=world.accounts["technician"], begins_in=-1).pk,))


def a_part(world: World, person: Person) -> Asked:
    return Asked((instruments.a_built_in_part(by=world.accounts["technician"]).pk,))


def an_instrument(world: World, person: Person) -> Asked:
    return Asked(("lavision",))


a_microscope = of(lambda s: Asked(("smartspim",)))


def a_slot(world: World, person: Person) -> Asked:
    """A slot in the week to come, as the form sends it."""
    day = timezone.localdate() + timedelta(days=7)
    data = {"begins": f"{day}T09:00", "ends": f"{day}T11:00", "purpose": "an aim"}
    user = world.user(person)
    return Asked(("smartspim",), {**data, "person": user.pk} if user else data)


def own_booking(world: World, person: Person) -> Asked:
    """A booking of the owner who images their own samples, and what moves it by a day."""
    booking = worlds.a_booking(world.accounts["researcher"])
    begins, ends = (
        timezone.localtime(t) + timedelta(days=1) for t in (booking.starts_at, booking.ends_at)
    )
    form = "%Y-%m-%dT%H:%M"
    times = {"begins": f"{begins:{form}}", "ends": f"{ends:{form}}"}
    return Asked((booking.pk,), {**times, "purpose": "another aim", "seen": 1, **WHY})


def a_renewal(series: Series) -> Asked:
    return Asked((series.view.uuid,), headers={"origin": settings.VIEWER_URL})


def a_process(series: Series) -> Asked:
    """The client's page of a view with a process."""
    ViewerSession.objects.filter(pk=series.view.pk).update(mode=ViewerSession.Mode.PYTHON)
    return Asked((series.view.uuid, processes.token_of(series.view.uuid)))


def no_way_to_a_process(series: Series) -> Asked:
    """What is no part of what a client says; the rest is passed on to a process that runs."""
    page = a_process(series)
    return Asked((page.args[0], f"v/{page.args[1]}/main.js"))


def a_ticket(world: World, person: Person) -> Asked:
    """The person's own ticket; nobody has none."""
    user = world.user(person)
    if user is None:
        return Asked(data={"ticket": "guessed"})
    layer = worlds.layer_of(world.commons)
    opened = sessions.open_view(sessions.Wanted([layer], "a view"), by=user)
    return Asked(data={"ticket": parse_qs(urlsplit(opened.url).query)["ticket"][0]})


def a_ticket_from_here(world: World, person: Person) -> Asked:
    """The answer to the question of the viewer origin."""
    asked = a_ticket(world, person)
    return Asked(data=asked.data, headers={"origin": settings.VIEWER_URL})


THE_VIEWERS = (VIEWERS_OWNER, Out.OPEN)
FOR_ALL = (EVERYBODY, Out.OPEN)
ENDED = ({P.DEACTIVATED}, Out.GONE)
NAMED = VIEWERS_OWNER | {P.STRANGER}

# fmt: off
ROWS: tuple[Row, ...] = (
    # ------ requests            -- of what --------------- who may
    page("requests:home",             nothing,              SIGNED_IN),
    page("requests:request-list",     nothing,              SIGNED_IN),
    page("requests:request-export",   nothing,              SIGNED_IN),
    page("requests:sample-list",      nothing,              SIGNED_IN),
    page("requests:sample-export",    nothing,              SIGNED_IN),
    page("requests:request-new",      nothing,              SIGNED_IN),
    button("requests:request-new",    a_new_draft,          SIGNED_IN),
    page("requests:draft-edit",       a_draft,              EDITORS),
    button("requests:draft-edit",     a_draft,              EDITORS, hidden_from=SIGNED_IN),
    button("requests:draft-delete",   a_draft,              EDITORS, hidden_from=SIGNED_IN),
    page("requests:draft-samples",    a_draft,              EDITORS),
    button("requests:draft-samples",  a_grid,               EDITORS, hidden_from=SIGNED_IN),
    page("requests:draft-samples-csv", a_draft,             EDITORS),
    button("requests:draft-upload",   a_table,              EDITORS, hidden_from=SIGNED_IN),
    button("requests:draft-upload-end", of(an_uploaded_table), EDITORS, hidden_from=SIGNED_IN),
    page("requests:draft-subjects",   a_draft,              EDITORS),
    page("requests:draft-review",     a_draft,              EDITORS),
    # Who wrote it for another and is no staff any more edits it, and leaves handing it in to them.
    button("requests:draft-review",   of(a_ready_draft),    EDITORS - {P.SUBMITTER},
           hidden_from=SIGNED_IN - {P.SUBMITTER}),
    button("requests:draft-copy",     a_draft,              EDITORS, hidden_from=SIGNED_IN),
    button("requests:request-clone",  a_request,            READERS),
    page("requests:imaging-again",    a_request,            ASKERS),
    button("requests:imaging-again",  of(a_further_round),  ASKERS),
    page("requests:request-page",     a_request,            READERS),
    page("requests:request-live",     a_request,            READERS),
    button("requests:request-withdraw", waiting_request,    WITHDRAWERS),
    page("requests:tube",             a_tube,               READERS, as_=Out.MOVED),
    page("requests:sample-page",      waiting_sample,       READERS),
    button("requests:sample-receive", waiting_sample,       CLEARERS),
    button("requests:receive-several", tubes_here,          CLEARERS),
    button("requests:sample-take-back", of(a_received_tube), CLEARING_STAFF),
    button("requests:sample-move",    another_day,          EDITORS | {P.CLEARER}),
    page("requests:request-labels",   waiting_request,      READERS),
    page("requests:request-labels-pdf",  a_request,            READERS),
    # ------ hand-offs
    page("requests:handoffs",         nothing,              SIGNED_IN),
    page("requests:handoff-days",     nothing,              SIGNED_IN),
    button("requests:handoff-day",    a_closed_day,         CLEARING_STAFF, hidden_from=set()),
    # ------ clearing
    page("clearing:queue",            nothing,              SIGNED_IN),
    page("clearing:batch",            begun_batch,          READERS),
    page("clearing:batch-steps",      begun_batch,          READERS),
    page("clearing:batch-log",        begun_batch,          READERS),
    page("clearing:batch-log-csv",    begun_batch,          READERS),
    page("clearing:batch-plan",       begun_batch,          READERS),
    button("clearing:batch-plan-make", a_start,             CLEARERS),
    button("clearing:step-pin",       of(a_time),           CLEARERS),
    button("clearing:step-unpin",     of(a_pinned_step),    CLEARERS),
    button("clearing:batch-remark",   a_remark,             CLEARERS),
    page("clearing:today",            nothing,              SIGNED_IN),
    button("clearing:today-reassign", several_batches,      CLEARING_STAFF),
    button("clearing:batch-claim",    free_batch,           CLEARERS),
    button("clearing:batch-release",  of(a_claimed_batch),  CLEARERS),
    button("clearing:batch-assign",   given_batch,          CLEARING_STAFF),
    button("clearing:batch-receive",  waiting_batch,        CLEARERS),
    button("clearing:batch-start",    waiting_batch,        CLEARERS),
    button("clearing:step-record",    of(a_step),           CLEARERS),
    button("clearing:step-take-back", of(a_logged_step),    CLEARERS),
    button("clearing:batch-put-back", begun_batch,          CLEARERS),
    button("clearing:batch-complete", ended_batch,          CLEARERS),
    button("clearing:batch-take-over", begun_batch,         CLEARING_STAFF),
    button("clearing:batch-reopen",   cleared_batch,        CLEARING_STAFF),
    page("clearing:protocol-preview", of(a_protocol),       STAFF),
    page("clearing:antibody-hints",   an_antibody,          SIGNED_IN),
    page("clearing:antibody-history", nothing,              SIGNED_IN),
    page("clearing:antibody-csv",     nothing,              SIGNED_IN),
    page("clearing:antibody-overview", nothing,             SIGNED_IN),
    Row("clearing:antibody-new", "GET", nothing,
        _gets((SIGNED_IN, Out.REFUSED), (NOBODY, Out.SIGN_IN), (TRIAL_STAFF, Out.OPEN))),
    button("clearing:antibody-new",   a_new_trial,          TRIAL_STAFF, hidden_from=set()),
    page("clearing:antibody-trial",   of(a_trial),          SIGNED_IN),
    page("clearing:antibody-edit",    of(a_trial),          TRIAL_EDITORS),
    button("clearing:antibody-edit",  of(a_trial),          TRIAL_EDITORS, hidden_from=SIGNED_IN),
    button("clearing:antibody-rate",  of(a_trial),          TRIAL_EDITORS, hidden_from=set()),
    # ------ calendars
    page("feeds:list",                nothing,              SIGNED_IN),
    Row("feeds:make", "POST", a_scope, _gets((SIGNED_IN, Out.DONE), (NOBODY, Out.SIGN_IN))),
    Row("feeds:revoke", "POST", own_feed,                   _gets((SIGNED_IN, Out.DONE),
                                                                  (NOBODY, Out.SIGN_IN))),
    Row("feeds:revoke", "POST", foreign_feed,               _gets((SIGNED_IN, Out.HIDDEN),
                                                                  (NOBODY, Out.SIGN_IN)),
        case="of somebody else"),
    Row("feeds:calendar", "GET", a_calendar,                _gets(FOR_ALL)),
    # ------ imaging
    page("imaging:queue",             nothing,              SIGNED_IN),
    page("imaging:batch",             ready_to_image,       READERS),
    page("imaging:request",           sample_being_imaged,  READERS),
    page("imaging:log",               nothing,              SIGNED_IN),
    page("imaging:log-csv",           nothing,              SIGNED_IN),
    page("imaging:log-xlsx",          nothing,              SIGNED_IN),
    page("imaging:request-log",       imaged_sample,        READERS),
    page("imaging:request-log-csv",   imaged_sample,        READERS),
    button("imaging:batch-start",     ready_to_image,       IMAGERS),
    button("imaging:batch-claim",     free_imaging_batch,   IMAGERS),
    button("imaging:batch-release",   of(a_claimed_imaging_batch), IMAGERS),
    button("imaging:batch-assign",    given_imaging_batch,  IMAGING_STAFF),
    button("imaging:batch-take-over", given_imaging_batch,  IMAGING_STAFF),
    button("imaging:batch-apply",     of(parameters_of_a_batch), IMAGERS),
    *(button("imaging:batch-edit",    an_edit(kind, of_batch=True), IMAGERS, case=kind)
      for kind in KINDS),
    *(button("imaging:request-edit",  an_edit(kind, of_batch=False), IMAGERS, case=kind)
      for kind in KINDS),
    button("imaging:request-folders", of(begun_imaging),    IMAGERS),
    button("imaging:request-enter",   an_entry("save", z_step="12"), IMAGERS, case="save"),
    button("imaging:request-enter",   an_entry("check"),    IMAGERS, case="check"),
    button("imaging:request-enter",   a_checked_entry,      IMAGERS, case="complete"),
    button("imaging:request-skip",    sample_being_imaged,  IMAGERS),
    button("imaging:request-reopen",  imaged_sample,        IMAGING_STAFF),
    page("imaging:request-delivery",  sample_being_imaged,  READERS),
    button("imaging:request-stop",    of(a_check_at_work),  IMAGERS | {P.PROCESSOR}),
    button("imaging:request-verify",  imaged_sample,        IMAGERS | {P.PROCESSOR}),
    button("imaging:request-accept",  of(a_problem),        IMAGERS),
    button("imaging:request-take-back", of(an_acceptance),  IMAGERS),
    # ------ instruments
    page("imaging:instrument-list",   nothing,              SIGNED_IN),
    page("imaging:instrument-page",   an_instrument,        SIGNED_IN),
    button("imaging:instrument-enter", an_entry_of_upkeep,  IMAGING_STAFF,
           hidden_from=set()),
    button("imaging:outage-end",      an_outage,            IMAGING_STAFF,
           hidden_from=set()),
    button("imaging:part-remove",     a_part,               IMAGING_STAFF,
           hidden_from=set()),
    # ------ the calendars of the microscopes; the owner has a request that they image themselves
    page("imaging:calendar",          nothing,              SIGNED_IN, as_=Out.MOVED),
    page("imaging:calendar-week",     a_microscope,         SIGNED_IN),
    Row("imaging:calendar-book", "GET", a_microscope,
        _gets((SIGNED_IN, Out.REFUSED), (NOBODY, Out.SIGN_IN), (BOOKERS, Out.OPEN))),
    button("imaging:calendar-book",   a_slot,               BOOKERS, hidden_from=set()),
    page("imaging:booking",           own_booking,          BOOKERS),
    button("imaging:booking-move",    own_booking,          BOOKERS, hidden_from=SIGNED_IN),
    button("imaging:booking-cancel",  own_booking,          BOOKERS, hidden_from=SIGNED_IN),
    page("imaging:calendar-utilization", a_microscope,      IMAGING_STAFF - {P.SELF_OWNER}),
    page("imaging:calendar-utilization-csv", a_microscope,  IMAGING_STAFF - {P.SELF_OWNER}),
    # ------ processing
    page("processing:queue",          nothing,              SIGNED_IN),
    page("processing:round",          a_round,              READERS),
    button("processing:round-enter",  of(an_entered_round), PROCESSING_ASKERS),
    button("processing:round-set-aside", a_round,           PROCESSING_ASKERS),
    button("processing:round-want-again", of(an_unwanted_round), PROCESSING_ASKERS),
    page("processing:round-log",      a_round,              READERS),
    page("processing:round-new",      imaged_sample,        PROCESSING_ASKERS),
    button("processing:round-new",    of(a_further_processing), PROCESSING_ASKERS,
           hidden_from=SIGNED_IN),
    page("processing:quality",        of(a_sheet),          READERS),
    button("processing:quality-decide", of(a_sheet),        PROCESSORS),
    page("processing:made-file",      of(a_picture),        READERS),
    page("processing:correction-list", nothing,             SIGNED_IN),
    page("processing:correction",     imaged_sample,        READERS),
    button("processing:correction",   of(a_correction),     PROCESSING_ASKERS),
    page("processing:run-list",       nothing,              SIGNED_IN),
    page("processing:run-detail",     a_run,                READERS),
    page("processing:run-live",       a_run,                READERS),
    button("processing:run-cancel",   planned_run,          PROCESSORS),
    button("processing:run-retry",    failed_run,           PROCESSORS),
    page("processing:run-again",      a_run,                PROCESSORS),
    button("processing:run-again",    of(another_cluster),  PROCESSORS, hidden_from=SIGNED_IN),
    button("processing:log-follow",   of(a_job_at_work),    READERS),
    page("processing:log-tail",       of(an_attempt),       READERS),
    page("processing:log-download",   of(a_kept_log),       READERS),
    # ------ volumes
    page("viewers:volume-list",       nothing,              SIGNED_IN),
    page("viewers:sample-chooser",    a_sample,             READERS),
    page("viewers:layer-page",        a_layer,              READERS),
    page("viewers:thumbnail",         a_layer,              READERS),
    button("viewers:open",            a_choice,             READERS),
    button("viewers:open",            a_recipe,             READERS, case="by a recipe"),
    button("viewers:open",            a_whole_atlas,        SIGNED_IN, case="an atlas"),
    page("viewers:atlas-list",        nothing,              SIGNED_IN),
    page("viewers:structures",        a_whole_atlas,        SIGNED_IN),
    page("viewers:atlas-picture",     an_atlas,             SIGNED_IN),
    page("viewers:open-again",        a_view,               VIEWERS_OWNER),
    button("viewers:open-again",      a_view,               VIEWERS_OWNER, hidden_from=SIGNED_IN),
    button("viewers:close-view",      a_view,               VIEWERS_OWNER, hidden_from=SIGNED_IN),
    page("viewers:saved-list",        nothing,              SIGNED_IN),
    page("viewers:shared-with-me",    nothing,              SIGNED_IN),
    page("viewers:saved-page",        own_saved,            VIEWERS_OWNER),
    button("viewers:saved-open",      own_version,          VIEWERS_OWNER, hidden_from=SIGNED_IN),
    button("viewers:saved-rename",    own_saved,            VIEWERS_OWNER, hidden_from=SIGNED_IN),
    button("viewers:saved-remove",    own_saved,            VIEWERS_OWNER, hidden_from=SIGNED_IN),
    button("viewers:saved-restore",   removed_saved,        VIEWERS_OWNER, hidden_from=SIGNED_IN),
    page("viewers:saved-annotations", own_saved,            VIEWERS_OWNER),
    button("viewers:saved-annotations", own_annotations,    VIEWERS_OWNER, hidden_from=SIGNED_IN),
    button("viewers:share",           own_saved,            VIEWERS_OWNER, hidden_from=SIGNED_IN),
    button("viewers:link-revoke",     own_link,             VIEWERS_OWNER, hidden_from=SIGNED_IN),
    button("viewers:link-extend",     own_link,             VIEWERS_OWNER, hidden_from=SIGNED_IN),
    # ------ what is sent to people; a link ends with the account of who made it
    Row("share-link", "GET",          a_link_for_anyone,    _gets(FOR_ALL, ENDED)),
    Row("share-link", "POST",         a_link_for_anyone,    _gets((EVERYBODY, Out.DONE), ENDED)),
    Row("share-link", "GET",          a_link_for_a_stranger, _gets((SIGNED_IN, Out.FORBIDDEN),
        (NOBODY, Out.SIGN_IN), (NAMED, Out.OPEN)), case="of named people"),
    Row("share-link", "POST",         a_link_for_a_stranger, _gets((SIGNED_IN, Out.FORBIDDEN),
        (NOBODY, Out.SIGN_IN), (NAMED, Out.DONE)), case="of named people"),
    Row("saved-view", "GET",          a_view_for_a_stranger, _gets((SIGNED_IN, Out.HIDDEN),
        (NOBODY, Out.SIGN_IN), ({P.STRANGER}, Out.OPEN), (VIEWERS_OWNER, Out.MOVED))),
    Row("saved-view", "POST",         a_view_for_a_stranger, _gets((SIGNED_IN, Out.HIDDEN),
        (NOBODY, Out.SIGN_IN), (NAMED, Out.DONE))),
    # ------ for everybody
    Row("healthz", "GET",             nothing,              _gets(FOR_ALL)),
    Row("readyz", "GET",              nothing,              _gets(FOR_ALL)),
    # ------ the viewer origin
    viewer("healthz",                 nothing,              FOR_ALL),
    viewer("client",                  a_client,             FOR_ALL),
    viewer("client-root",             nothing,              (EVERYBODY, Out.MOVED)),
    viewer("open",                    a_ticket,             (SIGNED_IN, Out.MOVED),
                                                            (NOBODY, Out.GONE)),
    viewer("open",                    a_ticket_from_here,   (SIGNED_IN, Out.DONE),
                                                            (NOBODY, Out.GONE), method="POST"),
    viewer("view",                    a_view, (SIGNED_IN, Out.FORBIDDEN), THE_VIEWERS),
    viewer("state",                   a_view,               THE_VIEWERS),
    viewer("renew",                   of(a_renewal),        THE_VIEWERS, method="POST"),
    # A form is no state, which its person is told.
    viewer("save",                    of(a_renewal),        (VIEWERS_OWNER, Out.REFUSED),
                                                            method="POST"),
    viewer("data",                    a_key,                (READERS, Out.OPEN)),
    # Only of a proxy, and only where there is one.
    viewer("authorise",               nothing,              (EVERYBODY, Out.HIDDEN)),
    viewer("authorise-view",          a_view,               (EVERYBODY, Out.HIDDEN)),
    viewer("start",                   of(a_renewal),        THE_VIEWERS, method="POST"),
    viewer("python-client",           of(a_process),        THE_VIEWERS),
    viewer("pass-on",                 of(no_way_to_a_process)),
    viewer("pass-on",                 of(no_way_to_a_process), method="POST"),
)
# fmt: on

# Families with a rule of their own, each with its own tests.
FAMILIES = ("accounts/", "admin/")
