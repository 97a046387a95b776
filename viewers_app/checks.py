"""System checks: the launcher of the settings can be used, and may be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from launcher.signing import WrongKeys, parse_keys


@register(Tags.security)
def launcher_for_sites(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Plain processes have no walls around them, so a site has containers or nothing."""
    if settings.DEBUG or settings.LAUNCHER != "process":
        return []
    hint = "Set LAUNCHER=docker with the launcher service, or LAUNCHER=static."
    return [Error("LAUNCHER=process is for DEBUG=1 only.", hint=hint, id="viewers.E001")]


@register(Tags.security, deploy=True)
def launcher_in_production(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """A launcher that starts nothing is for tests."""
    if settings.LAUNCHER != "memory":
        return []
    hint = "Set LAUNCHER=docker with the launcher service, or LAUNCHER=static."
    return [Error("LAUNCHER=memory starts nothing.", hint=hint, id="viewers.E002")]


@register(Tags.security)
def launcher_address(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The service has an address and keys; data that it mounts is not the whole machine."""
    if settings.LAUNCHER != "docker":
        return []
    found: list[CheckMessage] = []
    parts = urlsplit(settings.LAUNCHER_URL)
    if not (parts.scheme == "unix" and parts.path) and not (
        parts.scheme == "http" and parts.hostname
    ):
        hint = "Set LAUNCHER_URL to unix:/path of its socket, or http://host:port."
        found.append(Error("The launcher has no address.", hint=hint, id="viewers.E003"))
    try:
        parse_keys(settings.LAUNCHER_KEYS)
    except WrongKeys as problem:
        hint = "Set LAUNCHER_KEYS to id:secret, as the launcher has it."
        found.append(Error(f"LAUNCHER_KEYS: {problem}", hint=hint, id="viewers.E004"))
    if settings.DATA_ROOT.resolve() == Path("/"):
        hint = "Set DATA_ROOT to the folder of the data."
        found.append(Error("The data root is the whole machine.", hint=hint, id="viewers.E005"))
    return found
