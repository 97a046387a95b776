"""Target 8: from a click to the picture of a view, in Chromium, in turns with two other ways.

The reference is the same client on plain files. The original started a server for each volume and
a Python viewer, one after the other, before there was a link.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from bench import measure, servers
from bench.measure import REPOSITORY, Unavailable, median_ratio
from bench.rows import Row, judged, missing
from tests.support import services
from tests.support.browser import FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Frame

    from bench.servers import Site

_ROUNDS: Final = {"full": 5, "small": 1}
_LIMIT_MS: Final = 120_000
_PLAIN: Final = "8 from a click to the picture: time against a bare client on plain files"
_ORIGINAL: Final = "8 the same: times sooner than servers for each volume and a Python viewer"
_DRAWN: Final = "window.viewer?.layerManager?.managedLayers.length > 1 && viewer.isReady()"
_PAGE: Final = """<!DOCTYPE html><meta charset="utf-8"><title>bare</title>
<script>
window.EventSource = class {{
  constructor() {{ setTimeout(() => this.onopen?.(), 0); }}
  close() {{}}
}};
</script>
{scripts}{styles}<body></body>
"""


def rows(size: str) -> Iterator[Row]:
    """Open the invented atlas, its template and its regions, each way in turns."""
    absent = [name for name in ("nginx", "chromium") if services.find(name) is None]
    if absent:
        why = f"left out: {', '.join(absent)} not installed"
        yield missing(_PLAIN, why=why, target="<= 1.2")
        return
    with ExitStack() as stack:
        place = stack.enter_context(servers.all_of("atlas", size))
        folder, site, plain = place.folder, place.site, place.plain_port
        _write_bare_client(folder)
        chromium = stack.enter_context(_chromium())
        ways: dict[str, Callable[[], float]] = {
            "ours": lambda: _ours(chromium, site),
            "plain": lambda: _bare(chromium, site, plain),
        }
        why = ""
        try:
            measure.require_references(may_install=size == "full")
            ways["original"] = lambda: _original(chromium, site, folder)
        except Unavailable as reason:
            why = str(reason)
        found: dict[str, list[float]] = {way: [] for way in ways}
        for run in ways.values():
            run()  # once for nothing, so that all of it is in memory
        for _ in range(_ROUNDS[size]):
            for way, run in ways.items():
                found[way].append(run())
    yield from _judged(found, why)


def _judged(found: dict[str, list[float]], why: str) -> Iterator[Row]:
    ours, plain = found["ours"], found["plain"]
    value = f"{sorted(ours)[len(ours) // 2]:.2f} s"
    yield judged(
        _PLAIN, value=value, reference=f"{sorted(plain)[len(plain) // 2]:.2f} s",
        ratio=median_ratio(ours, plain), comparison="<=", limit=1.2,
    )  # fmt: skip
    if why:
        yield missing(_ORIGINAL, why=why, target=">= 10")
        return
    original = found["original"]
    yield judged(
        _ORIGINAL, value=value, reference=f"{sorted(original)[len(original) // 2]:.2f} s",
        ratio=median_ratio(original, ours), comparison=">=", limit=10,
    )  # fmt: skip


def _ours(chromium: Browser, site: Site) -> float:
    """Open a view by its ticket, as the button does."""
    return _seconds(chromium, site.say("open")["url"], "/neuroglancer/v/")


def _bare(chromium: Browser, site: Site, port: int) -> float:
    """Open the client's page with the same state in its address."""
    volumes = [f"http://127.0.0.1:{port}/{one}" for one in site.told["folders"]]
    state = _at(site.say("open")["state"], volumes)
    address = f"http://127.0.0.1:{port}/bare/v/x/index.html#!{quote(json.dumps(state))}"
    return _seconds(chromium, address, "/bare/")


def _original(chromium: Browser, site: Site, folder: Path) -> float:
    """Start a server for each volume, then a Python viewer, then open its page."""
    state = site.say("open")["state"]
    began = time.monotonic()
    with ExitStack() as stack:
        places = [folder / "data" / one for one in site.told["folders"]]
        ports = [stack.enter_context(servers.cloud_volume(place)) for place in places]
        ready = _at(state, [f"http://127.0.0.1:{port}" for port in ports])
        address = stack.enter_context(_python_viewer(ready))
        started = time.monotonic() - began
        return started + _seconds(chromium, address, "/v/")


def _at(state: dict[str, Any], addresses: list[str]) -> dict[str, Any]:
    text = json.dumps(state)
    for number, address in enumerate(addresses):
        text = text.replace(f'"layer:{number}"', f'"precomputed://{address}"')
    found: dict[str, Any] = json.loads(text)
    return found


def _seconds(chromium: Browser, address: str, page_of_client: str) -> float:
    """Return the seconds until everything is drawn, in a browser that knows nothing yet."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        began = time.monotonic()
        page.goto(address, wait_until="commit")
        deadline = began + _LIMIT_MS / 1000
        while (frame := _frame(page.frames, page_of_client)) is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no client at {page.url}")
            page.wait_for_timeout(10)
        frame.wait_for_function(_DRAWN, timeout=_LIMIT_MS, polling=20)
        return time.monotonic() - began
    finally:
        context.close()


def _frame(frames: list[Frame], part: str) -> Frame | None:
    return next((frame for frame in frames if part in frame.url), None)


def _write_bare_client(folder: Path) -> None:
    """Lay the client beside the data, with a page that does nothing but start it."""
    from neuroglancer.server import __file__ as place

    client = Path(place).parent / "static" / "client"
    page = folder / "data" / "bare" / "v" / "x"
    page.mkdir(parents=True)
    (folder / "data" / "client").symlink_to(client)
    scripts = "".join(
        f'<script defer src="/client/{file.name}"></script>' for file in _entries(client, ".js")
    )
    styles = "".join(
        f'<link rel="stylesheet" href="/client/{file.name}">' for file in _entries(client, ".css")
    )
    (page / "index.html").write_text(_PAGE.format(scripts=scripts, styles=styles))


def _entries(client: Path, ending: str) -> list[Path]:
    """Return the files that the client's own page names."""
    html = (client / "index.html").read_text()
    return [file for file in sorted(client.glob(f"*{ending}")) if f'"{file.name}"' in html]


@contextmanager
def _python_viewer(state: dict[str, Any]) -> Iterator[str]:
    """Run a Python viewer with this state, and give the address of its page."""
    program = (
        "import json, sys, time, neuroglancer\n"
        "neuroglancer.set_server_bind_address('127.0.0.1', 0)\n"
        "viewer = neuroglancer.Viewer(token='x' * 32)\n"
        "viewer.set_state(json.loads(sys.stdin.readline()))\n"
        "print(viewer.get_viewer_url(), flush=True)\n"
        "time.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=services.die_with_parent,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(state) + "\n")
        process.stdin.flush()
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def _chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    flags = [flag for flag in FLAGS if "host-resolver" not in flag]
    with sync_playwright() as playwright:
        path = services.find("chromium")
        browser = playwright.chromium.launch(
            executable_path=str(path),
            args=[*flags, "--host-resolver-rules=MAP *.localhost 127.0.0.1"],
        )
        try:
            yield browser
        finally:
            browser.close()
