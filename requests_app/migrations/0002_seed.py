from django.db import migrations

from requests_app import seeds


def forwards(apps, schema_editor):
    models = (apps.get_model("requests_app", n) for n in ("Species", "ClearingProtocol", "ProtocolStep"))
    seeds.seed(*models)


class Migration(migrations.Migration):
    dependencies = [("requests_app", "0001_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
