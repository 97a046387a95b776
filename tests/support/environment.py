"""The environment that Django's settings read in tests; imported before any of them."""

import os
import socket

# Bound for as long as the process lives, so nobody else is given the port that the settings name.
# The live server may bind it again, because both sides allow it and this one never listens.
_reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
_reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
_reserved.bind(("127.0.0.1", 0))

PORT: int = _reserved.getsockname()[1]
SITE_URL = f"http://localhost:{PORT}"
VIEWER_URL = f"http://127.0.0.1:{PORT}"

# Settings of the developer's shell must not reach the tests.
FOREIGN = ("CLUSTER", "LAUNCHER", "DATAJOINT", "DATA_", "EMAIL_", "VIEWER_", "SITE_", "SECRET_KEY")

# The MariaDB plugin has set this one on purpose.
DATABASE = "LIGHTSERV_TEST_DATABASE_URL"


def prepare() -> None:
    """Make the environment that of a small production site on this process's own port."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    for name in ("DATABASE_URL_FILE", "DATABASE_URL", "TIME_ZONE", "LIGHTSERV_DEMO"):
        os.environ.pop(name, None)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="lightserv_site.settings",
        DEBUG="0",
        SECRET_KEY="test-key-that-signs-nothing-outside-the-tests",
        SITE_URL=SITE_URL,
        VIEWER_URL=VIEWER_URL,
    )
    if DATABASE in os.environ:
        os.environ["DATABASE_URL"] = os.environ[DATABASE]
