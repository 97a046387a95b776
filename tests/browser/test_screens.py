"""Every screen of the main job: accessible, free of script errors, no wider than the phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.support import instruments, saved, volumes
from tests.support import world as worlds
from tests.support.browser import accessibility_problems
from tests.support.world import Person, World
from viewers_app.models import SavedView
from viewers_app.services import sharing

Opened = Callable[..., Page]


def an_instrument_with_a_history(world: World) -> str:
    """Return the page of an instrument with something in each of its sections."""
    by = world.accounts["technician"]
    instruments.an_outage(by=by, severity="limited", ends_in=48)
    instruments.a_built_in_part(by=by)
    instruments.a_maintenance(by=by, due_in=-2, checklist=[["windows wiped", False]])
    instruments.a_swap(by=by, to="1.3x")
    for ago, value in ((60, 6.1), (30, 6.4), (2, 6.0)):
        instruments.a_calibration(by=by, ago=ago, value=value)
    return "/imaging/instruments/lavision/"


def an_atlas_to_open() -> str:
    """Return the page of atlases with one on it."""
    volumes.an_atlas_with_pictures()
    return "/viewers/atlases/"


def a_saved_view_with_links(world: World) -> str:
    """Return the page of a saved view with two versions and a link of each kind, one of them over.

    The stranger is one of those who are named.
    """
    owner, layer = world.accounts["researcher"], worlds.layer_of(world.main.imaged)
    view = saved.a_saved_view(owner, layer, name="Tracts of the first brain, as in the figure")
    saved.add_version(view, layer)
    saved.share(view, world.accounts["stranger"])
    saved.share(view, scope="signed_in", most_uses=5)
    sharing.revoke(saved.share(view).link)
    return f"/viewers/saved/{view.uuid}/"


def a_view_shared_with_a_stranger(world: World) -> str:
    """Return the address of a saved view, as it is for whom its link names."""
    a_saved_view_with_links(world)
    return f"/states/{SavedView.objects.latest('pk').uuid}"


SCREENS: dict[str, tuple[Person, Callable[[World], str]]] = {
    "home": (Person.OWNER, lambda w: "/"),
    "requests": (Person.OWNER, lambda w: "/requests/"),
    "new request": (Person.OWNER, lambda w: "/requests/new/"),
    "draft": (Person.OWNER, lambda w: f"/drafts/{w.main.draft.pk}/?check=1"),
    "samples of a draft": (
        Person.OWNER,
        lambda w: f"/drafts/{w.main.draft.pk}/samples/?check=1",
    ),
    "review of a draft": (Person.OWNER, lambda w: f"/drafts/{w.main.draft.pk}/review/"),
    "request": (Person.OWNER, lambda w: f"/requests/{w.main.imaged.folder}/"),
    "imaging again": (Person.OWNER, lambda w: f"/requests/{w.main.imaged.folder}/imaging/new/"),
    "samples": (Person.OWNER, lambda w: "/samples/"),
    "tube": (Person.CLEARER, lambda w: f"/samples/{worlds.sample_of(w.main.waiting).pk}/"),
    "tube of the owner": (
        Person.OWNER,
        lambda w: f"/samples/{worlds.sample_of(w.main.imaged).pk}/",
    ),
    "labels": (Person.OWNER, lambda w: f"/requests/{w.main.waiting.folder}/labels/"),
    "hand-offs": (Person.OWNER, lambda w: "/handoffs/?month=2030-01"),
    "hand-offs of a day": (Person.CLEARER, lambda w: "/handoffs/?day=2030-01-07"),
    "clearing": (Person.CLEARER, lambda w: "/clearing/"),
    "bench": (
        Person.CLEARER,
        lambda w: f"/clearing/batches/{worlds.batch_of(w.main.clearing).pk}/",
    ),
    "imaging": (Person.IMAGER, lambda w: "/imaging/"),
    "instruments": (Person.OWNER, lambda w: "/imaging/instruments/"),
    "an instrument": (Person.OWNER, lambda w: "/imaging/instruments/lavision/"),
    "upkeep of an instrument": (Person.IMAGER, lambda w: an_instrument_with_a_history(w)),
    "imaging log": (Person.IMAGER, lambda w: "/imaging/log/"),
    "imaging log of a sample": (
        Person.OWNER,
        lambda w: f"/imaging/requests/{worlds.imaging_request_of(w.main.imaged).pk}/log/",
    ),
    "imaging a sample": (
        Person.IMAGER,
        lambda w: f"/imaging/requests/{worlds.imaging_request_of(w.main.imaging).pk}/",
    ),
    "calendar of a microscope": (Person.OWNER, lambda w: "/imaging/calendar/smartspim/"),
    "booking a microscope": (Person.IMAGER, lambda w: "/imaging/calendar/smartspim/book/"),
    "use of a microscope": (Person.MANAGER, lambda w: "/imaging/calendar/smartspim/utilization/"),
    "processing": (Person.OWNER, lambda w: "/processing/"),
    "processing of a sample": (
        Person.PROCESSOR,
        lambda w: f"/processing/rounds/{worlds.round_of(w.main.imaged).pk}/",
    ),
    "runs": (Person.PROCESSOR, lambda w: "/processing/runs/"),
    "run": (Person.PROCESSOR, lambda w: f"/processing/runs/{worlds.run_of(w.main.imaged).pk}/"),
    "failed run": (
        Person.PROCESSOR,
        lambda w: f"/processing/runs/{worlds.run_of(w.main.failed).pk}/",
    ),
    "run again": (
        Person.PROCESSOR,
        lambda w: f"/processing/runs/{worlds.run_of(w.main.failed).pk}/again/",
    ),
    "volumes": (Person.OWNER, lambda w: "/viewers/"),
    "a saved view with links": (Person.OWNER, lambda w: a_saved_view_with_links(w)),
    "saved views": (Person.OWNER, lambda w: "/viewers/saved/"),
    "shared with me": (Person.STRANGER, lambda w: "/viewers/shared/"),
    "a shared view": (Person.STRANGER, lambda w: a_view_shared_with_a_stranger(w)),
    "nothing shared": (Person.CLEARER, lambda w: "/viewers/shared/"),
    "atlases": (Person.OWNER, lambda w: an_atlas_to_open()),
    "chooser": (
        Person.OWNER,
        lambda w: f"/viewers/samples/{worlds.sample_of(w.main.imaged).pk}/",
    ),
}


def look(page: Page, address: str) -> list[str]:
    """Return what is wrong with a page: its status, axe's findings, script errors, its width."""
    answer = page.goto(address)
    assert answer is not None
    wrong = [] if answer.ok else [f"{address} answered {answer.status}"]
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    wrong += [f"{address} is {width} pixels too wide"] if width > 0 else []
    wrong += [f"{address}: {finding}" for finding in accessibility_problems(page)]
    return wrong + [f"{address}: {p}" for p in page.problems]  # type: ignore[attr-defined]  # set by the fixture


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("viewport", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_every_screen_is_fit_for_its_people(page: Opened, viewport: str, scheme: str) -> None:
    world = worlds.build()
    pages = {
        person: page(world.user(person), viewport=viewport, scheme=scheme)
        for person in {person for person, _ in SCREENS.values()}
    }

    wrong = [
        finding
        for person, address in SCREENS.values()
        for finding in look(pages[person], address(world))
    ]

    assert wrong == []
