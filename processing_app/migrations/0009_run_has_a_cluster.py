import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("processing_app", "0008_clusters_of_runs")]
    operations = [
        migrations.RemoveField(model_name="run", name="cluster_name"),
        migrations.AlterField(
            model_name="run",
            name="cluster",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="runs", to="processing_app.cluster"),
        ),
    ]
