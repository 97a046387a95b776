"""Typed readers of environment variables. A bad value stops the process and names the remedy."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, *, default: str | None = None) -> str:
    """Return the variable, or `default`; without either the process stops."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"Set the environment variable {name}; it has no default.")
    return default


def flag(name: str, *, default: bool) -> bool:
    """Return True for 1/true/yes/on, False for 0/false/no/off (any case)."""
    value = text(name, default="1" if default else "0").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no. Use 1 or 0.")


def integer(name: str, *, default: int, minimum: int = 0, maximum: int | None = None) -> int:
    """Return a whole number not below `minimum` and not above `maximum`."""
    value = text(name, default=str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name}={number} is below {minimum}.")
    if maximum is not None and number > maximum:
        raise ImproperlyConfigured(f"{name}={number} is above {maximum}.")
    return number


def path(name: str, *, default: Path | None = None) -> Path:
    """Return an absolute path; a relative value is refused, since workers start elsewhere."""
    value = Path(text(name, default=str(default) if default else None))
    if not value.is_absolute():
        raise ImproperlyConfigured(f"{name}={value} must be an absolute path.")
    return value


def choice(name: str, options: Sequence[str], *, default: str) -> str:
    """Return one of `options`."""
    value = text(name, default=default)
    if value not in options:
        raise ImproperlyConfigured(f"{name}={value!r} is not one of: {', '.join(options)}.")
    return value


def origin(name: str, *, default: str) -> str:
    """Return scheme://host[:port] without a path."""
    value = text(name, default=default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path:
        raise ImproperlyConfigured(
            f"{name}={value!r} must look like https://host or http://host:port."
        )
    return value


def secret(name: str, *, default: str | None = None) -> str:
    """Return the secret from NAME, or from the file that NAME_FILE names."""
    file = os.environ.get(f"{name}_FILE", "").strip()
    if not file:
        return text(name, default=default)
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise ImproperlyConfigured(f"{name}_FILE={file} cannot be read: {problem}") from problem
    if not content:
        raise ImproperlyConfigured(f"{name}_FILE={file} is empty.")
    return content


def require(names: Sequence[str], *, because: str) -> None:
    """Stop the process where a choice needs variables that are not set, naming all of them."""
    missing = [name for name in names if not os.environ.get(name, "").strip()]
    if missing:
        raise ImproperlyConfigured(f"{because} needs {', '.join(missing)}; see docs/settings.md.")
