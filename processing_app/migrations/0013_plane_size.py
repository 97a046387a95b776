from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("processing_app", "0012_cluster_partly_silent"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="plane_yx",
            field=models.JSONField(blank=True, default=list),
        ),
    ]
