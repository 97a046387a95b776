#!/usr/bin/env python
"""Django's command line for this project."""

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).resolve().parent


def _prepare_demo() -> None:
    """Give the demo what production must be given by its operator: a key of its own and DEBUG."""
    key_file = HERE / "var" / "demo-secret-key"
    if not key_file.exists():
        key_file.parent.mkdir(parents=True, exist_ok=True)
        key_file.write_text(secrets.token_urlsafe(50))
        key_file.chmod(0o600)
    if "SECRET_KEY" not in os.environ:
        os.environ.setdefault("SECRET_KEY_FILE", str(key_file))
    os.environ.setdefault("DEBUG", "1")
    # On the terminal, mails would stand between what the demo tells.
    os.environ.setdefault("EMAIL_URL", f"file://{quote(str(HERE / 'var' / 'mails'))}")
    os.environ.setdefault("LAUNCHER", "process")
    # Others on this machine have no business in the demo's database and data.
    os.umask(0o077)


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lightserv_site.settings")
    if os.environ.get("LIGHTSERV_DEMO") == "1":
        _prepare_demo()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
