"""Is the database there, of the right kind, and as the code expects it?"""

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from facility_app.doctor.findings import Finding, failed, ok, warning

OLDEST_MARIADB = (10, 7)
_SETTING = "Set DATABASE_URL to a running database; see docs/settings.md."


def answers() -> Finding:
    """Connect, and say which engine it is."""
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as problem:  # each engine has its own; the message says which
        return failed(f"It gives no answer: {problem}", _SETTING)
    version = ".".join(str(part) for part in connection.get_database_version())
    if connection.vendor == "mysql":
        return _mariadb(version)
    if settings.DEBUG:
        return ok(f"SQLite {version}")
    action = "Fine to try the site; give a facility MariaDB by DATABASE_URL."
    return warning(f"SQLite {version} in production", action)


def _mariadb(version: str) -> Finding:
    if connection.get_database_version() < OLDEST_MARIADB:
        return failed(f"MariaDB {version} is too old.", "Install 10.7 or newer.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT @@SESSION.sql_mode, CONVERT_TZ('2030-01-01', 'UTC', %s)", [settings.TIME_ZONE]
        )
        mode, converted = cursor.fetchone()
    if "STRICT_TRANS_TABLES" not in mode:
        return failed(f"MariaDB {version} is not strict.", "Add STRICT_TRANS_TABLES to sql_mode.")
    if converted is None and settings.TIME_ZONE != "UTC":
        return warning(
            f"MariaDB {version}, strict, does not know the time zone {settings.TIME_ZONE}.",
            "Load them: mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql",
        )
    return ok(f"MariaDB {version}, strict, knows the time zone {settings.TIME_ZONE}")


def is_migrated() -> Finding:
    """Compare the tables with the code."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return ok("all migrations are applied")
    names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[:3])
    return failed(f"{len(plan)} migrations are not applied: {names}", "Run manage.py migrate.")
