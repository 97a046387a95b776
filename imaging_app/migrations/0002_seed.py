from django.db import migrations

from imaging_app import seeds


def forwards(apps, schema_editor):
    models = (apps.get_model("imaging_app", n) for n in ("Microscope", "Wavelength", "Objective"))
    seeds.seed(*models)


class Migration(migrations.Migration):
    dependencies = [("imaging_app", "0001_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
