"""Folders are told apart as the storage does it: Brain and brain are two.

MariaDB compares texts by its collation, which knows neither case nor accents: the verdict on one
folder, and what was accepted of it, would count for the other. Others compare exactly.
"""

from django.db import migrations

TABLES = ("imaging_app_rawdelivery", "imaging_app_deliverywaiver")
EXACT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


def compare_exactly(apps, schema_editor):
    if schema_editor.connection.vendor == "mysql":
        for table in TABLES:
            schema_editor.execute(f"ALTER TABLE {table} MODIFY subfolder varchar(255) {EXACT} NOT NULL")


class Migration(migrations.Migration):

    atomic = False  # MariaDB cannot take back a change of a table

    dependencies = [
        ('imaging_app', '0005_equivalent_lines'),
    ]

    operations = [migrations.RunPython(compare_exactly, migrations.RunPython.noop)]
