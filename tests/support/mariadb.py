"""A private MariaDB server: `pytest -p tests.support.mariadb` runs the suite on it, and the fixture
`mariadb_url` gives one to a test that runs on SQLite."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import environment, services

USER, PASSWORD, DATABASE = "lightserv", "only-for-tests", "lightserv"
START_LIMIT_S = 60

# Nothing outlives the server, so it never waits for the disk.
FAST = [
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=128M",
    "--performance-schema=OFF",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--max-connections=200",
]

SET_UP = f"""
CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;
"""


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server on loopback, give its DATABASE_URL, and stop it whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="lightserv-mariadb-"))
    try:
        _install(folder)
        port = _free_port()
        server = _start(folder, port)
        try:
            _wait_until_ready(server, port, folder / "error.log")
            yield f"mysql://{USER}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}"
        finally:
            server.kill()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> str | None:
    """Return the account the server runs under when the tests run as root, which it refuses."""
    return "mysql" if os.geteuid() == 0 else None


def _install(folder: Path) -> None:
    (folder / "set-up.sql").write_text(SET_UP)
    account = _account()
    if account:
        entry = pwd.getpwnam(account)
        for path in (folder, folder / "set-up.sql"):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    tool = services.program("mariadb-install-db", service="mariadb", package="mariadb-server")
    subprocess.run(
        [tool, "--no-defaults", f"--datadir={folder / 'data'}", "--skip-test-db"],
        user=account,
        cwd=folder,
        check=True,
        capture_output=True,
    )


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    daemon = services.program("mariadbd", service="mariadb", package="mariadb-server")
    account = _account()
    argv = [
        daemon,
        "--no-defaults",
        f"--datadir={folder / 'data'}",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
        f"--log-error={folder / 'error.log'}",
        f"--init-file={folder / 'set-up.sql'}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        *FAST,
    ]
    return subprocess.Popen(
        argv,
        user=account,
        group=account,
        extra_groups=[] if account else None,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests; they stop the server themselves
        preexec_fn=services.die_with_parent,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once the port answers: the server listens only after its set-up file has run."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    said = log.read_text(errors="replace")[-2000:] if log.exists() else "nothing"
    raise RuntimeError(f"mariadbd did not start within {START_LIMIT_S} s. It said:\n{said}")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the server before Django's settings are read.

    pytest calls this for plugins named by `-p`, not for those that a conftest names.
    """
    if environment.DATABASE in os.environ:
        return  # a parallel worker: the process that started it holds the server
    if services.find("mariadbd") is None:
        raise pytest.UsageError("-p tests.support.mariadb: apt-get install mariadb-server")
    server = running_server()
    os.environ[environment.DATABASE] = server.__enter__()
    early_config.add_cleanup(lambda: server.__exit__(None, None, None))


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """The DATABASE_URL of a private MariaDB server with an empty database."""
    services.program("mariadbd", service="mariadb", package="mariadb-server")
    if environment.DATABASE in os.environ:
        yield os.environ[environment.DATABASE]
        return
    with running_server() as url:
        yield url
