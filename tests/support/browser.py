"""Chromium against the real site: `site` serves it, `page` opens it as a person on a screen."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as site_settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connection
from django.test import Client
from django.test.testcases import LiveServerThread, QuietWSGIRequestHandler
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from pytest_django import Settings

from tests.support import environment, services

ARTIFACTS = Path(__file__).parents[2] / "var" / "test-artifacts"
FAILED = pytest.StashKey[bool]()

# Software rendering, so the Neuroglancer client really draws; no calls home.
# Chromium would try ::1 first for localhost, where somebody else may listen on our port.
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP localhost 127.0.0.1",
]

VIEWPORTS = {"desktop": (1280, 800), "phone": (390, 844)}


class ServerThread(LiveServerThread):
    """Django's test server, on a port that the settings name, used again by each test."""

    def _create_server(self, connections_override: Any = None) -> ThreadedWSGIServer:
        return self.server_class(
            (self.host, self.port), QuietWSGIRequestHandler, allow_reuse_address=True
        )


@dataclass(frozen=True, slots=True)
class Site:
    """The two origins of the running site."""

    url: str = environment.SITE_URL
    viewer_url: str = environment.VIEWER_URL


@dataclass(slots=True)
class Visitor:
    """Opens pages, and keeps what goes wrong on them."""

    chromium: Browser
    site: Site
    record: Path
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(
        self, person: Any = None, *, viewport: str = "desktop", scheme: str = "light"
    ) -> Page:
        """Return a page, signed in as `person`, whose `problems` fill as it is used.

        A problem is a console error (a refused request and a breach of the content security
        policy are such), or an exception in a script.
        """
        width, height = VIEWPORTS[viewport]
        context = self.chromium.new_context(
            base_url=self.site.url,
            viewport={"width": width, "height": height},
            has_touch=viewport == "phone",
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.tracing.start(screenshots=True, snapshots=True)
        self.contexts.append(context)
        if person is not None:
            context.add_cookies([_session_of(person, self.site)])
        page = context.new_page()
        page.problems = _watch(page)  # type: ignore[attr-defined]
        return page

    def close(self, *, keep_record: bool) -> None:
        """End all pages; after a failure leave a screenshot and a trace of each."""
        for number, context in enumerate(self.contexts, start=1):
            stem = self.record / str(number)
            if keep_record:
                self.record.mkdir(parents=True, exist_ok=True)
                for page in context.pages:
                    page.screenshot(path=f"{stem}.png", full_page=True)
            context.tracing.stop(path=f"{stem}-trace.zip" if keep_record else None)
            context.close()


def _watch(page: Page) -> list[str]:
    problems: list[str] = []

    def note_console(message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            problems.append(f"{message.text} ({message.location['url']})")

    page.on("console", note_console)
    page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
    return problems


def _session_of(person: Any, site: Site) -> dict[str, Any]:
    """Return the cookie of a person who has signed in."""
    name = site_settings.SESSION_COOKIE_NAME
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    value = client.cookies[name].value
    return {"name": name, "value": value, "url": site.url, "httpOnly": True}


@pytest.fixture(scope="session")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """The browser, one for all tests."""
    path = services.program("chromium", service="browser", package="chromium")
    # Playwright keeps an event loop in this thread. Django takes that for asynchronous code: it
    # refuses it, and gives it a database connection of its own, which has to know the seeds too.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    seeds = connection._test_serialized_contents
    with sync_playwright() as playwright:
        connection._test_serialized_contents = seeds
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def site(
    transactional_db: None, django_db_serialized_rollback: None, settings: Settings
) -> Iterator[Site]:
    """The site on its two origins, served by threads that see committed rows."""
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
    server = ServerThread("127.0.0.1", StaticFilesHandler, port=environment.PORT)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    if server.error:
        raise server.error
    yield Site()
    server.terminate()


@pytest.fixture
def page(
    request: pytest.FixtureRequest, chromium: Browser, site: Site
) -> Iterator[Callable[..., Page]]:
    """Open a page: `page()`, `page(imager, viewport="phone", scheme="dark")`."""
    name = re.sub(r"[^\w.-]+", "-", request.node.nodeid.partition("@")[0]).strip("-")
    record = ARTIFACTS / name
    shutil.rmtree(record, ignore_errors=True)
    visitor = Visitor(chromium, site, record)
    yield visitor
    visitor.close(keep_record=request.node.stash.get(FAILED, False))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember a failure, for the fixtures that keep a record of it."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def accessibility_problems(page: Page) -> list[str]:
    """Return what axe finds serious or critical on the page, each with the elements concerned."""
    findings = Axe().run(page).response["violations"]
    return [
        f"{finding['help']}: {[node['target'] for node in finding['nodes']]}"
        for finding in findings
        if finding["impact"] in {"serious", "critical"}
    ]
