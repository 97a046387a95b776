from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("processing_app", "0011_processing_products")]
    operations = [
        migrations.AddField(
            model_name="clusterstatus",
            name="part_silent_since",
            field=models.DateTimeField(help_text="Since when attempts wait, though the cluster answers.", null=True),
        ),
        migrations.AddField(model_name="clusterstatus", name="part_told_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="clusterstatus",
            name="part_trouble",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AlterField(
            model_name="clusterstatus",
            name="trouble",
            field=models.CharField(blank=True, max_length=1000),
        ),
    ]
