from django.db import migrations


def forwards(apps, schema_editor):
    objectives = apps.get_model("imaging_app", "Objective").objects
    objectives.filter(name__in=["3.6x", "15x"], microscope__layout="smartspim").update(is_offered=True)


class Migration(migrations.Migration):
    dependencies = [("imaging_app", "0002_seed")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
