"""Products that a later acquisition does not have stay as rows, and are offered no more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("processing_app", "0002_seed")]

    operations = [
        migrations.AddField(
            model_name="product",
            name="retired_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When a later acquisition turned out not to have it.",
                null=True,
            ),
        ),
    ]
