from django.db import migrations

# name, label, voxel size (x, y, z) in micrometers
ATLASES = (
    ("allen_2017", "Allen 2017", (25.0, 25.0, 25.0)),
    ("allen_2011", "Allen before 2017", (25.0, 25.0, 25.0)),
    ("pma", "PMA mouse atlas", (20.0, 20.0, 20.0)),
    ("paxinos", "Franklin-Paxinos", (10.0, 100.0, 10.0)),
)


def forwards(apps, schema_editor):
    atlas = apps.get_model("processing_app", "Atlas")
    for position, (name, label, (x, y, z)) in enumerate(ATLASES):
        voxel = {"voxel_x_um": x, "voxel_y_um": y, "voxel_z_um": z}
        atlas.objects.get_or_create(name=name, defaults={"label": label, "position": position, **voxel})


class Migration(migrations.Migration):
    dependencies = [("processing_app", "0001_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
