"""One world for the whole folder; every test leaves it as it was."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker, Settings

from tests.app.rights.outcomes import Before
from tests.support import world as worlds
from tests.support.world import World
from viewers_app import data_access
from viewers_app.services import activity


@contextmanager
def undone() -> Iterator[None]:
    """Undo at the end what happens inside, as Django's own TestCase does."""
    block = transaction.atomic()
    block._from_testcase = True  # lets services demand the outermost transaction
    with block:
        try:
            yield
        finally:
            transaction.set_rollback(True)


@pytest.fixture(scope="package")
def _built(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[World, Before]]:
    root = tmp_path_factory.mktemp("world")
    cheap = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with django_db_blocker.unblock(), undone():
        with override_settings(DATA_ROOT=root, PASSWORD_HASHERS=cheap):
            built = worlds.build()
            before = Before.now(root)
        with django_db_blocker.block():
            yield built, before


@pytest.fixture
def _django_db_helper(
    _built: tuple[World, Before], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Instead of pytest-django's: a savepoint inside the one transaction that made the world."""
    with django_db_blocker.unblock(), undone():
        yield


@pytest.fixture
def world(
    _built: tuple[World, Before], _django_db_helper: None, settings: Settings
) -> Iterator[World]:
    """The world, for this test alone: rows and folders made in it are gone afterwards."""
    built, before = _built
    settings.DATA_ROOT = settings.CLUSTER_DATA_ROOT = before.root
    data_access.verdicts.forget()
    activity.tally.forget()  # else what earlier tests fetched is written down in this one
    yield built
    for path in sorted(before.files_since(), reverse=True):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def before(_built: tuple[World, Before]) -> Before:
    """What the world was before this test."""
    return _built[1]
