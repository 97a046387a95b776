from django.db import migrations

CLOSED = (5, 6)


def forwards(apps, schema_editor):
    weekday_model = apps.get_model("requests_app", "HandoffWeekday")
    for weekday in range(7):
        capacity = 0 if weekday in CLOSED else None
        weekday_model.objects.get_or_create(weekday=weekday, defaults={"capacity": capacity})


class Migration(migrations.Migration):
    dependencies = [("requests_app", "0003_planning_antibodies_handoffs")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
