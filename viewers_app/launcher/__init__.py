"""Processes and containers behind views that need one: the port, and its implementations."""

from functools import cache
from pathlib import Path

from django.conf import settings

from core_app.errors import Misconfigured
from launcher.sessions import Limits
from launcher.signing import WrongKeys, parse_keys
from viewers_app.launcher.http import TIMEOUT_S, HttpLauncher
from viewers_app.launcher.memory import MemoryLauncher
from viewers_app.launcher.ports import Launcher
from viewers_app.launcher.process import ProcessLauncher


def open_launcher(timeout_s: float = TIMEOUT_S) -> Launcher:
    """Return the launcher of the settings; one per process, since it counts and locks.

    A service that does not answer within `timeout_s` is Unreachable; what it began goes on.
    Raises Misconfigured where views have no processes (LAUNCHER=static), or it may not be used.
    """
    if settings.LAUNCHER == "docker":
        return _http(settings.LAUNCHER_URL, settings.LAUNCHER_KEYS, timeout_s)
    if settings.LAUNCHER == "process" and not settings.DEBUG:
        raise Misconfigured("LAUNCHER=process is for DEBUG=1; use docker")
    if settings.LAUNCHER in {"process", "memory"}:
        limits = Limits(settings.VIEWER_MAX_TOTAL, settings.VIEWER_MAX_PER_USER)
        return _here(settings.LAUNCHER, settings.LAUNCHER_FOLDER, settings.DATA_ROOT, limits)
    raise Misconfigured("LAUNCHER=static: views have no processes of their own")


@cache
def _here(kind: str, folder: Path, data_root: Path, limits: Limits) -> Launcher:
    if kind == "memory":
        return MemoryLauncher(data_root=data_root, limits=limits)
    return ProcessLauncher(folder=folder, data_root=data_root, limits=limits)


@cache
def _http(url: str, keys: str, timeout_s: float) -> Launcher:
    try:
        return HttpLauncher(url, parse_keys(keys), timeout_s=timeout_s)
    except WrongKeys as problem:
        raise Misconfigured("LAUNCHER_KEYS cannot be used", str(problem)) from problem
