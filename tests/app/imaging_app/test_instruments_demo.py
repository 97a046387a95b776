"""A site to try out shows some life of its instruments, once."""

import pytest
from django.core.management import call_command

from core_app.models import Mail
from imaging_app.models import Calibration, ComponentInstallation, MaintenanceEntry
from tests.support.console import browser_of, words_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(settings):
    settings.DEBUG = True


def test_seeding_shows_parts_maintenance_and_measurements(demo, django_user_model):
    call_command("seed_demo", verbosity=0)

    imager = django_user_model.objects.get(username="imager")
    page = words_of(browser_of(imager).get("/imaging/instruments/lavision/"))

    assert "White light laser" in page
    assert "Laser service" in page
    assert "Laser power" in page
    assert not Mail.objects.exists()


def test_seeding_twice_changes_nothing(demo):
    call_command("seed_demo", verbosity=0)
    models = (Calibration, ComponentInstallation, MaintenanceEntry)
    before = [list(model.objects.values()) for model in models]

    call_command("seed_demo", verbosity=0)

    assert [list(model.objects.values()) for model in models] == before
    assert all(before)
