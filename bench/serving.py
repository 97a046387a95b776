"""Targets 7 and 7b: chunks that a right is asked for, against plain files and cloud-volume."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import measure, servers
from bench.measure import Unavailable, median_ratio
from bench.rows import Row, judged, missing
from bench.servers import status
from bench.serving_site import SCALE
from tests.support import services

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bench.servers import Site

_CHUNKS = {"full": 64, "small": 4}
_SECONDS = {"full": 3, "small": 1}
_ROUNDS = {"full": 5, "small": 1}
_CONNECTIONS = 16
_RATE = "7 authorised chunks of 128 KiB through nginx: requests a second against plain files"
_LATE = "7 the same: slowest hundredth against plain files"
_REVOKED = "7 the same: seconds until a stopped view gets nothing"
_ORIGINAL = "7b the same: requests a second against cloud-volume's server"
_ORIGINAL_LATE = "7b the same: slowest hundredth, times sooner than cloud-volume's server"

_LOAD = """local paths = {{{paths}}}
local next = 0
request = function()
  next = next % #paths + 1
  return wrk.format("GET", paths[next], {{{headers}}})
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one load gave: requests a second, and the seconds in which 99 of 100 were answered."""

    rate: float
    p99_s: float


def rows(size: str) -> Iterator[Row]:
    """Serve the same files in all ways, and load each in turns."""
    absent = [name for name in ("nginx", "wrk") if services.find(name) is None]
    if absent:
        why = f"left out: {', '.join(absent)} not installed"
        yield missing(_RATE, why=why, target=">= 0.95")
        return
    with ExitStack() as stack:
        place = stack.enter_context(servers.all_of(str(_CHUNKS[size]), size))
        folder, site = place.folder, place.site
        proxy, plain = place.proxy_port, place.plain_port
        names = [f"{SCALE}/{64 * n}-{64 * n + 64}_0-64_0-64" for n in range(_CHUNKS[size])]
        told = site.told
        host = {"Host": f"{told['host']}:{proxy}"}
        ways: Ways = {
            "ours": (proxy, f"/data/{told['layer']}", {**host, "Cookie": told["cookie"]}),
            "plain": (plain, f"/{told['folder']}", {}),
        }
        why = ""
        try:
            measure.require_references(may_install=size == "full")
            volume = folder / "data" / told["folder"]
            ways["original"] = (stack.enter_context(servers.cloud_volume(volume)), "", {})
        except Unavailable as reason:
            why = str(reason)
        found = _loaded(folder, ways, names, size)
        yield from _judged(found, why)
        yield _revocation(site, ways["ours"], names[0])


def _judged(found: Mapping[str, list[Load]], why: str) -> Iterator[Row]:
    ours, plain = found["ours"], found["plain"]
    rate, late = _medians(ours)
    plain_rate, plain_late = _medians(plain)
    yield judged(
        _RATE, value=f"{rate:,.0f} /s", reference=f"{plain_rate:,.0f} /s",
        ratio=median_ratio([one.rate for one in ours], [one.rate for one in plain]),
        comparison=">=", limit=0.95,
    )  # fmt: skip
    yield judged(
        _LATE, value=f"{late * 1000:.1f} ms", reference=f"{plain_late * 1000:.1f} ms",
        ratio=median_ratio([one.p99_s for one in ours], [one.p99_s for one in plain]),
        comparison="<=", limit=2,
    )  # fmt: skip
    if why:
        yield missing(_ORIGINAL, why=why, target=">= 4")
        yield missing(_ORIGINAL_LATE, why=why, target=">= 20")
        return
    original = found["original"]
    original_rate, original_late = _medians(original)
    yield judged(
        _ORIGINAL, value=f"{rate:,.0f} /s", reference=f"{original_rate:,.0f} /s",
        ratio=median_ratio([one.rate for one in ours], [one.rate for one in original]),
        comparison=">=", limit=4,
    )  # fmt: skip
    yield judged(
        _ORIGINAL_LATE,
        value=f"{late * 1000:.1f} ms", reference=f"{original_late * 1000:.1f} ms",
        ratio=median_ratio([one.p99_s for one in original], [one.p99_s for one in ours]),
        comparison=">=", limit=20,
    )  # fmt: skip


def _medians(loads: list[Load]) -> tuple[float, float]:
    rates, lates = sorted(one.rate for one in loads), sorted(one.p99_s for one in loads)
    return rates[len(rates) // 2], lates[len(lates) // 2]


# --- loads ---

Ways = dict[str, tuple[int, str, dict[str, str]]]


def _loaded(folder: Path, ways: Ways, names: list[str], size: str) -> dict[str, list[Load]]:
    found: dict[str, list[Load]] = {way: [] for way in ways}
    scripts = {way: _script(folder, way, given, names) for way, given in ways.items()}
    for way, script in scripts.items():  # once for nothing, so that all of it is in memory
        _load(ways[way][0], script, 1)
    for _ in range(_ROUNDS[size]):
        for way, script in scripts.items():
            found[way].append(_load(ways[way][0], script, _SECONDS[size]))
    return found


def _script(
    folder: Path, way: str, given: tuple[int, str, dict[str, str]], names: list[str]
) -> Path:
    _, prefix, headers = given
    script = folder / f"{way}.lua"
    paths = ", ".join(json.dumps(f"{prefix}/{name}") for name in names)
    pairs = ", ".join(f"[{json.dumps(key)}]={json.dumps(value)}" for key, value in headers.items())
    script.write_text(_LOAD.format(paths=paths, headers=pairs))
    return script


def _load(port: int, script: Path, seconds: int) -> Load:
    url = f"http://127.0.0.1:{port}"
    argv = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if refused:
        raise RuntimeError(f"{script.stem}: {refused[1]} refusals\n{said}")
    rate = re.search(r"Requests/sec:\s*([0-9.]+)", said)
    late = re.search(r"99%\s+([0-9.]+)(us|ms|s)\b", said)
    assert rate and late, said
    unit = {"us": 1e-6, "ms": 1e-3, "s": 1.0}[late[2]]
    return Load(float(rate[1]), float(late[1]) * unit)


def _revocation(site: Site, way: tuple[int, str, dict[str, str]], name: str) -> Row:
    """Stop the view, then ask for the same chunk until it is refused."""
    port, prefix, headers = way
    assert status(port, f"{prefix}/{name}", headers) == 200
    site.say("end")
    began = time.monotonic()
    while status(port, f"{prefix}/{name}", headers) == 200:
        time.sleep(0.1)
        if time.monotonic() - began > 60:
            break
    seconds = time.monotonic() - began
    return judged(
        _REVOKED, value=f"{seconds:.1f} s", reference="the moment of stopping",
        ratio=seconds, comparison="<=", limit=30,
    )  # fmt: skip
