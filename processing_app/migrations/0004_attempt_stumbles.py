"""How often in a row the site itself tripped over an attempt."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("processing_app", "0003_product_retired_at")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="stumbles",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="How often in a row the site itself tripped over it."
            ),
        ),
    ]
