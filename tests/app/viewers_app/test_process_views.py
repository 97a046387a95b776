"""Views with a process: started when somebody looks, limited, stopped, mended when they drift."""

import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from core_app.errors import Invalid, OutsideError
from core_app.models import Event, User
from launcher.errors import EngineRefused, ImageMissing, Unavailable
from tests.app.viewers_app.conftest import path_of, site_client, viewer_client
from tests.support import volumes
from viewers_app import selectors, tasks
from viewers_app.launcher import open_launcher as real_launcher
from viewers_app.launcher.memory import MemoryLauncher
from viewers_app.models import AtlasLayer, ViewerSession
from viewers_app.services import processes, sessions
from viewers_app.services.sessions import Full, Wanted
from viewers_app.states import SessionState

pytestmark = pytest.mark.django_db
RECIPE = "atlas-structures"


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> MemoryLauncher:
    """The launcher of the site: in a dictionary, with failures on order."""
    settings.LAUNCHER = "memory"
    made = MemoryLauncher(data_root=tmp_path)
    monkeypatch.setattr(processes, "open_launcher", lambda *_: made)
    return made


@pytest.fixture
def layers(launcher: MemoryLauncher) -> list[AtlasLayer]:
    """Template and annotation of an installed atlas."""
    atlas = volumes.the_phantom_atlas()
    rows = {row.part: row for row in selectors.atlas_layers().filter(atlas=atlas)}
    return [rows[AtlasLayer.Part.TEMPLATE], rows[AtlasLayer.Part.ANNOTATION]]


@pytest.fixture
def opened(layers: list[AtlasLayer], researcher: User) -> ViewerSession:
    return open_one(layers, researcher)


def open_one(
    layers: list[AtlasLayer], by: User, *, once: str = "", title: str = "x"
) -> ViewerSession:
    wanted = Wanted(layers, title, recipe=RECIPE, once=once)
    return sessions.open_view(wanted, by=by).session


def browser_of(session: ViewerSession) -> Client:
    """Return a browser that came to this view by a ticket."""
    client = viewer_client()
    assert client.get(path_of(sessions.enter(session, by=session.owner).url)).status_code == 302
    return client


def asked_to_start(client: Client, session: ViewerSession, **headers: str) -> HttpResponse:
    sent = {"Origin": django_settings.VIEWER_URL, **headers}
    return client.post(f"/view/{session.uuid}/start", headers=sent)


def started(session: ViewerSession) -> ViewerSession:
    """Bring it up as its page does, until it is ready."""
    for _ in range(3):
        session = processes.bring_up(session)
    assert session.state == "ready"
    return session


def waited(session: ViewerSession, **delta: float) -> ViewerSession:
    """Let time pass for the row since its state changed."""
    ViewerSession.objects.filter(pk=session.pk).update(
        state_since=timezone.now() - timedelta(**delta)
    )
    session.refresh_from_db()
    return session


def again(session: ViewerSession) -> ViewerSession:
    return ViewerSession.objects.get(pk=session.pk)


# --- from the button to the view ---


def test_a_recipe_that_needs_python_opens_a_view_that_is_not_started_yet(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    assert (opened.mode, opened.state) == ("python", "requested")
    assert not launcher.running()


def test_its_page_starts_it_and_goes_there_when_it_is_ready(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    client = browser_of(opened)
    address = f"/view/{opened.uuid}/"

    first = client.get(address).content.decode()
    answers = [asked_to_start(client, opened).json() for _ in range(2)]
    page = client.get(address).content.decode()

    assert "Starting your Python viewer" in first
    assert [answer["state"] for answer in answers] == ["starting", "ready"]
    assert f"/py/{opened.uuid}/v/{processes.token_of(opened.uuid)}/" in page
    assert len(launcher.running()) == 1


def test_the_process_gets_state_and_tree_but_neither_data_nor_a_name(
    opened: ViewerSession, launcher: MemoryLauncher, researcher: User
) -> None:
    started(opened)

    container = launcher.backend.started[0]
    given = json.loads(container.given)["values"]
    state = json.loads(given["state"])
    tree = json.loads(given["ontology"])
    assert container.mount is None
    assert set(given) == {"token", "state", "ontology"}
    assert all("/data/" in json.dumps(layer["source"]) for layer in state["layers"])
    assert all(above is None or str(above) in tree for above, _ in tree.values())
    assert researcher.username not in container.given.decode()


def test_looking_at_the_page_starts_nothing(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    browser_of(opened).get(f"/view/{opened.uuid}/")

    assert not launcher.running()
    assert again(opened).state == "requested"


def test_another_page_cannot_start_it(opened: ViewerSession, launcher: MemoryLauncher) -> None:
    answer = asked_to_start(browser_of(opened), opened, Origin="http://evil.example")

    assert answer.status_code == 403
    assert not launcher.running()


def test_somebody_else_cannot_start_it(
    opened: ViewerSession, layers: list[AtlasLayer], stranger: User
) -> None:
    foreign = browser_of(open_one(layers, stranger))

    assert asked_to_start(foreign, opened).status_code == 404
    assert again(opened).state == "requested"


def test_a_page_that_is_loaded_again_finds_the_same_process(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    started(opened)

    html = browser_of(opened).get(f"/view/{opened.uuid}/").content.decode()

    assert f"/py/{opened.uuid}/v/" in html
    assert len(launcher.backend.started) == 1


def test_of_two_pages_that_start_it_at_once_one_does(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    first, second = again(opened), again(opened)

    processes.bring_up(first)
    processes.bring_up(second)

    assert (first.state, second.state) == ("starting", "ready")  # ready at the second look
    assert len(launcher.backend.started) == 1


def test_a_start_that_died_half_way_is_taken_up(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    launcher.backend.fail("start", Unavailable("killed"))
    with pytest.raises(OutsideError):
        processes.bring_up(opened)
    assert not launcher.running()

    processes.bring_up(waited(opened, seconds=6))

    assert len(launcher.running()) == 1


# --- what goes wrong at the start ---


def test_a_silent_launcher_is_waited_for_and_said_so(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    client = browser_of(opened)
    launcher.backend.fail("find", Unavailable("no socket"), times=9)

    answer = asked_to_start(client, opened).json()

    assert answer == {
        "state": "starting", "words": "The launcher of viewers does not answer yet."
    }  # fmt: skip


def test_a_page_does_not_wait_long_for_a_launcher_that_hangs(
    layers: list[AtlasLayer], researcher: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher takes the connection and says nothing: the page hears so, and asks again."""
    monkeypatch.setattr(processes, "open_launcher", real_launcher)
    monkeypatch.setattr(processes, "PAGE_WAITS_S", 0.2)
    session = open_one(layers, researcher)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings.LAUNCHER = "docker"
        settings.LAUNCHER_URL = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        settings.LAUNCHER_KEYS = f"one:{'k' * 32}"

        answer = asked_to_start(browser_of(session), session).json()

    assert answer == {
        "state": "starting", "words": "The launcher of viewers does not answer yet."
    }  # fmt: skip


def test_a_launcher_that_stays_silent_ends_the_view_with_the_reason(
    opened: ViewerSession, launcher: MemoryLauncher, settings: Settings
) -> None:
    client = browser_of(opened)
    launcher.backend.fail("find", Unavailable("no socket"))
    launcher.backend.fail("all", Unavailable("no socket"), times=9)
    asked_to_start(client, opened)
    waited(opened, seconds=settings.VIEWER_START_TIMEOUT_S + 1)

    answer = asked_to_start(client, opened).json()

    assert answer == {"state": "failed", "words": "The launcher of viewers does not answer."}


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ImageMissing("no image sha256:0"), "The launcher refused"),
        (EngineRefused("no space left on device"), "yet"),
    ],
)
def test_what_the_engine_refuses_is_said(
    opened: ViewerSession, launcher: MemoryLauncher, failure: Exception, words: str
) -> None:
    launcher.backend.fail("start", failure)  # type: ignore[arg-type]

    answer = asked_to_start(browser_of(opened), opened).json()

    assert words in answer["words"]


def test_a_process_that_ends_at_once_ends_the_view_and_is_removed(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    processes.bring_up(opened)
    launcher.backend.lose(str(opened.uuid))

    processes.bring_up(opened)

    assert (opened.state, "code 137" in again(opened).failure) == ("failed", True)
    assert not launcher.running()


def test_a_process_that_is_never_ready_ends_the_view_and_is_removed(
    opened: ViewerSession,
    launcher: MemoryLauncher,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never_ready(launcher, monkeypatch)
    processes.bring_up(opened)

    processes.bring_up(waited(opened, seconds=settings.VIEWER_START_TIMEOUT_S + 1))

    assert again(opened).failure == "It was not ready within 60 seconds."
    assert not launcher.running()


def never_ready(launcher: MemoryLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    containers = launcher.backend._containers
    monkeypatch.setattr(launcher.backend, "_look", lambda session: containers.get(session))


def test_the_reason_stands_on_the_page_of_the_view(
    opened: ViewerSession, layers: list[AtlasLayer], launcher: MemoryLauncher, researcher: User
) -> None:
    client = browser_of(opened)
    launcher.backend.fail("start", ImageMissing("gone"))
    asked_to_start(client, opened)
    other = browser_of(open_one(layers, researcher))

    answer = other.get(f"/view/{opened.uuid}/")

    assert (answer.status_code, "The launcher refused" in answer.content.decode()) == (410, True)


def test_a_view_with_too_much_in_it_says_what_to_do(
    opened: ViewerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LARGEST_BODY", 100)

    processes.bring_up(opened)

    assert again(opened).failure == processes.TOO_LARGE


# --- limits and repeated presses ---


def test_more_than_a_person_may_have_is_refused_naming_what_is_open(
    layers: list[AtlasLayer], researcher: User, stranger: User, settings: Settings
) -> None:
    settings.VIEWER_MAX_PER_USER = 2
    for title in ("first", "second"):
        open_one(layers, researcher, title=title)

    with pytest.raises(Full, match=r"2 Python viewers open.*first, second"):
        open_one(layers, researcher)

    assert open_one(layers, stranger).state == "requested"


def test_more_than_the_site_may_have_is_refused(
    layers: list[AtlasLayer], researcher: User, stranger: User, settings: Settings
) -> None:
    settings.VIEWER_MAX_TOTAL = 1
    open_one(layers, researcher)

    with pytest.raises(Full, match="All places"):
        open_one(layers, stranger)


def test_a_closed_view_gives_its_place_back(
    layers: list[AtlasLayer], researcher: User, settings: Settings
) -> None:
    settings.VIEWER_MAX_PER_USER = 1
    session = started(open_one(layers, researcher))
    sessions.stop_session(session, by=researcher)
    processes.tend()

    assert open_one(layers, researcher).state == "requested"


def test_the_same_press_twice_opens_one_view(layers: list[AtlasLayer], researcher: User) -> None:
    first, second = (open_one(layers, researcher, once="a" * 22) for _ in range(2))

    assert first == second
    assert ViewerSession.objects.count() == 1


def test_the_same_page_with_another_wish_opens_another(
    layers: list[AtlasLayer], researcher: User
) -> None:
    first = open_one(layers, researcher, once="a" * 22)
    second = sessions.open_view(Wanted(layers, "x", recipe="atlas", once="a" * 22), by=researcher)

    assert first != second.session


def test_a_press_after_the_view_was_closed_opens_another(
    layers: list[AtlasLayer], researcher: User
) -> None:
    first = open_one(layers, researcher, once="a" * 22)
    sessions.stop_session(first, by=researcher)

    assert open_one(layers, researcher, once="a" * 22) != first


def test_a_press_of_somebody_else_opens_nothing_of_mine(
    layers: list[AtlasLayer], researcher: User, stranger: User
) -> None:
    mine = open_one(layers, researcher, once="a" * 22)

    theirs = open_one(layers, stranger, once="a" * 22)

    assert mine != theirs
    assert again(mine).once == "a" * 22


def test_a_site_without_processes_neither_offers_nor_opens_them(
    layers: list[AtlasLayer], researcher: User, settings: Settings
) -> None:
    settings.LAUNCHER = "static"

    page = site_client(researcher).get("/viewers/atlases/").content.decode()

    assert "Atlas by keys" not in page
    with pytest.raises(Invalid, match="not set up"):
        open_one(layers, researcher)


# --- going on, closing, ending ---


def test_the_list_of_volumes_shows_what_runs_and_closes_it(
    opened: ViewerSession, launcher: MemoryLauncher, researcher: User
) -> None:
    started(opened)
    client = site_client(researcher)

    before = client.get("/viewers/").content.decode()
    client.post(f"/viewers/again/{opened.uuid}/close/")
    processes.tend()
    after = client.get("/viewers/").content.decode()

    assert "Your Python viewers" in before
    assert "Your Python viewers" not in after
    assert (again(opened).state, list(launcher.running())) == ("stopped", [])


def test_a_person_goes_on_with_a_view_from_another_page(
    opened: ViewerSession, researcher: User
) -> None:
    started(opened)

    answer = site_client(researcher).post(f"/viewers/again/{opened.uuid}/")

    client = viewer_client()
    assert client.get(path_of(answer["Location"])).status_code == 302
    assert f"/py/{opened.uuid}/" in client.get(f"/view/{opened.uuid}/").content.decode()


@pytest.mark.parametrize("path", ["", "close/"])
def test_nobody_goes_on_with_or_closes_the_view_of_another(
    opened: ViewerSession, stranger: User, path: str
) -> None:
    answer = site_client(stranger).post(f"/viewers/again/{opened.uuid}/{path}")

    assert answer.status_code == 404
    assert again(opened).state == "requested"


def test_a_view_that_nobody_looks_at_is_stopped_with_its_process(
    opened: ViewerSession, launcher: MemoryLauncher, settings: Settings
) -> None:
    started(opened)
    idle = timezone.now() - timedelta(seconds=settings.VIEWER_IDLE_S + 1)
    ViewerSession.objects.filter(pk=opened.pk).update(last_activity_at=idle)

    call_command("cull_viewers")

    assert (again(opened).state, list(launcher.running())) == ("stopped", [])
    notes = Event.objects.filter(kind="viewer session", object_id=opened.pk, to="stopping")
    assert [event.note for event in notes] == ["nobody looked at it"]


# --- drift ---


def test_processes_without_a_view_are_removed(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    started(opened)
    ViewerSession.objects.filter(pk=opened.pk).delete()

    assert [each.words for each in processes.drift()] == ["a process without a view"]
    assert processes.tend() == (1, 0)
    assert not launcher.running()


def test_a_view_whose_process_was_killed_from_outside_says_so(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    waited(started(opened), seconds=1)
    launcher.backend.lose(str(opened.uuid))

    tasks.tend_views()

    assert again(opened).state == "failed"
    assert again(opened).failure == "Its process ended. Open it again to go on."
    assert not launcher.running()


def test_a_view_that_became_ready_unseen_is_ready(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    processes.bring_up(opened)
    waited(opened, seconds=1)

    processes.tend()

    assert again(opened).state == "ready"


def test_a_view_to_which_nobody_came_ends(opened: ViewerSession, settings: Settings) -> None:
    waited(opened, seconds=settings.VIEWER_START_TIMEOUT_S + 1)

    processes.tend()

    assert again(opened).state == "stopped"


def test_what_is_just_being_started_is_no_drift(
    opened: ViewerSession, launcher: MemoryLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_ready(launcher, monkeypatch)
    processes.bring_up(opened)

    assert processes.drift() == []


def test_one_that_cannot_be_removed_stops_none_of_the_others(
    layers: list[AtlasLayer], researcher: User, launcher: MemoryLauncher
) -> None:
    rows = [started(open_one(layers, researcher)) for _ in range(3)]
    for row in rows:
        sessions.stop_session(row, by=researcher)
    launcher.backend.fail(f"remove {rows[1].uuid}", EngineRefused("device busy"))

    first = processes.tend()
    second = processes.tend()

    assert (first, second) == ((2, 1), (1, 0))
    assert {again(row).state for row in rows} == {"stopped"}


def test_a_silent_launcher_changes_no_row(opened: ViewerSession, launcher: MemoryLauncher) -> None:
    waited(started(opened), seconds=1)
    launcher.backend.fail("all", Unavailable("restarting"))

    assert tasks.tend_views() == "the launcher does not answer; nothing was changed"
    assert again(opened).state == "ready"


@pytest.mark.parametrize("crash_at", range(6))
def test_a_crash_between_any_two_steps_is_mended(
    opened: ViewerSession, launcher: MemoryLauncher, crash_at: int, researcher: User
) -> None:
    """Start and stop it; the site dies before step `crash_at`, then all is tended."""
    steps = [
        lambda: processes.bring_up(again(opened)),
        lambda: processes.bring_up(again(opened)),
        lambda: sessions.stop_session(again(opened), by=researcher),
        lambda: launcher.remove(opened.uuid),
        processes.tend,
    ]
    for step in steps[:crash_at]:
        step()
    for _ in range(3):
        waited(opened, hours=1)
        processes.tend()

    row = again(opened)
    alive = [each.view for each in launcher.running()]
    assert (row.state, alive) in [
        (SessionState.READY, [row.uuid]), (SessionState.STOPPED, []), (SessionState.FAILED, [])
    ]  # fmt: skip


# --- who speaks to a process ---


def test_only_who_opened_it_may_speak_to_it(
    opened: ViewerSession, layers: list[AtlasLayer], stranger: User, settings: Settings
) -> None:
    settings.DATA_SERVER = "nginx"
    started(opened)
    own, foreign = browser_of(opened), browser_of(open_one(layers, stranger))
    address = f"/authorise/{opened.uuid}"

    answers = [client.get(address).status_code for client in (own, foreign, viewer_client())]

    assert answers == [204, 403, 401]


def test_nobody_speaks_to_one_that_has_ended_or_has_no_process(
    opened: ViewerSession,
    layers: list[AtlasLayer],
    researcher: User,
    settings: Settings,
) -> None:
    settings.DATA_SERVER = "nginx"
    client = browser_of(opened)
    still = sessions.open_view(Wanted(layers, "x", recipe="atlas"), by=researcher).session
    not_yet = client.get(f"/authorise/{opened.uuid}").status_code
    sessions.stop_session(started(opened), by=researcher)
    other = browser_of(still)

    ended = other.get(f"/authorise/{opened.uuid}").status_code
    static = other.get(f"/authorise/{still.uuid}").status_code

    assert (not_yet, ended, static) == (403, 403, 403)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "v/TOKEN/main.js", 404),
        ("get", "neuroglancer/info/TOKEN", 404),
        ("post", "credentials/TOKEN", 404),
        ("get", "events/TOKEN/../../x", 404),
        ("get", "events/short", 404),
    ],
)
def test_only_events_states_and_actions_are_passed_on(
    opened: ViewerSession, method: str, path: str, status: int
) -> None:
    client = browser_of(started(opened))
    address = f"/py/{opened.uuid}/{path.replace('TOKEN', processes.token_of(opened.uuid))}"

    sent = {"Origin": django_settings.VIEWER_URL}
    answer = getattr(client, method)(address, headers=sent)

    assert answer.status_code == status


def test_a_process_that_does_not_answer_is_said_to_the_client(
    opened: ViewerSession, launcher: MemoryLauncher
) -> None:
    client = browser_of(started(opened))
    launcher.backend.lose(str(opened.uuid))

    answer = client.get(f"/py/{opened.uuid}/events/{processes.token_of(opened.uuid)}")

    assert answer.status_code == 502


def test_pages_of_other_origins_send_nothing_to_a_process(opened: ViewerSession) -> None:
    client = browser_of(started(opened))
    address = f"/py/{opened.uuid}/state/{processes.token_of(opened.uuid)}"

    answer = client.post(address, "{}", "text/plain", headers={"Origin": "http://evil.example"})

    assert answer.status_code == 403


def test_the_page_of_the_client_wants_the_right_token(opened: ViewerSession) -> None:
    client = browser_of(started(opened))
    token = processes.token_of(opened.uuid)

    right = client.get(f"/py/{opened.uuid}/v/{token}/")
    wrong = client.get(f"/py/{opened.uuid}/v/{token[::-1]}/")

    assert (right.status_code, wrong.status_code) == (200, 404)
    assert "no-event-stream" not in right.content.decode()
    assert "script-src 'self'" in right["Content-Security-Policy"]


def test_tokens_differ_by_view_and_by_key(settings: Settings, opened: ViewerSession) -> None:
    before = processes.token_of(opened.uuid)
    settings.SECRET_KEY = "x" * 50

    assert processes.token_of(opened.uuid) != before


# --- the console ---


CONSOLE = "/admin/viewers_app/viewersession"


def test_the_console_shows_what_differs_and_mends_it_by_a_button(
    opened: ViewerSession, launcher: MemoryLauncher, operator: User
) -> None:
    waited(started(opened), seconds=1)
    launcher.backend.lose(str(opened.uuid))
    client = site_client(operator)

    before = client.get(f"{CONSOLE}/processes/").content.decode()
    unchanged = again(opened).state
    after = client.post(f"{CONSOLE}/processes/", follow=True).content.decode()

    assert ("its process is gone" in before, unchanged) == (True, "ready")
    assert "1 mended" in after
    assert "Views and processes agree" in after
    assert again(opened).state == "failed"


def test_the_console_says_how_full_it_is(
    opened: ViewerSession, launcher: MemoryLauncher, operator: User
) -> None:
    started(opened)

    page = site_client(operator).get(f"{CONSOLE}/processes/").content.decode()

    assert f"1 of {launcher.sessions.limits.total} places are taken" in page


def test_a_silent_launcher_is_said_in_the_console_and_mends_nothing(
    opened: ViewerSession, launcher: MemoryLauncher, operator: User
) -> None:
    waited(started(opened), seconds=1)
    launcher.backend.fail("all", Unavailable("no socket"), times=9)
    client = site_client(operator)

    page = client.get(f"{CONSOLE}/processes/").content.decode()
    after = client.post(f"{CONSOLE}/processes/", follow=True).content.decode()

    assert "no socket" in page
    assert "Nothing was changed" in after
    assert again(opened).state == "ready"


def test_the_console_shows_the_log_of_a_process(
    opened: ViewerSession, launcher: MemoryLauncher, operator: User
) -> None:
    started(opened)
    launcher.backend.say(str(opened.uuid), "<b>listening</b>\n")
    client = site_client(operator)

    page = client.get(f"{CONSOLE}/{opened.pk}/log/").content.decode()

    assert "&lt;b&gt;listening&lt;/b&gt;" in page


@pytest.mark.parametrize("path", ["processes/", "1/log/"])
def test_others_see_nothing_of_processes(
    opened: ViewerSession, researcher: User, imager: User, path: str
) -> None:
    ways = [site_client(person).get(f"{CONSOLE}/{path}") for person in (researcher, imager)]

    assert all(answer.status_code in {302, 403} for answer in ways)


def test_a_site_without_processes_says_so_in_the_console(operator: User) -> None:
    page = site_client(operator).get(f"{CONSOLE}/processes/").content.decode()

    assert "LAUNCHER=static" in page
