"""Rules for every test: environment, markers, place on disk, reach on the network."""

import os
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import django
import pytest
from pytest_django import Settings
from pytest_django.plugin import blocking_manager_key

from tests.support import environment, network

# Before anything reads a setting. pytest's own ini file would be too early: it cannot pick a port.
environment.prepare()
django.setup()

pytest_plugins = [
    "tests.support.browser",
    "tests.support.docker",
    "tests.support.launchers",
    "tests.support.mariadb",
    "tests.support.people",
    "tests.support.slurm",
    "tests.support.sshd",
]

HERE = Path(__file__).parent

# A test needs what its fixtures need, so nobody has to remember the marker.
MARKER_OF = {
    "mariadb_url": "mariadb",
    "mirror": "datajoint",
    "sshd": "ssh",
    "slurm": "slurm",
    "slurm_without_accounting": "slurm",
    "docker_engine": "docker",
    "docker_site": "docker",
    "nginx": "nginx",
    "chromium": "browser",
    "real_data": "realdata",
}

# These start servers or browsers, kill processes or measure: they are run one by one.
ONE_BY_ONE = {"mariadb", "datajoint", "ssh", "slurm", "docker", "nginx", "browser", "alone"}


def pytest_configure(config: pytest.Config) -> None:
    """Let each xdist worker read the settings anew: it has a port of its own.

    A worker that inherits the variable has loaded them, with our port, before it can choose.
    """
    if not hasattr(config, "workerinput") and config.getoption("numprocesses", None):
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKER_OF:
                item.add_marker(MARKER_OF[fixture])
        _keep_together(item)
        _wait_for_images(item)
        _keep_seeds(item)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run servers and browsers side by side, as with versions that lose the groups."""
    if not getattr(session.config.option, "loadgroup", None):
        return
    lost = [x for x in session.items if x.get_closest_marker("xdist_group") and "@" not in x.nodeid]
    if lost:
        raise pytest.UsageError("pytest and pytest-xdist of these versions keep no tests together")


def _keep_together(item: pytest.Item) -> None:
    """One worker has the browser, and one the servers; each of them runs its tests one by one."""
    names = {mark.name for mark in item.iter_markers()}
    if names & ONE_BY_ONE:
        group = "browser" if "browser" in names else "one_by_one"
        item.add_marker(pytest.mark.xdist_group(group))


def _wait_for_images(item: pytest.Item) -> None:
    """The first test with Docker makes a base image, which takes minutes on a busy machine."""
    if item.get_closest_marker("docker"):
        item.add_marker(pytest.mark.timeout(900))


def _keep_seeds(item: pytest.Item) -> None:
    """Let a test with real transactions find the rows that migrations made.

    Such a test ends by emptying all tables, so the next one has to be given them again.
    """
    if _is_transactional(item):
        mark = item.get_closest_marker("django_db")
        wanted = {**(mark.kwargs if mark else {}), "transaction": True, "serialized_rollback": True}
        item.add_marker(pytest.mark.django_db(**wanted), append=False)


def _is_transactional(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    return bool(mark and mark.kwargs.get("transaction")) or (
        "transactional_db" in getattr(item, "fixturenames", ())
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """Put the migrations' rows back where a test without real transactions comes next."""
    yield
    if nextitem and _is_transactional(item) and not _is_transactional(nextitem):
        with item.config.stash[blocking_manager_key].unblock():
            from django.db import connection

            connection.creation.deserialize_db_from_string(connection._test_serialized_contents)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Put an SQLite test database into this run's own folder, so two runs never share one."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        folder = tmp_path_factory.mktemp("database")
        database["TEST"]["NAME"] = str(folder / "test.sqlite3")


@pytest.fixture(autouse=True)
def _quick_and_contained(settings: Settings, tmp_path: Path) -> None:
    """Cheap passwords, plain static files, and files in this test's own folder."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    # Collected static files are a matter of deployment; the test server finds them in the apps.
    settings.STATIC_ROOT = str(tmp_path)
    for name, folder in (
        ("DATA_ROOT", "data"),
        ("CLUSTER_DATA_ROOT", "data"),
        # pytest gives the folder of a test that passed to the next; Slurm still knows its jobs.
        ("CLUSTER_WORKDIR", f"jobs-{secrets.token_hex(4)}"),
    ):
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        setattr(settings, name, path)
    settings.MEDIA_ROOT = str(tmp_path / "media")


@pytest.fixture(autouse=True)
def _stay_on_this_machine(request: pytest.FixtureRequest) -> Iterator[None]:
    is_unit_test = request.path.is_relative_to(HERE / "unit")
    with network.guarded(network.refuse_all if is_unit_test else network.refuse_remote):
        yield


@pytest.fixture(autouse=True)
def _right_database(request: pytest.FixtureRequest) -> None:
    """Tests about MariaDB itself have nothing to say on SQLite."""
    from django.db import connection

    if (
        request.path.is_relative_to(HERE / "integration" / "mariadb")
        and connection.vendor != "mysql"
    ):
        pytest.skip("runs with `pytest -p tests.support.mariadb`, which `make test` does")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real brains. Not part of the project, so its absence is never a failure."""
    folder = os.environ.get("LIGHTSERV_REAL_DATA", "")
    if not folder:
        pytest.skip("LIGHTSERV_REAL_DATA is not set")
    if not Path(folder).is_dir():
        pytest.fail(f"LIGHTSERV_REAL_DATA={folder} is no folder", pytrace=False)
    return Path(folder)
