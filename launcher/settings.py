"""What the launcher is told by its environment. A wrong value stops it and says how to mend it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.catalogue import Catalogue, WrongCatalogue, read_catalogue
from launcher.sessions import Limits
from launcher.signing import WrongKeys, parse_keys

_BIND = re.compile(r"unix:/.+|(?:127\.0\.0\.1|\[::1\]|[a-z0-9.-]+):[0-9]{1,5}")


class WrongSettings(ValueError):
    """The launcher cannot start; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. `engine` is the address of the Docker socket, or `memory`."""

    bind: str
    engine: str
    instance: str
    keys: Mapping[str, bytes]
    data_root: Path
    catalogue: Catalogue
    limits: Limits


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises WrongSettings."""
    try:
        keys = parse_keys(_secret(environ, "LAUNCHER_KEYS"))
        catalogue = read_catalogue(Path(_text(environ, "LAUNCHER_CATALOGUE")))
    except (WrongKeys, WrongCatalogue) as problem:
        raise WrongSettings(str(problem)) from problem
    bind = _text(environ, "LAUNCHER_BIND", "unix:/run/lightserv/launcher.sock")
    if not _BIND.fullmatch(bind) or bind.startswith("0.0.0.0"):
        raise WrongSettings(
            f"LAUNCHER_BIND={bind!r} must be unix:/path or the host:port of an internal network."
        )
    return Settings(
        bind=bind,
        engine=_text(environ, "LAUNCHER_ENGINE", "unix:///var/run/docker.sock"),
        instance=_text(environ, "LAUNCHER_INSTANCE", "lightserv"),
        keys=keys,
        data_root=_data_root(environ),
        catalogue=catalogue,
        limits=Limits(
            total=_number(environ, "LAUNCHER_MAX_TOTAL", 40),
            per_owner=_number(environ, "LAUNCHER_MAX_PER_OWNER", 3),
            lifetime_s=_number(environ, "LAUNCHER_MAX_AGE_SECONDS", 86_400),
        ),
    )


def _data_root(environ: Mapping[str, str]) -> Path:
    root = Path(_text(environ, "LAUNCHER_DATA_ROOT"))
    if not root.is_absolute() or root.resolve() == Path("/") or not root.is_dir():
        raise WrongSettings(
            f"LAUNCHER_DATA_ROOT={root} must be an existing folder, absolute, and not /. "
            "The engine has to see it under the same path."
        )
    return root


def _text(environ: Mapping[str, str], name: str, default: str = "") -> str:
    value = environ.get(name, "").strip() or default
    if not value:
        raise WrongSettings(f"Set {name}; it has no default.")
    return value


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    value = _text(environ, name, str(default))
    if not value.isdecimal() or int(value) < 1:
        raise WrongSettings(f"{name}={value!r} is no whole number above 0.")
    return int(value)


def _secret(environ: Mapping[str, str], name: str) -> str:
    file = environ.get(f"{name}_FILE", "").strip()
    if not file:
        return _text(environ, name)
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as problem:
        raise WrongSettings(f"{name}_FILE={file} cannot be read: {problem}") from problem
