"""The doctor's look at a real MariaDB."""

import pytest
from django.db import connection

from facility_app.doctor import database
from facility_app.doctor.findings import Verdict

pytestmark = pytest.mark.django_db


def test_a_server_as_the_settings_make_it_is_fine():
    found = database.answers()

    assert found.verdict == Verdict.OK
    assert found.found.startswith("MariaDB 1")


def test_a_server_that_is_not_strict_is_a_failure():
    with connection.cursor() as cursor:
        cursor.execute("SET @before = @@SESSION.sql_mode, SESSION sql_mode = ''")
        try:
            found = database.answers()
        finally:
            cursor.execute("SET SESSION sql_mode = @before")

    assert found.verdict == Verdict.FAILED
    assert "STRICT_TRANS_TABLES" in found.action


def test_a_server_without_the_time_zone_is_a_warning(settings):
    settings.TIME_ZONE = "Nowhere/Land"

    assert database.answers().verdict == Verdict.WARNING
