"""The staff console gives each role what its table says, and never touches states or history."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from core_app.models import Event, User
from imaging_app.models import DeliveryWaiver
from processing_app.models import (
    Artifact,
    Atlas,
    ChannelCorrection,
    ProcessingRequest,
    QualitySheet,
    SitePipeline,
    Step,
)
from requests_app.models import AntibodyTrial, HandoffDay, Request, Subject
from requests_app.services import clearing
from requests_app.workflows import withdraw_request
from tests.app.rights import walk
from tests.app.rights.console_table import CONSOLE, OF_LIBRARIES, ROLES, WITHOUT_HISTORY
from tests.app.rights.outcomes import fingerprint
from tests.app.rights.table import APPLICATION, P
from tests.support import instruments, saved
from tests.support import world as worlds
from tests.support.world import Person, World
from viewers_app.models import LayerAccess

pytestmark = pytest.mark.django_db

OUTSIDE = (P.OWNER, P.PI, P.STRANGER)
STATEFUL = [label for label in CONSOLE if hasattr(apps.get_model(label), "TABLE")]


def admin_of(label: str) -> ModelAdmin:
    return admin.site._registry[apps.get_model(label)]


def _technician(world: World) -> User:
    return world.accounts["technician"]


UPKEEP: dict[str, Callable[[World], Model]] = {
    "component": lambda w: instruments.a_part(by=_technician(w)),
    "componentinstallation": lambda w: instruments.a_built_in_part(by=_technician(w)),
    "maintenanceentry": lambda w: instruments.a_maintenance(by=_technician(w)),
    "objectiveswap": lambda w: instruments.a_swap(by=_technician(w), to="1.3x"),
    "calibration": lambda w: instruments.a_calibration(by=_technician(w)),
    "outage": lambda w: instruments.an_outage(by=_technician(w)),
}


def row_of(label: str, world: World) -> Model:
    """Return a row of the model that has a history, where rows of it can have one."""
    make = {
        "requests_app.request": lambda: world.main.imaged,
        "requests_app.handoffday": lambda: HandoffDay.objects.create(day=date(2030, 1, 8)),
        "requests_app.subject": lambda: Subject.objects.create(name="m1"),
        "requests_app.antibodytrial": lambda: AntibodyTrial.objects.create(
            tried_on=date(2026, 3, 24), primary_antibody="anti-NeuN", request=world.main.imaged
        ),
        "requests_app.clearingprotocol": lambda: worlds.batch_of(world.main.clearing).protocol,
        "requests_app.clearingbatch": lambda: worlds.batch_of(world.main.clearing),
        "requests_app.sample": lambda: worlds.sample_of(world.main.imaged),
        "imaging_app.booking": lambda: worlds.a_booking(world.accounts["researcher"]),
        "imaging_app.objective": lambda: _resolution(world).objective,
        "imaging_app.microscope": lambda: _resolution(world).objective.microscope,
        **{f"imaging_app.{kind}": lambda make=make: make(world) for kind, make in UPKEEP.items()},
        "imaging_app.deliverywaiver": lambda: DeliveryWaiver.objects.create(
            resolution=_resolution(world),
            subfolder=worlds.SUBFOLDER,
            key="k",
            what="A problem.",
            reason="A reason.",
            by=world.accounts["technician"],
        ),
        "processing_app.atlas": _an_atlas,
        "processing_app.sitepipeline": lambda: SitePipeline.objects.create(name="own", label="Own"),
        "processing_app.processingrequest": lambda: ProcessingRequest.objects.get(
            imaging_request=worlds.imaging_request_of(world.main.imaged)
        ),
        "processing_app.channelcorrection": lambda: ChannelCorrection.objects.create(
            channel=_resolution(world).channels.first()
        ),
        "processing_app.qualitysheet": lambda: QualitySheet.objects.create(
            place=worlds.round_of(world.main.imaged).resolutions.first()
        ),
        "processing_app.artifact": lambda: Artifact.objects.create(
            step=Step.objects.first(),
            kind="regions",
            path="a/regions",
            channel=_resolution(world).channels.first(),
        ),
        "core_app.user": lambda: world.accounts["researcher"],
        "core_app.lab": lambda: world.main.imaged.lab,
        "viewers_app.viewersession": lambda: world.main.view,
        "viewers_app.layeraccess": lambda: LayerAccess.objects.create(
            session=world.main.view, layer=worlds.layer_of(world.main.imaged).uuid
        ),
        "viewers_app.sharelink": lambda: (
            saved.share(
                saved.a_saved_view(world.accounts["researcher"], worlds.layer_of(world.main.imaged))
            ).link
        ),
    }
    return make[label]() if label in make else apps.get_model(label).objects.order_by("pk")[0]


def _resolution(world: World) -> Any:
    return worlds.imaging_request_of(world.main.imaged).resolutions.get()


def _an_atlas() -> Atlas:
    found = Atlas.objects.first()
    return found or Atlas.objects.create(
        name="a", label="A", voxel_x_um=1, voxel_y_um=1, voxel_z_um=1
    )


def page_of(label: str, page: str, row: Model | None = None) -> str:
    name = f"admin:{label.replace('.', '_')}_{page}"
    return reverse(name, args=[row.pk] if row else [])


def asked_by(person: Person, world: World) -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user = world.user(person)  # type: ignore[assignment]  # the people here are signed in
    return request


def letters_of(label: str, request: HttpRequest, row: Model) -> str:
    of = admin_of(label)
    rights = {
        "v": of.has_view_permission(request, row),
        "a": of.has_add_permission(request),
        "c": of.has_change_permission(request, row),
        "d": of.has_delete_permission(request, row),
    }
    return "".join(letter for letter, may in rights.items() if may)


def test_every_model_of_the_console_is_in_the_table() -> None:
    registered = {model._meta.label_lower for model in admin.site._registry}

    assert not registered - set(CONSOLE) - OF_LIBRARIES


def test_every_row_of_the_table_is_a_model_of_the_console() -> None:
    registered = {model._meta.label_lower for model in admin.site._registry}

    assert not (set(CONSOLE) | OF_LIBRARIES) - registered


@pytest.mark.parametrize("person", [*ROLES, *OUTSIDE])
@pytest.mark.parametrize("label", CONSOLE)
def test_a_role_may_do_what_the_table_says(label: str, person: Person, world: World) -> None:
    request = asked_by(person, world)

    assert letters_of(label, request, row_of(label, world)) == CONSOLE[label].of(person)


@pytest.mark.parametrize("person", [*ROLES, *OUTSIDE])
@pytest.mark.parametrize("label", CONSOLE)
def test_a_role_has_the_actions_that_the_table_says(
    label: str, person: Person, world: World
) -> None:
    request = asked_by(person, world)

    assert set(admin_of(label).get_actions(request)) == CONSOLE[label].actions_of(person)


@pytest.mark.parametrize("person", sorted({*ROLES, *OUTSIDE} - {P.SUPERUSER}))
@pytest.mark.parametrize("label", sorted(OF_LIBRARIES))
def test_models_of_libraries_are_for_superusers(label: str, person: Person, world: World) -> None:
    request, of = asked_by(person, world), admin_of(label)

    assert not of.has_module_permission(request)
    assert not any(of.get_model_perms(request).values())


PAGES = ("changelist", "add", "change", "delete", "history")
NEEDS = dict(zip(PAGES, "vavdv", strict=True))


@pytest.mark.parametrize("person", [P.CLEARER, P.IMAGER, P.OPERATOR, P.SUPERUSER])
@pytest.mark.parametrize("label", CONSOLE)
def test_the_pages_of_a_model_open_as_the_table_says(
    label: str, person: Person, world: World
) -> None:
    row, client, may = row_of(label, world), world.browser(person), CONSOLE[label].of(person)
    before = fingerprint()

    answers = {
        page: client.get(page_of(label, page, row if page not in {"changelist", "add"} else None))
        for page in PAGES
    }

    opened = {page: answer.status_code for page, answer in answers.items()}
    assert opened == {page: 200 if NEEDS[page] in may else 403 for page in PAGES}
    assert fingerprint() == before


OPEN_TO_ALL = {"admin:login", "admin:logout"}  # one is where they are sent, the other a POST
NAMED = {name for name in walk.family(APPLICATION, "admin/") if name} - OPEN_TO_ALL
NAMELESS = ["/admin/core_app/user/1/", "/admin/nowhere/"]


def _arguments(name: str) -> list[Any]:
    if name == "admin:app_list":
        return ["requests_app"]
    if name == "admin:view_on_site":
        return [1, 1]
    of_a_row = name.endswith(("_change", "_delete", "_history", "_log"))
    return [1] if of_a_row and name != "admin:password_change" else []


@pytest.mark.parametrize("person", [P.ANONYMOUS, P.STRANGER, P.OWNER, P.DEACTIVATED])
def test_nobody_outside_the_staff_comes_into_the_console(person: Person, world: World) -> None:
    world.turn(person)
    client = world.browser(person)
    addresses = [*NAMELESS, *(reverse(name, args=_arguments(name)) for name in sorted(NAMED))]

    sent_to = {a: client.get(a).headers.get("Location", "") for a in addresses}

    assert not [a for a, location in sent_to.items() if "/admin/login/" not in location]


@pytest.mark.parametrize(("person", "status"), [(P.CLEARER, 403), (P.MANAGER, 200)])
def test_the_console_completes_names_for_who_looks_after_people(
    person: Person, status: int, world: World
) -> None:
    field = {"app_label": "core_app", "model_name": "labmembership", "field_name": "user"}

    answer = world.browser(person).get(reverse("admin:autocomplete"), {**field, "term": "res"})

    assert answer.status_code == status


def form_of(client: Client, address: str) -> dict[str, Any]:
    """Return what a browser would send of the change form as it is shown."""
    context = client.get(address).context
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.initial_forms]
    return {
        form.add_prefix(name): value
        for form in forms
        for name, field in form.fields.items()
        if (value := _shown(form, name, field)) is not None
    }


def _shown(form: Any, name: str, field: Any) -> Any:
    value = field.prepare_value(form.get_initial_for_field(field, name))
    return None if value is False else value


@pytest.mark.parametrize("label", sorted(STATEFUL))
def test_a_posted_state_has_no_effect(label: str, world: World) -> None:
    row, client = row_of(label, world), world.browser(P.SUPERUSER)
    address = page_of(label, "change", row)
    kept = type(row).objects.filter(pk=row.pk).values("pk", "state", "state_since")
    before, other = kept.get(), _another_state(row)

    given = {**form_of(client, address), "state": other, "state_since": "", "id": 0}
    answer = client.post(address, given)

    assert answer.status_code == 302, answer.context["errors"]
    assert kept.get() == before


def _another_state(row: Any) -> str:
    return next(state for state in row._meta.get_field("state").choices if state[0] != row.state)[0]


@pytest.mark.parametrize("label", sorted(STATEFUL))
def test_state_and_keys_are_no_fields_of_the_form(label: str, world: World) -> None:
    request, row = asked_by(P.SUPERUSER, world), row_of(label, world)

    fields = set(admin_of(label).get_form(request, row, change=True).base_fields)

    assert not fields & {"id", "state", "state_since", "created_at", "active_key", "name_key"}


def test_a_form_that_is_sent_back_unchanged_is_saved(world: World) -> None:
    row, client = world.main.imaged, world.browser(P.SUPERUSER)
    address = page_of("requests_app.request", "change", row)

    client.post(address, {**form_of(client, address), "description": "Corrected."})

    row = Request.objects.get(pk=row.pk)
    assert row.description == "Corrected."


@pytest.mark.parametrize("label", sorted(set(CONSOLE) - WITHOUT_HISTORY))
def test_what_has_a_history_is_not_deleted_even_by_superusers(label: str, world: World) -> None:
    row, client = row_of(label, world), world.browser(P.SUPERUSER)

    client.post(page_of(label, "delete", row), {"post": "yes"})

    assert type(row)._default_manager.filter(pk=row.pk).exists()


def test_a_request_withdrawn_after_work_began_is_not_deleted(world: World) -> None:
    worked_on, client = world.main.clearing, world.browser(P.SUPERUSER)
    batch = worlds.batch_of(worked_on)
    slug = batch.protocol.steps.all()[0].slug
    at, by = timezone.now(), world.main.hands.clearer
    clearing.record_step(batch, slug, performed_at=at, by=by)
    boss = world.user(P.MANAGER)
    assert boss is not None
    withdraw_request(worked_on, by=boss, reason="The tube broke.")

    client.post(page_of("requests_app.request", "delete", worked_on), {"post": "yes"})

    assert Request.objects.filter(pk=worked_on.pk).exists()
    assert batch.log.exists()


def test_a_superuser_deletes_a_request_that_nobody_worked_on(world: World) -> None:
    untouched, client = world.main.waiting, world.browser(P.SUPERUSER)

    client.post(page_of("requests_app.request", "delete", untouched), {"post": "yes"})

    assert not Request.objects.filter(pk=untouched.pk).exists()


@pytest.mark.parametrize("person", [P.MANAGER, P.CLEARER, P.OPERATOR])
def test_nobody_else_deletes_a_request(person: Person, world: World) -> None:
    untouched, client = world.main.waiting, world.browser(person)

    client.post(page_of("requests_app.request", "delete", untouched), {"post": "yes"})

    assert Request.objects.filter(pk=untouched.pk).exists()


def test_the_history_is_neither_written_nor_deleted_by_hand(world: World) -> None:
    event, client = Event.objects.order_by("pk")[0], world.browser(P.SUPERUSER)
    before = fingerprint()

    for page in ("change", "delete"):
        client.post(page_of("core_app.event", page, event), {"post": "yes", "note": "changed"})
    client.post(page_of("core_app.event", "add"), {"kind": "request", "object_id": 1})

    assert fingerprint() == before


def test_a_draft_is_not_shown_in_the_console(world: World) -> None:
    client = world.browser(P.CLEARER)

    answer = client.get(page_of("requests_app.request", "change", world.main.draft))
    listed = client.get(page_of("requests_app.request", "changelist")).content.decode()

    assert answer.status_code == 302
    assert f"{worlds.OTTER} waiting" in listed
    assert f"{worlds.OTTER} draft" not in listed


@pytest.mark.parametrize("page", ["change", "delete", "user_password_change"])
def test_a_manager_does_not_take_over_a_superuser(page: str, world: World) -> None:
    client, above = world.browser(P.MANAGER), world.accounts["superuser"]
    names = {"user_password_change": "admin:auth_user_password_change"}
    address = reverse(names.get(page, f"admin:core_app_user_{page}"), args=[above.pk])
    before = fingerprint()

    passwords = dict.fromkeys(["password1", "password2"], "a-new-long-password-1")
    client.post(address, {**passwords, "usable_password": "true", "post": "yes"})

    assert fingerprint() == before


def test_a_manager_makes_nobody_a_superuser(world: World) -> None:
    client, person = world.browser(P.MANAGER), world.accounts["stranger"]
    address = page_of("core_app.user", "change", person)

    client.post(address, {**form_of(client, address), "is_superuser": "on"})

    person.refresh_from_db()
    assert not person.is_superuser
