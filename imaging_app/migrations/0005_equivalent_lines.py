from django.db import migrations

PAIRS = (("488", "488"), ("555", "561"), ("647", "642"), ("790", "785"))


def forwards(apps, schema_editor):
    """Lines of the seeded microscopes that excite the same dyes; where staff renamed one, nothing."""
    lines = apps.get_model("imaging_app", "Wavelength").objects
    for here, there in PAIRS:
        first = lines.filter(microscope__name="lavision", name=here).first()
        second = lines.filter(microscope__name="smartspim", name=there).first()
        if first and second:
            # The models of a migration do not add the other direction by themselves.
            first.equivalents.add(second)
            second.equivalents.add(first)


class Migration(migrations.Migration):
    dependencies = [("imaging_app", "0004_instruments_deliveries_bookings")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
